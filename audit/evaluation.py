"""Whether a principal may do an action to a part of a resource: identity, resource, key, boundary, Deny.

As AWS evaluates: an explicit Deny wins; within the account an identity's or a resource's policy must allow,
and a permissions boundary as well; a key's policy must name the principal, or hand the decision on to the
account. What hangs on the request (a condition) is said in words, as what must hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from audit.capabilities import Capability, Face, actions_on, expanded
from audit.conditions import Known, clauses, undecided
from audit.names import VARIABLE, covers
from audit.policies import Statement, matches, overlap
from audit.templates import Resource
from audit.wording import escape, requirements

ROOT = "arn:aws:iam::<AccountId>:root"
_STARS = re.compile(r"\*+")
_COLON = re.compile(r":(?![^{]*\})")  # not inside a variable
_NOT_BELOW, _NAME_MATCHES = "not below ", "if its name matches "
_ACCOUNT = {("AWS", ROOT), ("AWS", "<AccountId>")}


@dataclass(frozen=True, kw_only=True)
class Principal:
    """
    names     how a policy's Principal may name it, as (kind, value)
    attached  statements of its identity policies
    ceiling   statements of its boundary; None where it has none
    unread_*  ARNs of policies, of a boundary, that no template holds
    """

    path: str
    names: frozenset[tuple[str, str]]
    known: Known
    attached: tuple[Statement, ...] = ()
    ceiling: tuple[Statement, ...] | None = None
    unread_policies: tuple[str, ...] = ()
    unread_boundary: str = ""
    is_user: bool = False


@dataclass(frozen=True)
class Way:
    """One way to be allowed one action."""

    scope: str
    needs: tuple[str, ...]
    actions: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    resource: Resource
    faces: tuple[Face, ...]
    policy: tuple[Statement, ...]


def about(principal: Principal, face: Face) -> Principal:
    """With the statements only that speak of such a thing: most speak of others, and are asked often."""
    ceiling = principal.ceiling
    return replace(
        principal,
        attached=tuple(each for each in principal.attached if _speaks_of(each, face)),
        ceiling=ceiling and tuple(each for each in ceiling if _speaks_of(each, face)),
    )


def _speaks_of(statement: Statement, face: Face) -> bool:
    return bool(_actions(statement, face)) and bool(_scopes(statement, face))


def candidates(principal: Principal, target: Target, face: Face) -> dict[str, Capability]:
    """Actions that some Allow names; of those only, evaluation asks."""
    on_target = [each for each in target.policy if _is_named(each, principal.names)]
    allowing = [each for each in (*principal.attached, *on_target) if each.allows]
    known = actions_on(face.service, face.type)
    named = {action for statement in allowing for action in _actions(statement, face)}
    return {action: known[action] for action in sorted(named)}


def _actions(statement: Statement, face: Face) -> frozenset[str]:
    given = tuple(map(str, statement.not_actions or statement.actions))
    return _meant(given, bool(statement.not_actions), face.service, face.type)


@cache
def _meant(patterns: tuple[str, ...], is_rest: bool, service: str, resource_type: str) -> frozenset[str]:
    """Actions on one kind of resource that the patterns cover, or (NotAction) leave."""
    named = frozenset[str]().union(*(expanded(each, service, resource_type) for each in patterns))
    return frozenset(actions_on(service, resource_type)) - named if is_rest else named


def ways(principal: Principal, target: Target, face: Face, action: str) -> list[Way]:
    granted = [
        *_by_identity(principal, target, face, action),
        *_by_resource(principal, target, face, action),
    ]
    denials = [
        statement
        for statement in (*principal.attached, *(principal.ceiling or ()))
        if _denies(statement) and action in _actions(statement, face)
    ]
    denials += [
        statement
        for statement in target.policy
        if _denies(statement) and action in _actions(statement, face) and _names(statement, principal)
    ]
    for denial in denials:
        granted = [left for way in granted for left in _denied(way, denial, principal, face)]
    return _widest(granted)


def _by_identity(principal: Principal, target: Target, face: Face, action: str) -> list[Way]:
    ways = _allowed(principal.attached, principal, face, action)
    if target.resource.type == "AWS::KMS::Key":
        ways = [_joined(way, hand) for way in ways for hand in _handed_on(principal, target, face, action)]
    return _capped(ways, principal, face, action)


def _handed_on(principal: Principal, target: Target, face: Face, action: str) -> list[Way]:
    """A key's policy must let in the account for identity policies to count. AWS's own, for none, does."""
    if not any(statement.kind == "key" for statement in target.policy):
        return [Way("", (), (), ())]
    to_account = [each for each in target.policy if _is_named(each, _ACCOUNT)]
    return _allowed(to_account, principal, face, action)


def _by_resource(principal: Principal, target: Target, face: Face, action: str) -> list[Way]:
    """A grant to a role's ARN is under the role's boundary; one to a user is not (nor one to anyone)."""
    mine = [each for each in target.policy if each.allows and _is_named(each, principal.names)]
    ways = _allowed(mine, principal, face, action)
    return ways if principal.is_user else _capped(ways, principal, face, action)


def _is_named(statement: Statement, names: Iterable[tuple[str, str]]) -> bool:
    return bool(set(statement.principals) & set(names)) or (
        "NotPrincipal" in statement.raw and ("AWS", "*") in set(names)
    )


def _names(denial: Statement, principal: Principal) -> bool:
    """Whether a Deny of a resource's policy is about this principal.

    NotPrincipal spares a role only together with its account and its session, whose name nobody knows
    before: who is named counts as spared, so that no access is overlooked. It spares nobody who has a
    boundary (IAM user guide, "permissions boundaries").
    """
    spared = denial.raw.get("NotPrincipal")
    if spared is not None:
        has_boundary = principal.ceiling is not None or bool(principal.unread_boundary)
        return has_boundary or not (principal.names & _pairs(spared))
    account = _ACCOUNT if "aws:principalaccount" in principal.known.carried else set()
    return bool(set(denial.principals) & {("AWS", "*"), *principal.names, *account})


def _denies(statement: Statement) -> bool:
    return statement.raw.get("Effect") == "Deny"


def _pairs(given: Any) -> set[tuple[str, str]]:
    return {(kind, value) for kind, values in given.items() for value in values}


def _allowed(given: Iterable[Statement], principal: Principal, face: Face, action: str) -> list[Way]:
    ways: list[Way] = []
    for statement in given:
        left = undecided(clauses(statement), principal.known) if statement.allows else None
        if left is None or action not in _actions(statement, face):
            continue
        needs = requirements(left)
        source = f"{statement.holder.path}#{statement.index}"
        names = tuple(
            str(each) for each in statement.actions if action in expanded(str(each), face.service, face.type)
        )
        names = names or (f"all but {' '.join(map(str, statement.not_actions))}",)
        ways += [
            Way(scope, _merged(needs, hangs), names, (source,)) for scope, hangs in _scopes(statement, face)
        ]
    return ways


def _capped(ways: list[Way], principal: Principal, face: Face, action: str) -> list[Way]:
    if principal.unread_boundary:
        within = f"within {principal.unread_boundary}"
        return [replace(way, needs=_merged(way.needs, [within])) for way in ways]
    if principal.ceiling is None:
        return ways
    caps = _allowed(principal.ceiling, principal, face, action)
    return [_joined(way, cap) for way in ways for cap in caps if overlap(way.scope, cap.scope)]


def _joined(way: Way, cap: Way) -> Way:
    """What both allow."""
    narrower = way.scope if matches(cap.scope, way.scope) else cap.scope
    extra: tuple[str, ...] = ()
    if not matches(cap.scope, way.scope) and not matches(way.scope, cap.scope):
        narrower, extra = way.scope, (f"below {cap.scope}",)
    return replace(way, scope=narrower, needs=_merged(way.needs, cap.needs, extra))


def _denied(way: Way, denial: Statement, principal: Principal, face: Face) -> Iterator[Way]:
    left = undecided(clauses(denial), principal.known)
    scopes = _scopes(denial, face) if left is not None else []
    for scope, hangs in scopes:
        if not overlap(scope, way.scope) or any(_spares(hang, way) for hang in hangs):
            continue
        parts = [_opposite(hang) for hang in hangs]
        parts += [escape(left)] if left else []
        if not matches(scope, way.scope):
            parts = [f"{_NOT_BELOW}{scope}", *parts]
        if not parts:
            return
        way = replace(way, needs=_merged(way.needs, (" or ".join(parts),)))
    yield way


def _spares(hang: str, way: Way) -> bool:
    """Whether the part that a NotResource leaves alone holds all of what the way reaches."""
    return hang.startswith(_NOT_BELOW) and matches(hang.removeprefix(_NOT_BELOW), way.scope)


def _opposite(hang: str) -> str:
    if hang.startswith(_NOT_BELOW):
        return f"below {hang.removeprefix(_NOT_BELOW)}"
    return f"its name does not match {hang.removeprefix(_NAME_MATCHES)}"


def _scopes(statement: Statement, face: Face) -> list[tuple[str, tuple[str, ...]]]:
    """(part of the face, what the name must be) for each resource pattern; a key's own policy is about it."""
    if statement.not_resources:
        hit = [scope for pattern in statement.not_resources for scope, _ in _parts(str(pattern), face)]
        if any(matches(scope, "*" if face.is_open else "") for scope in hit):
            return []
        return [("*" if face.is_open else "", tuple(f"{_NOT_BELOW}{scope}" for scope in hit))]
    patterns = ["*"] if statement.kind == "key" else statement.resources or ["*"]
    found = [part for pattern in patterns for part in _parts(str(pattern), face)]
    return list(dict.fromkeys(found))


def _parts(given: str, face: Face) -> Iterator[tuple[str, tuple[str, ...]]]:
    pattern = _STARS.sub("*", given)
    if not face.is_open:
        # Secrets Manager adds a hyphen and six characters to a name.
        known = [face.arn, f"{face.arn}-??????"] if face.type == "Secret" else [face.arn]
        truths = [covers(pattern, text) for text in known]
        if any(truth is not False for truth in truths):
            yield "", () if True in truths else (_NAME_MATCHES + _COLON.split(pattern)[-1],)
        return
    if pattern.startswith(face.arn):
        yield pattern.removeprefix(face.arn), ()
        return
    parts: dict[str, tuple[str, ...]] = {}
    name = (_NAME_MATCHES + _COLON.split(pattern)[-1],)
    # A variable may stand for the rest of a name; what it stands for is a matter of the request.
    is_certain, pattern = not VARIABLE.search(pattern), _STARS.sub("*", VARIABLE.sub("*", pattern))
    for end in range(1, len(pattern) + 1):
        if pattern[end - 1] not in "*?/:" or (truth := covers(pattern[:end], face.arn)) is False:
            continue
        rest = _STARS.sub("*", ("*" if pattern[end - 1] == "*" else "") + pattern[end:])
        parts.setdefault(rest, () if truth and is_certain else name)
    for rest, hangs in parts.items():
        if not any(matches(other, rest) and not matches(rest, other) for other in parts):
            yield rest, hangs


def _merged(*needs: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(need for each in needs for need in each))


def _widest(ways: list[Way]) -> list[Way]:
    """Without the ways that another one includes: as far or further, and asking no more."""

    def is_in(way: Way, other: Way) -> bool:
        return matches(other.scope, way.scope) and set(other.needs) <= set(way.needs)

    return [way for way in ways if not any(is_in(way, other) and not is_in(other, way) for other in ways)]
