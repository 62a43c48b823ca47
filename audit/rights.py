"""What one identity may do: allowed by its policies and its boundary, and denied by neither.

A denial counts where it has no condition; conditions of what is allowed are kept beside it. A boundary that
the templates do not hold is no limit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from audit import policies
from audit.conditions import Clause, clauses
from audit.policies import Statement, matches
from audit.templates import Resource

PLACEHOLDER = re.compile(r"<[^<>]*(?:<[^<>]*>[^<>]*)*>")
WILDCARD = re.compile(r"[*?]")


@dataclass(frozen=True, kw_only=True)
class Grant:
    """An action allowed on resources of a pattern."""

    action: str
    pattern: str
    conditions: tuple[Clause, ...]

    def limited_by(self, *beginnings: str) -> bool:
        """Whether a condition with such a key must be met."""
        return any(each.is_required and each.key.lower().startswith(beginnings) for each in self.conditions)

    def values(self, name: str) -> list[str]:
        return [
            value
            for each in self.conditions
            if each.key.lower() == name.lower() and each.is_required
            for value in each.values
        ]


class Rights:
    """Of one identity; `held` are the statements of its policies and of its boundary."""

    def __init__(self, identity: Resource, held: Sequence[Statement]) -> None:
        self.identity = identity
        self._own = [each for each in held if each.kind == "identity" and each.allows]
        self._ceiling = [each for each in held if each.kind == "boundary" and each.allows]
        self._denials = [each for each in held if each.raw.get("Effect") == "Deny"]
        self._has_ceiling = any(each.kind == "boundary" for each in held)

    def grants(self, action: str) -> list[Grant]:
        found = [grant for each in self._own if _covers(each, action) for grant in _granted(each, action)]
        if self._has_ceiling:
            caps = [cap for each in self._ceiling if _covers(each, action) for cap in _granted(each, action)]
            found = [both for grant in found for cap in caps if (both := _both(grant, cap))]
        return [grant for grant in found if not self._is_denied(grant)]

    @cached_property
    def is_administrator(self) -> bool:
        """By a statement of everything on everything that nothing takes back."""
        probes = ("iam:PutRolePolicy", "s3:GetObject", "ec2:RunInstances")
        everything = any(
            "*" in map(str, each.actions) and "*" in map(str, each.resources) for each in self._own
        )
        return everything and all(any(g.pattern == "*" for g in self.grants(probe)) for probe in probes)

    def keeps_boundary(self, action: str) -> bool:
        """Whether a denial makes the action hold on to a permissions boundary."""
        return any(
            _covers(denial, action)
            and any(
                each.is_negative and each.key.lower() == "iam:permissionsboundary" for each in clauses(denial)
            )
            for denial in self._denials
        )

    def _is_denied(self, grant: Grant) -> bool:
        return any(
            not clauses(denial)
            and _covers(denial, grant.action)
            and any(matches(str(pattern), grant.pattern) for pattern in denial.resources)
            for denial in self._denials
        )


def _covers(statement: Statement, action: str) -> bool:
    """Whether the statement speaks of the action."""
    if statement.not_actions:
        return not any(matches(str(each).lower(), action.lower()) for each in statement.not_actions)
    return any(matches(str(each).lower(), action.lower()) for each in statement.actions)


def _granted(statement: Statement, action: str) -> list[Grant]:
    # All but some resources is read as all of them.
    patterns = ["*"] if statement.not_resources else [str(each) for each in statement.resources]
    conditions = tuple(clauses(statement))
    return [Grant(action=action, pattern=pattern, conditions=conditions) for pattern in patterns]


def _both(grant: Grant, cap: Grant) -> Grant | None:
    """What a policy and a boundary allow together; None where they have nothing in common."""
    if not overlap(grant.pattern, cap.pattern):
        return None
    narrower = cap.pattern if matches(grant.pattern, cap.pattern) else grant.pattern
    return Grant(action=grant.action, pattern=narrower, conditions=grant.conditions + cap.conditions)


def overlap(one: str, other: str) -> bool:
    """Whether some ARN matches both patterns; a placeholder is one part of it, whatever its name holds."""
    return policies.overlap(PLACEHOLDER.sub(flat, one), PLACEHOLDER.sub(flat, other))


def has_wildcard(pattern: str) -> bool:
    return WILDCARD.search(pattern) is not None


def flat(match: re.Match[str]) -> str:
    """A placeholder without the signs that divide ARNs."""
    return match[0].replace(":", "_").replace("/", "_")
