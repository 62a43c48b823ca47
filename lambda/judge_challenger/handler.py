"""After each bake: alarms and the newest report that saw the challenger say promote, roll_back or wait."""

import os
import re
from dataclasses import asdict
from datetime import datetime
from typing import Any

from shared.aws import objects, read_json
from shared.environment import contract

from judge_challenger.verdict import Verdict, judge, rings

REPORT = re.compile(r"monitor/(\d{4}-\d{2}-\d{2})/report\.json")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    alarms = event["alarms"]
    endangered = rings(dict(zip(alarms["names"], alarms["states"], strict=True)))
    if endangered is not None:
        return asdict(endangered)
    deployed_at = datetime.fromisoformat(event["deployed_at"])
    bucket = os.environ["MODELS_BUCKET"]
    key = newest_report(bucket, deployed_at)
    if key is None:
        reason = f"no monitoring report saw the challenger yet, which was deployed at {event['deployed_at']}"
        return asdict(Verdict(verdict="wait", reason=reason))
    limits = contract()["monitor"]
    verdict = judge(
        read_json(bucket, key), deployed_at, int(limits["minimum_labels"]), limits["calibration_gap"]
    )
    return asdict(verdict) | {"report": key}


def newest_report(bucket: str, deployed_at: datetime) -> str | None:
    """A report is dated by the first day that it did not see."""
    found = (REPORT.fullmatch(entry["Key"]) for entry in objects(bucket, "monitor/"))
    seen = [match for match in found if match and match.group(1) > deployed_at.date().isoformat()]
    return max(seen, key=lambda match: match.group(1)).group(0) if seen else None
