"""Statistics of rows that have weights: means, areas under curves, counts by bin.

A bootstrap draws days hundreds of times: what does not depend on the weights is done once, by the caller.
"""

import numpy as np


def mean(values: np.ndarray, weight: np.ndarray) -> float:
    # Not `values @ weight`: BLAS would spread a millisecond's work over threads that wait for each other.
    return float((values * weight).sum() / weight.sum())


def areas(label: np.ndarray, score: np.ndarray, weight: np.ndarray) -> tuple[float | None, float | None]:
    """ROC AUC and average precision; rows come highest score first, those of equal score are one step."""
    true, false, _ = cumulated(label, score, weight)
    if true[-1] == 0 or false[-1] == 0:
        return None, None
    gained, passed = np.diff(true, prepend=0.0), np.diff(false, prepend=0.0)
    auc = float((passed * (true - gained / 2)).sum() / (true[-1] * false[-1]))
    seen = true + false
    precision = np.divide(true, seen, out=np.zeros_like(true), where=seen > 0)
    return auc, float((gained * precision).sum() / true[-1])


def cumulated(label: np.ndarray, score: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, ...]:
    """Weight of positives and of negatives at and above each distinct score; rows come highest first."""
    last = np.append(score[1:] != score[:-1], True)
    positive = weight * label
    return np.cumsum(positive)[last], np.cumsum(weight - positive)[last], score[last]


def equal_bins(values: np.ndarray, bins: int = 10) -> np.ndarray:
    """The bin of each value, from 0, in bins of about equal count; equal values share one."""
    if not len(values):
        return np.zeros(0, dtype=np.intp)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)))
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))


def calibration_error(error: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> float:
    """Expected calibration error: |mean score - mean label| of each bin, weighted by its share of the rows.

    error  label - score
    """
    return float(np.abs(np.bincount(codes, weights=error * weight)).sum() / weight.sum())
