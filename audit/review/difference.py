"""One difference between two sets of templates, and how bad it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

# The hash of an asset: in the name of its object, or of its image.
_ASSET = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
LONGEST = 260  # characters of a value that is shown


class Kind(IntEnum):
    """The worst first: how a review sorts. What is none of the others is behaviour, never cosmetic."""

    DATA_LOSS = 6
    REPLACEMENT = 5
    WIDER_ACCESS = 4
    COST = 3
    BEHAVIOUR = 2
    COSMETIC = 1

    @property
    def words(self) -> str:
        return self.name.replace("_", " ").lower()

    @property
    def option(self) -> str:
        """As it is written on a command line."""
        return self.name.replace("_", "-").lower()

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    Kind.DATA_LOSS: "what holds state is deleted or made anew without being kept, or is kept for less long",
    Kind.REPLACEMENT: "a resource is deleted and made anew: its name and what was changed by hand are lost",
    Kind.WIDER_ACCESS: "somebody may do more, a way is opened, a protection or a condition is dropped",
    Kind.COST: "what costs money for as long as it exists, or per use, changes in number or size",
    Kind.BEHAVIOUR: "the rest that acts differently once it is deployed",
    Kind.COSMETIC: "words, tags, metadata, new code behind the same resource, names that only move",
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """
    path     construct path of the resource; its address where the CDK did not make the template
    what     in one line
    why      what follows from it, or how it is known; "" where `what` says all
    before, after  values as text; "" where there is none
    rank     within the class, the higher the worse
    """

    kind: Kind
    stack: str
    path: str
    type: str
    what: str
    why: str = ""
    before: str = ""
    after: str = ""
    rank: int = 0


def worst_first(changes: Iterable[Change]) -> list[Change]:
    return sorted(
        set(changes), key=lambda one: (-one.kind, -one.rank, one.stack, one.path, one.what, one.before)
    )


def counts(changes: Iterable[Change]) -> dict[Kind, int]:
    """Every kind, the worst first, those without a change too."""
    found = list(changes)
    return {kind: sum(one.kind is kind for one in found) for kind in sorted(Kind, reverse=True)}


def shown(value: Any) -> str:
    """A value as a reader sees it; "" for none, cut where it is too long to read."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def without_assets(value: Any) -> Any:
    """The value with hashes of assets taken out, so that new code alone makes no difference."""
    return json.loads(without_hash(json.dumps(value, default=str)))


def without_hash(text: str) -> str:
    return _ASSET.sub("<asset>", text)


def at(value: Any, *names: str) -> Any:
    """What stands below; None where a step is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def is_true(value: Any) -> bool:
    """Of a boolean of CloudFormation, which may be written as text."""
    return str(value).lower() == "true"
