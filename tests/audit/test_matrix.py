"""The access matrix says what AWS's evaluation would: identity, resource, key, boundary and Deny together."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from audit.matrix import Row, matrix, summary, to_lines, to_markdown
from audit.templates import Templates
from tests.conftest import Assembly
from tests.snapshots import assert_lines_equal_snapshot

ROOT = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
EVERYBODY = {"AWS": "*"}
BUCKET = {"Type": "AWS::S3::Bucket"}
KEY_ARN = {"Fn::GetAtt": ["K", "Arn"]}
BUCKET_ARN = {"Fn::GetAtt": ["Store", "Arn"]}


def below(prefix: str, bucket: str = "Store") -> Any:
    return {"Fn::Join": ["", [{"Fn::GetAtt": [bucket, "Arn"]}, f"/{prefix}"]]}


def statement(effect: str, action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return statement("Allow", action, resource, **more)


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return statement("Deny", action, resource, **more)


def role(*given: Any, **properties: Any) -> dict[str, Any]:
    policies = [{"PolicyDocument": {"Statement": list(given)}}] if given else []
    return {"Type": "AWS::IAM::Role", "Properties": {"Policies": policies, **properties}}


def bucket_policy(*given: Any) -> dict[str, Any]:
    properties = {"Bucket": {"Ref": "Store"}, "PolicyDocument": {"Statement": list(given)}}
    return {"Type": "AWS::S3::BucketPolicy", "Properties": properties}


def boundary(*given: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"PolicyDocument": {"Statement": list(given)}},
    }


def key(*given: Any) -> dict[str, Any]:
    return {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Statement": list(given)}}}


def lines(resources: Mapping[str, Any], **others: Mapping[str, Any]) -> list[str]:
    stacks = {"Any": resources, **others}
    documents = {name: (Path(f"{name}.json"), {"Resources": each}) for name, each in stacks.items()}
    return to_lines(matrix(Templates(documents)))


ONLY_ENDPOINT = {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}
READS = allow("s3:GetObject", below("raw/*"))
CASES = [
    pytest.param(
        {"Store": BUCKET, "R": role(READS)},
        ["Any/R | read | bucket Any/Store: raw/* | s3:GetObject"],
        id="identity only",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(),
            "P": bucket_policy(
                allow("s3:GetObject", below("*"), Principal={"AWS": {"Fn::GetAtt": ["R", "Arn"]}})
            ),
        },
        ["Any/R | read | bucket Any/Store: * | s3:GetObject"],
        id="resource only",
    ),
    pytest.param({"Store": BUCKET, "R": role()}, [], id="nobody allows"),
    pytest.param(
        {"Store": BUCKET, "Other": BUCKET, "R": role(allow("s3:GetObject", below("*", "Other")))},
        ["Any/R | read | bucket Any/Other: * | s3:GetObject"],
        id="another bucket",
    ),
    pytest.param(
        {"Store": BUCKET, "R": role(READS, deny("s3:Get*", below("*")))}, [], id="a Deny of the identity wins"
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(READS),
            "P": bucket_policy(deny("s3:*", below("*"), Principal=EVERYBODY)),
        },
        [],
        id="a Deny of the bucket wins",
    ),
    pytest.param(
        {"Store": BUCKET, "R": role(allow("s3:GetObject", below("*")), deny("s3:*", below("raw/*")))},
        ["Any/R | read | bucket Any/Store: * | s3:GetObject | not below raw/*"],
        id="a Deny of a part",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(READS),
            "P": bucket_policy(
                deny("s3:GetObject", below("*"), Principal=EVERYBODY, Condition=ONLY_ENDPOINT)
            ),
        },
        ["Any/R | read | bucket Any/Store: raw/* | s3:GetObject | from endpoint vpce-1"],
        id="a conditional Deny restricts",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "Inside": role(READS, Path="/known/"),
            "Outside": role(READS),
            "P": bucket_policy(
                deny(
                    "s3:GetObject",
                    below("*"),
                    Principal=EVERYBODY,
                    Condition={
                        **ONLY_ENDPOINT,
                        "ArnNotLike": {
                            "aws:PrincipalArn": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/known/*"}
                        },
                        "Bool": {"aws:PrincipalIsAWSService": "false"},
                    },
                )
            ),
        },
        [
            "Any/Inside | read | bucket Any/Store: raw/* | s3:GetObject",
            "Any/Outside | read | bucket Any/Store: raw/* | s3:GetObject | from endpoint vpce-1",
        ],
        id="everybody but a folder of roles",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "Spared": role(READS),
            "Other": role(READS),
            "P": bucket_policy(
                deny("s3:*", below("*"), NotPrincipal={"AWS": {"Fn::GetAtt": ["Spared", "Arn"]}})
            ),
        },
        ["Any/Spared | read | bucket Any/Store: raw/* | s3:GetObject"],
        id="a Deny with NotPrincipal",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "Tagged": role(READS, Tags=[{"Key": "team", "Value": "ml"}]),
            "Other": role(READS, Tags=[{"Key": "team", "Value": "web"}]),
            "P": bucket_policy(
                deny(
                    "s3:*",
                    below("*"),
                    Principal=EVERYBODY,
                    Condition={"StringNotEquals": {"aws:PrincipalTag/team": "ml"}},
                )
            ),
        },
        ["Any/Tagged | read | bucket Any/Store: raw/* | s3:GetObject"],
        id="a Deny by the principal's tag",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(allow(["s3:GetObject", "s3:PutObject"], below("*")), PermissionsBoundary={"Ref": "B"}),
            "B": boundary(allow("s3:GetObject")),
        },
        ["Any/R | read | bucket Any/Store: * | s3:GetObject"],
        id="a boundary caps actions",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(allow("s3:GetObject", below("*")), PermissionsBoundary={"Ref": "B"}),
            "B": boundary(allow("s3:*", below("raw/*"))),
        },
        ["Any/R | read | bucket Any/Store: raw/* | s3:GetObject"],
        id="a boundary caps the part",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(READS, PermissionsBoundary={"Ref": "B"}),
            "B": boundary(allow("s3:*"), deny("s3:GetObject")),
        },
        [],
        id="a Deny of the boundary wins",
    ),
    pytest.param(
        {"Store": BUCKET, "R": role(READS, PermissionsBoundary="arn:aws:iam::1:policy/elsewhere")},
        ["Any/R | read | bucket Any/Store: raw/* | s3:GetObject | within arn:aws:iam::1:policy/elsewhere"],
        id="a boundary of no template",
    ),
    pytest.param(
        {"Store": BUCKET, "R": role(ManagedPolicyArns=["arn:aws:iam::aws:policy/AmazonS3FullAccess"])},
        ["Any/R | unknown | any anything |  | allowed by arn:aws:iam::aws:policy/AmazonS3FullAccess"],
        id="a policy of no template",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(allow("s3:ListBucket", BUCKET_ARN, Condition={"StringLike": {"s3:prefix": "raw/*"}})),
        },
        ["Any/R | read | bucket Any/Store | s3:ListBucket | prefix is raw/*"],
        id="a conditional grant",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(READS, allow("s3:GetObject", below("raw/*"), Condition={"Bool": {"aws:x": "true"}})),
        },
        ["Any/R | read | bucket Any/Store: raw/* | s3:GetObject"],
        id="a wider grant swallows a conditional one",
    ),
    pytest.param(
        {"Store": BUCKET, "R": role(allow("s3:DeleteObject", "*"))},
        ["Any/R | delete | bucket Any/Store: * | s3:DeleteObject"],
        id="a wildcard covers the target",
    ),
    pytest.param(
        {"Store": BUCKET, "R": role(allow("s3:DeleteObject", "arn:aws:s3:::*/raw/*"))},
        [
            "Any/R | delete | bucket Any/Store: */raw/* | s3:DeleteObject",
            "Any/R | delete | bucket Any/Store: raw/* | s3:DeleteObject",
        ],
        id="a wildcard for the bucket, a prefix below",
    ),
    pytest.param(
        {"Store": BUCKET, "R": role(allow("s3:DeleteObject", "arn:aws:s3:::team-*/raw/*"))},
        [
            f"Any/R | delete | bucket Any/Store: {scope} | s3:DeleteObject | if its name matches team-*/raw/*"
            for scope in ("*/raw/*", "raw/*")
        ],
        id="a pattern over a name that is made up later",
    ),
    pytest.param(
        {"Store": BUCKET, "R": role(allow("s3:DeleteObject", "arn:aws:s3:::somebody-elses/*"))},
        [],
        id="a given name is not one that is made up",
    ),
    pytest.param(
        {
            "K": key(allow("kms:*", Principal=ROOT)),
            "R": role(allow("kms:Decrypt", KEY_ARN)),
        },
        [
            "Any/R | decrypt | key Any/K | kms:Decrypt",
            *(
                f"account root | {each} | key Any/K | kms:*"
                for each in ("administer", "decrypt", "encrypt", "read")
            ),
        ],
        id="a key left to the account",
    ),
    pytest.param(
        {
            "K": key(allow("kms:Decrypt", Principal={"Service": "logs.eu-west-1.amazonaws.com"})),
            "R": role(allow("kms:Decrypt", KEY_ARN)),
        },
        ["service logs.eu-west-1 | decrypt | key Any/K | kms:Decrypt"],
        id="a key not left to the account",
    ),
    pytest.param(
        {
            "K": key(allow("kms:Decrypt", Principal={"AWS": {"Fn::GetAtt": ["R", "Arn"]}})),
            "R": role(),
        },
        ["Any/R | decrypt | key Any/K | kms:Decrypt"],
        id="a key's policy names the role",
    ),
    pytest.param(
        {
            "K": key(allow("kms:Decrypt", Principal={"AWS": "arn:aws:iam::111122223333:root"})),
            "R": role(allow("kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/*")),
        },
        ["Any/R | decrypt | key Any/K | kms:Decrypt", "account root | decrypt | key Any/K | kms:Decrypt"],
        id="templates made for one account",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(READS),
            "P": bucket_policy(
                deny(
                    "s3:*",
                    below("*"),
                    Principal="*",
                    Condition={"StringNotEquals": {"aws:PrincipalAccount": "111122223333"}},
                )
            ),
        },
        ["Any/R | read | bucket Any/Store: raw/* | s3:GetObject | aws:PrincipalAccount is 111122223333"],
        id="a Deny but for an account that may be this one",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(
                allow(
                    "s3:GetObject",
                    below("*"),
                    Condition={"StringEqualsIfExists": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}},
                )
            ),
        },
        ["Any/R | read | bucket Any/Store: * | s3:GetObject"],
        id="a condition that is known to hold",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(
                allow(
                    "s3:GetObject",
                    below("*"),
                    Condition={"StringEquals": {"s3:ExistingObjectTag/team": "ml"}},
                )
            ),
        },
        ["Any/R | read | bucket Any/Store: * | s3:GetObject | s3:ExistingObjectTag/team is ml"],
        id="a grant by tag",
    ),
    pytest.param(
        {"Store": BUCKET, "P": bucket_policy(allow("s3:GetObject", below("*"), Principal="*"))},
        ["anyone | read | bucket Any/Store: * | s3:GetObject"],
        id="open to anyone",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "P": bucket_policy(allow("s3:GetObject", below("*"), Principal={"AWS": "arn:aws:iam::9:root"})),
        },
        ["outside arn:aws:iam::9:root | read | bucket Any/Store: * | s3:GetObject"],
        id="open to another account",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": {"Type": "AWS::IAM::User", "Properties": {"Groups": [{"Ref": "G"}]}},
            "G": {
                "Type": "AWS::IAM::Group",
                "Properties": {"Policies": [{"PolicyDocument": {"Statement": [READS]}}]},
            },
        },
        ["Any/R | read | bucket Any/Store: raw/* | s3:GetObject"],
        id="a user by its group",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(
                allow("s3:GetObject", below("*")),
                {"Effect": "Deny", "Action": "s3:*", "NotResource": [below("raw/*"), below("x/*")]},
            ),
            "Raw": role(READS, {"Effect": "Deny", "Action": "s3:*", "NotResource": below("raw/*")}),
        },
        [
            "Any/R | read | bucket Any/Store: * | s3:GetObject | below raw/* or below x/*",
            "Any/Raw | read | bucket Any/Store: raw/* | s3:GetObject",
        ],
        id="a Deny of all but some objects",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(READS, deny("s3:*", "arn:aws:s3:::team-*")),
        },
        ["Any/R | read | bucket Any/Store: raw/* | s3:GetObject | its name does not match team-*"],
        id="a Deny over a name that is made up later",
    ),
    pytest.param(
        {"Store": BUCKET, "R": role(allow("s3:GetObject", ["arn:aws:s3:::**", "*"]))},
        ["Any/R | read | bucket Any/Store: * | s3:GetObject"],
        id="two patterns for all",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "U": {
                "Type": "AWS::IAM::User",
                "Properties": {"UserName": "u", "PermissionsBoundary": {"Ref": "B"}},
            },
            "B": boundary(allow("sqs:*")),
            "P": bucket_policy(
                allow("s3:GetObject", below("*"), Principal={"AWS": "arn:aws:iam::<AccountId>:user/u"})
            ),
        },
        ["Any/U | read | bucket Any/Store: * | s3:GetObject"],
        id="a bucket's grant to a user is not under the boundary",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(PermissionsBoundary={"Ref": "B"}),
            "B": boundary(allow("sqs:*")),
            "P": bucket_policy(
                allow("s3:GetObject", below("*"), Principal={"AWS": {"Fn::GetAtt": ["R", "Arn"]}})
            ),
        },
        [],
        id="a bucket's grant to a role is",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(
                {
                    "Effect": "Allow",
                    "NotAction": ["s3:[!D]*", "s3:G*", "s3:P*", "s3:A*"],
                    "Resource": below("*"),
                }
            ),
            "P": bucket_policy(
                deny(["s3:Re*", "s3:I*", "s3:O*", "s3:B*", "s3:L*", "s3:U*"], below("*"), Principal="*")
            ),
        },
        [
            "Any/R | administer | bucket Any/Store: * | all but s3:[!D]* s3:G* s3:P* s3:A*",
            "Any/R | delete | bucket Any/Store: * | all but s3:[!D]* s3:G* s3:P* s3:A*",
        ],
        id="a grant of all but some actions",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role({"Effect": "Allow", "Action": "s3:GetObject", "NotResource": below("raw/*")}),
        },
        ["Any/R | read | bucket Any/Store: * | s3:GetObject | not below raw/*"],
        id="a grant of all but some objects",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(READS),
            "Asked": role(
                allow(
                    "s3:GetObject",
                    below("*"),
                    Condition={"StringEquals": {"aws:PrincipalAccount": {"Ref": "Trusted"}}},
                )
            ),
        },
        [
            "Any/Asked | read | bucket Any/Store: * | s3:GetObject | aws:PrincipalAccount is <Any/Trusted>",
            "Any/R | read | bucket Any/Store: raw/* | s3:GetObject",
        ],
        id="a condition with a parameter may hold",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "R": role(
                allow(
                    "s3:GetObject",
                    below("*"),
                    Condition={"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}},
                )
            ),
        },
        ["Any/R | read | bucket Any/Store: * | s3:GetObject"],
        id="a condition with a variable that is known",
    ),
    pytest.param(
        {"Store": BUCKET, "R": role(allow("s3:GetObject", "arn:aws:s3:::${aws:PrincipalTag/team}-data/x/*"))},
        [
            f"Any/R | read | bucket Any/Store: {scope} | s3:GetObject | "
            "if its name matches ${aws:PrincipalTag/team}-data/x/*"
            for scope in ("*-data/x/*", "x/*")
        ],
        id="a bucket by a variable",
    ),
    pytest.param(
        {
            "S": {"Type": "AWS::SQS::Queue"},
            "R": role(allow("sqs:ReceiveMessage", "arn:aws:sqs")),
            "Elsewhere": role(allow("sqs:ReceiveMessage", "arn:aws:sns")),
            "Denied": role(allow("sqs:ReceiveMessage"), deny("sqs:*", "arn:aws:sqs:<Region>")),
        },
        ["Any/R | read | queue Any/S | sqs:ReceiveMessage"],
        id="an ARN without its end",
    ),
    pytest.param(
        {
            "S": {"Type": "AWS::SQS::Queue"},
            "R": role(allow("sqs:ReceiveMessage", "arn:aws:sqs:*:*:${aws:PrincipalTag/team}")),
        },
        ["Any/R | read | queue Any/S | sqs:ReceiveMessage | if its name matches ${aws:PrincipalTag/team}"],
        id="a queue by a variable",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "Spared": role(READS, PermissionsBoundary={"Ref": "B"}),
            "B": boundary(allow("s3:*")),
            "P": bucket_policy(
                deny("s3:*", below("*"), NotPrincipal={"AWS": {"Fn::GetAtt": ["Spared", "Arn"]}})
            ),
        },
        [],
        id="a Deny with NotPrincipal spares nobody who has a boundary",
    ),
    pytest.param(
        {
            "Store": BUCKET,
            "U": {"Type": "AWS::IAM::User", "Properties": {"Path": "/team/"}},
            "P": bucket_policy(
                allow("s3:GetObject", below("*"), Principal={"AWS": {"Fn::GetAtt": ["U", "Arn"]}})
            ),
        },
        ["Any/U | read | bucket Any/Store: * | s3:GetObject"],
        id="a bucket's grant to a user of the templates",
    ),
    *(
        pytest.param(
            {"T": {"Type": kind, "Properties": {name: "t"}}, "R": role(allow(action, arn))},
            [f"Any/R | {said} | {action}"],
            id=f"{kind} by its name",
        )
        for kind, name, action, arn, said in (
            (
                "AWS::ECR::Repository",
                "RepositoryName",
                "ecr:BatchGetImage",
                "arn:aws:ecr:<Region>:<AccountId>:repository/t",
                "read | repository Any/T",
            ),
            (
                "AWS::RDS::DBInstance",
                "DBInstanceIdentifier",
                "rds:DeleteDBInstance",
                "arn:aws:rds:*:*:db:*",
                "delete | database instance Any/T",
            ),
            (
                "AWS::RDS::DBCluster",
                "DBClusterIdentifier",
                "rds:DeleteDBCluster",
                "arn:aws:rds:*:*:cluster:t",
                "delete | database cluster Any/T",
            ),
            (
                "AWS::EFS::FileSystem",
                "Name",
                "elasticfilesystem:DeleteFileSystem",
                "arn:aws:elasticfilesystem:*:*:file-system/*",
                "delete | file system Any/T",
            ),
        )
    ),
]


@pytest.mark.parametrize(("resources", "expected"), CASES)
def test_rows_are_what_evaluation_would_say(resources: Any, expected: list[str]) -> None:
    assert lines(resources) == expected


def test_a_grant_of_one_stack_reaches_the_bucket_of_another() -> None:
    exported = {"Export": {"Name": "store"}, "Value": BUCKET_ARN}
    data = {"Resources": {"Store": BUCKET}, "Outputs": {"Arn": exported}}
    resource = {"Fn::Join": ["", [{"Fn::ImportValue": "store"}, "/raw/*"]]}
    model = {"Resources": {"R": role(allow("s3:GetObject", resource))}}
    templates = Templates({"Data": (Path("Data.json"), data), "Model": (Path("Model.json"), model)})
    assert to_lines(matrix(templates)) == ["Model/R | read | bucket Data/Store: raw/* | s3:GetObject"]


@pytest.mark.parametrize(
    ("kind", "properties", "action", "capability"),
    [
        ("AWS::S3::Bucket", {}, "s3:PutBucketPolicy", "administer"),
        ("AWS::S3::Bucket", {}, "s3:PutLifecycleConfiguration", "administer"),
        ("AWS::S3::Bucket", {}, "s3:DeleteBucket", "delete"),
        ("AWS::S3::Bucket", {}, "s3:ListBucket", "read"),
        ("AWS::KMS::Key", {}, "kms:Decrypt", "decrypt"),
        ("AWS::KMS::Key", {}, "kms:GenerateDataKey*", "encrypt"),
        ("AWS::KMS::Key", {}, "kms:ScheduleKeyDeletion", "administer"),
        ("AWS::KMS::Key", {}, "kms:CreateGrant", "administer"),
        ("AWS::KMS::Key", {}, "kms:DescribeKey", "read"),
        ("AWS::SageMaker::Endpoint", {"EndpointName": "e"}, "sagemaker:InvokeEndpoint", "invoke"),
        ("AWS::SageMaker::ModelPackageGroup", {}, "sagemaker:DeleteModelPackageGroup", "delete"),
        ("AWS::SQS::Queue", {"QueueName": "q"}, "sqs:PurgeQueue", "delete"),
        ("AWS::SQS::Queue", {}, "sqs:ReceiveMessage", "read"),
        ("AWS::SNS::Topic", {}, "sns:Publish", "write"),
        ("AWS::Kinesis::Stream", {}, "kinesis:PutRecords", "write"),
        ("AWS::DynamoDB::Table", {}, "dynamodb:GetItem", "read"),
        ("AWS::Glue::Table", {"DatabaseName": "d", "TableInput": {"Name": "t"}}, "glue:GetTable", "read"),
        ("AWS::SSM::Parameter", {"Name": "/a/b"}, "ssm:PutParameter", "write"),
        ("AWS::SSM::Parameter", {"Name": "plain"}, "ssm:GetParameter", "read"),
        ("AWS::SecretsManager::Secret", {"Name": "s"}, "secretsmanager:GetSecretValue", "read"),
        ("AWS::SecretsManager::Secret", {}, "secretsmanager:PutResourcePolicy", "administer"),
        ("AWS::Logs::LogGroup", {"LogGroupName": "/aws/x"}, "logs:DeleteLogGroup", "delete"),
        ("AWS::ECR::Repository", {}, "ecr:BatchGetImage", "read"),
    ],
)
def test_an_action_is_the_capability_that_it_gives(
    kind: str, properties: Any, action: str, capability: str
) -> None:
    found = lines({"T": {"Type": kind, "Properties": properties}, "R": role(allow(action))})
    assert [line.split(" | ")[:2] for line in found] == [["Any/R", capability]]


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:secretsmanager:<Region>:<AccountId>:secret:s-??????",
        "arn:aws:secretsmanager:<Region>:<AccountId>:secret:s*",
    ],
)
def test_a_secret_is_known_with_the_characters_that_aws_adds(resource: str) -> None:
    secret = {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "s"}}
    assert lines({"S": secret, "R": role(allow("secretsmanager:GetSecretValue", resource))})


@pytest.mark.parametrize(
    "resources",
    [
        pytest.param(
            {"S": BUCKET, "K": {"Type": "AWS::KMS::Key"}, "T": {"Type": "AWS::Glue::Table"}},
            id="targets without properties",
        ),
        pytest.param({"R": {"Type": "AWS::IAM::Role"}, "U": {"Type": "AWS::IAM::User"}}, id="bare roles"),
        pytest.param({"S": BUCKET, "P": {"Type": "AWS::S3::BucketPolicy"}}, id="no document"),
        pytest.param({"Store": BUCKET, "R": role({"Effect": "Allow"})}, id="a statement of nothing"),
        pytest.param({"Store": BUCKET, "R": role(allow({"Ref": "Given"}))}, id="an action as parameter"),
        pytest.param(
            {"Store": BUCKET, "R": role(allow("s3:*", {"Ref": "Given"}, Condition={"Ref": "Given"}))},
            id="a resource as parameter",
        ),
    ],
)
def test_odd_shapes_allow_nothing_and_break_nothing(resources: Any) -> None:
    assert lines(resources) == []


# Our own stacks


Matrix = list[Row]


@pytest.fixture(scope="session")
def ours(audited: dict[str, Templates]) -> dict[str, Matrix]:
    return {profile: matrix(templates) for profile, templates in audited.items()}


@pytest.fixture(params=["production", "sandbox"])
def rows(request: pytest.FixtureRequest, ours: dict[str, Matrix]) -> Matrix:
    found = ours[request.param]
    assert len(found) > 100
    return found


def has_store(rows: Matrix) -> bool:
    """In production only: docs/decisions/0067-feature-store.md."""
    return any(row.kind == "feature group" for row in rows)


def who(rows: Matrix, capability: str, target: str, scope: str = "") -> set[str]:
    """Who can do so to any object that lies below `scope`, or to the target itself."""
    return {
        row.principal
        for row in rows
        if (row.capability, row.target) == (capability, target)
        and (not scope or row.scope.startswith((scope, "*")))
        and (scope or not row.scope)
    }


def of(rows: Matrix, principal: str) -> set[tuple[str, str, str]]:
    return {(row.capability, row.target, row.scope) for row in rows if row.principal == principal}


def without_keys(access: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    return {each for each in access if not each[1].startswith("Base/Keys/")}


def test_access_matrix_equals_snapshot(ours: dict[str, Matrix]) -> None:
    assert_lines_equal_snapshot(to_lines(ours["production"]), "access_matrix")


def test_no_line_of_the_snapshot_names_a_logical_id(ours: dict[str, Matrix]) -> None:
    text = "\n".join(to_lines(ours["production"]))
    for leftover in ("ExportsOutput", "<Data/", "<Base/", "<Model/", "<Operations/", "<import"):
        assert leftover not in text


def test_only_cleaning_reads_raw_records(rows: Matrix) -> None:
    assert who(rows, "read", "Data/Lake/Raw", "raw/") == {"Data/Transform/Clean/Role"}
    assert who(rows, "write", "Data/Lake/Raw", "raw/") == {
        "Data/Ingest/CheckFileRole",
        "Data/Ingest/Delivery/Role",
    }
    assert not who(rows, "delete", "Data/Lake/Raw", "raw/")


def test_only_the_check_reads_landing(rows: Matrix) -> None:
    assert who(rows, "read", "Data/Lake/Landing", "landing/") == {"Data/Ingest/CheckFileRole"}


def test_a_producer_only_writes_to_the_stream(rows: Matrix) -> None:
    assert of(rows, "Data/Ingest/Producer") == {
        ("write", "Data/Ingest/Stream", ""),
        ("encrypt", "Base/Keys/Stream", ""),
    }


def test_an_uploader_only_adds_to_landing(rows: Matrix) -> None:
    assert without_keys(of(rows, "Data/Ingest/Uploader")) == {("write", "Data/Lake/Landing", "landing/*")}


def test_an_analyst_reads_what_has_no_identifiers_and_writes_results(rows: Matrix) -> None:
    mine = [row for row in rows if row.principal == "Data/Queries/Analyst"]
    stored = {("read", "Data/Lake/Features", "store/*")} if has_store(rows) else set()
    objects = {(row.capability, row.target, row.scope) for row in mine if row.kind == "bucket" and row.scope}
    assert (
        objects
        == {
            ("read", "Data/Lake/Curated", "curated/*"),
            ("read", "Data/Lake/Features", "features/*"),
            ("read", "Data/Lake/Models", "runs/*"),
            ("read", "Data/Lake/Models", "monitor/*"),
            ("read", "Data/Lake/Raw", "quarantine/*"),
            ("read", "Data/Lake/Results", "bulk_scores/*"),
            ("read", "Data/Lake/Results", "results/*"),
            ("write", "Data/Lake/Results", "results/*"),
        }
        | stored
    )
    assert not {row.capability for row in mine} & {"delete", "administer", "invoke"}


def test_jobs_and_functions_reach_the_lake_from_inside_the_vpc_only(rows: Matrix) -> None:
    """Others: people, and AWS's own delivery into a bucket."""
    from_anywhere = {
        row.principal
        for row in rows
        if row.kind == "bucket"
        and row.target.startswith("Data/Lake/")
        and {"s3:GetObject", "s3:PutObject"} & set(row.actions)
        and "from endpoint Base/Network/S3" not in row.condition
    }
    assert from_anywhere == {
        "Data/Ingest/Delivery/Role",
        "Data/Ingest/Uploader",
        "Data/Queries/Analyst",
        "Operations/Deploy/Role",
    } | ({"Data/FeatureStore/Role"} if has_store(rows) else set())
    captures = {
        (row.target, row.scope)
        for row in rows
        if row.principal == "Operations/Deploy/Role"
        and "s3:PutObject" in row.actions
        and "from endpoint" not in row.condition
    }
    assert captures == {("Data/Lake/Captures", "captures/*")}


def test_an_administrator_reads_no_content_without_changing_a_policy(rows: Matrix) -> None:
    """The account is let in by the keys' policies only: administering them is how content opens."""
    roots = [row for row in rows if row.principal == "account root"]
    assert {row.kind for row in roots} == {"key"}
    assert "administer" in {row.capability for row in roots}


def test_a_role_for_everything_gets_no_content_from_elsewhere(production: Assembly, tmp_path: Path) -> None:
    """An administrator's own role, as no template of ours makes it: the buckets' policies hold it back.
    What it may ask Athena for has no identifiers: docs/decisions/0007-ways-to-a-bucket.md.
    """
    content_of = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
    wide = {"Resources": {"Administrator": role(allow(content_of))}}
    found = matrix(_read({**production.templates, "Wide": wide}, production, tmp_path))
    content = [
        row
        for row in found
        if row.principal == "Wide/Administrator"
        and row.target.startswith("Data/Lake/")
        and set(content_of) & set(row.actions)
    ]
    assert len({row.target for row in content}) == 7
    for row in content:
        assert "from endpoint Base/Network/S3" in row.condition, row
    by_athena = {row.target for row in content if "called via athena" in row.condition}
    assert by_athena <= {"Data/Lake/Curated", "Data/Lake/Features", "Data/Lake/Results"}


def test_keys_open_exactly_what_the_buckets_grant(
    audited: dict[str, Templates], ours: dict[str, Matrix]
) -> None:
    """Through S3: who reads can decrypt, who writes can encrypt (and decrypt its parts), and nobody else."""
    for profile, templates in audited.items():
        roles = {identity.path for identity in templates.of("AWS::IAM::Role")}
        rows = [row for row in ours[profile] if row.principal in roles]
        for key_path, buckets in _buckets_by_key(templates).items():
            objects = [row for row in rows if row.target in buckets]
            readers = {row.principal for row in objects if "s3:GetObject" in row.actions}
            writers = {row.principal for row in objects if "s3:PutObject" in row.actions}
            by_s3 = [row for row in rows if row.target == key_path and "via s3" in row.condition]
            decrypting = {row.principal for row in by_s3 if row.capability == "decrypt"}
            assert readers <= decrypting <= readers | writers
            assert {row.principal for row in by_s3 if row.capability == "encrypt"} == writers


def _buckets_by_key(templates: Templates) -> dict[str, set[str]]:
    keys = {templates.arn(key): key.path for key in templates.of("AWS::KMS::Key")}
    found: dict[str, set[str]] = {}
    for bucket in templates.of("AWS::S3::Bucket"):
        [rule] = bucket.get("BucketEncryption", "ServerSideEncryptionConfiguration")
        arn = rule["ServerSideEncryptionByDefault"].get("KMSMasterKeyID")
        if arn in keys:
            found.setdefault(keys[arn], set()).add(bucket.path)
    assert {"Base/Keys/Lake", "Base/Keys/Models"} <= set(found)
    return found


def test_nobody_is_let_in_from_outside_the_account(rows: Matrix) -> None:
    assert not [row for row in rows if row.principal == "anyone" or row.principal.startswith("outside ")]


def test_only_the_client_invokes_the_endpoint(rows: Matrix) -> None:
    assert who(rows, "invoke", "Operations/Deploy/Endpoint") == {"Operations/Deploy/Client"}


def test_the_lake_is_decrypted_through_s3_only(rows: Matrix) -> None:
    """But for records of the feature store, by who puts them and who looks them up."""
    through_sagemaker = {
        row.principal
        for row in rows
        if (row.capability, row.target, row.condition) == ("decrypt", "Base/Keys/Lake", "via sagemaker")
    }
    users = {"Operations/Deploy/Client", "Operations/Steps/PutFeaturesRole"}
    assert through_sagemaker == (users if has_store(rows) else set())
    ways = {
        row.condition
        for row in rows
        if (row.capability, row.target) == ("decrypt", "Base/Keys/Lake") and row.principal != "account root"
    }
    assert ways - {"via sagemaker"} == {"via s3"}


def test_only_the_loop_changes_the_champion_and_the_registry(rows: Matrix) -> None:
    loop = {"Operations/Retrain/Workflow/Role"}
    assert who(rows, "write", "Operations/Deploy/Champion") == loop
    assert who(rows, "write", "Operations/Deploy/Endpoint") == loop
    assert who(rows, "write", "Model/Evaluate/Group", "*") == loop


def test_only_ingest_reads_the_token_keys_and_only_their_rotation_writes_them(rows: Matrix) -> None:
    rotation = {"Data/Ingest/TokenKeys/RotateRole"}
    doors = {"Data/Ingest/CheckFileRole", "Data/Ingest/CheckRecordsRole"}
    assert who(rows, "read", "Data/Ingest/TokenKey") == doors | rotation
    assert who(rows, "write", "Data/Ingest/TokenKey") == rotation


def test_models_are_written_from_inside_only(rows: Matrix) -> None:
    for row in rows:
        if row.target == "Data/Lake/Models" and "s3:PutObject" in row.actions:
            assert "from endpoint Base/Network/S3" in row.condition, row


def test_nobody_administers_a_store_or_edits_the_trail(rows: Matrix) -> None:
    administering = [
        row for row in rows if row.kind not in ("key", "model") and row.capability == "administer"
    ]
    # With each file the feature store says that the bucket's owner owns it; lists are off in the bucket.
    assert {(row.principal, row.actions, row.scope) for row in administering} == (
        {("Data/FeatureStore/Role", ("s3:PutObjectAcl",), "store/*")} if has_store(rows) else set()
    )
    assert {row.principal for row in rows if row.target == "Base/Trail/Bucket"} == {"service cloudtrail"}
    grants = {
        (row.actions, row.condition)
        for row in rows
        if row.kind == "key" and row.capability == "administer" and row.principal != "account root"
    }
    assert grants == {(("kms:CreateGrant",), "kms:GrantIsForAWSResource is true")}


def _read(documents: Mapping[str, Any], assembly: Assembly, folder: Path) -> Templates:
    for stack, document in documents.items():
        (folder / f"{stack}.template.json").write_text(json.dumps(document), encoding="utf-8")
    for paths in assembly.directory.glob("*.metadata.json"):
        shutil.copy(paths, folder)
    return Templates.read(folder)


def _changed(assembly: Assembly, folder: Path, wide: dict[str, Any]) -> Templates:
    """The stacks with one statement more in the analyst's policy."""
    documents = {stack: copy.deepcopy(dict(template)) for stack, template in assembly.templates.items()}
    for logical_id, entry in documents["Data"]["Resources"].items():
        if entry["Type"] == "AWS::IAM::ManagedPolicy" and logical_id.startswith("QueriesAnalyst"):
            entry["Properties"]["PolicyDocument"]["Statement"].append(wide)
    return _read(documents, assembly, folder)


@pytest.mark.parametrize(
    ("action", "prefix", "said"),
    [
        pytest.param("s3:GetObject", "raw/*", "read | bucket Data/Lake/Raw: raw/* | s3:GetObject", id="read"),
        pytest.param("s3:Delete*", "*", "delete | bucket Data/Lake/Raw: * | s3:Delete*", id="delete"),
    ],
)
def test_a_wider_grant_shows_as_the_row_that_it_widens(
    production: Assembly, ours: dict[str, Matrix], tmp_path: Path, action: str, prefix: str, said: str
) -> None:
    raw = next(
        logical_id
        for logical_id, entry in production.templates["Data"]["Resources"].items()
        if entry["Type"] == "AWS::S3::Bucket" and logical_id.startswith("LakeRaw")
    )
    changed = matrix(_changed(production, tmp_path, allow(action, below(prefix, raw))))
    before = to_lines(ours["production"])
    new = [line for line in to_lines(changed) if line not in before]
    assert set(before) < set(to_lines(changed))
    assert f"Data/Queries/Analyst | {said} | TLS; TLS version >= 1.2" in new
    assert all(said.split(" | ")[1] in line for line in new)


def test_rows_say_which_statement_allows(rows: Matrix) -> None:
    [invokes] = [row for row in rows if row.capability == "invoke"]
    assert invokes.sources == ("Operations/Deploy/Client/Permissions#0",)
    assert invokes.address.startswith("Operations/DeployEndpoint")


def test_summary_counts_principals(rows: Matrix) -> None:
    counts = summary(rows)
    assert counts["Operations/Deploy/Endpoint"] == {"invoke": 1, "read": 2, "write": 1}
    assert counts["Data/Lake/Raw"]["delete"] == 1


def test_markdown_has_a_line_for_each_row() -> None:
    resources = {"Store": BUCKET, "R": role(READS)}
    templates = Templates({"Any": (Path("Any.json"), {"Resources": resources})})
    *_, line = to_markdown(matrix(templates)).splitlines()
    assert line == "| Any/R | read | bucket Any/Store: raw/\\* | s3:GetObject |  |"
