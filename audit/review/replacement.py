"""What is deleted and made anew, and whether CloudFormation can do it at all."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set

from audit.arns import ARNS
from audit.review.difference import Change, Kind, shown
from audit.review.loss import STATEFUL, is_kept
from audit.review.pairs import Pair
from audit.templates import Resource, Templates

_REFERENCE = re.compile(r"<([^<>/]+/[^<>./]+)[.>]")
_EXPORT = re.compile(r'"Fn::ImportValue": "([^"]+)"')


def replacements(
    one: Pair, importers: Mapping[str, Set[str]], referred: Set[str]
) -> Iterator[tuple[Change, tuple[str, ...]]]:
    """
    Changes, each with the properties that it speaks of; what is lost and not kept is data loss, not this.

    importers  address of a resource in the base -> stacks that import something of it
    referred   addresses of the base that other resources speak of
    """
    if one.old is None or one.new is None:
        return
    is_lost = one.old.type in STATEFUL and not is_kept(one)
    if one.is_renamed and not is_lost and one.old.address in referred:
        why = "others refer to it and get the new one; `cdk refactor` moves it without making it anew"
        yield _change(one, f"is made anew as {one.new.path}, with the same content", why, importers), ("*",)
    elif one.replaced_by and not is_lost:
        kept = "; the old one is kept outside of the stack" if one.old.type in STATEFUL else ""
        verb = "may be" if one.may_only else "is"
        places = tuple(name.partition(".")[0] for name in one.replaced_by)
        what = f"{verb} made anew for {', '.join(one.replaced_by)}{kept}"
        yield _change(one, what, _pointed(one, places), importers, places[0]), places


def _pointed(one: Pair, places: tuple[str, ...]) -> str:
    """A property that says the same as before replaces only because what it points at is made anew."""
    same = [name for name in places if name not in one.changed and name != "type"]
    return f"what {', '.join(same)} refers to is made anew itself, or is named otherwise" if same else ""


def obstacles(one: Pair, importers: Mapping[str, Set[str]]) -> list[str]:
    """Why CloudFormation will refuse to make it anew, or to delete it."""
    if one.old is None:
        return []
    found = []
    if (
        one.new is not None
        and not one.is_renamed
        and (name := fixed_name(one.new)) == fixed_name(one.old)
        and name
    ):
        found.append(f"it keeps its fixed name {name}: CloudFormation cannot make the new one beside the old")
    if stacks := importers.get(one.old.address, set()) - ({one.old.stack} if one.new is None else set()):
        found.append(
            f"{', '.join(sorted(stacks))} imports it: CloudFormation changes no export that is in use"
        )
    return found


def fixed_name(resource: Resource) -> str:
    """The name that the template gives the resource; "" where CloudFormation makes one up."""
    key = ARNS.get(resource.type, ("", ""))[0]
    return shown(resource.get(key)) if key else ""


def importers_of(templates: Templates) -> dict[str, set[str]]:
    """Address of a resource -> other stacks that import something of it."""
    found: dict[str, set[str]] = defaultdict(set)
    for stack, (_, document) in templates.documents.items():
        for name in _EXPORT.findall(json.dumps(document, default=str)):
            value = json.dumps(templates.exports.get(name), default=str)
            for address in _speaks_of(templates, value):
                found[address].add(stack)
    return found


def _speaks_of(templates: Templates, text: str) -> Iterator[str]:
    """Addresses in a value that is spelled out; by their names where templates give those."""
    yield from _REFERENCE.findall(text)
    for resource in templates.resources:
        if (name := fixed_name(resource)) and name in text:
            yield resource.address


def referred_to(templates: Templates) -> set[str]:
    """Addresses that properties of other resources, or exports, speak of."""
    found: set[str] = set()
    for resource in templates.resources:
        text = json.dumps(resource.properties, default=str)
        found |= {address for address in _REFERENCE.findall(text) if address != resource.address}
    return found | set(_REFERENCE.findall(json.dumps(templates.exports, default=str)))


def _change(one: Pair, what: str, why: str, importers: Mapping[str, Set[str]], place: str = "") -> Change:
    now = one.new.properties.get(place) if one.new and place else None
    before, after = shown(one.properties.get(place)) if place else "", shown(now)
    blocked = obstacles(one, importers)
    return Change(
        kind=Kind.REPLACEMENT,
        stack=one.one.stack,
        path=(one.old or one.one).path,
        type=one.one.type,
        what=what,
        why="; ".join(filter(None, [why, *blocked])),
        before="" if before == after else before,
        after="" if before == after else after,
        rank=2 if blocked else 0 if why else 1,
    )
