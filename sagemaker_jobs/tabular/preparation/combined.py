"""What several numeric features go into together: products of pairs, and principal components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tabular.preparation.errors import PreparationError


@dataclass(frozen=True, kw_only=True)
class Components:
    """Principal components of standardised features; loadings (components, features)."""

    features: tuple[str, ...]
    centre: np.ndarray
    spread: np.ndarray
    loadings: np.ndarray

    @cached_property
    def columns(self) -> list[str]:
        return [f"pca:{number}" for number in range(1, len(self.loadings) + 1)]

    def shares(self) -> list[dict[str, float]]:
        """How much of each component is which feature: squared loadings, which sum to one."""
        return [
            dict(zip(self.features, (line * line / (line * line).sum()).tolist(), strict=True))
            for line in self.loadings
        ]

    def values(self, values: np.ndarray) -> np.ndarray:
        standard = (values - self.centre) / self.spread
        # A product of matrices would add in another order for one line than for many.
        return np.stack([(standard * line).sum(axis=1) for line in self.loadings], axis=1)

    def to_json(self) -> dict[str, Any]:
        return {
            "features": list(self.features),
            "centre": self.centre.tolist(),
            "spread": self.spread.tolist(),
            "loadings": self.loadings.tolist(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Components":
        numbers = {
            name: np.array(content[name], dtype=np.float64) for name in ("centre", "spread", "loadings")
        }
        return cls(features=tuple(content["features"]), **numbers)


def fit_components(features: Sequence[str], count: int, values: np.ndarray) -> Components:
    """`values`: (n, features), prepared."""
    if count > min(values.shape):
        raise PreparationError(
            f"pca: {count} components from {values.shape[0]} training rows and {values.shape[1]} features, "
            "allowed are not more than either: lower `components` or widen the training window"
        )
    gaps = np.isnan(values).any(axis=0)
    if gaps.any():
        missing = ", ".join(name for name, is_gap in zip(features, gaps, strict=True) if is_gap)
        raise PreparationError(
            f"pca: {missing} lacks values that nothing fills, components need all: choose an imputation"
        )
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(values)
    standard = scaler.transform(values)
    if not standard.any():
        raise PreparationError(
            f"pca: each of {', '.join(features)} has one value in all training rows, components need "
            "some that vary: remove `pca`"
        )
    fitted = PCA(count, random_state=0).fit(standard)
    return Components(
        features=tuple(features),
        centre=scaler.mean_ + fitted.mean_ * scaler.scale_,
        spread=scaler.scale_,
        loadings=fitted.components_,
    )
