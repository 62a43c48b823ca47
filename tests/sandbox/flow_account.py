"""Parts of an account for the tests of what flows through it: roles, functions, queues, machines."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox import faults, work
from sandbox.account import ACCOUNT, REGION, Account, client

ARN = f"{REGION}:{ACCOUNT}"


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with Account() as started:
        yield started


@pytest.fixture
def fresh(account: Account) -> Iterator[None]:
    """No failures and no faults from other tests; the clock is left where the test wants it."""
    work.reset()
    faults.reset()
    yield
    assert work.idle(20), work.busy()


def any_role(name: str, service: str, *actions: str) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    iam = client("iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    if actions:
        grant = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        iam.put_role_policy(RoleName=name, PolicyName="grants", PolicyDocument=_policy(grant))
    return arn


def any_function(name: str, code: str, *, role: str | None = None, **settings: Any) -> str:
    """A function from source; its log group exists, its role may write to it."""
    client("logs").create_log_group(logGroupName=f"/aws/lambda/{name}")
    created = client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.14",
        Handler="handler.handler",
        Role=role or any_role(f"{name}-role", "lambda.amazonaws.com", "logs:*"),
        Code={"ZipFile": zipped(code)},
        **{"Timeout": 20, **settings},
    )
    arn: str = created["FunctionArn"]
    return arn


def any_queue(name: str, *services: str) -> str:
    """URL of a queue that the services may send to."""
    attributes = {}
    if services:
        grant = {
            "Effect": "Allow",
            "Principal": {"Service": list(services)},
            "Action": "sqs:SendMessage",
            "Resource": "*",
        }
        attributes["Policy"] = _policy(grant)
    url: str = client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url


def queue_arn(name: str) -> str:
    return f"arn:aws:sqs:{ARN}:{name}"


def messages(url: str) -> list[dict[str, Any]]:
    found = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    received: list[dict[str, Any]] = found.get("Messages", [])
    return received


def any_machine(name: str, states: dict[str, Any], role: str, **definition: Any) -> str:
    """States run from the first one on."""
    text = json.dumps({"StartAt": next(iter(states)), "States": states, **definition})
    created = client("stepfunctions").create_state_machine(name=name, definition=text, roleArn=role)
    arn: str = created["stateMachineArn"]
    return arn


def run(machine: str, given: Any = None, seconds: float = 20) -> dict[str, Any]:
    """Starts an execution and waits for its end."""
    states = client("stepfunctions")
    started = states.start_execution(stateMachineArn=machine, input=json.dumps(given or {}))
    return ended(started["executionArn"], seconds)


def ended(execution: str, seconds: float = 20) -> dict[str, Any]:
    states = client("stepfunctions")
    found = states.describe_execution(executionArn=execution)
    eventually(
        lambda: states.describe_execution(executionArn=execution)["status"] != "RUNNING", seconds=seconds
    )
    found = states.describe_execution(executionArn=execution)
    return dict(found)


def inputs(machine: str) -> list[Any]:
    """Inputs of all executions, oldest first."""
    states = client("stepfunctions")
    found = states.list_executions(stateMachineArn=machine)["executions"]
    described = [states.describe_execution(executionArn=e["executionArn"]) for e in found]
    return [json.loads(e["input"]) for e in sorted(described, key=lambda e: e["startDate"])]


def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def log_lines(group: str) -> list[str]:
    found = client("logs").filter_log_events(logGroupName=group, startTime=0)
    return [event["message"] for event in found["events"]]


def zipped(code: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("handler.py", code)
    return archive.getvalue()


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
