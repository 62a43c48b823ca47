"""Ways to more rights are found over all policies of an identity; what closes them is believed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from audit import escalation
from audit.findings import Finding, Severity
from audit.policies import listed
from audit.templates import Templates

ROLES = "arn:aws:iam::<AccountId>:role"
TRAIN = ["sagemaker:CreateTrainingJob"]
TO_SAGEMAKER = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def role(*statements: dict[str, Any], **properties: Any) -> dict[str, Any]:
    policies = [{"PolicyName": "p", "PolicyDocument": {"Statement": list(statements)}}]
    return {"Type": "AWS::IAM::Role", "Properties": {"Policies": policies, **properties}}


def boundary(*statements: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"PolicyDocument": {"Statement": list(statements)}},
    }


def function(role_id: str) -> dict[str, Any]:
    return {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": [role_id, "Arn"]}}}


def found(resources: dict[str, Any]) -> list[Finding]:
    return escalation.check(Templates({"Any": (Path("Any.template.json"), {"Resources": resources})}))


def rules(*statements: dict[str, Any], **more: Any) -> list[tuple[str, Severity]]:
    return [(each.rule, each.severity) for each in found({"R": role(*statements), **more})]


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        pytest.param([allow("*")], [("ESC-01", Severity.CRITICAL)], id="administrator"),
        pytest.param([allow("iam:*")], ["ESC-02", "ESC-03", "ESC-04", "ESC-07"], id="all of IAM"),
        pytest.param(
            [allow("iam:PutRolePolicy", f"{ROLES}/x")], [("ESC-02", Severity.CRITICAL)], id="policy of a role"
        ),
        pytest.param(
            [allow("iam:PutRolePolicy"), deny("iam:*", Condition={"Ref": "Given"})],
            ["ESC-02"],
            id="a denial on a condition that is a parameter",
        ),
        pytest.param([allow("iam:CreateAccessKey")], [("ESC-03", Severity.CRITICAL)], id="keys of users"),
        pytest.param(
            [allow("iam:PassRole"), allow("lambda:CreateFunction")],
            [("ESC-04", Severity.CRITICAL)],
            id="any role to a new function",
        ),
        pytest.param(
            [allow(["iam:PassRole", *TRAIN], "*", Condition=TO_SAGEMAKER)],
            [("ESC-04", Severity.CRITICAL)],
            id="any role to a job, although to one service",
        ),
        pytest.param(
            [allow("iam:PassRole", f"{ROLES}/any-*"), allow(TRAIN)],
            [("ESC-04", Severity.HIGH)],
            id="roles of a prefix",
        ),
        pytest.param(
            [allow("iam:PassRole", f"{ROLES}/x"), allow(TRAIN)],
            [("ESC-04", Severity.HIGH)],
            id="a role to any service",
        ),
        pytest.param(
            [allow("iam:PassRole")], [("ESC-04", Severity.MEDIUM)], id="any role, nothing that runs yet"
        ),
        pytest.param(
            [allow("iam:PassRole", "*", Condition=TO_SAGEMAKER), allow("lambda:CreateFunction")],
            [("ESC-04", Severity.MEDIUM)],
            id="what runs is another service",
        ),
        pytest.param([allow("sts:AssumeRole")], [("ESC-06", Severity.HIGH)], id="take on any role"),
        pytest.param(
            [allow("sts:AssumeRole", f"{ROLES}/any-*")],
            [("ESC-06", Severity.MEDIUM)],
            id="roles of a pattern",
        ),
        pytest.param(
            [allow("iam:DeleteRolePermissionsBoundary")], [("ESC-07", Severity.HIGH)], id="boundary removed"
        ),
        pytest.param([allow("kms:PutKeyPolicy")], [("ESC-08", Severity.HIGH)], id="key policy"),
        pytest.param([allow("kms:CreateGrant")], [("ESC-08", Severity.HIGH)], id="grants to anyone"),
        pytest.param(
            [{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}],
            ["ESC-02", "ESC-03", "ESC-07", "ESC-08", "ESC-04", "ESC-05", "ESC-06"],
            id="all but some",
        ),
    ],
)
def test_way_is_found(statements: list[dict[str, Any]], expected: list[Any]) -> None:
    got = rules(*statements)
    if isinstance(expected[0], str):
        assert {rule for rule, _ in got} == set(expected)
    else:
        assert got == expected


NO_IAM = deny("iam:*")
WITH_BOUNDARY = {"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::<AccountId>:policy/cap"}}
WITHOUT_BOUNDARY = {"StringNotEquals": {"iam:PermissionsBoundary": "arn:aws:iam::<AccountId>:policy/cap"}}


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param([], id="nothing"),
        pytest.param([allow("s3:GetObject")], id="data only"),
        pytest.param([allow("iam:PutRolePolicy"), NO_IAM], id="denied"),
        pytest.param(
            [allow("iam:PutRolePolicy", "*", Condition=WITH_BOUNDARY)], id="policies under a boundary"
        ),
        pytest.param(
            [allow("iam:PutRolePolicy"), deny("iam:*", "*", Condition=WITHOUT_BOUNDARY)],
            id="denied without a boundary",
        ),
        pytest.param(
            [allow("iam:CreateAccessKey", "arn:aws:iam::<AccountId>:user/${aws:username}")], id="its own keys"
        ),
        pytest.param(
            [allow("iam:PassRole", f"{ROLES}/x", Condition=TO_SAGEMAKER), allow(TRAIN)],
            id="a named role to its service",
        ),
        pytest.param([allow("sts:AssumeRole", f"{ROLES}/x")], id="take on a named role"),
        pytest.param(
            [allow("kms:CreateGrant", "*", Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}})],
            id="grants of services",
        ),
        pytest.param([{"Effect": "Allow"}, {"Action": "*"}, allow({"a": 1}, {"b": 2})], id="odd shapes"),
    ],
)
def test_what_leads_nowhere_is_left_alone(statements: list[dict[str, Any]]) -> None:
    assert rules(*statements) == []


def test_statements_of_several_policies_count_together() -> None:
    resources = {
        "R": role(allow("iam:PassRole")),
        "P": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyDocument": {"Statement": allow("glue:CreateJob")},
                "Roles": [{"Ref": "R"}],
            },
        },
    }
    [finding] = found(resources)
    assert (finding.rule, finding.address, finding.severity) == ("ESC-04", "Any/R", Severity.CRITICAL)
    assert (
        finding.message == "Any/R -> iam:PassRole on everything (any role of a pattern) -> glue:CreateJob -> "
        "the rights of Any/R"
    )


@pytest.mark.parametrize(
    ("ceiling", "expected"),
    [
        pytest.param([allow("s3:*")], [], id="closed"),
        pytest.param([allow("*"), deny("iam:*")], [], id="denied by the boundary"),
        pytest.param([allow("iam:PutRolePolicy")], ["ESC-02"], id="open"),
        pytest.param([deny("s3:*")], [], id="allows nothing"),
    ],
)
def test_boundary_is_a_ceiling(ceiling: list[dict[str, Any]], expected: list[str]) -> None:
    resources = {
        "R": role(allow("iam:PutRolePolicy"), PermissionsBoundary={"Ref": "B"}),
        "B": boundary(*ceiling),
    }
    assert [finding.rule for finding in found(resources)] == expected


def test_boundary_narrows_resources() -> None:
    resources = {
        "R": role(allow("iam:PutRolePolicy"), PermissionsBoundary={"Ref": "B"}),
        "B": boundary(allow("iam:*", f"{ROLES}/one")),
    }
    [finding] = found(resources)
    assert finding.subject == f"iam:PutRolePolicy on {ROLES}/one"


def test_administrator_by_a_policy_of_aws() -> None:
    managed = "arn:aws:iam::aws:policy/AdministratorAccess"
    assert [each.rule for each in found({"R": role(ManagedPolicyArns=[managed])})] == ["ESC-01"]
    harmless = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    assert found({"R": role(ManagedPolicyArns=[harmless])}) == []


@pytest.mark.parametrize(
    ("runs_with", "expected"),
    [pytest.param("Other", ["ESC-05"], id="role of another"), pytest.param("R", [], id="its own role")],
)
def test_code_with_another_role(runs_with: str, expected: list[str]) -> None:
    update = allow("lambda:UpdateFunctionCode", {"Fn::GetAtt": ["F", "Arn"]})
    resources = {"R": role(update), "Other": role(allow("s3:GetObject")), "F": function(runs_with)}
    assert [finding.rule for finding in found(resources)] == expected


def test_named_role_that_gains_more_is_a_way_too() -> None:
    def passing(target: str) -> list[dict[str, Any]]:
        arn = {"Fn::GetAtt": [target, "Arn"]}
        return [allow("iam:PassRole", arn, Condition=TO_SAGEMAKER), allow(TRAIN)]

    resources = {
        "First": role(*passing("Second")),
        "Second": role(*passing("Third")),
        "Third": role(allow("iam:AttachRolePolicy")),
    }
    assert [(each.rule, each.address) for each in found(resources)] == [
        ("ESC-02", "Any/Third"),
        ("ESC-09", "Any/Second"),
        ("ESC-09", "Any/First"),
    ]


def test_our_roles_lead_nowhere(audited: dict[str, Templates]) -> None:
    for templates in audited.values():
        assert len(templates.of("AWS::IAM::Role")) > 20
        assert escalation.check(templates) == []


def test_a_way_among_our_roles_is_noticed(audited: dict[str, Templates]) -> None:
    """Not even the boundary hides it: passing a role is what it must allow."""
    templates = copy.deepcopy(audited["production"])
    passing = [
        raw
        for policy in templates.of("AWS::IAM::ManagedPolicy")
        for raw in listed(policy.get("PolicyDocument", "Statement"))
        if raw["Action"] == "iam:PassRole"
    ]
    passing[0].pop("Condition")
    assert [finding.rule for finding in escalation.check(templates)] == ["ESC-04"]
