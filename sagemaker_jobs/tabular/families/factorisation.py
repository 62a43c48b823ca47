"""Fits a non-negative matrix factorisation of who took what how often, with scikit-learn.

A row is an event of a user and an item; its label says how much (1 for a plain event, 0 for none). Judged on
later rows: which items a user takes then, among all, against the most popular ones.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tabular.families import losses
from tabular.families.arguments import HyperparameterError
from tabular.families.base import Rows, Task, Trained, TrainingDiverged
from tabular.families.factors import FactorsPredictor, known


def fit(_family: str, train: Rows, held: Rows, hyperparameters: dict[str, Any], task: Task) -> Trained:
    import warnings

    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    user, item = pair(task)
    counts = table(train, task)
    factors = hyperparameters["factors"]
    if not 1 <= factors <= min(counts.shape):
        raise HyperparameterError(
            f"factors is {factors}, allowed are 1 to {min(counts.shape)}: the training rows "
            f"have {counts.shape[0]} users and {counts.shape[1]} items"
        )
    estimator = NMF(
        n_components=factors,
        init="nndsvda",
        max_iter=hyperparameters["max_iter"],
        alpha_W=hyperparameters["alpha"],
        random_state=hyperparameters["seed"],
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        users = estimator.fit_transform(np.log1p(counts))
    predictor = FactorsPredictor(
        users=np.vstack([users, users.mean(axis=0)]),  # a stranger is drawn to what people like on average
        items=np.vstack([estimator.components_.T, np.zeros(factors)]),
        user=user,
        item=item,
        columns=len(task.columns),
    )
    of_train, of_held = (ranked(rows, task, predictor.ranking) for rows in (train, held))
    scores = losses.one_round(task.problem, 1 - of_train["ndcg"], 1 - of_held["ndcg"])
    task.report(0, scores)
    notes = {
        "converged": not any(issubclass(entry.category, ConvergenceWarning) for entry in caught),
        "users": counts.shape[0],
        "items": counts.shape[1],
        "held_out": of_held,
        "popularity": ranked(held, task, popularity(counts)),
    }
    return Trained(predictor=predictor, history=[scores], notes=notes)


def pair(task: Task) -> tuple[int, int]:
    if task.pair is None:
        raise HyperparameterError("a recommendation needs the columns of user and item")
    return task.pair


def table(rows: Rows, task: Task) -> np.ndarray:
    """Sum of the labels of each user (line) and item (column); rows of neither are left out."""
    user, item = (rows.matrix[:, column] for column in pair(task))
    usable = np.isfinite(user) & np.isfinite(item)
    if not usable.any() or float(rows.label[usable].min()) < 0:
        raise TrainingDiverged(
            "no training row has a user, an item and a label of 0 or more: a label says how much was taken"
        )
    shape = (int(user[usable].max()) + 1, int(item[usable].max()) + 1)
    counts = np.zeros(shape)
    places = (user[usable].astype(np.int64), item[usable].astype(np.int64))
    np.add.at(counts, places, rows.label[usable] * (1.0 if rows.weight is None else rows.weight[usable]))
    return counts


def popularity(counts: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The same list for everybody: the items that were taken most."""
    total = counts.sum(axis=0)
    return lambda user: np.broadcast_to(total, (len(user), len(total)))


def ranked(rows: Rows, task: Task, ranking: Callable[[np.ndarray], np.ndarray]) -> dict[str, float]:
    """Recall and NDCG of the first `at` items, mean over users who took something in these rows.

    An item counts once, however often it was taken; items that training did not know count as missed.
    """
    user, item = (rows.matrix[:, column] for column in pair(task))
    taken = np.isfinite(user) & (rows.label > 0)
    if not taken.any():
        return {"recall": 0.0, "ndcg": 0.0, "users": 0.0}
    names, codes = np.unique(user[taken], return_inverse=True)
    scores = ranking(names)
    count = scores.shape[1]
    relevant = np.zeros((len(names), count + 1), dtype=bool)
    relevant[codes, known(item[taken], count)] = True
    length = min(task.at, count)
    first = np.argsort(-scores, axis=1, kind="stable")[:, :length]
    hits = np.take_along_axis(relevant, first, axis=1)
    discount = 1 / np.log2(np.arange(2, length + 2))
    wanted = relevant.sum(axis=1)
    best = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(wanted, length)]
    return {
        "recall": float((hits.sum(axis=1) / np.minimum(wanted, length)).mean()),
        "ndcg": float(((hits * discount).sum(axis=1) / best).mean()),
        "users": float(len(names)),
    }
