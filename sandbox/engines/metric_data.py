"""GetMetricData: periods on the clock's own grid, percentiles, and a look-up instead of a search per period.

moto counts periods from the window's start, knows no percentile, and looks through every metric for each
period: a window of a month takes it minutes. Its expressions work on what is answered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.engines import alarm_state, alarms
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
    check("moto.cloudwatch.metric_data_expression_parser:parse_expression", "expression", "results")


def _is_ours(query: dict[str, Any]) -> bool:
    """Not the metrics of storage, which moto makes when asked, and no SQL."""
    if "MetricStat" in query:
        return query["MetricStat"]["Metric"]["Namespace"] != "AWS/S3"
    return not query.get("Expression", "SELECT").startswith("SELECT")


def answer(
    queries: Sequence[dict[str, Any]], start: datetime, end: datetime, newest_first: bool
) -> list[dict[str, Any]]:
    from moto.cloudwatch.metric_data_expression_parser import parse_expression

    results = [_measured(query, start, end, newest_first) for query in queries if "MetricStat" in query]
    shown = {query["Id"] for query in queries if query.get("ReturnData", True)}
    answers = [result for result in results if result["id"] in shown]
    for query in queries:
        if "Expression" in query:
            values, times = parse_expression(query["Expression"], results)
            answers.append(_result(query["Id"], query.get("Label") or query["Id"], times, values))
    return answers


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
