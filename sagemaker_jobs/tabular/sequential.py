"""Whether a challenger may be promoted, looked at as often as one likes: bounds that hold at every look.

A usual interval holds for one look. Who looks every day and stops at the first good one promotes a worse
model far more often than the level says (tests/unit/test_sequential.py counts it). The bounds here are
asymptotic confidence sequences with a normal mixture (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences", 2021): the chance that a bound is
ever wrong, over all looks, is at most its level.

What is independent is the request, not the row: an endpoint sends a request as a whole to one variant. Losses
are first adjusted for what the choice of the variant cannot have changed (the label, and the rule's loss on
the same row), which leaves the mean difference as it is and takes most of the spread away.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

# The bounds rest on the central limit theorem.
MINIMUM_REQUESTS = 20


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Of one variant: loss (n,), request (n,) any labels of the requests, known (n, k) covariates."""

    loss: np.ndarray
    request: np.ndarray
    known: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Chances over all looks together; the bounds are tightest at `planned` requests of both variants."""

    false_promotion: float
    false_roll_back: float
    planned: int


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """difference = mean loss of the champion - that of the challenger: above zero, the challenger is better.

    The true difference is below `low` at any look with at most the chance of a false promotion, and above
    `high` with at most that of a false roll-back. low and high are None with too few requests. spread_left:
    the share of the losses' variance that the adjustment left.
    """

    difference: float
    low: float | None
    high: float | None
    standard_error: float | None
    champion_loss: float
    champion_requests: int
    challenger_requests: int
    champion_rows: int
    challenger_rows: int
    spread_left: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def bounds(champion: Losses, challenger: Losses, levels: Levels) -> Bounds | None:
    """None where a variant has no row."""
    if not len(champion.loss) or not len(challenger.loss):
        return None
    adjusted = _adjusted(champion, challenger)
    means, errors, counts = zip(
        *(
            _clustered(loss, each.request)
            for loss, each in zip(adjusted, (champion, challenger), strict=True)
        ),
        strict=True,
    )
    difference = float(means[0] - means[1])
    error = float(np.hypot(*errors))
    enough = min(counts) >= MINIMUM_REQUESTS
    low = difference - width(error, sum(counts), levels.false_promotion, levels.planned) if enough else None
    high = difference + width(error, sum(counts), levels.false_roll_back, levels.planned) if enough else None
    before = np.concatenate([_centred(champion.loss), _centred(challenger.loss)])
    after = np.concatenate([_centred(loss) for loss in adjusted])
    return Bounds(
        difference=difference,
        low=low,
        high=high,
        standard_error=error if np.isfinite(error) else None,
        champion_loss=float(champion.loss.mean()),
        champion_requests=counts[0],
        challenger_requests=counts[1],
        champion_rows=len(champion.loss),
        challenger_rows=len(challenger.loss),
        spread_left=float((after**2).sum() / (before**2).sum()) if before.any() else 1.0,
    )


def decide(found: Bounds, margin: float) -> str:
    """promote, roll_back or wait; `margin` is a share of the champion's loss.

    promote: not worse by the margin or more, roll_back: worse. Where both hold, the champion stays.
    """
    if found.low is None or found.high is None:
        return "wait"
    if found.high < 0:
        return "roll_back"
    return "promote" if found.low > -margin * found.champion_loss else "wait"


def width(standard_error: float, count: int, level: float, planned: int) -> float:
    """Distance of a one-sided bound from the mean of `count` independent units.

    The mixture's variance is the one that makes the bound tightest at `planned` units.
    """
    log = -2 * np.log(level)
    mixture = (log + np.log1p(log)) / planned
    scaled = count * mixture
    return float(
        standard_error * np.sqrt(2 * (scaled + 1) / scaled * np.log1p(np.sqrt(scaled + 1) / (2 * level)))
    )


def _adjusted(champion: Losses, challenger: Losses) -> Sequence[np.ndarray]:
    """Losses without what the covariates explain of them, by one regression for both variants.

    Fitted within the variants, so that their difference is not explained away.
    """
    pooled = np.concatenate([_centred(champion.known), _centred(challenger.known)])
    loss = np.concatenate([_centred(champion.loss), _centred(challenger.loss)])
    slopes, *_ = np.linalg.lstsq(pooled, loss, rcond=None)
    middle = np.concatenate([champion.known, challenger.known]).mean(axis=0)
    return [each.loss - (each.known - middle) @ slopes for each in (champion, challenger)]


def _centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=0)


def _clustered(loss: np.ndarray, request: np.ndarray) -> tuple[float, float, int]:
    """Mean over rows, its standard error with requests as what is independent, and the number of requests."""
    _, codes = np.unique(request, return_inverse=True)
    count = int(codes.max()) + 1
    mean = float(loss.mean())
    if count < 2:
        return mean, float("inf"), count
    sums = np.bincount(codes, weights=loss - mean)
    return mean, float(np.sqrt(count / (count - 1) * (sums**2).sum()) / len(loss)), count
