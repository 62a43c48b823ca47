"""Whether a recalibration helps, before it is kept: on validation rows that it was not fitted on.

A map with few rows for its parameters makes scores worse, whoever asked for it.
"""

from typing import Any

import numpy as np

from tabular import metrics, recalibration
from tabular.contract import ModelContract
from tabular.frame import Frame


def fit(
    contract: ModelContract, held: Frame, score: np.ndarray
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """(content of model.json's `recalibration` or None, {asked, reason})."""
    method = contract.evaluation.get("recalibration", "none")
    if method == "none":
        return None, {"asked": method, "reason": "the contract asks for none"}
    whole = recalibration.fit(contract.problem, method, held.label, score)
    crossed = crossfitted(contract.problem, method, held, score)
    if crossed is None:
        reason = "kept untested: half of the validation days do not hold every class"
        return whole, {"asked": method, "reason": reason}
    before = float(metrics.row_loss(contract.problem, held.label, score).mean())
    after = float(metrics.row_loss(contract.problem, held.label, crossed).mean())
    compared = f"a validation loss of {after:.4g} on days it was not fitted on, {before:.4g} without it"
    if after >= before:
        return None, {"asked": method, "reason": f"left out: {compared}"}
    return whole, {"asked": method, "reason": f"kept: {compared}"}


def crossfitted(problem: str, method: str, held: Frame, score: np.ndarray) -> np.ndarray | None:
    """Scores of every second day, mapped as the other days say; None where a half lacks a class."""
    _, days = np.unique(held.date, return_inverse=True)
    mapped = np.empty_like(score)
    for half in (0, 1):
        other = days % 2 == half
        try:
            fitted = recalibration.fit(problem, method, held.label[~other], score[~other])
        except recalibration.RecalibrationError:
            return None
        mapped[other] = recalibration.applied({"recalibration": fitted}, score[other])
    return mapped
