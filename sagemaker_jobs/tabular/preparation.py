"""Raw features to model columns, fitted on training rows only and kept as plain JSON.

A step maps one raw value to floats. Training applies it to whole columns, serving to single rows: the same
table answers both, so the two cannot drift apart.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tabular.frame import Frame

FOLDS = 5
# A category seen m times moves half-way from the overall mean to its own.
SMOOTHING = 20.0
ENCODINGS = {"numeric": ("passthrough",), "categorical": ("one_hot", "ordinal", "target")}
IMPUTATIONS = {
    "numeric": ("none", "median", "mean", "mode", "constant"),
    "categorical": ("none", "mode", "constant"),
}


class PreparationError(ValueError):
    """A feature cannot be prepared as the contract asks."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """fill replaces a missing value; means and prior belong to target encoding."""

    name: str
    kind: str
    encoding: str
    fill: float | str | None = None
    categories: tuple[str, ...] = ()
    means: tuple[float, ...] = ()
    prior: float | None = None

    @cached_property
    def columns(self) -> list[str]:
        if self.encoding == "one_hot":
            return [f"{self.name}={category}" for category in self.categories]
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
        return {category: (mean,) for category, mean in zip(self.categories, self.means, strict=True)}

    @cached_property
    def unknown(self) -> tuple[float, ...]:
        """Model columns of a category that no training row had, and of a missing value without a fill."""
        if self.encoding == "one_hot":
            return (0.0,) * len(self.categories)
        return (math.nan,) if self.prior is None else (self.prior,)

    def values(self, value: Any) -> tuple[float, ...]:
        if value is None or value != value:  # NaN is the only value that differs from itself
            value = self.fill
        if self.kind == "categorical":
            return self.table.get(value, self.unknown)
        return (math.nan,) if value is None else (float(value),)

    def matrix(self, values: np.ndarray) -> np.ndarray:
        if self.kind == "numeric":
            filled = values if self.fill is None else np.where(np.isnan(values), self.fill, values)
            return filled.astype(np.float32).reshape(-1, 1)
        codes, categories = factorised(values)
        # The last line answers code -1, a missing value.
        lines = [self.values(category) for category in categories] + [self.values(None)]
        return np.asarray(lines, dtype=np.float32).reshape(len(lines), len(self.columns))[codes]


@dataclass(frozen=True, kw_only=True)
class Preparation:
    steps: Sequence[Step] = field(default_factory=tuple)

    @cached_property
    def columns(self) -> list[str]:
        return [column for step in self.steps for column in step.columns]

    @cached_property
    def features(self) -> list[str]:
        """The raw feature behind each model column."""
        return [step.name for step in self.steps for _ in step.columns]

    def matrix(self, frame: Frame) -> np.ndarray:
        return np.hstack([step.matrix(frame.columns[step.name]) for step in self.steps])

    def row(self, record: Mapping[str, Any]) -> np.ndarray:
        """One record as a matrix of one line; an absent feature counts as missing."""
        line: list[float] = []
        for step in self.steps:
            line += step.values(record.get(step.name))
        return np.array((line,), dtype=np.float32)

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, "columns": self.columns, "steps": [_step_to_json(step) for step in self.steps]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Preparation":
        if content.get("format") != 1:
            raise PreparationError(f"preparation has format {content.get('format')!r}, allowed is 1")
        return cls(steps=tuple(_step_from_json(step) for step in content["steps"]))


def fit(frame: Frame, features: Mapping[str, Mapping[str, Any]]) -> tuple[Preparation, np.ndarray]:
    """The preparation, and the matrix to train on.

    The matrix differs from `preparation.matrix(frame)` in target-encoded columns only: there each row is
    encoded with the labels of other rows, or the model would read its own label.
    """
    steps, blocks = [], []
    for name, spec in features.items():
        values = frame.columns[name]
        step = _fit_step(name, spec, values, frame.label)
        steps.append(step)
        is_target = step.encoding == "target"
        blocks.append(_out_of_fold(step, values, frame.label) if is_target else step.matrix(values))
    return Preparation(steps=tuple(steps)), np.hstack(blocks)


def factorised(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Code of each value (-1: missing), and the categories in order."""
    listed = values.tolist()
    categories = sorted(set(listed) - {None})
    codes = {None: -1, **{category: code for code, category in enumerate(categories)}}
    return np.fromiter(map(codes.__getitem__, listed), dtype=np.int64, count=len(listed)), categories


def _fit_step(name: str, spec: Mapping[str, Any], values: np.ndarray, label: np.ndarray) -> Step:
    kind, encoding, imputation = spec["kind"], spec["encoding"], spec.get("imputation", "none")
    if encoding not in ENCODINGS[kind]:
        raise PreparationError(
            f"{name}: encoding {encoding!r}, allowed for {kind} are {', '.join(ENCODINGS[kind])}"
        )
    if imputation not in IMPUTATIONS[kind]:
        allowed = ", ".join(IMPUTATIONS[kind])
        raise PreparationError(f"{name}: imputation {imputation!r}, allowed for {kind} are {allowed}")
    fill = _fill(imputation, spec.get("value"), values)
    if kind == "numeric":
        return Step(name=name, kind=kind, encoding=encoding, fill=fill)
    codes, categories = factorised(
        np.asarray([fill if value is None else value for value in values], dtype=object)
    )
    if encoding != "target":
        return Step(name=name, kind=kind, encoding=encoding, fill=fill, categories=tuple(categories))
    prior = float(label.mean())
    means = _smoothed_means(codes, label, len(categories), prior)
    return Step(
        name=name,
        kind=kind,
        encoding=encoding,
        fill=fill,
        categories=tuple(categories),
        means=tuple(means.tolist()),
        prior=prior,
    )


def _fill(imputation: str, constant: Any, values: np.ndarray) -> Any:
    if imputation == "constant":
        return constant
    if imputation == "mode":
        return _most_frequent(values)
    if imputation in ("median", "mean"):
        known = values[~np.isnan(values)]
        return float(getattr(np, imputation)(known)) if len(known) else None
    return None


def _most_frequent(values: np.ndarray) -> Any:
    """The smallest of equally frequent values; None when all are missing."""
    known = values[values != np.array(None)] if values.dtype == object else values[~np.isnan(values)]
    if not len(known):
        return None
    found, counts = np.unique(known.astype(str) if values.dtype == object else known, return_counts=True)
    return found[counts.argmax()].item()


def _smoothed_means(codes: np.ndarray, label: np.ndarray, size: int, prior: float) -> np.ndarray:
    known = codes >= 0
    count = np.bincount(codes[known], minlength=size)
    total = np.bincount(codes[known], weights=label[known], minlength=size)
    return (total + SMOOTHING * prior) / (count + SMOOTHING)


def _out_of_fold(step: Step, values: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Rows are ordered by date and key, so that taking every fifth gives folds alike and always the same."""
    filled = np.asarray([step.fill if value is None else value for value in values], dtype=object)
    codes, categories = factorised(filled)
    folds = np.arange(len(values)) % FOLDS
    encoded = np.empty(len(values), dtype=np.float32)
    for fold in range(FOLDS):
        inside, outside = folds == fold, folds != fold
        if not outside.any():
            outside = inside
        prior = float(label[outside].mean())
        means = _smoothed_means(codes[outside], label[outside], len(categories), prior)
        encoded[inside] = np.append(means, prior)[codes[inside]]
    return encoded.reshape(-1, 1)


def _step_to_json(step: Step) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": step.name,
        "kind": step.kind,
        "encoding": step.encoding,
        "fill": step.fill,
    }
    if step.kind == "categorical":
        content["categories"] = list(step.categories)
    if step.encoding == "target":
        content |= {"means": list(step.means), "prior": step.prior}
    return content


def _step_from_json(content: Mapping[str, Any]) -> Step:
    return Step(
        name=content["name"],
        kind=content["kind"],
        encoding=content["encoding"],
        fill=content["fill"],
        categories=tuple(content.get("categories", ())),
        means=tuple(content.get("means", ())),
        prior=content.get("prior"),
    )
