"""Serves k-means: the number of the nearest centre in scaled columns; numpy only."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from tabular.families.base import ArtefactError, read_json
from tabular.families.scaling import Scaling

FILE = "centres.json"


@dataclass(frozen=True, kw_only=True)
class CentresPredictor:
    """centres (clusters, columns), in scaled columns."""

    kind: ClassVar[str] = "kmeans"
    scaling: Scaling
    centres: np.ndarray

    @property
    def columns(self) -> int:
        return int(self.centres.shape[1])

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        return self.distances(matrix).argmin(axis=1).astype(np.float64)

    def predict_row(self, line: np.ndarray) -> float | list[float]:
        return float(self.predict(line)[0])

    def distances(self, matrix: np.ndarray) -> np.ndarray:
        """Squared, (n, clusters)."""
        scaled = self.scaling.apply(matrix)
        return np.stack([((scaled - centre) ** 2).sum(axis=1) for centre in self.centres], axis=1)

    def contributions(self, matrix: np.ndarray) -> None:  # noqa: ARG002  one signature for all predictors
        return None

    def files(self) -> dict[str, bytes]:
        content = {"centres": self.centres.tolist(), **self.scaling.to_json()}
        return {FILE: json.dumps(content, indent=1).encode()}


def load(folder: Path) -> CentresPredictor:
    content = read_json(folder, FILE)
    try:
        made = CentresPredictor(
            scaling=Scaling.from_json(content), centres=np.asarray(content["centres"], dtype=np.float64)
        )
        fits = made.columns == len(made.scaling.mean)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ArtefactError(f"{FILE} holds no centres: the file is damaged, pack it again") from error
    if not fits:
        raise ArtefactError(
            f"{FILE} has centres of {made.columns} columns, scaled are {len(made.scaling.mean)}"
        )
    return made
