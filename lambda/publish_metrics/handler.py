"""Turns a monitoring report into CloudWatch metrics, by a log line in the embedded metric format.

A metric that the report could not measure is left out: an alarm then sees no data, not a good value.
"""

import json
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.aws import read_json

CHAMPION = "champion"
UNITS = dict.fromkeys(("LabelledRows", "CapturedRows", "DriftedFeatures", "GrownDifferences"), "Count")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    plan = event["plan"]
    report = read_json(os.environ["MODELS_BUCKET"], f"monitor/{plan['through']}/report.json")
    values = metrics(report)
    time = datetime.fromisoformat(plan["time"])
    print(line(os.environ["METRIC_NAMESPACE"], os.environ["ENDPOINT_NAME"], time, values))
    return {"published": values}


def metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """Quality is the champion's: a challenger that is worse is the judge's business, not an alarm's."""
    champion = report["variants"].get(CHAMPION) or {}
    drift, bias = report["drift"], report["bias"]
    known = {
        "QualityDrop": champion.get("quality_drop"),
        "CalibrationGap": champion.get("calibration_gap"),
        "LabelledRows": sum(variant["labelled"] for variant in report["variants"].values()),
        "CapturedRows": report["captures"]["rows"],
        "DriftedFeatures": len(drift["drifted"]) if drift["features"] else None,
        "PredictionPsi": drift["prediction_psi"],
        "ConceptDrift": report["concept"]["at_least"],
        "AttributionNdcg": report["attributions"]["ndcg"],
        "GrownDifferences": None if bias["reason"] else len(bias["grew"]),
    }
    return {name: value for name, value in known.items() if value is not None}


def line(namespace: str, endpoint: str, time: datetime, values: Mapping[str, float]) -> str:
    definitions = [{"Name": name, "Unit": UNITS.get(name, "None")} for name in values]
    directive = {"Namespace": namespace, "Dimensions": [["Endpoint"]], "Metrics": definitions}
    metadata = {"Timestamp": int(time.timestamp() * 1000), "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": metadata, "Endpoint": endpoint, **values})
