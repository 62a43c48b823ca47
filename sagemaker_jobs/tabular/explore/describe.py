"""What each column and the label look like: moments, quantiles, histograms, categories, lengths and terms."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from tabular.explore.numbers import FEWEST, extremes, group, hidden
from tabular.explore.sampling import Rows
from tabular.explore.tally import Tally

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_CATEGORIES = 20
MOST_TERMS = 20
MOST_BINS = 30
# Letters only: a term with a digit may be somebody's number.
TERM = re.compile(r"[^\W\d_]{3,}")
CLASSES = ("binary", "multiclass")


def missing(tally: Tally) -> dict[str, Any]:
    """Share of rows without a value, over all rows: by column and by month."""
    months = sorted(tally.months)
    return {
        "months": [{"month": month, "rows": tally.months[month]} for month in months],
        "columns": [
            {
                "feature": name,
                "rows": sum(counts.values()),
                "share": sum(counts.values()) / tally.rows,
                "by_month": [counts[month] / tally.months[month] for month in months],
            }
            for name, counts in tally.missing.items()
        ],
    }


def columns(rows: Rows, kinds: Mapping[str, str], tally: Tally) -> dict[str, Any]:
    """One entry per feature, of the sample; counts of categories are of all rows."""
    found: dict[str, Any] = {}
    for name, kind in kinds.items():
        if kind == "numeric":
            found[name] = {"kind": kind, **numeric(rows.columns[name])}
        elif kind == "text":
            found[name] = {"kind": kind, **text(rows.columns[name])}
        else:
            found[name] = {"kind": kind, **categories(tally.categories.get(name, Counter()))}
            found[name]["distinct_is_more"] = name in tally.cut
    return found


def numeric(values: np.ndarray) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    low, high = extremes(known)
    entry: dict[str, Any] = {"rows": len(known), "distinct": len(np.unique(known)), "low": low, "high": high}
    if len(known) < FEWEST:
        return {**entry, "histogram": None}
    varies = entry["distinct"] > 1
    entry |= {
        "mean": known.mean(),
        "sd": known.std(ddof=1),
        "skewness": stats.skew(known) if varies else None,
        "kurtosis": stats.kurtosis(known) if varies else None,
        "quantiles": dict(
            zip([f"{q:g}" for q in QUANTILES], np.quantile(known, QUANTILES).tolist(), strict=True)
        ),
        "zeros": float((known == 0).mean()),
        "histogram": histogram(known, low, high) if high > low else None,
        **outliers(known),
    }
    return entry


def histogram(values: np.ndarray, low: float, high: float) -> dict[str, Any]:
    """Equal bins between the told extremes; what lies beyond counts in the last ones."""
    distinct = np.unique(np.clip(values, low, high))
    bins = min(MOST_BINS, max(5, round(np.sqrt(len(values)) / 2)))
    if len(distinct) <= MOST_BINS and np.allclose(np.diff(distinct), np.diff(distinct)[:1]):
        # As many bins as values, each in the middle of its own: no comb of empty bins.
        half = (distinct[1] - distinct[0]) / 2
        edges = np.append(distinct - half, distinct[-1] + half)
    else:
        edges = np.linspace(low, high, bins + 1)
    counts, _ = np.histogram(np.clip(values, low, high), edges)
    return {"edges": edges.tolist(), "counts": [hidden(int(count)) for count in counts]}


def outliers(values: np.ndarray) -> dict[str, Any]:
    """Shares beyond Tukey's fences (1.5 interquartile ranges) and 3.5 robust z (Iglewicz and Hoaglin)."""
    first, third = np.quantile(values, [0.25, 0.75])
    reach = 1.5 * (third - first)
    middle = np.median(values)
    spread = np.median(np.abs(values - middle))
    far = (np.abs(0.6745 * (values - middle)) > 3.5 * spread).mean() if spread > 0 else None
    outside = float(((values < first - reach) | (values > third + reach)).mean()) if reach > 0 else None
    return {"outside_fences": outside, "robust_z_over_3_5": far if far is None else float(far)}


def categories(counts: Mapping[str, int]) -> dict[str, Any]:
    """The most frequent by name; values of fewer than FEWEST rows are told as their number only."""
    order = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    total = sum(counts.values())
    top = [entry for entry in order[:MOST_CATEGORIES] if entry[1] >= FEWEST]
    rest = total - sum(count for _, count in top)
    while top and 0 < rest < FEWEST:
        rest += top.pop()[1]
    shares = np.array([count for _, count in order]) / max(total, 1)
    return {
        "rows": total,
        "distinct": len(order),
        "rare": sum(1 for _, count in order if count < FEWEST),
        "top": [{"value": value, "rows": count, "share": count / total} for value, count in top],
        "other": {"values": len(order) - len(top), "rows": rest, "share": rest / max(total, 1)},
        "entropy_bits": float(-(shares * np.log2(shares)).sum()) if len(order) else None,
    }


def text(values: np.ndarray) -> dict[str, Any]:
    """Lengths in words, and the terms that most rows hold: terms, never rows."""
    known = [value for value in values if value is not None]
    lengths = np.array([len(value.split()) for value in known], dtype=float)
    documents = Counter(term for value in known for term in terms(value))
    told = [(term, count) for term, count in documents.items() if count >= FEWEST]
    order = sorted(told, key=lambda entry: (-entry[1], entry[0]))[:MOST_TERMS]
    return {
        "rows": len(known),
        "distinct": len(set(known)),
        "empty": sum(1 for value in known if not value.strip()),
        "words": numeric(lengths),
        "terms": len(documents),
        "top_terms": [{"term": term, "rows": count, "share": count / len(known)} for term, count in order],
    }


def terms(value: str) -> set[str]:
    return set(TERM.findall(value.lower()))


def word_counts(values: np.ndarray) -> np.ndarray:
    """What a text counts as where a number is needed; NaN where there is none."""
    return np.array([np.nan if value is None else float(len(value.split())) for value in values])


def label(problem: str, rows: Rows, classes: Sequence[str]) -> dict[str, Any] | None:
    """Balance of the classes, or distribution of the values, of the training sample; None without labels."""
    known = rows.label[~np.isnan(rows.label)]
    if not len(known):
        return None
    if problem not in CLASSES:
        return {"kind": "numeric", **numeric(known)}
    counts = np.bincount(known.astype(int), minlength=len(classes))
    shares = counts / counts.sum()
    present = shares[shares > 0]
    return {
        "kind": "classes",
        "rows": len(known),
        "classes": [
            {"class": name, "rows": hidden(int(count)), "share": float(share) if hidden(int(count)) else None}
            for name, count, share in zip(classes, counts, shares, strict=True)
        ],
        "majority_share": float(shares.max()),
        "minority_share": float(shares.min()),
        "imbalance_ratio": float(shares.max() / present.min()),
        # 1: all classes alike, 0: one class only.
        "evenness": float(-(present * np.log(present)).sum() / np.log(len(classes))),
    }


def by_class(rows: Rows, kinds: Mapping[str, str], classes: int) -> dict[str, Any]:
    """Quantiles of each numeric feature within each class: the boxes of the box plot."""
    return {
        name: [
            _box(rows.columns[name][(rows.label == number) & np.isfinite(rows.columns[name])])
            for number in range(classes)
        ]
        for name, kind in kinds.items()
        if kind == "numeric"
    }


def _box(values: np.ndarray) -> list[float] | None:
    return np.quantile(values, QUANTILES).tolist() if len(values) >= 4 * FEWEST else None


def label_by_category(rows: Rows, kinds: Mapping[str, str], most: int = 10) -> dict[str, Any]:
    """Mean label of each category with a 95 % interval (normal), for labels that have a mean."""
    found: dict[str, Any] = {}
    for name, kind in kinds.items():
        if kind != "categorical":
            continue
        codes, names = group(rows.columns[name], most)
        entries = []
        for number, value in enumerate(names):
            labels = rows.label[codes == number]
            if len(labels) < FEWEST:
                continue
            error = 1.96 * labels.std(ddof=1) / np.sqrt(len(labels))
            entries.append({"value": value, "rows": len(labels), "mean": labels.mean(), "margin": error})
        found[name] = entries
    return found
