"""Fits k-means with scikit-learn, and judges clusters by their silhouette on rows that were not fitted."""

from typing import Any

import numpy as np

from tabular.families import losses
from tabular.families.arguments import HyperparameterError
from tabular.families.base import Rows, Task, Trained
from tabular.families.centres import CentresPredictor
from tabular.families.scaling import Scaling

# A silhouette compares each row with each other.
JUDGED_ROWS = 2000


def fit(_family: str, train: Rows, held: Rows, hyperparameters: dict[str, Any], task: Task) -> Trained:
    from sklearn.cluster import KMeans

    clusters = hyperparameters["clusters"]
    if not 2 <= clusters <= len(train):
        raise HyperparameterError(f"clusters is {clusters}, allowed are 2 to the {len(train)} training rows")
    scaling = Scaling.fitted(train.matrix, train.weight)
    estimator = KMeans(
        n_clusters=clusters,
        n_init=hyperparameters["starts"],
        max_iter=hyperparameters["max_iter"],
        random_state=hyperparameters["seed"],
    )
    estimator.fit(scaling.apply(train.matrix), sample_weight=train.weight)
    predictor = CentresPredictor(scaling=scaling, centres=np.asarray(estimator.cluster_centers_))
    train_loss, held_loss = (
        1 - silhouette(predictor, rows.matrix, predictor.predict(rows.matrix)) for rows in (train, held)
    )
    scores = losses.one_round(task.problem, train_loss, held_loss)
    task.report(0, scores)
    sizes = np.bincount(predictor.predict(held.matrix).astype(int), minlength=clusters)
    notes = {
        "inertia": float(estimator.inertia_),
        "converged": bool(estimator.n_iter_ < hyperparameters["max_iter"]),
        "held_out_sizes": sizes.tolist(),
    }
    return Trained(predictor=predictor, history=[scores], notes=notes)


def silhouette(predictor: CentresPredictor, matrix: np.ndarray, clusters: np.ndarray) -> float:
    """From -1 to 1 in the predictor's scaled columns, over evenly chosen rows; one cluster has 0."""
    from sklearn.metrics import silhouette_score

    chosen = np.unique(np.linspace(0, len(matrix) - 1, min(JUDGED_ROWS, len(matrix))).astype(int))
    found = len(np.unique(clusters[chosen]))
    if not 2 <= found < len(chosen):
        return 0.0
    return float(silhouette_score(predictor.scaling.apply(matrix[chosen]), clusters[chosen]))
