"""One movable clock for the whole account: timers fire in time order, waits end when it passes them."""

from __future__ import annotations

import heapq
import itertools
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sandbox import regions, work

Listener = Callable[[datetime, datetime], None]

_moves = threading.RLock()  # one move (or one due timer) at a time, so that time order holds
_state = threading.Condition()
_offset = timedelta(0)
_timers: list[Timer] = []
_listeners: list[Listener] = []
_numbers = itertools.count()
_ticker: threading.Thread | None = None
_frozen: tuple[int, datetime] | None = None  # (thread, instant) while a due timer is being fired


@dataclass(order=True)
class Timer:
    """A call due at an instant; `relative` ones keep their distance when the clock is put back."""

    when: datetime
    number: int
    call: Callable[[], object] = field(compare=False)
    name: str = field(compare=False)
    relative: bool = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


def now() -> datetime:
    """The account's time; inside a timer's call, exactly the instant it was due."""
    frozen = _frozen
    if frozen is not None and frozen[0] == threading.get_ident():
        return frozen[1]
    return datetime.now(UTC) + _offset


def offset() -> timedelta:
    """How far the account's time is ahead of the machine's."""
    return _offset


def set(when: datetime) -> None:
    """Moves the clock, forwards through every due timer, or backwards."""
    if when.tzinfo is None:
        raise ValueError(f"clock instant has no time zone: got {when.isoformat()}, allowed an aware datetime")
    with _moves:
        old = now()
        if when >= old:
            _fire_through(when)
        _shift_to(when)
        if when < old:
            _rebase(when - old)
        _notify(old, when)


def advance(by: timedelta) -> None:
    if by < timedelta(0):
        raise ValueError(f"clock cannot advance by a negative time: got {by}, use set() to put it back")
    set(now() + by)


def on_move(listener: Listener) -> None:
    """Calls listener(old, new) after every explicit move."""
    if listener not in _listeners:
        _listeners.append(listener)


def call_at(when: datetime, call: Callable[[], object], *, name: str, relative: bool = False) -> Timer:
    """Calls `call` when the clock reaches `when`; it should only start work, not wait."""
    timer = Timer(when, next(_numbers), regions.carried(call), name, relative)
    with _state:
        heapq.heappush(_timers, timer)
        _ensure_ticker()
        _state.notify_all()
    return timer


def call_after(delay: timedelta, call: Callable[[], object], *, name: str) -> Timer:
    return call_at(now() + delay, call, name=name, relative=True)


def wait_until(when: datetime, cancelled: threading.Event | None = None) -> bool:
    """Blocks until the clock has passed `when`; False if `cancelled` was set first."""
    with work.waiting(f"clock {when.isoformat()}"), _state:
        while True:
            if cancelled is not None and cancelled.is_set():
                return False
            remaining = (when - now()).total_seconds()
            if remaining <= 0:
                return True
            # A cancellation does not notify the clock, hence the short steps when one is possible.
            _state.wait(min(remaining, 0.25 if cancelled is not None else 60.0))


def timers() -> list[tuple[datetime, str]]:
    """What is due and when, soonest first."""
    with _state:
        return [(timer.when, timer.name) for timer in sorted(_timers) if not timer.cancelled]


def reset() -> None:
    """Back to the machine's time, nothing due; listeners stay (they are installed once)."""
    global _offset
    with _moves, _state:
        _offset = timedelta(0)
        _timers.clear()
        _state.notify_all()


def _fire_through(when: datetime) -> None:
    while (timer := _pop_due(when)) is not None:
        if timer.when > now():
            _shift_to(timer.when)
        _fire(timer)


def _pop_due(when: datetime) -> Timer | None:
    with _state:
        while _timers and (_timers[0].cancelled or _timers[0].when <= when):
            timer = heapq.heappop(_timers)
            if not timer.cancelled:
                return timer
    return None


def _fire(timer: Timer) -> None:
    global _frozen
    outer, _frozen = _frozen, (threading.get_ident(), timer.when)
    try:
        timer.call()
    except Exception as error:
        work.fail(timer.name, error)
    finally:
        _frozen = outer


def _shift_to(when: datetime) -> None:
    global _offset
    with _state:
        _offset = when - datetime.now(UTC)
        _state.notify_all()


def _rebase(by: timedelta) -> None:
    with _state:
        for timer in _timers:
            if timer.relative:
                timer.when += by
        heapq.heapify(_timers)


def _notify(old: datetime, new: datetime) -> None:
    for listener in list(_listeners):
        try:
            listener(old, new)
        except Exception as error:
            work.fail(f"clock listener {getattr(listener, '__qualname__', listener)}", error)


def _ensure_ticker() -> None:
    global _ticker
    if _ticker is None or not _ticker.is_alive():
        _ticker = threading.Thread(target=_tick, name="sandbox-clock", daemon=True)
        _ticker.start()


def _tick() -> None:
    """Fires what falls due while nobody moves the clock."""
    while True:
        with _state:
            remaining = (_timers[0].when - now()).total_seconds() if _timers else 60.0
            if remaining > 0:
                _state.wait(min(remaining, 60.0))
                continue
        if not _moves.acquire(timeout=1.0):
            continue
        try:
            _fire_through(now())
        finally:
            _moves.release()
        time.sleep(0.001)


def install() -> None:
    """moto's services tell the account's time too: object, log and metric dates agree with schedules."""
    import moto.core.utils as utils

    if getattr(utils.utcnow, "of_the_sandbox", False):
        return
    original = utils.utcnow

    def utcnow() -> datetime:
        return now().replace(tzinfo=None)

    utcnow.of_the_sandbox = True  # type: ignore[attr-defined]
    utils.utcnow = utcnow
    # Modules loaded so far hold the function by name; later ones import the new one.
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.") and getattr(module, "utcnow", None) is original:
            module.utcnow = utcnow


def self_test() -> None:
    from sandbox.selftest import check

    check("moto.core.utils:utcnow")
