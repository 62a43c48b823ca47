"""Serves a stack: a linear combiner of the scores of its members."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from tabular.families import load as load_member
from tabular.families.base import ArtefactError, Predictor, read_json
from tabular.families.coefficients import LinearPredictor

FILE = "stack.json"
# A certain member must not decide alone: its log odds stay finite.
EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True)
class StackPredictor:
    """The combiner's columns are each member's scores; probabilities come as log odds."""

    kind: ClassVar[str] = "stack"
    members: Sequence[Predictor]
    combiner: LinearPredictor

    @property
    def columns(self) -> int:
        return self.members[0].columns

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        scores = [member.predict(matrix) for member in self.members]
        return self.combiner.predict(combined(scores, self.combiner.link))

    def predict_row(self, line: np.ndarray) -> float | list[float]:
        found: float | list[float] = self.predict(line)[0].tolist()
        return found

    def contributions(self, matrix: np.ndarray) -> None:  # noqa: ARG002  one signature for all predictors
        return None

    def files(self) -> dict[str, bytes]:
        kinds = [member.kind for member in self.members]
        content = {"members": kinds, "combiner": self.combiner.to_json()}
        files = {FILE: json.dumps(content, indent=1).encode()}
        for place, member in enumerate(self.members):
            files |= {f"members/{place}/{name}": data for name, data in member.files().items()}
        return files


def combined(scores: Sequence[np.ndarray], link: str) -> np.ndarray:
    """(n, members) for values and one class, (n, members * K) for several."""
    lines = [score.reshape(len(score), -1) for score in scores]
    matrix = np.hstack(lines)
    if link == "identity":
        return matrix
    clipped = np.clip(matrix, EPSILON, 1 - EPSILON)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def load(folder: Path) -> StackPredictor:
    content = read_json(folder, FILE)
    try:
        kinds, combiner = list(content["members"]), LinearPredictor.from_json(content["combiner"])
        members = [load_member(kind, folder / "members" / str(place)) for place, kind in enumerate(kinds)]
    except (KeyError, TypeError) as error:
        raise ArtefactError(f"{FILE} holds no stack: the file is damaged, pack it again") from error
    if len({member.columns for member in members}) != 1:
        raise ArtefactError(f"{FILE} has members of different columns: they belong to different models")
    return StackPredictor(members=members, combiner=combiner)
