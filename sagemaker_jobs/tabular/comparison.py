"""Whether one model is better than another, with an interval: on the same rows (paired) or on others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy import special

MINIMUM_GROUPS = 10


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """difference = mean loss of the other model - mean loss of ours: above zero, ours is better.

    p is two-sided. groups is what was counted as independent: days, or rows.
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None
    standard_error: float | None
    confidence: float
    rows: int
    groups: int
    method: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def paired(
    loss: np.ndarray, other_loss: np.ndarray, days: np.ndarray | None = None, confidence: float = 0.95
) -> Comparison:
    """Mean gain per row on the same rows, with a standard error clustered by day.

    Rows of one day are not independent (one storm delays all of them). With fewer than ten days rows are
    taken as independent: a spread over so few sums says little.
    """
    gain = other_loss - loss
    mean = float(gain.mean())
    names, codes = np.unique(days, return_inverse=True) if days is not None else (np.arange(0), None)
    if codes is not None and len(names) >= MINIMUM_GROUPS:
        sums = np.bincount(codes, weights=gain - mean)
        error = float(np.sqrt(len(names) / (len(names) - 1) * (sums**2).sum())) / len(gain)
        return _verdict(mean, error, len(gain), len(names), confidence, "paired, clustered by day")
    error = float(gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else float("nan")
    return _verdict(mean, error, len(gain), len(gain), confidence, "paired rows")


def unpaired(loss: np.ndarray, other_loss: np.ndarray, confidence: float = 0.95) -> Comparison | None:
    """Welch's test between rows that one model scored and rows of the other; None without two of each."""
    if len(loss) < 2 or len(other_loss) < 2:
        return None
    share, other_share = loss.var(ddof=1) / len(loss), other_loss.var(ddof=1) / len(other_loss)
    mean = float(other_loss.mean() - loss.mean())
    error = float(np.sqrt(share + other_share))
    freedom = 1.0
    if error > 0:
        spread = share**2 / (len(loss) - 1) + other_share**2 / (len(other_loss) - 1)
        freedom = float((share + other_share) ** 2 / spread)
    rows = len(loss) + len(other_loss)
    return _verdict(mean, error, rows, rows, confidence, "welch", freedom)


def delong(
    label: np.ndarray, score: np.ndarray, other_score: np.ndarray, confidence: float = 0.95
) -> Comparison | None:
    """DeLong's test of two AUCs on the same rows (difference = ours - other); None with one class."""
    positive, negative = label == 1, label == 0
    if positive.sum() < 2 or negative.sum() < 2:
        return None
    areas, over_positive, over_negative = zip(
        *(_placements(values[positive], values[negative]) for values in (score, other_score)), strict=True
    )
    variance = (over_positive[0] - over_positive[1]).var(ddof=1) / positive.sum()
    variance += (over_negative[0] - over_negative[1]).var(ddof=1) / negative.sum()
    rows = len(label)
    return _verdict(areas[0] - areas[1], float(np.sqrt(variance)), rows, rows, confidence, "delong", np.inf)


def mcnemar(
    right: np.ndarray, other_right: np.ndarray, days: np.ndarray | None = None, confidence: float = 0.95
) -> Comparison:
    """McNemar's test of two classifiers' decisions on the same rows: is one right more often?

    right  (rows,): whether our decision was right. p is the mid-p value of the exact test: the exact p is
           conservative, the chi-square one too small when few rows differ (Fagerland et al. 2013).
    difference  share of rows that are right: ours - other; its interval is clustered by day
    """
    shares = paired(-right.astype(np.float64), -other_right.astype(np.float64), days, confidence)
    ours, theirs = int((right & ~other_right).sum()), int((~right & other_right).sum())
    fewer, both = min(ours, theirs), ours + theirs
    p = 1.0
    if ours != theirs:
        below = float(special.bdtr(fewer, both, 0.5))
        exactly = below - (float(special.bdtr(fewer - 1, both, 0.5)) if fewer else 0.0)
        p = min(1.0, 2 * below - exactly)
    return replace(
        shares, p=p, method=f"mcnemar, mid-p ({ours} rows only ours right, {theirs} only the other)"
    )


def bootstrapped(
    ours: Callable[[np.ndarray], Mapping[str, float | None]],
    other: Callable[[np.ndarray], Mapping[str, float | None]],
    name: str,
    days: np.ndarray,
    *,
    lower_is_better: bool,
    confidence: float = 0.95,
    replicates: int = 300,
    seed: int = 0,
) -> Comparison | None:
    """The gain in a metric that is no mean of rows, by a bootstrap of days that both models share.

    Both map row weights to metrics. difference above zero: ours is better. None where it is not defined.
    """
    names, codes = np.unique(days, return_inverse=True)
    random = np.random.default_rng(seed)
    sign = -1.0 if lower_is_better else 1.0

    def gain(weight: np.ndarray) -> float | None:
        mine, their = ours(weight)[name], other(weight)[name]
        return None if mine is None or their is None else sign * (mine - their)

    point = gain(np.ones(len(days)))
    draws = (
        np.bincount(random.integers(0, len(names), len(names)), minlength=len(names))
        for _ in range(replicates)
    )
    drawn = np.array([value for draw in draws if (value := gain(draw[codes].astype(float))) is not None])
    if point is None or len(drawn) < replicates / 2:
        return None
    low, high = np.percentile(drawn, [50 * (1 - confidence), 50 * (1 + confidence)]).tolist()
    beyond = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return Comparison(
        difference=point,
        low=low,
        high=high,
        # One more than counted: no number of draws proves that something never happens.
        p=min(1.0, 2 * (float(beyond) + 1) / (len(drawn) + 1)),
        standard_error=float(drawn.std(ddof=1)),
        confidence=confidence,
        rows=len(days),
        groups=len(names),
        method=f"paired bootstrap of days, {name}",
    )


def holm(values: Sequence[float | None]) -> list[float | None]:
    """p-values adjusted for their number: the chance of any false finding stays under the level."""
    return _adjusted(values, lambda p, count: np.maximum.accumulate(p * (count - np.arange(count))))


def benjamini_hochberg(values: Sequence[float | None]) -> list[float | None]:
    """p-values adjusted so that the expected share of false findings among the findings stays under it."""
    return _adjusted(
        values,
        lambda p, count: np.minimum.accumulate((p * count / np.arange(1, count + 1))[::-1])[::-1],
    )


def _adjusted(
    values: Sequence[float | None], rule: Callable[[np.ndarray, int], np.ndarray]
) -> list[float | None]:
    """`rule` takes p-values, smallest first; unknown ones stay unknown and do not count."""
    known = [place for place, value in enumerate(values) if value is not None]
    result: list[float | None] = [None] * len(values)
    if known:
        p = np.array([values[place] for place in known], dtype=np.float64)
        order = np.argsort(p, kind="stable")
        for place, value in zip(order, rule(p[order], len(p)), strict=True):
            result[known[place]] = float(min(value, 1.0))
    return result


def _placements(positive: np.ndarray, negative: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """AUC, and for each positive (negative) the share of the other class that it is ranked above (below)."""
    below, above = np.sort(negative), np.sort(positive)
    wins = (np.searchsorted(below, positive, "left") + np.searchsorted(below, positive, "right")) / 2
    losses = (np.searchsorted(above, negative, "left") + np.searchsorted(above, negative, "right")) / 2
    over_positive, over_negative = wins / len(negative), 1 - losses / len(positive)
    return float(over_positive.mean()), over_positive, over_negative


def _verdict(
    mean: float,
    error: float,
    rows: int,
    groups: int,
    confidence: float,
    method: str,
    freedom: float | None = None,
) -> Comparison:
    degrees = float(groups - 1) if freedom is None else freedom
    low: float | None = None
    high: float | None = None
    p: float | None = None
    if error == 0:
        low = high = mean
        p = 1.0 if mean == 0 else 0.0
    elif np.isfinite(error) and degrees >= 1:
        # The normal distribution is the limit for infinitely many degrees of freedom.
        quantile = (1 + confidence) / 2
        bound = special.ndtri(quantile) if np.isinf(degrees) else special.stdtrit(degrees, quantile)
        ratio = abs(mean) / error
        tail = special.ndtr(-ratio) if np.isinf(degrees) else special.stdtr(degrees, -ratio)
        low, high, p = mean - float(bound) * error, mean + float(bound) * error, float(2 * tail)
    return Comparison(
        difference=mean,
        low=low,
        high=high,
        p=p,
        standard_error=error if np.isfinite(error) else None,
        confidence=confidence,
        rows=rows,
        groups=groups,
        method=method,
    )
