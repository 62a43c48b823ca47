"""How often a challenger is promoted or rolled back by the sequential test, counted over repetitions.

Losses are log losses of two imperfect models on the same kind of rows; days differ (a storm raises the losses
of all its rows), and so do requests, which go to one variant as a whole. There is a look every second day.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from tabular import comparison, sequential

LEVELS = sequential.Levels(false_promotion=0.05, false_roll_back=0.05, planned=200)
MARGIN = 0.05
EVERY = 2  # days between two looks
CALIBRATION_ROWS = 400_000


@dataclass(frozen=True, kw_only=True)
class Traffic:
    days: int = 28
    requests_a_day: int = 8
    rows: int = 20
    share: float = 0.5  # of the challenger


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Rows of a repetition, in time: loss of the variant that answered, its request, day and covariates."""

    loss: np.ndarray
    known: np.ndarray
    request: np.ndarray
    day: np.ndarray
    challenger: np.ndarray


def draw(random: np.random.Generator, traffic: Traffic, shift: float) -> Drawn:
    """`shift` is added to the challenger's losses."""
    requests = traffic.days * traffic.requests_a_day
    day = np.repeat(np.arange(traffic.days), traffic.requests_a_day)
    weather = random.normal(0, 0.5, traffic.days)[day] + random.normal(0, 0.3, requests)
    is_challenger = random.random(requests) < traffic.share
    request = np.repeat(np.arange(requests), traffic.rows)
    truth = -0.8 + weather[request] + random.normal(0, 1, len(request))
    label = (random.random(len(request)) < _chance(truth)).astype(float)
    said = truth + random.normal(0, 0.8, len(request))
    rule = np.full(len(request), 0.33)
    known = np.column_stack([label, _loss(label, rule), _loss(label, _chance(truth - weather[request]))])
    # Both models are as good: what one has over the other is the shift alone.
    loss = _loss(label, _chance(said)) + np.where(is_challenger[request], shift, 0.0)
    return Drawn(loss=loss, known=known, request=request, day=day[request], challenger=is_challenger[request])


def verdict(drawn: Drawn, traffic: Traffic) -> tuple[str, int]:
    """By the sequential test: promote, roll_back or wait, and after how many days."""
    for look in range(EVERY, traffic.days + 1, EVERY):
        seen = drawn.day < look
        found = sequential.bounds(*_variants(drawn, seen), LEVELS)
        said = sequential.decide(found, MARGIN) if found else "wait"
        if said != "wait":
            return said, look
    return "wait", traffic.days


def naive_verdict(drawn: Drawn, traffic: Traffic) -> str:
    """By a usual interval at every look, rows taken as independent: stops at the first that allows it."""
    for look in range(EVERY, traffic.days + 1, EVERY):
        champion, challenger = _variants(drawn, drawn.day < look)
        found = comparison.unpaired(challenger.loss, champion.loss, 0.9)
        if found is not None and found.low is not None and found.low > -MARGIN * champion.loss.mean():
            return "promote"
    return "wait"


def rates(repetitions: int, worse_by: float, traffic: Traffic, seed: int = 0) -> dict[str, Any]:
    """`worse_by`: the challenger's true loss above the champion's, as a share of the champion's."""
    random = np.random.default_rng(seed)
    shift = worse_by * mean_loss(traffic)
    said: list[tuple[str, int]] = []
    naive = 0
    for _ in range(repetitions):
        drawn = draw(random, traffic, shift)
        said.append(verdict(drawn, traffic))
        naive += naive_verdict(drawn, traffic) == "promote"
    looks = [look for what, look in said if what == "promote"]
    return {
        "worse_by": worse_by,
        "repetitions": repetitions,
        "promoted": sum(what == "promote" for what, _ in said) / repetitions,
        "rolled_back": sum(what == "roll_back" for what, _ in said) / repetitions,
        "median_days_to_promotion": float(np.median(looks)) if looks else None,
        "promoted_by_a_usual_interval": naive / repetitions,
    }


def mean_loss(traffic: Traffic) -> float:
    """The champion's, by many rows."""
    days = CALIBRATION_ROWS // (traffic.requests_a_day * traffic.rows)
    many = Traffic(days=days, requests_a_day=traffic.requests_a_day, rows=traffic.rows)
    return float(draw(np.random.default_rng(99), many, 0.0).loss.mean())


def _variants(drawn: Drawn, seen: np.ndarray) -> tuple[sequential.Losses, sequential.Losses]:
    champion, challenger = (
        sequential.Losses(loss=drawn.loss[rows], request=drawn.request[rows], known=drawn.known[rows])
        for rows in (seen & ~drawn.challenger, seen & drawn.challenger)
    )
    return champion, challenger


def _chance(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def _loss(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    return -(label * np.log(score) + (1 - label) * np.log1p(-score))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.online_test", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=1_000)
    options = parser.parse_args()
    for worse_by in (MARGIN, 0.0, -0.02, 0.2):
        print(json.dumps(rates(options.repetitions, worse_by, Traffic())))


if __name__ == "__main__":
    main()
