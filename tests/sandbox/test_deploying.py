"""The command that deploys tells what stands in the way before anything is made, and what to do about it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployment import buckets, destroy, place
from deployment.__main__ import main
from rehearsal import shortcut
from sandbox import account, deploy, faults
from sandbox.cloudformation import operations
from sandbox.faults import Fault
from tests.conftest import Assembly

ROOT = Path(__file__).parents[2]
BOOTSTRAP = f"cdk bootstrap aws://{account.ACCOUNT}/{account.REGION}"
VERSION = "/cdk-bootstrap/hnb659fds/version"
STAGING = f"cdk-hnb659fds-assets-{account.ACCOUNT}-{account.REGION}"
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def empty() -> Iterator[account.Account]:
    with account.Account() as started:
        yield started


@pytest.fixture
def prepared(empty: account.Account) -> account.Account:
    deploy.bootstrap()
    return empty


@pytest.fixture
def command(
    sandbox: Assembly, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The command in this process, with the account's credentials in its environment."""

    def run(verb: str, *options: str, app: Path = sandbox.directory) -> tuple[int, str]:
        for name, value in deploy.environment().items():
            monkeypatch.setenv(name, value)
        status = main(
            [verb, "--profile", "sandbox", "--app", str(app), *options],
            lambda _: time.sleep(0.02),
            shortcut.make,
        )
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def statuses() -> dict[str, str]:
    found = account.client("cloudformation").describe_stacks()["Stacks"]
    return {s["StackName"]: s["StackStatus"] for s in found if s["StackName"] != deploy.TOOLKIT}


def assert_refused(answer: tuple[int, str], *words: str) -> None:
    """Before anything was made, with each of these words."""
    status, said = answer
    assert status == 2, said
    assert "nothing was changed" in said
    for word in words:
        assert word in said
    assert statuses() == {}


# credentials and place


def test_without_credentials_it_says_where_they_are_looked_for(
    sandbox: Assembly, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert main(["deploy", "--profile", "sandbox", "--app", str(sandbox.directory)]) == 2
    said = capsys.readouterr().err
    assert "there are no AWS credentials" in said
    assert "fix: export AWS_PROFILE=... or sign in" in said
    assert "nothing was changed" in said


def test_expired_credentials_ask_for_a_new_sign_in(
    sandbox: Assembly, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def expired() -> Any:
        error = {"Code": "ExpiredToken", "Message": "The security token included in the request is expired"}
        raise ClientError({"Error": error}, "GetCallerIdentity")

    monkeypatch.setattr(place, "here", expired)
    assert main(["deploy", "--profile", "sandbox", "--app", str(sandbox.directory)]) == 2
    assert "the AWS credentials have expired" in capsys.readouterr().err


def test_unknown_credentials_are_told_from_missing_ones(
    prepared: account.Account, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "ROOT_ACCESS_KEY", "SANDBOXNOBODY0000000")
    status, said = command("deploy", "--yes")
    assert status == 2
    assert "AWS does not know these credentials" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--account", "999999999999"), ("got 123456789012, allowed 999999999999", "export AWS_PROFILE=")),
        (
            ("--region", "eu-central-1"),
            ("got us-east-1, allowed eu-central-1", "export AWS_REGION=eu-central-1"),
        ),
    ],
    ids=["account", "Region"],
)
def test_another_account_or_region_than_was_meant_is_refused(
    prepared: account.Account, command: Command, options: tuple[str, str], words: tuple[str, str]
) -> None:
    assert_refused(command("deploy", "--yes", *options), *words)


def test_first_deployment_to_an_account_is_asked_for_by_its_number(
    prepared: account.Account, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_refused(command("deploy"), "no terminal", "deploy --profile sandbox --account <number>")
    asked: list[str] = []

    def typed(question: str) -> str:
        asked.append(question)
        return "yes"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", typed)
    assert_refused(command("deploy"), "not confirmed: got 'yes', allowed: '9012'")
    assert f"account {account.ACCOUNT}, Region {account.REGION}" in asked[0]


def test_assembly_of_another_profile_is_refused(
    prepared: account.Account, command: Command, production: Assembly
) -> None:
    answer = command("deploy", "--yes", app=production.directory)
    assert_refused(answer, "is not of profile sandbox: got mlref-production-base")


# the CDK's bootstrap


def test_account_without_a_bootstrap_gets_the_command(empty: account.Account, command: Command) -> None:
    assert_refused(
        command("deploy", "--yes"), f"not prepared for the CDK: there is no parameter {VERSION}", BOOTSTRAP
    )


def test_bucket_that_would_stop_the_bootstrap_is_named(empty: account.Account, command: Command) -> None:
    account.client("s3").create_bucket(Bucket=STAGING)
    assert_refused(command("deploy", "--yes"), BOOTSTRAP, f"aws s3 rb s3://{STAGING} --force")


def test_old_bootstrap_gets_the_command(prepared: account.Account, command: Command) -> None:
    account.client("ssm").put_parameter(Name=VERSION, Value="3", Overwrite=True)
    assert_refused(command("deploy", "--yes"), "got version 3, allowed 6 and later", BOOTSTRAP)


def test_bootstrap_that_lost_its_bucket_is_made_anew(prepared: account.Account, command: Command) -> None:
    account.client("s3").delete_bucket(Bucket=STAGING)
    words = ("aws cloudformation delete-stack --stack-name CDKToolkit", BOOTSTRAP)
    assert_refused(command("deploy", "--yes"), f"has lost its bucket {STAGING}", *words)


@pytest.mark.parametrize(
    ("status", "word"), [("ROLLBACK_COMPLETE", "delete-stack"), ("UPDATE_IN_PROGRESS", "wait until")]
)
def test_bootstrap_that_failed_or_moves_is_named(
    prepared: account.Account, command: Command, status: str, word: str
) -> None:
    next(iter(operations.stacks.values())).status = status
    assert_refused(command("deploy", "--yes"), f"the CDK's bootstrap is {status}", word)


# names that are taken


def test_what_services_and_people_left_is_named_with_what_frees_the_name(
    prepared: account.Account, command: Command
) -> None:
    account.client("logs").create_log_group(logGroupName="/aws/vendedlogs/states/mlref-sandbox-monitor")
    account.client("ssm").put_parameter(Name="/mlref-sandbox/champion", Value="mine", Type="String")
    answer = command("deploy", "--yes")
    assert_refused(
        answer,
        "aws logs delete-log-group --log-group-name /aws/vendedlogs/states/mlref-sandbox-monitor",
        "aws ssm delete-parameter --name /mlref-sandbox/champion",
    )
    assert answer[1].count("which mlref-sandbox-") == 2


def test_bucket_and_secret_of_a_name_that_the_templates_want_stop_the_deployment(
    prepared: account.Account, command: Command, sandbox: Assembly, tmp_path: Path
) -> None:
    """Ours get their names from CloudFormation; a template that names one is told all the same."""
    bucket, secret = f"mlref-by-hand-{account.ACCOUNT}", "mlref-by-hand"
    app = named(sandbox, tmp_path / "cdk.out", bucket, secret)
    account.client("s3").create_bucket(Bucket=bucket)
    account.client("secretsmanager").create_secret(Name=secret, SecretString="any")
    account.client("secretsmanager").delete_secret(SecretId=secret)  # its name is held for thirty days
    answer = command("deploy", "--yes", app=app)
    assert_refused(answer, f"aws s3 rb s3://{bucket}", f"delete-secret --secret-id {secret} --force")


def named(assembly: Assembly, into: Path, bucket: str, secret: str) -> Path:
    """A copy whose first bucket and secret have names of their own."""
    shutil.copytree(assembly.directory, into)
    path = into / "Data.template.json"
    template = json.loads(path.read_text(encoding="utf-8"))
    first = {body["Type"]: body["Properties"] for body in reversed(template["Resources"].values())}
    joined = ["", [bucket.removesuffix(account.ACCOUNT), {"Ref": "AWS::AccountId"}]]
    first["AWS::S3::Bucket"]["BucketName"] = {"Fn::Join": joined}
    first["AWS::SecretsManager::Secret"]["Name"] = secret
    path.write_text(json.dumps(template), encoding="utf-8")
    return into


# stacks


def test_failed_creation_is_told_with_its_cause_and_made_again(
    prepared: account.Account, command: Command
) -> None:
    why = (
        "Unable to create the service linked role. Please verify that the LinkedRole exists for "
        "sagemaker.application-autoscaling.amazonaws.com"
    )
    faults.add(Fault(kind="cloudformation create", target="mlref-sandbox-base/*", after=20, detail=why))
    status, said = command("deploy", "--yes")
    assert status == 1
    assert "CloudFormation took back what it had made of it (ROLLBACK_COMPLETE)" in said
    fix = "aws iam create-service-linked-role --aws-service-name"
    assert (
        f"fix: make the role, which takes iam:CreateServiceLinkedRole: {fix} sagemaker.application-autosc"
        in said
    )
    assert (
        "the service-linked role AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint is not there"
        in said
    )
    assert "make destroy PROFILE=sandbox" in said
    status, said = command("deploy")  # it is no first deployment any more: nobody asks
    assert status == 0, said
    assert "mlref-sandbox-base: 45 resources, to be made again (ROLLBACK_COMPLETE)" in said
    assert "its first creation failed and was taken back" in said
    assert set(statuses().values()) == {"CREATE_COMPLETE"}
    for output in ("StreamName", "RetrainStateMachineArn", "EndpointName"):
        assert f"  {output} = " in said
    assert "make destroy PROFILE=sandbox" in said


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name mlref-sandbox-base"),
        ("DELETE_FAILED", "python -m deployment destroy --profile sandbox --only mlref-sandbox-base"),
        ("CREATE_FAILED", "aws cloudformation rollback-stack --stack-name mlref-sandbox-base"),
        ("UPDATE_FAILED", "aws cloudformation rollback-stack --stack-name mlref-sandbox-base"),
        ("IMPORT_ROLLBACK_FAILED", "describe-stack-events --stack-name mlref-sandbox-base"),
    ],
)
def test_stack_that_only_a_person_can_answer_for_is_left_alone(
    prepared: account.Account, command: Command, sandbox: Assembly, status: str, words: str
) -> None:
    deploy.deploy_stack(sandbox.directory, "mlref-sandbox-base")
    stack = operations.living("mlref-sandbox-base")
    assert stack is not None
    stack.status = status
    answer, said = command("deploy")
    assert answer == 2
    assert f"mlref-sandbox-base is {status}: " in said
    assert words in said
    assert statuses() == {"mlref-sandbox-base": status}


def test_protected_stack_that_never_came_to_be_is_not_deleted(
    prepared: account.Account, command: Command
) -> None:
    faults.add(Fault(kind="cloudformation create", target="mlref-sandbox-base/*"))
    command("deploy", "--yes")
    stack = operations.living("mlref-sandbox-base")
    assert stack is not None
    stack.protected = True
    status, said = command("deploy")
    assert status == 1
    assert "--no-enable-termination-protection --stack-name mlref-sandbox-base" in said
    assert statuses() == {"mlref-sandbox-base": "ROLLBACK_COMPLETE"}


# interruptions


def test_interrupted_deployment_goes_on_where_cloudformation_is(
    prepared: account.Account, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends the command; CloudFormation goes on making the stack, and the next command waits for it."""
    going, made = threading.Event(), deploy.deploy_stack
    monkeypatch.setattr(operations, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(operations.Engine, "_make", held_until(going, operations.Engine._make))

    def interrupted(assembly: Path, name: str) -> None:
        threading.Thread(target=made, args=(assembly, name), daemon=True).start()
        while operations.living(name) is None or statuses()[name] != "CREATE_IN_PROGRESS":
            time.sleep(0.02)
        raise KeyboardInterrupt

    monkeypatch.setattr(deploy, "deploy_stack", interrupted)
    status, said = command("deploy", "--yes")
    assert status == 130
    assert "it goes on where it stopped" in said
    assert statuses() == {"mlref-sandbox-base": "CREATE_IN_PROGRESS"}
    monkeypatch.setattr(deploy, "deploy_stack", made)
    threading.Timer(0.5, going.set).start()
    status, said = command("deploy")
    assert status == 0, said
    assert "mlref-sandbox-base is CREATE_IN_PROGRESS: waiting" in said
    assert "mlref-sandbox-base was as it should be" in said
    assert set(statuses().values()) == {"CREATE_COMPLETE"}


def held_until(going: threading.Event, make: Callable[..., None]) -> Callable[..., None]:
    def held(self: Any, *given: Any) -> None:
        going.wait(30)
        make(self, *given)

    return held


def test_deployment_whose_deletion_was_begun_is_finished_or_opened_again(
    prepared: account.Account, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("deploy", "--yes")[0] == 0

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(destroy.buckets, "empty", interrupted)
    assert command("destroy", "--yes")[0] == 130
    status, said = command("deploy")
    assert status == 2
    assert "the deletion of mlref-sandbox-data was begun" in said
    assert "make destroy PROFILE=sandbox" in said
    assert set(statuses()) == {"mlref-sandbox-base", "mlref-sandbox-data"}
    status, said = command("deploy", "--reopen")
    assert status == 0, said
    assert said.count("takes writes again") == 7
    site = place.here()
    names = [bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]]
    assert not any(buckets.is_closed(site, name) for name in names)
    assert len(statuses()) == 4


@pytest.mark.journey
def test_real_cli_deploys_and_a_signal_ends_it(prepared: account.Account, sandbox: Assembly) -> None:
    """The whole command in a process of its own; Ctrl-C reaches the CLI too, as from a terminal."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deployment", "deploy", "--profile", "sandbox", "--yes"]
        + ["--app", str(sandbox.directory)],
        cwd=ROOT,
        env=deploy.environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("deploy mlref-sandbox-data (2 of 4"):
            os.killpg(process.pid, signal.SIGINT)
    assert process.wait() == 130, "".join(said)
    assert "  mlref-sandbox-base is CREATE_COMPLETE" in "".join(said)
    assert said[-1].startswith("interrupted: CloudFormation ends what it is at by itself")
    assert statuses()["mlref-sandbox-base"] == "CREATE_COMPLETE"


# deleting one stack


def test_one_stack_is_deleted_by_itself_unless_others_use_it(
    prepared: account.Account, command: Command
) -> None:
    assert command("deploy", "--yes")[0] == 0
    status, said = command("destroy", "--yes", "--only", "base")
    assert status == 2
    assert "other stacks import from these: mlref-sandbox-data" in said
    status, said = command("destroy", "--yes", "--only", "nothing")
    assert status == 2
    assert "allowed: mlref-sandbox-operations, mlref-sandbox-model" in said
    status, said = command("destroy", "--yes", "--only", "mlref-sandbox-operations")
    assert status == 0
    assert "the other stacks of mlref-sandbox are as they were" in said
    assert set(statuses()) == {"mlref-sandbox-base", "mlref-sandbox-data", "mlref-sandbox-model"}
