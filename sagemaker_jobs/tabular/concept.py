"""Concept drift: whether labels still follow features as they did when the champion was evaluated.

A loss that grows proves nothing: a season with more of what is hard to tell raises it though the model is as
right as ever. What is tested is therefore the loss beyond what the model itself expects of the row (the
entropy of its probabilities): as long as they are right, its mean is zero whatever rows come in. A number has
no such expectation; its loss is compared with the mean of the hold-out rows.

Days are what is independent. The bound holds at all days of a look together (a confidence sequence, see
tabular.sequential), so that looking earlier or more often within it rings no more often than stated.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from tabular import metrics, sequential

# The bounds rest on the central limit theorem; with fewer days there is no verdict.
MINIMUM_DAYS = 14
# Where the bound is tightest: a look at a month.
PLANNED_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Mean:
    """Of rows, with its standard error by days (infinite for one day), and the number of days."""

    value: float
    standard_error: float
    days: int


def excess(problem: str, label: np.ndarray, score: np.ndarray) -> np.ndarray:
    """(n,): loss minus the loss that the model expects of the row; the whole loss where it expects none."""
    loss = metrics.row_loss(problem, label, score)
    if problem not in metrics.CLASSIFICATION:
        return loss
    shares = np.column_stack([1 - score, score]) if score.ndim == 1 else score
    certain = np.clip(shares, metrics.EPSILON, 1 - metrics.EPSILON)
    return loss + (certain * np.log(certain)).sum(axis=1)


def baseline(problem: str, label: np.ndarray, score: np.ndarray, date: np.ndarray) -> dict[str, Any]:
    """What later looks are compared with; JSON. standard_error is None with one day."""
    found = mean_by_day(excess(problem, label, score), date)
    loss = float(metrics.row_loss(problem, label, score).mean())
    return {**asdict(found), "standard_error": _known(found.standard_error), "loss": loss}


def look(
    problem: str,
    label: np.ndarray,
    score: np.ndarray,
    date: np.ndarray,
    before: Mapping[str, Any] | None,
    *,
    margin: float,
    false_alarm: float,
) -> dict[str, Any]:
    """
    date         (n,) ISO days of the events
    before       the champion's, of `baseline`
    margin       share of the baseline's loss that the excess may grow by
    false_alarm  chance of a look to ring though the excess did not grow: half of it for each of the two means

    at_least is the growth of the excess that is proved, as a share of the baseline's loss; noticed the first
    day at whose end it was over the margin.
    """
    result: dict[str, Any] = {
        "margin": margin,
        "false_alarm": false_alarm,
        "growth": None,
        "at_least": None,
        "noticed": None,
        "is_drift": False,
        "days": [],
        "reason": None,
    }
    if before is None:
        return result | {"reason": "the champion has no baseline"}
    if before["standard_error"] is None or not before["loss"]:
        return result | {"reason": "the baseline is of one day, or its loss is zero: nothing to measure by"}
    beyond = excess(problem, label, score)
    names, codes = np.unique(date, return_inverse=True)
    if len(names) < MINIMUM_DAYS:
        return result | {"reason": f"{len(names)} days with labels, at least {MINIMUM_DAYS} are needed"}
    scale = before["loss"]
    slack = NormalDist().inv_cdf(1 - false_alarm / 2) * before["standard_error"]
    bounds: dict[str, float] = {}
    for day in range(MINIMUM_DAYS, len(names) + 1):
        so_far = codes < day
        now = mean_by_day(beyond[so_far], codes[so_far])
        wide = sequential.width(now.standard_error, day, false_alarm / 2, PLANNED_DAYS)
        bounds[str(names[day - 1])] = float(now.value - before["value"] - wide - slack) / scale
    noticed = next((day for day, bound in bounds.items() if bound > margin), None)
    return result | {
        "growth": float(beyond.mean() - before["value"]) / scale,
        "at_least": max(bounds.values()),
        "noticed": noticed,
        "is_drift": noticed is not None,
        "days": [
            {"day": str(name), "rows": int(rows), "excess": float(total / rows)}
            for name, rows, total in zip(
                names, np.bincount(codes), np.bincount(codes, weights=beyond), strict=True
            )
        ],
    }


def mean_by_day(values: np.ndarray, day: np.ndarray) -> Mean:
    """Mean over rows; the rows of a day hang together."""
    _, codes = np.unique(day, return_inverse=True)
    count = int(codes.max()) + 1
    value = float(values.mean())
    if count < 2:
        return Mean(value=value, standard_error=float("inf"), days=count)
    sums = np.bincount(codes, weights=values - value)
    error = float(np.sqrt(count / (count - 1) * (sums**2).sum()) / len(values))
    return Mean(value=value, standard_error=error, days=count)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
