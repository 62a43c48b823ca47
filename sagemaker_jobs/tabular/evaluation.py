"""Evaluates a candidate on the hold-out window, against champion and rule baseline on the same rows.

Pure: models and frames in, plain JSON out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tabular import comparison, drift, metrics, models
from tabular.contract import ModelContract
from tabular.frame import Frame
from tabular.split import Split, Windows

SLICE_CATEGORIES = 30
SLICE_ROWS = 50
WORST_SLICES = 10
EXPLAINED_ROWS = 2000
GAP_ROWS = 50_000


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A model with its scores and per-row losses on the hold-out rows."""

    model: models.Model
    score: np.ndarray
    loss: np.ndarray
    threshold: float | None


def score(contract: ModelContract, model: models.Model, rows: Frame) -> Scored:
    values = model.scores(rows)
    loss = metrics.row_loss(contract.problem, rows.label, values)
    return Scored(model=model, score=values, loss=loss, threshold=model.content.get("threshold"))


def evaluate(
    contract: ModelContract,
    windows: Windows,
    parts: Split,
    *,
    candidate: models.Model,
    champion: models.Model,
    rule: models.Model,
) -> dict[str, Any]:
    """evaluation.json. In `paired`, a difference above zero: the candidate's loss is lower."""
    rows = parts.holdout
    ours, theirs, simple = (score(contract, model, rows) for model in (candidate, champion, rule))
    confidence = contract.gate["confidence"]
    report: dict[str, Any] = {
        "format": 1,
        "problem": contract.problem,
        "loss": contract.loss,
        "contract": {"name": contract.name, "version": contract.version},
        "run_id": candidate.content["run_id"],
        "windows": asdict(windows),
        "rows": {
            "train": len(parts.train),
            "validation": len(parts.validation),
            "holdout": len(rows),
            "days": len(np.unique(rows.date)),
        },
        "candidate": _described(contract, ours, rows),
        "champion": _described(contract, theirs, rows) | _overlap(theirs.model.content, windows),
        "rule": _described(contract, simple, rows),
        "paired": {
            name: comparison.paired(ours.loss, other.loss, rows.date, confidence).to_json()
            for name, other in (("champion", theirs), ("rule", simple))
        },
        "threshold": ours.threshold,
        "gap": _gap(contract, candidate, parts),
        "slices": slices(contract, rows, ours, theirs),
        "importance": importance(candidate, rows),
        "calibration": metrics.calibration(rows.label, ours.score),
    }
    if contract.is_binary:
        report["confusion"] = metrics.confusion(rows.label, ours.score, _threshold(ours))
        delong = comparison.delong(rows.label, ours.score, theirs.score, confidence)
        report["auc_difference"] = delong.to_json() if delong else None
    return report


def baseline(contract: ModelContract, parts: Split, candidate: models.Model) -> dict[str, Any]:
    """baseline.json: what the monitor compares live traffic with, once this candidate is the champion."""
    rows = parts.holdout
    scores = candidate.scores(rows)
    threshold = candidate.content.get("threshold")
    measure = metrics.Measure(contract.problem, rows.label, scores, threshold=threshold, costs=contract.costs)
    return {
        "format": 1,
        "problem": contract.problem,
        "run_id": candidate.content["run_id"],
        "metrics": measure(),
        "scores": drift.bins(scores),
        "features": {name: drift.bins(values) for name, values in parts.train.columns.items()},
        "threshold": threshold,
        "rows": {"train": len(parts.train), "holdout": len(rows)},
    }


def slices(contract: ModelContract, rows: Frame, ours: Scored, theirs: Scored) -> list[dict[str, Any]]:
    """The groups of categorical features on which the candidate's loss is highest."""
    found = []
    for name, kind in contract.kinds.items():
        categories = (
            sorted({value for value in rows.columns[name] if value is not None})
            if kind == "categorical"
            else []
        )
        if not 2 <= len(categories) <= SLICE_CATEGORIES:
            continue
        for category in categories:
            inside = rows.columns[name] == category
            if inside.sum() >= min(SLICE_ROWS, len(rows) / 10):
                found.append(
                    _slice(contract, rows, ours, theirs, inside) | {"feature": name, "value": category}
                )
    return sorted(found, key=lambda entry: -entry["loss"])[:WORST_SLICES]


def importance(model: models.Model, rows: Frame) -> list[dict[str, Any]]:
    """Mean |TreeSHAP| per feature over evenly chosen rows, largest first; nothing for a rule."""
    if not isinstance(model, models.TrainedModel):
        return []
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(EXPLAINED_ROWS, len(rows))).astype(int))
    parts = model.contributions(rows.take(chosen)) or {}
    entries = [
        {"feature": name, "mean_contribution": float(np.abs(values).mean())} for name, values in parts.items()
    ]
    return sorted(entries, key=lambda entry: -entry["mean_contribution"])


def _described(contract: ModelContract, scored: Scored, rows: Frame) -> dict[str, Any]:
    measure = metrics.Measure(
        contract.problem, rows.label, scored.score, threshold=scored.threshold, costs=contract.costs
    )
    content = scored.model.content
    return {
        "kind": content["kind"],
        "run_id": content.get("run_id"),
        "threshold": scored.threshold,
        "loss": float(scored.loss.mean()),
        "metrics": metrics.intervals(measure, rows.date),
    }


def _overlap(content: Mapping[str, Any], windows: Windows) -> dict[str, Any]:
    """Whether the champion was fitted to rows of this window: the comparison then favours the champion."""
    seen = content.get("windows")
    end = seen["validation_end"] if seen else None
    return {"fitted_until": end, "overlaps_holdout": bool(end and end > windows.validation_end)}


def _gap(contract: ModelContract, candidate: models.Model, parts: Split) -> dict[str, float]:
    """Loss on training and validation rows; a wide gap is a model that learned its rows by heart."""
    step = max(1, len(parts.train) // GAP_ROWS)
    train = parts.train.take(np.arange(0, len(parts.train), step))
    losses = [
        float(metrics.row_loss(contract.problem, rows.label, candidate.scores(rows)).mean())
        for rows in (train, parts.validation)
    ]
    return {"train_loss": losses[0], "validation_loss": losses[1], "difference": losses[1] - losses[0]}


def _slice(
    contract: ModelContract, rows: Frame, ours: Scored, theirs: Scored, inside: np.ndarray
) -> dict[str, Any]:
    label = rows.label[inside]
    measured = metrics.Measure(contract.problem, label, ours.score[inside])()
    return {
        "rows": int(inside.sum()),
        "loss": float(ours.loss[inside].mean()),
        "gain_over_champion": float((theirs.loss - ours.loss)[inside].mean()),
        "mean_label": float(label.mean()),
        "mean_score": float(ours.score[inside].mean()),
        "summary": metrics.summary(contract.problem, measured),
    }


def _threshold(scored: Scored) -> float:
    return 0.5 if scored.threshold is None else scored.threshold


def curve_files(
    contract: ModelContract, rows: Frame, named: Sequence[tuple[str, np.ndarray]]
) -> dict[str, str]:
    """CSV text by file name: roc.csv and pr.csv with one line per model and point."""
    if not contract.is_binary:
        return {}
    files = {
        "roc.csv": ["model,false_positive_rate,true_positive_rate,threshold"],
        "pr.csv": ["model,recall,precision,threshold"],
    }
    for name, values in named:
        for kind, points in metrics.curves(rows.label, values).items():
            files[f"{kind}.csv"] += [f"{name},{x:.6f},{y:.6f},{cut:.6f}" for x, y, cut in points]
    return {name: "\n".join(lines) + "\n" for name, lines in files.items()}
