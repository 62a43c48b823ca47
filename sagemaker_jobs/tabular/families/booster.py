"""Serves boosters and forests of XGBoost, one thread per request."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xgboost

from tabular.families.base import ArtefactError, missing

FILE = "booster.ubj"
# An attribute of the booster: its sums are shares of a label, which need no link but may leave 0 to 1.
SHARES = "shares"


@dataclass(frozen=True, kw_only=True)
class BoosterPredictor:
    kind: ClassVar[str] = "xgboost"
    booster: Any

    @property
    def columns(self) -> int:
        return int(self.booster.num_features())

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        # inplace_predict on a small array: a DMatrix costs twice the time and has a long tail.
        found = self.booster.inplace_predict(matrix, validate_features=False)
        scores = np.asarray(found, dtype=np.float64)
        return shares(scores) if self.booster.attr(SHARES) else scores

    def predict_row(self, line: np.ndarray) -> float | list[float]:
        found: float | list[float] = self.predict(line)[0].tolist()
        return found

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """TreeSHAP, in the margin (log odds for a boosted class, shares for a forest), without the bias."""
        processors = os.cpu_count() or 1  # a whole window of rows, unlike a request
        data = xgboost.DMatrix(matrix, nthread=processors)
        self.booster.set_param({"nthread": processors})
        found = np.asarray(self.booster.predict(data, pred_contribs=True, strict_shape=True))
        self.booster.set_param({"nthread": 1})
        parts = np.moveaxis(found[:, :, :-1], 1, 2)
        return parts if parts.shape[2] > 1 else parts[:, :, 0]

    def shap_steps(self) -> int:
        """TreeSHAP takes, for a row: leaves times squared depth, over all trees (Lundberg et al. 2018)."""
        learner = json.loads(bytes(self.booster.save_raw("json")))["learner"]
        return sum(_shap_steps(tree) for tree in learner["gradient_booster"]["model"]["trees"])

    def files(self) -> dict[str, bytes]:
        return {FILE: bytes(self.booster.save_raw("ubj"))}


def _shap_steps(tree: Mapping[str, Any]) -> int:
    left, right = tree["left_children"], tree["right_children"]
    leaves, deepest, waiting = 0, 0, [(0, 0)]
    while waiting:
        node, depth = waiting.pop()
        if left[node] == -1:
            leaves, deepest = leaves + 1, max(deepest, depth)
        else:
            waiting += [(left[node], depth + 1), (right[node], depth + 1)]
    return leaves * deepest**2


def shares(scores: np.ndarray) -> np.ndarray:
    """Means of a 0/1 label as probabilities: rounding apart they are, and classes must add up to one."""
    clipped = np.clip(scores, 0.0, 1.0)
    if clipped.ndim == 1:
        return clipped
    total = clipped.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0, clipped / np.maximum(total, 1e-12), 1 / clipped.shape[1]))


def load(folder: Path) -> BoosterPredictor:
    return BoosterPredictor(booster=load_booster(folder / FILE))


def load_booster(path: Path) -> Any:
    """Cut at the best round when the file says which it was, as the built-in algorithm's does."""
    if not path.is_file():
        raise missing(path)
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(path.read_bytes()))
        best, rounds = booster.attr("best_iteration"), booster.num_boosted_rounds()
    except xgboost.core.XGBoostError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ArtefactError(
            f"{path.name} is not a booster ({reason}): the file is damaged, pack it again"
        ) from error
    if best is not None and int(best) + 1 < rounds:
        booster = booster[: int(best) + 1]
    # More threads make a single row slower, and its slowest answers a hundred times slower.
    booster.set_param({"nthread": 1})
    return booster
