"""Step Functions on the account's clock; only retries keep wall time, shortened."""

from __future__ import annotations

import sys
import time
import types
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from sandbox import clock, work
from sandbox.engines.state_calls import timestamp

RETRY_SECONDS = 2.0  # AWS waits as long as the retrier says; here the cause does not heal by waiting

_units: dict[str, int] = {}  # execution ARN -> its unit of work


class Moment(datetime):
    """A datetime that writes itself as Step Functions does: 2030-01-31T08:00:00.000Z."""

    @classmethod
    def of(cls, moment: datetime) -> Moment:
        utc = moment.astimezone(UTC)
        return cls(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, UTC)

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:  # noqa: ARG002
        return timestamp(datetime.fromtimestamp(self.timestamp(), UTC))


class _ClockDatetime(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        # moto compares naive times read here with UTC ones from definitions.
        return Moment.of(clock.now()) if tz is not None else clock.now().replace(tzinfo=None)


_datetime_module = types.SimpleNamespace(
    datetime=_ClockDatetime, timezone=timezone, timedelta=timedelta, date=date, UTC=UTC
)


def belongs(execution_arn: str, unit: int) -> None:
    _units[execution_arn] = unit


class _Ended:
    """Looks like an Event to the clock: set as soon as the execution no longer runs."""

    def __init__(self, env: Any) -> None:
        self._env = env

    def is_set(self) -> bool:
        return not self._env.is_running()


def _wait_interval(self: Any, env: Any, wait_seconds: float) -> None:  # noqa: ARG001
    data = env.states.context_object.context_object_data
    unit = _units.get(data["Execution"]["Id"])
    with work.as_unit(unit):
        clock.wait_until(clock.now() + timedelta(seconds=wait_seconds), _Ended(env))


def _sleep(seconds: float) -> None:
    time.sleep(min(float(seconds), RETRY_SECONDS))


def install() -> None:
    import datetime as real
    import time as real_time

    import moto.stepfunctions.parser.asl.component.common.retry.retrier_decl as retrier
    import moto.stepfunctions.parser.asl.component.state.wait.wait_function.timestamp  # noqa: F401 - patched below
    from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

    for name, module in list(sys.modules.items()):
        if name.startswith("moto.stepfunctions.parser") and getattr(module, "datetime", None) is real:
            if name.endswith(("is_operator", "encoding")):
                continue  # these only parse and write
            module.datetime = _datetime_module
    retrier.time = types.SimpleNamespace(sleep=_sleep, time=real_time.time)
    WaitFunction._wait_interval = _wait_interval


def reset() -> None:
    _units.clear()


def self_test() -> None:
    from sandbox.selftest import check

    base = "moto.stepfunctions.parser.asl.component"
    check(
        f"{base}.state.wait.wait_function.wait_function:WaitFunction._wait_interval",
        "self",
        "env",
        "wait_seconds",
    )
    check(f"{base}.common.retry.retrier_decl:time.sleep")
    check(f"{base}.state.state:datetime.datetime")
    check("moto.stepfunctions.parser.asl.eval.event.event_manager:datetime.datetime")
    check("moto.stepfunctions.parser.models:datetime.datetime")
