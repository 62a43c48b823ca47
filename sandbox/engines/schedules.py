"""Schedules: each fires at its own time on the account's clock, in order."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from sandbox import clock, regions, work
from sandbox.engines import deliver, dispatch, event_schedule
from sandbox.engines.backends import ACCOUNT, backend

_SERVICE = "scheduler.amazonaws.com"
_RETRY_SECONDS = 0.3
_MOST_RETRIES = 3
_timers: dict[str, clock.Timer] = {}  # ARN -> next firing
_anchors: dict[str, datetime] = {}  # ARN -> since when a rate counts


def listing() -> list[dict[str, str]]:
    """What fires next, soonest first."""
    timers = sorted((timer.when, arn) for arn, timer in _timers.items() if not timer.cancelled)
    return [{"arn": arn, "next": when.isoformat()} for when, arn in timers]


# ------------------------------------------------------------------ planning


def _plan(arn: str, expression: str, zone: str, fire: Any, *, start: Any = None, end: Any = None) -> None:
    """Sets the next firing; called again after each one, after a change, and when the clock was put back."""
    if arn in _timers:
        _timers.pop(arn).cancel()
    schedule = event_schedule.parse(expression, zone)
    now = clock.now()
    anchor = _anchors.setdefault(arn, now)
    if anchor > now:
        anchor = _anchors[arn] = now
    begin = _moment(start)
    due = schedule.after(max(now, begin) if begin else now, anchor=max(anchor, begin) if begin else anchor)
    last = _moment(end)
    if due is None or (last is not None and due > last):
        return
    _timers[arn] = clock.call_at(due, lambda: fire(due), name=f"schedule {arn}")


def _forget(arn: str) -> None:
    _anchors.pop(arn, None)
    if arn in _timers:
        _timers.pop(arn).cancel()


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def plan_schedule(schedule: Any) -> None:
    if schedule.state != "ENABLED":
        _forget(schedule.arn)
        return

    def fire(due: datetime) -> None:
        dispatch.later(f"schedule {schedule.name}", _run_schedule, schedule, due)
        _plan_again()
        _complete(schedule)

    def _plan_again() -> None:
        _plan(
            schedule.arn, schedule.schedule_expression, schedule.schedule_expression_timezone, fire,
            start=schedule.start_date, end=schedule.end_date,
        )  # fmt: skip

    _plan_again()


def plan_rule(rule: Any) -> None:
    if not rule.scheduled_expression or rule.state == "DISABLED":
        _forget(rule.arn)
        return

    def fire(due: datetime) -> None:
        _run_rule(rule, due)
        _plan(rule.arn, rule.scheduled_expression, "UTC", fire)

    _plan(rule.arn, rule.scheduled_expression, "UTC", fire)


def _complete(schedule: Any) -> None:
    """One-time and ended schedules may ask to be deleted."""
    if schedule.arn not in _timers and schedule.action_after_completion == "DELETE":
        backend("scheduler").schedule_groups[schedule.group_name].schedules.pop(schedule.name, None)
        _forget(schedule.arn)


def _moved(old: datetime, new: datetime) -> None:
    if new < old:
        for group in backend("scheduler").schedule_groups.values():
            for schedule in group.schedules.values():
                plan_schedule(schedule)
        for bus in backend("events").event_buses.values():
            for rule in bus.rules.values():
                plan_rule(rule)


# ------------------------------------------------------------------ firing


def _run_rule(rule: Any, due: datetime) -> None:
    from sandbox.engines import events

    events.trigger(
        rule,
        {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT,
            "time": f"{due:%Y-%m-%dT%H:%M:%SZ}",
            "region": regions.current(),
            "resources": [rule.arn],
            "detail": {},
        },
    )


def _run_schedule(schedule: Any, due: datetime) -> None:
    target = schedule.target
    group_arn = f"arn:aws:scheduler:{regions.current()}:{ACCOUNT}:schedule-group/{schedule.group_name}"
    execution = str(uuid.uuid4())
    retries = min(int((target.get("RetryPolicy") or {}).get("MaximumRetryAttempts", 185)), _MOST_RETRIES)
    for attempt in range(1, retries + 2):
        text = _input(schedule, due, execution, attempt)
        try:
            _send(target, text, group_arn)
            return
        except deliver.Undeliverable as error:
            if error.retryable and attempt <= retries:
                time.sleep(_RETRY_SECONDS)
                continue
            work.fail(f"schedule {schedule.name} to {target['Arn']}", error)
            _to_dead_letters(schedule, text, group_arn, error)
            return


def _send(target: dict[str, Any], text: str, group_arn: str) -> None:
    group = (target.get("SqsParameters") or {}).get("MessageGroupId")
    arn = target["Arn"]
    if arn.startswith("arn:aws:scheduler:::aws-sdk:"):
        arn = ":".join(["arn", "aws", "scheduler", "", "", *arn.split(":")[5:]])
    deliver.as_role(_SERVICE, target["RoleArn"], arn, text, source_arn=group_arn, group_id=group)


def _input(schedule: Any, due: datetime, execution: str, attempt: int) -> str:
    given = schedule.target.get("Input")
    if given is None:
        event = {
            "version": "0",
            "id": execution,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": ACCOUNT,
            "time": f"{due:%Y-%m-%dT%H:%M:%SZ}",
            "region": regions.current(),
            "resources": [schedule.arn],
            "detail": "{}",
        }
        return json.dumps(event)
    values = {
        "schedule-arn": schedule.arn,
        "scheduled-time": f"{due:%Y-%m-%dT%H:%M:%SZ}",
        "execution-id": execution,
        "attempt-number": str(attempt),
    }
    for name, value in values.items():
        given = given.replace(f"<aws.scheduler.{name}>", value)
    return str(given)


def _to_dead_letters(schedule: Any, text: str, group_arn: str, error: deliver.Undeliverable) -> None:
    queue = (schedule.target.get("DeadLetterConfig") or {}).get("Arn")
    if queue:
        role = schedule.target["RoleArn"]
        deliver.as_role(_SERVICE, role, queue, text, source_arn=group_arn)
        return
    del error  # kept by the caller; without a queue AWS drops the event


# ------------------------------------------------------------------ moto's side


def install() -> None:
    from moto.events.models import EventsBackend, Rule
    from moto.scheduler.models import EventBridgeSchedulerBackend as Scheduler

    _after(Scheduler, "create_schedule", lambda schedule, _: plan_schedule(schedule))
    _after(Scheduler, "update_schedule", lambda schedule, _: plan_schedule(schedule))
    _before(Scheduler, "create_schedule", _check_schedule)
    _before(Scheduler, "update_schedule", _check_schedule)
    _before(Scheduler, "delete_schedule", _forget_schedule)
    _after(EventsBackend, "put_rule", lambda rule, _: plan_rule(rule))
    _before(EventsBackend, "delete_rule", _forget_rule)
    _after(Rule, "enable", lambda _, rule: plan_rule(rule))
    _after(Rule, "disable", lambda _, rule: plan_rule(rule))
    clock.on_move(_moved)


def _after(owner: Any, name: str, then: Any) -> None:
    original = getattr(owner, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = original(self, *args, **kwargs)
        then(answer, self)
        return answer

    setattr(owner, name, method)


def _before(owner: Any, name: str, first: Any) -> None:
    original = getattr(owner, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        first(self, *args, **kwargs)
        return original(self, *args, **kwargs)

    setattr(owner, name, method)


def _check_schedule(_: Any, **given: Any) -> None:
    """AWS checks the expression and that it may assume the role when the schedule is made."""
    from moto.scheduler.exceptions import ValidationException

    from sandbox.iam import identity

    try:
        event_schedule.parse(given["schedule_expression"], given.get("schedule_expression_timezone") or "UTC")
        group = given.get("group_name") or "default"
        identity.service_credentials(
            given["target"]["RoleArn"],
            _SERVICE,
            session="scheduler",
            source_arn=f"arn:aws:scheduler:{regions.current()}:{ACCOUNT}:schedule-group/{group}",
        )
    except (event_schedule.ScheduleError, KeyError) as error:
        raise ValidationException(f"schedule {given.get('name')}: {error}") from error
    except identity.Denied as error:
        message = f"The execution role must allow AWS EventBridge Scheduler to assume it. ({error})"
        raise ValidationException(message) from error


def _forget_schedule(self: Any, group_name: str | None, name: str) -> None:
    group = self.schedule_groups.get(group_name or "default")
    if group and name in group.schedules:
        _forget(group.schedules[name].arn)


def _forget_rule(self: Any, name: str, event_bus_arn: str | None) -> None:
    bus = self.event_buses.get(self._normalize_event_bus_arn(event_bus_arn))
    if bus and name in bus.rules:
        _forget(bus.rules[name].arn)


def reset() -> None:
    for timer in _timers.values():
        timer.cancel()
    _timers.clear()
    _anchors.clear()


def self_test() -> None:
    from sandbox.selftest import check

    scheduler = "moto.scheduler.models:EventBridgeSchedulerBackend"
    check(f"{scheduler}.create_schedule")
    check(f"{scheduler}.update_schedule")
    check(f"{scheduler}.delete_schedule", "self", "group_name", "name")
    events = "moto.events.models"
    check(f"{events}:EventsBackend.put_rule")
    check(f"{events}:EventsBackend.delete_rule", "self", "name", "event_bus_arn")
    check(f"{events}:EventsBackend._normalize_event_bus_arn", "self", "event_bus_arn")
    check(f"{events}:Rule.enable", "self")
    check(f"{events}:Rule.disable", "self")
