"""The command takes a deployment away to the last version, from wherever it was interrupted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployment import buckets
from deployment.__main__ import main
from deployment.names import GROUPS, MODULES
from sandbox import account, deploy
from sandbox.engines.backends import backend
from tests.conftest import Assembly

ROOT = Path(__file__).parents[2]
RUN = "r20130501-0a1b2c3d"
A_PAGE_AND_MORE = 1_100
SHARED = "/aws/sagemaker/TrainingJobs"
SERVICE_MADE = ("/aws-glue/jobs/logs-v2-mlref-sandbox-jobs", "/aws/lambda/mlref-sandbox-data-any")
NEIGHBOUR = "/aws/lambda/another-function"


@pytest.fixture
def running() -> Iterator[account.Account]:
    with account.Account() as started:
        yield started


@pytest.fixture
def here(running: account.Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command in this process, with the account's credentials in its environment."""
    for name, value in deploy.environment().items():
        monkeypatch.setenv(name, value)


def bucket(word: str) -> str:
    names = [each["Name"] for each in account.client("s3").list_buckets()["Buckets"]]
    return next(name for name in names if name.startswith("mlref-") and word in name)


def put(name: str, key: str, count: int = 1) -> None:
    """As a service delivers: a bucket's policy keeps everybody else from its content, root too."""
    for number in range(count):
        backend("s3").put_object(name, f"{key}-{number}" if count > 1 else key, b"some content")


def versions(name: str) -> int:
    listed = account.client("s3").list_object_versions(Bucket=name, MaxKeys=5_000)
    return len([*listed.get("Versions", []), *listed.get("DeleteMarkers", [])])


def fill() -> None:
    """Every bucket holds something; one has pages of it, and a delete marker; one an unfinished upload."""
    s3 = account.client("s3")
    for each in s3.list_buckets()["Buckets"]:
        if each["Name"].startswith("mlref-"):
            put(each["Name"], "some/key")
    raw = bucket("lakeraw")
    put(raw, "raw/many", A_PAGE_AND_MORE)
    for _ in range(3):
        put(raw, "raw/again")
    s3.delete_object(Bucket=raw, Key="raw/again")
    s3.create_multipart_upload(Bucket=bucket("accesslogs"), Key="half")


def live() -> None:
    """What runs and services leave in the account besides the stacks."""
    sagemaker, logs = account.client("sagemaker"), account.client("logs")
    first = sagemaker.list_models(NameContains="mlref-sandbox-")["Models"]
    model = sagemaker.describe_model(ModelName=first[0]["ModelName"])
    sagemaker.create_model(
        ModelName=f"mlref-sandbox-{RUN}",
        ExecutionRoleArn=model["ExecutionRoleArn"],
        PrimaryContainer={
            key: model["PrimaryContainer"][key] for key in ("Image", "ModelDataUrl", "Environment")
        },
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=f"mlref-sandbox-{RUN}-challenger",
        ProductionVariants=[
            {
                "VariantName": "champion",
                "ModelName": f"mlref-sandbox-{RUN}",
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
    )
    for name in (*SERVICE_MADE, SHARED, NEIGHBOUR):
        logs.create_log_group(logGroupName=name)


def start_a_run_that_bakes() -> str:
    states = account.client("stepfunctions")
    machines = {
        each["name"]: each["stateMachineArn"] for each in states.list_state_machines()["stateMachines"]
    }
    retrain = machines["mlref-sandbox-retrain"]
    bakes = {"StartAt": "Bake", "States": {"Bake": {"Type": "Wait", "Seconds": 86_400, "End": True}}}
    states.update_state_machine(stateMachineArn=retrain, definition=json.dumps(bakes))
    return str(states.start_execution(stateMachineArn=retrain, name="baking")["executionArn"])


def stack_names() -> set[str]:
    return {stack["StackName"] for stack in account.client("cloudformation").describe_stacks()["Stacks"]}


def assert_nothing_is_left() -> None:
    client = account.client
    assert stack_names() == {"CDKToolkit"}
    assert {
        b["Name"] for b in client("s3").list_buckets()["Buckets"] if b["Name"].startswith("mlref")
    } == set()
    sagemaker = client("sagemaker")
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert sagemaker.list_models()["Models"] == []
    assert sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"] == []
    assert client("stepfunctions").list_state_machines()["stateMachines"] == []
    assert client("lambda").list_functions()["Functions"] == []
    groups = {group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]}
    assert groups <= {SHARED, NEIGHBOUR}
    ours = [{"Name": "tag:project", "Values": ["mlref"]}]
    assert client("ec2").describe_vpcs(Filters=ours)["Vpcs"] == []
    assert client("kinesis").list_streams()["StreamNames"] == []
    assert client("dynamodb").list_tables()["TableNames"] == []
    assert client("glue").get_databases()["DatabaseList"] == []
    kms = client("kms")
    found = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    assert {key["KeyState"] for key in found if key["Description"].startswith("mlref")} == {"PendingDeletion"}


def test_order_of_deletion_is_that_of_the_assembly(sandbox: Assembly) -> None:
    """Each stack before those that it depends on."""
    artifacts = json.loads((sandbox.directory / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    stacks = {name: body for name, body in artifacts.items() if body["type"] == "aws:cloudformation:stack"}
    order = [f"mlref-sandbox-{group}" for group in GROUPS if group not in MODULES]
    assert {body["properties"]["stackName"] for body in stacks.values()} == set(order)
    for body in stacks.values():
        for need in set(body["dependencies"]) & set(stacks):
            later = order.index(stacks[need]["properties"]["stackName"])
            assert order.index(body["properties"]["stackName"]) < later


@pytest.mark.journey
def test_command_deletes_what_the_cli_deployed_and_what_came_since(
    running: account.Account, sandbox: Assembly
) -> None:
    def cdk(*arguments: str, app: Path | None = None) -> str:
        run = deploy.cdk(*arguments, app=app)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout + run.stderr

    def destroy() -> tuple[int, str]:
        run = subprocess.run(
            [sys.executable, "-m", "deployment", "destroy", "--profile", "sandbox", "--yes"],
            cwd=ROOT,
            env=deploy.environment(),
            text=True,
            capture_output=True,
            check=False,
        )
        return run.returncode, run.stdout + run.stderr

    cdk("bootstrap", f"aws://{account.ACCOUNT}/{account.REGION}")
    cdk("deploy", "--all", "--require-approval", "never", app=sandbox.directory)
    assert "Number of stacks with differences: 0" in cdk("diff", "--all", app=sandbox.directory)
    fill()
    live()
    start_a_run_that_bakes()
    raw = bucket("lakeraw")
    status, said = destroy()
    assert status == 0, said
    assert_nothing_is_left()
    assert f"bucket {raw}: 1,101 objects, 1,105 versions" in said
    assert "stops execution baking of mlref-sandbox-retrain" in said
    assert f"{raw} is empty: 1,105 versions and uploads deleted" in said
    assert "1 unfinished upload" in said
    # The buckets were closed before they were emptied, so that no access log came back.
    assert "tries again" not in said
    for name in SERVICE_MADE:
        assert f"deleted log group {name}" in said
    assert f"log group {SHARED}; costs storage, by GB and month; shared by the account" in said
    assert said.count("back: aws kms cancel-key-deletion") == 6
    assert "stack CDKToolkit" in said
    status, said = destroy()
    assert status == 0
    assert "no stack of profile sandbox is left" in said


@pytest.mark.journey
def test_interrupted_deletion_goes_on_and_gets_over_late_writers_and_interfaces(
    here: None, sandbox: Assembly, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy.deploy(sandbox.directory)
    fill()
    raw, landing = bucket("lakeraw"), bucket("lakelanding")
    command = ["destroy", "--profile", "sandbox", "--yes", "--app", str(sandbox.directory)]
    monkeypatch.setattr(buckets, "_delete", interrupted_after(1, buckets._delete, raw))
    assert main(command) == 130
    assert "it goes on where it stopped" in capsys.readouterr().err
    assert stack_names() == {"CDKToolkit", "mlref-sandbox-data", "mlref-sandbox-base"}
    assert 0 < versions(raw) < A_PAGE_AND_MORE
    monkeypatch.undo()
    for name, value in deploy.environment().items():
        monkeypatch.setenv(name, value)
    # A write that was on its way when the bucket was closed, and an interface that Lambda keeps.
    monkeypatch.setattr(buckets, "empty", written_to_once_more(buckets.empty, landing))
    interface = hold_the_network()
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            account.client("ec2").delete_network_interface(NetworkInterfaceId=interface)

    assert main(command, pause) == 0
    said = capsys.readouterr().out
    assert_nothing_is_left()
    assert waited == [5, 30, 60]
    assert "mlref-sandbox-operations" not in said.partition("lost for good")[0]
    assert f"still there: {interface} (AWS Lambda VPC ENI, " in said


def interrupted_after(pages: int, delete: Callable[..., None], name: str) -> Callable[..., None]:
    done = 0

    def interrupted(place: Any, given: str, found: Any) -> None:
        nonlocal done
        if given == name and done == pages:
            raise KeyboardInterrupt
        done += given == name
        delete(place, given, found)

    return interrupted


def written_to_once_more(empty: Callable[..., int], name: str) -> Callable[..., int]:
    late = [name]

    def emptied(place: Any, given: str, tell: Any) -> int:
        deleted = empty(place, given, tell)
        if given in late:
            late.remove(given)
            put(given, "late")
        return deleted

    return emptied


def hold_the_network() -> str:
    ec2 = account.client("ec2")
    ours = [{"Name": "tag:project", "Values": ["mlref"]}]
    vpc = ec2.describe_vpcs(Filters=ours)["Vpcs"][0]["VpcId"]
    in_it = [{"Name": "vpc-id", "Values": [vpc]}]
    subnet = ec2.describe_subnets(Filters=in_it)["Subnets"][0]["SubnetId"]
    groups = ec2.describe_security_groups(Filters=in_it)["SecurityGroups"]
    group = next(each["GroupId"] for each in groups if each["Description"] == "Lambda functions")
    made = ec2.create_network_interface(SubnetId=subnet, Groups=[group], Description="AWS Lambda VPC ENI")
    return str(made["NetworkInterface"]["NetworkInterfaceId"])


@pytest.mark.journey
def test_production_is_refused_until_its_protection_is_off_and_leaves_what_it_retains(
    here: None, production: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy.deploy(production.directory)
    before = stack_names()
    put(bucket("lakeraw"), "raw/kept")
    command = ["destroy", "--profile", "production", "--yes", "--app", str(production.directory)]
    assert main(command) == 2
    refused = capsys.readouterr().err
    assert "protected from deletion" in refused
    assert "nothing was deleted" in refused
    assert stack_names() == before
    for name in before - {"CDKToolkit"}:
        assert f"--no-enable-termination-protection --stack-name {name}" in refused
        account.client("cloudformation").update_termination_protection(
            StackName=name, EnableTerminationProtection=False
        )
    assert main(command) == 0
    said = capsys.readouterr().out
    assert stack_names() == {"CDKToolkit"}
    assert versions(bucket("lakeraw")) == 1
    assert (
        f"AWS::S3::Bucket {bucket('trail')}; costs storage, by GB and month; retained by the template" in said
    )
    assert said.count("AWS::KMS::Key") >= 6
    assert "mlref-production is gone, but for what is named above" in said
