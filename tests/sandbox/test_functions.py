"""Lambda functions really run: lifecycle, limits, errors, roles, logs, asynchronous retries."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import clock, faults, work
from sandbox.account import client
from tests.sandbox.flow_account import (
    account,
    any_function,
    any_queue,
    any_role,
    fresh,
    log_lines,
    messages,
    queue_arn,
    zipped,
)

__all__ = ["account", "fresh"]
pytestmark = pytest.mark.usefixtures("fresh")

CODE = """
import datetime, os, sys, time
import boto3
print("imported")

def handler(event, context):
    print("got", event, "as", context.function_name)
    return globals()[event["do"]](event)

def where(event):
    return {"pid": os.getpid(), "mode": os.environ.get("MODE"), "root": os.environ["LAMBDA_TASK_ROOT"]}

def now(event):
    return datetime.datetime.now(datetime.timezone.utc).isoformat()

def fail(event):
    raise ValueError("not this one")

def leave(event):
    os._exit(7)

def sleep(event):
    time.sleep(5)

def size(event):
    return "x" * event["bytes"]

def odd(event):
    return {1, 2}

def buckets(event):
    return [b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"]]
"""


@pytest.fixture(scope="module")
def function(account: Any) -> str:
    any_queue("letters")
    role = any_role("work-role", "lambda.amazonaws.com", "logs:*", "sqs:SendMessage")
    target = queue_arn("letters")
    any_function("work", CODE, role=role, Timeout=1, DeadLetterConfig={"TargetArn": target})
    return "work"


def call(name: str, do: str, **more: Any) -> tuple[Any, str | None]:
    answer = client("lambda").invoke(FunctionName=name, Payload=json.dumps({"do": do, **more}))
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")


def test_environment_stays_warm_until_settings_change(function: str) -> None:
    first, second = call(function, "where")[0], call(function, "where")[0]
    assert first == second
    client("lambda").update_function_configuration(
        FunctionName=function, Environment={"Variables": {"MODE": "b"}}
    )
    third = call(function, "where")[0]
    assert third["pid"] != first["pid"]
    assert third["mode"] == "b"


def test_new_code_runs_after_an_update(account: Any) -> None:
    any_function("changing", "def handler(e, c):\n    return 1\n")
    assert call("changing", "-")[0] == 1
    client("lambda").update_function_code(
        FunctionName="changing", ZipFile=zipped("def handler(e, c):\n    return 2\n")
    )
    assert call("changing", "-")[0] == 2


@pytest.mark.parametrize(
    ("do", "kind", "text"),
    [
        pytest.param("fail", "ValueError", "not this one", id="exception"),
        pytest.param("leave", "Runtime.ExitError", "exit status 7", id="process exit"),
        pytest.param("sleep", "Sandbox.Timedout", "timed out after 1.00 seconds", id="timeout"),
        pytest.param("odd", "Runtime.MarshalError", "Unable to marshal response", id="answer is no JSON"),
    ],
)
def test_failure_comes_back_in_the_shape_of_aws(function: str, do: str, kind: str, text: str) -> None:
    body, error = call(function, do)
    assert error == "Unhandled"
    assert body["errorType"] == kind
    assert text in body["errorMessage"]


def test_missing_module_and_handler_are_named(account: Any) -> None:
    any_function("broken", "import nothing_like_this\n")
    assert call("broken", "-")[0]["errorType"] == "Runtime.ImportModuleError"
    any_function("empty", "x = 1\n")
    assert call("empty", "-")[0]["errorMessage"] == "Handler 'handler' missing on module 'handler'"


def test_payload_of_six_megabytes_passes_and_more_is_refused(function: str) -> None:
    assert len(call(function, "size", bytes=6_000_000)[0]) == 6_000_000
    assert call(function, "size", bytes=6_300_000)[0]["errorType"] == "Function.ResponseSizeTooLarge"
    with pytest.raises(ClientError, match="RequestTooLargeException"):
        call(function, "size", bytes=1, filler="y" * 6_300_000)
    with pytest.raises(ClientError, match="RequestTooLargeException"):
        client("lambda").invoke(
            FunctionName=function, InvocationType="Event", Payload=json.dumps("z" * 262_144)
        )


def test_function_calls_as_its_own_role(function: str) -> None:
    body, error = call(function, "buckets")
    assert error == "Unhandled"
    assert "is not authorized to perform: s3:ListAllMyBuckets" in body["errorMessage"]


def test_function_sees_the_clock_of_the_account(function: str) -> None:
    before = clock.now()
    clock.set(datetime(2031, 5, 1, tzinfo=UTC))
    assert call(function, "now")[0].startswith("2031-05-01")
    clock.set(before)


def test_log_holds_platform_lines_and_what_was_printed(function: str) -> None:
    call(function, "where")
    lines = log_lines("/aws/lambda/work")
    assert "imported" in lines
    assert any(line.startswith("START RequestId: ") for line in lines)
    assert any(line.startswith("REPORT RequestId: ") and "Init Duration" in line for line in lines)
    assert any(line.startswith("got {'do': 'where'} as work") for line in lines)


def test_asynchronous_failure_is_retried_twice_then_a_dead_letter(function: str) -> None:
    calls = log_lines("/aws/lambda/work").count("got {'do': 'fail'} as work")
    client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=b'{"do": "fail"}')
    assert work.idle(10)
    assert log_lines("/aws/lambda/work").count("got {'do': 'fail'} as work") == calls + 3
    (letter,) = messages(client("sqs").get_queue_url(QueueName="letters")["QueueUrl"])
    assert json.loads(letter["Body"]) == {"do": "fail"}
    assert letter["MessageAttributes"]["ErrorMessage"]["StringValue"] == "not this one"


def test_on_failure_destination_gets_the_whole_record(account: Any) -> None:
    url = any_queue("failed")
    role = any_role("dest-role", "lambda.amazonaws.com", "logs:*", "sqs:SendMessage")
    any_function("dest", "def handler(e, c):\n    raise KeyError('k')\n", role=role)
    client("lambda").put_function_event_invoke_config(
        FunctionName="dest",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": queue_arn("failed")}},
    )
    client("lambda").invoke(FunctionName="dest", InvocationType="Event", Payload=b'{"a": 1}')
    assert work.idle(10)
    record = json.loads(messages(url)[0]["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["requestPayload"] == {"a": 1}
    assert record["responsePayload"]["errorType"] == "KeyError"


def test_event_lost_for_good_is_a_kept_failure(account: Any) -> None:
    any_function("lost", "def handler(e, c):\n    raise KeyError('k')\n")
    client("lambda").put_function_event_invoke_config(FunctionName="lost", MaximumRetryAttempts=0)
    client("lambda").invoke(FunctionName="lost", InvocationType="Event", Payload=b"{}")
    assert work.idle(10)
    assert any("neither a dead-letter queue" in failure.message for failure in work.failures())


def test_reserved_concurrency_of_zero_refuses_every_call(function: str) -> None:
    client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        call(function, "where")
    client("lambda").delete_function_concurrency(FunctionName=function)


def test_ordered_fault_hits_once(function: str) -> None:
    faults.add(faults.Fault(kind="lambda", target="work", detail="out of order"))
    assert call(function, "where") == (
        {"errorType": "Sandbox.Fault", "errorMessage": "out of order"},
        "Unhandled",
    )
    assert call(function, "where")[1] is None


def test_role_that_does_not_trust_lambda_is_refused(account: Any) -> None:
    role = any_role("other-role", "glue.amazonaws.com")
    any_function("distrusted", "def handler(e, c):\n    return 1\n", role=role)
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        call("distrusted", "-")


def test_metrics_are_counted(function: str) -> None:
    call(function, "fail")
    found = client("cloudwatch").list_metrics(Namespace="AWS/Lambda")["Metrics"]
    assert {"Invocations", "Errors", "Duration", "Throttles"} <= {metric["MetricName"] for metric in found}
