"""Every wildcard of a permission is proved: nothing narrower exists, or something else bounds it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from audit import authorization
from audit.authorization import Action
from audit.conditions import clauses
from audit.findings import Finding, Severity
from audit.policies import Statement, statements
from audit.rights import PLACEHOLDER, WILDCARD, flat, has_wildcard, overlap
from audit.templates import Templates

Verdict = Literal["unavoidable", "bounded", "narrowable", "open"]

# Fewer characters in front of a wildcard, in the same name, do not name anything.
MIN_PREFIX = 3
# Variables of ARNs whose value AWS makes up while things run, so that no template can name it.
GENERATED: Mapping[str, frozenset[str]] = {
    "ec2": frozenset({"NetworkInterfaceId", "InstanceId", "VolumeId", "SnapshotId", "SpotFleetRequestId"}),
    "states": frozenset({"ExecutionId", "MapRunUuid"}),
    "ssm": frozenset({"AutomationExecutionId", "SessionId"}),
    "ecs": frozenset({"TaskId"}),
    "codebuild": frozenset({"BuildId", "ReportId"}),
}
# Say how a request is made, or for whom, and not which resource it is about.
_WAY_ONLY = (
    "ec2:region",
    "iam:passedtoservice",
    "s3:authtype",
    "s3:signature",
    "s3:tlsversion",
    "s3:x-amz-content-sha256",
)
# Global keys that say which resource, or through which service.
_OF_RESOURCE = ("aws:resourcetag/", "aws:requesttag/", "aws:tagkeys", "aws:calledvia", "aws:viaawsservice")
# Global keys that say whose: enough where the policy stands at a resource or an endpoint.
_OF_CALLER = (
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorg",
    "aws:resourceaccount",
    "aws:resourceorg",
    "aws:sourcearn",
    "aws:sourceaccount",
    "aws:sourceorg",
    "aws:sourcevpc",
)
_EDITION = authorization.edition()
_TOKEN = re.compile(r"([^$]*)\$\{(\w+)\}|([^$]+)")
_NEGATIONS = ("NotAction", "NotResource")


def source() -> str:
    """What the verdicts rest on, with its version."""
    return _EDITION


@dataclass(frozen=True, kw_only=True)
class Proof:
    """
    owner    address of the resource whose policy it is; `path` its construct path
    kind     of the statement: identity, resource, key or endpoint
    actions  of the statement those that the reason is about; for an action wildcard, what it covers
    pattern  the wildcard as written, of an action or of a resource; or NotAction, NotResource
    reason   a sentence for the ledger, without full stop
    """

    owner: str
    path: str
    kind: str
    actions: tuple[str, ...]
    pattern: str
    verdict: Verdict
    reason: str
    is_action: bool = False


@dataclass(frozen=True, kw_only=True)
class _Judgement:
    """`fact` holds `{actions}` where the names of the actions belong that share it."""

    verdict: Verdict
    fact: str


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where in a type's ARN the first wildcard of a pattern falls.

    at       the variable; "" where it falls behind all of them
    parent   what is named in the variables before
    own      what of the variable itself is named
    is_here  account and Region are named, as far as the type has them
    """

    type: str
    service: str
    at: str
    parent: str
    own: str
    is_here: bool


def proofs(templates: Templates) -> list[Proof]:
    """One for each wildcard of each Allow statement that grants something, in the order of the templates."""
    return [
        proof
        for statement in statements(templates)
        if statement.allows and statement.kind not in ("boundary", "trust")
        for proof in (*_negations(statement), *_of_actions(statement), *_of_resources(statement))
    ]


def check(templates: Templates) -> list[Finding]:
    """What a policy says in several statements is reported once."""
    found = [
        _finding(proof)
        for proof in proofs(templates)
        if proof.verdict in ("narrowable", "open") and _is_known(proof)
    ]
    for statement in statements(templates):
        found += [*_unknown_actions(statement), *_unknown_keys(statement)]
    return list({finding.key: finding for finding in found}.values())


def _proof(
    statement: Statement,
    pattern: str,
    actions: Iterable[str],
    verdict: Verdict,
    reason: str,
    *,
    is_action: bool = False,
) -> Proof:
    return Proof(
        owner=statement.holder.address,
        path=statement.holder.path,
        kind=statement.kind,
        actions=tuple(actions),
        pattern=pattern,
        verdict=verdict,
        reason=reason,
        is_action=is_action,
    )


def _negations(statement: Statement) -> Iterator[Proof]:
    for word, patterns in zip(_NEGATIONS, (statement.not_actions, statement.not_resources), strict=True):
        if patterns:
            is_all = word == "NotAction" and "*" in statement.resources
            yield _proof(
                statement,
                word,
                map(str, statement.actions),
                "open" if is_all else "narrowable",
                f"{word} with Allow grants all but {_few(map(str, patterns))}, and what AWS adds later",
            )


def _of_actions(statement: Statement) -> Iterator[Proof]:
    for pattern in map(str, statement.actions):
        covered = authorization.expand(pattern) if has_wildcard(pattern) else ()
        if covered:  # a pattern that covers nothing is a typing error: WILD-06
            verdict, reason = _action_wildcard(statement, pattern, covered)
            yield _proof(statement, pattern, covered, verdict, reason, is_action=True)


def _action_wildcard(statement: Statement, pattern: str, covered: Sequence[str]) -> tuple[Verdict, str]:
    if statement.kind == "key" and _is_own_account(statement):
        return "bounded", "the key policy leaves this one key to the IAM policies of its own account"
    is_on_everything = "*" in statement.resources
    if statement.kind == "endpoint":
        bounds = _bounds(statement, None)
        if bounds:
            return "bounded", f"{_conditions(bounds)} what passes the endpoint"
        if not is_on_everything:
            return "bounded", f"the endpoint leads to {_few(map(str, statement.resources))} only"
    is_all = pattern == "*" or pattern.partition(":")[2] == "*"
    if is_all and is_on_everything:
        return "open", f"{pattern} on every resource: {len(covered)} actions"
    return "narrowable", f"{pattern} covers {len(covered)} actions: {_few(covered)}"


def _of_resources(statement: Statement) -> Iterator[Proof]:
    is_open = any(proof.verdict == "open" for proof in _of_actions(statement))
    names = [str(name) for name in statement.actions]
    for pattern in map(str, statement.resources):
        if not has_wildcard(PLACEHOLDER.sub(flat, pattern)) or (is_open and pattern == "*"):
            continue
        groups: dict[_Judgement, list[str]] = {}
        for name in names:
            judgement = _judge(statement, name, pattern)
            if judgement is not None:
                groups.setdefault(judgement, []).append(name)
        if not groups and names:
            reason = "no action of the statement knows such a resource: it grants nothing"
            yield _proof(statement, pattern, names, "bounded", reason)
        for judgement, actions in groups.items():
            take = "takes" if len(actions) == 1 else "take"
            reason = judgement.fact.replace("{actions}", _few(actions)).replace("{take}", take)
            yield _proof(statement, pattern, actions, judgement.verdict, reason)


def _judge(statement: Statement, name: str, pattern: str) -> _Judgement | None:
    """None where the action does not know resources of this pattern."""
    if pattern == "*" and statement.kind in ("key", "resource"):
        return _Judgement(verdict="bounded", fact=f"in the policy of a {_holder(statement)} * is itself")
    if not has_wildcard(name):
        return _judge_one(statement, authorization.action(name), pattern)
    worst: _Judgement | None = None
    for covered in authorization.expand(name):
        judgement = _judge_one(statement, authorization.action(covered), pattern)
        if judgement and (worst is None or _rank(judgement) > _rank(worst)):
            worst = judgement
    return worst


def _judge_one(statement: Statement, action: Action | None, pattern: str) -> _Judgement | None:
    if action is None:
        return _Judgement(
            verdict="narrowable", fact=f"no action of that name in the reference ({_EDITION}): {{actions}}"
        )
    bounds = _bounds(statement, action)
    if not action.types:
        return _without_types(bounds) if pattern == "*" else None
    places = [place for kind, arn in action.types.items() if (place := _place(kind, arn, pattern))]
    if not places:
        return None
    return _placed(max(places, key=lambda place: len(place.parent) + len(place.own)), bounds, action)


def _without_types(bounds: Sequence[str]) -> _Judgement:
    fact = f"{{actions}} {{take}} no resource-level permission (service authorization reference, {_EDITION})"
    if bounds:
        return _Judgement(verdict="bounded", fact=f"{_conditions(bounds)} it; {fact}")
    return _Judgement(verdict="unavoidable", fact=fact)


def _placed(place: _Place, bounds: Sequence[str], action: Action) -> _Judgement:
    limit = f"{_conditions(bounds)} it" if bounds else ""
    if place.is_here and (place.parent or len(place.own) >= MIN_PREFIX):
        fact = "; ".join(filter(None, [_named(place), limit]))
        return _Judgement(verdict="bounded", fact=fact)
    if bounds:
        return _Judgement(verdict="bounded", fact=limit)
    if place.is_here and place.at in GENERATED.get(place.service, ()):
        fact = f"AWS makes up the id of each {_words(place.type)} when it is made: no template can name it"
        return _Judgement(verdict="unavoidable", fact=fact)
    wanted = " or ".join(sorted(action.types)[:3]) + (" ..." if len(action.types) > 3 else "")
    what = "the ARN can name one" if place.is_here else "the ARN can name account, Region and resource"
    fact = f"{{actions}} {{take}} resources ({wanted}; service authorization reference, {_EDITION}): {what}"
    return _Judgement(verdict="narrowable", fact=fact)


def _named(place: _Place) -> str:
    """What the beginning of the name leaves open, in words."""
    # "log streams", but "sagemaker models"
    is_said = place.type.startswith(place.service.rstrip("s"))
    thing = _words(place.type) if is_said else f"{place.service} {_words(place.type)}"
    if place.service == "s3" and place.at == "ObjectName":
        below = f" below {place.own}" if place.own else ""
        return f"objects{below} of one bucket: names are not known before they exist"
    if place.own.endswith(":"):  # Fn::GetAtt of a log group: its ARN, and whatever lies in it
        return f"{thing} {place.own[:-1]} and what lies in it"
    if place.own:
        return f"{thing}s of the prefix {place.own}: the rest is given when one is made"
    return f"{thing}s of {place.parent}: names are given at run time"


def _place(kind: str, arn: str, pattern: str) -> _Place | None:
    """None where no resource of the type matches the pattern."""
    given = PLACEHOLDER.sub(flat, pattern)
    known = arn.split(":", 5)
    parts = given.split(":", 5)
    # Shorter than an ARN: the wildcard stands for everything that follows.
    parts += ["*"] * (6 - len(parts))
    if len(known) < 6 or not all(overlap(_globbed(one), two) for one, two in zip(known, parts, strict=True)):
        return None
    prefix = WILDCARD.split(parts[5])[0]
    at, parent, own = _walk(known[5], prefix)
    where = zip(known[3:5], parts[3:5], strict=True)
    return _Place(
        type=kind,
        service=known[2],
        at=at,
        parent=_spelled(parent, pattern),
        own=_spelled(own, pattern),
        is_here=not any("${" in wanted and has_wildcard(got) for wanted, got in where),
    )


def _walk(template: str, prefix: str) -> tuple[str, str, str]:
    """(variable where `prefix` ends, texts of the variables before, text of that variable)."""
    tokens = [(match[1] or match[3] or "", match[2] or "") for match in _TOKEN.finditer(template)]
    named: list[str] = []
    for index, (fixed, variable) in enumerate(tokens):
        if not prefix.startswith(fixed) or not variable:
            return variable, "/".join(named), ""
        prefix = prefix[len(fixed) :]
        following = tokens[index + 1][0] if index + 1 < len(tokens) else ""
        end = prefix.find(following[0]) if following else -1
        if end < 0:
            return variable, "/".join(named), prefix
        named.append(prefix[:end])
        prefix = prefix[end:]
    return "", "/".join(named), ""


def _globbed(arn: str) -> str:
    return re.sub(r"\$\{\w+\}", "*", arn)


def _spelled(text: str, pattern: str) -> str:
    """The placeholders as they were in the pattern."""
    for match in PLACEHOLDER.finditer(pattern):
        text = text.replace(flat(match), match[0])
    return text


def _bounds(statement: Statement, action: Action | None) -> list[str]:
    """Condition keys that limit which resources a request may reach."""
    globals_ = _OF_RESOURCE if statement.kind == "identity" else (*_OF_RESOURCE, *_OF_CALLER)
    return [
        clause.key
        for clause in clauses(statement)
        if clause.is_required and not all(value in ("*", "**") for value in clause.values)
        if ":" in clause.key and _limits(clause.key.lower(), globals_, action)
    ]


def _limits(key: str, globals_: tuple[str, ...], action: Action | None) -> bool:
    if key.startswith("aws:"):
        return key.startswith(globals_) and (action is None or action.knows(key))
    return action is not None and not key.startswith(_WAY_ONLY) and action.knows(key)


def _is_own_account(statement: Statement) -> bool:
    principals = statement.principals
    return bool(principals) and all(
        kind == "AWS" and str(value).endswith(":iam::<AccountId>:root") for kind, value in principals
    )


def _holder(statement: Statement) -> str:
    return statement.holder.type.rpartition("::")[2].removesuffix("Policy").lower() or "resource"


def _rank(judgement: _Judgement) -> int:
    return ("unavoidable", "bounded", "narrowable", "open").index(judgement.verdict)


def _words(kind: str) -> str:
    return kind.replace("-", " ").lower()


def _conditions(keys: Sequence[str]) -> str:
    return f"condition {keys[0]} bounds" if len(keys) == 1 else f"conditions {_few(keys)} bound"


def _few(names: Iterable[str], limit: int = 4) -> str:
    every = list(names)
    rest = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + rest


def _is_known(proof: Proof) -> bool:
    """An unknown action has a finding of its own."""
    return (
        has_wildcard("".join(proof.actions))
        or not proof.actions
        or any(authorization.action(name) for name in proof.actions)
    )


def _finding(proof: Proof) -> Finding:
    rule, severity, fix = _rule(proof)
    subject = proof.pattern
    if not proof.is_action and proof.pattern not in _NEGATIONS:
        subject = f"{', '.join(proof.actions)} on {proof.pattern}"
    return Finding(
        rule=rule,
        severity=severity,
        address=proof.owner,
        path=proof.path,
        subject=subject,
        message=proof.reason,
        fix=fix,
    )


def _rule(proof: Proof) -> tuple[str, Severity, str]:
    if proof.pattern in _NEGATIONS:
        return "WILD-04", Severity.HIGH, "list with Action and Resource what is needed"
    if proof.verdict == "open":
        return "WILD-03", Severity.CRITICAL, "name the actions that are called, and their resources"
    if proof.is_action:
        return "WILD-01", _severity(proof), "name the actions that are called"
    return "WILD-02", _severity(proof), "name the resource, or the beginning of its name, or add a condition"


def _severity(proof: Proof) -> Severity:
    """By the worst that the actions do."""
    names = [each for name in proof.actions for each in (authorization.expand(name) or (name,))]
    levels = {known.level for name in names if (known := authorization.action(name))}
    if levels & {"Write", "Permissions management"}:
        return Severity.HIGH
    return Severity.LOW if levels <= {"List"} else Severity.MEDIUM


def _unknown_actions(statement: Statement) -> Iterator[Finding]:
    for name in map(str, [*statement.actions, *statement.not_actions]):
        if "<" in name or authorization.action(name) or authorization.expand(name):
            continue
        near = authorization.similar(name)
        effect = "allows" if statement.allows else "denies"
        yield Finding(
            rule="WILD-06",
            severity=Severity.MEDIUM if statement.allows else Severity.HIGH,
            address=statement.holder.address,
            path=statement.holder.path,
            subject=name,
            message=f"{name} is no action that {_EDITION} knows: it {effect} nothing",
            fix=f"write {near}" if near else "write an action of the service authorization reference",
        )


def _unknown_keys(statement: Statement) -> Iterator[Finding]:
    """Conditions that no request for the action can meet, or that every request meets."""
    if statement.kind == "trust":
        return
    known = [action for name in map(str, statement.actions) if (action := authorization.action(name))]
    for clause in clauses(statement):
        key, strangers = clause.key, [action.name for action in known if not action.knows(clause.key)]
        if not strangers or clause.operator.endswith("IfExists"):
            continue
        severity, effect = _EFFECTS[statement.allows, clause.is_met_without]
        yield Finding(
            rule="WILD-05",
            severity=severity,
            address=statement.holder.address,
            path=statement.holder.path,
            subject=f"{key} with {', '.join(strangers)}",
            message=f"no request for {_few(strangers)} carries {key} ({_EDITION}): {effect}",
            fix="give these actions a statement of their own, with a key that they carry",
        )


# (allows, condition met by a request without the key) -> what becomes of it
_EFFECTS: Mapping[tuple[bool, bool], tuple[Severity, str]] = {
    (True, False): (Severity.MEDIUM, "it is never allowed"),
    (True, True): (Severity.HIGH, "it is allowed without the limit"),
    (False, False): (Severity.HIGH, "it is never denied"),
    (False, True): (Severity.MEDIUM, "it is always denied"),
}
