"""Metrics of endpoints: counted per variant and minute of the account's clock, published when it is over."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sandbox import clock, regions, selftest
from sandbox.engines import metrics
from sandbox.engines.backends import backend

_NAMESPACE = "AWS/SageMaker"
_MINUTE = timedelta(minutes=1)
_KEPT_LATENCIES = 100  # single values per minute, for percentiles; evenly taken if there are more


@dataclass
class _Minute:
    last: datetime  # of its invocations: the stamp of the values, so that alarms find them in their window
    invocations: int = 0
    client_errors: int = 0
    server_errors: int = 0
    model: list[float] = field(default_factory=list)
    overhead: list[float] = field(default_factory=list)


_lock = threading.Lock()
_minutes: dict[tuple[str, str, datetime, str], _Minute] = {}  # the last is the Region


def count(endpoint: str, variant: str, *, status: int, model: float, overhead: float, at: datetime) -> None:
    """One invocation; latencies in microseconds."""
    start = at.replace(second=0, microsecond=0)
    with _lock:
        key = (endpoint, variant, start, regions.current())
        new = key not in _minutes
        minute = _minutes.setdefault(key, _Minute(last=at))
        minute.last = max(minute.last, at)
        minute.invocations += 1
        minute.client_errors += 400 <= status < 500
        minute.server_errors += status >= 500
        minute.model.append(model)
        minute.overhead.append(overhead)
    if new:
        # Due when the minute is over, in the order of time, however the clock gets there.
        clock.call_at(start + _MINUTE, publish, name=f"metrics of endpoint {endpoint}")


def publish() -> None:
    """Hands over every minute that is over."""
    now = clock.now()
    with _lock:
        over = [key for key in _minutes if key[2] + _MINUTE <= now]
        taken = {key: _minutes.pop(key) for key in over}
    for (endpoint, variant, _, region), minute in taken.items():
        with regions.at(region):
            _publish(endpoint, variant, minute)
    if taken:
        metrics.arrived()


def _publish(endpoint: str, variant: str, minute: _Minute) -> None:
    count_of = minute.invocations
    counts = {
        "Invocations": count_of,
        "Invocation4XXErrors": minute.client_errors,
        "Invocation5XXErrors": minute.server_errors,
        "InvocationModelErrors": minute.client_errors + minute.server_errors,
    }
    for name, total in counts.items():
        _put_sum(endpoint, variant, minute.last, name, samples=count_of, total=total)
    for name, values in (("ModelLatency", minute.model), ("OverheadLatency", minute.overhead)):
        step = -(-len(values) // _KEPT_LATENCIES)
        for value in sorted(values)[::step]:
            _put_value(endpoint, variant, minute.last, name, value)


def _dimensions(endpoint: str, variant: str) -> list[dict[str, str]]:
    return [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}]


def _put_sum(endpoint: str, variant: str, at: datetime, name: str, *, samples: int, total: int) -> None:
    """One sample per invocation, 1 or 0: the sum counts, the average is a rate."""
    from moto.cloudwatch.models import MetricAggregatedDatum

    low, high = int(total == samples), int(total > 0)
    stamp = at.astimezone(UTC).replace(tzinfo=None)
    datum = MetricAggregatedDatum(
        _NAMESPACE, name, low, high, samples, total, _dimensions(endpoint, variant), stamp, "None"
    )
    backend("cloudwatch").metric_data.append(datum)


def _put_value(endpoint: str, variant: str, at: datetime, name: str, value: float) -> None:
    from moto.cloudwatch.models import MetricDatum

    stamp = at.astimezone(UTC).replace(tzinfo=None)
    datum = MetricDatum(_NAMESPACE, name, value, _dimensions(endpoint, variant), stamp, "Microseconds")
    backend("cloudwatch").metric_data.append(datum)


def reset() -> None:
    with _lock:
        _minutes.clear()


def self_test() -> None:
    selftest.check(
        "moto.cloudwatch.models:MetricAggregatedDatum",
        *(
            "namespace",
            "name",
            "min_stat",
            "max_stat",
            "sample_count",
            "sum_stat",
            "dimensions",
            "timestamp",
            "unit",
        ),
    )
    selftest.check(
        "moto.cloudwatch.models:MetricDatum",
        *("namespace", "name", "value", "dimensions", "timestamp", "unit"),
    )
