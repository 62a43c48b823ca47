"""Concept drift: whether labels still follow the champion's scores as they did when it was evaluated.

A loss that grows proves nothing: a season with more of what is hard to tell raises it though the model is as
right as ever, and a stormy day moves the level of all its rows. What is tested is therefore the relation
alone: how far labels follow the differences between the scores of one day, whatever its level. `lost` is the
share of it that is gone: 0 as the scores promise, 1 labels and scores have nothing in common, below 0 labels
follow more than promised. It is one Newton step for the slope of a calibration line: with the logits of two
classes, the logarithms of several, and the scores themselves of a number. The level is what calibration looks
at.

Days are what is independent: standard errors are of a ratio of their sums, and a look makes one test.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tabular import metrics

# The test rests on the central limit theorem; with fewer days there is no verdict.
MINIMUM_DAYS = 14
STEPS = 50
ROUNDING = 1e-12
# Levels of days with labels of one kind only would run away.
FARTHEST = 8.0


@dataclass(frozen=True, kw_only=True)
class Lost:
    """Share of the relation that is gone, with its standard error; None where scores do not differ."""

    value: float | None
    standard_error: float | None
    days: int


def by_day(
    problem: str, label: np.ndarray, score: np.ndarray, date: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(days,) each: the days, what they lack of the promised relation, and how much was promised."""
    names, day = np.unique(date, return_inverse=True)
    if problem == "multiclass":
        lacks, promised = _of_classes(label, score)
    elif problem == "binary":
        lacks, promised = _of_two(label, score, day)
    else:
        apart = score - _mean(score, np.ones(len(score)), day)
        lacks, promised = (score - label) * apart, apart**2
    size = len(names)
    return (
        names,
        np.bincount(day, weights=lacks, minlength=size),
        np.bincount(day, weights=promised, minlength=size),
    )


def lost(problem: str, label: np.ndarray, score: np.ndarray, date: np.ndarray) -> Lost:
    names, lacks, promised = by_day(problem, label, score, date)
    days = len(names)
    # Equal scores differ by what rounding leaves.
    if days < 2 or promised.sum() <= ROUNDING * float((score**2).sum()):
        return Lost(value=None, standard_error=None, days=days)
    value = float(lacks.sum() / promised.sum())
    rest = lacks - value * promised
    error = float(np.sqrt(days / (days - 1) * (rest**2).sum()) / promised.sum())
    return Lost(value=value, standard_error=error, days=days)


def baseline(problem: str, label: np.ndarray, score: np.ndarray, date: np.ndarray) -> dict[str, Any]:
    """What later looks are compared with; JSON."""
    return asdict(lost(problem, label, score, date))


def look(
    problem: str,
    label: np.ndarray,
    score: np.ndarray,
    date: np.ndarray,
    before: Mapping[str, Any] | None,
    *,
    margin: float,
    false_alarm: float,
) -> dict[str, Any]:
    """
    date         (n,) ISO days of the events
    before       the champion's, of `baseline`
    margin       what may be lost beside what the evaluation lacked already
    false_alarm  the chance of this look to ring though nothing was lost

    at_least: what is proved to be lost since the evaluation.
    """
    result: dict[str, Any] = {
        "margin": margin,
        "false_alarm": false_alarm,
        "lost": None,
        "lost_since": None,
        "at_least": None,
        "is_drift": False,
        "days": 0,
        "reason": None,
    }
    if before is None:
        return result | {"reason": "the champion has no baseline"}
    now = lost(problem, label, score, date) if len(label) else Lost(value=None, standard_error=None, days=0)
    result["days"] = now.days
    if min(now.days, before["days"]) < MINIMUM_DAYS:
        counts = f"{now.days} days with labels, {before['days']} in the evaluation"
        return result | {"reason": f"{counts}, at least {MINIMUM_DAYS} are needed"}
    if now.value is None or now.standard_error is None or before["value"] is None:
        return result | {"reason": "the scores of a day do not differ: they promise nothing"}
    from scipy import stats

    since = now.value - before["value"]
    error = float(np.hypot(now.standard_error, before["standard_error"]))
    at_least = since - float(stats.t.ppf(1 - false_alarm, min(now.days, before["days"]) - 1)) * error
    return result | {
        "lost": now.value,
        "lost_since": since,
        "at_least": at_least,
        "is_drift": at_least > margin,
    }


def _of_two(label: np.ndarray, score: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    certain = np.clip(score, metrics.EPSILON, 1 - metrics.EPSILON)
    logit = np.log(certain) - np.log1p(-certain)
    size = int(day.max()) + 1 if len(day) else 0
    level = np.zeros(size)
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-(logit + level[day])))
        short = np.bincount(day, weights=label - chance, minlength=size)
        step = short / np.maximum(np.bincount(day, weights=chance * (1 - chance), minlength=size), 1e-9)
        moved = np.clip(level + np.clip(step, -1, 1), -FARTHEST, FARTHEST)
        if np.abs(moved - level).max(initial=0.0) < 1e-10:
            break
        level = moved
    chance = 1 / (1 + np.exp(-(logit + level[day])))
    weight = chance * (1 - chance)
    apart = logit - _mean(logit, weight, day)
    return (chance - label) * apart, weight * apart**2


def _of_classes(label: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The level of each class is that of the whole look: a day has too few rows of each."""
    certain = np.log(np.clip(score, metrics.EPSILON, 1.0))
    truth = np.zeros_like(certain)
    truth[np.arange(len(label)), label.astype(np.intp)] = 1
    level = np.zeros(certain.shape[1])
    for _ in range(STEPS):
        share = _softmax(certain + level)
        wanted, found = truth.sum(axis=0), share.sum(axis=0)
        level = np.clip(level + np.log(np.maximum(wanted, 1e-3) / found), -FARTHEST, FARTHEST)
    share = _softmax(certain + level)
    # Levels would move with the slope: what they could take over is no part of the relation.
    moves = np.diag(share.sum(axis=0)) - share.T @ share
    explained = (share * (certain - (share * certain).sum(axis=1, keepdims=True))).sum(axis=0)
    apart = certain - np.linalg.lstsq(moves, explained, rcond=None)[0]
    lacks = ((share - truth) * apart).sum(axis=1)
    return lacks, (share * apart**2).sum(axis=1) - (share * apart).sum(axis=1) ** 2


def _softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _mean(values: np.ndarray, weight: np.ndarray, day: np.ndarray) -> np.ndarray:
    """(n,): the weighted mean of the row's day."""
    whole = np.maximum(np.bincount(day, weights=weight), 1e-300)
    return np.asarray((np.bincount(day, weights=weight * values) / whole)[day])
