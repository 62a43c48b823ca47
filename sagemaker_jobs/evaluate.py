"""Chooses among a run's candidates, evaluates the winner on the hold-out window and packs what may go live.

Reads  candidates (candidates.json and a model.tar.gz for each), champion (model.tar.gz), features;
       preparation (preparation.json) with candidates of the built-in algorithm.
Writes evaluation/ (evaluation.json, candidates.json, model_card.json and .html, curves), model/, baseline/
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tabular import (
    analysis,
    bias,
    candidates,
    card,
    card_page,
    contract,
    evaluation,
    frame,
    influence,
    metrics,
    models,
    recalibrating,
    recalibration,
    rules,
    split,
    statistics,
)


@dataclass(frozen=True, kw_only=True)
class Places:
    candidates: Path
    champion: Path
    features: Path
    preparation: Path
    output: Path

    @classmethod
    def below(cls, root: Path) -> "Places":
        given = root / "processing" / "input"
        return cls(
            candidates=given / "candidates",
            champion=given / "champion",
            features=given / "features",
            preparation=given / "preparation",
            output=root / "processing" / "output",
        )


def run(agreed: contract.ModelContract, plan: Mapping[str, Any], places: Places) -> dict[str, Any]:
    windows = split.Windows.of(plan)
    parts, groups = read(agreed, windows, places.features)
    run_id = str(plan.get("run_id") or "")
    with tempfile.TemporaryDirectory() as folder:
        found = candidates.read(
            agreed,
            windows,
            run_id,
            several=places.candidates,
            preparation=places.preparation,
            folder=Path(folder) / "candidates",
        )
        champion = models.load(models.unpacked(places.champion, Path(folder) / "champion"))
        table = candidates.compare(agreed, found, parts.train, parts.validation)
        chosen = next(each for each in found.candidates if each.name == table["chosen"])
        before, winner, told = finished(agreed, chosen.model, parts.validation)
        rule = models.RuleModel(content=rules.rule_model(agreed.compiled))
        report = evaluation.evaluate(
            agreed,
            windows,
            parts,
            candidate=winner,
            champion=champion,
            rule=rule,
            before=before,
            groups=groups,
        )
        report["chosen"] = {name: table[name] for name in ("chosen", "reason")}
        report["recalibration"] = {**report.get("recalibration", {"method": "none"}), **told}
        named = [("candidate", winner), ("champion", champion), ("rule", rule)]
        scored = [(name, model.scores(parts.holdout)) for name, model in named]
        described = card.build(
            agreed, report, table, chosen.story, evaluation.curves(agreed, parts.holdout, scored)
        )
        title = f"{agreed.name}, run {report['run_id']}"
        files = {
            "evaluation/evaluation.json": _json(report),
            "evaluation/candidates.json": _json({**table, "run_id": report["run_id"]}),
            "evaluation/model_card.json": _json(described),
            "evaluation/model_card.html": card_page.render(described, title).encode(),
            **{
                f"evaluation/{name}": text.encode()
                for name, text in evaluation.curve_files(agreed, parts.holdout, scored).items()
            },
            "model/model.tar.gz": candidates.packed(winner),
            "baseline/statistics.json": _json(statistics.statistics(parts.train, agreed.kinds)),
            "baseline/constraints.json": _json(statistics.constraints(parts.train, agreed.kinds)),
            "baseline/baseline.json": _json(
                evaluation.baseline(agreed, parts, winner)
                | {
                    "fairness": bias.of_report(report.get("fairness")),
                    "attributions": influence.of_report(report.get("attributions")),
                }
            ),
            "baseline/analysis.json": _json(analysis.of_report(report)),
        }
    for name, data in files.items():
        path = places.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return report


def read(
    agreed: contract.ModelContract, windows: split.Windows, features: Path
) -> tuple[split.Split, frame.Frame]:
    """The labelled rows by window; and those of the hold-out with the columns that fairness looks at.

    Such an attribute need not be a feature of the model: often it must not be one.
    """
    asked = (agreed.evaluation.get("fairness") or {}).get("attributes", ())
    kinds = {**{entry["feature"]: entry["kind"] for entry in asked}, **agreed.kinds}
    everything = split.split(frame.read(features, kinds, windows.train_start, windows.holdout_end), windows)
    parts = split.Split(
        train=_only(everything.train, agreed),
        validation=_only(everything.validation, agreed),
        holdout=_only(everything.holdout, agreed),
    )
    for name, part, dates in (
        ("training", parts.train, (windows.train_start, windows.train_end)),
        ("validation", parts.validation, (windows.train_end, windows.validation_end)),
        ("hold-out", parts.holdout, (windows.validation_end, windows.holdout_end)),
    ):
        split.require_rows(part, 2, name, dates)
    return parts, everything.holdout


def _only(rows: frame.Frame, agreed: contract.ModelContract) -> frame.Frame:
    return replace(rows, columns={name: rows.columns[name] for name in agreed.kinds})


def finished(
    agreed: contract.ModelContract, model: Any, held: frame.Frame
) -> tuple[Any, Any, dict[str, Any]]:
    """The model without and with its recalibration, and why. The threshold is of recalibrated scores."""
    content = {**model.content, "recalibration": None}
    bare = replace(model, content=content)
    raw = bare.scores(held)
    fitted, told = recalibrating.fit(agreed, held, raw)
    content = {**content, "recalibration": fitted}
    if agreed.is_binary:
        scores = recalibration.applied(content, raw)
        content["threshold"] = metrics.cost_threshold(held.label, scores, agreed.costs)
    return bare, replace(model, content=content), told


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, allow_nan=False).encode()
