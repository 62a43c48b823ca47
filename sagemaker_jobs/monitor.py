"""Joins captured requests with the labels that arrived since, and reports what the endpoint is worth now.

Reads   captures, features (for their labels), baseline (of the champion; may hold no baseline.json)
Writes  report/report.json, report/statistics.json, report/constraint_violations.json
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabular import capture, contract, frame, statistics, watch


@dataclass(frozen=True, kw_only=True)
class Places:
    captures: Path
    features: Path
    baseline: Path
    output: Path

    @classmethod
    def below(cls, root: Path) -> "Places":
        given = root / "processing" / "input"
        return cls(
            captures=given / "captures",
            features=given / "features",
            baseline=given / "baseline",
            output=root / "processing" / "output" / "report",
        )


def run(agreed: contract.ModelContract, plan: Mapping[str, Any], places: Places) -> dict[str, Any]:
    captures = capture.read(places.captures, agreed.kinds, agreed.classes)
    labels = known_labels(places.features)
    baseline, constraints = (
        _json(places.baseline / "baseline.json"),
        _json(places.baseline / "constraints.json"),
    )
    report = watch.report(agreed, captures, labels, baseline, constraints) | {
        "through": plan.get("through"),
        "endpoint": plan.get("endpoint"),
        "window": {"start": plan.get("start"), "end": plan.get("end")},
    }
    rows, _ = capture.to_frame(captures.rows, agreed.kinds, labels, agreed.classes)
    files = {
        "report.json": report,
        "statistics.json": statistics.statistics(rows, agreed.kinds),
        "constraint_violations.json": {"violations": report["data_quality"]["violations"]},
    }
    places.output.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (places.output / name).write_text(json.dumps(content, indent=1, allow_nan=False))
    return report


def known_labels(folder: Path) -> dict[str, float]:
    """Label by key; none while there is no feature file."""
    if not any(folder.rglob("*.parquet")):
        return {}
    rows = frame.read(folder, {}).labelled()
    return dict(zip(rows.key.tolist(), rows.label.tolist(), strict=True))


def _json(path: Path) -> Any:
    return json.loads(path.read_text()) if path.is_file() else None
