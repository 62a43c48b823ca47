"""Fits linear models (ridge, lasso, elastic net) and logistic ones (L1, L2) with scikit-learn.

alpha is the strength of the penalty per row, in units of the mean loss, whatever the family: 0 asks for none.
l1_ratio divides it: 0 is L2, 1 is L1.
"""

import warnings
from typing import Any

import numpy as np

from tabular.families import losses
from tabular.families.arguments import HyperparameterError
from tabular.families.base import Rows, Task, Trained
from tabular.families.coefficients import LinearPredictor
from tabular.families.scaling import Scaling


def fit(family: str, train: Rows, held: Rows, hyperparameters: dict[str, Any], task: Task) -> Trained:
    ratio, alpha = hyperparameters["l1_ratio"], hyperparameters["alpha"]
    if alpha < 0 or not 0 <= ratio <= 1:
        raise HyperparameterError(f"alpha {alpha} and l1_ratio {ratio}, allowed are 0 or more and 0 to 1")
    scaling = Scaling.fitted(train.matrix, train.weight)
    fitted, converged = _estimated(family, scaling.apply(train.matrix), train, hyperparameters)
    coefficients = np.atleast_2d(np.asarray(fitted.coef_, dtype=np.float64))
    predictor = LinearPredictor(
        scaling=scaling,
        coefficients=coefficients,
        intercept=np.atleast_1d(np.asarray(fitted.intercept_, dtype=np.float64)),
        link="identity" if family == "linear" else "logistic" if len(coefficients) == 1 else "softmax",
    )
    train_loss, held_loss = (
        losses.of_scores(task.problem, rows.label, predictor.predict(rows.matrix)) for rows in (train, held)
    )
    scores = losses.one_round(task.problem, train_loss, held_loss)
    task.report(0, scores)
    notes = {"converged": converged, "columns_used": int((coefficients != 0).any(axis=0).sum())}
    return Trained(predictor=predictor, history=[scores], notes=notes)


def _estimated(family: str, scaled: np.ndarray, train: Rows, given: dict[str, Any]) -> tuple[Any, bool]:
    """The fitted estimator, and whether its solver came to an end."""
    from sklearn.exceptions import ConvergenceWarning

    total = float(len(train) if train.weight is None else train.weight.sum())
    estimator = _linear(given, total) if family == "linear" else _logistic(given, total)
    label = train.label if family == "linear" else train.label.astype(np.int64)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        estimator.fit(scaled, label, sample_weight=train.weight)
    return estimator, not any(issubclass(entry.category, ConvergenceWarning) for entry in caught)


def _linear(given: dict[str, Any], total: float) -> Any:
    from sklearn.linear_model import ElasticNet, LinearRegression, Ridge

    alpha, ratio = given["alpha"], given["l1_ratio"]
    if alpha == 0:
        return LinearRegression()
    if ratio == 0:  # its penalty is weighed against the sum of squares, the others' against half the mean
        return Ridge(alpha=alpha * total)
    return ElasticNet(alpha=alpha, l1_ratio=ratio, max_iter=given["max_iter"], random_state=given["seed"])


def _logistic(given: dict[str, Any], total: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    alpha, ratio = given["alpha"], given["l1_ratio"]
    return LogisticRegression(
        C=1 / (alpha * total) if alpha else np.inf,
        l1_ratio=ratio,
        solver="saga" if ratio and alpha else "lbfgs",
        max_iter=given["max_iter"],
        random_state=given["seed"],
    )
