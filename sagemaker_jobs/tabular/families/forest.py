"""Fits one tree, or a random forest, with XGBoost's trees: one round of parallel trees on the label itself.

The squared error of a 0/1 label splits as Gini's impurity does, and a leaf is then the share of its rows: a
probability. One server, TreeSHAP and missing values hold for forests as for boosted trees.
"""

from typing import Any

import numpy as np
import xgboost

from tabular.families import losses
from tabular.families.base import Rows, Task, Trained
from tabular.families.booster import SHARES, BoosterPredictor

OWN = ("trees", "cross_validation", "learning_curve")


def fit(family: str, train: Rows, held: Rows, hyperparameters: dict[str, Any], task: Task) -> Trained:
    label = _targets(train.label, task)
    parameters = {name: value for name, value in hyperparameters.items() if name not in OWN}
    parameters |= {
        "objective": "reg:squarederror",
        "eta": 1.0,  # XGBoost begins with the mean; a leaf adds in full what its rows differ from it by
        "num_parallel_tree": hyperparameters["trees"] if family == "forest" else 1,
        "nthread": task.threads,
    }
    data = xgboost.DMatrix(train.matrix, label, weight=train.weight, nthread=task.threads)
    booster = xgboost.train(parameters, data, 1)
    if task.problem in ("binary", "multiclass"):
        booster.set_attr(**{SHARES: "true"})
    predictor = BoosterPredictor(booster=booster)
    train_loss, held_loss = (
        losses.of_scores(task.problem, rows.label, predictor.predict(rows.matrix)) for rows in (train, held)
    )
    scores = losses.one_round(task.problem, train_loss, held_loss)
    task.report(0, scores)
    booster.set_param({"nthread": 1})
    return Trained(predictor=predictor, history=[scores], notes={"trees": parameters["num_parallel_tree"]})


def _targets(label: np.ndarray, task: Task) -> np.ndarray:
    """One column per class: each gets trees of its own."""
    if task.problem != "multiclass":
        return label
    return (label[:, None] == np.arange(task.classes)[None]).astype(np.float64)
