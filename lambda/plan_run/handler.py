"""First step of every run: what it is called, which data it uses, and what it rebuilds.

A run with data calls twice: for its names, and under the data lock for its data, as another run may have
published in between. Writes below runs/<run_id>/: manifest.json and partitions.json, with which the run can
be repeated, and raw_seen.json for the next run.
"""

import os
from collections.abc import Mapping
from datetime import date
from typing import Any

from shared.aws import client, write_json
from shared.environment import contract

from plan_run import contenders, lake, request, starting, work
from plan_run.calendar_months import (
    first_day,
    month_of,
    windows,
    with_followers,
)
from plan_run.champion import champion
from plan_run.watching import monitoring

NO_WINDOWS = dict.fromkeys(("train_start", "train_end", "validation_end", "holdout_end"), "")


class NoDataError(request.PlanError):
    """There is nothing to work on."""


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    agreed = contract()
    asked = request.read(event["event"], event["execution"], agreed["model"])
    parameter = client("ssm").get_parameter(Name=os.environ["CHAMPION_PARAMETER"])
    serving = champion(parameter["Parameter"]["Value"], os.environ)
    plan = _named(asked, agreed, serving, event.get("lock_seconds") or {})
    if asked.action == "monitor":
        published = lake.catalogue({})["features"]
        plan["monitor"] = monitoring(asked, agreed["lateness_days"], published, serving)
        write_json(os.environ["MODELS_BUCKET"], f"runs/{asked.run_id}/manifest.json", {"plan": plan})
        return plan
    return plan if event.get("step") == "names" else _with_data(plan, asked, agreed)


def _named(
    asked: request.Request,
    agreed: Mapping[str, Any],
    serving: Mapping[str, str],
    lock_seconds: Mapping[str, int],
) -> dict[str, Any]:
    prefix = os.environ["ENDPOINT_NAME"].removesuffix("-endpoint")
    model = f"{prefix}-{asked.run_id}"
    now = int(asked.started_at.timestamp())
    return {
        "request": asked.event,
        "run_id": asked.run_id,
        "action": asked.action,
        "trigger": asked.trigger,
        "through": asked.through.isoformat(),
        "time": asked.started_at.isoformat(),
        "contract_version": agreed["version"],
        "champion": dict(serving),
        "model_name": model,
        "challenger_config_name": f"{model}-challenger",
        "champion_config_name": f"{model}-champion",
        # DynamoDB takes numbers as text.
        "locks": {"now": str(now)}
        | {f"{name}_expires": str(now + seconds) for name, seconds in lock_seconds.items()},
    }


def _with_data(plan: dict[str, Any], asked: request.Request, agreed: Mapping[str, Any]) -> dict[str, Any]:
    tables, base = agreed["tables"], agreed["features"]["base"]
    raw, published = lake.raw(tables, lake.last_seen()), lake.catalogue(tables)
    if not any(day < asked.through for day in raw.dates(base)):
        raise NoDataError(
            f"there is no raw object of {base} before {asked.through}, looked below "
            f"s3://{os.environ['RAW_BUCKET']}/raw/{base}/: send records first, or choose a later `through`"
        )
    wanted = work.to_rebuild(raw, agreed, asked.through, asked.months)
    if asked.months and not any(wanted.values()):
        there = ", ".join(sorted({month_of(day) for day in raw.dates(base)}))
        raise NoDataError(
            f"months: got {', '.join(asked.months)}, of which there is nothing before {asked.through}; "
            f"there are raw records of {base} in {there}"
        )
    merged = _partitions(published, wanted, plan["run_id"])
    # What one table got anew can change the features of a month, whichever table it is.
    months = {month for chosen in wanted.values() for month in chosen} - {lake.ALL}
    available = {month for month in merged["curated"].get(base, {}) if first_day(month) < asked.through}
    feature_months = with_followers(months, available)
    features = {month: _uri("FEATURES_BUCKET", "features", plan["run_id"], month) for month in feature_months}
    merged["features"] = {**published["features"], **features}
    dates = _dates(asked, agreed, raw.dates(base), set(merged["features"]))
    folder, bucket = f"runs/{plan['run_id']}", os.environ["MODELS_BUCKET"]
    plan |= {
        "has_new_data": any(wanted.values()),
        "months": ",".join(sorted(months)) or "none",
        "feature_months": ",".join(sorted(feature_months)) or "none",
        "partitions_uri": write_json(bucket, f"{folder}/partitions.json", merged),
        **dates,
        **contenders.planned(asked, agreed["model"], plan["run_id"], dates),
        "start_manifest": starting.manifest_of(asked.start, plan["champion"], f"{folder}/start.manifest"),
    }
    left = work.left(raw, wanted)
    seen = lake.Seen(until=raw.until, recent=raw.recent, left=left)
    write_json(bucket, f"{folder}/raw_seen.json", seen.to_json())
    manifest = {"format": 1, "plan": plan, "contract": agreed["name"], "raw_seen": str(raw.until)}
    write_json(bucket, f"{folder}/manifest.json", manifest)
    return plan


def _partitions(published: Mapping[str, Any], wanted: Mapping[str, set[str]], run_id: str) -> dict[str, Any]:
    """The catalogue with what this run will write."""
    curated: dict[str, dict[str, str]] = {}
    for table, months in wanted.items():
        written = {month: _uri("CURATED_BUCKET", f"curated/{table}", run_id, month) for month in months}
        curated[table] = {**published["curated"].get(table, {}), **written}
    return {"curated": curated}


def _dates(
    asked: request.Request, agreed: Mapping[str, Any], days: list[date], months: set[str]
) -> dict[str, str]:
    """The split of a run that trains: over all months of which there are or will be features."""
    if asked.action != "retrain":
        return NO_WINDOWS
    start = first_day(min(months))
    # Raw records may have expired where features are kept; where they have not, the first one is the start.
    begin = [day for day in days if day >= start and month_of(day) == month_of(start)]
    return windows(min(begin, default=start), asked.through, agreed["model"]["split"]).to_json()


def _uri(bucket: str, folder: str, run_id: str, month: str) -> str:
    return f"s3://{os.environ[bucket]}/{folder}/run={run_id}/month={month}"
