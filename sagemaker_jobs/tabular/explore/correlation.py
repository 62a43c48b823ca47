"""How strongly columns go together, each pair by the measure of its types; p-values corrected over all pairs.

Numbers: Pearson and Spearman. Categories: Cramer's V. Number and category: correlation ratio eta, which for
two categories is the point-biserial correlation. Texts count by their words.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from tabular.explore.association import crosstab
from tabular.explore.describe import word_counts
from tabular.explore.numbers import FEWEST, corrected, group
from tabular.explore.sampling import Rows

MOST_GROUPS = 20
# Of wide tables the pairs of the first columns alone: their number grows with the square.
MOST_COLUMNS = 80


def pairs(rows: Rows, kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """Strongest first; pairs of a column that does not vary are left out."""
    prepared = {}
    for name, kind in list(kinds.items())[:MOST_COLUMNS]:
        if kind == "categorical":
            codes, names = group(rows.columns[name], MOST_GROUPS)
            varies = len(names) > 1
            prepared[name] = ("category", codes)
        else:
            values = word_counts(rows.columns[name]) if kind == "text" else rows.columns[name]
            known = values[np.isfinite(values)]
            varies = len(known) >= 2 * FEWEST and np.ptp(known) > 0
            prepared[name] = ("number", values)
        if not varies:
            del prepared[name]
    entries = []
    for (a, (kind_a, x)), (b, (kind_b, y)) in combinations(prepared.items(), 2):
        if kind_a == kind_b == "number":
            found = numbers(x, y)
        elif kind_a == kind_b:
            found = categories(x, y)
        else:
            found = mixed(x, y) if kind_a == "category" else mixed(y, x)
        if found is not None:
            entries.append({"a": a, "b": b, **found})
    corrected(entries)
    return sorted(entries, key=lambda entry: (-abs(entry["value"]), entry["a"], entry["b"]))


def numbers(x: np.ndarray, y: np.ndarray) -> dict[str, Any] | None:
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 2 * FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    pearson, spearman = stats.pearsonr(x, y), stats.spearmanr(x, y)
    return {
        "measure": "spearman",
        "value": float(spearman.statistic),
        "p": float(spearman.pvalue),
        "pearson": float(pearson.statistic),
        "pearson_p": float(pearson.pvalue),
        "rows": len(x),
    }


def categories(x: np.ndarray, y: np.ndarray) -> dict[str, Any] | None:
    known = (x >= 0) & (y >= 0)
    if not known.any():
        return None
    table = crosstab(x[known], y[known])
    if min(table.shape) < 2:
        return None
    found = stats.chi2_contingency(table, correction=False)
    count = int(table.sum())
    value = np.sqrt(found.statistic / (count * (min(table.shape) - 1)))
    return {"measure": "cramers_v", "value": float(value), "p": float(found.pvalue), "rows": count}


def mixed(codes: np.ndarray, values: np.ndarray) -> dict[str, Any] | None:
    known = (codes >= 0) & np.isfinite(values)
    codes, values = codes[known], values[known]
    groups = [part for number in np.unique(codes) if len(part := values[codes == number]) >= 2]
    if len(groups) < 2 or np.ptp(values) == 0:
        return None
    count = sum(map(len, groups))
    if len(groups) == 2:
        flags = np.repeat([0.0, 1.0], [len(groups[0]), len(groups[1])])
        found = stats.pearsonr(flags, np.concatenate(groups))
        return {
            "measure": "point_biserial", "value": float(found.statistic), "p": float(found.pvalue),
            "rows": count,
        }  # fmt: skip
    everything = np.concatenate(groups)
    between = sum(len(part) * (part.mean() - everything.mean()) ** 2 for part in groups)
    total = ((everything - everything.mean()) ** 2).sum()
    value = np.sqrt(min(between / total, 1.0))
    return {
        "measure": "eta",
        "value": float(value),
        "p": float(stats.f_oneway(*groups).pvalue),
        "rows": count,
    }
