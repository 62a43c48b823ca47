"""What trains: prepared rows, target-encoded without their own labels, weighed or resampled where asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tabular.frame import Frame
from tabular.preparation import encodings, imbalance, smote
from tabular.preparation.encodings import Categorical, OutOfFold
from tabular.preparation.errors import PreparationError
from tabular.preparation.numeric import Numeric
from tabular.preparation.prepared import Preparation, Step
from tabular.preparation.text import Text
from tabular.split import TrainingRows


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What trains: (n, columns), (n,) labels, (n,) weights.

    rows  of each line, its row among the training rows: fewer after deletion, repeated after oversampling,
          -1 where the row is synthetic
    """

    matrix: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.matrix)


def out_of_fold(prepared: Preparation, part: TrainingRows, targets: np.ndarray) -> Mapping[str, OutOfFold]:
    """A reader for each target-encoded feature of rows that the encoding was fitted on."""
    folds = encodings.folds_of(len(part))
    return {
        step.name: OutOfFold(step, part.columns[step.name], targets, folds)
        for step in prepared.steps
        if isinstance(step, Categorical) and step.encoding == "target"
    }


def assembled(
    prepared: Preparation,
    part: TrainingRows,
    kept: np.ndarray,
    options: Mapping[str, Any],
    *,
    readers: Mapping[str, OutOfFold],
    filled: np.ndarray | None = None,
) -> Fitted:
    """kept: of each row of `part`, which training row it is; options: `preparation.imbalance`."""
    folds = encodings.folds_of(len(part))
    matrix = _training_matrix(prepared, part, filled, folds, readers)
    method, label = options.get("method", "none"), part.label
    weight = np.ones(len(part))
    if method not in imbalance.METHODS:
        raise PreparationError(f"imbalance method {method!r}, allowed are {', '.join(imbalance.METHODS)}")
    if method != "none":
        imbalance.check(label, method)
    if method == "weights":
        weight = imbalance.weights(label)
    if method in ("oversample", "undersample"):
        resample = imbalance.oversampled if method == "oversample" else imbalance.undersampled
        chosen = resample(label, options)
        return Fitted(matrix=matrix[chosen], label=label[chosen], weight=weight[chosen], rows=kept[chosen])
    if method == "smote":
        kinds = {step.name: _kind(step) for step in prepared.steps}
        made, parents = smote.synthetic(part, kinds, folds if readers else np.zeros_like(folds), options)
        return Fitted(
            matrix=np.vstack([matrix, _training_matrix(prepared, made, None, parents, readers)]),
            label=np.concatenate([label, made.label]),
            weight=np.ones(len(label) + len(made)),
            rows=np.concatenate([kept, np.full(len(made), -1)]),
        )
    return Fitted(matrix=matrix, label=label, weight=weight, rows=kept)


def _training_matrix(
    prepared: Preparation,
    part: Frame,
    filled: np.ndarray | None,
    folds: np.ndarray,
    readers: Mapping[str, OutOfFold],
) -> np.ndarray:
    matrix = prepared.matrix_of(part, filled)
    place = 0
    for step in prepared.steps:
        width = len(step.columns)
        if step.name in readers:
            matrix[:, place : place + width] = readers[step.name].encoded(part.columns[step.name], folds)
        place += width
    return matrix


def _kind(step: Step) -> str:
    if isinstance(step, Numeric):
        return "numeric"
    return "text" if isinstance(step, Text) else "categorical"
