"""Looks for what a model must not know: a feature that is the label, a row that reads its own label.

What can be excluded is excluded: leak columns and joins into the future by the contract, rows of other
windows by tabular.split. This finds the rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from tabular import split
from tabular.contract import ModelContract
from tabular.frame import Frame
from tabular.preparation.encodings import FOLDS, factorised, folds_of, label_columns
from tabular.split import TrainingRows, Windows

# No honest feature of ours comes near: the best on the flights reaches 0.6, on the patients 0.35.
LIMIT = 0.985
SAMPLE = 20_000
ROWS_PER_BIN = 20
MOST_BINS = 256


class LeakageError(ValueError):
    """A feature knows the label."""


class Scores(Protocol):
    def scores(self, frame: Frame) -> np.ndarray: ...


def check_label_in_disguise(rows: TrainingRows, contract: ModelContract) -> None:
    """Refuse a feature that alone tells the label, unless the contract says that it is known before.

    A forecast is left alone: there, yesterday's value may be nearly today's.
    """
    if contract.problem not in ("binary", "multiclass", "regression"):
        return
    allowed = set(contract.preparation.get("known_before") or ())
    kinds = {name: kind for name, kind in contract.kinds.items() if kind != "text" and name not in allowed}
    for name, power in power_alone(rows, kinds, contract.problem).items():
        if power >= LIMIT:
            raise LeakageError(
                f"{name} alone tells {power:.1%} of the label of the training rows, allowed is less than "
                f"{LIMIT:.1%}: it probably knows what is only known afterwards; remove it from the features "
                "and name it in leak_columns, or, if it is known before, in preparation.known_before"
            )


def power_alone(rows: Frame, kinds: Mapping[str, str], problem: str) -> dict[str, float]:
    """What each feature alone says of labels that it was not fitted on, 0 (nothing) to 1 (all).

    Its bins or categories take the mean label of the other folds. Classification: balanced accuracy, moved so
    that guessing is 0, or |2 AUC - 1|; regression: explained share of the variance, or squared correlation.
    """
    chosen = rows.take(np.unique(np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(np.int64)))
    label = chosen.label
    if len(chosen) < 2 * FOLDS or len(np.unique(label)) < 2:
        return {}
    classes = None
    if problem != "regression":
        names, label = np.unique(label, return_inverse=True)
        classes = len(names)
    targets = label_columns(label.astype(np.float64), classes)
    return {name: _power(chosen.columns[name], kind, targets) for name, kind in kinds.items()}


def _power(values: np.ndarray, kind: str, targets: np.ndarray) -> float:
    codes = _codes(values) if kind == "numeric" else factorised(values)[0]
    folds = folds_of(len(codes))
    guessed = np.empty_like(targets)
    size = int(codes.max()) + 2
    for fold in range(FOLDS):
        inside, outside = folds == fold, folds != fold
        prior = targets[outside].mean(axis=0)
        shifted = codes[outside] + 1
        count = np.bincount(shifted, minlength=size).reshape(-1, 1)
        total = np.column_stack(
            [np.bincount(shifted, weights=column[outside], minlength=size) for column in targets.T]
        )
        means = np.where(count > 0, total / np.maximum(count, 1), prior)
        guessed[inside] = means[codes[inside] + 1]
    if targets.shape[1] > 1:
        ordered = _order(values, targets[:, 1]) if kind == "numeric" and targets.shape[1] == 2 else 0.0
        return max(_balanced(guessed, targets), ordered)
    label = targets[:, 0]
    explained = 1 - float(((label - guessed[:, 0]) ** 2).mean() / label.var())
    return max(explained, _correlation(values, label) if kind == "numeric" else 0.0)


def _codes(values: np.ndarray) -> np.ndarray:
    """Quantile bins of at least some rows each; -1 where the value is missing."""
    known = values[~np.isnan(values)]
    if not len(known):
        return np.full(len(values), -1)
    count = min(MOST_BINS, max(2, len(known) // ROWS_PER_BIN))
    edges = np.unique(np.quantile(known, np.linspace(0, 1, count + 1)[1:-1]))
    codes = np.searchsorted(edges, values, side="right")
    return np.where(np.isnan(values), -1, codes)


def _balanced(guessed: np.ndarray, targets: np.ndarray) -> float:
    right = guessed.argmax(axis=1) == targets.argmax(axis=1)
    recalls = [right[column == 1].mean() for column in targets.T]
    guess = 1 / len(recalls)
    return float((np.mean(recalls) - guess) / (1 - guess))


def _order(values: np.ndarray, positive: np.ndarray) -> float:
    """|2 AUC - 1| of the values themselves: of few rows, bins blur where one class ends."""
    known = ~np.isnan(values)
    rows, rest = values[known & (positive == 1)], np.sort(values[known & (positive == 0)])
    if known.mean() < 0.5 or not len(rows) or not len(rest):
        return 0.0
    below = (np.searchsorted(rest, rows, "left") + np.searchsorted(rest, rows, "right")) / 2
    return abs(2 * float(below.mean()) / len(rest) - 1)


def _correlation(values: np.ndarray, label: np.ndarray) -> float:
    known = ~np.isnan(values)
    # A few equal numbers correlate by chance, and what is mostly missing tells little.
    if known.mean() < 0.5 or values[known].std() == 0 or label[known].std() == 0:
        return 0.0
    return float(np.corrcoef(values[known], label[known])[0, 1] ** 2)


def own_label_readers(
    fit: Callable[[TrainingRows], np.ndarray], rows: TrainingRows, looked_at: int = 20
) -> list[int]:
    """Rows whose line of the training matrix changes with their own label, of `looked_at` looked at.

    fit  gives the matrix that trains, a line for each of `rows`; for a binary label
    """
    before = fit(rows)
    found = []
    for row in np.unique(np.linspace(0, len(rows) - 1, looked_at).astype(np.int64)).tolist():
        label = rows.label.copy()
        label[row] = 1 - label[row]
        after = fit(replace(rows, label=label))
        if not np.array_equal(before[row], after[row], equal_nan=True):
            found.append(row)
    return found


def split_gap(
    frame: Frame,
    windows: Windows,
    learn: Callable[[split.Split], Scores],
    quality: Callable[[np.ndarray, np.ndarray], float],
    seed: int = 7,
) -> dict[str, Any]:
    """How much better the same model looks when days are mixed: quality on the hold-out, by both splits.

    learn    trains on the split's training rows, may stop by its validation rows
    quality  of labels and scores; larger is better

    {"time": {"quality", "rows"}, "random": {"quality", "rows"}, "gap"}: the gap is random less time.
    """
    found: dict[str, Any] = {}
    for name, parts in (
        ("time", split.split(frame, windows)),
        ("random", split.shuffled(frame, windows, seed)),
    ):
        model = learn(parts)
        reached = float(quality(parts.holdout.label, model.scores(parts.holdout)))
        rows = {part: len(getattr(parts, part)) for part in ("train", "validation", "holdout")}
        found[name] = {"quality": reached, "rows": rows}
    return found | {"gap": found["random"]["quality"] - found["time"]["quality"]}
