"""Tests between two models on the same rows, beside the one that decides: which, and why it fits.

The gate compares the loss of each row (comparison.paired). These look at what people ask for: ranking,
decisions, errors in the label's unit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabular import comparison, metrics
from tabular.contract import ModelContract
from tabular.frame import Frame

WHY = {
    "delong": "two AUCs of the same rows are correlated; DeLong's variance knows it",
    "mcnemar": "two classifiers' decisions on the same rows: only rows on which they differ tell them apart; "
    "mid-p, since the exact p is conservative",
    "bootstrap": "the metric is no mean of rows, so it has no standard error to write down; days are drawn, "
    "as the rows of a day depend on each other",
}


@dataclass(frozen=True, kw_only=True)
class Judged:
    score: np.ndarray
    threshold: float | None
    measure: Callable[[np.ndarray], metrics.Metrics] | None


def of(contract: ModelContract, rows: Frame, ours: Judged, other: Judged) -> list[dict[str, Any]]:
    """Each {name, why, difference > 0: ours is better, low, high, p, p_holm, ...}."""
    confidence, problem = contract.gate["confidence"], contract.problem
    found: list[tuple[str, comparison.Comparison | None]] = []
    if problem == "binary":
        found.append(("delong", comparison.delong(rows.label, ours.score, other.score, confidence)))
    if problem in metrics.CLASSIFICATION:
        right = [_right(rows.label, each) for each in (ours, other)]
        found.append(("mcnemar", comparison.mcnemar(right[0], right[1], rows.date, confidence)))
    if problem in metrics.HEADLINE and problem != "binary" and ours.measure and other.measure:
        name, lower = metrics.HEADLINE[problem]
        found.append(
            (
                "bootstrap",
                comparison.bootstrapped(
                    ours.measure, other.measure, name, rows.date, lower_is_better=lower, confidence=confidence
                ),
            )
        )
    known = [(name, each) for name, each in found if each is not None]
    adjusted = comparison.holm([each.p for _, each in known])
    return [
        {"name": name, "why": WHY[name], **each.to_json(), "p_holm": p}
        for (name, each), p in zip(known, adjusted, strict=True)
    ]


def _right(label: np.ndarray, judged: Judged) -> np.ndarray:
    if judged.score.ndim > 1:
        return np.asarray(judged.score.argmax(axis=1) == label)
    cut = 0.5 if judged.threshold is None else judged.threshold
    return np.asarray((judged.score >= cut) == (label == 1))
