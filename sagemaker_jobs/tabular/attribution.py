"""What moves a model's scores: per feature over many rows, and for a few rows that a person can follow.

Exact where there is a closed form (TreeSHAP of trees, the terms of a linear model), else by permutation: how
much the loss grows when a feature's values are dealt out to other rows. Rows are shown without their key and
without their values: in which quarter of the training values a number lies, a category if it is frequent.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tabular import metrics
from tabular.frame import Frame

EXPLAINED_ROWS = 2000
# Deep trees make TreeSHAP slow: of a forest with 85,000 leaves a row takes 12 ms. A step takes about a
# nanosecond, so these are some seconds; a mean of 200 rows whose spread is as large is known to 7 %.
SHAP_STEPS = 3_000_000_000
FEWEST_EXPLAINED = 200
REPEATS = 3
SHOWN_FEATURES = 6
# A category that fewer training rows have might point to somebody.
FREQUENT = 50
EXACT = {"linear": "terms of the linear model, exact", "logistic": "terms of the linear model, exact"}
TREE_SHAP = "TreeSHAP, exact"
# Their trees hold shares of a label, not log odds.
SHARES = ("tree", "forest")
PERMUTATION = f"permutation, mean of {REPEATS}"
QUARTERS = ("in the lowest quarter", "below the median", "above the median", "in the highest quarter")


def explain(problem: str, model: Any, rows: Frame, train: Frame) -> dict[str, Any]:
    """{method, unit, rows, global: largest first, examples}; a rule explains itself and has nothing."""
    if model.content["kind"] == "rule":
        return {"method": None, "unit": None, "rows": 0, "global": [], "examples": []}
    chosen = rows.take(evenly(len(rows), affordable(model)))
    parts = contributions(model, chosen)
    if parts is None:
        grown = permuted(problem, model, chosen)
        entries = [{"feature": name, "mean_contribution": value} for name, value in grown.items()]
        result = {
            "method": PERMUTATION,
            "unit": f"growth of the {metrics.loss_name(problem)}",
            "examples": [],
        }
    else:
        entries = [
            {"feature": name, "mean_contribution": float(np.abs(values).mean())}
            for name, values in parts.items()
        ]
        kind = str(model.content.get("family") or model.content["kind"])
        unit = "log odds" if problem in metrics.CLASSIFICATION else "label"
        if kind in SHARES and problem in metrics.CLASSIFICATION:
            unit = "probability"
        result = {
            "method": EXACT.get(kind, TREE_SHAP),
            "unit": f"mean |contribution| to the score, in units of the {unit}",
            "examples": _examples(model, chosen, train, parts),
        }
    ordered = sorted(entries, key=lambda entry: (-entry["mean_contribution"], entry["feature"]))
    return {**result, "rows": len(chosen), "global": ordered}


def affordable(model: Any) -> int:
    """How many rows are explained: fewer of a model that takes long over each."""
    steps = getattr(getattr(model, "predictor", None), "shap_steps", None)
    if steps is None:
        return EXPLAINED_ROWS
    return int(np.clip(SHAP_STEPS // max(steps(), 1), FEWEST_EXPLAINED, EXPLAINED_ROWS))


def evenly(rows: int, most: int) -> np.ndarray:
    """Evenly chosen rows of the window, at most `most`."""
    return np.unique(np.linspace(0, rows - 1, min(most, rows)).astype(int))


def contributions(model: Any, rows: Frame) -> dict[str, np.ndarray] | None:
    """Per raw feature and row, (rows,) or (rows, K); None for a model that has no exact ones."""
    exact = getattr(model, "contributions", None)
    return None if exact is None else exact(rows)


def permuted(problem: str, model: Any, rows: Frame, seed: int = 0) -> dict[str, float]:
    """How much the mean loss grows when one feature is shuffled over the rows (Breiman 2001)."""
    random = np.random.default_rng(seed)
    before = float(metrics.row_loss(problem, rows.label, model.scores(rows)).mean())
    result = {}
    for name in model.content["features"]:
        grown = []
        for _ in range(REPEATS):
            shuffled = rows.columns[name][random.permutation(len(rows))]
            other = Frame(
                key=rows.key, date=rows.date, label=rows.label, columns={**rows.columns, name: shuffled}
            )
            after = float(metrics.row_loss(problem, rows.label, model.scores(other)).mean())
            grown.append(after - before)
        result[name] = sum(grown) / len(grown)
    return result


def _examples(model: Any, rows: Frame, train: Frame, parts: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """The rows with the highest, the middle and the lowest score; of several classes, the surest choices."""
    score = model.scores(rows)
    ranked = score if score.ndim == 1 else score.max(axis=1)
    order = np.argsort(ranked, kind="stable")
    named = {"highest score": order[-1], "middle score": order[len(order) // 2], "lowest score": order[0]}
    return [
        {
            "which": which,
            "score": float(ranked[row]),
            "chosen": None if score.ndim == 1 else int(score[row].argmax()),
            "contributions": _of_row(int(row), rows, train, parts, score),
        }
        for which, row in named.items()
    ]


def _of_row(
    row: int, rows: Frame, train: Frame, parts: Mapping[str, np.ndarray], score: np.ndarray
) -> list[dict[str, Any]]:
    values = {
        name: float(part[row] if part.ndim == 1 else part[row, score[row].argmax()])
        for name, part in parts.items()
    }
    largest = sorted(values, key=lambda name: (-abs(values[name]), name))[:SHOWN_FEATURES]
    return [
        {
            "feature": name,
            "value": coarse(rows.columns[name][row], train.columns[name]),
            "contribution": values[name],
        }
        for name in largest
    ]


def coarse(value: Any, known: np.ndarray) -> str:
    """A value in words that many rows share."""
    if value is None or (not isinstance(value, str) and np.isnan(value)):
        return "missing"
    if isinstance(value, str):
        return value if int((known == value).sum()) >= FREQUENT else "a rare category"
    finite = known[~np.isnan(known)]
    if not len(finite):
        return "never known before"
    quarter = int(np.searchsorted(np.quantile(finite, [0.25, 0.5, 0.75]), value, side="left"))
    return QUARTERS[quarter]
