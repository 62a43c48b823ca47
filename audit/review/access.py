"""Wider access: rows of the access matrix and statements of policies that the base did not have."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audit import matrix
from audit.findings import few
from audit.matrix import Row
from audit.policies import Statement, listed, matches, statements
from audit.review.difference import Change, Kind, without_hash
from audit.templates import Templates

# Operators that a longer list makes narrower, not wider.
_NEGATIVE = ("Not",)
_KINDS = {
    "identity": "may do more",
    "trust": "can be assumed by more",
    "resource": "lets in more",
    "key": "lets in more",
    "endpoint": "lets through more",
    "boundary": "allows more as a boundary",
}


def rows_wider(
    base: Templates, new: Templates, renamed: Mapping[str, str]
) -> list[tuple[Change, frozenset[str]]]:
    """
    A change for each target and what is new about it, with the statements that allow it.

    renamed  construct path in the base -> path now
    """
    before: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in matrix.matrix(base):
        moved = replace(
            row,
            principal=renamed.get(row.principal, row.principal),
            target=renamed.get(row.target, row.target),
        )
        before[moved.principal, moved.capability, moved.target].append(moved)
    groups: dict[tuple[str, str, str, str, str], list[tuple[str, Row]]] = defaultdict(list)
    for row in matrix.matrix(new):
        known = before[row.principal, row.capability, row.target]
        if (said := _news(row, known)) is not None:
            what, was, now = said
            groups[row.target, row.kind, what, was, now].append((row.principal, row))
    return [_by_row(new, *key, found) for key, found in groups.items()]


def _news(row: Row, known: Sequence[Row]) -> tuple[str, str, str] | None:
    """What is new about a row, with the conditions before and now; None where the base allowed as much."""
    where = f" below {row.scope}" if row.scope not in ("", "*") else ""
    covering = [each for each in known if matches(each.scope or "", row.scope)]
    if not covering:
        return f"can be {_participle(row)}{where}", "", row.condition
    needs = _needs(row)
    as_free = [each for each in covering if _needs(each) <= needs]
    if not as_free:
        nearest = max(covering, key=lambda each: len(_needs(each) & needs))
        dropped = [each for each in nearest.condition.split("; ") if each and each not in needs]
        told = (
            f"without: {'; '.join(dropped)}"
            if len(needs) < len(_needs(nearest))
            else "under other conditions"
        )
        return (
            f"can be {_participle(row)}{where} {told}",
            nearest.condition,
            row.condition,
        )
    had = {action.lower() for each in as_free for action in each.actions}
    more = [action for action in row.actions if not any(matches(one, action.lower()) for one in had)]
    if more:
        return f"can be {_participle(row)}{where} by more actions: {few(more)}", "", ""
    return None


def _needs(row: Row) -> set[str]:
    return set(filter(None, row.condition.split("; ")))


def _participle(row: Row) -> str:
    words = {"read": "read", "write": "written", "invoke": "called", "administer": "administered"}
    words |= {"unknown": "used in ways that no template shows"}
    return words.get(
        row.capability, f"{row.capability}d" if row.capability == "delete" else f"used to {row.capability}"
    )


def _by_row(
    new: Templates,
    target: str,
    kind: str,
    what: str,
    was: str,
    now: str,
    found: Sequence[tuple[str, Row]],
) -> tuple[Change, frozenset[str]]:
    who = sorted({principal for principal, _ in found})
    row = found[0][1]
    holder = new.by_address.get(row.address)
    change = Change(
        kind=Kind.WIDER_ACCESS,
        stack=holder.stack if holder else target.partition("/")[0],
        path=target,
        type=holder.type if holder else "",
        what=f"this {kind} {what}",
        why=f"by {few(who, 6)}, as all policies together say",
        before=f"only if {was}" if was else "",
        after=f"only if {now}" if now and now != was else "",
    )
    return change, frozenset(source for _, each in found for source in each.sources)


# ---- statements, for what the matrix does not hold: other services, trust, endpoints, boundaries ----


@dataclass(frozen=True)
class Atom:
    """One action on one resource for one principal, under conditions: (operator, key) -> values."""

    action: str
    resource: str
    principal: str
    conditions: Mapping[tuple[str, str], frozenset[str]]


def statements_wider(
    base: Templates, new: Templates, renamed: Mapping[str, str], told: Iterable[str]
) -> Iterator[tuple[Change, str]]:
    """
    A change for each policy that allows more or denies less, with the path of the policy.

    told  statements that rows of the matrix speak of already: <path of the policy>#<index>
    """
    before, after = _by_subject(base, renamed), _by_subject(new, {})
    skipped = set(told)
    for (kind, subject), now in after.items():
        was = before.get((kind, subject), [])
        allowed = [atom for each in was if each.allows for atom in _atoms(each)]
        for each in now:
            if not each.allows or f"{each.holder.path}#{each.index}" in skipped:
                continue
            more = [one for one in _atoms(each) if not any(_covers(old, one) for old in allowed)]
            if more and (kind != "boundary" or was):
                yield _by_statement(each, subject, more, _KINDS[kind]), each.holder.path
    for (kind, subject), was in before.items():
        if (kind, subject) not in after:
            continue  # what has no policy left is allowed nothing by it; a boundary's end is a protection's
        denied = [atom for each in after[kind, subject] if not each.allows for atom in _atoms(each)]
        for each in was:
            if not each.allows:
                less = [one for one in _atoms(each) if not any(_covers(new_one, one) for new_one in denied)]
                if less:
                    yield _by_statement(each, subject, less, "no longer denies"), subject


def _by_subject(templates: Templates, renamed: Mapping[str, str]) -> dict[tuple[str, str], list[Statement]]:
    """Statements by kind and by whose they are: a role's path, or that of what holds the policy."""
    found: dict[tuple[str, str], list[Statement]] = defaultdict(list)
    for each in statements(templates):
        holders = [each.holder.path]
        if each.kind == "identity":
            known = [templates.by_address.get(address) for address in each.identities]
            holders = [one.path for one in known if one] or holders
        for path in holders:
            found[each.kind, renamed.get(path, path)].append(each)
    return found


def _atoms(statement: Statement) -> Iterator[Atom]:
    conditions = {
        (str(operator), str(key)): frozenset(without_hash(str(value)) for value in listed(values))
        for operator, keys in statement.conditions.items()
        if isinstance(keys, Mapping)
        for key, values in keys.items()
    }
    actions = [str(each) for each in statement.actions]
    actions += [f"not {sorted(map(str, statement.not_actions))}"] if statement.not_actions else []
    # An asset is named by its hash: reading the new one is what reading the old one was.
    resources = [without_hash(str(each)) for each in statement.resources]
    resources += [f"not {sorted(map(str, statement.not_resources))}"] if statement.not_resources else []
    principals = [" ".join(map(str, each)) for each in statement.principals]
    if "NotPrincipal" in statement.raw:
        principals.append(f"not {json.dumps(statement.raw['NotPrincipal'], sort_keys=True, default=str)}")
    for action in actions or [""]:
        for resource in resources or [""]:
            for principal in principals or [""]:
                yield Atom(action, resource, principal, conditions)


def _covers(wide: Atom, narrow: Atom) -> bool:
    """Whether everything that the second speaks of is in the first."""
    return (
        matches(wide.action.lower(), narrow.action.lower())
        and matches(wide.resource, narrow.resource)
        and (wide.principal in (narrow.principal, "AWS *"))
        and all(_holds(place, values, narrow) for place, values in wide.conditions.items())
    )


def _holds(place: tuple[str, str], values: frozenset[str], narrow: Atom) -> bool:
    given = narrow.conditions.get(place)
    if given is None:
        return False
    is_negative = any(word in place[0] for word in _NEGATIVE)
    return values <= given if is_negative else given <= values


def _by_statement(statement: Statement, subject: str, atoms: Sequence[Atom], what: str) -> Change:
    actions = sorted({atom.action or "anything" for atom in atoms})
    places = sorted({atom.resource for atom in atoms if atom.resource})
    who = sorted({atom.principal for atom in atoms if atom.principal})
    told = f"{what}: {few(actions, 4)}" + (f" by {few(who)}" if who else "")
    raw: dict[str, Any] = dict(statement.raw)
    conditions = json.dumps(raw.get("Condition"), sort_keys=True, default=str) if raw.get("Condition") else ""
    return Change(
        kind=Kind.WIDER_ACCESS,
        stack=statement.holder.stack,
        path=subject,
        type=statement.holder.type,
        what=told,
        why=f"{statement.holder.path}, statement {statement.index}",
        after="; ".join(filter(None, [few(places), f"only if {conditions}" if conditions else ""])),
    )
