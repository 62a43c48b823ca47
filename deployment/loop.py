"""The loop itself: its stacks, its runs, what rings, what the calendar says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from deployment import calendar
from deployment.names import GROUPS, MODULES
from deployment.view import Deployment, NothingToSeeError, Section, ago

SHOWN_RUNS = 5
MACHINES = {"Retrain": "RetrainStateMachineArn", "Monitor": "MonitorStateMachineArn"}
ENDED_BADLY = ("FAILED", "TIMED_OUT", "ABORTED")
BOOK = "docs/operations.md"


def the_stacks(seen: Deployment) -> Section:
    status = {stack.name: stack.status for stack in seen.stacks}
    rows, bad = [], []
    for group in reversed(GROUPS):
        name = seen.names.stack(group)
        if name in status or group not in MODULES:
            rows.append((group, status.get(name, "not deployed")))
        if "FAILED" in status.get(name, "") or "ROLLBACK" in status.get(name, ""):
            bad.append(f"stack {name} is {status[name]}: cdk deploy says why")
    if seen.is_paused:
        back = f"make resume PROFILE={seen.names.profile}"
        rows.append(("paused", f"no endpoints, and nothing starts by itself; back: {back}"))
    return Section(title="stacks", rows=rows, facts=status, bad=bad)


def runs(seen: Deployment) -> Section:
    """From the ledger; and how the newest execution ended, as one that was stopped writes no row."""
    found = sorted(ledger_rows(seen, "run#"), key=lambda row: row["started_at"], reverse=True)[:SHOWN_RUNS]
    rows = [(run["run_id"], _run_in_words(run, seen.at)) for run in found] or [("runs", "none yet")]
    bad = [f"run {run['run_id']} failed in {run.get('state', '?')}" for run in found[:1] if _failed(run)]
    machines = {}
    for name, output in MACHINES.items():
        newest, running = _executions(seen, seen.output(output))
        machines[name] = {"newest": newest, "running": running}
        rows.append((name, _machine_in_words(newest, running)))
        if newest and newest["status"] in ENDED_BADLY:
            bad.append(f"the newest execution of {name} is {newest['status']}: {newest['arn']}")
    for pending in ledger_rows(seen, "retrain#pending"):
        rows.append(
            ("waits", f"a run asked for by {pending.get('trigger', '?')} until the model lock is free")
        )
    return Section(title="runs", rows=rows, facts={"runs": found, "executions": machines}, bad=bad)


def ledger_rows(seen: Deployment, begin: str) -> Iterator[dict[str, str]]:
    pages = seen.place.client("dynamodb").get_paginator("scan")
    for page in pages.paginate(TableName=seen.output("LedgerTableName")):
        for item in page["Items"]:
            row = {name: str(next(iter(value.values()))) for name, value in item.items()}
            if row["id"].startswith(begin):
                yield row


def _failed(run: Mapping[str, str]) -> bool:
    return run["outcome"] == "failed"


def _run_in_words(run: Mapping[str, str], now: datetime) -> str:
    where = f" in {run['state']}" if _failed(run) and "state" in run else ""
    return (
        f"{run['outcome']}{where}, {run['action']} by {run['trigger']}, data before {run['through']}, "
        f"ended {ago(datetime.fromisoformat(run['ended_at']), now)}: {run['reason']}"
    )


def _executions(seen: Deployment, arn: str) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The one that ended last, and those that run."""
    found: list[dict[str, Any]] = []
    for page in (
        seen.place.client("stepfunctions")
        .get_paginator("list_executions")
        .paginate(stateMachineArn=arn, PaginationConfig={"MaxItems": 100})
    ):
        found += [
            {
                "arn": each["executionArn"],
                "name": each["name"],
                "status": each["status"],
                "started": each["startDate"].isoformat(),
                "stopped": each["stopDate"].isoformat() if each.get("stopDate") else None,
            }
            for each in page["executions"]
        ]
    ended = [each for each in found if each["stopped"]]
    running = [each for each in found if each["status"] == "RUNNING"]
    return max(ended, key=lambda each: str(each["stopped"]), default=None), running


def _machine_in_words(newest: Mapping[str, Any] | None, running: list[dict[str, Any]]) -> str:
    said = f"{len(running)} running" + "".join(
        f", {each['name']} since {each['started'][:16]}" for each in running
    )
    return said + (
        f"; newest end {newest['status']} at {newest['stopped'][:16]}" if newest else "; none ended yet"
    )


def alarms(seen: Deployment) -> Section:
    found: list[dict[str, Any]] = []
    pages = seen.place.client("cloudwatch").get_paginator("describe_alarms")
    # With the blank: `mlref-sandbox-2 ...` belongs to a neighbour.
    for page in pages.paginate(AlarmNamePrefix=f"{seen.names.prefix} "):
        found += [*page.get("MetricAlarms", []), *page.get("CompositeAlarms", [])]
    if not found:
        raise NothingToSeeError(
            f"there is no alarm {seen.names.prefix} ...: the stack of operations is not deployed; "
            f"fix: cdk deploy Operations -c profile={seen.names.profile}"
        )
    ringing = [alarm for alarm in found if alarm["StateValue"] == "ALARM"]
    rows = [("all", f"{len(found)} alarms, {len(ringing)} ringing")]
    rows += [
        (
            "rings",
            f"{_title(seen, alarm)} since {_utc(alarm['StateUpdatedTimestamp']):%F %H:%M}: "
            f"{alarm['StateReason']} What to do: {BOOK}, `{_title(seen, alarm)}`",
        )
        for alarm in ringing
    ]
    mute = [_title(seen, alarm) for alarm in found if alarm.get("ActionsEnabled") is False]
    if mute:
        rows.append(("muted", f"{', '.join(mute)}: their actions are switched off by hand"))
    return Section(
        title="alarms",
        rows=rows,
        facts={
            "alarms": len(found),
            "muted": mute,
            "ringing": [{"title": _title(seen, alarm), "reason": alarm["StateReason"]} for alarm in ringing],
        },
        bad=[f"alarm {_title(seen, alarm)}" for alarm in ringing],
    )


def _title(seen: Deployment, alarm: Mapping[str, Any]) -> str:
    """As the book has it."""
    return str(alarm["AlarmName"]).removeprefix(f"{seen.names.prefix} ")


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def schedules(seen: Deployment) -> Section:
    """Whether they are on, and when each starts next; whether an alarm may start a run."""
    scheduler, group = seen.place.client("scheduler"), f"{seen.names.prefix}-schedules"
    rows, facts = [], {}
    for page in scheduler.get_paginator("list_schedules").paginate(GroupName=group):
        for entry in page["Schedules"]:
            told = scheduler.get_schedule(GroupName=group, Name=entry["Name"])
            name = told.get("Description") or entry["Name"]
            zone = told.get("ScheduleExpressionTimezone", "UTC")
            coming = calendar.next_run(told["ScheduleExpression"], zone, seen.at)
            on = told["State"] == "ENABLED"
            when = f"next {coming:%F %H:%M} UTC" if coming else "next run: not worked out, see the console"
            rows.append(
                (name.rpartition(": ")[2], f"{'on' if on else 'OFF'}, {told['ScheduleExpression']}, {when}")
            )
            facts[name] = {
                "on": on,
                "expression": told["ScheduleExpression"],
                "next": coming.isoformat() if coming and on else None,
            }
    if not rows:
        raise NothingToSeeError(f"the schedule group {group} is empty or not there")
    rules = seen.place.client("events").list_rules(NamePrefix=seen.names.stack("operations"))["Rules"]
    drift = [rule["State"] for rule in rules if "quality" in rule.get("Description", "")]
    rows.append(
        ("drift", f"an alarm on the model's quality starts a run: {', '.join(drift) or 'no such rule'}")
    )
    return Section(title="schedules", rows=rows, facts={"schedules": facts, "on_drift": drift})
