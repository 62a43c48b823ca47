"""CloudWatch alarms: evaluated when metrics arrive and when the clock moves."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox import clock, logs, regions, work
from sandbox.engines import alarm_actions, alarm_state, metrics, service_quota
from sandbox.engines.alarm_state import Judgement, Sample
from sandbox.engines.backends import backend

_Series = tuple[str, str, str, frozenset[tuple[str, str]]]  # Region, namespace, name, dimensions

_lock = threading.RLock()
_index: dict[_Series, list[Sample]] = {}
_indexed: dict[str, int] = {}  # how many of a Region's data were read
_due = False
_broken: set[str] = set()  # alarms that cannot be evaluated, reported once each
_checks: dict[str, clock.Timer] = {}


# ------------------------------------------------------------------ when


def arrived() -> None:
    """New metrics or alarms: one evaluation very soon, and in any case before the clock moves on."""
    global _due
    with _lock:
        if _due:
            return
        _due = True
    clock.call_after(timedelta(seconds=0.05), _evaluate_due, name="alarms")


def _evaluate_due() -> None:
    global _due
    with _lock:
        _due = False
    evaluate()


def _moved(old: datetime, new: datetime) -> None:
    del old, new
    evaluate()


def evaluate() -> None:
    """Every alarm of every Region."""
    for region in regions.used():
        with regions.at(region):
            _evaluate()


def _evaluate() -> None:
    """Composite ones last; an alarm that cannot be evaluated is a named failure, once."""
    with _lock:
        _read_new_metrics()
        alarms = list(backend("cloudwatch").alarms.values())
        for alarm in sorted(alarms, key=lambda alarm: alarm.rule is not None):
            try:
                judgement = _composite(alarm) if alarm.rule else _metric(alarm)
            except (alarm_state.UnsupportedAlarmError, SyntaxError, KeyError) as error:
                if alarm.alarm_arn not in _broken:
                    _broken.add(alarm.alarm_arn)
                    work.fail(f"alarm {alarm.name}", error)
                continue
            if judgement.state is not None and judgement.state != alarm.state_value:
                alarm_actions.change(alarm, judgement.state, judgement.reason)


def _check_again(alarm: Any, seconds: float) -> None:
    """While data lie in the window, the state may change without new ones: as they leave it."""
    timer = _checks.get(alarm.alarm_arn)
    if timer is not None and not timer.cancelled and timer.when > clock.now():
        return
    _checks[alarm.alarm_arn] = clock.call_after(
        timedelta(seconds=seconds), evaluate, name=f"alarm {alarm.name}"
    )


# ------------------------------------------------------------------ what


def _read_new_metrics() -> None:
    region, data = regions.current(), backend("cloudwatch").metric_data
    if len(data) < _indexed.get(region, 0):
        for series in [series for series in _index if series[0] == region]:
            del _index[series]
        _indexed[region] = 0
    for datum in data[_indexed.get(region, 0) :]:
        pairs = frozenset((d.name, d.value) for d in datum.dimensions)
        _index.setdefault((region, datum.namespace, datum.name, pairs), []).append(_sample(datum))
    _indexed[region] = len(data)


def samples(namespace: str, name: str, dimensions: Mapping[str, str]) -> list[Sample]:
    """Everything that was measured of a metric, in the order in which it arrived."""
    with _lock:
        _read_new_metrics()
        return list(_index.get((regions.current(), namespace, name, frozenset(dimensions.items())), ()))


def _sample(datum: Any) -> Sample:
    moment = datum.timestamp
    at = (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()
    if hasattr(datum, "value"):
        value = float(datum.value)
        return Sample(at=at, total=value, count=1, low=value, high=value, values=(value,))
    return Sample(
        at=at,
        total=float(datum.sum),
        count=float(datum.sample_count),
        low=float(datum.min),
        high=float(datum.max),
    )


def _metric(alarm: Any) -> Judgement:
    periods = int(alarm.evaluation_periods)
    if alarm.threshold_metric_id:
        raise alarm_state.UnsupportedAlarmError("anomaly detection is not implemented by the sandbox")
    if alarm.metric_data_queries:
        points, seconds = _math(alarm, periods)
    else:
        seconds = int(alarm.period)
        key = _series(alarm.namespace, alarm.metric_name, alarm.dimensions)
        points = _points(key, alarm.statistic or alarm.extended_statistic, seconds, periods)
    if any(point is not None for point in points):
        _check_again(alarm, seconds)
    return alarm_state.judge(
        points,
        comparison=alarm.comparison_operator,
        threshold=float(alarm.threshold),
        needed=int(alarm.datapoints_to_alarm or periods),
        missing=alarm.treat_missing_data,
    )


def _math(alarm: Any, periods: int) -> tuple[alarm_state.Points, int]:
    known: dict[str, alarm_state.Points] = {}
    usages: dict[str, service_quota.Usage] = {}
    queries = list(alarm.metric_data_queries)
    stats = [query.metric_stat for query in queries if query.metric_stat]
    seconds = max((int(stat.period) for stat in stats), default=60)
    for query in queries:
        if query.metric_stat:
            stat = query.metric_stat
            key = _series(stat.metric.namespace, stat.metric.metric_name, stat.metric.dimensions)
            known[query.id] = _points(key, stat.stat, seconds, periods)
            usages[query.id] = service_quota.Usage(
                namespace=key[1], name=key[2], dimensions=dict(key[3]), seconds=seconds
            )
    remaining = [query for query in queries if not query.metric_stat]
    while remaining:  # an expression may use another one, whatever their order
        ready = [q for q in remaining if not any(_uses(q.expression, o.id) for o in remaining if o is not q)]
        if not ready:
            raise alarm_state.UnsupportedAlarmError("metric math expressions use each other in a circle")
        for query in ready:
            known[query.id] = alarm_state.series(service_quota.applied(query.expression, usages), known)
            remaining.remove(query)
    answers = [query.id for query in queries if str(query.return_data).lower() != "false"]
    if len(answers) != 1:
        raise alarm_state.UnsupportedAlarmError(
            f"alarm returns data of {answers}, allowed is exactly one query"
        )
    return known[answers[0]], seconds


def _uses(expression: str, name: str) -> bool:
    import re

    return re.search(rf"\b{re.escape(name)}\b", expression) is not None


def _series(namespace: str, name: str, dimensions: Any) -> _Series:
    return regions.current(), namespace, name, frozenset((d.name, d.value) for d in dimensions)


def _points(key: _Series, statistic: str, seconds: int, periods: int) -> list[float | None]:
    """Periods up to now, newest last: CloudWatch slides them with the time of evaluation."""
    end = clock.now().timestamp()
    start = end - periods * seconds
    buckets: list[list[Sample]] = [[] for _ in range(periods)]
    for sample in reversed(_index.get(key, ())):
        if start < sample.at <= end:
            buckets[min(periods - 1, int((sample.at - start) // seconds))].append(sample)
    return [alarm_state.statistic(statistic, bucket) for bucket in buckets]


def _composite(alarm: Any) -> Judgement:
    def state_of(name: str) -> str:
        known = backend("cloudwatch").alarms
        return str(known[name.rsplit(":alarm:", 1)[-1]].state_value)

    state = "ALARM" if alarm_state.composite(alarm.rule, state_of) else "OK"
    return Judgement(state=state, reason=f"{alarm.rule} evaluated to {state == 'ALARM'}")


# ------------------------------------------------------------------ moto's side


def install() -> None:
    from moto.cloudwatch.models import CloudWatchBackend

    original_put, original_data = CloudWatchBackend.put_metric_alarm, CloudWatchBackend.put_metric_data
    original_set = CloudWatchBackend.set_alarm_state

    def put_metric_alarm(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = self.alarms.get(kwargs["name"])
        alarm = original_put(self, *args, **kwargs)
        alarm.state_value = before.state_value if before else "INSUFFICIENT_DATA"
        _broken.discard(alarm.alarm_arn)
        arrived()
        return alarm

    def put_metric_data(self: Any, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        for datum in metric_data:
            if datum.get("Timestamp") is not None:
                datum["Timestamp"] = _naive(datum["Timestamp"])
        original_data(self, namespace, metric_data)
        metrics.arrived()

    def set_alarm_state(self: Any, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
        alarm = self.alarms.get(alarm_name)
        previous = alarm.state_value if alarm else None
        original_set(self, alarm_name, reason, reason_data, state_value)  # refuses what AWS refuses
        if alarm is not None and state_value != previous:
            alarm.state_value = previous
            alarm_actions.change(alarm, state_value, reason, reason_data or "{}")

    CloudWatchBackend.put_metric_alarm = put_metric_alarm
    CloudWatchBackend.put_metric_data = put_metric_data
    CloudWatchBackend.set_alarm_state = set_alarm_state
    metrics.on_data(arrived)
    clock.on_move(_moved)
    work.probe("alarms", lambda: _due)


def _naive(moment: Any) -> datetime:
    """The caller's stamp on the account's clock, as moto keeps it."""
    if isinstance(moment, int | float):
        moment = datetime.fromtimestamp(moment, UTC)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return logs.on_account_clock(aware).astimezone(UTC).replace(tzinfo=None)


def reset() -> None:
    global _due
    with _lock:
        _index.clear()
        _indexed.clear()
        _due = False
        _broken.clear()
        for timer in _checks.values():
            timer.cancel()
        _checks.clear()


def self_test() -> None:
    from sandbox.selftest import check

    models = "moto.cloudwatch.models"
    check(f"{models}:CloudWatchBackend.put_metric_alarm")
    check(f"{models}:CloudWatchBackend.put_metric_data", "self", "namespace", "metric_data")
    check(
        f"{models}:CloudWatchBackend.set_alarm_state",
        "self",
        "alarm_name",
        "reason",
        "reason_data",
        "state_value",
    )
    check(f"{models}:Alarm.update_state", "self", "reason", "reason_data", "state_value")
    check(f"{models}:MetricDatum", "namespace", "name", "value", "dimensions", "timestamp", "unit")
