"""Columns of one scale for families that compare them: without it the largest unit would decide."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Mean and standard deviation of each column over the training rows that have a value."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fitted(cls, matrix: np.ndarray, weight: np.ndarray | None) -> "Scaling":
        values = np.asarray(matrix, dtype=np.float64)
        known = ~np.isnan(values)
        heavy = known * (np.ones(len(values)) if weight is None else weight)[:, None]
        total = heavy.sum(axis=0)
        filled = np.where(known, values, 0.0)
        mean = np.divide((filled * heavy).sum(axis=0), total, out=np.zeros(len(total)), where=total > 0)
        spread = np.where(known, values - mean, 0.0) ** 2
        variance = np.divide((spread * heavy).sum(axis=0), total, out=np.zeros(len(total)), where=total > 0)
        # A column of one value says nothing: it becomes zero, not infinite.
        return cls(mean=mean, scale=np.where(variance > 0, np.sqrt(variance), 1.0))

    def apply(self, matrix: np.ndarray) -> np.ndarray:
        """A missing value becomes the mean, which is zero."""
        scaled = (np.asarray(matrix, dtype=np.float64) - self.mean) / self.scale
        scaled[np.isnan(scaled)] = 0.0
        return scaled

    def to_json(self) -> dict[str, Any]:
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Scaling":
        return cls(mean=np.asarray(content["mean"]), scale=np.asarray(content["scale"]))
