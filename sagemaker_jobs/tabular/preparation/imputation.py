"""Missing values: a statistic of the column, the nearest training rows, or regressions on the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tabular.preparation.errors import PreparationError

STRATEGIES = {"mean": "mean", "median": "median", "mode": "most_frequent"}
ACROSS = ("knn", "iterative")
KNN = {"neighbours": 5, "sample": 1_000}
ITERATIVE = {"rounds": 5, "sample": 20_000}
# Kept for as many ways in which values are missing together.
PATTERNS = 256


def fill(name: str, imputation: str, constant: Any, values: np.ndarray) -> Any:
    """What replaces a missing value, or None where it stays missing or other columns tell.

    A constant, and what a dropped row is filled with when it is served, come from the contract.
    """
    if imputation in ("constant", "drop"):
        return constant
    if imputation not in STRATEGIES:
        return None
    is_text = values.dtype == object
    missing = np.equal(values, None) if is_text else np.isnan(values)
    if missing.all():
        raise PreparationError(
            f"{name}: all {len(values)} training rows lack it, so it has no {imputation}: "
            "repair its source, choose imputation constant, or remove the feature"
        )
    from sklearn.impute import SimpleImputer

    imputer = SimpleImputer(missing_values=None if is_text else np.nan, strategy=STRATEGIES[imputation])
    found = imputer.fit(values.reshape(-1, 1)).statistics_[0]
    return str(found) if is_text else float(found)


def spread_out(count: int, sample: int) -> np.ndarray:
    """At most `sample` of `count` rows, evenly over all: rows are ordered by date, so over all dates."""
    return np.unique(np.linspace(0, count - 1, min(count, sample)).round().astype(np.int64))


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Mean of the nearest donors, which are training rows; near by the values that both rows have.

    There is nothing to fit but the donors; the rule is that of scikit-learn's KNNImputer.

    donors  (m, features), standardised, NaN where missing; m is bounded by the contract
    """

    features: tuple[str, ...]
    targets: tuple[str, ...]
    count: int
    centre: np.ndarray
    spread: np.ndarray
    donors: np.ndarray

    @classmethod
    def fit(
        cls,
        features: Sequence[str],
        targets: Sequence[str],
        values: np.ndarray,
        options: Mapping[str, Any],
    ) -> "Neighbours":
        chosen = values[spread_out(len(values), options.get("sample", KNN["sample"]))]
        centre, spread, standard = _standardised(features, targets, chosen)
        return cls(
            features=tuple(features),
            targets=tuple(targets),
            count=options.get("neighbours", KNN["neighbours"]),
            centre=centre,
            spread=spread,
            donors=standard,
        )

    @cached_property
    def present(self) -> np.ndarray:
        return ~np.isnan(self.donors)

    @cached_property
    def zeroed(self) -> np.ndarray:
        return np.where(self.present, self.donors, 0.0)

    @cached_property
    def places(self) -> list[int]:
        return [self.features.index(name) for name in self.targets]

    @cached_property
    def means(self) -> np.ndarray:
        """Of the donors: for a row that shares no known value with any of them."""
        return np.asarray(self.zeroed.sum(axis=0) / np.maximum(self.present.sum(axis=0), 1))

    def complete(self, values: np.ndarray) -> np.ndarray:
        """(n, features) in their units, to (n, targets) without a missing value."""
        standard = (values - self.centre) / self.spread
        lines = [self._line(row) for row in standard]
        places = self.places
        return np.asarray(np.array(lines)[:, places] * self.spread[places] + self.centre[places])

    def _line(self, row: np.ndarray) -> np.ndarray:
        known = ~np.isnan(row)
        donors, present, share, wanted = self._pattern(known)
        away = donors - present * row[known]
        # The share of known values scales the distance up, as scikit-learn's nan_euclidean_distances does.
        distance = np.einsum("ij,ij->i", away, away) * share
        line = row.copy()
        for place, having, values, mean in wanted:
            near = distance[having]
            if len(near) > self.count:
                nearest = np.argpartition(near, self.count - 1)[: self.count]
                values = values[nearest]
            line[place] = values.mean() if len(values) else mean
        return line

    def _pattern(self, known: np.ndarray) -> tuple[Any, ...]:
        """What rows with the same gaps share: donors by the known features, and who can tell the others."""
        key = known.tobytes()
        if key not in self._patterns:
            if len(self._patterns) >= PATTERNS:
                self._patterns.clear()
            present = self.present[:, known].astype(np.float64)
            common = present.sum(axis=1)
            share = 1 / np.maximum(common, 1)
            wanted = [
                (place, having, self.donors[having, place], float(self.means[place]))
                for place in self.places
                if not known[place]
                for having in (np.flatnonzero(self.present[:, place] & (common > 0)),)
            ]
            self._patterns[key] = (np.ascontiguousarray(self.zeroed[:, known]), present, share, wanted)
        found: tuple[Any, ...] = self._patterns[key]
        return found

    @cached_property
    def _patterns(self) -> dict[bytes, tuple[Any, ...]]:
        return {}

    def to_json(self) -> dict[str, Any]:
        return {
            "features": list(self.features),
            "targets": list(self.targets),
            "count": self.count,
            "centre": self.centre.tolist(),
            "spread": self.spread.tolist(),
            "donors": [[None if cell != cell else cell for cell in line] for line in self.donors.tolist()],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Neighbours":
        return cls(
            features=tuple(content["features"]),
            targets=tuple(content["targets"]),
            count=content["count"],
            centre=np.array(content["centre"], dtype=np.float64),
            spread=np.array(content["spread"], dtype=np.float64),
            donors=np.array(content["donors"], dtype=np.float64).reshape(-1, len(content["features"])),
        )


@dataclass(frozen=True, kw_only=True)
class Iterative:
    """Regressions (Bayesian ridge) of each column on the others, one after the other, for some rounds.

    weights  (steps, features): one regression each, with zero at its own column
    """

    features: tuple[str, ...]
    targets: tuple[str, ...]
    centre: np.ndarray
    spread: np.ndarray
    initial: np.ndarray
    order: tuple[int, ...]
    weights: np.ndarray
    intercepts: np.ndarray

    @classmethod
    def fit(
        cls,
        features: Sequence[str],
        targets: Sequence[str],
        values: np.ndarray,
        options: Mapping[str, Any],
    ) -> "Iterative":
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.experimental import enable_iterative_imputer  # noqa: F401  unlocks the next import
        from sklearn.impute import IterativeImputer

        chosen = values[spread_out(len(values), options.get("sample", ITERATIVE["sample"]))]
        centre, spread, standard = _standardised(features, targets, chosen)
        rounds = options.get("rounds", ITERATIVE["rounds"])
        imputer = IterativeImputer(max_iter=rounds, random_state=0, keep_empty_features=True)
        with warnings.catch_warnings():
            # The contract says how many rounds: that they do not converge is no fault.
            warnings.simplefilter("ignore", ConvergenceWarning)
            imputer.fit(standard)
        sequence = imputer.imputation_sequence_
        weights = np.zeros((len(sequence), len(features)))
        for line, step in zip(weights, sequence, strict=True):
            line[step.neighbor_feat_idx] = step.estimator.coef_
        return cls(
            features=tuple(features),
            targets=tuple(targets),
            centre=centre,
            spread=spread,
            initial=np.nan_to_num(imputer.initial_imputer_.statistics_),
            order=tuple(int(step.feat_idx) for step in sequence),
            weights=weights,
            intercepts=np.array([float(step.estimator.intercept_) for step in sequence]),
        )

    def complete(self, values: np.ndarray) -> np.ndarray:
        """(n, features) in their units, to (n, targets) without a missing value."""
        standard = (values - self.centre) / self.spread
        missing = np.isnan(standard)
        filled = np.where(missing, self.initial, standard)
        concerned = [np.flatnonzero(column) for column in missing.T]
        for place, weights, intercept in zip(self.order, self.weights, self.intercepts, strict=True):
            rows = concerned[place]
            if len(rows):
                filled[rows, place] = (filled[rows] * weights).sum(axis=1) + intercept
        places = [self.features.index(name) for name in self.targets]
        return np.asarray(filled[:, places] * self.spread[places] + self.centre[places])

    def to_json(self) -> dict[str, Any]:
        return {
            "features": list(self.features),
            "targets": list(self.targets),
            "centre": self.centre.tolist(),
            "spread": self.spread.tolist(),
            "initial": self.initial.tolist(),
            "order": list(self.order),
            "weights": self.weights.tolist(),
            "intercepts": self.intercepts.tolist(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Iterative":
        numbers = {
            name: np.array(content[name], dtype=np.float64)
            for name in ("centre", "spread", "initial", "intercepts")
        }
        return cls(
            features=tuple(content["features"]),
            targets=tuple(content["targets"]),
            order=tuple(content["order"]),
            weights=np.array(content["weights"], dtype=np.float64).reshape(-1, len(content["features"])),
            **numbers,
        )


def _standardised(
    features: Sequence[str], targets: Sequence[str], values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns of other units must not decide which rows are near."""
    from sklearn.preprocessing import StandardScaler

    empty = np.isnan(values).all(axis=0)
    for name, is_empty in zip(features, empty, strict=True):
        if is_empty and name in targets:
            raise PreparationError(
                f"{name}: no training row that is looked at ({len(values)}) has a value, so other rows "
                "cannot tell it: repair its source, choose imputation constant, or remove the feature"
            )
    scaler = StandardScaler().fit(np.where(empty, 0.0, values))
    standard = (values - scaler.mean_) / scaler.scale_
    return scaler.mean_, scaler.scale_, standard
