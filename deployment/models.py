"""The models on the endpoint: champion and challenger with their figures, and what bakes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployment.loop import ledger_rows
from deployment.view import Deployment, Metric, Section

BASELINE, CHALLENGER, PAUSED = "baseline", "challenger", "paused"
MONITORED = ("QualityDrop", "CalibrationGap", "LabelledRows", "DriftedFeatures", "PredictionPsi")
NAMESPACE = "mlref/model"


def standing(seen: Deployment) -> Section:
    """Champion and challenger: who answers, since when, with which figures; what bakes."""
    endpoint = _endpoint(seen)
    champion = _champion(seen)
    facts: dict[str, Any] = {"endpoint": endpoint, "champion": {"run_id": champion or BASELINE}}
    gone = f": clients get an error until `make resume PROFILE={seen.names.profile}`"
    rows = [("endpoint", f"{endpoint['name']} is {endpoint['status']}{gone if seen.is_paused else ''}")]
    rows.append(("champion", f"run {champion}" if champion else "the contract's rule (nothing promoted yet)"))
    if champion:
        rows += _judged(seen, champion, facts["champion"])
    challenger = endpoint["variants"].get(CHALLENGER)
    bakes = challenger["model"].removeprefix(f"{seen.names.prefix}-") if challenger else None
    facts["challenger"] = {"run_id": bakes}
    if challenger and bakes:
        since = next((row["taken_at"] for row in ledger_rows(seen, "lock#model")), None)
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
    if seen.is_paused:
        return {"name": name, "status": PAUSED, "config": None, "variants": {}}
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
    try:
        found = _report(seen, f"runs/{run_id}/evaluation/evaluation.json")
    except (BotoCoreError, ClientError) as error:
        return [("  held out", _closed(seen, error))]
    facts["holdout"] = {"rows": found["rows"]["holdout"], "metrics": found["candidate"]["metrics"]}
    return [
        ("  held out", _figures(found["candidate"]["metrics"], found["rows"]["holdout"], "held-out rows"))
    ]


def _report(seen: Deployment, key: str) -> dict[str, Any]:
    body = seen.analyst.client("s3").get_object(Bucket=seen.output("ModelsBucketName"), Key=key)["Body"]
    found: dict[str, Any] = json.loads(body.read())
    return found


def _closed(seen: Deployment, error: Exception) -> str:
    return (
        f"not read: {error}; fix: let your role take on {seen.output('AnalystRoleArn')} (sts:AssumeRole), "
        "which may read reports"
    )


def _figures(metrics: Mapping[str, Any], rows: int, of: str) -> str:
    return ", ".join(f"{name} {_figure(value)}" for name, value in metrics.items()) + f" on {rows:,} {of}"


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
        for name in MONITORED
    }
    found = seen.series(metrics, back=timedelta(days=62))
    known = {name: each for name, each in found.items() if each.values}
    if not known:
        return [("monitored", "no report in the last two months")]
    day = max(each.times[-1] for each in known.values())
    newest = {name: each.last for name, each in known.items() if each.times[-1] == day}
    facts["monitored"] = {"day": f"{day:%F}", "metrics": newest}
    words = ", ".join(f"{name} {value:.4g}" for name, value in newest.items())
    return [("monitored", f"{words} (report of {day:%F})"), *_variants(seen, facts)]


def _variants(seen: Deployment, facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Champion and challenger on the requests whose labels came in since, of the newest report."""
    try:
        listed = seen.analyst.client("s3").get_paginator("list_objects_v2")
        pages = listed.paginate(Bucket=seen.output("ModelsBucketName"), Prefix="monitor/")
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        newest = max((key for key in keys if key.endswith("/report.json")), default=None)
        variants = _report(seen, newest)["variants"] if newest else {}
    except (BotoCoreError, ClientError) as error:
        return [("  by variant", _closed(seen, error))]
    facts["monitored"]["variants"] = {
        name: {"labelled": each["labelled"], "metrics": each.get("metrics") or {}}
        for name, each in variants.items()
    }
    return [
        (f"  {name} then", _figures(each.get("metrics") or {}, each["labelled"], "requests with a label"))
        for name, each in variants.items()
        if each["labelled"]
    ]
