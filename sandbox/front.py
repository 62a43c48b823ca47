"""The account's front door: control routes, and AWS calls signed with a key of this account; nothing else."""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from sandbox import account, control, regions

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/[^/]+/([^/]+)/([^/]+)/aws4_request")
_HOST = re.compile(r"([a-z0-9.-]+\.)?(localhost|127\.0\.0\.1)(:\d+)?$", re.I)
# moto's own back doors: state reset without a principal, and a caller who names another account.
_MOTO_PATHS = ("/moto-api", "/latest/", "/favicon.ico")

_known: dict[str, Any] = {}


def reset() -> None:
    _known.clear()


def server(port: int) -> Any:
    """A threaded WSGI server bound to the loopback interface; not yet serving."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    class Handler(MotoRequestHandler):  # type: ignore[misc]
        disable_nagle_algorithm = True  # headers and body are two writes: without this each call waits 40 ms

        def log_request(self, *_: object) -> None:
            """Silent: the record of calls is sandbox/iam/record.py."""

    def create_app(service: Any) -> Any:
        app = create_backend_app(service)
        app.register_error_handler(Exception, _defect)
        return app

    wsgi = application(DomainDispatcherApplication(create_app))
    return make_server("127.0.0.1", port, wsgi, threaded=True, request_handler=Handler)


def _defect(error: Exception) -> Any:
    """What moto does not implement, and what breaks inside it or us.

    Never a 500: SDKs repeat those, and a repeated half-done call can look like a success.
    """
    from flask import request
    from werkzeug.exceptions import HTTPException

    if isinstance(error, HTTPException):
        return error
    code = "NotImplemented" if isinstance(error, NotImplementedError) else "SandboxDefect"
    _, service, _ = _signer(request.environ)
    operation = request.headers.get("X-Amz-Target") or request.values.get("Action") or request.path
    message = f"{service} {operation}: {type(error).__name__}: {error}"
    if code == "SandboxDefect":
        print(f"sandbox: {message}\n{''.join(traceback.format_exception(error))}", file=sys.stderr)
    content_type, body = _error_body(request.environ, service, code, message)
    return body, 501, {"Content-Type": content_type, "x-amzn-errortype": code}


def application(moto: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """The WSGI application around moto's."""

    def serve(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not _HOST.match(environ.get("HTTP_HOST", "")):  # a page in a browser that had its name rebound
            return _answer(start, "403 Forbidden", "text/plain", "the sandbox answers to localhost only")
        if "HTTP_ORIGIN" in environ:  # only browsers send it, with what a page asks for on its own account
            return _answer(start, "403 Forbidden", "text/plain", "the sandbox answers no page in a browser")
        if path.startswith(control.PREFIX):
            return control.serve(environ, start)
        if path.startswith(_MOTO_PATHS):
            return _answer(start, "404 Not Found", "text/plain", f"{path} is not served by the sandbox")
        environ.pop("HTTP_X_MOTO_ACCOUNT_ID", None)
        access_key, service, signed = _signer(environ)
        if access_key is None or not is_known(access_key):
            return _refusal(environ, start, access_key, service)
        region = _region(environ, service)
        if regions.is_off(region) or regions.is_off(signed):
            return _unreachable(environ, start, service, region)
        with regions.at(region):
            return moto(environ, start)

    return serve


def is_known(access_key: str) -> bool:
    """True for the root key, for users' access keys, and for every session that STS handed out here."""
    if access_key == account.ROOT_ACCESS_KEY or access_key in _known:
        return True
    from moto.iam.models import iam_backends
    from moto.sts.models import sts_backends

    session = sts_backends[account.ACCOUNT]["aws"].get_assumed_role_from_access_key(access_key)
    if session is not None:
        _known[access_key] = session
        return True
    # Not remembered: a user's key can be deleted or made inactive.
    users = list(iam_backends[account.ACCOUNT]["aws"].users.values())
    active = {key.access_key_id for user in users for key in user.access_keys if key.status == "Active"}
    return access_key in active


def _signer(environ: dict[str, Any]) -> tuple[str | None, str, str]:
    """Access key, service and Region of a signed request, from the header or from a presigned URL."""
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    if match := _CREDENTIAL.search(authorization):
        return match[1], match[3], match[2]
    if authorization.startswith("AWS "):
        return authorization[4:].split(":")[0], "s3", regions.HOME
    query = parse_qs(environ.get("QUERY_STRING", ""))
    if scope := query.get("X-Amz-Credential"):
        parts = scope[0].split("/")
        if len(parts) > 3:
            return parts[0], parts[3], parts[2]
        return parts[0], "s3", regions.HOME
    if key := query.get("AWSAccessKeyId"):
        return key[0], "s3", regions.HOME
    return None, "", regions.HOME


def _region(environ: dict[str, Any], service: str) -> str:
    """Where a request is served: where its bucket is, else where it was signed for."""
    if service == "s3":
        from moto.s3.models import s3_backends

        name = unquote(environ.get("PATH_INFO", "")).lstrip("/").partition("/")[0]
        bucket = s3_backends[account.ACCOUNT]["aws"].buckets.get(name)
        if bucket is not None:
            return str(bucket.region_name)
    return _signer(environ)[2]


def _unreachable(
    environ: dict[str, Any], start: Callable[..., Any], service: str, region: str
) -> Iterable[bytes]:
    _read_rest(environ)
    message = f"the Region {region} is switched off"
    content_type, body = _error_body(environ, service, "ServiceUnavailable", message)
    return _answer(
        start, "503 Service Unavailable", content_type, body, ("x-amzn-errortype", "ServiceUnavailable")
    )


def _read_rest(environ: dict[str, Any]) -> None:
    """Unread, the body would be taken for the next request on this connection."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) < 2**20:
        environ["wsgi.input"].read(int(length))


def _refusal(
    environ: dict[str, Any], start: Callable[..., Any], access_key: str | None, service: str
) -> Iterable[bytes]:
    code = "InvalidAccessKeyId" if service == "s3" else "InvalidClientTokenId"
    if access_key is None:
        code = "MissingAuthenticationToken"
    message = (
        f"access key {access_key or '(none)'} is not of this account; "
        f"allowed: {account.ROOT_ACCESS_KEY}, or a key that its IAM or STS handed out"
    )
    _read_rest(environ)
    content_type, body = _error_body(environ, service, code, message)
    return _answer(start, "403 Forbidden", content_type, body, ("x-amzn-errortype", code))


def _error_body(environ: dict[str, Any], service: str, code: str, message: str) -> tuple[str, str]:
    """Content type and body of an error, as the protocol of the service writes it."""
    if service == "s3" or not service:
        return "application/xml", f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    if "form" not in environ.get("CONTENT_TYPE", ""):
        return "application/json", json.dumps({"__type": code, "code": code, "message": message})
    error = f"<Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message>"
    return "text/xml", f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"


def _answer(
    start: Callable[..., Any], status: str, content_type: str, text: str, *headers: tuple[str, str]
) -> list[bytes]:
    body = text.encode()
    start(status, [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers])
    return [body]
