"""Does a feature go with the label? A test chosen by the types, an effect size beside it, and why this test.

With many rows every p is small; the effect says whether a finding matters. Rows of one day are not
independent, so p-values flatter: a reason more to read the effect.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from tabular.explore.describe import CLASSES, word_counts
from tabular.explore.numbers import FEWEST, corrected, group
from tabular.explore.sampling import Rows

MOST_GROUPS = 20
SHUFFLES = 1_999
SEED = 20
# Of Cohen: from where an effect is small, medium, large.
WORDS = {
    "rank-biserial r": (0.1, 0.3, 0.5),
    "Cohen's d": (0.2, 0.5, 0.8),
    "Spearman's rho": (0.1, 0.3, 0.5),
    "Cramer's V": (0.1, 0.3, 0.5),
    "epsilon squared": (0.01, 0.06, 0.14),
}


def label_tests(problem: str, rows: Rows, kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """One entry per feature; p-values corrected over all of them. `rows` are labelled."""
    entries = []
    for name, kind in kinds.items():
        entry = test(problem, kind, rows.columns[name], rows.label)
        effect = entry.get("effect")
        entry["size"] = None if effect is None else size(entry["effect_name"], effect)
        entries.append({"feature": name, "kind": kind, **entry})
    return corrected(entries)


def test(problem: str, kind: str, values: np.ndarray, label: np.ndarray) -> dict[str, Any]:
    if kind == "categorical":
        codes, names = group(values, MOST_GROUPS)
        known = codes >= 0
        if len(names) < 2:
            return _none("it has fewer than two categories")
        if problem in CLASSES:
            return categories(codes[known], label[known].astype(int))
        return of_groups([label[codes == number] for number in range(len(names))])
    numbers = word_counts(values) if kind == "text" else values
    known = np.isfinite(numbers)
    numbers, label = numbers[known], label[known]
    if len(numbers) < 2 * FEWEST or np.ptp(numbers) == 0:
        return _none("it does not vary, or too few rows have it")
    if problem in CLASSES:
        return of_groups([numbers[label == number] for number in np.unique(label)])
    if np.ptp(label) == 0:
        return _none("the label does not vary")
    found = stats.spearmanr(numbers, label)
    why = "two numbers: ranks see every monotone relation and no outlier sways them"
    return _entry(
        "Spearman", why, found.statistic, found.pvalue, "Spearman's rho", found.statistic, len(label)
    )


def of_groups(groups: Sequence[np.ndarray]) -> dict[str, Any]:
    """Do numbers differ between groups? Two of them: Welch's t or Mann-Whitney; more: Kruskal-Wallis."""
    groups = [values for values in groups if len(values) >= FEWEST]
    if len(groups) < 2:
        return _none(f"fewer than two groups have {FEWEST} rows")
    joined = np.concatenate(groups)
    if np.ptp(joined) == 0:
        return _none("it does not vary where the label is known")
    count = len(joined)
    if len(groups) > 2:
        found = stats.kruskal(*groups)
        why = f"numbers of {len(groups)} groups: ranks need no normal distribution"
        return _entry(
            "Kruskal-Wallis", why, found.statistic, found.pvalue, "epsilon squared",
            found.statistic / (count - 1), count,
        )  # fmt: skip
    first, second = groups
    if all(_even(values) for values in groups):
        found = stats.ttest_ind(second, first, equal_var=False)
        pooled = np.sqrt(
            ((len(first) - 1) * first.var(ddof=1) + (len(second) - 1) * second.var(ddof=1)) / (count - 2)
        )
        why = "numbers of two groups, each with at least 30 rows and a skewness within 1: means compare well"
        return _entry(
            "Welch's t", why, found.statistic, found.pvalue, "Cohen's d",
            (second.mean() - first.mean()) / pooled, count,
        )  # fmt: skip
    found = stats.mannwhitneyu(second, first, method="asymptotic")
    why = "numbers of two groups, skewed or few: ranks need no normal distribution"
    effect = 2 * found.statistic / (len(first) * len(second)) - 1
    return _entry("Mann-Whitney U", why, found.statistic, found.pvalue, "rank-biserial r", effect, count)


def categories(codes: np.ndarray, label: np.ndarray) -> dict[str, Any]:
    """Categories against classes: chi-square if the cells expect enough, else exact or by shuffling."""
    table = crosstab(codes, label)
    if min(table.shape) < 2:
        return _none("one category or one class only")
    found = stats.chi2_contingency(table, correction=False)
    expected = found.expected_freq
    count = int(table.sum())
    effect = np.sqrt(found.statistic / (count * (min(table.shape) - 1)))
    lowest = f"the lowest expected count is {expected.min():.1f}"
    if (expected >= 5).mean() >= 0.8 and expected.min() >= 1:
        why = f"categories against classes: {lowest}, and at least 5 in four of five cells (Cochran)"
        name, statistic, p = "chi-square", found.statistic, found.pvalue
    elif table.shape == (2, 2):
        why = f"two by two with few rows ({lowest}): exact"
        name, (statistic, p) = "Fisher's exact", stats.fisher_exact(table)
    else:
        why = f"{lowest}, too low for chi-square's table: labels shuffled {SHUFFLES:,} times"
        name, statistic, p = "chi-square, permuted", found.statistic, permuted(codes, label, found.statistic)
    return _entry(name, why, statistic, p, "Cramer's V", effect, count)


def crosstab(codes: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Counts, without empty rows and columns."""
    width = int(label.max()) + 1
    table = np.bincount(codes * width + label, minlength=(int(codes.max()) + 1) * width).reshape(-1, width)
    return table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]


def permuted(codes: np.ndarray, label: np.ndarray, statistic: float) -> float:
    random = np.random.default_rng(SEED)
    table = crosstab(codes, label)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    reached = 0
    for _ in range(SHUFFLES):
        shuffled = crosstab(codes, random.permutation(label))
        reached += ((shuffled - expected) ** 2 / expected).sum() >= statistic * (1 - 1e-12)
    return float((1 + reached) / (1 + SHUFFLES))


def size(name: str, effect: float) -> str:
    if not np.isfinite(effect):
        return "beyond measure"
    small, medium, large = WORDS[name]
    strength = abs(effect)
    if strength < small:
        return "negligible"
    return "small" if strength < medium else "medium" if strength < large else "large"


def _even(values: np.ndarray) -> bool:
    return len(values) >= 30 and np.ptp(values) > 0 and abs(float(stats.skew(values))) <= 1


def _entry(
    name: str, why: str, statistic: Any, p: Any, effect_name: str, effect: Any, rows: int
) -> dict[str, Any]:
    return {
        "test": name,
        "why": why,
        "statistic": float(statistic),
        "p": float(p),
        "effect_name": effect_name,
        "effect": float(effect),
        "rows": rows,
    }


def _none(why: str) -> dict[str, Any]:
    return {"test": None, "why": why, "p": None, "effect": None}
