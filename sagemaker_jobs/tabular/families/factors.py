"""Serves a factorisation: how much a user is drawn to an item, from a vector of each; numpy only."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from zipfile import BadZipFile

import numpy as np

from tabular.families.base import ArtefactError, missing

FILE = "factors.npz"


@dataclass(frozen=True, kw_only=True)
class FactorsPredictor:
    """users (m + 1, factors), the last line for one that training did not know; items (n + 1, factors) alike.

    user, item  the columns of the prepared matrix that hold their numbers, NaN when not known
    """

    kind: ClassVar[str] = "factorisation"
    users: np.ndarray
    items: np.ndarray
    user: int
    item: int
    columns: int

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        users = self.users[known(matrix[:, self.user], len(self.users) - 1)]
        items = self.items[known(matrix[:, self.item], len(self.items) - 1)]
        return np.asarray((users * items).sum(axis=1))

    def predict_row(self, line: np.ndarray) -> float | list[float]:
        return float(self.predict(line)[0])

    def ranking(self, user: np.ndarray) -> np.ndarray:
        """Scores (n, items) of all known items for the users of these numbers."""
        chosen = self.users[known(user, len(self.users) - 1)]
        return np.einsum("uf,if->ui", chosen, self.items[:-1])

    def contributions(self, matrix: np.ndarray) -> None:  # noqa: ARG002  one signature for all predictors
        return None

    def files(self) -> dict[str, bytes]:
        buffer = io.BytesIO()
        shape = np.array([self.user, self.item, self.columns])
        np.savez(buffer, users=self.users, items=self.items, shape=shape)
        return {FILE: buffer.getvalue()}


def known(codes: np.ndarray, count: int) -> np.ndarray:
    """The last line for what is not known."""
    usable = np.isfinite(codes) & (codes >= 0) & (codes < count)
    return np.where(usable, codes, count).astype(np.int64)


def load(folder: Path) -> FactorsPredictor:
    path = folder / FILE
    if not path.is_file():
        raise missing(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:  # a pickled array would run code
            user, item, columns = (int(number) for number in arrays["shape"])
            users, items = arrays["users"], arrays["items"]
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise ArtefactError(f"{FILE} holds no factors: the file is damaged, pack it again") from error
    if users.ndim != 2 or items.ndim != 2 or users.shape[1] != items.shape[1]:
        raise ArtefactError(f"{FILE} has users {users.shape} and items {items.shape} that do not fit")
    return FactorsPredictor(users=users, items=items, user=user, item=item, columns=columns)
