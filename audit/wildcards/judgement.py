"""What can be said of a wildcard: nothing narrower exists, something bounds it, or it can be narrowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from audit import authorization
from audit.authorization import Action
from audit.conditions import clauses
from audit.findings import few
from audit.policies import Statement
from audit.rights import has_wildcard
from audit.wildcards.place import Place, place_of

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

EDITION = authorization.edition()


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """
    fact    holds `{actions}` where the names of the actions belong that share it
    ground  the fact without names: the same for all wildcards that stand for the same reason
    """

    verdict: Verdict
    fact: str
    ground: str = ""


def judge(statement: Statement, name: str, pattern: str) -> Judgement | None:
    """None where the action does not know resources of this pattern."""
    if pattern == "*" and statement.kind in ("key", "resource"):
        return Judgement(verdict="bounded", fact=f"in the policy of a {_holder(statement)} * is itself")
    if not has_wildcard(name):
        return _judge_one(statement, authorization.action(name), pattern)
    worst: Judgement | None = None
    for covered in authorization.expand(name):
        judgement = _judge_one(statement, authorization.action(covered), pattern)
        if judgement and (worst is None or _rank(judgement) > _rank(worst)):
            worst = judgement
    return worst


def _judge_one(statement: Statement, action: Action | None, pattern: str) -> Judgement | None:
    if action is None:
        return Judgement(
            verdict="narrowable", fact=f"no action of that name in the reference ({EDITION}): {{actions}}"
        )
    bounds = keys_that_bound(statement, action)
    if not action.types:
        return _without_types(bounds) if pattern == "*" else None
    places = [place for kind, arn in action.types.items() if (place := place_of(kind, arn, pattern))]
    if not places:
        return None
    return _placed(max(places, key=lambda place: len(place.parent) + len(place.own)), bounds, action)


def _without_types(bounds: Sequence[str]) -> Judgement:
    fact = f"{{actions}} {{take}} no resource-level permission (service authorization reference, {EDITION})"
    ground = "the service authorization reference knows no resource for the actions"
    if bounds:
        limit = f"{said_of(bounds)} it; "
        return Judgement(verdict="bounded", fact=limit + fact, ground=limit + ground)
    return Judgement(verdict="unavoidable", fact=fact, ground=ground)


def _placed(place: Place, bounds: Sequence[str], action: Action) -> Judgement:
    limit = f"{said_of(bounds)} it" if bounds else ""
    if place.is_here and (place.parent or len(place.own) >= MIN_PREFIX):
        fact, ground = ("; ".join(filter(None, [said, limit])) for said in (named(place), ground_of(place)))
        return Judgement(verdict="bounded", fact=fact, ground=ground)
    if bounds:
        return Judgement(verdict="bounded", fact=limit)
    if place.is_here and place.at in GENERATED.get(place.service, ()):
        fact = f"AWS makes up the id of each {_words(place.type)} when it is made: no template can name it"
        return Judgement(verdict="unavoidable", fact=fact)
    wanted = " or ".join(sorted(action.types)[:3]) + (" ..." if len(action.types) > 3 else "")
    what = "the ARN can name one" if place.is_here else "the ARN can name account, Region and resource"
    fact = f"{{actions}} {{take}} resources ({wanted}; service authorization reference, {EDITION}): {what}"
    return Judgement(verdict="narrowable", fact=fact)


def ground_of(place: Place) -> str:
    """What the beginning of a name leaves open, whatever the name is."""
    if place.service == "s3" and place.at == "ObjectName":
        return "objects below one prefix of one bucket: names are not known before they exist"
    if place.own.endswith(":"):
        return f"one {_thing(place)} and what lies in it"
    if place.own:
        return "resources of one kind and of one prefix: the rest of a name is given when one is made"
    return f"{_thing(place)}s of one parent: their names are given at run time"


def named(place: Place) -> str:
    """What the beginning of the name leaves open, in words."""
    thing = _thing(place)
    if place.service == "s3" and place.at == "ObjectName":
        below = f" below {place.own}" if place.own else ""
        return f"objects{below} of one bucket: names are not known before they exist"
    if place.own.endswith(":"):  # Fn::GetAtt of a log group: its ARN, and whatever lies in it
        return f"{thing} {place.own[:-1]} and what lies in it"
    if place.own:
        return f"{thing}s of the prefix {place.own}: the rest is given when one is made"
    return f"{thing}s of {place.parent}: names are given at run time"


def _thing(place: Place) -> str:
    """Log streams, but sagemaker models."""
    is_said = place.type.startswith(place.service.rstrip("s"))
    return _words(place.type) if is_said else f"{place.service} {_words(place.type)}"


def keys_that_bound(statement: Statement, action: Action | None) -> list[str]:
    """Condition keys that limit which resources a request may reach."""
    globals_ = _OF_RESOURCE if statement.kind == "identity" else (*_OF_RESOURCE, *_OF_CALLER)
    return [
        clause.key
        for clause in clauses(statement)
        if clause.is_required and not any(value in ("*", "**") for value in clause.values)
        if _limits(clause.key.lower(), globals_, action)
    ]


def _limits(key: str, globals_: tuple[str, ...], action: Action | None) -> bool:
    if key.startswith("aws:"):
        return key.startswith(globals_) and (action is None or action.knows(key))
    return action is not None and not key.startswith(_WAY_ONLY) and action.knows(key)


def _holder(statement: Statement) -> str:
    return statement.holder.type.rpartition("::")[2].removesuffix("Policy").lower() or "resource"


def _rank(judgement: Judgement) -> int:
    return ("unavoidable", "bounded", "narrowable", "open").index(judgement.verdict)


def _words(kind: str) -> str:
    return kind.replace("-", " ").lower()


def said_of(keys: Sequence[str]) -> str:
    return f"condition {keys[0]} bounds" if len(keys) == 1 else f"conditions {few(keys, limit=4)} bound"
