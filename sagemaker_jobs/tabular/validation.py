"""How far a training can be trusted: cross-validation in order of time, and losses by number of rows.

Each fold fits its own preparation: means, categories and target encodings of other days stay outside.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from tabular import families, split
from tabular.contract import ModelContract
from tabular.families import losses
from tabular.families.base import silent
from tabular.families.folds import blocks, forward
from tabular.frame import Frame
from tabular.training import Plan, as_rows, fit_preparation, outcome, rule_loss, task

# Families that stop by held-out rows get the last of so many blocks of a fold's training days for it.
STOPPING = ("xgboost", "stack")
STOPPING_PART = 6


def cross_validated(
    agreed: ModelContract, plan: Plan, rows: split.TrainingRows, folds: int
) -> dict[str, Any]:
    """Loss of model and rule on each held-out block of days, trained on the days before it."""
    quiet = replace(plan, checkpoints=None, report=silent)
    found = [
        _fold(agreed, quiet, rows.take(inside), rows.take(held)) for inside, held in forward(rows.date, folds)
    ]
    values = np.array([fold["loss"] for fold in found])
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {
        "loss": losses.NAMES[agreed.problem],
        "folds": found,
        "mean": float(values.mean()),
        "standard_error": error,
        "rule_mean": float(np.mean([fold["rule"] for fold in found])),
    }


def _fold(agreed: ModelContract, plan: Plan, rows: split.TrainingRows, held: Frame) -> dict[str, Any]:
    inside, stopping = rows, held
    if plan.family in STOPPING:
        block = blocks(rows.date, STOPPING_PART)
        inside, stopping = rows.take(block < STOPPING_PART - 1), rows.take(block == STOPPING_PART - 1)
    prepared, fitted = fit_preparation(agreed, inside)
    watched = as_rows(prepared, held)
    asked = task(agreed, prepared, plan, fitted)
    stop_rows = as_rows(prepared, stopping)
    trained = families.fit(plan.family, fitted, stop_rows, dict(plan.hyperparameters), asked)
    if plan.family in STOPPING:
        loss = losses.of_scores(agreed.problem, held.label, trained.predictor.predict(watched.matrix))
    else:
        loss = losses.validation(trained.history[trained.best_round])
    return {
        "train": {"rows": len(rows), "from": str(rows.date[0]), "until": str(rows.date[-1])},
        "held_out": {"rows": len(held), "from": str(held.date[0]), "until": str(held.date[-1])},
        "loss": loss,
        "rule": rule_loss(agreed, held, fitted, watched, asked, trained),
    }


def learning_curve(
    agreed: ModelContract, plan: Plan, rows: split.TrainingRows, held: Frame, points: int
) -> list[dict[str, Any]]:
    """Losses of models of the last 1/points, 2/points, ... of the training days, on the same held-out rows.

    A curve that still falls at its end asks for more rows; losses far apart ask for a simpler model.
    """
    quiet = replace(plan, checkpoints=None, report=silent)
    block = blocks(rows.date, points)
    curve = []
    for place in range(points - 1, -1, -1):
        part = rows.take(block >= place)
        found = outcome(agreed, quiet, part, held)
        best = found.trained.history[found.trained.best_round]
        name = losses.NAMES[agreed.problem]
        curve.append(
            {
                "rows": len(part),
                "from": str(part.date[0]),
                "train": best["train"][name],
                "validation": best["validation"][name],
            }
        )
    return curve
