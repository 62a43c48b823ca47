"""Metrics that AWS services emit by themselves, on the account's clock; alarms hear of every new one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sandbox import clock
from sandbox.engines.backends import backend

_listeners: list[Callable[[], None]] = []


def on_data(listener: Callable[[], None]) -> None:
    """Calls listener() after new data have arrived, by a service or by PutMetricData."""
    if listener not in _listeners:
        _listeners.append(listener)


def put(
    *,
    namespace: str,
    name: str,
    value: float,
    dimensions: dict[str, str] | None = None,
    unit: str = "None",
    at: datetime | None = None,
) -> None:
    """One value; `at` None = now. Written as the service itself does it: no caller, no permission."""
    from moto.cloudwatch.models import MetricDatum

    pairs = [{"Name": key, "Value": text} for key, text in sorted((dimensions or {}).items())]
    # moto keeps metric times as naive UTC.
    stamp = (at or clock.now()).astimezone(UTC).replace(tzinfo=None)
    backend("cloudwatch").metric_data.append(MetricDatum(namespace, name, value, pairs, stamp, unit))
    arrived()


def arrived() -> None:
    for listener in list(_listeners):
        listener()
