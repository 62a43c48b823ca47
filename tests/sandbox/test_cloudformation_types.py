"""Every resource type that has a provider is created, updated and deleted for real."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import account
from sandbox.cloudformation.providers import providers
from tests.sandbox import cloudformation_services as services
from tests.sandbox import cloudformation_types as types
from tests.sandbox.cloudformation import events, physical, status, template

GROUPS = [
    types.security,
    types.storage,
    types.network,
    types.functions,
    services.analytics,
    services.operations,
    services.models,
    services.delivery,
]
# Elsewhere: an endpoint needs a model that serves.
SERVED = {"AWS::SageMaker::Endpoint"}
# The changes of the second template that AWS answers with a new resource, by group.
REPLACED = {
    "security": set(),
    "storage": set(),
    "network": {"In"},
    "functions": set(),
    "analytics": {"Query"},
    "operations": set(),
    "models": {"Model", "Config"},
    "delivery": set(),
}


@pytest.fixture(scope="module")
def stacks() -> Iterator[Any]:
    with account.Account():
        yield account.client("cloudformation")


def test_no_type_is_left_out() -> None:
    tried = {body["Type"] for group in GROUPS for body in group(False).values()}
    assert tried == set(providers()) - SERVED


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_types_are_created_updated_and_deleted(stacks: Any, group: Callable[[bool], types.Resources]) -> None:
    name = group.__name__
    known = {"StackName": name, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    stacks.create_stack(TemplateBody=template(group(False)), **known)
    assert status(stacks, name) == "CREATE_COMPLETE", failures(stacks, name)
    before = {logical_id: physical(stacks, name, logical_id) for logical_id in group(False)}
    stacks.update_stack(TemplateBody=template(group(True)), **known)
    assert status(stacks, name) == "UPDATE_COMPLETE", failures(stacks, name)
    after = {logical_id: physical(stacks, name, logical_id) for logical_id in group(True)}
    assert {key for key in before if before[key] != after[key]} == REPLACED[name]
    check = CHECKS.get(name)
    if check:
        check(stacks)
    stack_id = stacks.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    stacks.delete_stack(StackName=name)
    assert status(stacks, stack_id) == "DELETE_COMPLETE", failures(stacks, stack_id)


def failures(client: Any, name: str) -> list[tuple[str, str, str]]:
    return [event for event in events(client, name) if "FAILED" in event[1]]


def check_security(stacks: Any) -> None:
    iam, kms = account.client("iam"), account.client("kms")
    role = iam.get_role(RoleName=physical(stacks, "security", "Role"))["Role"]
    assert role["Description"] == "b"
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == physical(stacks, "security", "Managed")
    assert iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"] == []
    inline = iam.get_role_policy(RoleName=role["RoleName"], PolicyName="own")["PolicyDocument"]
    assert inline["Statement"][0]["Action"] == "sqs:SendMessage"
    version = iam.get_policy(PolicyArn=physical(stacks, "security", "Managed"))["Policy"]["DefaultVersionId"]
    assert version == "v2"
    key = physical(stacks, "security", "Key")
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Description"] == "b"
    secret = account.client("secretsmanager").get_secret_value(
        SecretId=physical(stacks, "security", "Secret")
    )
    assert '"user": "u"' in secret["SecretString"]


def check_storage(stacks: Any) -> None:
    s3, bucket = account.client("s3"), physical(stacks, "storage", "Bucket")
    rule = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]
    assert rule["Expiration"] == {"Days": 30}
    assert rule["Transitions"] == [{"Days": 5, "StorageClass": "GLACIER"}]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "stage", "Value": "b"}]
    group = account.client("logs").describe_log_groups(logGroupNamePrefix="storage-Group")["logGroups"][0]
    assert group["retentionInDays"] == 7
    assert "kmsKeyId" not in group
    table = physical(stacks, "storage", "Ledger")
    backups = account.client("dynamodb").describe_continuous_backups(TableName=table)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "DISABLED"
    trail = account.client("cloudtrail").get_trail_status(Name=physical(stacks, "storage", "Trail"))
    assert trail["IsLogging"] is False


def check_network(stacks: Any) -> None:
    ec2 = account.client("ec2")
    door = ec2.describe_security_groups(GroupIds=[physical(stacks, "network", "Door")])["SecurityGroups"][0]
    blocks = [r["CidrIp"] for rule in door["IpPermissionsEgress"] for r in rule["IpRanges"]]
    assert blocks == ["10.0.0.0/8"]
    lists = [p["PrefixListId"] for rule in door["IpPermissionsEgress"] for p in rule["PrefixListIds"]]
    assert lists == ["pl-63a5400a"]
    ends = ec2.describe_vpc_endpoints(VpcEndpointIds=[physical(stacks, "network", "Gateway")])["VpcEndpoints"]
    assert "s3:GetObject" in ends[0]["PolicyDocument"]
    subnet = ec2.describe_subnets(SubnetIds=[physical(stacks, "network", "Subnet")])["Subnets"][0]
    assert subnet["MapPublicIpOnLaunch"] is True
    assert subnet["CidrBlock"] == "10.0.0.0/24"


def check_functions(stacks: Any) -> None:
    function = account.client("lambda").get_function(FunctionName=physical(stacks, "functions", "Function"))
    configuration = function["Configuration"]
    assert configuration["Environment"] == {"Variables": {"WORD": "b"}}
    assert configuration["Timeout"] == 20
    secret = account.client("secretsmanager").describe_secret(
        SecretId=physical(stacks, "functions", "Rotated")
    )
    assert secret["RotationEnabled"] is True
    assert secret["RotationRules"]["AutomaticallyAfterDays"] == 60
    assert not configuration.get("KMSKeyArn")
    assert function["Concurrency"] == {"ReservedConcurrentExecutions": 2}
    assert function["Tags"] == {"stage": "b"}
    stream = account.client("kinesis").describe_stream_summary(
        StreamName=physical(stacks, "functions", "Stream")
    )["StreamDescriptionSummary"]
    assert (stream["OpenShardCount"], stream["RetentionPeriodHours"]) == (2, 48)
    assert stream["EncryptionType"] == "KMS"
    url = physical(stacks, "functions", "Queue")
    queue = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert queue["VisibilityTimeout"] == "60"
    assert "sqs:SendMessage" in queue["Policy"]


def check_analytics(stacks: Any) -> None:
    glue = account.client("glue")
    table = glue.get_table(DatabaseName="typed", Name="t")["Table"]
    assert [column["Name"] for column in table["StorageDescriptor"]["Columns"]] == ["a", "b"]
    job = glue.get_job(JobName=physical(stacks, "analytics", "Job"))["Job"]
    assert (job["NumberOfWorkers"], job["GlueVersion"]) == (3, "5.1")
    group = account.client("athena").get_work_group(WorkGroup="typed")["WorkGroup"]
    assert group["State"] == "DISABLED"
    assert group["Configuration"]["BytesScannedCutoffPerQuery"] == 10**8


def check_operations(stacks: Any) -> None:
    states = account.client("stepfunctions")
    machine = states.describe_state_machine(stateMachineArn=physical(stacks, "operations", "Machine"))
    assert '"Result": "b"' in machine["definition"]
    rule = physical(stacks, "operations", "Rule")
    targets = account.client("events").list_targets_by_rule(Rule=rule)["Targets"]
    assert [target["Id"] for target in targets] == ["new"]
    alarms = account.client("cloudwatch").describe_alarms(AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    assert {alarm["Threshold"] for alarm in alarms if alarm["AlarmName"].startswith("operations-")} == {2.0}
    schedule = account.client("scheduler").get_schedule(
        Name=physical(stacks, "operations", "Schedule"),
        GroupName=physical(stacks, "operations", "ScheduleGroup"),
    )
    assert schedule["ScheduleExpression"] == "rate(2 days)"


def check_delivery(stacks: Any) -> None:
    [project] = account.client("codebuild").batch_get_projects(names=["typed"])["projects"]
    assert project["environment"]["computeType"] == "BUILD_GENERAL1_LARGE"
    assert (project["timeoutInMinutes"], project["tags"]) == (20, [{"key": "stage", "value": "b"}])
    pipeline = account.client("codepipeline").get_pipeline(name="typed")["pipeline"]
    source = pipeline["stages"][0]["actions"][0]["configuration"]
    assert (pipeline["executionMode"], source["BranchName"]) == ("QUEUED", "next")
    arn = physical(stacks, "delivery", "Pipeline")
    assert arn == "typed"


CHECKS = {
    "security": check_security,
    "storage": check_storage,
    "network": check_network,
    "functions": check_functions,
    "analytics": check_analytics,
    "operations": check_operations,
    "delivery": check_delivery,
}


def test_readme_lists_the_types() -> None:
    text = (Path(__file__).parents[2] / "sandbox" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| ([\w, ]+) \|$", text, re.MULTILINE)
    listed = {f"AWS::{service}::{kind}" for service, kinds in rows for kind in kinds.split(", ")}
    assert listed == set(providers())
