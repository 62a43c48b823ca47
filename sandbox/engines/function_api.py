"""The Invoke API of Lambda on top of the functions engine, with AWS's limits and errors."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any
from urllib.parse import unquote

from sandbox.engines import function_async, functions
from sandbox.engines.functions import ASYNC_LIMIT, SYNC_LIMIT, InvocationError

_CHECKED = 262_144


def _invoke(self: Any) -> tuple[int, dict[str, str], bytes]:
    name = unquote(self.path.rsplit("/", 2)[-2])
    kind = self.headers.get("X-Amz-Invocation-Type") or "RequestResponse"
    payload = _bytes(self.raw_body) or b"{}"
    try:
        target = functions.function(name, (self.querystring.get("Qualifier") or [None])[0])
        _check(payload, kind)
        return _HOW[kind](self, target, payload)
    except InvocationError as error:
        raise _http(error) from error


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body or b"")


def _check(payload: bytes, kind: str) -> None:
    if kind not in _HOW:
        message = f"invocation type {kind!r} is not one of {', '.join(_HOW)}"
        raise InvocationError("InvalidParameterValueException", 400, message)
    limit = ASYNC_LIMIT if kind == "Event" else SYNC_LIMIT
    if len(payload) > limit:
        message = (
            f"{len(payload)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
        )
        raise InvocationError("RequestTooLargeException", 413, message)
    if len(payload) > _CHECKED:
        return  # the runtime parses it anyway, and says so when it cannot
    try:
        json.loads(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise InvocationError("InvalidRequestContentException", 400, message) from error


def _wait_for_it(self: Any, target: Any, payload: bytes) -> tuple[int, dict[str, str], bytes]:
    outcome = functions.invoke(target, payload, request_id=str(uuid.uuid4()))
    headers = {
        "content-type": "application/json",
        "X-Amz-Executed-Version": functions.version(target),
    }
    if outcome.error:
        headers["X-Amz-Function-Error"] = outcome.error
    if self.headers.get("X-Amz-Log-Type") == "Tail":
        tail = "\n".join(outcome.log).encode()[-4096:]
        headers["X-Amz-Log-Result"] = base64.b64encode(tail).decode()
    return 200, headers, outcome.payload


def _later(_: Any, target: Any, payload: bytes) -> tuple[int, dict[str, str], bytes]:
    function_async.submit(target, payload)
    return 202, {"status": "202"}, b""


def _only_check(_: Any, __: Any, ___: bytes) -> tuple[int, dict[str, str], bytes]:
    return 204, {"status": "204"}, b""


_HOW = {"RequestResponse": _wait_for_it, "Event": _later, "DryRun": _only_check}


def _http(error: InvocationError) -> Exception:
    from moto.core.exceptions import JsonRESTError

    answer = JsonRESTError(error.code, str(error))
    answer.code = error.status
    return answer


def _backend_invoke(
    self: Any,
    function_name: str,
    qualifier: str | None,
    body: Any,
    headers: Any,
    response_headers: Any,
) -> bytes:
    """What moto's own services call: event source mappings, log subscriptions, secret rotation."""
    del headers
    outcome = functions.invoke(self.get_function(function_name, qualifier), _bytes(body))
    if outcome.error:
        response_headers["x-amz-function-error"] = outcome.error
    return outcome.payload


def _function_invoke(self: Any, body: Any, request_headers: Any, response_headers: Any) -> bytes:
    """moto's way round the backend, for SNS and InvokeAsync."""
    del request_headers
    outcome = functions.invoke(self, _bytes(body))
    if outcome.error:
        response_headers["x-amz-function-error"] = outcome.error
    return outcome.payload


def install() -> None:
    from moto.awslambda.models import LambdaFunction
    from moto.awslambda.responses import LambdaResponse
    from moto.awslambda_simple.models import LambdaSimpleBackend

    LambdaResponse.invoke = _invoke
    LambdaSimpleBackend.invoke = _backend_invoke
    LambdaFunction.invoke = _function_invoke


def self_test() -> None:
    from sandbox.selftest import check

    check("moto.awslambda.responses:LambdaResponse.invoke")
    check(
        "moto.awslambda_simple.models:LambdaSimpleBackend.invoke",
        "self", "function_name", "qualifier", "body", "headers", "response_headers",
    )  # fmt: skip
    check(
        "moto.awslambda.models:LambdaFunction.invoke", "self", "body", "request_headers", "response_headers"
    )
    check("moto.awslambda.models:LambdaBackend.get_function", "self", "function_name_or_arn", "qualifier")
