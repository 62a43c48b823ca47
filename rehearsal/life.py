"""What lives in a deployment besides its stacks: data, runs, models, and what services leave behind."""

from __future__ import annotations

import json

from sandbox import account
from sandbox.engines.backends import backend

RUN = "r20130501-0a1b2c3d"
SHARED = "/aws/sagemaker/TrainingJobs"
SERVICE_MADE = ("/aws-glue/jobs/logs-v2-mlref-sandbox-jobs", "/aws/lambda/mlref-sandbox-data-any")
PREFIX = "mlref-sandbox"


def lead() -> None:
    """Everything at once; of what is there already, nothing twice."""
    fill()
    models()
    logs()
    run_that_bakes()
    schedule()


def is_shared(holding: str) -> bool:
    """Whether a holding is the log group that the whole account shares."""
    return holding.startswith("logs DescribeLogGroups") and f'"{SHARED}"' in holding


def fill() -> None:
    """Every bucket has an object of two versions and one that was deleted; one an unfinished upload."""
    s3 = account.client("s3")
    for bucket in [
        each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].startswith("mlref-")
    ]:
        put(bucket, "some/key")
        put(bucket, "some/key")
        put(bucket, "gone/key")
        backend("s3").delete_object(bucket, "gone/key")
        if "accesslogs" in bucket:  # the others take nothing from here
            s3.create_multipart_upload(Bucket=bucket, Key="half")


def put(bucket: str, key: str) -> None:
    """As a service delivers: a bucket's policy keeps everybody else from its content, root too."""
    backend("s3").put_object(bucket, key, b"some content")


def models() -> None:
    """What a run registers and a challenger brings: a version in the group, a model, a configuration."""
    sagemaker = account.client("sagemaker")
    first = sagemaker.list_models(NameContains=f"{PREFIX}-")["Models"][0]["ModelName"]
    model = sagemaker.describe_model(ModelName=first)
    container = {key: model["PrimaryContainer"][key] for key in ("Image", "ModelDataUrl", "Environment")}
    sagemaker.create_model(
        ModelName=f"{PREFIX}-{RUN}", ExecutionRoleArn=model["ExecutionRoleArn"], PrimaryContainer=container
    )
    variant = {
        "VariantName": "champion",
        "ModelName": f"{PREFIX}-{RUN}",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName=f"{PREFIX}-{RUN}-challenger", ProductionVariants=[variant]
    )
    sagemaker.create_model_package(
        ModelPackageGroupName=f"{PREFIX}-models",
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [{"Image": container["Image"], "ModelDataUrl": container["ModelDataUrl"]}],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )


def logs() -> None:
    """Groups that services made where ours were not there; the last is the whole account's, and stays."""
    client = account.client("logs")
    there = {group["logGroupName"] for group in client.describe_log_groups()["logGroups"]}
    for name in {*SERVICE_MADE, SHARED} - there:
        client.create_log_group(logGroupName=name)


def run_that_bakes() -> str:
    """An execution that waits for a day, as while a challenger proves itself; its ARN."""
    states = account.client("stepfunctions")
    found = {each["name"]: each["stateMachineArn"] for each in states.list_state_machines()["stateMachines"]}
    machine = found[f"{PREFIX}-retrain"]
    bakes = {"StartAt": "Bake", "States": {"Bake": {"Type": "Wait", "Seconds": 86_400, "End": True}}}
    states.update_state_machine(stateMachineArn=machine, definition=json.dumps(bakes))
    return str(states.start_execution(stateMachineArn=machine, name="baking")["executionArn"])


def schedule() -> None:
    """One more than the stacks have, in their group: a person's."""
    scheduler = account.client("scheduler")
    group = f"{PREFIX}-schedules"
    first = scheduler.list_schedules(GroupName=group)["Schedules"][0]["Name"]
    found = scheduler.get_schedule(Name=first, GroupName=group)
    scheduler.create_schedule(
        Name="by-hand",
        GroupName=group,
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        State="DISABLED",
        Target={key: found["Target"][key] for key in ("Arn", "RoleArn")},
    )
