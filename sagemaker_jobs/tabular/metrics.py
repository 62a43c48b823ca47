"""How good scores are: metrics, their 95 % intervals, the cost threshold, curves, calibration.

Everything takes row weights, because the intervals come from a bootstrap of whole days: rows of one day share
what happened on it, so that drawing single rows would make the intervals too narrow.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tabular import multiclass, weighted

REPLICATES = 300
# Keeps the log loss of a certain but wrong score finite; the same in training (single precision).
EPSILON = 1e-7

Metrics = dict[str, float | None]


CLASSIFICATION = ("binary", "multiclass")
# The metric that people ask for first, and whether a lower value is the better one.
HEADLINE = {
    "binary": ("roc_auc", False),
    "multiclass": ("roc_auc", False),
    "regression": ("rmse", True),
    "forecasting": ("rmse", True),
}


class MeasureError(ValueError):
    """Metrics that these labels and scores do not allow."""


def loss_name(problem: str) -> str:
    """What `row_loss` is called, in reports."""
    return "log_loss" if problem in CLASSIFICATION else "squared_error"


def row_loss(problem: str, label: np.ndarray, score: np.ndarray) -> np.ndarray:
    """(rows,): log loss of a classification, squared error of everything that predicts a number.

    score  (rows,), or (rows, K) probabilities of K classes, whose label is the index of a class
    """
    if problem == "multiclass":
        _check_classes(label, score)
        chosen = score[np.arange(len(label)), label.astype(np.intp)]
        return -np.log(np.clip(chosen, EPSILON, 1 - EPSILON))
    if problem == "binary":
        clipped = np.clip(score, EPSILON, 1 - EPSILON)
        return -(label * np.log(clipped) + (1 - label) * np.log1p(-clipped))
    if problem in HEADLINE:
        return (label - score) ** 2
    raise MeasureError(f"problem {problem!r} has no loss of a row, allowed are {', '.join(HEADLINE)}")


def _check_classes(label: np.ndarray, score: np.ndarray) -> None:
    if score.ndim != 2:
        raise MeasureError(
            f"multiclass scores have the shape {score.shape}, allowed is (rows, classes): a column per class"
        )
    wrong = label[(label < 0) | (label >= score.shape[1]) | (label != np.floor(label))]
    if len(wrong):
        classes = score.shape[1]
        raise MeasureError(
            f"label {wrong[0]:g} in a problem of {classes} classes, allowed are 0 to {classes - 1}"
        )


class Measure:
    """All metrics of scored rows, for any weights of these rows: what does not depend on them is done once.

    A metric is None where it is not defined, for example an AUC with one class.

    naive  forecasting: what the seasonal naive says of the same rows
    scale  forecasting: its mean |error| on training rows
    """

    def __init__(
        self,
        problem: str,
        label: np.ndarray,
        score: np.ndarray,
        *,
        threshold: float | None = None,
        costs: Mapping[str, float] | None = None,
        naive: np.ndarray | None = None,
        scale: float | None = None,
    ) -> None:
        self.problem, self.threshold, self.costs = problem, threshold, costs or {}
        self.rows, self.scale = len(label), scale
        self.multi: multiclass.Measure | None = None
        if problem == "multiclass":
            self.multi = multiclass.Measure(label, score, row_loss(problem, label, score))
            return
        # Highest score first, as the areas under the curves need it.
        self.order = np.argsort(-score, kind="stable")
        self.label, self.score = label[self.order], score[self.order]
        self.loss = row_loss(problem, self.label, self.score)
        self.error = self.label - self.score
        self.bins = weighted.equal_bins(self.score)
        self.naive_loss = None if naive is None else (self.label - naive[self.order]) ** 2

    def __call__(self, weight: np.ndarray | None = None) -> Metrics:
        whole = np.ones(self.rows) if weight is None else weight
        if self.multi is not None:
            return self.multi(whole)
        heavy = whole[self.order]
        if self.problem == "binary":
            return self._binary(heavy)
        return self._number(heavy) | (self._forecast(heavy) if self.problem == "forecasting" else {})

    def _binary(self, weight: np.ndarray) -> Metrics:
        rate, score = weighted.mean(self.label, weight), weighted.mean(self.score, weight)
        auc, precision_area = weighted.areas(self.label, self.score, weight)
        result: Metrics = {
            "roc_auc": auc,
            "pr_auc": precision_area,
            "log_loss": weighted.mean(self.loss, weight),
            "brier": weighted.mean(self.error**2, weight),
            "base_rate": rate,
            "mean_score": score,
            "calibration_gap": abs(score - rate),
            "calibration_error": weighted.calibration_error(self.error, self.bins, weight),
        }
        if self.threshold is not None:
            result |= _decisions(self.label, self.score >= self.threshold, weight, self.costs)
        return result

    def _number(self, weight: np.ndarray) -> Metrics:
        squared, label, score = (
            weighted.mean(values, weight) for values in (self.loss, self.label, self.score)
        )
        variance = weighted.mean((self.label - label) ** 2, weight)
        return {
            "rmse": squared**0.5,
            "mae": weighted.mean(np.abs(self.error), weight),
            "r2": 1 - squared / variance if variance > 0 else None,
            "squared_error": squared,
            "mean_label": label,
            "mean_score": score,
            "bias": score - label,
            # In standard deviations of the label, so that one alarm limit suits any unit.
            "calibration_gap": abs(score - label) / variance**0.5 if variance > 0 else None,
        }

    def _forecast(self, weight: np.ndarray) -> Metrics:
        """mase: mean |error| in units of the seasonal naive's on training rows (Hyndman and Koehler 2006).

        skill: the share of the seasonal naive's squared error on the same rows that the model removes.
        """
        absolute = weighted.mean(np.abs(self.error), weight)
        mase = absolute / self.scale if self.scale else None
        skill = None
        if self.naive_loss is not None and (naive := weighted.mean(self.naive_loss, weight)) > 0:
            skill = 1 - weighted.mean(self.loss, weight) / naive
        return {"mase": mase, "skill": skill}


def intervals(
    metric: Callable[[np.ndarray], Metrics],
    groups: np.ndarray,
    *,
    confidence: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[str, dict[str, float | None]]:
    """{metric: {value, low, high}} by a bootstrap of groups (days); `metric` maps row weights to metrics."""
    names, codes = np.unique(groups, return_inverse=True)
    point = metric(np.ones(len(groups)))
    random = np.random.default_rng(seed)
    drawn = [
        metric(
            np.bincount(random.integers(0, len(names), len(names)), minlength=len(names))[codes].astype(float)
        )
        for _ in range(replicates)
    ]
    tails = [50 * (1 - confidence), 50 * (1 + confidence)]
    result: dict[str, dict[str, float | None]] = {}
    for name, value in point.items():
        known = [float(other) for draw in drawn if (other := draw[name]) is not None]
        low, high = np.percentile(known, tails).tolist() if value is not None and known else (None, None)
        result[name] = {"value": value, "low": low, "high": high}
    return result


def cost_threshold(label: np.ndarray, score: np.ndarray, costs: Mapping[str, float]) -> float:
    """The score at and above which acting is cheapest on these rows."""
    order = np.argsort(-score, kind="stable")
    ordered, truth = score[order], label[order]
    false_positives = np.concatenate([[0.0], np.cumsum(1 - truth)])
    false_negatives = truth.sum() - np.concatenate([[0.0], np.cumsum(truth)])
    total = false_positives * costs["cost_false_positive"] + false_negatives * costs["cost_false_negative"]
    # Equal scores are decided together: a cut is possible only where the score changes.
    possible = np.concatenate([[True], np.append(ordered[1:] != ordered[:-1], True)])
    best = int(np.argmin(np.where(possible, total, np.inf)))
    if best == 0:
        return float(np.nextafter(ordered[0], np.inf))
    if best == len(ordered):
        return float(ordered[-1])
    return float((ordered[best - 1] + ordered[best]) / 2)


def confusion(label: np.ndarray, score: np.ndarray, threshold: float) -> dict[str, int]:
    act = score >= threshold
    return {
        "true_positive": int((act & (label == 1)).sum()),
        "false_positive": int((act & (label == 0)).sum()),
        "false_negative": int((~act & (label == 1)).sum()),
        "true_negative": int((~act & (label == 0)).sum()),
    }


def calibration(label: np.ndarray, score: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """Reliability: mean score against mean label, in bins of equal count."""
    codes = weighted.equal_bins(score, bins)
    return [
        {
            "rows": int(inside.sum()),
            "mean_score": float(score[inside].mean()),
            "mean_label": float(label[inside].mean()),
        }
        for code in np.unique(codes)
        if (inside := codes == code).any()
    ]


def curves(
    label: np.ndarray, score: np.ndarray, points: int = 200
) -> dict[str, list[tuple[float, float, float]]]:
    """roc: false and true positive rate, threshold; pr: recall, precision, threshold; thinned."""
    order = np.argsort(-score, kind="stable")
    true, false, thresholds = weighted.cumulated(label[order], score[order], np.ones(len(label)))
    keep = np.unique(np.linspace(0, len(thresholds) - 1, min(points, len(thresholds))).astype(int))
    rate, recall = false / max(false[-1], 1e-12), true / max(true[-1], 1e-12)
    precision = true / (true + false)
    roc = [(0.0, 0.0, float("inf"))] + [
        (float(rate[i]), float(recall[i]), float(thresholds[i])) for i in keep
    ]
    return {"roc": roc, "pr": [(float(recall[i]), float(precision[i]), float(thresholds[i])) for i in keep]}


def _decisions(label: np.ndarray, act: np.ndarray, weight: np.ndarray, costs: Mapping[str, float]) -> Metrics:
    positive, negative = weight * label, weight * (1 - label)
    hit, false_alarm = positive[act].sum(), negative[act].sum()
    missed = positive[~act].sum()
    total = weight.sum()
    cost = false_alarm * costs.get("cost_false_positive", 1) + missed * costs.get("cost_false_negative", 1)
    return {
        "accuracy": float((hit + negative[~act].sum()) / total),
        "precision": float(hit / (hit + false_alarm)) if hit + false_alarm else None,
        "recall": float(hit / (hit + missed)) if hit + missed else None,
        "f1": float(2 * hit / (2 * hit + false_alarm + missed)) if hit + false_alarm + missed else None,
        "mean_cost": float(cost / total),
    }


def summary(problem: str, metrics: Mapping[str, Any]) -> str:
    """The metric that people ask for first."""
    name = HEADLINE[problem][0]
    return f"{name} {metrics[name]:.4f}" if metrics.get(name) is not None else f"{name} not defined"
