"""Work that goes on behind the API: named, counted, and no failure of it is ever lost."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox import regions

_changed = threading.Condition()
_running: dict[int, Unit] = {}
_failures: deque[Failure] = deque(maxlen=500)
_failure_count = 0
_probes: dict[str, Callable[[], bool]] = {}
_numbers = itertools.count()
_current = threading.local()


@dataclass
class Unit:
    name: str
    started: float
    waiting_for: str | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    name: str
    error: str
    message: str
    trace: str
    at: str


def start(name: str, fn: Callable[..., object], *args: object, **kwargs: object) -> threading.Thread:
    """Runs fn in a daemon thread; its exception is kept as a failure under `name`."""
    number = next(_numbers)
    with _changed:
        _running[number] = Unit(name, time.monotonic())  # counted before it runs: idle() cannot miss it

    def run() -> None:
        _current.number = number
        try:
            fn(*args, **kwargs)
        except BaseException as error:
            fail(name, error)
        finally:
            with _changed:
                _running.pop(number, None)
                _changed.notify_all()

    thread = threading.Thread(target=regions.carried(run), name=name, daemon=True)
    thread.start()
    return thread


@contextlib.contextmanager
def doing(name: str) -> Iterator[None]:
    """Counts a block of the calling thread as work (a loop that is idle between blocks uses it)."""
    number = next(_numbers)
    outer = getattr(_current, "number", None)
    with _changed:
        _running[number] = Unit(name, time.monotonic())
    _current.number = number
    try:
        yield
    finally:
        _current.number = outer
        with _changed:
            _running.pop(number, None)
            _changed.notify_all()


def current() -> int | None:
    """Number of the unit of work that the calling thread does."""
    return getattr(_current, "number", None)


@contextlib.contextmanager
def as_unit(number: int | None) -> Iterator[None]:
    """The calling thread works for a unit that another thread started."""
    outer = getattr(_current, "number", None)
    _current.number = number
    try:
        yield
    finally:
        _current.number = outer


@contextlib.contextmanager
def waiting(reason: str) -> Iterator[None]:
    """Marks the calling work as waiting (for the clock, for other work): idle() does not wait for it."""
    with _changed:
        number = getattr(_current, "number", None)
        unit = _running.get(number) if number is not None else None
        before = unit.waiting_for if unit else None
        if unit:
            unit.waiting_for = reason
            _changed.notify_all()
    try:
        yield
    finally:
        if unit:
            with _changed:
                unit.waiting_for = before


def probe(name: str, busy: Callable[[], bool]) -> None:
    """Registers a question idle() asks as well: is this engine still busy with what it already has?"""
    _probes[name] = busy


def fail(name: str, error: BaseException) -> None:
    """Keeps a failure that has no caller to go to."""
    global _failure_count
    trace = "".join(traceback.format_exception(error))
    at = datetime.now(UTC).isoformat(timespec="seconds")
    with _changed:
        _failure_count += 1
        _failures.append(
            Failure(name=name, error=type(error).__name__, message=str(error), trace=trace, at=at)
        )


def failures() -> list[Failure]:
    with _changed:
        return list(_failures)


def busy() -> list[str]:
    """Names of all work that is neither finished nor waiting."""
    with _changed:
        names = [unit.name for unit in _running.values() if unit.waiting_for is None]
    return names + [name for name, is_busy in _probes.items() if is_busy()]


def idle(timeout: float) -> bool:
    """Waits until nothing is busy, twice in a row (work may be about to start work); False at the timeout."""
    deadline = time.monotonic() + timeout
    calm = 0
    while calm < 2:
        calm = 0 if busy() else calm + 1
        if time.monotonic() > deadline:
            return False
        if calm < 2:
            with _changed:
                _changed.wait(0.01)
    return True


def status() -> dict[str, object]:
    """What `python -m sandbox status` shows."""
    with _changed:
        units = list(_running.values())
        kept = list(_failures)
        count = _failure_count
    return {
        "busy": [unit.name for unit in units if unit.waiting_for is None],
        "waiting": [{"name": unit.name, "for": unit.waiting_for} for unit in units if unit.waiting_for],
        "failure_count": count,
        "failures": [
            {"name": f.name, "error": f.error, "message": f.message, "at": f.at, "trace": f.trace}
            for f in kept
        ],
    }


def reset() -> None:
    """Forgets failures; running work ends by its own engine's reset."""
    global _failure_count
    with _changed:
        _failures.clear()
        _failure_count = 0
        _running.clear()
        _changed.notify_all()
