"""Population stability index between the bins of a baseline and newer values.

Deciles alone are blind where most values are zero (rain): zero then has a bin of its own, as has "missing".
"""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from tabular.preparation import factorised
from tabular.preparation.text import TOKEN

BINS = 10
CATEGORIES = 30
# From this share on zero gets its own bin: more than one decile would otherwise end in it.
ZERO_SHARE = 0.1
# Below this many rows the index measures chance: its expectation under no drift is about bins / rows.
MINIMUM_ROWS = 100
FLOOR = 1e-4


def answered(scores: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """What drifts of answers: the score, or of (n, K) probabilities the name of the chosen class."""
    if scores.ndim == 1:
        return scores
    names = np.array(list(classes), dtype=object)
    return names[scores.argmax(axis=1)] if len(scores) else names[:0]


def comparable(values: np.ndarray, kind: str) -> np.ndarray:
    """What drifts of a feature: its values, or of a text its words, None for a missing or wordless one."""
    if kind != "text":
        return values
    found: list[str | None] = []
    for value in values.tolist():
        found += TOKEN.findall(value.lower()) if value else []
        if not value or not TOKEN.search(value):
            found.append(None)
    return np.array(found, dtype=object)


def bins(values: np.ndarray) -> dict[str, Any]:
    """The bins of a baseline with the share of its rows in each."""
    if values.dtype == object:
        codes, categories = factorised(values)
        counts = np.bincount(codes[codes >= 0], minlength=len(categories))
        frequent = sorted(np.argsort(-counts, kind="stable")[:CATEGORIES].tolist())
        content: dict[str, Any] = {"kind": "categorical", "categories": [categories[i] for i in frequent]}
    else:
        known = values[~np.isnan(values)]
        has_zero_bin = bool(len(known) and (known == 0).mean() >= ZERO_SHARE and (known != 0).any())
        cut = known[known != 0] if has_zero_bin else known
        inner = np.linspace(0, 1, BINS + 1)[1:-1]
        edges = np.unique(np.quantile(cut, inner)).tolist() if len(cut) else []
        content = {"kind": "numeric", "has_zero_bin": has_zero_bin, "edges": edges}
    return content | {"rows": len(values), "shares": shares(values, content).tolist()}


def shares(values: np.ndarray, content: Mapping[str, Any]) -> np.ndarray:
    """Share of the rows in each bin; the first bin is "missing"."""
    if content["kind"] == "categorical":
        codes = {None: 0, **{name: place for place, name in enumerate(content["categories"], start=1)}}
        size = len(codes) + 1
        found = map(codes.get, values.tolist(), repeat(size - 1))
        places = np.fromiter(found, dtype=np.int64, count=len(values))
    else:
        size = len(content["edges"]) + 3
        places = np.searchsorted(content["edges"], values, side="right") + 2
        places = np.where((values == 0) & content["has_zero_bin"], 1, places)
        places = np.where(np.isnan(values), 0, places)
    return np.bincount(places, minlength=size) / max(len(values), 1)


def psi(values: np.ndarray, baseline: Mapping[str, Any]) -> float | None:
    """0 = same distribution, above 0.2 = shifted by common use; None when there are too few rows to tell."""
    if len(values) < MINIMUM_ROWS:
        return None
    expected = np.maximum(np.asarray(baseline["shares"]), FLOOR)
    actual = np.maximum(shares(values, baseline), FLOOR)
    return float(((actual - expected) * np.log(actual / expected)).sum())
