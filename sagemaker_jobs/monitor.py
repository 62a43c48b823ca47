"""Joins captured requests with the labels that arrived since, and reports what the endpoint is worth now.

Reads   captures, features (for their labels), baseline and champion (its statistics and its model; while the
        rule serves, neither is there)
Writes  report/report.json, report/statistics.json, report/constraint_violations.json
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabular import analysis, capture, contract, frame, models, statistics, watch


@dataclass(frozen=True, kw_only=True)
class Places:
    captures: Path
    features: Path
    baseline: Path
    champion: Path
    output: Path

    @classmethod
    def below(cls, root: Path) -> "Places":
        given = root / "processing" / "input"
        return cls(
            captures=given / "captures",
            features=given / "features",
            baseline=given / "baseline",
            champion=given / "champion",
            output=root / "processing" / "output" / "report",
        )


def run(agreed: contract.ModelContract, plan: Mapping[str, Any], places: Places) -> dict[str, Any]:
    captures = capture.read(places.captures, agreed.kinds, agreed.classes)
    known = known_rows(agreed, places.features)
    labels = dict(zip(known.key.tolist(), known.label.tolist(), strict=True)) if known else {}
    baseline, constraints = (
        _json(places.baseline / "baseline.json"),
        _json(places.baseline / "constraints.json"),
    )
    framed = watch.frame_of(agreed, captures, labels)
    with tempfile.TemporaryDirectory() as folder:
        report = watch.report(
            agreed,
            captures,
            labels,
            baseline,
            constraints,
            known=known,
            champion=champion_of(places.champion, Path(folder)),
            framed=framed,
        )
    report |= {
        "through": plan.get("through"),
        "endpoint": plan.get("endpoint"),
        "window": {"start": plan.get("start"), "end": plan.get("end")},
    }
    files = {
        "report.json": report,
        "statistics.json": statistics.statistics(framed[0], agreed.kinds),
        "constraint_violations.json": {
            "violations": [
                *report["data_quality"]["violations"],
                *analysis.violations(report["attributions"], report["bias"], report["concept"]),
            ]
        },
    }
    places.output.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (places.output / name).write_text(json.dumps(content, indent=1, allow_nan=False))
    return report


def known_rows(agreed: contract.ModelContract, folder: Path) -> frame.Frame | None:
    """Rows with a label, their day and the attributes of fairness; None while there is no feature file."""
    if not any(folder.rglob("*.parquet")):
        return None
    asked = (agreed.evaluation.get("fairness") or {}).get("attributes", ())
    return frame.read(folder, {entry["feature"]: entry["kind"] for entry in asked}).labelled()


def champion_of(folder: Path, work: Path) -> models.Model | None:
    """The model that serves; None for the rule, which has no attributions, and for what cannot be loaded.

    Attributions are context: for their sake no look at the endpoint fails.
    """
    if not any(folder.rglob("*.tar.gz")):
        return None
    try:
        return models.load(models.unpacked(folder, work))
    except models.ArtefactError as error:
        print(f"the champion cannot be loaded, so its attributions are not compared: {error}")
        return None


def _json(path: Path) -> Any:
    return json.loads(path.read_text()) if path.is_file() else None
