"""Evaluates a candidate on the hold-out window, against champion and rule baseline on the same rows.

Pure: models and frames in, plain JSON out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tabular import (
    attribution,
    clustering,
    compared,
    comparison,
    concept,
    drift,
    fairness,
    generalisation,
    metrics,
    models,
    multiclass,
    paired_tests,
    slices,
)
from tabular.contract import ModelContract
from tabular.frame import Frame
from tabular.split import Split, Windows

BY_ROW = tuple(metrics.HEADLINE)


class EvaluationError(ValueError):
    """Hold-out rows on which no model can be judged."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A model with its scores on the hold-out rows, and its losses there.

    groups  what is drawn for intervals: the days of the rows; of recommendations the users
    """

    model: models.Model
    score: np.ndarray
    losses: compared.Losses
    threshold: float | None
    measure: Callable[[np.ndarray], metrics.Metrics] | None
    groups: np.ndarray


def evaluate(
    contract: ModelContract,
    windows: Windows,
    parts: Split,
    *,
    candidate: models.Model,
    champion: models.Model,
    rule: models.Model,
    before: models.Model | None = None,
    groups: Frame | None = None,
) -> dict[str, Any]:
    """evaluation.json. In `paired`, a difference above zero: the candidate's loss is lower.

    before  the candidate without its recalibration
    groups  the hold-out rows with the columns of the fairness attributes
    """
    rows = parts.holdout
    _check(contract, rows)
    naive = rule.scores(rows) if contract.problem == "forecasting" else None
    scale = _naive_scale(rule, parts.train) if contract.problem == "forecasting" else None
    yardstick = compared.Yardstick(contract=contract, space=candidate, train=parts.train)
    ours, theirs, simple = (
        _score(yardstick, model, rows, naive, scale) for model in (candidate, champion, rule)
    )
    confidence = contract.gate["confidence"]
    report: dict[str, Any] = {
        "format": 1,
        "problem": contract.problem,
        "loss": compared.name(contract.problem),
        "contract": {"name": contract.name, "version": contract.version},
        "run_id": candidate.content["run_id"],
        "windows": asdict(windows),
        "rows": {
            "train": len(parts.train),
            "validation": len(parts.validation),
            "holdout": len(rows),
            "days": len(np.unique(rows.date)),
        },
        "candidate": _described(ours),
        "champion": _described(theirs) | _overlap(theirs.model.content, windows),
        "rule": _described(simple),
        "paired": {
            name: comparison.paired(
                ours.losses.loss, other.losses.loss, ours.losses.days, confidence
            ).to_json()
            for name, other in (("champion", theirs), ("rule", simple))
        },
        "tests": {
            name: paired_tests.of(
                contract,
                rows,
                paired_tests.Judged(score=ours.score, threshold=ours.threshold, measure=ours.measure),
                paired_tests.Judged(score=other.score, threshold=other.threshold, measure=other.measure),
            )
            for name, other in (("champion", theirs), ("rule", simple))
        },
        "threshold": ours.threshold,
        "gap": generalisation.gap(contract, candidate, rule, parts),
    }
    if contract.problem not in BY_ROW:
        named = {}
        if contract.problem == "clustering":
            named = {"clusters": clustering.metrics(candidate.preparation.matrix(rows), ours.score)}
        return report | named | {"slices": [], "importance": [], "calibration": []}
    explained = attribution.explain(contract.problem, candidate, rows, parts.train)
    report |= {
        "slices": slices.worst(contract, rows, ours.score, ours.losses.loss, theirs.losses.loss),
        "importance": explained["global"],
        "attributions": explained,
        "calibration": _reliability(rows, ours.score),
        "recalibration": recalibrated(contract, rows, candidate, before),
        "fairness": fairness.report(
            contract.problem,
            contract.evaluation.get("fairness") or {},
            groups if groups is not None else rows,
            ours.score,
            ours.threshold,
            classes=class_names(contract, ours.score),
            confidence=confidence,
        ),
    }
    return report | _by_class(contract, rows, ours, theirs)


def _check(contract: ModelContract, rows: Frame) -> None:
    values = np.unique(rows.label)
    if contract.problem in BY_ROW and len(values) < 2:
        raise EvaluationError(
            f"every label of the hold-out window is {values[0]:g}: at least two values are needed to tell "
            "models apart; widen split.holdout_days in the contract, or wait for more labels"
        )


def _score(
    yardstick: compared.Yardstick,
    model: models.Model,
    rows: Frame,
    naive: np.ndarray | None,
    scale: float | None,
) -> Scored:
    values = model.scores(rows)
    threshold = model.content.get("threshold")
    losses = yardstick.of(model, rows)
    if yardstick.contract.problem == "recommendation":
        lists = yardstick.lists(model, rows)
        found, groups = lists, lists.user
    else:
        found = measure(yardstick.contract, rows, values, threshold, naive, scale)
        groups = rows.date
    return Scored(model=model, score=values, losses=losses, threshold=threshold, measure=found, groups=groups)


def measure(
    contract: ModelContract,
    rows: Frame,
    score: np.ndarray,
    threshold: float | None,
    naive: np.ndarray | None = None,
    scale: float | None = None,
) -> metrics.Measure | None:
    """Row weights to metrics; None for what has no label to compare a row's score with."""
    if contract.problem not in BY_ROW:
        return None
    return metrics.Measure(
        contract.problem,
        rows.label,
        score,
        threshold=threshold,
        costs=contract.costs,
        naive=naive,
        scale=scale,
    )


def baseline(contract: ModelContract, parts: Split, candidate: models.Model) -> dict[str, Any]:
    """baseline.json: what the monitor compares live traffic with, once this candidate is the champion."""
    rows = parts.holdout
    scores = candidate.scores(rows)
    threshold = candidate.content.get("threshold")
    found = measure(contract, rows, scores, threshold)
    return {
        "format": 1,
        "problem": contract.problem,
        "run_id": candidate.content["run_id"],
        "metrics": found(np.ones(len(rows))) if found else {},
        "concept": concept.baseline(contract.problem, rows.label, scores, rows.date) if found else None,
        "scores": drift.bins(drift.answered(scores, class_names(contract, scores))),
        "features": {
            name: drift.bins(drift.comparable(values, contract.kinds[name]))
            for name, values in parts.train.columns.items()
        },
        "threshold": threshold,
        "rows": {"train": len(parts.train), "holdout": len(rows)},
    }


def class_names(contract: ModelContract, score: np.ndarray) -> list[str]:
    """Names of the classes of a multiclass label; their numbers where the contract has none."""
    if score.ndim == 1:
        return []
    named = contract.compiled["model"].get("classes") or range(score.shape[1])
    return [str(name) for name in named]


def recalibrated(
    contract: ModelContract, rows: Frame, candidate: models.Model, before: models.Model | None
) -> dict[str, Any]:
    """Calibration on the hold-out rows before and after: the map was fitted on validation rows."""
    found = candidate.content.get("recalibration")
    if not found or before is None:
        return {"method": "none"}
    result: dict[str, Any] = {"method": found["method"], "rows": found["rows"]}
    for name, model in (("before", before), ("after", candidate)):
        score = model.scores(rows)
        values = metrics.Measure(contract.problem, rows.label, score)()
        chosen = ("calibration_error", "calibration_gap", "log_loss", "brier", "roc_auc")
        result[name] = {key: values[key] for key in chosen} | {"bins": _reliability(rows, score)}
    return result


def curves(
    contract: ModelContract, rows: Frame, named: Sequence[tuple[str, np.ndarray]]
) -> dict[str, list[tuple[float, float]]]:
    """The candidate's curves for its card; of several classes, one each."""
    if contract.problem not in metrics.CLASSIFICATION:
        return {}
    result = {}
    for name, label, score in _one_against_rest(contract, named[0][0], rows.label, named[0][1]):
        found = metrics.curves(label, score)
        which = "" if score is named[0][1] else f" {name.partition(' ')[2]}"
        result[f"ROC{which}"] = [(x, y) for x, y, _ in found["roc"]]
        result[f"precision-recall{which}"] = [(x, y) for x, y, _ in found["pr"]]
    return result


def curve_files(
    contract: ModelContract, rows: Frame, named: Sequence[tuple[str, np.ndarray]]
) -> dict[str, str]:
    """CSV text by file name: roc.csv and pr.csv a line per model (and class of several) and point."""
    if contract.problem not in metrics.CLASSIFICATION:
        return {}
    files = {
        "roc.csv": ["model,false_positive_rate,true_positive_rate,threshold"],
        "pr.csv": ["model,recall,precision,threshold"],
    }
    for name, values in named:
        for curve, label, score in _one_against_rest(contract, name, rows.label, values):
            for kind, points in metrics.curves(label, score).items():
                files[f"{kind}.csv"] += [f"{curve},{x:.6f},{y:.6f},{cut:.6f}" for x, y, cut in points]
    return {name: "\n".join(lines) + "\n" for name, lines in files.items()}


def _one_against_rest(
    contract: ModelContract, name: str, label: np.ndarray, score: np.ndarray
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    if score.ndim == 1:
        return [(name, label, score)]
    return [
        (f"{name} {each.replace(',', ' ')}", (label == k).astype(np.float64), score[:, k])
        for k, each in enumerate(class_names(contract, score))
    ]


def _described(scored: Scored) -> dict[str, Any]:
    content = scored.model.content
    return {
        "kind": content["kind"],
        "family": content.get("family") or content["kind"],
        "name": content.get("candidate") or content["kind"],
        "run_id": content.get("run_id"),
        "threshold": scored.threshold,
        "loss": float(scored.losses.loss.mean()),
        "metrics": metrics.intervals(scored.measure, scored.groups) if scored.measure else {},
    }


def _by_class(contract: ModelContract, rows: Frame, ours: Scored, theirs: Scored) -> dict[str, Any]:
    """What only a classification has."""
    if contract.problem == "binary":
        four = metrics.confusion(rows.label, ours.score, 0.5 if ours.threshold is None else ours.threshold)
        delong = comparison.delong(rows.label, ours.score, theirs.score, contract.gate["confidence"])
        matrix = [
            [four["true_negative"], four["false_positive"]],
            [four["false_negative"], four["true_positive"]],
        ]
        return {
            "confusion": four,
            "confusion_matrix": {"classes": ["0", "1"], "rows": matrix},
            "auc_difference": delong.to_json() if delong else None,
        }
    if contract.problem == "multiclass":
        names = class_names(contract, ours.score)
        found = multiclass.Measure(rows.label, ours.score, ours.losses.loss)
        return {
            "classes": found.by_class(names),
            "confusion_matrix": {"classes": names, "rows": found.counts().astype(int).tolist()},
        }
    return {}


def _overlap(content: Mapping[str, Any], windows: Windows) -> dict[str, Any]:
    """Whether the champion was fitted to rows of this window: the comparison then favours the champion."""
    seen = content.get("windows")
    end = seen["validation_end"] if seen else None
    return {"fitted_until": end, "overlaps_holdout": bool(end and end > windows.validation_end)}


def _reliability(rows: Frame, score: np.ndarray) -> list[dict[str, float]]:
    """Of several classes: how sure the model is of its choice, against how often it is right."""
    if score.ndim == 1:
        return metrics.calibration(rows.label, score)
    right = (score.argmax(axis=1) == rows.label).astype(np.float64)
    return metrics.calibration(right, score.max(axis=1))


def _naive_scale(rule: models.Model, train: Frame) -> float:
    return float(np.abs(train.label - rule.scores(train)).mean())
