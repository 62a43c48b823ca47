"""Whether a statement lets a call through a VPC endpoint, as far as templates can tell.

An answer is True, False, or None for what depends on something the templates do not say. Names that
CloudFormation will make up are compared as <stack name>-<logical id>-*, when the cloud assembly beside the
templates tells the stack's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from audit.policies import Statement, listed, matches, overlap
from audit.templates import Templates

Answer = bool | None

# A name or an attribute of a resource, a parameter, a mapping's entry; not <Region> or <AccountId>.
_UNKNOWN = re.compile(r"<(?!(?:AccountId|Region|Partition|StackName)>)(?:[^<>]|<[^<>]*>)*>")
_MISSING = object()  # the request does not carry the key


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """
    endpoint, vpc  as Ref spells them in policies
    resource       ARN pattern of the grant; "*" for a grant on everything
    """

    action: str
    resource: str
    role_arn: str
    endpoint: str
    vpc: str
    templates: Templates


def is_let_through(policy: Iterable[Statement], attempt: Attempt) -> tuple[bool, list[str]]:
    """By a policy that refuses what it does not allow; with notes on what could not be judged."""
    notes: list[str] = []
    best: Answer = False
    for statement in policy:
        answer, said = applies(statement, attempt)
        if not statement.allows and answer:
            return False, notes
        if statement.allows and answer is not False:
            best = best or answer
            notes += said
    return best is not False, [] if best else notes


def denied(statement: Statement, attempt: Attempt) -> tuple[bool, list[str]]:
    answer, said = applies(statement, attempt)
    return answer is True, said if answer is None else []


def applies(statement: Statement, attempt: Attempt) -> tuple[Answer, list[str]]:
    """None with notes where only a part of the call is meant, or a condition is not known."""
    action, name = attempt.action, f"{attempt.action} on {attempt.resource}"
    answers: list[tuple[Answer, str]] = [
        (_of_actions(statement, action), f"{action} is meant in part"),
        (_of_resources(statement, attempt), f"{name}: names that only AWS knows, or a part of them"),
        (_of_principals(statement, attempt), f"{name}: whether the principal is meant"),
    ]
    answers += [
        (judged(operator, key, listed(values), attempt), f"{name}: condition {key} is not known")
        for operator, keys in statement.conditions.items()
        for key, values in (keys.items() if isinstance(keys, Mapping) else ())
    ]
    if any(answer is False for answer, _ in answers):
        return False, []
    unclear = [said for answer, said in answers if answer is None]
    return (None, unclear) if unclear else (True, [])


def _of_actions(statement: Statement, action: str) -> Answer:
    if statement.not_actions:
        return not any(matches(str(each).lower(), action.lower()) for each in statement.not_actions)
    return _best(_compared(str(each).lower(), action.lower()) for each in statement.actions)


def _of_resources(statement: Statement, attempt: Attempt) -> Answer:
    wanted = spelled(attempt.resource, attempt.templates)
    if statement.not_resources:
        excepted = _best(
            _compared(spelled(str(each), attempt.templates), wanted) for each in statement.not_resources
        )
        return None if excepted is None else not excepted
    # "*" in a resource's own policy is the resource.
    meant = [
        target if each == "*" and statement.kind in ("resource", "key") else str(each)
        for each in statement.resources or ["*"]
        for target in statement.targets or ("*",)
    ]
    return _best(_compared(spelled(each, attempt.templates), wanted) for each in dict.fromkeys(meant))


def _of_principals(statement: Statement, attempt: Attempt) -> Answer:
    if "NotPrincipal" in statement.raw:
        return None
    answers: list[Answer] = []
    for kind, value in statement.principals:
        text = str(value)
        is_account = text in ("<AccountId>", "arn:aws:iam::<AccountId>:root")
        answers.append(kind == "AWS" and (text == "*" or is_account or _compared(text, attempt.role_arn)))
    return _best(answers) if answers else True


def judged(operator: str, key: str, values: list[Any], attempt: Attempt) -> Answer:
    """One key of a condition block, by what a call through the endpoint carries."""
    words = operator.lower().split(":")
    name, for_all = words[-1], words[0] == "forallvalues"
    carried = _carried(key.lower(), attempt)
    if carried is None:
        return None
    if name == "null":
        return any(str(value).lower() == "true" for value in values) is (carried is _MISSING)
    negated = "not" in name
    if carried is _MISSING:
        return for_all or negated or name.endswith("ifexists")
    hit = _best(_same(key.lower(), str(value), str(carried), attempt.templates) for value in values)
    if hit is None:
        return None
    return hit is not negated


def _carried(key: str, attempt: Attempt) -> object | None:
    """Value of a condition key in a call that code makes through a VPC endpoint; None: cannot be known."""
    # From the list of global condition keys in the IAM user guide.
    return {
        "aws:sourcevpce": attempt.endpoint,
        "aws:sourcevpc": attempt.vpc,
        "aws:sourceip": _MISSING,  # through an endpoint there is none
        "aws:principalarn": attempt.role_arn,
        "aws:principalaccount": "<AccountId>",
        "aws:resourceaccount": _account(attempt.resource),
        "aws:principalisawsservice": "false",
        "aws:viaawsservice": "false",
        "aws:calledvia": _MISSING,
        "aws:securetransport": "true",
        "aws:sourcearn": _MISSING,
        "aws:sourceaccount": _MISSING,
    }.get(key)


def _account(arn: str) -> str:
    """Our own for a resource whose ARN carries none (a bucket), and for "*"; but ECR's layers are AWS's."""
    if "starport-layer-bucket" in arn:
        return "<ECR>"
    parts = arn.split(":")
    return parts[4] if len(parts) > 5 and parts[4] and "*" not in parts[4] else "<AccountId>"


def _same(key: str, wanted: str, carried: str, templates: Templates) -> Answer:
    if matches(wanted.lower(), carried.lower()):
        return True
    if key == "aws:principalarn":
        return None if _compared(wanted, _UNKNOWN.sub("*", carried)) is not False else False
    if key in ("aws:sourcevpce", "aws:sourcevpc"):
        # An id written out, or a parameter's: may be the one that AWS will give, or gave, this endpoint.
        return False if wanted.strip("<>") in templates.by_address else None
    return None if _UNKNOWN.search(wanted) or wanted.isdigit() else False


def _best(answers: Iterable[Answer]) -> Answer:
    found = list(answers)
    return True if True in found else None if None in found else False


def _compared(pattern: str, text: str) -> Answer:
    """True: all of the text is meant. None: some of it, or it turns on a name that is not known."""
    if matches(pattern, text):
        return True
    if overlap(pattern, text):
        return None
    if bool(_UNKNOWN.search(pattern)) is bool(_UNKNOWN.search(text)):
        return False
    return None if overlap(_UNKNOWN.sub("*", pattern), _UNKNOWN.sub("*", text)) else False


@lru_cache(maxsize=65536)
def spelled(text: str, templates: Templates) -> str:
    """With the names that CloudFormation will make up as patterns, as far as the stack's name is known."""

    def name(match: re.Match[str]) -> str:
        resource = templates.by_address.get(match[0].strip("<>"))
        if resource is None:
            return match[0]
        stack = stack_names(resource.file.parent).get(resource.stack)
        if stack is None:
            return match[0]
        made_up = f"{stack}-{resource.logical_id}-"
        return (made_up.lower() if resource.type == "AWS::S3::Bucket" else made_up) + "*"

    return _UNKNOWN.sub(name, text)


@lru_cache(maxsize=64)
def stack_names(folder: Path) -> Mapping[str, str]:
    """Name by the stack's id in a cloud assembly; empty for templates of another origin."""
    manifest = folder / "manifest.json"
    try:
        artifacts = json.loads(manifest.read_text(encoding="utf-8"))["artifacts"]
        return {
            str(entry["properties"]["templateFile"]).split(".")[0]: str(
                entry["properties"].get("stackName", name)
            )
            for name, entry in artifacts.items()
            if entry.get("type") == "aws:cloudformation:stack"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
