"""The access matrix: who can do what to each resource that holds data, by all policies together.

audit/evaluation.py says how; what hangs on the request (a condition) stands there in words.

Left out: session policies and organisations' policies, which no template shows; access control lists; grants
on a resource that a parameter names; the policies of VPC endpoints and the roles' trust, which decide where a
credential is used and who gets it, not what it is good for.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audit.callers import identities, outsiders
from audit.capabilities import TARGETS, Capability, faces
from audit.evaluation import Principal, Target, Way, about, candidates, ways
from audit.policies import Statement, listed, statements
from audit.templates import Resource, Templates

_ROOT = re.compile(r"arn:[\w-]+:iam::(\d{12}):root")
_REGION = re.compile(r"(arn:[\w-]+:[\w-]+:)(?:[a-z]{2}(?:-[a-z]+)+-\d):")
_ADDRESS = re.compile(r"<([^<>/]+/[^<>./]+)(\.[^<>]+)?>")


@dataclass(frozen=True, kw_only=True)
class Row:
    """
    target     construct path; `address` is <stack>/<logical id>
    scope      the part of the target, as a pattern below it; "" for the target itself
    condition  what must hold, joined by "; "; "" for always
    actions    as the statements write them
    sources    the statements that allow: <path of the policy>#<index>
    """

    principal: str
    capability: Capability
    target: str
    address: str
    kind: str
    scope: str
    condition: str
    actions: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def key(self) -> tuple[str, ...]:
        return (self.target, self.principal, self.capability, self.scope, self.condition)


def matrix(templates: Templates) -> list[Row]:
    every = [_plain(statement) for statement in statements(templates) if isinstance(statement.raw, Mapping)]
    every = _of_this_account(every)
    targets = _targets(templates, every)
    known_ones = [*identities(templates, every)]
    rows = [row for principal in known_ones for row in _unread(principal)]
    for target in targets:
        for principal in [*known_ones, *outsiders(templates, target, known_ones)]:
            rows += _rows(templates, principal, target)
    return sorted(rows, key=lambda row: row.key)


def to_lines(rows: Iterable[Row]) -> list[str]:
    """One a line: principal, capability, target and scope, actions, what must hold."""
    return [
        f"{row.principal} | {row.capability} | {_place(row)} | {' '.join(row.actions)}"
        + (f" | {row.condition}" if row.condition else "")
        for row in rows
    ]


def to_table(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """With its head."""
    lines = [
        (row.principal, row.capability, _place(row), " ".join(row.actions), row.condition) for row in rows
    ]
    return [("Principal", "Capability", "Target", "Actions", "Only if"), *lines]


def to_markdown(rows: Iterable[Row]) -> str:
    head, *lines = [f"| {' | '.join(map(_cell, line))} |" for line in to_table(rows)]
    return "\n".join([head, "| --- | --- | --- | --- | --- |", *lines]) + "\n"


def summary(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Target -> capability -> how many principals have it."""
    who: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in rows:
        who[row.target].add((row.capability, row.principal))
    return {
        target: dict(sorted(Counter(capability for capability, _ in pairs).items()))
        for target, pairs in sorted(who.items())
    }


def _place(row: Row) -> str:
    return f"{row.kind} {row.target}" + (f": {row.scope}" if row.scope else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def _plain(statement: Statement) -> Statement:
    """With principals as text, whatever stood there, and Regions as the audit writes them."""
    raw = dict(statement.raw)
    for name in ("Principal", "NotPrincipal"):
        if name in raw:
            raw[name] = _texts(raw[name])
    return replace(statement, raw=_replaced(raw, _REGION, r"\1<Region>:"))


def _texts(given: Any) -> dict[str, list[str]]:
    shapes = given if isinstance(given, Mapping) else {"AWS": given}
    return {str(kind): [str(value) for value in listed(values)] for kind, values in shapes.items()}


def _of_this_account(every: list[Statement]) -> list[Statement]:
    """Templates made for one account write its number: the one that its keys are left to."""
    numbers = {
        found[1]
        for statement in every
        if statement.kind == "key" and statement.allows
        for _, value in statement.principals
        if (found := _ROOT.fullmatch(value))
    }
    if not numbers:
        return every
    # Not inside a name: a bucket's `data-111122223333` is written so in both places.
    number = re.compile(rf'(?<=[:"])(?:{"|".join(sorted(numbers))})(?=[:"])')
    return [replace(each, raw=_replaced(each.raw, number, "<AccountId>")) for each in every]


def _replaced(raw: Mapping[str, Any], pattern: re.Pattern[str], text: str) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(pattern.sub(text, json.dumps(raw, default=str)))
    return changed


def _unread(principal: Principal) -> Iterator[Row]:
    """What is allowed by a policy that no template holds cannot be told; it must not be silent either."""
    for arn in principal.unread_policies:
        yield Row(
            principal=principal.path,
            capability="unknown",
            target="anything",
            address="",
            kind="any",
            scope="",
            condition=f"allowed by {arn}",
            actions=(),
            sources=(),
        )


def _targets(templates: Templates, every: Sequence[Statement]) -> list[Target]:
    on = [statement for statement in every if statement.kind in ("resource", "key")]
    return [
        Target(
            resource,
            tuple(faces(templates, resource)),
            tuple(each for each in on if _protects(templates, each, resource)),
        )
        for resource in templates.of(*TARGETS)
    ]


def _protects(templates: Templates, statement: Statement, resource: Resource) -> bool:
    if statement.holder.address == resource.address:
        return True
    if statement.kind == "key":
        return False
    attached = [
        str(name)
        for key in ("Bucket", "Queues", "Topics", "SecretId", "ResourceArn")
        for name in listed(statement.holder.get(key))
    ]
    arn = templates.arn(resource)
    name = arn.rpartition(":")[2].rpartition("/")[2]
    return any(
        each in (arn, name, f"<{resource.address}>") or f"<{resource.address}>" in each for each in attached
    )


def _rows(templates: Templates, principal: Principal, target: Target) -> Iterator[Row]:
    found: dict[tuple[Capability, str, tuple[str, ...]], list[Way]] = defaultdict(list)
    for face in target.faces:
        asked = about(principal, face)
        for action, capability in candidates(asked, target, face).items():
            for way in ways(asked, target, face, action):
                found[capability, way.scope, way.needs].append(way)
    for (capability, scope, needs), same in found.items():
        yield Row(
            principal=principal.path,
            capability=capability,
            target=target.resource.path,
            address=target.resource.address,
            kind=TARGETS[target.resource.type][0],
            scope=scope,
            condition=_in_paths(templates, "; ".join(needs)),
            actions=tuple(sorted({name for way in same for name in way.actions})),
            sources=tuple(sorted({source for way in same for source in way.sources})),
        )


def _in_paths(templates: Templates, text: str) -> str:
    """With construct paths in place of logical ids, whose hashes nobody can read."""

    def path(match: re.Match[str]) -> str:
        found = templates.by_address.get(match[1])
        return found.path + (match[2] or "") if found else match[0]

    said = _ADDRESS.sub(path, text)
    said = re.sub(r"arn:aws:kms:<Region>:<AccountId>:key/", "", said)
    return re.sub(r"arn:aws:(\w+):(?:<Region>)?:(?:<AccountId>)?:", r"\1:", said)
