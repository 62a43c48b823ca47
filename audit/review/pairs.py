"""Which resource of the base became which: by logical id, else by what it is.

A resource that is gone and one that is new, of the same type and with the same content, are one that was
renamed. CloudFormation does not know that: it makes the new one and deletes the old one.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any

from audit.review import schemas
from audit.review.cdk import REPLACING, Said
from audit.review.difference import without_assets
from audit.templates import Resource, Templates

_ADDRESS = re.compile(r"<([^<>/]+/[^<>./]+)(?=[.>])")


@dataclass(frozen=True)
class Pair:
    """
    old, new    None where the resource is new, or gone; of the same name unless it was renamed
    properties  of the old one, with the names that its neighbours have now
    impacts     what the CDK's diff says by property
    """

    old: Resource | None
    new: Resource | None
    properties: Mapping[str, Any]
    impacts: Mapping[str, str]

    @property
    def one(self) -> Resource:
        found = self.new or self.old
        if found is None:
            raise ValueError("a pair of nothing")
        return found

    @property
    def is_renamed(self) -> bool:
        return self.old is not None and self.new is not None and self.old.address != self.new.address

    @cached_property
    def changed(self) -> tuple[str, ...]:
        """Properties, and attributes such as DeletionPolicy, that say something else now."""
        if self.old is None or self.new is None:
            return ()
        now = self.new.properties
        names = sorted({*self.properties, *now})
        attributes = sorted(
            ({*self.old.raw, *self.new.raw}) - {"Type", "Properties", "DependsOn", "Metadata"}
        )
        return tuple(
            [name for name in names if self.properties.get(name) != now.get(name)]
            + [name for name in attributes if self.old.raw.get(name) != self.new.raw.get(name)]
        )

    @cached_property
    def replaced_by(self) -> tuple[str, ...]:
        """For which properties it is made anew, as the CDK or AWS's schema says; "type" for another type."""
        if self.old is None or self.new is None:
            return ()
        if self.old.type != self.new.type:
            return ("type",)
        by_cdk = [name for name, impact in self.impacts.items() if impact in REPLACING]
        by_schema = schemas.replacing(self.new.type, self.properties, self.new.properties)
        more = [name for name in by_schema if name.partition(".")[0] not in by_cdk]
        return (*by_cdk, *more)

    @property
    def may_only(self) -> bool:
        """Whether it hangs on the value or on the account if it is replaced."""
        said = {self.impacts.get(name.partition(".")[0]) for name in self.replaced_by}
        return said == {"MAY_REPLACE"}


def pair(base: Templates, new: Templates, said: Said) -> list[Pair]:
    """All resources of both, in the order of the new templates; what is gone comes last."""
    gone = [each for each in base.resources if each.address not in new.by_address]
    fresh = [each for each in new.resources if each.address not in base.by_address]
    renamed = renames(gone, fresh)
    before = {now: base.by_address[was] for was, now in renamed.items()}
    pairs = []
    for resource in new.resources:
        old = before.get(resource.address) or base.by_address.get(resource.address)
        impacts = said.impacts.get((resource.stack, resource.logical_id), {})
        pairs.append(
            Pair(old, resource, translated(old.properties, renamed) if old else {}, impacts if old else {})
        )
    left = [each for each in gone if each.address not in renamed]
    return [*pairs, *(Pair(each, None, each.properties, {}) for each in left)]


def renames(gone: Sequence[Resource], fresh: Sequence[Resource]) -> dict[str, str]:
    """Address in the base -> address now. Of several alike, those with the likest paths belong together."""
    loose = {each.address for each in (*gone, *fresh)}
    alike: dict[str, tuple[list[Resource], list[Resource]]] = defaultdict(lambda: ([], []))
    for side, resources in enumerate((gone, fresh)):
        for resource in resources:
            alike[_content(resource, loose)][side].append(resource)
    found: dict[str, str] = {}
    for was, now in alike.values():
        for one, other in _nearest(was, now):
            found[one.address] = other.address
    return found


def _content(resource: Resource, loose: Iterable[str]) -> str:
    """What a resource is, whatever it and its neighbours are called."""
    names = set(loose)
    text = json.dumps(without_assets([resource.type, resource.properties]), sort_keys=True, default=str)
    return _ADDRESS.sub(lambda match: "<moved" if match[1] in names else match[0], text)


def _nearest(was: Sequence[Resource], now: Sequence[Resource]) -> list[tuple[Resource, Resource]]:
    ratios = sorted(
        ((SequenceMatcher(None, one.path, other.path).ratio(), one, other) for one in was for other in now),
        key=lambda each: (-each[0], each[1].address, each[2].address),
    )
    found: list[tuple[Resource, Resource]] = []
    for _, one, other in ratios:
        if all(one is not first and other is not second for first, second in found):
            found.append((one, other))
    return found


def translated(value: Any, names: Mapping[str, str]) -> Any:
    """With the new names of resources that were renamed."""
    if not names:
        return value
    text = json.dumps(value, default=str)
    return json.loads(_ADDRESS.sub(lambda match: f"<{names.get(match[1], match[1])}", text))
