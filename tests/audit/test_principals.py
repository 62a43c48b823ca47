"""Policies of resources, keys and roles let in this account and services that act for it, and nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit import principals
from audit.findings import Severity
from audit.templates import Templates

OURS = "arn:aws:iam::<AccountId>:root"
OTHER = "arn:aws:iam::111122223333:role/any"
SOURCE = {"StringEquals": {"aws:SourceAccount": "<AccountId>"}}


def of(resources: dict[str, Any], **more: Any) -> Templates:
    return Templates({"Any": (Path("Any.template.json"), {"Resources": resources, **more})})


def trust(principal: Any, **more: Any) -> Templates:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, **more}
    document = {"Statement": [statement]}
    return of({"R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}})


def bucket(principal: Any, **more: Any) -> Templates:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Principal": principal, "Resource": "*", **more}
    document = {"Statement": [statement]}
    return of({"B": {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": document}}})


def permission(**properties: Any) -> Templates:
    given = {"Action": "lambda:InvokeFunction", "FunctionName": "any", **properties}
    return of({"P": {"Type": "AWS::Lambda::Permission", "Properties": given}})


def found(templates: Templates, *allowed: str) -> list[tuple[str, Severity]]:
    return [(each.rule, each.severity) for each in principals.check(templates, allowed)]


@pytest.mark.parametrize(
    ("templates", "expected"),
    [
        pytest.param(bucket("*"), ("ESC-10", Severity.CRITICAL), id="everyone"),
        pytest.param(bucket({"AWS": "*"}), ("ESC-10", Severity.CRITICAL), id="everyone, spelled out"),
        pytest.param(
            bucket("*", Condition={"StringEqualsIfExists": {"aws:PrincipalAccount": "<AccountId>"}}),
            ("ESC-10", Severity.CRITICAL),
            id="a condition that is met without the key",
        ),
        pytest.param(
            bucket("*", Condition={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/reader"}}),
            ("ESC-10", Severity.CRITICAL),
            id="a role of that name in any account",
        ),
        pytest.param(
            bucket("*", Condition={"StringLike": {"aws:PrincipalOrgID": ["o-1", "*"]}}),
            ("ESC-10", Severity.CRITICAL),
            id="everyone, as one of two",
        ),
        pytest.param(
            bucket("*", Condition={"StringLike": {"aws:PrincipalAccount": "*"}}),
            ("ESC-10", Severity.CRITICAL),
            id="everyone of every account",
        ),
        pytest.param(
            of(
                {
                    "B": {
                        "Type": "AWS::S3::BucketPolicy",
                        "Properties": {
                            "PolicyDocument": {
                                "Statement": {
                                    "Effect": "Allow",
                                    "NotPrincipal": {"AWS": OURS},
                                    "Action": "s3:GetObject",
                                    "Resource": "*",
                                }
                            }
                        },
                    }
                }
            ),
            ("ESC-10", Severity.CRITICAL),
            id="everyone but",
        ),
        pytest.param(trust({"AWS": OTHER}), ("ESC-11", Severity.HIGH), id="another account's role"),
        pytest.param(trust({"AWS": "111122223333"}), ("ESC-11", Severity.HIGH), id="another account"),
        pytest.param(trust({"AWS": {"Ref": "Given"}}), ("ESC-11", Severity.HIGH), id="a parameter"),
        pytest.param(
            bucket("*", Condition={"StringEquals": {"aws:PrincipalAccount": "111122223333"}}),
            ("ESC-11", Severity.HIGH),
            id="everyone of another account",
        ),
        pytest.param(trust({"Federated": "any.com"}), ("ESC-11", Severity.HIGH), id="any federated user"),
        pytest.param(trust({"Service": "lambda.amazonaws.com"}), ("ESC-12", Severity.LOW), id="a service"),
        pytest.param(
            permission(Principal="s3.amazonaws.com"), ("ESC-12", Severity.LOW), id="a function for a service"
        ),
        pytest.param(permission(Principal="*"), ("ESC-10", Severity.CRITICAL), id="a function for all"),
        pytest.param(
            permission(Principal="111122223333"), ("ESC-11", Severity.HIGH), id="a function for an account"
        ),
    ],
)
def test_stranger_is_found(templates: Templates, expected: tuple[str, Severity]) -> None:
    assert found(templates) == [expected]


@pytest.mark.parametrize(
    "templates",
    [
        pytest.param(trust({"AWS": OURS}), id="this account"),
        pytest.param(trust({"AWS": "<AccountId>"}), id="this account by its id"),
        pytest.param(trust({"AWS": {"Fn::GetAtt": ["R", "Arn"]}}), id="a role of the templates"),
        pytest.param(trust({"AWS": {"Fn::GetAtt": ["User", "Arn"]}}), id="a user of the templates"),
        pytest.param(trust({"Service": "lambda.amazonaws.com"}, Condition=SOURCE), id="a service for us"),
        pytest.param(
            trust({"Federated": "any.com"}, Condition={"StringEquals": {"any.com:sub": "me"}}),
            id="a federated user",
        ),
        pytest.param(
            bucket("*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), id="an organisation"
        ),
        pytest.param(bucket("*", Effect="Deny"), id="denial"),
        pytest.param(
            permission(Principal="s3.amazonaws.com", SourceAccount={"Ref": "AWS::AccountId"}),
            id="function for us",
        ),
        pytest.param(of({"R": {"Type": "AWS::IAM::Role"}}), id="no policy"),
    ],
)
def test_own_is_left_alone(templates: Templates) -> None:
    assert found(templates) == []


@pytest.mark.parametrize("allowed", ["111122223333", OTHER, "arn:aws:iam::111122223333:*"])
def test_allowed_principal_is_left_alone(allowed: str) -> None:
    assert found(trust({"AWS": OTHER}), allowed) == []


def test_message_names_the_path() -> None:
    [finding] = principals.check(trust({"AWS": OTHER}))
    assert finding.message == (
        f"{OTHER}, not known as of this account -> sts:AssumeRole -> arn:aws:iam::<AccountId>:role/<Any/R>"
    )


def test_our_policies_let_in_nobody_else(audited: dict[str, Templates]) -> None:
    for templates in audited.values():
        assert principals.check(templates) == []
