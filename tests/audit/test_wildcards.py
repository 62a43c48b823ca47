"""Wildcards are judged by AWS's own data: what nothing narrower exists for, what is bounded, what is not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from audit import authorization, wildcards
from audit.findings import Finding, Severity
from audit.rights import overlap
from audit.templates import Templates
from audit.wildcards import Proof

BUCKET = "arn:aws:s3:::any-bucket"
JOBS = "arn:aws:sagemaker:<Region>:<AccountId>:training-job"
INTERFACES = "arn:aws:ec2:<Region>:<AccountId>:network-interface/*"


def of(resources: dict[str, Any]) -> Templates:
    return Templates({"Any": (Path("Any.template.json"), {"Resources": resources})})


def identity(**statement: Any) -> Templates:
    document = {"Statement": [{"Effect": "Allow", **statement}]}
    return of({"P": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document}}})


def key(**statement: Any) -> Templates:
    document = {"Statement": [{"Effect": "Allow", **statement}]}
    return of({"K": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": document}}})


def endpoint(**statement: Any) -> Templates:
    document = {"Statement": [{"Effect": "Allow", "Principal": "*", **statement}]}
    return of({"E": {"Type": "AWS::EC2::VPCEndpoint", "Properties": {"PolicyDocument": document}}})


def bucket_policy(**statement: Any) -> Templates:
    document = {"Statement": [{"Effect": "Allow", "Principal": "*", **statement}]}
    return of({"B": {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": document}}})


def verdicts(templates: Templates) -> list[str]:
    return [proof.verdict for proof in wildcards.proofs(templates)]


def rules(templates: Templates) -> list[str]:
    return [finding.rule for finding in wildcards.check(templates)]


@pytest.mark.parametrize(
    ("statement", "verdict", "says"),
    [
        pytest.param(
            {"Action": "ec2:DescribeSubnets", "Resource": "*"},
            "unavoidable",
            "ec2:DescribeSubnets takes no resource-level permission (service authorization reference, "
            f"{authorization.edition()})",
            id="action without resources",
        ),
        pytest.param(
            {"Action": ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"], "Resource": INTERFACES},
            "unavoidable",
            "AWS makes up the id of each network interface",
            id="id made up at run time",
        ),
        pytest.param(
            {"Action": "s3:GetObject", "Resource": f"{BUCKET}/raw/*"},
            "bounded",
            "objects below raw/ of one bucket: names are not known before they exist",
            id="objects below a prefix",
        ),
        pytest.param(
            {"Action": "s3:GetObject", "Resource": f"{BUCKET}/*"},
            "bounded",
            "objects of one bucket",
            id="objects of a named bucket",
        ),
        pytest.param(
            {"Action": "s3:GetObject", "Resource": {"Fn::Sub": "arn:aws:s3:::${Bucket}/raw/*"}},
            "bounded",
            "objects below raw/ of one bucket",
            id="objects of a bucket known as placeholder",
        ),
        pytest.param(
            {"Action": "sagemaker:CreateTrainingJob", "Resource": f"{JOBS}/any-*"},
            "bounded",
            "sagemaker training jobs of the prefix any-",
            id="prefix of a name",
        ),
        pytest.param(
            {
                "Action": "logs:PutLogEvents",
                "Resource": "arn:aws:logs:<Region>:<AccountId>:log-group:/aws/any:*",
            },
            "bounded",
            "log streams of /aws/any: names are given at run time",
            id="streams of a log group",
        ),
        pytest.param(
            {
                "Action": "cloudwatch:PutMetricData",
                "Resource": "*",
                "Condition": {"StringEquals": {"cloudwatch:namespace": "any"}},
            },
            "bounded",
            "condition cloudwatch:namespace bounds it",
            id="condition that the action knows",
        ),
        pytest.param(
            {
                "Action": "states:DescribeExecution",
                "Resource": "arn:aws:states:<Region>:<AccountId>:execution:m:*",
            },
            "bounded",
            "states executions of m: names are given at run time",
            id="a named parent, however short",
        ),
        pytest.param(
            {
                "Action": "iam:PassRole",
                "Resource": "arn:aws:iam::<AccountId>:role/*",
                "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            },
            "narrowable",
            "iam:PassRole takes resources (role",
            id="condition that says for whom, not what",
        ),
        pytest.param(
            {"Action": "sagemaker:CreateTrainingJob", "Resource": "*"},
            "narrowable",
            "sagemaker:CreateTrainingJob takes resources (reserved-capacity or training-job or training-plan",
            id="everything although there are resources",
        ),
        pytest.param(
            {"Action": "sagemaker:CreateTrainingJob", "Resource": f"{JOBS}/*"},
            "narrowable",
            "the ARN can name one",
            id="every name",
        ),
        pytest.param(
            {"Action": "sagemaker:CreateTrainingJob", "Resource": f"{JOBS}/a*"},
            "narrowable",
            "the ARN can name one",
            id="a prefix that names nothing",
        ),
        pytest.param(
            {
                "Action": "sagemaker:CreateTrainingJob",
                "Resource": "arn:aws:sagemaker:*:*:training-job/any-*",
            },
            "narrowable",
            "the ARN can name account, Region and resource",
            id="every account",
        ),
        pytest.param(
            {"Action": "kinesis:PutRecord", "Resource": "arn:aws:kinesis"},
            "narrowable",
            "the ARN can name account, Region and resource",
            id="an ARN without its end",
        ),
        pytest.param(
            {
                "Action": "kinesis:PutRecord",
                "Resource": "*",
                "Condition": {"StringLike": {"aws:ResourceTag/team": ["ml", "*"]}},
            },
            "narrowable",
            "kinesis:PutRecord takes resources",
            id="condition that a star among its values opens",
        ),
        pytest.param(
            {
                "Action": "kinesis:PutRecord",
                "Resource": "*",
                "Condition": {"Bool": {"aws:SecureTransport": "true"}},
            },
            "narrowable",
            "kinesis:PutRecord takes resources",
            id="condition that says nothing of resources",
        ),
        pytest.param(
            {
                "Action": "ec2:StopInstances",
                "Resource": "*",
                "Condition": {"StringEqualsIfExists": {"aws:ResourceTag/team": "any"}},
            },
            "narrowable",
            "ec2:StopInstances takes resources",
            id="condition that is met without the key",
        ),
        pytest.param(
            {"Action": "s3:GetObject*", "Resource": BUCKET},
            "narrowable",
            "s3:GetObject* covers",
            id="wildcard in an action",
        ),
        pytest.param({"Action": "*", "Resource": "*"}, "open", "* on every resource", id="administrator"),
        pytest.param({"Action": "s3:*", "Resource": "*"}, "open", "s3:* on every resource", id="a service"),
        pytest.param(
            {"NotAction": "iam:*", "Resource": "*"}, "open", "grants all but iam:*", id="all but some"
        ),
    ],
)
def test_identity(statement: dict[str, Any], verdict: str, says: str) -> None:
    [proof] = wildcards.proofs(identity(**statement))
    assert (proof.verdict, proof.owner, proof.path) == (verdict, "Any/P", "Any/P")
    assert says in proof.reason


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param({"Action": "s3:GetObject", "Resource": f"{BUCKET}/raw/x"}, id="exact"),
        pytest.param({"Effect": "Deny", "Action": "s3:*", "Resource": "*"}, id="denial"),
        pytest.param({}, id="empty statement"),
        pytest.param({"Action": "<Any/Action>", "Resource": "<Any/Resource>"}, id="placeholders"),
        pytest.param({"Action": "s3:GetObject", "Resource": {"a": 1}, "Condition": "odd"}, id="odd shapes"),
    ],
)
def test_without_wildcard_there_is_nothing_to_prove(statement: dict[str, Any]) -> None:
    assert wildcards.proofs(identity(**statement)) == []
    assert rules(identity(**statement)) == []


def test_actions_of_one_statement_are_judged_each() -> None:
    templates = identity(Action=["ec2:DescribeSubnets", "ec2:DescribeVpcAttribute"], Resource="*")
    judged = {proof.actions: proof.verdict for proof in wildcards.proofs(templates)}
    assert judged == {("ec2:DescribeSubnets",): "unavoidable", ("ec2:DescribeVpcAttribute",): "narrowable"}


def test_resource_that_no_action_knows_grants_nothing() -> None:
    [proof] = wildcards.proofs(identity(Action="kinesis:PutRecord", Resource=f"{BUCKET}/*"))
    assert "grants nothing" in proof.reason


ROOT = {"AWS": "arn:aws:iam::<AccountId>:root"}
OURS = {"StringEquals": {"aws:PrincipalAccount": "<AccountId>"}}


@pytest.mark.parametrize(
    ("templates", "expected"),
    [
        pytest.param(
            key(Action="kms:*", Resource="*", Principal=ROOT), ["bounded", "bounded"], id="key of the account"
        ),
        pytest.param(
            key(Action="kms:Decrypt", Resource="*", Principal={"Service": "logs.amazonaws.com"}),
            ["bounded"],
            id="* in a key policy is the key",
        ),
        pytest.param(
            key(Action="kms:*", Resource="*", Principal={"Service": "logs.amazonaws.com"}),
            ["open"],
            id="a service may do everything with a key",
        ),
        pytest.param(endpoint(Action="*", Resource="*"), ["open"], id="endpoint without limit"),
        pytest.param(
            endpoint(Action="*", Resource="*", Condition=OURS),
            ["bounded", "bounded"],
            id="endpoint, condition",
        ),
        pytest.param(
            endpoint(Action="s3:*", Resource=f"{BUCKET}/x"), ["bounded"], id="endpoint to a named resource"
        ),
        pytest.param(
            endpoint(Action="secretsmanager:GetSecretValue", Resource="*"), ["narrowable"], id="endpoint, any"
        ),
        pytest.param(
            bucket_policy(Action="s3:PutObject", Resource=f"{BUCKET}/*"), ["bounded"], id="bucket's objects"
        ),
        pytest.param(
            bucket_policy(Action="s3:Put*", Resource=f"{BUCKET}/x"),
            ["narrowable"],
            id="bucket, wildcard action",
        ),
    ],
)
def test_other_policies(templates: Templates, expected: list[str]) -> None:
    assert verdicts(templates) == expected


@pytest.mark.parametrize(
    ("bad", "good", "rule"),
    [
        pytest.param(
            {"Action": "s3:Get*", "Resource": BUCKET},
            {"Action": "s3:GetObject", "Resource": BUCKET},
            "WILD-01",
            id="action wildcard",
        ),
        pytest.param(
            {"Action": "sns:Publish", "Resource": "*"},
            {"Action": "sns:Publish", "Resource": "arn:aws:sns:<Region>:<AccountId>:any"},
            "WILD-02",
            id="resource wildcard",
        ),
        pytest.param(
            {"Action": "*", "Resource": "*"},
            {"Action": "ec2:DescribeSubnets", "Resource": "*"},
            "WILD-03",
            id="everything on everything",
        ),
        pytest.param(
            {"Action": "s3:GetObject", "NotResource": BUCKET},
            {"Action": "s3:GetObject", "Resource": f"{BUCKET}/a"},
            "WILD-04",
            id="all resources but one",
        ),
        pytest.param(
            {
                "Action": ["kms:CreateGrant", "kms:DescribeKey"],
                "Resource": "arn:aws:kms:<Region>:<AccountId>:key/a",
                "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
            },
            {
                "Action": "kms:CreateGrant",
                "Resource": "arn:aws:kms:<Region>:<AccountId>:key/a",
                "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
            },
            "WILD-05",
            id="condition key of another action",
        ),
        pytest.param(
            {"Action": "s3:GetObjects", "Resource": BUCKET},
            {"Action": "s3:getobject", "Resource": BUCKET},
            "WILD-06",
            id="misspelt action",
        ),
    ],
)
def test_rule(bad: dict[str, Any], good: dict[str, Any], rule: str) -> None:
    assert rules(identity(**bad)) == [rule]
    assert rules(identity(**good)) == []


@pytest.mark.parametrize(
    ("effect", "condition", "severity", "says"),
    [
        ("Allow", {"StringEquals": {"s3:prefix": "a"}}, Severity.MEDIUM, "it is never allowed"),
        ("Allow", {"StringNotEquals": {"s3:prefix": "a"}}, Severity.HIGH, "it is allowed without the limit"),
        (
            "Allow",
            {"ForAllValues:StringEquals": {"s3:prefix": "a"}},
            Severity.HIGH,
            "it is allowed without the limit",
        ),
        ("Deny", {"StringEquals": {"s3:prefix": "a"}}, Severity.HIGH, "it is never denied"),
        ("Deny", {"Null": {"s3:prefix": "true"}}, Severity.MEDIUM, "it is always denied"),
        ("Deny", {"Null": {"s3:prefix": "false"}}, Severity.HIGH, "it is never denied"),
    ],
)
def test_condition_that_no_request_carries(
    effect: str, condition: dict[str, Any], severity: Severity, says: str
) -> None:
    statement = {
        "Effect": effect,
        "Action": "s3:GetObject",
        "Resource": f"{BUCKET}/a",
        "Condition": condition,
    }
    [finding] = wildcards.check(identity(**statement))
    assert (finding.rule, finding.severity) == ("WILD-05", severity)
    assert says in finding.message


@pytest.mark.parametrize(
    ("action", "condition"),
    [
        ("s3:ListBucket", {"StringLike": {"s3:prefix": "a/*"}}),
        ("kms:Decrypt", {"StringEquals": {"kms:EncryptionContext:any": "a"}}),
        ("s3:GetObject", {"StringEquals": {"aws:SourceVpce": "vpce-1"}}),
        ("s3:GetObject", {"Null": {"lambda:SourceFunctionArn": "false"}}),
        ("s3:GetObject", {"StringEqualsIfExists": {"s3:prefix": "a"}}),
        ("s3:Get*", {"StringEquals": {"s3:prefix": "a"}}),
        ("sts:AssumeRoleWithWebIdentity", {"StringLike": {"token.any.com:sub": "a"}}),
    ],
)
def test_condition_that_requests_carry(action: str, condition: dict[str, Any]) -> None:
    templates = identity(Action=action, Resource=BUCKET, Condition=condition)
    assert "WILD-05" not in rules(templates)


def test_misspelt_action_gets_an_offer() -> None:
    [finding] = wildcards.check(identity(Action="sagemaker:CreateTrainigJob", Resource="*"))
    assert finding.fix == "write sagemaker:CreateTrainingJob"


@pytest.mark.parametrize(
    ("action", "severity"),
    [
        ("sns:Publish", Severity.HIGH),
        ("kinesis:GetRecords", Severity.MEDIUM),
        ("ec2:DescribeVpcAttribute", Severity.LOW),
    ],
)
def test_severity_follows_what_the_action_does(action: str, severity: Severity) -> None:
    [finding] = wildcards.check(identity(Action=action, Resource="*"))
    assert finding.severity is severity


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a*", "*b", True),
        ("a*", "b*", False),
        ("a?c", "abc", True),
        ("", "*", True),
        ("", "a", False),
        ("a*c*e", "abcde", True),
        ("x/<Any/B>/*", "x/*/raw", True),
    ],
)
def test_patterns_that_share_a_text(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected


def ours(audited: dict[str, Templates]) -> dict[str, tuple[list[Proof], list[Finding]]]:
    return {
        profile: (wildcards.proofs(templates), wildcards.check(templates))
        for profile, templates in audited.items()
    }


# Found in our own policies: rule, subject -> the policy's address. Anything else fails.
def test_our_wildcards_are_proved(audited: dict[str, Templates]) -> None:
    for proofs, findings in ours(audited).values():
        counts = Counter(proof.verdict for proof in proofs)
        assert counts["bounded"] > 100
        assert counts["unavoidable"] > 10
        assert counts["open"] == counts["narrowable"] == 0
        # Accepted in the ledger.
        assert {each.subject for each in findings} == {
            "kms:EncryptionContext:aws:logs:arn with kms:DescribeKey"
        }
