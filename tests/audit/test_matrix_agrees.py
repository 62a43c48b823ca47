"""Two engines, one answer: what the matrix says of our roles is what the embedded account's IAM decides."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest

from audit.matrix import Row, matrix
from audit.policies import Statement, statements
from audit.templates import Resource, Templates
from sandbox.iam.evaluate import Policies, Policy, Principal, Request, decide

ACCOUNT, REGION = "111122223333", "eu-west-1"
OBJECT_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
KEY_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey", "kms:CreateGrant", "kms:ScheduleKeyDeletion")


def deployed(value: Any) -> Any:
    """As the account that it is deployed in would know it."""
    text = json.dumps(value).replace("<AccountId>", ACCOUNT).replace("<Region>", REGION)
    return json.loads(text)


def document(found: list[Statement], name: str) -> Policy:
    return Policy(name, {"Version": "2012-10-17", "Statement": [deployed(each.raw) for each in found]})


class Account:
    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._statements = statements(templates)
        [self._endpoint] = [
            endpoint.address
            for endpoint in templates.of("AWS::EC2::VPCEndpoint")
            if str(endpoint.get("ServiceName")).endswith(".s3")
        ]

    def allows(self, role: Resource, action: str, target: Resource, part: str, **context: object) -> bool:
        arn = deployed(self._templates.arn(role))
        request = Request(
            principal=Principal(
                kind="role",
                arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/any/session",
                account=ACCOUNT,
                role_arn=arn,
            ),
            action=action,
            resource=deployed(self._templates.arn(target)) + part,
            context={
                "aws:principalarn": arn,
                "aws:principalaccount": ACCOUNT,
                "aws:resourceaccount": ACCOUNT,
                "aws:principalisawsservice": "false",
                "aws:securetransport": "true",
                "s3:tlsversion": "1.3",
                **context,
            },
        )
        return decide(request, self._policies(role, target)).allowed

    def by_endpoint(self) -> dict[str, object]:
        return {"aws:sourcevpce": f"<{self._endpoint}>"}

    def _policies(self, role: Resource, target: Resource) -> Policies:
        of_role = {
            kind: [one for one in self._statements if one.kind == kind and role.address in one.identities]
            for kind in ("identity", "boundary")
        }
        on_target = [
            one
            for one in self._statements
            if one.kind in ("resource", "key")
            and (one.holder is target or one.holder.get("Bucket") == f"<{target.address}>")
        ]
        return Policies(
            identity=(document(of_role["identity"], "identity"),),
            boundary=document(of_role["boundary"], "boundary"),
            resource=document(on_target, "resource"),
            authoritative=target.type == "AWS::KMS::Key",
        )


@pytest.fixture(scope="module")
def templates(audited: dict[str, Templates]) -> Templates:
    return audited["production"]


@pytest.fixture(scope="module")
def rows(templates: Templates) -> list[Row]:
    return matrix(templates)


def roles(templates: Templates) -> Iterator[Resource]:
    yield from templates.of("AWS::IAM::Role")


def said(rows: list[Row], role: Resource, action: str, target: Resource) -> list[Row]:
    return [
        row
        for row in rows
        if row.principal == role.path and row.address == target.address and action in row.actions
    ]


@pytest.mark.parametrize("action", OBJECT_ACTIONS)
def test_both_engines_agree_on_objects(templates: Templates, rows: list[Row], action: str) -> None:
    account = Account(templates)
    allowed = 0
    for bucket in templates.of("AWS::S3::Bucket"):
        scopes = {row.scope for row in rows if row.address == bucket.address if row.scope}
        # An object of each scope, which may lie in other scopes too.
        for name in {scope.replace("*", "x") for scope in {*scopes, "elsewhere/*"}}:
            for role in roles(templates):
                said_of_role = said(rows, role, action, bucket)
                found = [row for row in said_of_role if row.scope and fnmatchcase(name, row.scope)]
                anywhere = [row for row in found if "from endpoint" not in row.condition]
                inside = account.allows(role, action, bucket, f"/{name}", **account.by_endpoint())
                assert inside is bool(found), (role.path, action, bucket.path, name)
                outside = account.allows(role, action, bucket, f"/{name}")
                assert outside is bool(anywhere), (role.path, bucket.path, name)
                allowed += inside
    assert allowed, f"nobody may {action}: the test would pass on empty templates"


def covers(condition: str, words: str) -> bool:
    """`via s3, sagemaker` holds for either service."""
    services = condition.removeprefix("via ").split(", ") if condition.startswith("via ") else []
    return condition in ("", words) or words.removeprefix("via ") in services


@pytest.mark.parametrize("action", KEY_ACTIONS)
def test_both_engines_agree_on_keys(templates: Templates, rows: list[Row], action: str) -> None:
    account = Account(templates)
    contexts: Mapping[str, dict[str, object]] = {
        "via s3": {"kms:viaservice": f"s3.{REGION}.amazonaws.com"},
        "via sqs": {"kms:viaservice": f"sqs.{REGION}.amazonaws.com"},
        "kms:GrantIsForAWSResource is true": {"kms:grantisforawsresource": "true"},
        "": {},
    }
    for key in templates.of("AWS::KMS::Key"):
        for role in roles(templates):
            conditions = {row.condition for row in said(rows, role, action, key)}
            for words, context in contexts.items():
                decided = account.allows(role, action, key, "", **context)
                covered = any(covers(condition, words) for condition in conditions)
                assert decided is covered, (role.path, action, key.path, words)
