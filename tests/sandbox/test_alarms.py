"""Alarms: how a state follows from datapoints, and what a change sets off."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox import clock, logs, work
from sandbox.account import client
from sandbox.engines import alarm_state, notifications, service_quota
from sandbox.engines.alarm_state import Sample
from tests.sandbox.flow_account import account, any_machine, any_role, fresh, inputs

__all__ = ["account", "fresh"]

NONE = None


@pytest.mark.parametrize(
    ("points", "needed", "missing", "expected"),
    [
        pytest.param([5], 1, "missing", "ALARM", id="above"),
        pytest.param([1], 1, "missing", "OK", id="below"),
        pytest.param([NONE], 1, "missing", "INSUFFICIENT_DATA", id="nothing"),
        pytest.param([NONE], 1, "notBreaching", "OK", id="nothing is good"),
        pytest.param([NONE], 1, "breaching", "ALARM", id="nothing is bad"),
        pytest.param([NONE], 1, "ignore", None, id="nothing changes nothing"),
        pytest.param([5, 1, 5], 2, "missing", "ALARM", id="two of three"),
        pytest.param([5, 1, 1], 2, "missing", "OK", id="one of three"),
        pytest.param([NONE, 5, NONE], 3, "missing", "ALARM", id="all that there is"),
        pytest.param([NONE, 5, NONE], 3, "ignore", None, id="all that there is, ignored"),
        pytest.param([NONE, 5, NONE], 3, "notBreaching", "OK", id="gaps are good"),
        pytest.param([5, NONE, 5], 3, "breaching", "ALARM", id="gaps are bad"),
    ],
)
def test_state_follows_from_the_datapoints(
    points: list[float | None], needed: int, missing: str, expected: str | None
) -> None:
    judgement = alarm_state.judge(
        points, comparison="GreaterThanThreshold", threshold=4, needed=needed, missing=missing
    )
    assert judgement.state == expected


def sample(value: float) -> Sample:
    return Sample(at=0, total=value, count=1, low=value, high=value, values=(value,))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Sum", 10), ("Average", 2.5), ("Minimum", 1), ("Maximum", 4), ("SampleCount", 4), ("p50", 2.5)],
)
def test_statistic_of_one_period(name: str, expected: float) -> None:
    assert alarm_state.statistic(name, [sample(value) for value in (1, 2, 3, 4)]) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("100 * a / b", [50.0, None], id="share"),
        pytest.param("FILL(b, 0) + a", [3.0, 4.0], id="fill"),
        pytest.param("IF(a > 2, a, 0)", [0.0, 4.0], id="if"),
        pytest.param("SUM([a, b])", [3.0, 4.0], id="sum"),
        pytest.param("-a", [-1.0, -4.0], id="minus"),
    ],
)
def test_metric_math(expression: str, expected: list[float | None]) -> None:
    assert alarm_state.series(expression, {"a": [1.0, 4.0], "b": [2.0, None]}) == expected


def test_metric_math_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(alarm_state.UnsupportedAlarmError, match="ANOMALY_DETECTION_BAND"):
        alarm_state.series("ANOMALY_DETECTION_BAND(a)", {"a": [1.0]})


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param('ALARM("a") OR ALARM(b)', True, id="or"),
        pytest.param("ALARM(a) AND NOT OK(b)", False, id="and not"),
        pytest.param("(ALARM(a) AND OK(b)) OR FALSE", True, id="parentheses"),
    ],
)
def test_composite_rule(rule: str, expected: bool) -> None:
    assert alarm_state.composite(rule, lambda name: {"a": "ALARM", "b": "OK"}[name]) is expected


# ------------------------------------------------------------------ in an account


def state(name: str) -> str:
    found = client("cloudwatch").describe_alarms(
        AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    (alarm,) = found["MetricAlarms"] + found["CompositeAlarms"]
    return str(alarm["StateValue"])


def alarm(name: str, **settings: Any) -> None:
    base = {
        "AlarmName": name,
        "Namespace": "test",
        "MetricName": name,
        "Statistic": "Maximum",
        "Period": 3600,
        "EvaluationPeriods": 1,
        "Threshold": 10,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    client("cloudwatch").put_metric_alarm(**base | settings)


def put(name: str, value: float, **more: Any) -> None:
    datum = {"MetricName": name, "Value": value, **more}
    client("cloudwatch").put_metric_data(Namespace="test", MetricData=[datum])
    assert work.idle(10)


@pytest.mark.usefixtures("account", "fresh")
def test_new_alarm_has_no_data_then_rings_then_falls_silent_as_the_data_leave_the_window() -> None:
    alarm("a1")
    assert work.idle(10)
    assert state("a1") == "INSUFFICIENT_DATA"
    put("a1", 11)
    assert state("a1") == "ALARM"
    clock.advance(timedelta(minutes=59))
    assert work.idle(10)
    assert state("a1") == "ALARM"
    clock.advance(timedelta(minutes=2))
    assert work.idle(10)
    assert state("a1") == "INSUFFICIENT_DATA"


@pytest.mark.usefixtures("account", "fresh")
def test_metric_just_before_a_jump_of_the_clock_is_not_overlooked() -> None:
    alarm("a2", TreatMissingData="notBreaching")
    assert work.idle(10)
    datum = {"MetricName": "a2", "Value": 99}
    client("cloudwatch").put_metric_data(Namespace="test", MetricData=[datum])
    clock.advance(timedelta(days=30))
    assert work.idle(10)
    history = client("cloudwatch").describe_alarms(AlarmNames=["a2"])["MetricAlarms"][0]
    assert history["StateValue"] == "OK"
    assert "Threshold not crossed" in history["StateReason"]


@pytest.mark.usefixtures("fresh")
def test_change_reaches_topic_and_rule(account: Any) -> None:
    sns = client("sns")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    grant = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [grant]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="person@example.org")
    machine = any_machine(
        "alarmed", {"A": {"Type": "Pass", "End": True}}, any_role("machine", "states.amazonaws.com")
    )
    role = any_role("rules", "events.amazonaws.com", "states:StartExecution")
    pattern = {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {"alarmName": ["a3"], "state": {"value": ["ALARM"]}},
    }
    client("events").put_rule(Name="alarmed", EventPattern=json.dumps(pattern))
    path = {"Id": "m", "Arn": machine, "RoleArn": role, "InputPath": "$.detail.alarmName"}
    client("events").put_targets(Rule="alarmed", Targets=[path])
    alarm("a3", AlarmActions=[topic], TreatMissingData="notBreaching")
    put("a3", 11)
    assert inputs(machine) == ["a3"]
    (mail,) = notifications.outbox()
    assert mail["subject"].startswith('ALARM: "a3"')
    assert json.loads(mail["message"])["NewStateValue"] == "ALARM"


@pytest.mark.usefixtures("account", "fresh")
def test_topic_that_does_not_let_cloudwatch_in_is_a_kept_failure() -> None:
    topic = client("sns").create_topic(Name="deaf")["TopicArn"]
    grant = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [grant]})
    client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    alarm("a4", AlarmActions=[topic])
    put("a4", 11)
    assert any("cloudwatch.amazonaws.com may not sns:Publish" in f.message for f in work.failures())


@pytest.mark.usefixtures("account", "fresh")
def test_embedded_metric_lines_become_metrics_on_the_clock_of_the_account() -> None:
    clock.set(datetime(2014, 6, 1, tzinfo=UTC))
    alarm("a5", Dimensions=[{"Name": "Endpoint", "Value": "e"}])
    meta = {
        "Timestamp": int(time.time() * 1000),
        "CloudWatchMetrics": [
            {"Namespace": "test", "Dimensions": [["Endpoint"]], "Metrics": [{"Name": "a5"}]}
        ],
    }
    logs.publish_embedded_metrics(["plain text", json.dumps({"_aws": meta, "Endpoint": "e", "a5": 12})])
    assert work.idle(10)
    assert state("a5") == "ALARM"


@pytest.mark.usefixtures("account", "fresh")
def test_composite_alarm_follows_its_parts() -> None:
    alarm("a6", TreatMissingData="notBreaching")
    client("cloudwatch").put_composite_alarm(AlarmName="a6-any", AlarmRule='ALARM("a6")')
    assert work.idle(10)
    assert state("a6-any") == "OK"
    put("a6", 11)
    assert state("a6-any") == "ALARM"


@pytest.mark.usefixtures("account", "fresh")
def test_alarm_that_cannot_be_evaluated_is_named_once() -> None:
    query = {"Id": "e", "Expression": "ANOMALY_DETECTION_BAND(m)", "ReturnData": True}
    metric = {"Metric": {"Namespace": "test", "MetricName": "a7"}, "Period": 60, "Stat": "Sum"}
    queries = [query, {"Id": "m", "MetricStat": metric, "ReturnData": False}]
    client("cloudwatch").put_metric_alarm(
        AlarmName="a7",
        Metrics=queries,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    put("a7", 1)
    put("a7", 2)
    named = [f for f in work.failures() if "ANOMALY_DETECTION_BAND" in f.message]
    assert len(named) == 1
    client("cloudwatch").delete_alarms(AlarmNames=["a7"])


@pytest.mark.usefixtures("account", "fresh")
def test_quota_of_a_metric_that_is_not_known_is_refused_by_name() -> None:
    usage = {"AWS/Usage": {"Service": "DynamoDB"}, "test": {}}
    for number, (namespace, of) in enumerate(usage.items()):
        dimensions = [{"Name": key, "Value": value} for key, value in of.items()]
        metric = {"Namespace": namespace, "MetricName": "CallCount", "Dimensions": dimensions}
        stat = {"Metric": metric, "Period": 60, "Stat": "Sum"}
        share = {"Id": "e", "Expression": "m / SERVICE_QUOTA(m)", "ReturnData": True}
        client("cloudwatch").put_metric_alarm(
            AlarmName=f"a8-{number}",
            Metrics=[share, {"Id": "m", "MetricStat": stat, "ReturnData": False}],
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
    assert work.idle(10)
    said = [failure.message for failure in work.failures() if failure.name.startswith("alarm a8")]
    assert len(said) == 2
    assert any(
        "SERVICE_QUOTA of AWS/Usage CallCount {'Service': 'DynamoDB'} is not implemented" in s for s in said
    )
    with pytest.raises(alarm_state.UnsupportedAlarmError, match="got b, allowed: the id of a metric, here a"):
        service_quota.applied(
            "SERVICE_QUOTA(b)",
            {"a": service_quota.Usage(namespace="any", name="any", dimensions={}, seconds=60)},
        )
    client("cloudwatch").delete_alarms(AlarmNames=["a8-0", "a8-1"])


def test_data_of_metrics_come_by_periods_of_the_clock_with_percentiles(fresh: None) -> None:
    cloudwatch, day = client("cloudwatch"), datetime(2013, 5, 1, tzinfo=UTC)
    clock.set(day + timedelta(days=1))
    stamps = [day + timedelta(hours=1, minutes=minute) for minute in (1, 2, 3, 4, 31)]
    cloudwatch.put_metric_data(
        Namespace="any/data",
        MetricData=[
            {"MetricName": "Took", "Value": value, "Timestamp": stamp}
            for value, stamp in zip((1.0, 2.0, 3.0, 4.0, 9.0), stamps, strict=True)
        ],
    )
    queries = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {"Namespace": "any/data", "MetricName": "Took"},
                "Period": 1_800,
                "Stat": stat,
            },
        }
        for name, stat in (("middle", "p50"), ("sum", "Sum"))
    ]
    queries.append({"Id": "per_minute", "Expression": "sum / 30"})
    # The window begins between two periods; the first one counts whole, as on AWS.
    window = {"StartTime": day + timedelta(minutes=50), "EndTime": day + timedelta(days=1)}
    found = cloudwatch.get_metric_data(MetricDataQueries=queries, **window)["MetricDataResults"]
    values = {result["Id"]: result["Values"] for result in found}
    assert {name: sorted(each) for name, each in values.items()} == {
        "middle": [2.5, 9.0],
        "sum": [9.0, 10.0],
        "per_minute": [0.3, 10 / 30],
    }
    hours = {moment.astimezone(UTC).strftime("%H:%M") for moment in found[0]["Timestamps"]}
    assert hours == {"01:00", "01:30"}
