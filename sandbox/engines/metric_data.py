"""GetMetricData: periods on the clock's own grid, percentiles, and a look-up instead of a search per period.

moto counts periods from the window's start, knows no percentile, and looks through every metric for each
period, so that a window of a month takes minutes; expressions are metric math as alarms know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.engines import alarm_state, alarms, service_quota
from sandbox.engines.alarm_state import Sample


def install() -> None:
    from moto.cloudwatch.models import CloudWatchBackend

    original = CloudWatchBackend.get_metric_data
    if hasattr(original, "of_the_sandbox"):
        return

    def get_metric_data(
        self: Any,
        queries: list[dict[str, Any]],
        start_time: datetime,
        end_time: datetime,
        scan_by: str = "TimestampAscending",
    ) -> list[dict[str, Any]]:
        if start_time >= end_time or any(not _is_ours(query) for query in queries):
            return original(self, queries, start_time, end_time, scan_by)  # type: ignore[no-any-return]
        return answer(queries, start_time, end_time, scan_by == "TimestampDescending")

    get_metric_data.of_the_sandbox = True  # type: ignore[attr-defined]
    CloudWatchBackend.get_metric_data = get_metric_data


def self_test() -> None:
    from sandbox.selftest import check

    backend = "moto.cloudwatch.models:CloudWatchBackend.get_metric_data"
    check(backend, "self", "queries", "start_time", "end_time", "scan_by")


def _is_ours(query: dict[str, Any]) -> bool:
    """Not the metrics of storage, which moto makes when asked, and no SQL."""
    if "MetricStat" in query:
        return query["MetricStat"]["Metric"]["Namespace"] != "AWS/S3"
    return not query.get("Expression", "SELECT").startswith("SELECT")


def answer(
    queries: Sequence[dict[str, Any]], start: datetime, end: datetime, newest_first: bool
) -> list[dict[str, Any]]:
    """An expression may use any metric of the call, whatever their order; one that returns no data too."""
    measured = {
        query["Id"]: _measured(query, start, end, newest_first) for query in queries if "MetricStat" in query
    }
    usages = {query["Id"]: _usage(query["MetricStat"]) for query in queries if "MetricStat" in query}
    return [
        measured.get(query["Id"]) or _computed(query, measured, usages, newest_first)
        for query in queries
        if query.get("ReturnData", True)
    ]


def _computed(
    query: dict[str, Any],
    measured: dict[str, dict[str, Any]],
    usages: dict[str, service_quota.Usage],
    newest_first: bool,
) -> dict[str, Any]:
    """Metric math, where at least one of its metrics has a point."""
    times = sorted({time for result in measured.values() for time in result["timestamps"]})
    points: dict[str, list[float | None]] = {}
    for name, result in measured.items():
        known = dict(zip(result["timestamps"], result["values"], strict=True))
        points[name] = [known.get(time) for time in times]
    values = alarm_state.series(service_quota.applied(query["Expression"], usages), points)
    pairs = [(time, value) for time, value in zip(times, values, strict=True) if value is not None]
    pairs.sort(reverse=newest_first)
    label = query.get("Label") or query["Id"]
    return _result(query["Id"], label, [time for time, _ in pairs], [value for _, value in pairs])


def _usage(stat: dict[str, Any]) -> service_quota.Usage:
    metric = stat["Metric"]
    return service_quota.Usage(
        namespace=metric["Namespace"],
        name=metric["MetricName"],
        dimensions={each["Name"]: each["Value"] for each in metric.get("Dimensions", [])},
        seconds=int(stat["Period"]),
    )


def _measured(query: dict[str, Any], start: datetime, end: datetime, newest_first: bool) -> dict[str, Any]:
    wanted = query["MetricStat"]
    metric, period = wanted["Metric"], int(wanted["Period"])
    dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])}
    samples = alarms.samples(metric["Namespace"], metric["MetricName"], dimensions)
    first, last = _seconds(start) // period * period, _seconds(end)
    buckets: dict[float, list[Sample]] = {}
    for sample in samples:
        if first <= sample.at < last:
            buckets.setdefault(sample.at // period * period, []).append(sample)
    begins = sorted(buckets, reverse=newest_first)
    return _result(
        query["Id"],
        query.get("Label") or metric["MetricName"],
        [datetime.fromtimestamp(begin, UTC).replace(tzinfo=None) for begin in begins],
        [alarm_state.statistic(wanted["Stat"], buckets[begin]) for begin in begins],
    )


def _result(name: str, label: str, times: list[Any], values: list[Any]) -> dict[str, Any]:
    return {"id": name, "label": label, "timestamps": times, "values": values, "status_code": "Complete"}


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
