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


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """The same measure for all models that are compared.

    space  the model whose prepared columns clusters are judged in
    train  training rows: what there is to recommend, and how popular it is
    """

    contract: ModelContract
    space: Any
    train: Frame

    def of(self, model: Any, rows: Frame) -> Losses:
        if self.contract.problem == "clustering":
            chosen = rows.take(clustering.sampled(len(rows)))
            matrix = self.space.preparation.matrix(chosen)
            return Losses(loss=clustering.row_loss(matrix, model.scores(chosen)), days=chosen.date)
        if self.contract.problem == "recommendation":
            measure = self.lists(model, rows)
            return Losses(loss=1 - measure.ndcg[measure.has], days=None)
        loss = metrics.row_loss(self.contract.problem, rows.label, model.scores(rows))
        return Losses(loss=loss, days=rows.date)

    def lists(self, model: Any, rows: Frame) -> ranking.Measure:
        """What the model puts on top of each user's list, against what the user took."""
        asked = self.contract.compiled["model"]["recommendation"]
        pairs = ranking.pairs(self.train, rows, asked["user"], asked["item"])
        score = pairs.popularity if model.content["kind"] == "rule" else model.scores(pairs.frame)
        return ranking.Measure(
            pairs.user, pairs.relevance, np.where(pairs.known, score, -np.inf), int(asked.get("at", 10))
        )


def name(problem: str) -> str:
    return OTHERS.get(problem) or metrics.loss_name(problem)
