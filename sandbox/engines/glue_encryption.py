"""Encryption by our keys in what Spark writes, although its AWS SDK refuses to speak of keys over plain HTTP.

S3A would send the key of the job's security configuration with every write, and with every copy the key of
the source, which it read from the answer to a HEAD. Here the SDK never hears of keys, and the headers that
S3A would have sent are put on its calls before they are authorised. Calls of boto3 in the same job are left
alone: a security configuration does not touch those on AWS either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

from sandbox import selftest
from sandbox.engines.backends import backend

_KEY = re.compile(r"Credential=([^/,\s]+)/")
_KEY_HEADER = "x-amz-server-side-encryption-aws-kms-key-id"
_keys: dict[str, str] = {}


def use(access_key: str, kms_key: str) -> None:
    """From now on, what Spark writes with this access key is encrypted with the key."""
    _keys[access_key] = kms_key


def forget(access_key: str) -> None:
    _keys.pop(access_key, None)


def add_headers(environ: dict[str, Any]) -> None:
    """Adds the headers that S3A would have sent."""
    if not _writes(environ):
        return
    match = _KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
    key = _keys.get(match[1]) if match else None
    if key := key or _source_key(environ.get("HTTP_X_AMZ_COPY_SOURCE", "")):
        environ["HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION"] = "aws:kms"
        environ["HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID"] = key


def _source_key(copy_source: str) -> str | None:
    bucket_name, _, name = unquote(copy_source).lstrip("/").partition("/")
    bucket = backend("s3").buckets.get(bucket_name)
    found = bucket.keys.get(name) if bucket else None
    return getattr(found, "kms_key_id", None)


def _writes(environ: dict[str, Any]) -> bool:
    query = environ.get("QUERY_STRING", "")
    if environ["REQUEST_METHOD"] == "POST":
        return query.startswith("uploads")
    return environ["REQUEST_METHOD"] == "PUT" and "partNumber=" not in query


def install() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

    dispatch = DomainDispatcherApplication.__call__
    if getattr(dispatch, "adds_headers", False):
        return

    def call(self: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "aws-sdk-java" not in environ.get("HTTP_USER_AGENT", ""):
            return dispatch(self, environ, start_response)  # type: ignore[no-any-return]

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            kept = [header for header in headers if header[0].lower() != _KEY_HEADER]
            return start_response(status, kept, *rest)

        add_headers(environ)
        return dispatch(self, environ, start)  # type: ignore[no-any-return]

    call.adds_headers = True  # type: ignore[attr-defined]
    DomainDispatcherApplication.__call__ = call


def self_test() -> None:
    application = "moto.moto_server.werkzeug_app:DomainDispatcherApplication"
    if not getattr(selftest.check(f"{application}.__call__"), "adds_headers", False):
        selftest.check(f"{application}.__call__", "self", "environ", "start_response")
