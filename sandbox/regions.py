"""The account's Regions: in which one the code at hand works, and which are switched off.

A call works in the Region that it is signed for; what it sets going (threads, timers, deliveries) stays
there. IAM, STS and the names of buckets are the account's, whatever the Region.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

HOME = "us-east-1"

_current: contextvars.ContextVar[str] = contextvars.ContextVar("region", default=HOME)
_lock = threading.Lock()
_used: dict[str, None] = {HOME: None}  # in the order in which they were first called
_off: set[str] = set()
_listeners: list[Callable[[str], None]] = []
_preparers: list[Callable[[], None]] = []


def current() -> str:
    return _current.get()


@contextlib.contextmanager
def at(region: str) -> Iterator[None]:
    """The block works in that Region."""
    with _lock:
        is_new = region not in _used
        _used[region] = None
    token = _current.set(region)
    try:
        for prepare in _preparers if is_new else ():
            prepare()
        yield
    finally:
        _current.reset(token)


def of(arn: str) -> str:
    """The Region that an ARN names; the current one where it names none."""
    parts = arn.split(":", 5)
    return (parts[3] if len(parts) == 6 and parts[0] == "arn" else "") or current()


def used() -> tuple[str, ...]:
    """Those that were called, the first one first."""
    with _lock:
        return tuple(_used)


def carried(call: Callable[..., Any]) -> Callable[..., Any]:
    """The call in the Region of now, from whichever thread it is made."""
    region = current()

    def run(*args: Any, **kwargs: Any) -> Any:
        with at(region):
            return call(*args, **kwargs)

    return run


def switch(region: str, *, off: bool) -> None:
    """Every call that is signed for a Region that is off, or that goes to a bucket there, is refused."""
    with _lock:
        (_off.add if off else _off.discard)(region)
    for listener in list(_listeners) if not off else ():
        listener(region)


def is_off(region: str) -> bool:
    return region in _off


def on_first_use(prepare: Callable[[], None]) -> None:
    """Calls prepare() in each Region before its first call: what AWS has there before anybody comes."""
    if prepare not in _preparers:
        _preparers.append(prepare)


def on_return(listener: Callable[[str], None]) -> None:
    """Calls listener(region) when a Region is switched on again."""
    if listener not in _listeners:
        _listeners.append(listener)


def _route(request: dict[str, Any]) -> dict[str, Any]:
    from sandbox import control

    region, wanted = request.get("region"), str(request.get("off", "")).lower()
    if region is not None:
        if wanted not in ("true", "false"):
            raise control.ControlError(f"off is {wanted!r}; allowed: true or false")
        switch(str(region), off=wanted == "true")
    return {"current": HOME, "used": used(), "off": sorted(_off)}


def install() -> None:
    from sandbox import control

    control.route("regions", _route)


def reset() -> None:
    with _lock:
        _off.clear()
        _used.clear()
        _used[HOME] = None
