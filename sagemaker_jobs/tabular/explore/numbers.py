"""Numbers of a report: corrected for multiple testing, safe to publish, the same bytes for the same rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

# The fewest rows behind anything that is told: below it a category, a bin or a term could be a person.
FEWEST = 5
DIGITS = 6


def holm(p: Sequence[float]) -> np.ndarray:
    """p-values adjusted step by step for the chance of any false finding (Holm 1979)."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def corrected(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Adds p_holm and p_bh (Benjamini and Hochberg 1995) to the entries with a p; they are one family."""
    tested = [entry for entry in entries if entry.get("p") is not None and np.isfinite(entry["p"])]
    if tested:
        p = [entry["p"] for entry in tested]
        for entry, by_holm, by_bh in zip(
            tested, holm(p), stats.false_discovery_control(p, method="bh"), strict=True
        ):
            entry["p_holm"], entry["p_bh"] = float(by_holm), float(by_bh)
    return entries


def tidy(value: Any) -> Any:
    """JSON of plain types with six digits: more would tell one machine's last bits from another's."""
    if isinstance(value, dict):
        return {str(name): tidy(each) for name, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [tidy(each) for each in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.{DIGITS}g}") + 0.0 if np.isfinite(value) else None
    return value


def extremes(values: np.ndarray) -> tuple[float, float]:
    """The lowest and highest value that at least FEWEST rows reach; the very extremes may be one person's."""
    if len(values) < FEWEST:
        return float("nan"), float("nan")
    parted = np.partition(values, (FEWEST - 1, len(values) - FEWEST))
    return float(parted[FEWEST - 1]), float(parted[len(values) - FEWEST])


def hidden(count: int) -> int | None:
    """A count that may be told."""
    return None if 0 < count < FEWEST else int(count)


def group(values: np.ndarray, most: int) -> tuple[np.ndarray, list[str]]:
    """Categories as numbers (-1: missing) and their names: the most frequent; the rest is one group.

    No group has fewer than FEWEST rows unless there are fewer in all.
    """
    known = np.array([value is not None for value in values], dtype=bool)
    codes = np.full(len(values), -1)
    if not known.any():
        return codes, []
    names, inverse, counts = np.unique(values[known].astype(str), return_inverse=True, return_counts=True)
    order = sorted(range(len(names)), key=lambda place: (-counts[place], names[place]))
    kept = [place for place in order[:most] if counts[place] >= FEWEST]
    rest = int(counts.sum() - counts[kept].sum())
    while kept and 0 < rest < FEWEST:
        rest += int(counts[kept.pop()])
    number = np.full(len(names), len(kept))
    number[kept] = np.arange(len(kept))
    codes[known] = number[inverse]
    others = len(names) - len(kept)
    told = [str(names[place]) for place in kept]
    return codes, told + ([f"other ({others} values)"] if others else [])
