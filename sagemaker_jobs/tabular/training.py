"""From the rows of two windows to a trained candidate that has beaten the contract's rule, or to an error."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tabular import families, models, preparation, rules, split
from tabular.contract import ModelContract
from tabular.families import arguments, losses
from tabular.families.base import Member, Round, Rows, Task, Trained, TrainingDiverged, silent
from tabular.frame import Frame
from tabular.preparation import Preparation


class TrainingDataError(ValueError):
    """The training rows do not allow a model."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is trained: family and hyperparameters of a candidate, and the means for it."""

    family: str
    hyperparameters: Mapping[str, Any]
    threads: int = 1
    report: Callable[[int, Round], None] = silent
    checkpoints: Path | None = None
    mark: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`rule`: the loss that the contract's rule reaches on the held-out rows."""

    preparation: Preparation
    trained: Trained
    train: Rows
    rule: float
    seconds: float

    @property
    def loss(self) -> float:
        return losses.validation(self.trained.history[self.trained.best_round])


def outcome(
    agreed: ModelContract,
    plan: Plan,
    train: split.TrainingRows,
    held: Frame,
    begun: models.TrainedModel | None = None,
) -> Outcome:
    """Fits preparation and model on `train`; `begun`: the model whose preparation and trees go on."""
    started = time.monotonic()
    if begun is None:
        prepared, fitted = fit_preparation(agreed, train)
    else:
        prepared = begun.preparation
        fitted = _dated(preparation.continued(prepared, train, agreed), train)
    watched = as_rows(prepared, held)
    asked = task(agreed, prepared, plan, fitted, begun)
    trained = families.fit(plan.family, fitted, watched, dict(plan.hyperparameters), asked)
    seconds = time.monotonic() - started
    rule = rule_loss(agreed, held, fitted, watched, asked, trained)
    return Outcome(preparation=prepared, trained=trained, train=fitted, rule=rule, seconds=seconds)


def fit_preparation(agreed: ModelContract, rows: split.TrainingRows) -> tuple[Preparation, Rows]:
    prepared, fitted = preparation.training(rows, agreed)
    return prepared, _dated(fitted, rows)


def _dated(fitted: preparation.Fitted, rows: Frame) -> Rows:
    """A synthetic row has no day: its date is empty text."""
    date = np.where(fitted.rows >= 0, rows.date[fitted.rows], "")
    return Rows(matrix=fitted.matrix, label=fitted.label, date=date, weight=fitted.weight)


def as_rows(prepared: Preparation, frame: Frame) -> Rows:
    return Rows(matrix=prepared.matrix(frame), label=frame.label, date=frame.date)


def task(
    agreed: ModelContract,
    prepared: Preparation,
    plan: Plan,
    fitted: Rows,
    begun: models.TrainedModel | None = None,
) -> Task:
    wanted = agreed.recommendation
    pair = tuple(prepared.columns.index(wanted[side]) for side in ("user", "item")) if wanted else None
    # Of corrected rows or another window a checkpoint must not be continued.
    content = float(np.nansum(fitted.matrix, dtype=np.float64))
    if fitted.weight is not None:
        content += float((fitted.weight * fitted.label).sum())
    return Task(
        problem=agreed.problem,
        columns=prepared.columns,
        classes=len(agreed.classes),
        threads=plan.threads,
        report=plan.report,
        checkpoints=plan.checkpoints,
        mark=f"{plan.mark} {fitted.matrix.shape} {content!r}",
        base=getattr(begun.predictor, "booster", None) if begun else None,
        members=members(agreed, plan),
        pair=(pair[0], pair[1]) if pair else None,
        at=int(wanted["at"]) if wanted else 10,
    )


def members(agreed: ModelContract, plan: Plan) -> list[Member]:
    """The other candidates that a stack names."""
    names = [name.strip() for name in str(plan.hyperparameters.get("members", "")).split(",")]
    found = []
    for name in filter(None, names):
        entry = agreed.candidate(name)
        if entry["family"] == "stack":
            raise families.HyperparameterError(
                f"member {name!r} is a stack itself, allowed is any other family"
            )
        given = arguments.typed(entry["family"], entry["hyperparameters"])
        found.append(Member(name=name, family=entry["family"], hyperparameters=given))
    return found


def rule_loss(
    agreed: ModelContract, held: Frame, train: Rows, watched: Rows, asked: Task, trained: Trained
) -> float:
    """On the same rows and in the same measure as the model's validation loss.

    The rule of a recommendation is what was most popular in the training rows; clusters are compared with
    those that the contract's rule makes, which are one where it has only a default.
    """
    if agreed.problem == "recommendation":
        from tabular.families import factorisation

        popular = factorisation.popularity(factorisation.table(train, asked))
        return 1 - factorisation.ranked(watched, asked, popular)["ndcg"]
    scores = models.RuleModel(content=rules.rule_model(agreed.compiled)).scores(held)
    if agreed.problem == "clustering":
        from tabular.families import kmeans
        from tabular.families.centres import CentresPredictor

        assert isinstance(trained.predictor, CentresPredictor)  # noqa: S101  the only family of clusters
        return 1 - kmeans.silhouette(trained.predictor, watched.matrix, scores)
    return losses.of_scores(agreed.problem, held.label, scores)


def check_against_rule(agreed: ModelContract, found: Outcome) -> None:
    """A model that loses to the contract's rule on its own validation rows has learned nothing: stop here."""
    if found.loss > found.rule:
        raise TrainingDiverged(
            f"the best validation {losses.NAMES[agreed.problem]} is {found.loss:.5f}, "
            f"the rule baseline reaches {found.rule:.5f}: the model learned nothing that "
            "holds, look at eta and num_round of trees, alpha of others, and the training window"
        )


def check_rows(agreed: ModelContract, parts: split.Split, windows: split.Windows) -> None:
    minimum = int(agreed.split.get("minimum_train_rows", 1))
    split.require_rows(parts.train, minimum, "training", (windows.train_start, windows.train_end))
    split.require_rows(parts.validation, 1, "validation", (windows.train_end, windows.validation_end))
    if agreed.problem == "clustering":  # its label is not looked at
        return
    for name, part in (("training", parts.train), ("validation", parts.validation)):
        values = np.unique(part.label)
        if agreed.problem == "recommendation":
            _check_amounts(values, name)
            continue
        if len(values) == 1:
            raise TrainingDataError(
                f"every label of the {name} window is {values[0]:g}: a model needs at least two values, "
                "check the label's rule in the contract or widen the window"
            )
        if agreed.is_binary and not np.isin(values, (0.0, 1.0)).all():
            wrong = values[~np.isin(values, (0.0, 1.0))][0]
            raise TrainingDataError(f"label {wrong:g} in a binary problem, allowed are 0 and 1")
    if agreed.problem == "multiclass":
        _check_classes(agreed, parts)


def _check_classes(agreed: ModelContract, parts: split.Split) -> None:
    """Each label the index of a class, and each class learnable."""
    count = len(agreed.classes)
    for part in (parts.train, parts.validation):
        wrong = part.label[~np.isin(part.label, np.arange(count))]
        if len(wrong):
            raise TrainingDataError(
                f"label {wrong[0]:g} in a problem of {count} classes, allowed are 0 to {count - 1}: "
                f"the label must be the place of its class in {', '.join(agreed.classes)}"
            )
    seen = np.bincount(parts.train.label.astype(np.int64), minlength=count)
    absent = [name for name, rows in zip(agreed.classes, seen, strict=True) if not rows]
    if absent:
        raise TrainingDataError(
            f"no training row is of class {', '.join(absent)}: the contract names classes that "
            "the label does not hold in this window, take them out of model.classes or widen the window"
        )


def _check_amounts(values: np.ndarray, name: str) -> None:
    if values.min() < 0 or values.max() <= 0:
        raise TrainingDataError(
            f"the labels of the {name} window go from {values.min():g} to {values.max():g}: the label of a "
            "recommendation says how much was taken, 0 or more, and some must be above 0"
        )
