"""The access matrix: who can do what to each resource that holds data, by all policies together.

As AWS evaluates: an explicit Deny wins; within the account an identity's or a resource's policy must allow,
and a permissions boundary as well; a key's policy must name the principal, or hand the decision on to the
account. What hangs on the request (a condition) is said in words, as what must hold.

Left out: session policies and organisations' policies, which no template shows; the policies of VPC endpoints
and the roles' trust, which decide where a credential is used and who gets it, not what it is good for.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audit.capabilities import TARGETS, Capability, Face, actions_on, expanded, faces
from audit.policies import Statement, listed, matches, statements
from audit.restrictions import Known, covers, escape, overlap, requirements, undecided
from audit.templates import Resource, Templates

ROOT = "arn:aws:iam::<AccountId>:root"
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


@dataclass(frozen=True, kw_only=True)
class Principal:
    """
    names     how a policy's Principal may name it, as (kind, value)
    attached  statements of its identity policies
    ceiling   statements of its boundary; None where it has none
    """

    path: str
    names: frozenset[tuple[str, str]]
    known: Known
    attached: tuple[Statement, ...] = ()
    ceiling: tuple[Statement, ...] | None = None
    unread: tuple[str, ...] = ()  # ARNs of policies and boundaries that no template holds
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


def matrix(templates: Templates) -> list[Row]:
    every = [_plain(statement) for statement in statements(templates) if isinstance(statement.raw, Mapping)]
    every = _of_this_account(every)
    targets = _targets(templates, every)
    known_ones = [*_identities(templates, every)]
    rows = [row for principal in known_ones for row in _unread(principal)]
    for target in targets:
        for principal in [*known_ones, *_outsiders(target, known_ones)]:
            rows += _rows(templates, principal, target)
    return sorted(rows, key=lambda row: row.key)


def to_lines(rows: Iterable[Row]) -> list[str]:
    """One a line: principal, capability, target and scope, actions, what must hold."""
    return [
        f"{row.principal} | {row.capability} | {_place(row)} | {' '.join(row.actions)}"
        + (f" | {row.condition}" if row.condition else "")
        for row in rows
    ]


def to_markdown(rows: Iterable[Row]) -> str:
    head = ["| Principal | Capability | Target | Actions | Only |", "| --- | --- | --- | --- | --- |"]
    cells = [
        (row.principal, row.capability, _place(row), " ".join(row.actions), row.condition) for row in rows
    ]
    return "\n".join([*head, *(f"| {' | '.join(map(_cell, line))} |" for line in cells)]) + "\n"


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


# Statements


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


# Principals


def _identities(templates: Templates, every: Sequence[Statement]) -> Iterator[Principal]:
    held: dict[tuple[str, str], list[Statement]] = defaultdict(list)
    for statement in every:
        for address in statement.identities:
            held[statement.kind, address].append(statement)
    written = {templates.arn(policy) for policy in templates.of("AWS::IAM::ManagedPolicy")}
    for identity in templates.of("AWS::IAM::Role", "AWS::IAM::User"):
        owners = [identity.address, *_groups(templates, identity)]
        boundary = identity.get("PermissionsBoundary")
        given = [
            str(arn)
            for address in owners
            if (owner := templates.by_address.get(address))
            for arn in listed(owner.get("ManagedPolicyArns"))
        ]
        arn = _identity_arn(templates, identity)
        yield Principal(
            path=identity.path,
            names=frozenset({("AWS", arn)}),
            known=_known(identity, arn),
            attached=tuple(each for address in owners for each in held["identity", address]),
            ceiling=tuple(held["boundary", identity.address]) if str(boundary) in written else None,
            unread=tuple(
                [f"allowed by {arn}" for arn in given if arn not in written]
                + [f"within {boundary}" for _ in [1] if boundary and str(boundary) not in written]
            ),
            is_user=identity.type == "AWS::IAM::User",
        )


def _groups(templates: Templates, identity: Resource) -> list[str]:
    """Addresses of the groups that a user is in."""
    groups = templates.of("AWS::IAM::Group")
    named = {str(group.get("GroupName") or f"<{group.address}>"): group.address for group in groups}
    name = str(identity.get("UserName") or f"<{identity.address}>")
    additions = [
        addition.get("GroupName")
        for addition in templates.of("AWS::IAM::UserToGroupAddition")
        if name in listed(addition.get("Users"))
    ]
    return [named[str(each)] for each in listed(identity.get("Groups")) + additions if str(each) in named]


def _identity_arn(templates: Templates, identity: Resource) -> str:
    if identity.type == "AWS::IAM::Role":
        return templates.arn(identity)
    name = identity.get("UserName", default=f"<{identity.address}>")
    return f"arn:aws:iam::<AccountId>:user{identity.get('Path', default='/')}{name}"


def _known(identity: Resource, arn: str) -> dict[str, str | None]:
    tags = [tag for tag in listed(identity.get("Tags")) if isinstance(tag, Mapping)]
    return {
        **_of_account(),
        "aws:principalarn": arn,
        **{f"aws:principaltag/{tag.get('Key')}".lower(): str(tag.get("Value")) for tag in tags},
    }


def _of_account() -> dict[str, str | None]:
    account = "<AccountId>"
    here = dict.fromkeys(("aws:principalaccount", "kms:calleraccount"), account)
    return {**here, **_of_target(), "aws:principalisawsservice": "false", "aws:principalservicename": None}


def _of_target() -> dict[str, str | None]:
    return {"aws:resourceaccount": "<AccountId>", "s3:resourceaccount": "<AccountId>"}


def _outsiders(target: Target, known_ones: Sequence[Principal]) -> list[Principal]:
    """Who a resource's own policy names and no template makes: services, accounts, anyone."""
    ours = {name for principal in known_ones for name in principal.names}
    named = {
        name
        for statement in target.policy
        if statement.allows
        for name in (statement.principals or ([("AWS", "*")] if "NotPrincipal" in statement.raw else []))
    }
    return [_outsider(*name) for name in sorted(named - ours)]


def _outsider(kind: str, value: str) -> Principal:
    known: dict[str, str | None] = _of_target()
    path = f"{kind} {value}"
    if kind == "AWS" and value == "*":
        path = "anyone"
    elif (kind, value) in (("AWS", ROOT), ("AWS", "<AccountId>")):
        path, known = "account root", {**_of_account(), "aws:principalarn": ROOT}
    elif kind == "Service":
        path = f"service {re.sub(r'([.]<Region>)?[.]amazonaws[.]com$', '', value)}"
        known |= {"aws:principalisawsservice": "true", "aws:principalservicename": value}
        known |= {"aws:principalarn": None}
    elif kind == "AWS":
        path = f"outside {value}"
        known |= {"aws:principalarn": value, "aws:principalisawsservice": "false"}
    return Principal(path=path, names=frozenset({(kind, value)}), known=known)


def _unread(principal: Principal) -> Iterator[Row]:
    """What is allowed by a policy that no template holds cannot be told; it must not be silent either."""
    for said in principal.unread:
        if said.startswith("allowed by "):
            yield Row(
                principal=principal.path,
                capability="unknown",
                target="anything",
                address="",
                kind="any",
                scope="",
                condition=said,
                actions=(),
                sources=(),
            )


# Targets


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


# Evaluation


def _rows(templates: Templates, principal: Principal, target: Target) -> Iterator[Row]:
    found: dict[tuple[Capability, str, tuple[str, ...]], list[Way]] = defaultdict(list)
    for face in target.faces:
        for action, capability in _candidates(principal, target, face).items():
            for way in _ways(principal, target, face, action):
                found[capability, way.scope, way.needs].append(way)
    for (capability, scope, needs), ways in found.items():
        yield Row(
            principal=principal.path,
            capability=capability,
            target=target.resource.path,
            address=target.resource.address,
            kind=TARGETS[target.resource.type][0],
            scope=scope,
            condition=_in_paths(templates, "; ".join(needs)),
            actions=tuple(sorted({name for way in ways for name in way.actions})),
            sources=tuple(sorted({source for way in ways for source in way.sources})),
        )


def _candidates(principal: Principal, target: Target, face: Face) -> dict[str, Capability]:
    """Actions that some Allow names; of those only, evaluation asks."""
    allowing = [each for each in (*principal.attached, *target.policy) if each.allows]
    known = actions_on(face.service, face.type)
    named = {action for statement in allowing for action in _actions(statement, face)}
    return {action: known[action] for action in sorted(named)}


def _actions(statement: Statement, face: Face) -> set[str]:
    if statement.not_actions:
        excluded = {
            action
            for pattern in statement.not_actions
            for action in expanded(str(pattern), face.service, face.type)
        }
        return set(actions_on(face.service, face.type)) - excluded
    return {
        action for pattern in statement.actions for action in expanded(str(pattern), face.service, face.type)
    }


def _ways(principal: Principal, target: Target, face: Face, action: str) -> list[Way]:
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
    to_account = [each for each in target.policy if _is_named(each, {("AWS", ROOT), ("AWS", "<AccountId>")})]
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
    """Whether a Deny of a resource's policy is about this principal."""
    spared = denial.raw.get("NotPrincipal")
    if spared is not None:
        pairs = _pairs(spared)
        return not (principal.names & pairs)
    account = {("AWS", ROOT), ("AWS", "<AccountId>")} if "aws:principalaccount" in principal.known else set()
    return bool(set(denial.principals) & {("AWS", "*"), *principal.names, *account})


def _condition(statement: Statement) -> Any:
    """Also where it is a parameter: what cannot be read is no less of a condition."""
    return statement.raw.get("Condition") or {}


def _denies(statement: Statement) -> bool:
    return statement.raw.get("Effect") == "Deny"


def _pairs(given: Any) -> set[tuple[str, str]]:
    return {(kind, value) for kind, values in given.items() for value in values}


def _allowed(given: Iterable[Statement], principal: Principal, face: Face, action: str) -> list[Way]:
    ways: list[Way] = []
    for statement in given:
        left = undecided(_condition(statement), principal.known) if statement.allows else None
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
    outside = tuple(said for said in principal.unread if said.startswith("within "))
    ways = [replace(way, needs=_merged(way.needs, outside)) for way in ways]
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
    left = undecided(_condition(denial), principal.known)
    if left is None:
        yield way
        return
    for scope, hangs in _scopes(denial, face):
        if not overlap(scope, way.scope):
            continue
        parts = [each.replace("if its name", "its name not") for each in hangs]
        parts += [escape(left)] if left else []
        if not matches(scope, way.scope):
            parts = [f"not below {scope}", *parts]
        if not parts:
            return
        way = replace(way, needs=_merged(way.needs, (" or ".join(parts),)))
    yield way


def _scopes(statement: Statement, face: Face) -> list[tuple[str, tuple[str, ...]]]:
    """(part of the face, what the name must be) for each resource pattern; a key's own policy is about it."""
    if statement.not_resources:
        hit = [scope for pattern in statement.not_resources for scope, _ in _parts(str(pattern), face)]
        if any(matches(scope, "*" if face.is_open else "") for scope in hit):
            return []
        return [("*" if face.is_open else "", tuple(f"not below {scope}" for scope in hit))]
    patterns = ["*"] if statement.kind == "key" else statement.resources or ["*"]
    found = [part for pattern in patterns for part in _parts(str(pattern), face)]
    return list(dict.fromkeys(found))


def _parts(pattern: str, face: Face) -> Iterator[tuple[str, tuple[str, ...]]]:
    if not face.is_open:
        # Secrets Manager adds a hyphen and six characters to a name.
        known = [face.arn, f"{face.arn}-??????"] if face.type == "Secret" else [face.arn]
        truths = [covers(pattern, text) for text in known]
        if any(truth is not False for truth in truths):
            yield "", () if True in truths else (f"if its name matches {_name_of(pattern)}",)
        return
    if pattern.startswith(face.arn):
        yield pattern.removeprefix(face.arn), ()
        return
    parts: dict[str, tuple[str, ...]] = {}
    for end in range(1, len(pattern) + 1):
        if pattern[end - 1] not in "*?/:" or (truth := covers(pattern[:end], face.arn)) is False:
            continue
        rest = ("*" if pattern[end - 1] == "*" else "") + pattern[end:]
        parts.setdefault(rest, () if truth else (f"if its name matches {_name_of(pattern)}",))
    for rest, hangs in parts.items():
        if not any(other != rest and matches(other, rest) for other in parts):
            yield rest, hangs


def _name_of(pattern: str) -> str:
    return pattern.rpartition(":")[2]


def _merged(*needs: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(need for each in needs for need in each))


def _widest(ways: list[Way]) -> list[Way]:
    """Without the ways that another one includes: as far or further, and asking no more."""

    def is_less(way: Way, other: Way) -> bool:
        reaches = matches(other.scope, way.scope) and set(other.needs) <= set(way.needs)
        return reaches and (other.scope, set(other.needs)) != (way.scope, set(way.needs))

    return [way for way in ways if not any(is_less(way, other) for other in ways)]


def _in_paths(templates: Templates, text: str) -> str:
    """With construct paths in place of logical ids, whose hashes nobody can read."""

    def path(match: re.Match[str]) -> str:
        found = templates.by_address.get(match[1])
        return found.path + (match[2] or "") if found else match[0]

    said = _ADDRESS.sub(path, text)
    said = re.sub(r"arn:aws:kms:<Region>:<AccountId>:key/", "", said)
    return re.sub(r"arn:aws:(\w+):(?:<Region>)?:(?:<AccountId>)?:", r"\1:", said)
