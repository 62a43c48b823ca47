"""A deployment gets out of what an attempt before it left, goes on after an interruption, and says how."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployment import buckets, destroy, place
from rehearsal import quotas
from sandbox import account, deploy, faults
from sandbox.cloudformation import operations
from sandbox.faults import Fault
from tests.conftest import Assembly
from tests.sandbox.deploying import Command, commanding, statuses

ROOT = Path(__file__).parents[2]


@pytest.fixture
def prepared(sandbox: Assembly) -> Iterator[account.Account]:
    with account.Account() as started:
        deploy.bootstrap()
        quotas.granted(sandbox.directory)
        yield started


@pytest.fixture
def command(
    sandbox: Assembly, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return commanding(sandbox.directory, monkeypatch, capsys)


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
