"""The CDK CLI that people use deploys, compares, updates, rolls back and destroys; so does our way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import account, deploy
from sandbox.deploy import DeploymentError

# What CloudFormation does not know by itself: a bucket policy, an asset, a value that crosses stacks.
SOURCE = "def handler(event, context):\n    return {}\n"


def synthesise(folder: Path, *, delay: int = 0, broken: bool = False) -> Path:
    os.environ.setdefault("CDK_VALIDATION", "false")
    import aws_cdk as cdk
    from aws_cdk import aws_lambda as functions
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_sqs as sqs
    from aws_cdk import aws_ssm as ssm

    code = folder / "code"
    code.mkdir(parents=True)
    (code / "index.py").write_text(SOURCE)
    app = cdk.App(outdir=str(folder / "cdk.out"), context={"aws:cdk:disable-asset-staging": False})
    first = cdk.Stack(app, "Store", stack_name="small-store")
    bucket = s3.Bucket(first, "Bucket", enforce_ssl=True, removal_policy=cdk.RemovalPolicy.DESTROY)
    queue = sqs.Queue(first, "Queue", delivery_delay=cdk.Duration.seconds(delay))
    second = cdk.Stack(app, "Work", stack_name="small-work")
    function = functions.Function(
        second,
        "Function",
        runtime=functions.Runtime.PYTHON_3_14,
        handler="index.handler",
        code=functions.Code.from_asset(str(code)),
        environment={"BUCKET": bucket.bucket_name, "QUEUE": queue.queue_url, "DELAY": str(delay)},
    )
    bucket.grant_read(function)
    if broken:
        refused = ssm.CfnParameter(second, "Refused", type="String", value="x", name="ssm-names-are-refused")
        refused.node.add_dependency(function)
    cdk.Tags.of(app).add("project", "small")
    app.synth()
    return folder / "cdk.out"


@pytest.fixture
def running() -> Iterator[account.Account]:
    with account.Account() as started:
        yield started


def status(name: str) -> str:
    return str(account.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])


def delay_of_the_function() -> str:
    cloudformation = account.client("cloudformation")
    found = cloudformation.describe_stack_resources(StackName="small-work")["StackResources"]
    name = next(r["PhysicalResourceId"] for r in found if r["ResourceType"] == "AWS::Lambda::Function")
    configuration = account.client("lambda").get_function_configuration(FunctionName=name)
    return str(configuration["Environment"]["Variables"]["DELAY"])


@pytest.mark.journey
def test_cli_deploys_compares_updates_rolls_back_and_destroys(
    running: account.Account, tmp_path: Path
) -> None:
    def cdk(*arguments: str, app: Path | None = None) -> str:
        run = deploy.cdk(*arguments, app=app, cwd=tmp_path)
        assert (run.returncode == 0) == (arguments[0] != "deploy" or app != broken), run.stdout + run.stderr
        return run.stdout + run.stderr

    first, second = synthesise(tmp_path / "1"), synthesise(tmp_path / "2", delay=5)
    broken = synthesise(tmp_path / "3", delay=9, broken=True)
    cdk("bootstrap", f"aws://{account.ACCOUNT}/{account.REGION}")
    cdk("deploy", "--all", "--require-approval", "never", app=first)
    assert (status("small-store"), status("small-work")) == ("CREATE_COMPLETE", "CREATE_COMPLETE")
    assert "Number of stacks with differences: 0" in cdk("diff", "--all", app=first)
    assert "Number of stacks with differences: 2" in cdk("diff", "--all", app=second)
    cdk("deploy", "--all", "--require-approval", "never", app=second)
    assert delay_of_the_function() == "5"
    said = cdk("deploy", "--all", "--require-approval", "never", app=broken)
    assert status("small-work") == "UPDATE_ROLLBACK_COMPLETE"
    assert "PutParameter" in said
    assert delay_of_the_function() == "5"
    cdk("destroy", "--all", "--force", app=second)
    names = [stack["StackName"] for stack in account.client("cloudformation").describe_stacks()["Stacks"]]
    assert names == ["CDKToolkit"]


def test_deploy_without_the_cli_does_the_same(running: account.Account, tmp_path: Path) -> None:
    first, second = synthesise(tmp_path / "1"), synthesise(tmp_path / "2", delay=5)
    told: list[tuple[str, str]] = []
    deploy.deploy(first, lambda subject, verb: told.append((verb, subject)))
    assert [subject for verb, subject in told if verb == "deploy"] == ["small-store", "small-work"]
    assert (status("small-store"), status("small-work")) == ("CREATE_COMPLETE", "CREATE_COMPLETE")
    deploy.deploy(first)
    assert (status("small-store"), status("small-work")) == ("CREATE_COMPLETE", "CREATE_COMPLETE")
    deploy.deploy(second)
    assert delay_of_the_function() == "5"
    with pytest.raises(
        DeploymentError, match=r"small-work is UPDATE_ROLLBACK_COMPLETE.*Refused.*PutParameter"
    ):
        deploy.deploy(synthesise(tmp_path / "3", delay=9, broken=True))
    assert delay_of_the_function() == "5"


def test_full_bucket_is_destroyed_only_on_request(running: account.Account, tmp_path: Path) -> None:
    assembly = synthesise(tmp_path)
    deploy.deploy(assembly)
    found = account.client("cloudformation").describe_stack_resources(StackName="small-store")[
        "StackResources"
    ]
    bucket = next(r["PhysicalResourceId"] for r in found if r["ResourceType"] == "AWS::S3::Bucket")
    account.client("s3").put_object(Bucket=bucket, Key="k", Body=b"x")
    with pytest.raises(DeploymentError, match="not empty"):
        deploy.destroy(assembly)
    deploy.destroy(assembly, empty=True)
    names = [stack["StackName"] for stack in account.client("cloudformation").describe_stacks()["Stacks"]]
    assert names == ["CDKToolkit"]
