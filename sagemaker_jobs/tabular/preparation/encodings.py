"""Categories to numbers: one-hot, ordinal, and target encoding, in training without a row's own label."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tabular.preparation import imputation

FOLDS = 5
# A category seen m times moves half-way from the overall mean to its own.
SMOOTHING = 20.0


@dataclass(frozen=True, kw_only=True)
class Categorical:
    """fill replaces a missing value; means (one tuple per category) and prior belong to target encoding."""

    name: str
    encoding: str
    fill: str | None = None
    categories: tuple[str, ...] = ()
    means: tuple[tuple[float, ...], ...] = ()
    prior: tuple[float, ...] = ()

    @cached_property
    def columns(self) -> list[str]:
        if self.encoding == "one_hot":
            return [f"{self.name}={category}" for category in self.categories]
        if len(self.prior) > 1:
            return [f"{self.name}:{number}" for number in range(len(self.prior))]
        return [self.name]

    @cached_property
    def table(self) -> dict[str, tuple[float, ...]]:
        """Model columns of every known category."""
        if self.encoding == "one_hot":
            size = len(self.categories)
            return {
                category: tuple(float(place == index) for place in range(size))
                for index, category in enumerate(self.categories)
            }
        if self.encoding == "ordinal":
            return {category: (float(index),) for index, category in enumerate(self.categories)}
        return dict(zip(self.categories, self.means, strict=True))

    @cached_property
    def unknown(self) -> tuple[float, ...]:
        """Model columns of a category that no training row had, and of a missing value without a fill."""
        if self.encoding == "one_hot":
            return (0.0,) * len(self.categories)
        return self.prior if self.encoding == "target" else (math.nan,)

    def values(self, value: Any) -> tuple[float, ...]:
        if value is None or value != value:  # NaN is the only value that differs from itself
            value = self.fill
        return self.table.get(value, self.unknown)

    def matrix(self, values: np.ndarray) -> np.ndarray:
        codes, categories = factorised(values)
        # The last line answers code -1, a missing value.
        lines = [self.values(category) for category in categories] + [self.values(None)]
        return np.asarray(lines, dtype=np.float32).reshape(len(lines), len(self.columns))[codes]

    def to_json(self) -> dict[str, Any]:
        content: dict[str, Any] = {
            "name": self.name,
            "kind": "categorical",
            "encoding": self.encoding,
            "fill": self.fill,
            "categories": list(self.categories),
        }
        if self.encoding == "target":
            content |= {"means": [list(line) for line in self.means], "prior": list(self.prior)}
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Categorical":
        return cls(
            name=content["name"],
            encoding=content["encoding"],
            fill=content["fill"],
            categories=tuple(content["categories"]),
            means=tuple(map(tuple, content.get("means", ()))),
            prior=tuple(content.get("prior", ())),
        )


def fit(name: str, spec: Mapping[str, Any], values: np.ndarray, targets: np.ndarray) -> Categorical:
    """`targets`: see `label_columns`."""
    encoding = spec["encoding"]
    fill = imputation.fill(name, spec.get("imputation", "none"), spec.get("value"), values)
    filled = _filled(values, fill)
    codes, categories = factorised(filled)
    if encoding != "target":
        return Categorical(name=name, encoding=encoding, fill=fill, categories=tuple(categories))
    prior = targets.mean(axis=0)
    means = smoothed_means(codes, targets, len(categories), prior)
    return Categorical(
        name=name,
        encoding=encoding,
        fill=fill,
        categories=tuple(categories),
        means=tuple(map(tuple, means.tolist())),
        prior=tuple(prior.tolist()),
    )


def label_columns(label: np.ndarray, classes: int | None) -> np.ndarray:
    """What target encoding averages: the label, or, of several classes, whether it is each of them."""
    if classes is None:
        return label.reshape(-1, 1)
    return np.asarray(label.reshape(-1, 1) == np.arange(classes), dtype=np.float64)


def smoothed_means(codes: np.ndarray, targets: np.ndarray, size: int, prior: np.ndarray) -> np.ndarray:
    """(size, targets); the formula of scikit-learn's TargetEncoder(smooth=SMOOTHING)."""
    known = codes >= 0
    count = np.bincount(codes[known], minlength=size).reshape(-1, 1)
    total = np.column_stack(
        [np.bincount(codes[known], weights=column[known], minlength=size) for column in targets.T]
    )
    return np.asarray((total + SMOOTHING * prior) / (count + SMOOTHING))


class OutOfFold:
    """Encodes training rows with the labels of the other folds, or the model would read a row's own."""

    def __init__(self, step: Categorical, values: np.ndarray, targets: np.ndarray, folds: np.ndarray) -> None:
        codes, categories = factorised(_filled(values, step.fill))
        self.step, self.codes = step, {category: code for code, category in enumerate(categories)}
        self.tables = np.empty((FOLDS, len(categories) + 1, targets.shape[1]))
        for fold in range(FOLDS):
            outside = folds != fold
            if not outside.any():
                outside = ~outside
            prior = targets[outside].mean(axis=0)
            means = smoothed_means(codes[outside], targets[outside], len(categories), prior)
            # The last line answers code -1, a missing value.
            self.tables[fold] = np.vstack([means, prior])

    def encoded(self, values: np.ndarray, folds: np.ndarray) -> np.ndarray:
        filled = _filled(values, self.step.fill).tolist()
        codes = np.fromiter(
            (self.codes.get(value, -1) for value in filled), dtype=np.int64, count=len(filled)
        )
        return np.asarray(self.tables[folds, codes], dtype=np.float32)


def folds_of(count: int) -> np.ndarray:
    """Rows are ordered by date and key, so that taking every fifth gives folds alike and always the same."""
    return np.arange(count) % FOLDS


def factorised(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Code of each value (-1: missing), and the categories in order."""
    listed = values.tolist()
    categories = sorted(set(listed) - {None})
    codes = {None: -1, **{category: code for code, category in enumerate(categories)}}
    return np.fromiter(map(codes.__getitem__, listed), dtype=np.int64, count=len(listed)), categories


def _filled(values: np.ndarray, fill: str | None) -> np.ndarray:
    if fill is None:
        return values
    return np.asarray([fill if value is None else value for value in values.tolist()], dtype=object)
