"""How good scores are: metrics, their 95 % intervals, the cost threshold, curves, calibration.

Everything takes row weights, because the intervals come from a bootstrap of whole days: rows of one day share
what happened on it, so that drawing single rows would make the intervals too narrow.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

REPLICATES = 300
# Keeps the log loss of a certain but wrong score finite; the same in training (single precision).
EPSILON = 1e-7

Metrics = dict[str, float | None]


def row_loss(problem: str, label: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Log loss (binary; multiclass, of (n, K) probabilities) or squared error of each row."""
    if problem in ("regression", "forecasting"):
        return (label - score) ** 2
    if problem == "multiclass":
        chosen = score[np.arange(len(label)), label.astype(np.int64)]
        return -np.log(np.clip(chosen, EPSILON, 1.0))
    clipped = np.clip(score, EPSILON, 1 - EPSILON)
    return -(label * np.log(clipped) + (1 - label) * np.log1p(-clipped))


class Measure:
    """All metrics of scored rows, for any weights of these rows: what does not depend on them is done once.

    A metric is None where it is not defined, for example an AUC with one class.
    """

    def __init__(
        self,
        problem: str,
        label: np.ndarray,
        score: np.ndarray,
        *,
        threshold: float | None = None,
        costs: Mapping[str, float] | None = None,
    ) -> None:
        self.problem, self.threshold, self.costs = problem, threshold, costs or {}
        # Highest score first, as the areas under the curves need it.
        self.order = np.argsort(-score, kind="stable")
        self.label, self.score = label[self.order], score[self.order]
        self.loss = row_loss(problem, self.label, self.score)
        self.error = self.label - self.score

    def __call__(self, weight: np.ndarray | None = None) -> Metrics:
        heavy = np.ones(len(self.label)) if weight is None else weight[self.order]
        return self._regression(heavy) if self.problem == "regression" else self._binary(heavy)

    def _binary(self, weight: np.ndarray) -> Metrics:
        rate, score = _mean(self.label, weight), _mean(self.score, weight)
        auc, precision_area = _areas(self.label, self.score, weight)
        result: Metrics = {
            "roc_auc": auc,
            "pr_auc": precision_area,
            "log_loss": _mean(self.loss, weight),
            "brier": _mean(self.error**2, weight),
            "base_rate": rate,
            "mean_score": score,
            "calibration_gap": abs(score - rate),
        }
        if self.threshold is not None:
            result |= _decisions(self.label, self.score >= self.threshold, weight, self.costs)
        return result

    def _regression(self, weight: np.ndarray) -> Metrics:
        squared, label, score = (_mean(values, weight) for values in (self.loss, self.label, self.score))
        variance = _mean((self.label - label) ** 2, weight)
        return {
            "rmse": squared**0.5,
            "mae": _mean(np.abs(self.error), weight),
            "r2": 1 - squared / variance if variance > 0 else None,
            "squared_error": squared,
            "mean_label": label,
            "mean_score": score,
            # In standard deviations of the label, so that one alarm limit suits any unit.
            "calibration_gap": abs(score - label) / variance**0.5 if variance > 0 else None,
        }


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
    """Mean score against mean label, in bins of equal count."""
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)))
    codes = np.clip(np.searchsorted(edges, score, side="right") - 1, 0, max(len(edges) - 2, 0))
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
    true, false, thresholds = _cumulated(label[order], score[order], np.ones(len(label)))
    keep = np.unique(np.linspace(0, len(thresholds) - 1, min(points, len(thresholds))).astype(int))
    rate, recall = false / max(false[-1], 1e-12), true / max(true[-1], 1e-12)
    precision = true / (true + false)
    roc = [(0.0, 0.0, float("inf"))] + [
        (float(rate[i]), float(recall[i]), float(thresholds[i])) for i in keep
    ]
    return {"roc": roc, "pr": [(float(recall[i]), float(precision[i]), float(thresholds[i])) for i in keep]}


def _mean(values: np.ndarray, weight: np.ndarray) -> float:
    # Not `values @ weight`: BLAS would spread a millisecond's work over threads that wait for each other.
    return float((values * weight).sum() / weight.sum())


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


def _areas(label: np.ndarray, score: np.ndarray, weight: np.ndarray) -> tuple[float | None, float | None]:
    """ROC AUC and average precision; rows of equal score count as one step."""
    true, false, _ = _cumulated(label, score, weight)
    if true[-1] == 0 or false[-1] == 0:
        return None, None
    gained, passed = np.diff(true, prepend=0.0), np.diff(false, prepend=0.0)
    auc = float((passed * (true - gained / 2)).sum() / (true[-1] * false[-1]))
    seen = true + false
    precision = np.divide(true, seen, out=np.zeros_like(true), where=seen > 0)
    return auc, float((gained * precision).sum() / true[-1])


def _cumulated(label: np.ndarray, score: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, ...]:
    """Weight of positives and of negatives at and above each distinct score; rows come highest first."""
    last = np.append(score[1:] != score[:-1], True)
    positive = weight * label
    return np.cumsum(positive)[last], np.cumsum(weight - positive)[last], score[last]


def summary(problem: str, metrics: Mapping[str, Any]) -> str:
    """The metric that people ask for first."""
    name = "rmse" if problem == "regression" else "roc_auc"
    return f"{name} {metrics[name]:.4f}" if metrics.get(name) is not None else f"{name} not defined"
