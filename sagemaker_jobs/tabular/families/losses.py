"""The losses that a training prints, stops by and is judged by: lower is better, whatever the problem."""

import math
from collections.abc import Mapping

import numpy as np

from tabular import metrics
from tabular.families.base import Round, TrainingDiverged

# As XGBoost names them; a tuning job minimises `validation-<name>`.
NAMES: Mapping[str, str] = {
    "binary": "logloss",
    "multiclass": "mlogloss",
    "regression": "rmse",
    "forecasting": "rmse",
    "clustering": "one_minus_silhouette",
    "recommendation": "one_minus_ndcg",
}


def of_scores(problem: str, label: np.ndarray, scores: np.ndarray) -> float:
    """Mean log loss, or the root of the mean squared error."""
    mean = float(metrics.row_loss(problem, label, scores).mean())
    return mean**0.5 if NAMES[problem] == "rmse" else mean


def line(number: int, scores: Round) -> str:
    """What the metric definitions of the training job read: `validation-logloss:([0-9.eE+-]+)`."""
    values = [
        f"{data}-{name}:{value:.6f}" for data, metrics in scores.items() for name, value in metrics.items()
    ]
    return f"[{number}] " + " ".join(values)


def validation(scores: Round) -> float:
    """The loss that decides: the last one on the validation rows."""
    return list(scores["validation"].values())[-1]


def one_round(problem: str, train: float, held: float) -> Round:
    """The history entry of a family that is fitted at once."""
    name = NAMES[problem]
    scores = {"train": {name: train}, "validation": {name: held}}
    require_finite(0, scores)
    return scores


def require_finite(number: int, scores: Round) -> None:
    for data, values in scores.items():
        for name, value in values.items():
            if not math.isfinite(value):
                raise TrainingDiverged(
                    f"training diverged in round {number}: {data} {name} is {value}, allowed is a finite "
                    "number: lower eta, or look for extreme values in the label"
                )
