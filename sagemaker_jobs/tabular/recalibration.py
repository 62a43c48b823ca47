"""Makes scores mean what they say: a monotone map from score to probability, fitted on validation rows.

Fitted with SciPy and scikit-learn, kept as plain numbers in model.json, applied with numpy when serving.

    model = {**content, "recalibration": recalibration.fit(...)}
    scores = recalibration.applied(content, raw)
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

METHODS = ("none", "platt", "isotonic")
PROBLEMS = ("binary", "multiclass")
# Keeps the log odds of a certain score finite.
EPSILON = 1e-7


class RecalibrationError(ValueError):
    """Scores that cannot be recalibrated this way."""


def fit(problem: str, method: str, label: np.ndarray, score: np.ndarray) -> dict[str, Any] | None:
    """Content of model.json's `recalibration`; None for `none`.

    score  (rows,) probabilities, or (rows, K) of K classes: one map per class, then they sum to one again
    """
    if method not in METHODS:
        raise RecalibrationError(f"recalibration {method!r}, allowed are {', '.join(METHODS)}")
    if method == "none":
        return None
    if problem not in PROBLEMS:
        raise RecalibrationError(
            f"recalibration {method} of a {problem} model, allowed are {', '.join(PROBLEMS)}: write none"
        )
    if problem == "binary":
        maps = [_fitted(method, label, score)]
    else:
        maps = [_fitted(method, (label == k).astype(np.float64), score[:, k]) for k in range(score.shape[1])]
    return {"method": method, "rows": len(label), "maps": maps}


def applied(content: Mapping[str, Any], score: Any) -> Any:
    """`score` as it is, or mapped by the model's `recalibration`; a float stays a float, a list a list."""
    found = content.get("recalibration")
    if not found:
        return score
    maps = found["maps"]
    if isinstance(score, list):
        return applied(content, np.array([score])).tolist()[0]
    if not isinstance(score, np.ndarray):
        return _single(maps[0], float(score))
    if score.ndim == 1:
        return _mapped(maps[0], score)
    each = np.column_stack([_mapped(part, score[:, k]) for k, part in enumerate(maps)])
    total = each.sum(axis=1, keepdims=True)
    return np.where(total > 0, each / np.where(total > 0, total, 1.0), 1.0 / len(maps))


def _fitted(method: str, label: np.ndarray, score: np.ndarray) -> dict[str, Any]:
    values = np.unique(label)
    if len(values) < 2:
        found = f"every label of the validation window is {values[0]:g}" if len(values) else "there is no row"
        raise RecalibrationError(
            f"{found}: recalibration {method} needs both, "
            "widen the validation window or write recalibration: none"
        )
    return _platt(label, score) if method == "platt" else _isotonic(label, score)


def _platt(label: np.ndarray, score: np.ndarray) -> dict[str, Any]:
    """Logistic regression of the label on the log odds, with Platt's targets: never quite 0 or 1."""
    from scipy import optimize

    odds = _log_odds(score)
    positives, negatives = label.sum(), len(label) - label.sum()
    target = np.where(label == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        margin = parameters[0] * odds + parameters[1]
        error = 1 / (1 + np.exp(-margin)) - target
        value = np.logaddexp(0, margin) - target * margin
        return float(value.mean()), np.array([(error * odds).mean(), error.mean()])

    found = optimize.minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS", options={"gtol": 1e-8})
    slope, intercept = (float(value) for value in found.x)
    return {"slope": slope, "intercept": intercept}


def _isotonic(label: np.ndarray, score: np.ndarray) -> dict[str, Any]:
    """The monotone steps of least squares, kept off 0 and 1: a few rows cannot prove certainty."""
    from sklearn.isotonic import IsotonicRegression

    margin = 1 / (len(label) + 2)
    found = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip").fit(score, label)
    return {"from": found.X_thresholds_.tolist(), "to": found.y_thresholds_.tolist()}


def _mapped(part: Mapping[str, Any], score: np.ndarray) -> np.ndarray:
    if "from" in part:
        return np.interp(score, part["from"], part["to"])
    return np.asarray(1 / (1 + np.exp(-(part["slope"] * _log_odds(score) + part["intercept"]))))


def _single(part: Mapping[str, Any], score: float) -> float:
    """One score without arrays, which would cost several times the request's own work."""
    if "from" in part:
        return float(np.interp(score, part["from"], part["to"]))
    clipped = min(max(score, EPSILON), 1 - EPSILON)
    return 1 / (1 + math.exp(-(part["slope"] * math.log(clipped / (1 - clipped)) + part["intercept"])))


def _log_odds(score: np.ndarray) -> np.ndarray:
    clipped = np.clip(score, EPSILON, 1 - EPSILON)
    return np.asarray(np.log(clipped / (1 - clipped)))
