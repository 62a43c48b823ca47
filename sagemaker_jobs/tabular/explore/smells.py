"""What should be looked at before a model is trusted: leaks, columns without content, and a split by chance.

A feature that alone nearly decides the label is rarely luck: mostly it was written down after the event.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tabular.explore.describe import CLASSES, word_counts
from tabular.explore.numbers import FEWEST
from tabular.explore.reference import Encoder, fit_predict, gini, skill
from tabular.explore.sampling import Rows

LEAK, SUSPICIOUS = 0.9, 0.7
BINS, WEIGHT = 20, 10
NEARLY_CONSTANT = 0.995
SPLIT_ROWS, SPLIT_REPEATS = 20_000, 5
SEED = 20


def alone(problem: str, classes: int, rows: Rows, kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """Skill of each feature by itself, strongest first; missing counts as a value, for it may tell as much.

    Half of the rows say what label goes with which bin or category, the other half is scored with it, and the
    other way round. So a column of as many values as rows gains nothing from that.
    """
    found = []
    for name, kind in kinds.items():
        bins = _bins(rows.columns[name], kind)
        value = single_skill(problem, classes, bins, rows.label)
        verdict = "leak" if value >= LEAK else "suspicious" if value >= SUSPICIOUS else "plausible"
        found.append({"feature": name, "skill": value, "verdict": verdict})
    return sorted(found, key=lambda entry: (-entry["skill"], entry["feature"]))


def single_skill(problem: str, classes: int, bins: np.ndarray, label: np.ndarray) -> float:
    """`bins`: (n,) numbers from 0. 0 where the label does not vary."""
    if len(label) < 4 * FEWEST or np.ptp(label) == 0:
        return 0.0
    halves = np.arange(len(label)) % 2 == 0
    values = []
    for learn in (halves, ~halves):
        scores = _means(problem, classes, bins, label, learn)[~learn]
        if problem in CLASSES:
            value = gini(label[~learn][:, None], scores)[0]
        else:
            value = max(0.0, skill(problem, label[~learn], scores, float(label[learn].mean())))
        values.append(0.0 if not np.isfinite(value) else float(value))
    return float(np.mean(values))


def without_content(rows: Rows, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Columns with one value, with nearly one, and pairs that are the same, in the training sample."""
    constant, nearly = [], []
    for name, kind in kinds.items():
        values = rows.columns[name]
        known = values[np.isfinite(values)] if kind == "numeric" else values[[v is not None for v in values]]
        if not len(known):
            constant.append({"feature": name, "share": None})
            continue
        _, counts = np.unique(known if kind == "numeric" else known.astype(str), return_counts=True)
        share = float(counts.max() / len(known))
        if len(counts) == 1:
            constant.append({"feature": name, "share": 1.0})
        elif share >= NEARLY_CONSTANT:
            nearly.append({"feature": name, "share": share})
    vary = {name: kind for name, kind in kinds.items() if name not in {each["feature"] for each in constant}}
    return {"constant": constant, "nearly_constant": nearly, "duplicates": _duplicates(rows, vary)}


def split_gap(
    problem: str, classes: int, train: Rows, validation: Rows, kinds: Mapping[str, str]
) -> dict[str, Any] | None:
    """Skill by a split in time, as the run splits, and by chance: what a careless split would have promised.

    Both learn from as many rows and are scored on as many; the days of both windows are mixed for the latter.
    """
    train, validation = train.head(SPLIT_ROWS), validation.head(SPLIT_ROWS)
    if len(train) < 100 or len(validation) < 30 or np.ptp(train.label) == 0:
        return None
    encoder = Encoder.fit(train, kinds)
    matrix = np.vstack([encoder.matrix(train), encoder.matrix(validation)])
    label = np.concatenate([train.label, validation.label])
    orders = [np.arange(len(label))]
    random = np.random.default_rng(SEED)
    orders += [random.permutation(len(label)) for _ in range(SPLIT_REPEATS)]
    skills = []
    for order in orders:
        learn, held = order[: len(train)], order[len(train) :]
        scores = fit_predict(problem, classes, matrix[learn], label[learn], matrix[held])
        skills.append(skill(problem, label[held], scores, float(label[learn].mean())))
    if not np.isfinite(skills).all():
        return None
    by_time, by_chance = skills[0], float(np.mean(skills[1:]))
    return {
        "train_rows": len(train),
        "validation_rows": len(validation),
        "by_time": by_time,
        "by_chance": by_chance,
        "by_chance_sd": float(np.std(skills[1:], ddof=1)),
        "gap": by_chance - by_time,
    }


def _bins(values: np.ndarray, kind: str) -> np.ndarray:
    if kind == "categorical":
        return np.unique(np.array(["" if v is None else f"={v}" for v in values]), return_inverse=True)[1]
    numbers = word_counts(values) if kind == "text" else values
    known = np.isfinite(numbers)
    if not known.any():
        return np.zeros(len(values), dtype=int)
    edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.where(known, 1 + np.searchsorted(edges, np.where(known, numbers, 0), side="right"), 0)


def _means(problem: str, classes: int, bins: np.ndarray, label: np.ndarray, learn: np.ndarray) -> np.ndarray:
    """Mean label of each row's bin among `learn`, drawn to the overall mean as if by WEIGHT rows."""
    targets = [label] if problem != "multiclass" else [(label == k).astype(float) for k in range(classes)]
    width = int(bins.max()) + 1
    counts = np.bincount(bins[learn], minlength=width)
    scores = []
    for target in targets:
        sums = np.bincount(bins[learn], weights=target[learn], minlength=width)
        scores.append(((sums + WEIGHT * target[learn].mean()) / (counts + WEIGHT))[bins])
    return scores[0] if problem != "multiclass" else np.column_stack(scores)


def _duplicates(rows: Rows, kinds: Mapping[str, str]) -> list[list[str]]:
    """Columns that hold the same in every row of the sample."""
    same: dict[bytes, list[str]] = {}
    for name, kind in kinds.items():
        values = rows.columns[name]
        if kind == "numeric":
            content = b"n" + values.tobytes()
        else:
            content = b"t" + "\0".join("" if v is None else f"={v}" for v in values).encode()
        same.setdefault(content, []).append(name)
    return [names for names in same.values() if len(names) > 1]
