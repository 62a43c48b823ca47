"""Who asks: the identities of the templates, and whom policies of resources name besides."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from audit.conditions import Known
from audit.evaluation import ROOT, Principal, Target
from audit.policies import Statement, listed
from audit.templates import Resource, Templates


def identities(templates: Templates, every: Sequence[Statement]) -> Iterator[Principal]:
    held: dict[tuple[str, str], list[Statement]] = defaultdict(list)
    for statement in every:
        for address in statement.identities:
            held[statement.kind, address].append(statement)
    written = {templates.arn(policy) for policy in templates.of("AWS::IAM::ManagedPolicy")}
    for identity in templates.of("AWS::IAM::Role", "AWS::IAM::User"):
        owners = [identity.address, *_groups(templates, identity)]
        boundary = str(identity.get("PermissionsBoundary", default=""))
        arn = templates.arn(identity)
        yield Principal(
            path=identity.path,
            names=frozenset({("AWS", arn)}),
            known=Known(carried=_carried(identity, arn), made=templates.by_address),
            attached=tuple(each for address in owners for each in held["identity", address]),
            ceiling=tuple(held["boundary", identity.address]) if boundary in written else None,
            unread_policies=tuple(each for each in _managed(templates, owners) if each not in written),
            unread_boundary="" if boundary in written else boundary,
            is_user=identity.type == "AWS::IAM::User",
        )


def _managed(templates: Templates, owners: Iterable[str]) -> list[str]:
    """ARNs of the policies attached to a role, or to a user and its groups."""
    return [
        str(arn)
        for address in owners
        if (owner := templates.by_address.get(address))
        for arn in listed(owner.get("ManagedPolicyArns"))
    ]


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


def _carried(identity: Resource, arn: str) -> dict[str, str | None]:
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


def outsiders(templates: Templates, target: Target, known_ones: Sequence[Principal]) -> list[Principal]:
    """Who a resource's own policy names and no template makes: services, accounts, anyone."""
    ours = {name for principal in known_ones for name in principal.names}
    named = {
        name
        for statement in target.policy
        if statement.allows
        for name in (statement.principals or ([("AWS", "*")] if "NotPrincipal" in statement.raw else []))
    }
    return [_outsider(templates, *name) for name in sorted(named - ours)]


def _outsider(templates: Templates, kind: str, value: str) -> Principal:
    carried: dict[str, str | None] = _of_target()
    path = f"{kind} {value}"
    if kind == "AWS" and value == "*":
        path = "anyone"
    elif (kind, value) in (("AWS", ROOT), ("AWS", "<AccountId>")):
        path, carried = "account root", {**_of_account(), "aws:principalarn": ROOT}
    elif kind == "Service":
        path = f"service {re.sub(r'([.]<Region>)?[.]amazonaws[.]com$', '', value)}"
        carried |= {"aws:principalisawsservice": "true", "aws:principalservicename": value}
        carried |= {"aws:principalarn": None}
    elif kind == "AWS":
        path = f"outside {value}"
        carried |= {"aws:principalarn": value, "aws:principalisawsservice": "false"}
    known = Known(carried=carried, made=templates.by_address)
    return Principal(path=path, names=frozenset({(kind, value)}), known=known)
