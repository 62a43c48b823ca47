"""The loss by which models are compared, one value for each of the things that count as independent.

Rows, clustered by day, for everything that has a label; sampled rows for clusters; users for recommendations.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tabular import clustering, comparison, metrics, ranking
from tabular.contract import ModelContract
from tabular.frame import Frame

OTHERS = {"clustering": "one_minus_silhouette", "recommendation": "one_minus_ndcg"}


@dataclass(frozen=True, kw_only=True)
class Losses:
    """days: what the values are clustered by; None where each value stands alone."""

    loss: np.ndarray
    days: np.ndarray | None

    def interval(self, confidence: float) -> dict[str, float | None]:
        found = comparison.paired(np.zeros(len(self.loss)), self.loss, self.days, confidence)
        return {"value": found.difference, "low": found.low, "high": found.high}


def name(problem: str) -> str:
    return OTHERS.get(problem) or metrics.loss_name(problem)


def of(contract: ModelContract, model: Any, rows: Frame, space: Any) -> Losses:
    """
    space  the model whose prepared columns clusters are judged in: the same ones for all that are compared
    """
    if contract.problem == "clustering":
        chosen = rows.take(clustering.sampled(len(rows)))
        matrix = space.preparation.matrix(chosen)
        return Losses(loss=clustering.row_loss(matrix, model.scores(chosen)), days=chosen.date)
    if contract.problem == "recommendation":
        asked = contract.compiled["model"]["recommendation"]
        measure = ranking.Measure(
            rows.columns[asked["user"]], rows.label, model.scores(rows), int(asked.get("at", 10))
        )
        return Losses(loss=1 - measure.ndcg[measure.has], days=None)
    return Losses(loss=metrics.row_loss(contract.problem, rows.label, model.scores(rows)), days=rows.date)
