"""Events find their targets: patterns, inputs, schedules, S3, notifications, dead letters."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import clock, work
from sandbox.account import client
from sandbox.engines import event_input, event_pattern, event_schedule, events, notifications
from tests.sandbox.flow_account import (
    ARN,
    account,
    any_function,
    any_machine,
    any_queue,
    any_role,
    fresh,
    inputs,
    log_lines,
    messages,
    queue_arn,
)

__all__ = ["account", "fresh"]

EVENT = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "time": "2013-01-02T03:04:05Z",
    "detail": {"name": "a/b.csv", "size": 12, "on": True, "tags": ["x", "y"], "parts": [{"k": 1}, {"k": 2}]},
}


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        pytest.param({"name": ["a/b.csv"]}, True, id="value"),
        pytest.param({"name": ["other", {"prefix": "a/"}]}, True, id="one of several"),
        pytest.param({"name": [{"suffix": ".csv"}]}, True, id="suffix"),
        pytest.param({"name": [{"wildcard": "a/*.csv"}]}, True, id="wildcard"),
        pytest.param({"name": [{"wildcard": "a/*.txt"}]}, False, id="wildcard, other"),
        pytest.param({"name": [{"equals-ignore-case": "A/B.CSV"}]}, True, id="case"),
        pytest.param({"name": [{"anything-but": ["a/b.csv"]}]}, False, id="anything but it"),
        pytest.param({"name": [{"anything-but": {"prefix": "z"}}]}, True, id="anything but a prefix"),
        pytest.param({"name": [{"prefix": {"equals-ignore-case": "A/"}}]}, True, id="prefix and case"),
        pytest.param({"size": [{"numeric": [">", 10, "<=", 12]}]}, True, id="numbers"),
        pytest.param({"size": [{"numeric": [">", 12]}]}, False, id="numbers, outside"),
        pytest.param({"size": [12.0]}, True, id="number however written"),
        pytest.param({"on": [1]}, False, id="true is not one"),
        pytest.param({"tags": ["y"]}, True, id="one of a list"),
        pytest.param({"parts": {"k": [2]}}, True, id="one object of a list"),
        pytest.param({"missing": [{"exists": False}]}, True, id="absent"),
        pytest.param({"name": [{"exists": False}]}, False, id="present"),
        pytest.param({"missing": [{"anything-but": "x"}]}, False, id="absent is not something else"),
        pytest.param({"$or": [{"size": [1]}, {"on": [True]}]}, True, id="or"),
        pytest.param({"size": [12], "on": [False]}, False, id="all fields"),
    ],
)
def test_pattern_matches_as_documented(detail: dict[str, Any], expected: bool) -> None:
    pattern = {"source": ["aws.s3"], "detail": detail}
    event_pattern.check(pattern)
    assert event_pattern.matches(pattern, EVENT) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param({"source": "aws.s3"}, id="no list"),
        pytest.param({"source": []}, id="empty list"),
        pytest.param({"source": [{"sounds-like": "x"}]}, id="unknown operator"),
        pytest.param({"size": [{"numeric": [">"]}]}, id="half a comparison"),
        pytest.param({"$or": [{"a": ["b"]}]}, id="or of one"),
    ],
)
def test_pattern_that_is_none_is_refused(pattern: dict[str, Any]) -> None:
    with pytest.raises(event_pattern.PatternError):
        event_pattern.check(pattern)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param({"Input": '{"a": 1}'}, '{"a": 1}', id="constant"),
        pytest.param({"InputPath": "$.detail.tags[1]"}, '"y"', id="path"),
        pytest.param(
            {"InputTransformer": {"InputPathsMap": {"n": "$.detail.name", "s": "$.detail.size"},
                                  "InputTemplate": '{"name": <n>, "size": <s>, "text": "got <n> of <s>"}'}},
            '{"name": "a/b.csv", "size": 12, "text": "got a/b.csv of 12"}', id="template",
        ),
        pytest.param(
            {"InputTransformer": {"InputPathsMap": {"d": "$.detail.parts"}, "InputTemplate": "<d>"}},
            '[{"k": 1}, {"k": 2}]', id="whole value",
        ),
        pytest.param(
            {"InputTransformer": {"InputPathsMap": {}, "InputTemplate": '"by <aws.events.rule-name>"'}},
            '"by r"', id="name of the rule",
        ),
    ],
)  # fmt: skip
def test_target_gets_the_input_it_asked_for(target: dict[str, Any], expected: str) -> None:
    assert event_input.shape(target, EVENT, rule_arn="arn:aws:events:x:y:rule/r") == expected


def test_template_that_gives_no_json_is_refused() -> None:
    transformer = {"InputPathsMap": {"n": "$.detail.name"}, "InputTemplate": '{"name": "<n>}'}
    with pytest.raises(event_input.InputError, match="no valid JSON"):
        event_input.shape({"InputTransformer": transformer}, EVENT, rule_arn="x/r")


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        pytest.param("cron(0 6 1 * ? *)", "UTC", ["2013-02-01T06:00", "2013-03-01T06:00"], id="monthly"),
        pytest.param(
            "cron(0 6 1 * ? *)", "America/New_York", ["2013-02-01T11:00", "2013-03-01T11:00"], id="in a zone"
        ),
        pytest.param("cron(0 0 L * ? *)", "UTC", ["2013-01-31T00:00", "2013-02-28T00:00"], id="last day"),
        pytest.param("cron(0 8 ? * MON#2 *)", "UTC", ["2013-02-11T08:00", "2013-03-11T08:00"], id="2nd Mon"),
        pytest.param("cron(0 8 ? * 6L *)", "UTC", ["2013-01-25T08:00", "2013-02-22T08:00"], id="last Friday"),
        pytest.param("cron(0/30 9 16W * ? *)", "UTC", ["2013-01-16T09:00", "2013-01-16T09:30"], id="weekday"),
        pytest.param("rate(7 days)", "UTC", ["2013-01-22T00:00", "2013-01-29T00:00"], id="rate"),
        pytest.param("at(2013-02-01T00:00:00)", "Europe/Berlin", ["2013-01-31T23:00"], id="once"),
    ],
)  # fmt: skip
def test_schedule_is_due_when_aws_would_fire_it(expression: str, zone: str, expected: list[str]) -> None:
    start = datetime(2013, 1, 15, tzinfo=UTC)
    schedule, moment, found = event_schedule.parse(expression, zone), start, []
    while len(found) < len(expected):
        due = schedule.after(moment, anchor=start)
        assert due is not None
        found.append(due.isoformat()[:16])
        moment = due
    assert found == expected


def test_time_that_the_clocks_skip_is_skipped() -> None:
    schedule = event_schedule.parse("cron(30 2 ? * * *)", "America/New_York")
    due = schedule.after(datetime(2013, 3, 10, 5, 0, tzinfo=UTC), anchor=datetime(2013, 1, 1, tzinfo=UTC))
    assert due == datetime(2013, 3, 11, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression", ["cron(0 6 1 * * *)", "rate(1 days)", "rate(5 minute)", "cron(0 25 1 * ? *)", "daily"]
)
def test_schedule_that_is_none_is_refused(expression: str) -> None:
    with pytest.raises(event_schedule.ScheduleError):
        event_schedule.parse(expression)


# ------------------------------------------------------------------ in an account


@pytest.fixture(scope="module")
def machine(account: Any) -> str:
    """A state machine that does nothing, to see what it was started with; the role of rules is `rules`."""
    any_role("rules", "events.amazonaws.com", "states:StartExecution")
    role = any_role("machine", "states.amazonaws.com")
    return any_machine("noted", {"A": {"Type": "Pass", "End": True}}, role)


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{ARN.split(':')[1]}:role/{name}"


def rule(name: str, pattern: dict[str, Any], *targets: dict[str, Any]) -> None:
    client("events").put_rule(Name=name, EventPattern=json.dumps(pattern))
    numbered = [{"Id": str(number), **target} for number, target in enumerate(targets)]
    client("events").put_targets(Rule=name, Targets=numbered)


@pytest.mark.usefixtures("fresh")
def test_object_created_starts_a_machine_with_the_transformed_input(machine: str) -> None:
    client("s3").create_bucket(Bucket="landing")
    configuration: dict[str, Any] = {"EventBridgeConfiguration": {}}
    client("s3").put_bucket_notification_configuration(
        Bucket="landing", NotificationConfiguration=configuration
    )
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["landing"]}, "object": {"key": [{"prefix": "in/"}]}},
    }
    paths = {"k": "$.detail.object.key", "r": "$.detail.reason"}
    transformer = {"InputPathsMap": paths, "InputTemplate": '{"key": <k>, "why": <r>}'}
    rule("landed", pattern, {"Arn": machine, "RoleArn": role_arn("rules"), "InputTransformer": transformer})
    client("s3").put_object(Bucket="landing", Key="in/a b.csv", Body=b"1")
    client("s3").put_object(Bucket="landing", Key="out/a.csv", Body=b"1")
    assert work.idle(10)
    assert inputs(machine) == [{"key": "in/a b.csv", "why": "PutObject"}]


@pytest.mark.usefixtures("fresh")
def test_function_needs_a_permission_for_the_rule_else_the_event_is_a_dead_letter(account: Any) -> None:
    function = any_function("listener", "def handler(e, c):\n    print('heard', e['detail']['n'])\n")
    letters = any_queue("rule-letters", "events.amazonaws.com")
    dead = {"DeadLetterConfig": {"Arn": queue_arn("rule-letters")}}
    rule("heard", {"source": ["test"]}, {"Arn": function, **dead})
    entry = {"Source": "test", "DetailType": "t"}
    client("events").put_events(Entries=[{**entry, "Detail": '{"n": 1}'}])
    assert work.idle(10)
    (letter,) = messages(letters)
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert any("may not lambda:InvokeFunction" in failure.message for failure in work.failures())
    client("lambda").add_permission(
        FunctionName="listener",
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=f"arn:aws:events:{ARN}:rule/heard",
    )
    client("events").put_events(Entries=[{**entry, "Detail": '{"n": 2}'}])
    assert work.idle(10)
    assert [line for line in log_lines("/aws/lambda/listener") if "heard" in line] == ["heard 2"]


@pytest.mark.usefixtures("fresh")
def test_disabled_rule_stays_silent(machine: str) -> None:
    rule("quiet", {"source": ["quiet"]}, {"Arn": machine, "RoleArn": role_arn("rules")})
    client("events").disable_rule(Name="quiet")
    before = len(inputs(machine))
    events.emit("quiet", "t", {"a": 1})
    assert work.idle(10)
    assert len(inputs(machine)) == before


@pytest.mark.usefixtures("fresh")
def test_rule_with_an_operator_that_does_not_exist_is_refused(account: Any) -> None:
    with pytest.raises(ClientError, match="InvalidEventPatternException"):
        client("events").put_rule(Name="odd", EventPattern='{"source": [{"sounds-like": "x"}]}')


@pytest.mark.usefixtures("fresh")
def test_callers_cannot_speak_for_aws(account: Any) -> None:
    entry = {"Source": "aws.s3", "DetailType": "t", "Detail": "{}"}
    (answer,) = client("events").put_events(Entries=[entry])["Entries"]
    assert answer["ErrorCode"] == "NotAuthorizedForSourceException"


@pytest.mark.usefixtures("fresh")
def test_schedules_fire_in_order_when_months_pass(account: Any) -> None:
    role = any_role("scheduler", "scheduler.amazonaws.com", "states:StartExecution", "ssm:PutParameter")
    machine = any_machine("timed", {"A": {"Type": "Pass", "End": True}}, role_arn("machine"))
    clock.set(datetime(2013, 1, 31, 12, 0, tzinfo=UTC))
    scheduler = client("scheduler")

    def schedule(name: str, expression: str, given: str, **more: Any) -> None:
        target = {"Arn": machine, "RoleArn": role, "Input": given}
        scheduler.create_schedule(**{
            "Name": name, "ScheduleExpression": expression, "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": target, **more,
        })  # fmt: skip

    zone = {"ScheduleExpressionTimezone": "America/New_York"}
    schedule("monthly", "cron(0 6 1 * ? *)", '{"month": "<aws.scheduler.scheduled-time>"}', **zone)
    schedule("fortnightly", "rate(14 days)", '{"rate": "<aws.scheduler.scheduled-time>"}')
    schedule("never", "rate(1 hour)", '{"never": 1}', State="DISABLED")
    put = {
        "Arn": "arn:aws:scheduler:::aws-sdk:ssm:putParameter",
        "RoleArn": role,
        "Input": '{"Name": "once", "Value": "1", "Type": "String"}',
    }
    schedule("once", "at(2013-02-10T00:00:00)", "", Target=put, ActionAfterCompletion="DELETE")
    clock.set(datetime(2013, 3, 2, tzinfo=UTC))
    assert work.idle(20)
    assert inputs(machine) == [
        {"month": "2013-02-01T11:00:00Z"},
        {"rate": "2013-02-14T12:00:00Z"},
        {"rate": "2013-02-28T12:00:00Z"},
        {"month": "2013-03-01T11:00:00Z"},
    ]
    assert client("ssm").get_parameter(Name="once")["Parameter"]["Value"] == "1"
    assert "once" not in [found["Name"] for found in scheduler.list_schedules()["Schedules"]]
    for name in ("monthly", "fortnightly"):
        scheduler.delete_schedule(Name=name)
    clock.advance(timedelta(days=60))
    assert work.idle(10)
    assert len(inputs(machine)) == 4


@pytest.mark.usefixtures("fresh")
def test_schedules_are_planned_anew_when_the_clock_is_put_back(account: Any) -> None:
    machine = any_machine("replanned", {"A": {"Type": "Pass", "End": True}}, role_arn("machine"))
    target = {"Arn": machine, "RoleArn": role_arn("scheduler"), "Input": "{}"}
    client("scheduler").create_schedule(
        Name="yearly",
        ScheduleExpression="cron(0 0 1 1 ? *)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
    )
    clock.set(datetime(2009, 12, 31, 23, 0, tzinfo=UTC))
    clock.advance(timedelta(hours=2))
    assert work.idle(10)
    assert len(inputs(machine)) == 1
    client("scheduler").delete_schedule(Name="yearly")


@pytest.mark.usefixtures("fresh")
def test_schedule_whose_role_does_not_trust_the_scheduler_is_refused(account: Any) -> None:
    role = any_role("no-scheduler", "glue.amazonaws.com")
    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler"):
        client("scheduler").create_schedule(
            Name="refused",
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": "arn:aws:states:::x", "RoleArn": role},
        )


@pytest.mark.usefixtures("fresh")
def test_topic_delivers_to_queue_function_and_outbox_with_filters(account: Any) -> None:
    topic = client("sns").create_topic(Name="topic")["TopicArn"]
    url = any_queue("subscriber", "sns.amazonaws.com")
    subscribe = client("sns").subscribe
    subscribe(TopicArn=topic, Protocol="email", Endpoint="person@example.org")
    filtered = {"FilterPolicy": '{"kind": ["loud"]}', "RawMessageDelivery": "true"}
    subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn("subscriber"), Attributes=filtered)
    function = any_function(
        "reader", "def handler(e, c):\n    print('sns', e['Records'][0]['Sns']['Message'])\n"
    )
    subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    client("lambda").add_permission(
        FunctionName="reader",
        StatementId="topic",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=topic,
    )
    for kind in ("loud", "soft"):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        client("sns").publish(TopicArn=topic, Message=kind, Subject="s", MessageAttributes=attributes)
    assert work.idle(10)
    assert [message["Body"] for message in messages(url)] == ["loud"]
    assert [mail["message"] for mail in notifications.outbox()] == ["loud", "soft"]
    assert {line for line in log_lines("/aws/lambda/reader") if "sns" in line} == {"sns loud", "sns soft"}


@pytest.mark.usefixtures("fresh")
def test_queue_that_does_not_let_the_topic_in_is_a_kept_failure(account: Any) -> None:
    topic = client("sns").create_topic(Name="locked-out")["TopicArn"]
    any_queue("closed")
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn("closed"))
    client("sns").publish(TopicArn=topic, Message="m")
    assert work.idle(10)
    assert any("sns.amazonaws.com may not sqs:SendMessage" in f.message for f in work.failures())
