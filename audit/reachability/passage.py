"""Whether a policy lets a call through a VPC endpoint, as far as templates can tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from audit.conditions import Clause, Known, clauses
from audit.names import NUMBER, Truth, any_of, compared, covers, is_open, negated, spelled
from audit.policies import Statement
from audit.reachability.network import is_gateway
from audit.templates import Templates

_ACCOUNT = ("<AccountId>", "arn:aws:iam::<AccountId>:root")


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
    allowed: Truth = False
    unclear: list[str] = []
    denials: list[str] = []
    for statement in policy:
        answer, said = applies(statement, attempt)
        if statement.allows:
            allowed = any_of([allowed, answer])
            unclear += said
        elif answer:
            return False, []
        else:
            denials += said
    return allowed is not False, denials if allowed else [*unclear, *denials]


def denied(statement: Statement, attempt: Attempt) -> tuple[bool, list[str]]:
    answer, said = applies(statement, attempt)
    return answer is True, said if answer is None else []


def applies(statement: Statement, attempt: Attempt) -> tuple[Truth, list[str]]:
    """None with notes where only a part of the call is meant, or a condition is not known."""
    action, name = attempt.action, f"{attempt.action} on {attempt.resource}"
    known = _known(attempt)
    answers: list[tuple[Truth, str]] = [
        (_of_actions(statement, action), f"{action} is meant in part"),
        (_of_resources(statement, attempt), f"{name}: names that only AWS knows, or a part of them"),
        (_of_principals(statement, attempt), f"{name}: whether the principal is meant"),
    ]
    answers += [(each.truth(known), f"{name}: {_said(each)} is not known") for each in clauses(statement)]
    if any(answer is False for answer, _ in answers):
        return False, []
    unclear = [said for answer, said in answers if answer is None]
    return (None, unclear) if unclear else (True, [])


def _said(clause: Clause) -> str:
    return f"condition {clause.key}" if clause.is_read else "a condition"


def _of_actions(statement: Statement, action: str) -> Truth:
    given = statement.not_actions or statement.actions
    meant = any_of(compared(str(each).lower(), action.lower()) for each in given)
    return negated(meant) if statement.not_actions else meant


def _of_resources(statement: Statement, attempt: Attempt) -> Truth:
    wanted = spelled(attempt.resource, attempt.templates)
    if statement.not_resources:
        return negated(
            any_of(
                compared(spelled(str(each), attempt.templates), wanted) for each in statement.not_resources
            )
        )
    # "*" in a resource's own policy is the resource.
    meant = [
        target if each == "*" and statement.kind in ("resource", "key") else str(each)
        for each in statement.resources or ["*"]
        for target in statement.targets or ("*",)
    ]
    return any_of(compared(spelled(each, attempt.templates), wanted) for each in dict.fromkeys(meant))


def _of_principals(statement: Statement, attempt: Attempt) -> Truth:
    if "NotPrincipal" in statement.raw:
        return None
    named = [(kind, str(value)) for kind, value in statement.principals]
    if not named:
        return True
    if _is_at_gateway(statement):
        named = [(kind, name) for kind, name in named if NUMBER.sub("<AccountId>", name) not in _ACCOUNT]
    return any_of(_is_caller(kind, name, attempt) for kind, name in named)


def _is_at_gateway(statement: Statement) -> bool:
    """There an account is its root user alone: PrivateLink guide, "principals for gateway endpoints"."""
    return statement.kind == "endpoint" and is_gateway(statement.holder)


def _is_caller(kind: str, name: str, attempt: Attempt) -> Truth:
    if kind != "AWS":
        return False
    made = attempt.templates.by_address
    if name != "*" and (is_open(name, made) or is_open(attempt.role_arn, made)):
        return None
    # A number may be that of this account, which the template then does not know.
    own = NUMBER.sub("<AccountId>", name)
    meant = own in _ACCOUNT or covers(own, attempt.role_arn)
    return None if meant and own != name else meant


def _known(attempt: Attempt) -> Known:
    """What a call carries that code makes with a role through a VPC endpoint."""
    account = _account(attempt.resource)
    # From the list of global condition keys in the IAM user guide.
    return Known(
        carried={
            "aws:sourcevpce": attempt.endpoint,
            "aws:sourcevpc": attempt.vpc,
            "aws:sourceip": None,  # through an endpoint there is none
            "aws:principalarn": attempt.role_arn,
            "aws:principalaccount": "<AccountId>",
            "kms:calleraccount": "<AccountId>",
            "aws:resourceaccount": account,
            "s3:resourceaccount": account,
            "aws:principalisawsservice": "false",
            "aws:viaawsservice": "false",
            "aws:calledvia": None,
            "aws:securetransport": "true",
            "aws:sourcearn": None,
            "aws:sourceaccount": None,
        },
        made=attempt.templates.by_address,
    )


def _account(arn: str) -> str:
    """Our own for a resource whose ARN carries none (a bucket), and for "*"; but ECR's layers are AWS's."""
    if "starport-layer-bucket" in arn:
        return "<ECR>"
    parts = arn.split(":")
    return parts[4] if len(parts) > 5 and parts[4] and "*" not in parts[4] else "<AccountId>"
