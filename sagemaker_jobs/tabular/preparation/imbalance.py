"""Classes of unlike size, in training only: weights, copies, fewer rows, or synthetic rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tabular.preparation.errors import PreparationError

METHODS = ("none", "weights", "oversample", "undersample", "smote")
DEFAULTS = {"ratio": 1.0, "seed": 7}


def weights(label: np.ndarray) -> np.ndarray:
    """rows / (classes x rows of the class): every class weighs the same, and the mean is one."""
    from sklearn.utils.class_weight import compute_sample_weight

    return np.asarray(compute_sample_weight("balanced", label), dtype=np.float64)


def wanted(label: np.ndarray, ratio: float) -> dict[float, int]:
    """Rows to add to each class so that it has at least `ratio` times as many as the largest."""
    classes, counts = np.unique(label, return_counts=True)
    goal = int(round(ratio * counts.max()))
    return {
        float(name): goal - int(count) for name, count in zip(classes, counts, strict=True) if count < goal
    }


def oversampled(label: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Rows with copies of the rare classes, chosen at random, behind."""
    random = np.random.default_rng(options.get("seed", DEFAULTS["seed"]))
    added = [
        random.choice(np.flatnonzero(label == name), size=count)
        for name, count in wanted(label, options.get("ratio", DEFAULTS["ratio"])).items()
    ]
    return np.concatenate([np.arange(len(label)), *added])


def undersampled(label: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    """Rows in order, of each class at most as many as make the smallest `ratio` times as many."""
    random = np.random.default_rng(options.get("seed", DEFAULTS["seed"]))
    classes, counts = np.unique(label, return_counts=True)
    limit = int(counts.min() / options.get("ratio", DEFAULTS["ratio"]))
    kept = [
        random.choice(np.flatnonzero(label == name), size=min(int(count), limit), replace=False)
        for name, count in zip(classes, counts, strict=True)
    ]
    return np.sort(np.concatenate(kept))


def check(label: np.ndarray, method: str) -> None:
    classes = np.unique(label)
    if len(classes) < 2:
        raise PreparationError(
            f"imbalance {method}: all {len(label)} training rows have the label "
            f"{', '.join(f'{name:g}' for name in classes) or 'none'}, two classes are needed: widen the "
            "training window"
        )
