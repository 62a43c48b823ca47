"""The loop itself: stacks, runs, the models on the endpoint, what rings, what the calendar says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployment import calendar
from deployment.names import GROUPS
from deployment.view import Deployment, Metric, NothingToSeeError, Section, ago

SHOWN_RUNS = 5
MACHINES = {"Retrain": "RetrainStateMachineArn", "Monitor": "MonitorStateMachineArn"}
ENDED_BADLY = ("FAILED", "TIMED_OUT", "ABORTED")
BASELINE, CHALLENGER = "baseline", "challenger"
MODEL_METRICS = ("QualityDrop", "CalibrationGap", "LabelledRows", "DriftedFeatures", "PredictionPsi")
NAMESPACE = "mlref/model"
BOOK = "docs/operations.md"


def the_stacks(seen: Deployment) -> Section:
    status = {stack.name: stack.status for stack in seen.stacks}
    rows, bad = [], []
    for group in reversed(GROUPS):
        name = seen.names.stack(group)
        rows.append((group, status.get(name, "not deployed")))
        if "FAILED" in status.get(name, "") or "ROLLBACK" in status.get(name, ""):
            bad.append(f"stack {name} is {status[name]}: cdk deploy says why")
    return Section(title="stacks", rows=rows, facts=status, bad=bad)


def runs(seen: Deployment) -> Section:
    """From the ledger; and how the newest execution ended, as one that was stopped writes no row."""
    found = sorted(_rows(seen, "run#"), key=lambda row: row["started_at"], reverse=True)[:SHOWN_RUNS]
    rows = [(run["run_id"], _run_in_words(run, seen.at)) for run in found] or [("runs", "none yet")]
    bad = [f"run {run['run_id']} failed in {run.get('state', '?')}" for run in found[:1] if _failed(run)]
    machines = {}
    for name, output in MACHINES.items():
        newest, running = _executions(seen, seen.output(output))
        machines[name] = {"newest": newest, "running": running}
        rows.append((name, _machine_in_words(newest, running)))
        if newest and newest["status"] in ENDED_BADLY:
            bad.append(f"the newest execution of {name} is {newest['status']}: {newest['arn']}")
    for pending in _rows(seen, "retrain#pending"):
        rows.append(
            ("waits", f"a run asked for by {pending.get('trigger', '?')} until the model lock is free")
        )
    return Section(title="runs", rows=rows, facts={"runs": found, "executions": machines}, bad=bad)


def _rows(seen: Deployment, begin: str) -> Iterator[dict[str, str]]:
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


def models(seen: Deployment) -> Section:
    """Champion and challenger: who answers, since when, with which figures; what bakes."""
    endpoint = _endpoint(seen)
    champion = _champion(seen)
    facts: dict[str, Any] = {"endpoint": endpoint, "champion": {"run_id": champion or BASELINE}}
    rows = [("endpoint", f"{endpoint['name']} is {endpoint['status']}")]
    rows.append(("champion", f"run {champion}" if champion else "the contract's rule (nothing promoted yet)"))
    if champion:
        rows += _judged(seen, champion, facts["champion"])
    challenger = endpoint["variants"].get(CHALLENGER)
    bakes = challenger["model"].removeprefix(f"{seen.names.prefix}-") if challenger else None
    facts["challenger"] = {"run_id": bakes}
    if challenger and bakes:
        since = next((row["taken_at"] for row in _rows(seen, "lock#model")), None)
        rows.append(
            (
                "challenger",
                f"run {bakes} bakes with {challenger['share']:.0%} of the requests"
                + (f"; its run trains and bakes since {since[:16]}" if since else ""),
            )
        )
        facts["challenger"]["lock_taken_at"] = since
        rows += _judged(seen, bakes, facts["challenger"])
    else:
        rows.append(("challenger", "none; nothing bakes"))
    rows += _lately(seen, endpoint["name"], facts)
    bad = [f"endpoint {endpoint['name']} is {endpoint['status']}"] if endpoint["status"] == "Failed" else []
    return Section(title="models", rows=rows, facts=facts, bad=bad)


def _champion(seen: Deployment) -> str | None:
    name = seen.output("ChampionParameterName")
    value = str(seen.place.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
    return None if value == BASELINE else str(json.loads(value)["run_id"])


def _endpoint(seen: Deployment) -> dict[str, Any]:
    name = seen.output("EndpointName")
    sagemaker = seen.place.client("sagemaker")
    told = sagemaker.describe_endpoint(EndpointName=name)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=told["EndpointConfigName"])
    model = {each["VariantName"]: each["ModelName"] for each in config["ProductionVariants"]}
    variants = told.get("ProductionVariants", [])
    weights = {each["VariantName"]: float(each.get("CurrentWeight", 1.0)) for each in variants}
    return {
        "name": name,
        "status": told["EndpointStatus"],
        "config": told["EndpointConfigName"],
        "variants": {
            each["VariantName"]: {
                "model": model.get(each["VariantName"], "?"),
                "instances": each.get("CurrentInstanceCount"),
                "share": weights[each["VariantName"]] / (sum(weights.values()) or 1.0),
            }
            for each in variants
        },
    }


def _judged(seen: Deployment, run_id: str, facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Its figures on the held-out days, from the run's evaluation."""
    key = f"runs/{run_id}/evaluation/evaluation.json"
    try:
        body = seen.analyst.client("s3").get_object(Bucket=seen.output("ModelsBucketName"), Key=key)["Body"]
        found = json.loads(body.read())
    except (BotoCoreError, ClientError) as error:
        facts["metrics_unread"] = str(error)
        fix = f"take on {seen.output('AnalystRoleArn')} (sts:AssumeRole), whose role may read reports"
        return [("  figures", f"cannot be read: {error}; fix: {fix}")]
    facts["holdout"] = {"rows": found["rows"]["holdout"], "metrics": found["candidate"]["metrics"]}
    figures = ", ".join(f"{name} {_figure(value)}" for name, value in found["candidate"]["metrics"].items())
    return [("  figures", f"{figures} on {found['rows']['holdout']:,} held-out rows")]


def _figure(value: Any) -> str:
    """A metric, with its interval where the evaluation has one."""
    if isinstance(value, Mapping):
        known = value.get("value")
        return "unknown" if known is None else f"{known:.4g}"
    return "unknown" if value is None else f"{value:.4g}"


def _lately(seen: Deployment, endpoint: str, facts: dict[str, Any]) -> list[tuple[str, str]]:
    """What the newest monitoring report measured; it is monthly, so look back far enough."""
    metrics = {
        name: Metric(
            namespace=NAMESPACE,
            name=name,
            dimensions={"Endpoint": endpoint},
            statistic="Maximum",
            period=86_400,
        )
        for name in MODEL_METRICS
    }
    found = seen.series(metrics, back=timedelta(days=62))
    known = {name: each for name, each in found.items() if each.values}
    facts["monitored"] = {
        name: {"value": each.last, "day": f"{each.times[-1]:%F}"} for name, each in known.items()
    }
    if not known:
        return [("monitored", "no report in the last two months")]
    day = max(each.times[-1] for each in known.values())
    words = ", ".join(f"{name} {each.last:.4g}" for name, each in known.items() if each.times[-1] == day)
    return [("monitored", f"{words} (report of {day:%F})")]


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
