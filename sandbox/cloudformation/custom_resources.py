"""Custom resources: the function gets a response URL and answers there, or the resource times out."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

from sandbox import account, control
from sandbox.cloudformation.errors import UnsupportedError
from sandbox.cloudformation.providers.provider import Attributes, Context, Properties

# AWS waits an hour; in a local account a function that has not answered by then never will.
DEFAULT_TIMEOUT_SECONDS = 300
ROUTE = "custom-resource"

_waiting: dict[str, _Answer] = {}


class CustomResourceError(Exception):
    """The function reported failure, or nothing."""


class _Answer:
    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.content: dict[str, Any] = {}


def install() -> None:
    control.route(ROUTE, _receive)


def reset() -> None:
    _waiting.clear()


def _receive(request: dict[str, Any]) -> dict[str, str]:
    if request["_method"] != "PUT":
        raise control.ControlError(f"method is {request['_method']}, allowed: PUT")
    answer = _waiting.pop(request["_path"], None)
    if answer is None:
        raise control.ControlError("no custom resource waits here: its URL takes one answer")
    answer.content = json.loads(request["_body"])
    answer.arrived.set()
    return {}


class CustomResource:
    """Custom::* and AWS::CloudFormation::CustomResource."""

    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        context.begun(
            context.name()
        )  # AWS sends a Delete for a failed Create, under a name of its own if need be
        answer = self._ask(context, "Create", properties, {})
        return answer.get("PhysicalResourceId") or context.made[-1], _attributes(answer)

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        extra = {"PhysicalResourceId": ref, "OldResourceProperties": _as_text(dict(old))}
        answer = self._ask(context, "Update", new, extra)
        return answer.get("PhysicalResourceId") or ref, _attributes(answer)

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        self._ask(context, "Delete", properties, {"PhysicalResourceId": ref})

    def _ask(
        self, context: Context, kind: str, properties: Properties, extra: dict[str, Any]
    ) -> dict[str, Any]:
        function = properties.get("ServiceToken", "")
        if ":lambda:" not in function:
            raise UnsupportedError(f"ServiceToken is {function!r}, allowed: the ARN of a Lambda function")
        timeout = int(properties.get("ServiceTimeout", DEFAULT_TIMEOUT_SECONDS))
        token = uuid.uuid4().hex
        waiting = _waiting[token] = _Answer()
        event = {
            "RequestType": kind,
            "ResponseURL": f"{account.endpoint()}{control.PREFIX}{ROUTE}/{token}",
            "StackId": context.stack_id,
            "RequestId": context.request_id,
            "LogicalResourceId": context.logical_id,
            "ResourceType": context.resource_type,
            "ResourceProperties": _as_text(dict(properties)),
            **extra,
        }
        if hasattr(properties, "all"):
            properties.all()
        payload = json.dumps(event).encode()
        try:
            context.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=payload)
            if not waiting.arrived.wait(timeout):
                raise CustomResourceError(
                    f"CloudFormation did not receive a response from your Custom Resource in {timeout} s. "
                    f"Please check your logs for requestId [{context.request_id}]."
                )
        finally:
            _waiting.pop(token, None)
        if waiting.content.get("PhysicalResourceId"):
            context.begun(waiting.content["PhysicalResourceId"])
        return _checked(waiting.content, context)


def _checked(answer: dict[str, Any], context: Context) -> dict[str, Any]:
    expected = {
        "StackId": context.stack_id,
        "RequestId": context.request_id,
        "LogicalResourceId": context.logical_id,
    }
    for name, value in expected.items():
        if answer.get(name) != value:
            raise CustomResourceError(f"Invalid response: {name} is {answer.get(name)!r}, expected {value!r}")
    if answer.get("Status") != "SUCCESS":
        raise CustomResourceError(
            f"Received response status [{answer.get('Status')}]: {answer.get('Reason')}"
        )
    return answer


def _attributes(answer: dict[str, Any]) -> Attributes:
    return dict(answer.get("Data") or {})


def _as_text(value: Any) -> Any:
    """CloudFormation hands every scalar to the function as a string."""
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


PROVIDER = CustomResource()
