"""Fits boosted trees with the loop of `boosting`; with a base, goes on from its trees."""

import hashlib
from typing import Any

import xgboost

from tabular import boosting
from tabular.families.arguments import HyperparameterError
from tabular.families.base import Rows, Task, Trained
from tabular.families.booster import BoosterPredictor

LOOP = ("num_round", "early_stopping_rounds", "checkpoint_rounds", "cross_validation", "learning_curve")
BOOSTERS = ("gbtree", "dart")


def fit(_family: str, train: Rows, held: Rows, hyperparameters: dict[str, Any], task: Task) -> Trained:
    kind = hyperparameters.get("booster", "gbtree")
    dropout = [name for name in ("rate_drop", "skip_drop") if name in hyperparameters]
    if kind not in BOOSTERS or (dropout and kind != "dart"):
        raise HyperparameterError(
            f"booster {kind!r} with {', '.join(dropout) or 'no dropout'}, allowed are "
            f"{', '.join(BOOSTERS)}, and rate_drop and skip_drop with dart alone"
        )
    data, watched = matrix(train, task), matrix(held, task)
    settings = boosting.Settings(
        parameters=parameters(hyperparameters, task),
        num_round=hyperparameters["num_round"],
        early_stopping_rounds=hyperparameters["early_stopping_rounds"],
        checkpoint_rounds=hyperparameters["checkpoint_rounds"],
    )
    checkpoints = None
    if task.checkpoints is not None:
        # Of another window, other settings, corrected rows or another base a checkpoint is not continued.
        origin = hashlib.sha256(task.base.save_raw()).hexdigest() if task.base is not None else ""
        mark = boosting.fingerprint(task.mark, dict(settings.parameters), origin)
        checkpoints = boosting.Checkpoints(task.checkpoints, mark)
    trained = boosting.train(data, watched, settings, checkpoints, task.report, task.base)
    return Trained(
        predictor=BoosterPredictor(booster=trained.booster),
        history=trained.history,
        best_round=trained.best_round,
        stopped_early=trained.stopped_early,
        resumed_at=trained.resumed_at,
        notes={},
    )


def parameters(hyperparameters: dict[str, Any], task: Task) -> dict[str, Any]:
    chosen = {name: value for name, value in hyperparameters.items() if name not in LOOP}
    chosen |= {
        "objective": boosting.OBJECTIVES[task.problem],
        "eval_metric": boosting.METRICS[task.problem],
        "nthread": task.threads,
    }
    return chosen | ({"num_class": task.classes} if task.problem == "multiclass" else {})


def matrix(rows: Rows, task: Task) -> Any:
    return xgboost.DMatrix(rows.matrix, rows.label, weight=rows.weight, nthread=task.threads)
