"""Model families behind one training interface, and the predictors that they leave for serving.

Importing the package imports numpy alone: a family is imported when it is trained, a predictor when it is
loaded, so that a linear model serves without XGBoost.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tabular.families.arguments import PARAMETERS, HyperparameterError
from tabular.families.base import Predictor, Rows, Task, Trained, TrainingDiverged

SUPERVISED = ("binary", "multiclass", "regression", "forecasting")
# Which problems a family can solve. Its module below this package has `fit`.
PROBLEMS: dict[str, tuple[str, ...]] = {
    "xgboost": SUPERVISED,
    "tree": SUPERVISED,
    "forest": SUPERVISED,
    "linear": ("regression", "forecasting"),
    "logistic": ("binary", "multiclass"),
    "stack": SUPERVISED,
    "kmeans": ("clustering",),
    "factorisation": ("recommendation",),
}
MODULES = {
    "xgboost": "boosted",
    "tree": "forest",
    "forest": "forest",
    "linear": "linear",
    "logistic": "linear",
    "stack": "stack",
    "kmeans": "kmeans",
    "factorisation": "factorisation",
}
# Whose models can be trained further: trees are added to trees. Any other family begins anew.
INCREMENTAL = ("xgboost",)
# The module with the predictor of each kind that model.json may have.
KINDS = {
    "xgboost": "booster",
    "linear": "coefficients",
    "kmeans": "centres",
    "stack": "stacked",
    "factorisation": "factors",
}


def fit(family: str, train: Rows, held: Rows, hyperparameters: dict[str, Any], task: Task) -> Trained:
    """Trains one family. `hyperparameters` as `arguments.typed` returns them.

    Raises HyperparameterError for a family that cannot solve the problem, base.TrainingDiverged when the loss
    is no number.
    """
    if task.problem not in PROBLEMS.get(family, ()):
        able = ", ".join(name for name, problems in PROBLEMS.items() if task.problem in problems)
        raise HyperparameterError(
            f"family {family!r} cannot solve a {task.problem} problem, allowed are {able}"
        )
    with np.errstate(over="ignore"):
        wild = ~np.isfinite(train.label.astype(np.float32))
    if wild.any():
        raise TrainingDiverged(
            f"{int(wild.sum())} labels of the training window are beyond single precision, which trees "
            "use: look for extreme values in the label"
        )
    from threadpoolctl import threadpool_limits

    # Many small products: threads that wait for each other make a fit sixty times slower than one alone.
    with threadpool_limits(1, user_api="blas"):
        trained: Trained = _module(MODULES[family]).fit(family, train, held, hyperparameters, task)
    return trained


def load(kind: str, folder: Path) -> Predictor:
    """The predictor of this kind from its files in `folder`; base.ArtefactError when they are damaged."""
    predictor: Predictor = _module(KINDS[kind]).load(folder)
    return predictor


def _module(name: str) -> ModuleType:
    return import_module(f"tabular.families.{name}")


__all__ = ["INCREMENTAL", "KINDS", "PARAMETERS", "PROBLEMS", "HyperparameterError", "fit", "load"]
