"""Practice: every permission names its actions and resources; keys are used through one service. See
docs/security.md.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from typing import Any

from tests.conftest import Assembly
from tests.policies import identity_statements, text

LARGEST_POLICY = 6144  # characters that IAM accepts, white space not counted

# No narrower resource exists for these, says the IAM service authorization reference; each is acknowledged
# to cdk-nag.
ON_EVERYTHING = {
    "cloudwatch:PutMetricData",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
    "ecr:GetAuthorizationToken",
    "glue:GetSecurityConfiguration",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "sagemaker:ListEndpointConfigs",
    "sagemaker:ListModels",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}


# What ties the use of a key to a service: its request, its grant, or the resource that only it decrypts for.
WITH_A_SERVICE = {
    "kms:EncryptionContext:SourceArn",
    "kms:EncryptionContext:aws:states:stateMachineArn",
    "kms:GrantIsForAWSResource",
    "kms:ViaService",
}


def wildcard_actions(assembly: Assembly) -> list[str]:
    statements = identity_statements(assembly, with_boundary=True)
    assert len(statements) > 50
    return [
        f"{s.holder.address}: {action}"
        for s in statements
        if s.allows
        for action in s.actions
        if "*" in action
    ]


def test_no_action_is_a_wildcard(assembly: Assembly) -> None:
    assert wildcard_actions(assembly) == []


def test_wildcard_action_is_noticed(production: Assembly) -> None:
    templates = copy.deepcopy(dict(production.templates))
    policy = next(
        r for r in templates["Data"]["Resources"].values() if r["Type"] == "AWS::IAM::ManagedPolicy"
    )
    policy["Properties"]["PolicyDocument"]["Statement"][0]["Action"] = "s3:Get*"
    assert len(wildcard_actions(dataclasses.replace(production, templates=templates))) == 1


def actions_on_everything(assembly: Assembly) -> set[str]:
    return {
        action
        for s in identity_statements(assembly)
        if s.allows and "*" in s.resources
        for action in s.actions
    }


def test_everything_is_granted_only_where_nothing_narrower_exists(assembly: Assembly) -> None:
    assert actions_on_everything(assembly) - ON_EVERYTHING == set()


def test_no_exception_is_left_over(assembly: Assembly) -> None:
    assert ON_EVERYTHING - actions_on_everything(assembly) == set()


def test_no_role_has_an_inline_policy(assembly: Assembly) -> None:
    """An inline policy has no versions, and these tests do not look at one."""
    kinds = {r["Type"] for template in assembly.templates.values() for r in template["Resources"].values()}
    assert "AWS::IAM::ManagedPolicy" in kinds
    assert "AWS::IAM::Policy" not in kinds
    assert not [name for name, role in assembly.resources("AWS::IAM::Role").items() if "Policies" in role]


def spelled_out(policy: Any) -> Any:
    """References as names, about as long as the ARNs that they stand for."""
    match policy:
        case list():
            return [spelled_out(each) for each in policy]
        case dict() if not any(key == "Ref" or key.startswith("Fn::") for key in policy):
            return {key: spelled_out(value) for key, value in policy.items()}
    return text(policy)


def test_policies_fit_what_iam_takes(assembly: Assembly) -> None:
    policies = assembly.resources("AWS::IAM::ManagedPolicy")
    sizes = {name: len("".join(text(each["PolicyDocument"]).split())) for name, each in policies.items()}
    assert [f"{name}: {size}" for name, size in sizes.items() if size > LARGEST_POLICY] == []
    attached = Counter(role["Ref"] for each in policies.values() for role in each.get("Roles", []))
    for name, role in assembly.resources("AWS::IAM::Role").items():
        assert len(role.get("ManagedPolicyArns", [])) + attached[name.partition("/")[2]] <= 10, name


def test_no_role_uses_a_policy_that_aws_manages(assembly: Assembly) -> None:
    attached = [
        f"{name}: {text(arn)}"
        for name, role in assembly.resources("AWS::IAM::Role").items()
        for arn in role.get("ManagedPolicyArns", [])
    ]
    assert attached
    assert [each for each in attached if "iam::aws:" in each] == []


def test_keys_are_used_through_a_service_only(assembly: Assembly) -> None:
    """A stolen role cannot decrypt by itself: the request must come from the service that holds the data."""
    statements = [
        s for s in identity_statements(assembly) if s.allows and any(a.startswith("kms:") for a in s.actions)
    ]
    assert len(statements) > 20
    for statement in statements:
        keys = {key for block in statement.conditions.values() for key in block}
        assert keys & WITH_A_SERVICE, statement


def test_roles_are_passed_to_one_service(assembly: Assembly) -> None:
    passing = [s for s in identity_statements(assembly) if s.allows and "iam:PassRole" in s.actions]
    assert passing
    for statement in passing:
        assert "iam:PassedToService" in str(statement.conditions), statement
        assert not [r for r in statement.resources if "*" in text(r)], statement


def test_nobody_may_change_who_may_what(assembly: Assembly) -> None:
    actions = {a for s in identity_statements(assembly, with_boundary=True) if s.allows for a in s.actions}
    assert {a for a in actions if a.startswith("iam:")} <= {"iam:PassRole"}
    assert not {
        a for a in actions if a.startswith(("kms:Put", "kms:Disable", "kms:Schedule", "s3:PutBucket"))
    }


def test_functions_cannot_use_what_lambda_may_do_with_their_role(assembly: Assembly) -> None:
    [denial] = [
        s
        for s in identity_statements(assembly)
        if not s.allows and s.conditions == {"Null": {"lambda:SourceFunctionArn": "false"}}
    ]
    allowed = {
        a
        for s in identity_statements(assembly)
        if s.holder.address == denial.holder.address and s.allows
        for a in s.actions
    }
    assert allowed == set(denial.actions)


def test_only_grants_are_asked_whom_they_are_for(assembly: Assembly) -> None:
    """No other KMS request carries the key: such a permission would never be given."""
    statements = [
        s for s in identity_statements(assembly) if "kms:GrantIsForAWSResource" in text(s.conditions)
    ]
    assert statements
    assert {action for s in statements for action in s.actions} == {"kms:CreateGrant"}
