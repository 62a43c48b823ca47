"""Folds of whole days in order of time: rows of one day share what happened on it, and never part."""

import numpy as np


class FoldError(ValueError):
    """Too few days for as many folds."""


def blocks(date: np.ndarray, count: int) -> np.ndarray:
    """The block, 0 to count-1, of each row: as many days each, in order."""
    days, codes = np.unique(date, return_inverse=True)
    if not 2 <= count <= len(days):
        raise FoldError(
            f"{count} folds of {len(days)} days: allowed are 2 to the number of days, widen the window"
        )
    return np.asarray(codes * count // len(days))


def forward(date: np.ndarray, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, held) masks: each block but the first is held out, and only earlier days are trained on."""
    block = blocks(date, count + 1)
    return [(block < place, block == place) for place in range(1, count + 1)]


def left_out(date: np.ndarray, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, held) masks: each block is held out once, and trained is on all others."""
    block = blocks(date, count)
    return [(block != place, block == place) for place in range(count)]
