"""Any signed request, from any SDK, as service, operation and parameters; read by moto's parsers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from sandbox import regions

_BULK = frozenset({"PutRecords", "PutRecordBatch"})
_SCOPE = re.compile(r"Credential=([^/,\s]+)/[^/]+/([^/]+)/([^/]+)/aws4_request")
# IAM's prefix where it is not the name that requests are signed with.
_PREFIXES = {"monitoring": "cloudwatch", "email": "ses", "tagging": "tag", "streams.dynamodb": "dynamodb"}


class UnparsedError(Exception):
    """The request cannot be read, so nobody can say what it asks for."""


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """`prefix` is IAM's name of the service (cloudwatch), `service` the SDK's."""

    service: str
    prefix: str
    operation: str
    params: dict[str, Any]
    headers: Any
    region: str
    protocol: str


def access_key(request: Any) -> str | None:
    """Who signed, by header or by presigned URL."""
    match = _SCOPE.search(request.headers.get("Authorization", ""))
    if match:
        return match[1]
    scope = request.args.get("X-Amz-Credential")
    return scope.split("/")[0] if scope else request.args.get("AWSAccessKeyId")


def token(request: Any) -> str | None:
    found = request.headers.get("X-Amz-Security-Token")
    return found or request.args.get("X-Amz-Security-Token") or request.args.get("x-amz-security-token")


def parse(responder: Any) -> Parsed:
    """The call that moto's handler is about to serve; UnparsedError says why it cannot be told."""
    from moto.core.request import determine_request_protocol
    from moto.core.utils import get_service_model

    request = responder.normalized_request
    service = responder.boto3_service_name
    try:
        model = get_service_model(service)
        operation, path_params = _route(responder, service)
        protocol = determine_request_protocol(model, request.content_type)
        params = _parameters(request, operation, protocol, path_params)
    except UnparsedError:
        raise
    except Exception as cause:
        raise UnparsedError(
            f"{service} {request.method} {request.path}: {type(cause).__name__}: {cause}"
        ) from cause
    match = _SCOPE.search(request.headers.get("Authorization", ""))
    signed = model.signing_name
    return Parsed(
        service=service,
        prefix=_PREFIXES.get(signed, signed),
        operation=operation.name,
        params=params,
        headers=request.headers,
        region=match[2] if match else regions.current(),
        protocol=protocol,
    )


def _route(responder: Any, service: str) -> tuple[Any, dict[str, Any]]:
    from moto.core.routing import get_service_router
    from moto.core.utils import get_service_model

    operation, params = get_service_router(service).match(responder.normalized_request)
    if service == "s3":
        return operation, params
    # moto serves what its handler reads, not what the router matched: both must name one operation.
    served = responder._get_action()
    if served != operation.name and served in get_service_model(service).operation_names:
        raise UnparsedError(f"{service}: the request names both {operation.name} and {served}")
    return operation, params


def _parameters(request: Any, operation: Any, protocol: str, path_params: dict[str, Any]) -> dict[str, Any]:
    from moto.core.parse import PROTOCOL_PARSERS

    if operation.name in _BULK and protocol == "json":
        body: dict[str, Any] = json.loads(request.data)  # hundreds of records, none of which decides anything
        return body
    parsed = PROTOCOL_PARSERS[protocol](operation, map_type=dict).parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data,
            "url_path": request.path,
            "url_params": path_params,
        }
    )
    return {**path_params, **(parsed or {})}
