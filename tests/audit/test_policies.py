"""Statements are found wherever a template may hold them, with who holds them and what they protect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.policies import matches, overlap, statements
from audit.templates import Templates

ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
DOCUMENT = {"Statement": ALLOW}


def found(resources: dict[str, Any]) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    templates = Templates({"Any": (Path("Any.template.json"), {"Resources": resources})})
    return [
        (each.kind, each.holder.logical_id, each.identities, each.targets) for each in statements(templates)
    ]


def role(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::IAM::Role", "Properties": properties}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        pytest.param(
            {"R": role(Policies=[{"PolicyDocument": DOCUMENT}])},
            [("identity", "R", ("Any/R",), ())],
            id="inline",
        ),
        pytest.param(
            {
                "R": role(),
                "P": {
                    "Type": "AWS::IAM::Policy",
                    "Properties": {"PolicyDocument": DOCUMENT, "Roles": [{"Ref": "R"}]},
                },
            },
            [("identity", "P", ("Any/R",), ())],
            id="policy of a role",
        ),
        pytest.param(
            {
                "R": role(RoleName="named"),
                "P": {
                    "Type": "AWS::IAM::Policy",
                    "Properties": {"PolicyDocument": DOCUMENT, "Roles": ["named"]},
                },
            },
            [("identity", "P", ("Any/R",), ())],
            id="policy of a role by its name",
        ),
        pytest.param(
            {
                "R": role(ManagedPolicyArns=[{"Ref": "P"}]),
                "P": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": DOCUMENT}},
            },
            [("identity", "P", ("Any/R",), ())],
            id="managed policy",
        ),
        pytest.param(
            {
                "R": role(PermissionsBoundary={"Ref": "P"}),
                "P": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": DOCUMENT}},
            },
            [("boundary", "P", ("Any/R",), ())],
            id="boundary",
        ),
        pytest.param(
            {
                "R": role(PermissionsBoundary={"Ref": "P"}),
                "S": role(ManagedPolicyArns=[{"Ref": "P"}]),
                "P": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": DOCUMENT}},
            },
            [("identity", "P", ("Any/S",), ()), ("boundary", "P", ("Any/R",), ())],
            id="boundary of one, attached to another",
        ),
        pytest.param(
            {
                "U": {"Type": "AWS::IAM::User", "Properties": {"UserName": "u"}},
                "P": {
                    "Type": "AWS::IAM::UserPolicy",
                    "Properties": {"UserName": "u", "PolicyDocument": DOCUMENT},
                },
            },
            [("identity", "P", ("Any/U",), ())],
            id="policy of a user",
        ),
        pytest.param(
            {"R": role(AssumeRolePolicyDocument=DOCUMENT)},
            [("trust", "R", (), ("arn:aws:iam::<AccountId>:role/<Any/R>",))],
            id="trust",
        ),
        pytest.param(
            {"K": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": DOCUMENT}}},
            [("key", "K", (), ("arn:aws:kms:<Region>:<AccountId>:key/<Any/K>",))],
            id="key",
        ),
        pytest.param(
            {"E": {"Type": "AWS::EC2::VPCEndpoint", "Properties": {"PolicyDocument": DOCUMENT}}},
            [("endpoint", "E", (), ("*",))],
            id="endpoint",
        ),
        pytest.param(
            {"B": {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": DOCUMENT}}},
            [("resource", "B", (), ("*",))],
            id="bucket",
        ),
    ],
)
def test_every_kind_of_policy_is_read(resources: Any, expected: Any) -> None:
    assert found(resources) == expected


@pytest.mark.parametrize(
    "resources",
    [
        pytest.param({"R": role(Policies=[{"Ref": "Given"}])}, id="inline policy"),
        pytest.param({"R": role(Policies=[{"PolicyDocument": {"Ref": "Given"}}])}, id="inline document"),
        pytest.param({"R": role(AssumeRolePolicyDocument={"Statement": ["?"]})}, id="statement"),
        pytest.param(
            {"B": {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": ["?"]}}}, id="document"
        ),
    ],
)
def test_what_only_the_deployment_knows_is_passed_over(resources: dict[str, Any]) -> None:
    assert found(resources) == []


@pytest.mark.parametrize("given", ["?", ["?"], 7, None])
def test_odd_principals_and_conditions_are_none(given: Any) -> None:
    trust = {"Statement": {"Effect": "Allow", "Principal": given, "Condition": given}}
    resources = {"R": role(AssumeRolePolicyDocument=trust)}
    [statement] = statements(Templates({"Any": (Path("Any.template.json"), {"Resources": resources})}))
    assert statement.conditions == {}
    assert statement.principals == ([("AWS", "?")] if given == "?" else [])


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("s3:get*", "s3:getobject", True),
        ("s3:get?bject", "s3:getobject", True),
        ("s3:get", "s3:getobject", False),
        ("arn:aws:s3:::<a/b>/raw/*", "arn:aws:s3:::<a/b>/raw/x", True),
        ("arn:aws:s3:::<a/b>/raw/*", "arn:aws:s3:::<a/c>/raw/x", False),
        ("a.c", "abc", False),
    ],
)
def test_wildcards_are_those_of_iam(pattern: str, text: str, is_match: bool) -> None:
    assert matches(pattern, text) is is_match


@pytest.mark.parametrize(
    ("one", "other", "is_so"),
    [
        ("raw/*", "raw/x/*", True),
        ("raw/*", "*/y", True),
        ("raw/*", "landing/*", False),
        ("*a", "*b", False),
        ("a?", "ab", True),
        ("", "*", True),
        ("*", "", True),
        ("", "a", False),
        ("*" * 30 + "a", "*" * 30 + "b", False),
        ("a*c", "ab*", True),
        ("a*c", "b*", False),
        ("a?c", "abc", True),
        ("a*b", "a*c", False),
        ("arn:x/*", "arn:*/y", True),
        ("ab", "a", False),
    ],
)
def test_patterns_overlap_where_some_text_matches_both(one: str, other: str, is_so: bool) -> None:
    assert overlap(one, other) is is_so
    assert overlap(other, one) is is_so


def test_every_statement_of_our_roles_has_a_holder(audited: dict[str, Templates]) -> None:
    for templates in audited.values():
        roles = {resource.address for resource in templates.of("AWS::IAM::Role")}
        for statement in statements(templates):
            if statement.kind in ("identity", "boundary"):
                assert statement.identities, statement.holder.address
                assert set(statement.identities) <= roles
