"""Why CloudFormation could not make something, and what a person does about it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deployment.stacks import Failure

_TOLD = 5
# The words of the services differ; the first that fits counts.
_FIXES = (
    (
        r"service.linked role",
        "make the role, which takes iam:CreateServiceLinkedRole: "
        "aws iam create-service-linked-role --aws-service-name {service}",
    ),
    (
        r"already exist|already being used|scheduled for deletion|BucketAlreadyOwnedByYou",
        "something of that name is in the account already, made by hand or left by an earlier deployment: "
        "remove it if nobody needs it",
    ),
    (
        r"limit ?exceeded|quota|maximum number|too many|service limit",
        "ask for more, in the console under Service Quotas "
        "(docs/operations.md, Quotas that a new account may lack), or take another type in settings.py",
    ),
    (
        r"not authorized|access ?denied|unauthorized",
        "CloudFormation acts with the role cdk-hnb659fds-cfn-exec-role-*: "
        "`cdk bootstrap` gives it an administrator's rights, a policy of your organisation may take some",
    ),
    (
        r"capacity",
        "AWS has no instance of that type free just now: wait, or take another type in settings.py",
    ),
    (r"throttl|rate exceeded|timed? ?out|internal ?(error|failure)", "AWS was busy: just run it again"),
)
_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com")


def described(failures: Sequence[Failure]) -> str:
    """The first few: what comes after them is mostly their consequence."""
    lines = [f"{each.logical_id} ({each.type}): {each.reason}" for each in failures[:_TOLD]]
    if more := len(failures) - _TOLD:
        lines += [f"and {more} more"] if more > 0 else []
    return "\n  ".join(lines) or "see what the CLI said"


def fixes(failures: Sequence[Failure]) -> str:
    """One for each kind of cause, in the order of the failures."""
    found = list(dict.fromkeys(_fix(each.reason) for each in failures[:_TOLD]))
    return "; ".join(found) or "remove the cause"


def _fix(reason: str) -> str:
    for words, fix in _FIXES:
        if re.search(words, reason, re.IGNORECASE):
            service = _SERVICE.search(reason)
            return fix.format(service=service[0] if service else "<service>.amazonaws.com")
    return "remove the cause"
