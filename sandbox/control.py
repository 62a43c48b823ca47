"""The sandbox's own API beside the AWS ones: /_sandbox/<name>, routes that the engines register."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote

PREFIX = "/_sandbox/"

Route = Callable[[dict[str, Any]], Any]
_routes: dict[str, Route] = {}


class ControlError(ValueError):
    """The request to a control route is wrong; answered as 400 with its message."""


def route(name: str, fn: Route) -> None:
    """Serve /_sandbox/<name> and below by fn(request) -> anything JSON can hold.

    The request is the query and the JSON body merged, plus "_method", "_path" (what follows the name, without
    the slash) and "_body" (the raw bytes). Registering a name again replaces it, so install() may run twice.
    """
    _routes[name] = fn


def routes() -> tuple[str, ...]:
    return tuple(sorted(_routes))


def serve(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI application of the control routes."""
    name, _, rest = unquote(environ["PATH_INFO"][len(PREFIX) :]).partition("/")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    try:
        status, answer = "200 OK", _call(name, rest, environ, body)
    except ControlError as error:
        status, answer = "400 Bad Request", {"error": str(error)}
    except Exception as error:  # whatever an engine raises is the answer, with its trace
        status = "500 Internal Server Error"
        answer = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
    data = json.dumps(answer, default=str).encode()
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]


def _call(name: str, rest: str, environ: dict[str, Any], body: bytes) -> Any:
    if name not in _routes:
        raise ControlError(f"no control route {name!r}; there are: {', '.join(routes())}")
    request: dict[str, Any] = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    if body[:1] == b"{":
        request |= json.loads(body)
    request |= {"_method": environ["REQUEST_METHOD"], "_path": rest, "_body": body}
    return _routes[name](request)


def _health(_: dict[str, Any]) -> dict[str, Any]:
    from sandbox import account, parts, work

    return {
        "status": "ok",
        "account": account.ACCOUNT,
        "region": account.REGION,
        "endpoint": account.endpoint(),
        "parts": parts.present(),
        "absent": parts.absent(),
        "routes": routes(),
        "work": work.status(),
    }


route("health", _health)
