"""Are there labels enough? A learning curve on the rows of the validation window, and what it says in words.

The verdict rests on what was measured: the gain in skill from the last doublings of the labels, with its
interval. The power law  1 - skill = floor + b n^-c  only reads the curve on.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import optimize, stats

from tabular.explore.describe import CLASSES
from tabular.explore.reference import Encoder, chance, fit_predict, skill
from tabular.explore.sampling import Rows

TOP = 0.8  # below 1, so that even the largest subsets differ, and their spread can be measured
HALVINGS = 7
REPEATS, REPEATS_OF_MANY, MANY = 5, 4, 20_000
LEAST_ROWS, LEAST_ROWS_A_CLASS, LEAST_VALIDATION = 20, 8, 30
LAST = 3  # points whose line says what a doubling brings
CHANCE, SHUFFLES = 0.05, 199
SEED = 20
WORTH = 0.01  # skill from one doubling of the labels that is worth their price
NOTHING = 0.02  # skill that is none
Z90 = 1.645
VERDICTS = ("enough", "would gain from more", "noise floor", "not clear")


def assess(
    problem: str, classes: int, train: Rows, validation: Rows, kinds: Mapping[str, str], labelled: int
) -> dict[str, Any]:
    """`train` and `validation` are labelled samples in random order; `labelled`: training labels in all."""
    sizes = steps(len(train), classes if problem in CLASSES else 1)
    if len(validation) < LEAST_VALIDATION or len(sizes) < 3 or np.ptp(train.label) == 0:
        return _unclear(len(train), len(validation))
    encoder = Encoder.fit(train, kinds)
    matrix, held = encoder.matrix(train), encoder.matrix(validation)
    random = np.random.default_rng(SEED)
    repeats = REPEATS_OF_MANY if len(train) > MANY else REPEATS
    measured: list[list[float]] = [[] for _ in sizes]
    p = 1.0
    for repeat in range(repeats):
        order = random.permutation(len(train))
        for place, size in enumerate(sizes):
            part = order[:size]
            label = train.label[part]
            scores = fit_predict(problem, classes, matrix[part], label, held)
            measured[place].append(skill(problem, validation.label, scores, float(train.label.mean())))
            if repeat == 0 and place == len(sizes) - 1:
                p = chance(problem, validation.label, scores, float(train.label.mean()), SHUFFLES)
    if not np.isfinite(measured).all():
        return _unclear(len(train), len(validation))
    return read(sizes, measured, p, labelled, len(validation))


def steps(rows: int, classes: int) -> list[int]:
    """Numbers of labels, each twice the one before, up to TOP of the rows."""
    halved = [int(rows * TOP / 2**power) for power in range(HALVINGS, -1, -1)]
    return [size for size in halved if size >= max(LEAST_ROWS, LEAST_ROWS_A_CLASS * classes)]


def read(
    sizes: list[int], measured: list[list[float]], p: float, labelled: int, validation: int
) -> dict[str, Any]:
    """The curve with its verdict. `measured`: skill by size and repeat."""
    values = np.array(measured)
    mean, spread = values.mean(axis=1), values.std(axis=1, ddof=1)
    last = slice(-LAST, None)
    x = np.repeat(np.log2(sizes[last]), values.shape[1])
    line = stats.linregress(x, values[last].ravel())
    margin = Z90 * line.stderr
    curve = power_law(sizes, mean)
    found: dict[str, Any] = {
        "metric": "skill",
        "validation_rows": validation,
        "labelled": labelled,
        "repeats": values.shape[1],
        "points": [
            {"labels": size, "skill": each, "sd": sd}
            for size, each, sd in zip(sizes, mean, spread, strict=True)
        ],
        "chance_p": p,
        "gain_per_doubling": float(line.slope),
        "gain_low": float(line.slope - margin),
        "gain_high": float(line.slope + margin),
        "power_law": curve,
    }
    if curve is not None:
        found["expected"] = [
            {"labels": count, "skill": _at(curve, count)} for count in (labelled, 2 * labelled, 10 * labelled)
        ]
    verdict, why = _verdict(found, float(mean[-1]), sizes[-1])
    return {**found, "verdict": verdict, "why": why}


def power_law(sizes: list[int], mean: np.ndarray) -> dict[str, float] | None:
    """floor, b and c by least squares; None with fewer points than make sense or no fit."""
    error = 1 - np.asarray(mean)
    if len(sizes) < 4 or error.min() <= 0:
        return None
    n = np.asarray(sizes, dtype=float) / sizes[0]

    def law(n: np.ndarray, floor: float, b: float, c: float) -> np.ndarray:
        return floor + b * n**-c

    start = (0.9 * error.min(), max(error[0] - error.min(), 0.01), 0.5)
    try:
        (floor, b, c), _ = optimize.curve_fit(
            law, n, error, start, bounds=([0, 0, 0.05], [error.max(), 10, 2]), max_nfev=5_000
        )
    except RuntimeError:
        return None
    return {"floor": float(floor), "b": float(b * sizes[0] ** c), "c": float(c)}


def _at(curve: Mapping[str, float], labels: float) -> float:
    return float(1 - curve["floor"] - curve["b"] * labels ** -curve["c"])


def _verdict(found: Mapping[str, Any], top: float, labels: int) -> tuple[str, str]:
    slope, low, high = (found[name] for name in ("gain_per_doubling", "gain_low", "gain_high"))
    gain = f"the last doublings of the labels brought {slope:+.3f} skill each ({low:+.3f} to {high:+.3f})"
    reach = (
        ""
        if labels >= TOP * found["labelled"] - 1
        else f"; measured up to {labels:,} of {found['labelled']:,}"
    )
    gains = low > 0 and slope >= WORTH
    # R squared of noise rises from below zero as a model overfits less: only what beats chance may gain.
    if found["chance_p"] > CHANCE or (top < NOTHING and not gains):
        return "noise floor", (
            f"with {labels:,} labels the model knows no more than chance would (skill {top:.3f}, "
            f"p = {found['chance_p']:.3f} by shuffled labels): more rows of the same kind will not help, "
            "other features or a better label might"
        )
    if gains:
        return "would gain from more", f"{gain}; more is worth it from {WORTH} on{reach}"
    if slope < WORTH and high < 3 * WORTH:
        return "enough", f"{gain}, less than the {WORTH} that would be worth their price{reach}"
    return "not clear", f"{gain}: the spread is too wide to tell a gain from none{reach}"


def _unclear(train: int, validation: int) -> dict[str, Any]:
    return {
        "points": [],
        "verdict": "not clear",
        "why": f"{train} labelled rows to train with and {validation} to validate are too few for a curve, "
        "or know one class only",
    }
