"""The groups of categorical features on which the candidate does worst."""

from typing import Any

import numpy as np

from tabular import comparison, metrics
from tabular.contract import ModelContract
from tabular.frame import Frame

MOST_CATEGORIES = 30
ROWS = 50
WORST = 10


def worst(
    contract: ModelContract, rows: Frame, score: np.ndarray, loss: np.ndarray, champion_loss: np.ndarray
) -> list[dict[str, Any]]:
    """Highest loss first. p_bh: is the loss that of the other rows? adjusted for the number of groups."""
    found = []
    for name, kind in contract.kinds.items():
        categories = (
            sorted({value for value in rows.columns[name] if value is not None})
            if kind == "categorical"
            else []
        )
        if not 2 <= len(categories) <= MOST_CATEGORIES:
            continue
        for category in categories:
            inside = rows.columns[name] == category
            if inside.sum() >= min(ROWS, len(rows) / 10):
                entry = _slice(contract, rows, score, loss, champion_loss, inside)
                found.append(entry | {"feature": name, "value": category})
    for entry, p in zip(found, comparison.benjamini_hochberg([e.pop("p") for e in found]), strict=True):
        entry["p_bh"] = p
    return sorted(found, key=lambda entry: -entry["loss"])[:WORST]


def _slice(
    contract: ModelContract,
    rows: Frame,
    score: np.ndarray,
    loss: np.ndarray,
    champion_loss: np.ndarray,
    inside: np.ndarray,
) -> dict[str, Any]:
    label = rows.label[inside]
    measured = metrics.Measure(contract.problem, label, score[inside])()
    rest = comparison.unpaired(loss[inside], loss[~inside])
    is_number = score.ndim == 1
    return {
        "rows": int(inside.sum()),
        "loss": float(loss[inside].mean()),
        "gain_over_champion": float((champion_loss - loss)[inside].mean()),
        "mean_label": float(label.mean()) if is_number else None,
        "mean_score": float(score[inside].mean()) if is_number else None,
        "summary": metrics.summary(contract.problem, measured),
        "p": rest.p if rest else None,
    }
