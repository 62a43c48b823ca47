"""What going on from the champion gives up, and saves, against training from nothing on the same windows."""

from dataclasses import replace
from typing import Any

import numpy as np

from tabular import comparison, metrics, models
from tabular.contract import ModelContract
from tabular.families.base import silent
from tabular.frame import Frame
from tabular.preparation import Preparation
from tabular.split import TrainingRows
from tabular.training import Outcome, Plan, outcome


def compared(
    agreed: ModelContract, plan: Plan, whole: TrainingRows, held: Frame, incremental: Outcome
) -> dict[str, Any]:
    """Rows, seconds and validation loss of both starts.

    whole  the training rows of the run's windows, those that the champion knows included

    `paired` compares them row by row on the validation rows: above zero, going on is the better one.
    """
    scratch = outcome(agreed, replace(plan, checkpoints=None, report=silent), whole, held)
    losses = [_losses(agreed, one, one.preparation, held) for one in (incremental, scratch)]
    confidence = agreed.gate["confidence"]
    return {
        "incremental": _described(incremental),
        "from_nothing": _described(scratch),
        "paired": comparison.paired(losses[0], losses[1], held.date, confidence).to_json(),
    }


def _losses(agreed: ModelContract, one: Outcome, prepared: Preparation, held: Frame) -> np.ndarray:
    model = models.TrainedModel(content={}, predictor=one.trained.predictor, preparation=prepared)
    return metrics.row_loss(agreed.problem, held.label, model.scores(held))


def _described(one: Outcome) -> dict[str, Any]:
    return {
        "rows": len(one.train),
        "rounds": one.trained.best_round + 1,
        "seconds": round(one.seconds, 3),
        "validation_loss": one.loss,
    }
