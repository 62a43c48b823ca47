"""Numeric features as one block: outliers, imputation, scaling, then bins and circles where asked.

Training and batch scoring pass many lines, the endpoint passes one: the same arithmetic on the same arrays.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tabular.preparation.imputation import Iterative, Neighbours
from tabular.preparation.outliers import signed_log


@dataclass(frozen=True, kw_only=True)
class Numeric:
    """What training rows said of one numeric feature, in the order in which it is applied.

    lower, upper    values are capped at these
    log             signed logarithm
    fill            replaces a missing value, in units after the logarithm
    centre, spread  taken away and divided by
    edges           inner edges of bins; a value on an edge belongs to the upper bin
    period          of a circle, which sine and cosine stand for
    kept            False: only its part in principal components reaches the model
    """

    name: str
    encoding: str = "passthrough"
    lower: float | None = None
    upper: float | None = None
    log: bool = False
    fill: float | None = None
    centre: float = 0.0
    spread: float = 1.0
    edges: tuple[float, ...] = ()
    period: float | None = None
    kept: bool = True

    @cached_property
    def columns(self) -> list[str]:
        if not self.kept:
            return []
        return [f"{self.name}:sin", f"{self.name}:cos"] if self.encoding == "cyclic" else [self.name]

    def to_json(self) -> dict[str, Any]:
        return {"kind": "numeric", **asdict(self), "edges": list(self.edges)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Numeric":
        known = {name: value for name, value in content.items() if name != "kind"}
        return cls(**{**known, "edges": tuple(known["edges"])})


@dataclass(frozen=True, kw_only=True)
class Block:
    """All numeric features, with what fills several of them together."""

    steps: tuple[Numeric, ...]
    neighbours: Neighbours | None = None
    iterative: Iterative | None = None

    @cached_property
    def names(self) -> list[str]:
        return [step.name for step in self.steps]

    @cached_property
    def place(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        if all(step.lower is None and step.upper is None for step in self.steps):
            return None
        return (
            np.array([-math.inf if step.lower is None else step.lower for step in self.steps]),
            np.array([math.inf if step.upper is None else step.upper for step in self.steps]),
        )

    @cached_property
    def _logged(self) -> list[int]:
        return [place for place, step in enumerate(self.steps) if step.log]

    @cached_property
    def _fill(self) -> np.ndarray:
        return np.array([math.nan if step.fill is None else step.fill for step in self.steps])

    @cached_property
    def _scale(self) -> tuple[np.ndarray, np.ndarray] | None:
        if all(step.centre == 0 and step.spread == 1 for step in self.steps):
            return None
        return (
            np.array([step.centre for step in self.steps]),
            np.array([step.spread for step in self.steps]),
        )

    @cached_property
    def _across(self) -> list[tuple[Neighbours | Iterative, list[int], list[int]]]:
        """What fills across columns, with the places of the columns that it reads and fills."""
        return [
            (
                model,
                [self.place[name] for name in model.features],
                [self.place[name] for name in model.targets],
            )
            for model in (self.neighbours, self.iterative)
            if model is not None
        ]

    def values(self, raw: np.ndarray) -> np.ndarray:
        """(n, features) as stored, to the same shape without outliers, filled and scaled."""
        return self.scaled(self.filled(raw))

    def filled(self, raw: np.ndarray) -> np.ndarray:
        values = raw
        if self._bounds is not None:
            values = np.minimum(np.maximum(values, self._bounds[0]), self._bounds[1])
        if self._logged:
            values = values.copy() if values is raw else values
            values[:, self._logged] = signed_log(values[:, self._logged])
        missing = np.isnan(values)
        return self._without(missing, values) if missing.any() else values

    def scaled(self, values: np.ndarray) -> np.ndarray:
        return values if self._scale is None else (values - self._scale[0]) / self._scale[1]

    def _without(self, missing: np.ndarray, values: np.ndarray) -> np.ndarray:
        filled = np.where(missing, self._fill, values)
        for model, features, targets in self._across:
            rows = np.flatnonzero(missing[:, targets].any(axis=1))
            if len(rows):
                found = model.complete(values[np.ix_(rows, features)])
                filled[np.ix_(rows, targets)] = found
        return filled


def cycle(values: np.ndarray, period: float) -> tuple[np.ndarray, np.ndarray]:
    """The last minute of a day is beside the first: so are the two pairs of sine and cosine."""
    angle = values * (2 * math.pi / period)
    return np.sin(angle), np.cos(angle)


def bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Number of the bin, from 0; a missing value stays missing."""
    found = np.searchsorted(edges, values, side="right").astype(np.float64)
    found[np.isnan(values)] = math.nan
    return found


def fit_bins(name: str, spec: Mapping[str, Any], values: np.ndarray) -> tuple[float, ...]:
    """Inner edges; of equal quantiles those that differ."""
    import warnings

    from sklearn.preprocessing import KBinsDiscretizer

    from tabular.preparation.errors import PreparationError

    known = values[~np.isnan(values)]
    if len(np.unique(known)) < 2:
        raise PreparationError(
            f"{name}: the training rows hold {len(np.unique(known))} different values, bins need two: "
            "choose encoding passthrough, or remove the feature"
        )
    options: dict[str, Any] = {"n_bins": spec["count"], "encode": "ordinal", "strategy": spec["strategy"]}
    if spec["strategy"] == "quantile":
        options["quantile_method"] = "averaged_inverted_cdf"
    discretizer = KBinsDiscretizer(**options, subsample=None)
    with warnings.catch_warnings():
        # Bins that hold nothing are left out, which is what is wanted of a value that is frequent.
        warnings.simplefilter("ignore", UserWarning)
        discretizer.fit(known.reshape(-1, 1))
    return tuple(discretizer.bin_edges_[0][1:-1].tolist())
