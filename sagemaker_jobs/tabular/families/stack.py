"""Fits a stack: members on out-of-fold scores, a linear model that combines them, members again on all rows.

What combines must see the members' scores for rows that these have not learned from, or it would trust the
one that learned its rows by heart. Folds are blocks of days.
"""

from typing import Any

import numpy as np

from tabular import families
from tabular.families import linear, losses
from tabular.families.arguments import HyperparameterError, typed
from tabular.families.base import Member, Rows, Task, Trained
from tabular.families.folds import left_out
from tabular.families.stacked import StackPredictor, combined


def fit(_family: str, train: Rows, held: Rows, hyperparameters: dict[str, Any], task: Task) -> Trained:
    if len(task.members) < 2:
        names = ", ".join(member.name for member in task.members) or "none"
        raise HyperparameterError(
            f"a stack of {names}: hyperparameter members must name two or more other candidates of the "
            "contract, with commas between"
        )
    quiet = task.quiet()
    fitted = [
        families.fit(member.family, train, held, dict(member.hyperparameters), quiet)
        for member in task.members
    ]
    # A synthetic row was made of others, which may lie in another block: it takes no part in the folds.
    own = train.take(train.date != "")
    folds = left_out(own.date, hyperparameters["folds"])
    is_class = task.problem in ("binary", "multiclass")
    link = "logistic" if is_class else "identity"
    out_of_fold = [_out_of_fold(own, held, folds, member, quiet) for member in task.members]
    scores = {
        "train": combined(out_of_fold, link),
        "validation": combined([trained.predictor.predict(held.matrix) for trained in fitted], link),
    }
    parts = {"train": own, "validation": held}
    columns = [f"score_{place}" for place in range(scores["train"].shape[1])]
    stacked = {
        name: Rows(matrix=scores[name], label=rows.label, date=rows.date, weight=rows.weight)
        for name, rows in parts.items()
    }
    kind = "logistic" if is_class else "linear"
    combiner = linear.fit(
        kind,
        stacked["train"],
        stacked["validation"],
        typed(kind, {name: hyperparameters[name] for name in ("alpha", "seed")}),
        Task(problem=task.problem, columns=columns, classes=task.classes),
    )
    predictor = StackPredictor(members=[trained.predictor for trained in fitted], combiner=combiner.predictor)
    # The training loss is that of out-of-fold scores: members know their training rows by heart.
    task.report(0, combiner.history[0])
    notes = {
        "converged": combiner.notes["converged"],
        "weights": combiner.predictor.coefficients.tolist(),
        "members": [
            {
                "name": member.name,
                "family": member.family,
                "validation": losses.validation(trained.history[trained.best_round]),
            }
            for member, trained in zip(task.members, fitted, strict=True)
        ],
    }
    return Trained(predictor=predictor, history=combiner.history, notes=notes)


def _out_of_fold(
    train: Rows, held: Rows, folds: list[tuple[np.ndarray, np.ndarray]], member: Member, task: Task
) -> np.ndarray:
    """Scores of each training row by a model of the other blocks.

    All of them stop by the validation rows: stopping by the block's own would let its labels have a say.
    """
    parts: list[np.ndarray] = []
    for inside, outside in folds:
        part = families.fit(member.family, train.take(inside), held, dict(member.hyperparameters), task)
        parts.append(part.predictor.predict(train.matrix[outside]))
    scores = np.empty((len(train), *parts[0].shape[1:]))
    for (_, outside), found in zip(folds, parts, strict=True):
        scores[outside] = found
    return scores
