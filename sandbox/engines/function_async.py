"""Asynchronous invocations of Lambda: retries, then the on-failure destination or the dead-letter queue."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from botocore.exceptions import ClientError

from sandbox import clock, work
from sandbox.engines import function_settings, functions, metrics
from sandbox.engines.function_process import Outcome
from sandbox.engines.functions import InvocationError

# AWS waits one minute, then two, and throttled events for hours: here waiting proves nothing.
RETRY_SECONDS = 0.5
_THROTTLE_TRIES = 20


def submit(target: Any, payload: bytes) -> None:
    """Queues one event; the caller is answered before the function has run."""
    request_id = str(uuid.uuid4())
    _metric(target, "AsyncEventsReceived")
    work.start(f"lambda {target.function_name} async", _deliver, target.function_arn, payload, request_id)


def _deliver(function_arn: str, payload: bytes, request_id: str) -> None:
    target = functions.function(function_arn)
    attempts = 0
    condition = "RetriesExhausted"
    outcome = Outcome(payload=b"null")
    for wait in _waits(target):
        if wait:
            time.sleep(wait)
        target = functions.function(function_arn)
        try:
            outcome = _when_not_throttled(target, payload, request_id)
        except InvocationError as error:
            body = {"errorType": error.code, "errorMessage": str(error)}
            outcome = Outcome(payload=json.dumps(body).encode(), error="Unhandled")
            condition = "EventAgeExceeded" if error.status == 429 else "RetriesExhausted"
        attempts += 1
        if outcome.error is None:
            _to_destination(
                target, "OnSuccess", _record(target, payload, outcome, "Success", attempts, request_id)
            )
            return
    if _to_destination(
        target, "OnFailure", _record(target, payload, outcome, condition, attempts, request_id)
    ):
        return
    _to_dead_letters(target, payload, outcome, request_id)


def _waits(target: Any) -> list[float]:
    if target.reserved_concurrency is not None and int(target.reserved_concurrency) == 0:
        return [0.0]  # AWS: straight to the dead-letter queue, without retries
    config = _config(target)
    return [0.0] + [RETRY_SECONDS] * int(config.get("MaximumRetryAttempts", 2))


def _when_not_throttled(target: Any, payload: bytes, request_id: str) -> Outcome:
    reserved = target.reserved_concurrency
    for remaining in reversed(range(1 if reserved == 0 else _THROTTLE_TRIES)):
        try:
            return functions.invoke(target, payload, request_id=request_id)
        except InvocationError as error:
            if error.status != 429 or not remaining:
                raise
            time.sleep(RETRY_SECONDS)
    raise AssertionError("unreachable: the last try returns or raises")


def _config(target: Any) -> dict[str, Any]:
    stored = target.event_invoke_config
    return stored[-1].response() if stored else {}


def _record(
    target: Any, payload: bytes, outcome: Outcome, condition: str, attempts: int, request_id: str
) -> dict[str, Any]:
    response: dict[str, Any] = {"statusCode": 200, "executedVersion": functions.version(target)}
    if outcome.error:
        response["functionError"] = outcome.error
    return {
        "version": "1.0",
        "timestamp": clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{target.function_arn}:{functions.version(target)}",
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": json.loads(payload),
        "responseContext": response,
        "responsePayload": json.loads(outcome.payload or b"null"),
    }


def _to_destination(target: Any, which: str, record: dict[str, Any]) -> bool:
    arn = _config(target).get("DestinationConfig", {}).get(which, {}).get("Destination")
    if not arn:
        return False
    name = "OnSuccess" if which == "OnSuccess" else "OnFailure"
    try:
        _send(target, arn, json.dumps(record), {})
    except (ClientError, ValueError) as error:
        _metric(target, "DestinationDeliveryFailures")
        work.fail(f"lambda {target.function_name} {name} destination", error)
    return True


def _to_dead_letters(target: Any, payload: bytes, outcome: Outcome, request_id: str) -> None:
    _metric(target, "AsyncEventsDropped")
    arn = function_settings.dead_letter_target(target)
    error = json.loads(outcome.payload or b"{}") or {}
    if arn is None:
        lost = RuntimeError(
            f"event lost after its retries: {error.get('errorType')}: {error.get('errorMessage')}; "
            "the function has neither a dead-letter queue nor an on-failure destination"
        )
        work.fail(f"lambda {target.function_name} async", lost)
        return
    attributes = {
        "RequestID": ("String", request_id),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", str(error.get("errorMessage"))[:1024] or "none"),
    }
    try:
        _send(target, arn, payload.decode(), attributes)
    except (ClientError, ValueError) as failure:
        _metric(target, "DeadLetterErrors")
        work.fail(f"lambda {target.function_name} dead letter", failure)


def _send(target: Any, arn: str, message: str, attributes: dict[str, tuple[str, str]]) -> None:
    """As the function's role, which is what AWS uses for dead letters and destinations."""
    credentials = functions.role_credentials(target)
    service = arn.split(":")[2]
    shaped = {key: {"DataType": kind, "StringValue": value} for key, (kind, value) in attributes.items()}
    if service == "sqs":
        sqs = credentials.client("sqs")
        sqs.send_message(QueueUrl=queue_url(arn), MessageBody=message, MessageAttributes=shaped)
    elif service == "sns":
        credentials.client("sns").publish(TopicArn=arn, Message=message, MessageAttributes=shaped)
    elif service == "lambda":
        credentials.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=message)
    else:
        raise ValueError(f"destination {arn} is not implemented by the sandbox: allowed SQS, SNS, Lambda")


def queue_url(arn: str) -> str:
    """Derived, not looked up: AWS needs no sqs:GetQueueUrl for a queue it was given by ARN."""
    from sandbox import account

    *_, owner, name = arn.split(":")
    return f"{account.endpoint()}/{owner}/{name}"


def _metric(target: Any, name: str) -> None:
    dimensions = {"FunctionName": target.function_name}
    metrics.put(namespace="AWS/Lambda", name=name, value=1, unit="Count", dimensions=dimensions)


def install() -> None:
    """Nothing to patch: submit() is called by the Invoke API and by services."""
