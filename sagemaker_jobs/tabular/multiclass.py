"""Metrics of a choice among K classes: scores are (rows, K) probabilities, labels the index of the class.

Averages over classes are plain ones (macro): a rare class counts as much as a frequent one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tabular import weighted

Metrics = dict[str, float | None]


class Measure:
    """Metrics for any weights of the rows; a class without rows (or without others) has no areas."""

    def __init__(self, label: np.ndarray, score: np.ndarray, loss: np.ndarray) -> None:
        self.classes = score.shape[1]
        self.label, self.chosen = label.astype(np.intp), score.argmax(axis=1)
        self.loss, self.score = loss, score
        truth = np.zeros_like(score)
        truth[np.arange(len(label)), self.label] = 1
        self.brier = ((score - truth) ** 2).sum(axis=1)
        self.pair = self.label * self.classes + self.chosen
        self.orders = [np.argsort(-score[:, k], kind="stable") for k in range(self.classes)]
        self.sorted = [(truth[order, k], score[order, k]) for k, order in enumerate(self.orders)]
        # Calibration of what is answered: how sure the model is of its choice, and how often it is right.
        sure = score[np.arange(len(label)), self.chosen]
        self.error = (self.chosen == self.label) - sure
        self.bins = weighted.equal_bins(sure)

    def __call__(self, weight: np.ndarray) -> Metrics:
        counts = self.counts(weight)
        hit, actual, named = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
        known = (actual + named) > 0
        both = [
            weighted.areas(label, score, weight[order])
            for order, (label, score) in zip(self.orders, self.sorted, strict=True)
        ]
        return {
            "roc_auc": _average([auc for auc, _ in both]),
            "pr_auc": _average([area for _, area in both]),
            "log_loss": weighted.mean(self.loss, weight),
            "brier": weighted.mean(self.brier, weight),
            "accuracy": float(hit.sum() / counts.sum()),
            "precision": float(_share(hit, named)[known].mean()),
            "recall": float(_share(hit, actual)[known].mean()),
            "f1": float(_share(2 * hit, actual + named)[known].mean()),
            "calibration_gap": abs(weighted.mean(self.error, weight)),
            "calibration_error": weighted.calibration_error(self.error, self.bins, weight),
        }

    def counts(self, weight: np.ndarray | None = None) -> np.ndarray:
        """(K, K): rows of a true class (line) for which a class was chosen (column)."""
        flat = np.bincount(self.pair, weights=weight, minlength=self.classes**2)
        return flat.reshape(self.classes, self.classes)

    def by_class(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """One line per class: rows, precision, recall, F1, and the areas of this class against the others."""
        counts, weight = self.counts(), np.ones(len(self.label))
        lines = []
        for k, name in enumerate(names):
            hit, actual, chosen = float(counts[k, k]), float(counts[k].sum()), float(counts[:, k].sum())
            auc, area = weighted.areas(*self.sorted[k], weight)
            lines.append(
                {
                    "class": name,
                    "rows": int(actual),
                    "chosen": int(chosen),
                    "precision": hit / chosen if chosen else None,
                    "recall": hit / actual if actual else None,
                    "f1": 2 * hit / (actual + chosen) if actual + chosen else None,
                    "roc_auc": auc,
                    "pr_auc": area,
                    "mean_score": float(self.score[:, k].mean()),
                    "rate": actual / len(self.label),
                }
            )
        return lines


def _average(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
