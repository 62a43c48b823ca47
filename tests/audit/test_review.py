"""The classes of a review: each kind of difference planted in a pair of templates, and in ours."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.review import cdk, schemas
from audit.review.compare import Difference, compare
from audit.review.difference import Change, Kind, worst_first
from audit.templates import Templates

MODULES = Path(__file__).parents[2] / "node_modules"
NOWHERE = Path("nowhere")  # without the CDK's diff: AWS's schemas alone say what is replaced
BUCKET = "AWS::S3::Bucket"
Resources = dict[str, Any]


def any_templates(folder: Path, **stacks: Resources) -> Templates:
    folder.mkdir(parents=True, exist_ok=True)
    for stack, resources in stacks.items():
        document = resources if "Resources" in resources else {"Resources": resources}
        (folder / f"{stack}.template.json").write_text(json.dumps(document))
    return Templates.read(folder)


@pytest.fixture
def differ(tmp_path: Path) -> Callable[..., Difference]:
    """Compares two sets of resources of one stack."""

    def compared(base: Resources, new: Resources, modules: Path = NOWHERE) -> Difference:
        pair = [any_templates(tmp_path / name, app=each) for name, each in (("base", base), ("new", new))]
        return compare(*pair, modules)

    return compared


def told(difference: Difference) -> list[tuple[Kind, str, str]]:
    return [(one.kind, one.path, one.what) for one in difference.changes]


def of(kind: str, _keep: str = "", **properties: Any) -> dict[str, Any]:
    resource: dict[str, Any] = {"Type": kind, "Properties": properties}
    if _keep:
        resource |= {"DeletionPolicy": _keep, "UpdateReplacePolicy": _keep}
    return resource


def role(*statements: dict[str, Any], **properties: Any) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    allowed = [{"Effect": "Allow", **each} for each in statements]
    documents = {
        "AssumeRolePolicyDocument": {"Statement": [trust]},
        "Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": allowed}}],
    }
    return of("AWS::IAM::Role", **(documents | properties))


# ---- no difference ----


def test_the_same_templates_have_no_difference(audited: dict[str, Templates]) -> None:
    difference = compare(audited["sandbox"], audited["sandbox"], MODULES)
    assert difference.changes == ()
    assert "CDK CLI" in difference.source


# ---- data loss ----


@pytest.mark.parametrize("kept", ["Retain", "Snapshot"])
def test_removed_store_is_lost_unless_it_is_kept(differ: Callable[..., Difference], kept: str) -> None:
    kind = "AWS::EFS::FileSystem"
    lost = differ({"Store": of(kind, "Delete")}, {})
    assert told(lost) == [(Kind.DATA_LOSS, "app/Store", "is deleted")]
    assert "DeletionPolicy is Delete" in lost.changes[0].why
    (left,) = told(differ({"Store": of(kind, kept)}, {}))
    assert left == (
        Kind.BEHAVIOUR,
        "app/Store",
        "leaves the stack and is kept: nobody manages it any more",
    )


def test_without_a_policy_a_bucket_is_deleted_and_a_database_kept(differ: Callable[..., Difference]) -> None:
    base = {"Bucket": of(BUCKET), "Database": of("AWS::RDS::DBInstance")}
    difference = differ(base, {"Other": of("AWS::SNS::Topic")})
    assert (Kind.DATA_LOSS, "app/Bucket", "is deleted") in told(difference)
    assert [one.path for one in difference.changes if one.kind is Kind.DATA_LOSS] == ["app/Bucket"]


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        pytest.param(BUCKET, {"BucketName": "one"}, {"BucketName": "other"}, id="bucket"),
        pytest.param("AWS::DynamoDB::Table", {"TableName": "one"}, {"TableName": "other"}, id="table"),
        pytest.param("AWS::Kinesis::Stream", {"Name": "one"}, {"Name": "other"}, id="stream"),
        pytest.param("AWS::Logs::LogGroup", {"LogGroupName": "one"}, {"LogGroupName": "other"}, id="log"),
        pytest.param("AWS::SecretsManager::Secret", {"Name": "one"}, {"Name": "other"}, id="secret"),
        pytest.param("AWS::SSM::Parameter", {"Name": "one"}, {"Name": "other"}, id="parameter"),
        pytest.param(
            "AWS::SageMaker::ModelPackageGroup",
            {"ModelPackageGroupName": "one"},
            {"ModelPackageGroupName": "other"},
            id="model registry",
        ),
    ],
)
@pytest.mark.parametrize("modules", [MODULES, NOWHERE], ids=["by the CDK", "by AWS's schemas"])
def test_store_made_anew_is_lost(
    differ: Callable[..., Difference],
    kind: str,
    before: dict[str, str],
    after: dict[str, str],
    modules: Path,
) -> None:
    difference = differ({"Store": of(kind, **before)}, {"Store": of(kind, **after)}, modules)
    (name,) = before
    first = difference.changes[0]
    assert (first.kind, first.path) == (Kind.DATA_LOSS, "app/Store")
    assert first.what.endswith(f"made anew and empty for {name}")
    assert (first.before, first.after) == (before[name], after[name])


def test_store_made_anew_and_kept_is_a_replacement(differ: Callable[..., Difference]) -> None:
    base, new = (of(BUCKET, "Retain", BucketName=name) for name in ("one", "other"))
    (change,) = told(differ({"Store": base}, {"Store": new}))
    what = "is made anew for BucketName; the old one is kept outside of the stack"
    assert change == (Kind.REPLACEMENT, "app/Store", what)


def expiry(days: int, prefix: str = "", **more: Any) -> dict[str, Any]:
    rule = {"Status": "Enabled", "ExpirationInDays": days} | ({"Prefix": prefix} if prefix else {})
    return {"LifecycleConfiguration": {"Rules": [rule]}, **more}


LOWERED = [
    ("AWS::Logs::LogGroup", {}, {"RetentionInDays": 30}, "RetentionInDays falls from for ever to 30 days"),
    ("AWS::Logs::LogGroup", {"RetentionInDays": 90}, {"RetentionInDays": 30}, "from 90 days to 30 days"),
    ("AWS::Kinesis::Stream", {"RetentionPeriodHours": 48}, {}, "falls from 48 hours to 24 hours"),
    ("AWS::SQS::Queue", {}, {"MessageRetentionPeriod": 60}, "from 345600 seconds to 60 seconds"),
    ("AWS::KMS::Key", {}, {"PendingWindowInDays": 7}, "PendingWindowInDays falls from 30 days to 7 days"),
    ("AWS::KMS::Key", {}, {"Enabled": False}, "Enabled is no longer true"),
    (BUCKET, {"VersioningConfiguration": {"Status": "Enabled"}}, {}, "Status is no longer Enabled"),
    (BUCKET, {}, expiry(30), "in the whole bucket expire after 30 days, before for ever"),
    (BUCKET, expiry(90), expiry(30), "in the whole bucket expire after 30 days, before 90 days"),
    (BUCKET, expiry(90, "raw/"), expiry(90), "in the whole bucket expire after 90 days, before for ever"),
    (
        "AWS::DynamoDB::Table",
        {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}},
        {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False}},
        "PointInTimeRecoveryEnabled is no longer true",
    ),
    (
        "AWS::DynamoDB::Table",
        {},
        {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "at"}},
        "items begin to expire",
    ),
    ("AWS::RDS::DBInstance", {"BackupRetentionPeriod": 7}, {"BackupRetentionPeriod": 0}, "from 7 days to 0"),
]


@pytest.mark.parametrize(("kind", "more", "less", "words"), LOWERED)
def test_what_is_kept_for_less_long_is_data_loss(
    differ: Callable[..., Difference], kind: str, more: dict[str, Any], less: dict[str, Any], words: str
) -> None:
    lower = differ({"Store": of(kind, **more)}, {"Store": of(kind, **less)})
    assert [one.kind for one in lower.changes] == [Kind.DATA_LOSS]
    assert words in lower.changes[0].what
    higher = differ({"Store": of(kind, **less)}, {"Store": of(kind, **more)})
    assert [one.kind for one in higher.changes] == [Kind.BEHAVIOUR]


def test_expiry_that_another_rule_had_already_is_no_loss(differ: Callable[..., Difference]) -> None:
    base, new = expiry(30), expiry(30)
    new["LifecycleConfiguration"]["Rules"] += expiry(60, "raw/")["LifecycleConfiguration"]["Rules"]
    (change,) = differ({"Store": of(BUCKET, **base)}, {"Store": of(BUCKET, **new)}).changes
    assert change.kind is Kind.BEHAVIOUR


def test_protection_given_up_is_data_loss_after_what_is_lost_now(differ: Callable[..., Difference]) -> None:
    base = {"Kept": of(BUCKET, "Retain"), "Gone": of(BUCKET)}
    difference = differ(base, {"Kept": of(BUCKET, "Delete")})
    assert told(difference) == [
        (Kind.DATA_LOSS, "app/Gone", "is deleted"),
        (Kind.DATA_LOSS, "app/Kept", "is no longer kept: DeletionPolicy and UpdateReplacePolicy"),
    ]


# ---- renamed ----


def test_renamed_store_is_lost_and_the_way_to_move_it_named(differ: Callable[..., Difference]) -> None:
    difference = differ({"Old": of(BUCKET, **expiry(9))}, {"New": of(BUCKET, **expiry(9))})
    assert told(difference) == [(Kind.DATA_LOSS, "app/Old", "is deleted, and made anew and empty as app/New")]
    assert "cdk refactor" in difference.changes[0].why


def test_rename_that_only_moves_is_cosmetic(differ: Callable[..., Difference]) -> None:
    alarm = of("AWS::CloudWatch::Alarm", Threshold=1)
    (change,) = told(differ({"Old": alarm}, {"New": alarm}))
    assert change == (Kind.COSMETIC, "app/Old", "is made anew as app/New, with the same content")


def test_rename_of_what_others_refer_to_is_a_replacement(differ: Callable[..., Difference]) -> None:
    def stack(name: str) -> Resources:
        function = of("AWS::Lambda::Function", Role={"Fn::GetAtt": [name, "Arn"]}, Handler="a.b")
        return {name: role(), "Function": function}

    difference = differ(stack("Old"), stack("New"))
    assert told(difference) == [
        (Kind.REPLACEMENT, "app/Old", "is made anew as app/New, with the same content")
    ]


# ---- replacement ----


def test_replacement_is_followed_along_references(differ: Callable[..., Difference]) -> None:
    def stack(cidr: str) -> Resources:
        return {
            "Vpc": of("AWS::EC2::VPC", CidrBlock=cidr),
            "Subnet": of("AWS::EC2::Subnet", VpcId={"Ref": "Vpc"}, CidrBlock="10.0.0.0/24"),
        }

    difference = differ(stack("10.0.0.0/16"), stack("10.0.0.0/20"), MODULES)
    assert told(difference) == [
        (Kind.REPLACEMENT, "app/Vpc", "is made anew for CidrBlock"),
        (Kind.REPLACEMENT, "app/Subnet", "is made anew for VpcId"),
    ]
    assert "made anew itself" in difference.changes[1].why


def test_schemas_see_below_a_property() -> None:
    old, new = ({"ConnectionInput": {"Name": name, "Description": name}} for name in ("one", "other"))
    assert schemas.replacing("AWS::Glue::Connection", old, new) == ["ConnectionInput.Name"]
    assert schemas.replacing("AWS::Glue::Connection", old, old) == []
    assert schemas.replacing("Any::Unknown::Type", old, new) == []


def test_another_type_behind_a_name_is_a_replacement(differ: Callable[..., Difference]) -> None:
    difference = differ({"Thing": of("AWS::SNS::Topic")}, {"Thing": of("AWS::Events::EventBus", Name="a")})
    assert told(difference)[0] == (Kind.REPLACEMENT, "app/Thing", "is made anew for type")


def test_fixed_name_and_used_export_stand_in_the_way(tmp_path: Path) -> None:
    def stacks(folder: str, shards: str) -> Templates:
        stream = of("AWS::SageMaker::Endpoint", EndpointName="fixed")
        topic = of("AWS::SNS::Topic", TopicName=shards)
        output = {"Value": {"Ref": "Topic"}, "Export": {"Name": "one:Topic"}}
        one = {"Resources": {"Stream": stream, "Topic": topic}, "Outputs": {"Topic": output}}
        two = {
            "Rule": of("AWS::Events::Rule", Targets=[{"Arn": {"Fn::ImportValue": "one:Topic"}, "Id": "a"}])
        }
        return any_templates(tmp_path / folder, one=one, two=two)

    difference = compare(stacks("base", "before"), stacks("new", "after"), MODULES)
    (change,) = [one for one in difference.changes if one.kind is Kind.REPLACEMENT]
    assert change.path == "one/Topic"
    assert "two imports it" in change.why


def test_replacement_under_a_fixed_name_is_said_to_fail(differ: Callable[..., Difference]) -> None:
    base, new = (of("AWS::IAM::Role", RoleName="fixed", Path=path) for path in ("/a/", "/b/"))
    (change,) = [one for one in differ({"Role": base}, {"Role": new}).changes if one.kind is Kind.REPLACEMENT]
    assert "keeps its fixed name fixed" in change.why


# ---- wider access ----

READS = {"Action": "s3:GetObject", "Resource": {"Fn::Sub": "${Bucket.Arn}/a/*"}}


def stack_of(*statements: dict[str, Any], **properties: Any) -> Resources:
    return {"Role": role(*statements, **properties), "Bucket": of(BUCKET)}


WIDER = [
    ([], [READS], "app/Bucket", "this bucket can be read below a/*"),
    ([READS], [{**READS, "Resource": {"Fn::Sub": "${Bucket.Arn}/*"}}], "app/Bucket", "can be read"),
    (
        [{**READS, "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}],
        [READS],
        "app/Bucket",
        "this bucket can be read below a/* without: from VPC vpc-1",
    ),
    (
        [READS],
        [READS, {**READS, "Action": "s3:GetObjectVersion"}],
        "app/Bucket",
        "by more actions: s3:GetObjectVersion",
    ),
    (
        [READS],
        [READS, {"Action": "iam:PassRole", "Resource": "*"}],
        "app/Role",
        "may do more: iam:PassRole",
    ),
]


@pytest.mark.parametrize(("before", "after", "path", "words"), WIDER)
def test_more_that_is_allowed_is_wider_and_less_is_not(
    differ: Callable[..., Difference],
    before: list[dict[str, Any]],
    after: list[dict[str, Any]],
    path: str,
    words: str,
) -> None:
    wider = differ(stack_of(*before), stack_of(*after))
    assert {one.kind for one in wider.changes} == {Kind.WIDER_ACCESS}
    assert any(one.path == path and words in one.what for one in wider.changes), told(wider)
    narrower = differ(stack_of(*after), stack_of(*before))
    assert [(one.kind, one.path) for one in narrower.changes] == [(Kind.BEHAVIOUR, "app/Role")]


def test_dropped_deny_is_wider(differ: Callable[..., Difference]) -> None:
    deny = {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"}
    difference = differ(stack_of(READS, deny), stack_of(READS))
    assert (Kind.WIDER_ACCESS, "app/Role", "no longer denies: ec2:*") in told(difference)


def test_trust_of_another_principal_is_wider(differ: Callable[..., Difference]) -> None:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::1:root"}}
    wider = differ(stack_of(READS), stack_of(READS, AssumeRolePolicyDocument={"Statement": [trust]}))
    (change,) = wider.changes
    assert change.kind is Kind.WIDER_ACCESS
    assert change.what == "can be assumed by more: sts:AssumeRole by AWS arn:aws:iam::1:root"


def test_asset_that_a_role_reads_under_a_new_hash_is_no_wider_access(
    differ: Callable[..., Difference],
) -> None:
    def reading(letter: str) -> Resources:
        name = f"{letter * 64}.zip"
        lists = {"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::assets"}
        only = {"Condition": {"StringEquals": {"s3:prefix": name}}}
        reads = {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::assets/{name}"}
        return stack_of(READS, reads, lists | only)

    (change,) = differ(reading("a"), reading("b")).changes
    assert (change.kind, change.what) == (Kind.COSMETIC, "new code or files behind Policies")


def opened(cidr: str) -> Resources:
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": cidr}
    return {"Group": of("AWS::EC2::SecurityGroup", GroupDescription="a", SecurityGroupIngress=[rule])}


OPENED = [
    (opened("10.0.0.0/8"), opened("0.0.0.0/0"), "lets through tcp 443 from 0.0.0.0/0"),
    (
        {"Way": of("AWS::EC2::RouteTable")},
        {
            "Way": of("AWS::EC2::RouteTable"),
            "Route": of("AWS::EC2::Route", DestinationCidrBlock="0.0.0.0/0", GatewayId="igw-1"),
        },
        "is a route to everywhere",
    ),
    ({}, {"Gate": of("AWS::EC2::InternetGateway")}, "is new: a way to and from the internet"),
    (
        {},
        {"Url": of("AWS::Lambda::Url", AuthType="NONE")},
        "is new: an address on the internet for a function",
    ),
    (
        {},
        {"May": of("AWS::Lambda::Permission", Principal="s3.amazonaws.com", FunctionName="f")},
        "is new: s3.amazonaws.com may call f",
    ),
    (
        {"Store": of(BUCKET, PublicAccessBlockConfiguration={"BlockPublicPolicy": True})},
        {"Store": of(BUCKET, PublicAccessBlockConfiguration={"BlockPublicPolicy": False})},
        "is no longer protected by PublicAccessBlockConfiguration.BlockPublicPolicy",
    ),
    (
        {"Model": of("AWS::SageMaker::Model", EnableNetworkIsolation=True)},
        {"Model": of("AWS::SageMaker::Model", EnableNetworkIsolation=False)},
        "is no longer protected by EnableNetworkIsolation",
    ),
    (
        {"Subnet": of("AWS::EC2::Subnet")},
        {"Subnet": of("AWS::EC2::Subnet", MapPublicIpOnLaunch=True)},
        "is opened by MapPublicIpOnLaunch",
    ),
    (
        {"Store": of("AWS::SQS::Queue", KmsMasterKeyId={"Ref": "Key"}), "Key": of("AWS::KMS::Key")},
        {"Store": of("AWS::SQS::Queue"), "Key": of("AWS::KMS::Key")},
        "no key of ours protects its messages any more",
    ),
]


@pytest.mark.parametrize(("before", "after", "words"), OPENED)
def test_opened_way_or_dropped_protection_is_wider_access(
    differ: Callable[..., Difference], before: Resources, after: Resources, words: str
) -> None:
    other = {"Other": of("AWS::CloudFormation::WaitConditionHandle")}
    wider = differ(before | other, after | other)
    assert words in [one.what for one in wider.changes if one.kind is Kind.WIDER_ACCESS]
    narrower = differ(after | other, before | other)
    assert Kind.WIDER_ACCESS not in {one.kind for one in narrower.changes if "10.0.0.0" not in one.what}


# ---- cost ----

COSTS = [
    ({}, {"Gate": of("AWS::EC2::NatGateway")}, "more", "", "1 x NAT gateway"),
    ({"Key": of("AWS::KMS::Key", "Delete")}, {}, "less", "1 x key", ""),
    (
        {"Stream": of("AWS::Kinesis::Stream", ShardCount=1)},
        {"Stream": of("AWS::Kinesis::Stream", ShardCount=4)},
        "more",
        "1 x shard",
        "4 x shard",
    ),
    (
        {"Door": of("AWS::EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a"])},
        {"Door": of("AWS::EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a", "b"])},
        "more",
        "1 x interface endpoint in a zone",
        "2 x interface endpoint in a zone",
    ),
    (
        {"Function": of("AWS::Lambda::Function", MemorySize=128)},
        {"Function": of("AWS::Lambda::Function", MemorySize=1024)},
        "MemorySize, which uses are paid by",
        "128",
        "1024",
    ),
    (
        {"Run": of("AWS::StepFunctions::StateMachine", DefinitionString='{"InstanceType":"ml.m5.large"}')},
        {"Run": of("AWS::StepFunctions::StateMachine", DefinitionString='{"InstanceType":"ml.p3.2xlarge"}')},
        "the instances that its steps ask for",
        "1 x ml.m5.large",
        "1 x ml.p3.2xlarge",
    ),
]


@pytest.mark.parametrize(("before", "after", "words", "was", "now"), COSTS)
def test_what_is_paid_for_changes(
    differ: Callable[..., Difference], before: Resources, after: Resources, words: str, was: str, now: str
) -> None:
    other = {"Other": of("AWS::CloudFormation::WaitConditionHandle")}
    (change,) = [one for one in differ(before | other, after | other).changes if one.kind is Kind.COST]
    assert change.what.startswith(words)
    assert (change.before, change.after) == (was, now)


def test_what_is_kept_outside_of_the_stack_is_still_paid_for(differ: Callable[..., Difference]) -> None:
    (change,) = differ({"Key": of("AWS::KMS::Key", "Retain")}, {}).changes
    assert change.kind is Kind.BEHAVIOUR


# ---- behaviour and cosmetic ----

HASH = {letter: f"{letter * 64}.zip" for letter in "ab"}
COSMETIC = [
    (
        of("AWS::SNS::Topic", DisplayName="a"),
        of("AWS::SNS::Topic", DisplayName="b"),
        "other words in DisplayName",
    ),
    (of(BUCKET, Tags=[{"Key": "a", "Value": "b"}]), of(BUCKET), "other words in Tags"),
    (
        of("AWS::Lambda::Function", Code={"S3Key": HASH["a"]}),
        of("AWS::Lambda::Function", Code={"S3Key": HASH["b"]}),
        "new code or files behind Code",
    ),
    (of(BUCKET) | {"Metadata": {"a": 1}}, of(BUCKET), "has other metadata"),
    (
        of("AWS::StepFunctions::StateMachine", DefinitionString='{"Comment":"a","StartAt":"A"}'),
        of("AWS::StepFunctions::StateMachine", DefinitionString='{"Comment":"b","StartAt":"A"}'),
        "changes DefinitionString",
    ),
]


@pytest.mark.parametrize(("before", "after", "words"), COSMETIC)
def test_words_tags_and_code_are_cosmetic(
    differ: Callable[..., Difference], before: dict[str, Any], after: dict[str, Any], words: str
) -> None:
    assert told(differ({"Thing": before}, {"Thing": after})) == [(Kind.COSMETIC, "app/Thing", words)]


def test_the_rest_is_behaviour_with_its_values(differ: Callable[..., Difference]) -> None:
    base, new = ({"Alarm": of("AWS::CloudWatch::Alarm", Threshold=each)} for each in (1, 2))
    (change,) = differ(base, new).changes
    assert (change.kind, change.what, change.before, change.after) == (
        Kind.BEHAVIOUR,
        "changes Threshold",
        "1",
        "2",
    )


def test_parameters_and_exports_that_are_gone_are_behaviour(tmp_path: Path) -> None:
    resources = {"Topic": of("AWS::SNS::Topic")}
    output = {"Value": "a", "Export": {"Name": "x"}}
    base = {"Resources": resources, "Outputs": {"Gone": output}, "Parameters": {"Size": {"Default": "1"}}}
    new = {"Resources": resources, "Outputs": {"New": output}, "Parameters": {"Size": {"Default": "2"}}}
    pair = (any_templates(tmp_path / name, app=each) for name, each in (("base", base), ("new", new)))
    assert told(compare(*pair, NOWHERE)) == [
        (Kind.BEHAVIOUR, "app: Outputs Gone", "export is gone"),
        (Kind.BEHAVIOUR, "app: Parameters Size", "parameter changes"),
        (Kind.COSMETIC, "app: Outputs New", "output is new"),
    ]


# ---- order, and the whole ----


def test_the_worst_comes_first() -> None:
    changes = [Change(kind=kind, stack="a", path="a/b", type="", what="c") for kind in Kind]
    assert [one.kind for one in worst_first(changes)] == [
        Kind.DATA_LOSS,
        Kind.REPLACEMENT,
        Kind.WIDER_ACCESS,
        Kind.COST,
        Kind.BEHAVIOUR,
        Kind.COSMETIC,
    ]


def test_without_the_cdk_the_review_says_so(differ: Callable[..., Difference]) -> None:
    difference = differ({"A": of(BUCKET)}, {"A": of(BUCKET)})
    assert difference.source == (
        "the CDK's diff did not run: no nowhere/aws-cdk/lib/index.js; `make setup` installs it"
    )


def test_the_cdk_says_which_stack_gets_broader_permissions(tmp_path: Path) -> None:
    base, new = (
        any_templates(tmp_path / name, app=stack_of(*statements))
        for name, statements in (("base", []), ("new", [READS]))
    )
    assert cdk.ask(base, new, MODULES).broadened == {"app"}
    assert cdk.ask(new, base, MODULES).broadened == frozenset()


# ---- planted in ours ----


def edited(templates: Templates, folder: Path, edit: Callable[[dict[str, Any]], None]) -> Templates:
    """Ours with a change: `edit` gets the resources of all stacks by `<stack>/<path>`."""
    documents = {stack: copy.deepcopy(document) for stack, (_, document) in templates.documents.items()}
    by_path = {
        resource.path: documents[resource.stack]["Resources"][resource.logical_id]
        for resource in templates.resources
    }
    edit(by_path)
    for stack, document in documents.items():
        beside = templates.files[stack].with_name(f"{stack}.metadata.json")
        (folder / beside.name).write_text(beside.read_text())
        (folder / f"{stack}.template.json").write_text(json.dumps(document))
    return Templates.read(folder)


def planted(place: str, *names: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(by_path: dict[str, Any]) -> None:
        target = by_path[place]["Properties"]
        for name in names[:-1]:
            target = target[name]
        target[names[-1]] = value

    return edit


def statement_added(by_path: dict[str, Any]) -> None:
    document = by_path["Data/Transform/Clean/Role/Permissions"]["Properties"]["PolicyDocument"]
    document["Statement"].append({"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "*"})


def boundary_dropped(by_path: dict[str, Any]) -> None:
    del by_path["Operations/Deploy/Role"]["Properties"]["PermissionsBoundary"]


PLANTED = [
    (planted("Data/Lake/Raw", "BucketName", value="x"), Kind.REPLACEMENT, "Data/Lake/Raw"),
    (
        planted("Data/Ingest/Stream", "RetentionPeriodHours", value=24),
        Kind.DATA_LOSS,
        "Data/Ingest/Stream",
    ),
    (
        planted("Data/Lake/Raw", "VersioningConfiguration", value={"Status": "Suspended"}),
        Kind.DATA_LOSS,
        "Data/Lake/Raw",
    ),
    (planted("Operations/Ledger/Table", "TableName", value="x"), Kind.REPLACEMENT, "Operations/Ledger/Table"),
    (planted("Operations/Deploy/Endpoint", "EndpointName", value="x"), Kind.REPLACEMENT, "Operations/Deploy"),
    (statement_added, Kind.WIDER_ACCESS, "Data/Lake/Raw"),
    (boundary_dropped, Kind.WIDER_ACCESS, "Operations/Deploy/Role"),
    (
        planted("Operations/Deploy/BaselineModel", "EnableNetworkIsolation", value=False),
        Kind.WIDER_ACCESS,
        "Operations/Deploy/BaselineModel",
    ),
    (planted("Data/Transform/Clean/Job", "NumberOfWorkers", value=99), Kind.COST, "Data/Transform/Clean/Job"),
    (planted("Data/Ingest/CheckFile", "Timeout", value=1), Kind.BEHAVIOUR, "Data/Ingest/CheckFile"),
    (planted("Base/Keys/Lake", "Description", value="x"), Kind.COSMETIC, "Base/Keys/Lake"),
]


@pytest.fixture(scope="module")
def found(audited: dict[str, Templates], tmp_path_factory: pytest.TempPathFactory) -> Difference:
    """All of them at once: one comparison of ours costs seconds."""

    def edit(by_path: dict[str, Any]) -> None:
        for each, _, _ in PLANTED:
            each(by_path)

    base = audited["production"]
    return compare(base, edited(base, tmp_path_factory.mktemp("planted"), edit), MODULES)


@pytest.mark.parametrize(("edit", "kind", "path"), PLANTED)
def test_change_planted_in_ours_is_found_in_its_class(
    found: Difference, edit: Callable[[dict[str, Any]], None], kind: Kind, path: str
) -> None:
    assert any(one.kind is kind and one.path.startswith(path) for one in found.changes), told(found)


def test_no_loss_and_no_cost_is_found_in_ours_where_none_was_planted(found: Difference) -> None:
    for kind in (Kind.DATA_LOSS, Kind.COST):
        planted_in = {path for _, each, path in PLANTED if each is kind}
        assert {one.path for one in found.changes if one.kind is kind} == planted_in
