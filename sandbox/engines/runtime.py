"""InvokeEndpoint: to a variant by weight, its answer or its error back, counted and captured."""

from __future__ import annotations

import json
import time
from typing import Any

from sandbox import account, clock, regions, selftest
from sandbox.engines import capture, endpoint_metrics
from sandbox.engines.backends import backend
from sandbox.engines.endpoints import Endpoint
from sandbox.engines.fleet import Variant
from sandbox.engines.hosting import Answer

_LARGEST = 6 * 2**20
_SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack")
_PREFIX = "X-Amzn-SageMaker-"
_REFUSED = (
    "Target-Model",
    "Inference-Component",
    "Enable-Explanations",
    "Session-Id",
    "Target-Container-Hostname",
)


class RefusedError(Exception):
    """Answered as 400 ValidationError."""


def _invoke_endpoint(self: Any) -> Any:
    began = time.perf_counter()
    body = self.raw_body if isinstance(self.raw_body, bytes) else (self.body or "").encode()
    try:
        endpoint, variant = _choose(self.path.split("/")[2], self.headers, body)
    except RefusedError as error:
        return _error(400, "ValidationError", {"Message": str(error)})
    try:
        answer = variant.server.invoke(body, _forwarded(self.headers))
    except OSError as error:
        message = f'Received server error (0) from {variant.name} with message "{error}"'
        answer = Answer(status=500, body=message.encode(), content_type="text/plain", microseconds=0.0)
    overhead = (time.perf_counter() - began) * 1e6 - answer.microseconds
    at = clock.now()
    endpoint_metrics.count(
        endpoint.endpoint_name,
        variant.name,
        status=answer.status,
        model=answer.microseconds,
        overhead=overhead,
        at=at,
    )
    if answer.status >= 400:
        return _model_error(endpoint, answer)
    if config := endpoint.config.data_capture_config:
        # From SageMaker's side: that captures go through the model's VPC is not documented.
        exchange = capture.Exchange(
            body=body,
            content_type=self.headers.get("Content-Type", "application/octet-stream"),
            answer=answer.body,
            answer_type=answer.content_type,
            inference_id=self.headers.get(f"{_PREFIX}Inference-Id"),
            at=at,
        )
        capture.add(endpoint.endpoint_name, variant.name, config, variant.server.outside, exchange)
    headers = {"Content-Type": answer.content_type, "x-Amzn-Invoked-Production-Variant": variant.name}
    return 200, headers, answer.body


def _choose(name: str, headers: Any, body: bytes) -> tuple[Endpoint, Variant]:
    endpoint = backend("sagemaker").endpoints.get(name)
    if endpoint is None or endpoint.endpoint_status not in _SERVING:
        raise RefusedError(f"Endpoint {name} of account {account.ACCOUNT} not found.")
    for header in _REFUSED:
        if headers.get(_PREFIX + header):
            raise RefusedError(f"{header} is not in the sandbox")
    if len(body) > _LARGEST:
        raise RefusedError(f"the request has {len(body)} bytes; allowed: at most {_LARGEST}")
    target = headers.get(f"{_PREFIX}Target-Variant")
    variant = endpoint.pick(target)
    if variant is None:
        what = f"Variant {target} not found" if target else "No variant has a weight above 0"
        raise RefusedError(f"{what} for endpoint {name} of account {account.ACCOUNT}")
    return endpoint, variant


def _forwarded(headers: Any) -> dict[str, str]:
    names = ("Content-Type", "Accept", f"{_PREFIX}Custom-Attributes", f"{_PREFIX}Inference-Id")
    return {name: headers[name] for name in names if headers.get(name)}


def _model_error(endpoint: Endpoint, answer: Answer) -> Any:
    side = "server" if answer.status >= 500 else "client"
    text = answer.body.decode(errors="replace")
    group = f"/aws/sagemaker/Endpoints/{endpoint.endpoint_name}"
    content = {
        "Message": f'Received {side} error ({answer.status}) from primary with message "{text}". '
        f"See log group {group} in account {account.ACCOUNT} for more information.",
        "OriginalStatusCode": answer.status,
        "OriginalMessage": text,
        "LogStreamArn": f"arn:aws:logs:{regions.current()}:{account.ACCOUNT}:log-group:{group}",
    }
    return _error(424, "ModelError", content)


def _error(status: int, code: str, content: dict[str, Any]) -> Any:
    # The status has to stand in the headers as well: moto looks for it there.
    headers = {"status": status, "x-amzn-ErrorType": code, "Content-Type": "application/json"}
    return status, headers, json.dumps(content)


def _not_here(self: Any) -> Any:  # noqa: ARG001 the signature is moto's
    return _error(
        400, "ValidationError", {"Message": "asynchronous and streamed inference are not in the sandbox"}
    )


def install() -> None:
    from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

    SageMakerRuntimeResponse.invoke_endpoint = _invoke_endpoint
    SageMakerRuntimeResponse.invoke_endpoint_async = _not_here


def self_test() -> None:
    selftest.check("moto.sagemakerruntime.responses:SageMakerRuntimeResponse.invoke_endpoint", "self")
    selftest.check("moto.sagemakerruntime.responses:SageMakerRuntimeResponse.invoke_endpoint_async", "self")
