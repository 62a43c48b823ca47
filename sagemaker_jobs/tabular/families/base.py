"""What families, training and serving say to each other."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Round = dict[str, dict[str, float]]


class ArtefactError(ValueError):
    """The model folder is incomplete or damaged."""


class TrainingDiverged(ValueError):
    """The loss is not a number, or the model is no better than the rule baseline."""


class Predictor(Protocol):
    """A fitted model behind the preparation. Files are JSON, .ubj or .npz: loading them runs no code."""

    kind: str
    columns: int

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """(n,) scores, or (n, K) probabilities, of (n, columns) prepared values with NaN for missing ones."""
        ...

    def predict_row(self, line: np.ndarray) -> float | list[float]:
        """The same for one line (1, columns), in the shortest way."""
        ...

    def contributions(self, matrix: np.ndarray) -> np.ndarray | None:
        """Exact part of each column in each score, (n, columns) or (n, columns, K); None if there is none."""
        ...

    def files(self) -> dict[str, bytes]:
        """What lies beside model.json, by name."""
        ...


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Prepared rows in order of time. `date`: local dates, which folds are made of."""

    matrix: np.ndarray
    label: np.ndarray
    date: np.ndarray
    weight: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.label)

    def take(self, chosen: np.ndarray) -> "Rows":
        """The rows of a mask or of an index."""
        weight = None if self.weight is None else self.weight[chosen]
        return replace(
            self,
            matrix=self.matrix[chosen],
            label=self.label[chosen],
            date=self.date[chosen],
            weight=weight,
        )


@dataclass(frozen=True, kw_only=True)
class Member:
    """A candidate that a stack is built of."""

    name: str
    family: str
    hyperparameters: Mapping[str, Any]


def silent(number: int, scores: Round) -> None:
    """For fits that are a means only: their losses would be read as the job's own metric."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked for, the same for all families.

    classes     how many, of a multiclass label
    columns     names of the prepared columns
    mark        of windows and rows: a checkpoint of others is left aside
    base        a booster that training goes on from
    pair, at    of a recommendation: columns of user and item, and the length of the list that is judged
    """

    problem: str
    columns: Sequence[str]
    classes: int = 0
    threads: int = 1
    report: Callable[[int, Round], None] = silent
    checkpoints: Path | None = None
    mark: str = ""
    base: Any = None
    members: Sequence[Member] = ()
    pair: tuple[int, int] | None = None
    at: int = 10

    def quiet(self) -> "Task":
        """For a part of a training: it tells nothing and leaves nothing."""
        return replace(self, report=silent, checkpoints=None, base=None)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """`history` holds the losses of every round; `notes` goes into training.json."""

    predictor: Predictor
    history: list[Round]
    best_round: int = 0
    stopped_early: bool = False
    resumed_at: int | None = None
    notes: Mapping[str, Any]


def read_json(folder: Path, name: str) -> Any:
    """A predictor's JSON file."""
    path = folder / name
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise missing(path) from error
    except ValueError as error:
        raise ArtefactError(f"{name} is not JSON ({error}): the file is damaged, pack it again") from error


def missing(path: Path) -> ArtefactError:
    present = ", ".join(sorted(entry.name for entry in path.parent.glob("*"))) or "nothing"
    return ArtefactError(f"no {path.name} in the model folder, it holds {present}: pack the model again")
