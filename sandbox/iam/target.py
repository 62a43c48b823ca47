"""One thing that a call asks for: an action on a resource, with the condition keys of this pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


class Unmapped(Exception):
    """The exact resource of an action is not known; a runtime role may not use it."""


@dataclass(frozen=True, kw_only=True)
class Target:
    action: str
    resource: str
    context: Mapping[str, object] = field(default_factory=dict)  # lower-case keys
    implied_by: str = ""  # AWS makes this call for that action: forward access session
    as_service: str = ""  # AWS makes it as itself: only the resource's policy counts
    each: bool = False  # one item of a batch: refused by itself, the others go on
    mapped: bool = True
