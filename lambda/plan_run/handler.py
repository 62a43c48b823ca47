"""First step of every run: decides what data it uses, what it rebuilds and how what it makes is called.

Writes runs/<run_id>/manifest.json and partitions.json, with which the run can be repeated.
"""

import os
from collections.abc import Mapping
from datetime import date
from typing import Any

from shared.aws import client, write_json
from shared.environment import contract

from plan_run import lake, request
from plan_run.calendar_months import (
    first_day,
    local_months,
    month_of,
    months_to_rebuild,
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
    return _with_data(plan, asked, agreed)


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
    raw, published = lake.raw(agreed["tables"]), lake.catalogue(agreed["tables"])
    base, zone = agreed["features"]["base"], agreed["time_zone"]
    known = {month for day in raw.days(base) for month in local_months(day, zone)}
    if not any(day < asked.through for day in raw.days(base)):
        raise NoDataError(
            f"there is no raw object of {base} before {asked.through}, looked below "
            f"s3://{os.environ['RAW_BUCKET']}/raw/{base}/: send records first, or choose a later `through`"
        )
    # What one table got anew can change the features of a month, whichever table it is.
    fresh = raw.fresh_days(lake.last_refresh())
    months = set(asked.months or ()) or months_to_rebuild(
        fresh, known, asked.through, agreed["lateness_days"], zone
    )
    merged = _partitions(published, raw, agreed["tables"], months, plan["run_id"], zone)
    available = {month for month in merged["curated"].get(base, {}) if first_day(month) < asked.through}
    feature_months = with_followers(months, available)
    features = {month: _uri("FEATURES_BUCKET", "features", plan["run_id"], month) for month in feature_months}
    merged["features"] = {**published["features"], **features}
    dates = _dates(asked, agreed, raw.days(base), set(merged["features"]))
    folder, bucket = f"runs/{plan['run_id']}", os.environ["MODELS_BUCKET"]
    plan |= {
        "months": ",".join(sorted(months)),
        "feature_months": ",".join(sorted(feature_months)),
        "partitions_uri": write_json(bucket, f"{folder}/partitions.json", merged),
        **dates,
        "hyperparameters": {"run_id": plan["run_id"], **dates, **asked.hyperparameters},
    }
    manifest = {"format": 1, "plan": plan, "contract": agreed["name"], "raw_seen": str(raw.seen)}
    write_json(bucket, f"{folder}/manifest.json", manifest)
    return plan


def _partitions(
    published: Mapping[str, Any],
    raw: lake.Raw,
    tables: Mapping[str, Any],
    months: set[str],
    run_id: str,
    zone: str,
) -> dict[str, Any]:
    """The catalogue with what this run will write: months with raw records, and dimensions whole."""
    curated: dict[str, dict[str, str]] = {}
    for table, spec in tables.items():
        if spec["event_time"] is None:
            mine = {lake.ALL} & set(raw.newest.get(table, {}))
        else:
            mine = months & {month for day in raw.days(table) for month in local_months(day, zone)}
        written = {month: _uri("CURATED_BUCKET", f"curated/{table}", run_id, month) for month in mine}
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
