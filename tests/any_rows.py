"""Bundled data sets as prepared rows, in two windows of made-up days, for tests of model families."""

from typing import Any

import numpy as np
from sklearn import datasets
from tabular import families
from tabular.families import arguments
from tabular.families.base import Rows, Task, Trained

LOADERS = {
    "binary": datasets.load_breast_cancer,
    "multiclass": datasets.load_wine,
    "regression": datasets.load_diabetes,
    "clustering": datasets.load_iris,
}


def bundled(problem: str, *, missing: float = 0.0) -> tuple[Rows, Rows]:
    """(train, held): four fifths and a fifth of the shuffled rows; ten rows are a day."""
    matrix, label = LOADERS[problem](return_X_y=True)
    random = np.random.default_rng(1)
    order = random.permutation(len(label))
    values = matrix[order].astype(np.float32)
    values[random.random(values.shape) < missing] = np.nan
    first = np.datetime64("2024-01-01")
    date = (first + np.arange(len(label)) // 10).astype(str)
    rows = Rows(matrix=values, label=label[order].astype(float), date=date)
    cut = len(label) * 4 // 5
    return rows.take(np.arange(cut)), rows.take(np.arange(cut, len(label)))


def any_task(problem: str, rows: Rows, **given: Any) -> Task:
    classes = len(np.unique(rows.label)) if problem == "multiclass" else 0
    columns = [f"x{place}" for place in range(rows.matrix.shape[1])]
    return Task(problem=problem, columns=columns, classes=classes, **given)


def fitted(family: str, problem: str, parts: tuple[Rows, Rows] | None = None, **given: Any) -> Trained:
    """Trained on the bundled rows of the problem; `members` of a stack come as (family, hyperparameters)."""
    train, held = parts or bundled(problem)
    members = given.pop("members", ())
    task = any_task(problem, train, members=members)
    return families.fit(family, train, held, arguments.typed(family, given), task)
