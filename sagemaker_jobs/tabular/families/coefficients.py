"""Serves linear and logistic models: a weighted sum of scaled columns behind a link; numpy only."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tabular.families.base import ArtefactError, read_json
from tabular.families.scaling import Scaling

FILE = "coefficients.json"
LINKS = ("identity", "logistic", "softmax")


@dataclass(frozen=True, kw_only=True)
class LinearPredictor:
    """coefficients (K, columns) and intercept (K); K is 1 but for a softmax."""

    kind: ClassVar[str] = "linear"
    scaling: Scaling
    coefficients: np.ndarray
    intercept: np.ndarray
    link: str

    @property
    def columns(self) -> int:
        return int(self.coefficients.shape[1])

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        # Not `@`: BLAS spreads so little work over threads that then wait, and rounds by the number of rows.
        margin = np.einsum("nc,kc->nk", self.scaling.apply(matrix), self.coefficients) + self.intercept
        if self.link == "softmax":
            return softmax(margin)
        return logistic(margin[:, 0]) if self.link == "logistic" else margin[:, 0]

    def predict_row(self, line: np.ndarray) -> float | list[float]:
        found: float | list[float] = self.predict(line)[0].tolist()
        return found

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """In the margin, measured from the mean of the training rows."""
        parts = self.scaling.apply(matrix)[:, :, None] * self.coefficients.T[None]
        return parts if self.link == "softmax" else parts[:, :, 0]

    def files(self) -> dict[str, bytes]:
        return {FILE: json.dumps(self.to_json(), indent=1).encode()}

    def to_json(self) -> dict[str, Any]:
        return {
            "link": self.link,
            "coefficients": self.coefficients.tolist(),
            "intercept": self.intercept.tolist(),
            **self.scaling.to_json(),
        }

    @classmethod
    def from_json(cls, content: Any) -> "LinearPredictor":
        try:
            made = cls(
                scaling=Scaling.from_json(content),
                coefficients=np.asarray(content["coefficients"], dtype=np.float64),
                intercept=np.asarray(content["intercept"], dtype=np.float64),
                link=content["link"],
            )
            fits = made.coefficients.shape == (len(made.intercept), len(made.scaling.mean))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(
                f"{FILE} holds no linear model: the file is damaged, pack it again"
            ) from error
        if not fits or made.link not in LINKS:
            raise ArtefactError(
                f"{FILE} has coefficients {made.coefficients.shape} and the link {made.link!r}, allowed are "
                f"one line per intercept and one column per mean, and {', '.join(LINKS)}"
            )
        return made


def load(folder: Path) -> LinearPredictor:
    return LinearPredictor.from_json(read_json(folder, FILE))


def logistic(margin: np.ndarray) -> np.ndarray:
    # Beyond 500 the answer is 0 or 1 in double precision anyway, and exp would overflow.
    return 1.0 / (1.0 + np.exp(-np.clip(margin, -500, 500)))


def softmax(margin: np.ndarray) -> np.ndarray:
    power = np.exp(margin - margin.max(axis=1, keepdims=True))
    return np.asarray(power / power.sum(axis=1, keepdims=True))
