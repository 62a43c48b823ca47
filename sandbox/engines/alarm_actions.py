"""What follows when an alarm changes its state: its actions as CloudWatch itself, and an event."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sandbox import clock, regions
from sandbox.engines import deliver, dispatch
from sandbox.engines.backends import ACCOUNT
from sandbox.engines.state_calls import timestamp

_SERVICE = "cloudwatch.amazonaws.com"


def change(alarm: Any, state: str, reason: str, reason_data: str = "{}") -> None:
    """Moves the alarm to another state, with its actions and its event."""
    previous = (alarm.state_value, alarm.state_reason, alarm.state_updated_timestamp)
    alarm.update_state(reason, reason_data, state)
    alarm.state_updated_timestamp = clock.now().replace(tzinfo=None)
    _announce(alarm, previous)
    actions = {"ALARM": alarm.alarm_actions, "OK": alarm.ok_actions}.get(
        state, alarm.insufficient_data_actions
    )
    if not alarm.actions_enabled:
        return
    for action in actions or []:
        dispatch.later(f"alarm {alarm.name} to {action}", _act, alarm, action, previous[0], state, reason)


def _act(alarm: Any, action: str, old: str, new: str, reason: str) -> None:
    message = _message(alarm, old, new, reason)
    kind = action.split(":")[2]
    if kind == "sns":
        subject = f'{new}: "{alarm.name}" in US East (N. Virginia)'[:100]
        deliver.as_service(_SERVICE, action, json.dumps(message), source_arn=alarm.alarm_arn, subject=subject)
    elif kind == "lambda":
        event = {
            "source": "aws.cloudwatch",
            "alarmArn": alarm.alarm_arn,
            "accountId": ACCOUNT,
            "alarmData": message,
        }
        deliver.as_service(
            "lambda.alarms.cloudwatch.amazonaws.com", action, json.dumps(event), source_arn=alarm.alarm_arn
        )
    else:
        raise deliver.Undeliverable(
            "UNSUPPORTED_TARGET",
            f"alarm action {action} is not implemented by the sandbox; allowed: SNS, Lambda",
        )


def _message(alarm: Any, old: str, new: str, reason: str) -> dict[str, Any]:
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": ACCOUNT,
        "AlarmConfigurationUpdatedTimestamp": _stamp(alarm.configuration_updated_timestamp),
        "NewStateValue": new,
        "NewStateReason": reason,
        "StateChangeTime": timestamp(clock.now()),
        "Region": regions.current(),
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": old,
        "OKActions": alarm.ok_actions or [],
        "AlarmActions": alarm.alarm_actions or [],
        "InsufficientDataActions": alarm.insufficient_data_actions or [],
        "Trigger": {
            "MetricName": alarm.metric_name,
            "Namespace": alarm.namespace,
            "Statistic": alarm.statistic,
            "Dimensions": [{"name": d.name, "value": d.value} for d in alarm.dimensions],
            "Period": alarm.period,
            "EvaluationPeriods": alarm.evaluation_periods,
            "DatapointsToAlarm": alarm.datapoints_to_alarm,
            "ComparisonOperator": alarm.comparison_operator,
            "Threshold": alarm.threshold,
            "TreatMissingData": alarm.treat_missing_data,
        },
    }


def _announce(alarm: Any, previous: tuple[str, str, datetime]) -> None:
    from sandbox.engines import events

    value, reason, moment = previous
    detail = {
        "alarmName": alarm.name,
        "state": {
            "value": alarm.state_value,
            "reason": alarm.state_reason,
            "reasonData": alarm.state_reason_data,
            "timestamp": _stamp(alarm.state_updated_timestamp),
        },
        "previousState": {"value": value, "reason": reason, "timestamp": _stamp(moment)},
        "configuration": _configuration(alarm),
    }
    events.emit("aws.cloudwatch", "CloudWatch Alarm State Change", detail, resources=[alarm.alarm_arn])


def _configuration(alarm: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"description": alarm.description} if alarm.description else {}
    if alarm.rule:
        return found | {"alarmRule": alarm.rule}
    if alarm.metric_data_queries:
        return found | {"metrics": [{"id": query.id} for query in alarm.metric_data_queries]}
    metric = {
        "namespace": alarm.namespace,
        "name": alarm.metric_name,
        "dimensions": {d.name: d.value for d in alarm.dimensions},
    }
    stat = {
        "metric": metric,
        "period": int(alarm.period),
        "stat": alarm.statistic or alarm.extended_statistic,
    }
    return found | {"metrics": [{"id": alarm.metric_name, "metricStat": stat, "returnData": True}]}


def _stamp(moment: datetime) -> str:
    return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
