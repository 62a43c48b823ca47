"""Attribution drift: whether the champion looks at other features now than when it was evaluated.

Both sides come from the champion itself, by the same method on at most as many rows. The order of the
features is compared by normalised discounted cumulative gain: 1 is the baseline's order, and features that
matter count for more. Context, no alarm: a season changes what matters while the model stays right.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tabular import attribution
from tabular.frame import Frame

# Below this the order is another one: what SageMaker Clarify rang at.
LIMIT = 0.9
MINIMUM_ROWS = 100
MOVED = 5


def of_report(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What baseline.json keeps of an evaluation's attributions; None where the model has none."""
    if not found or not found["global"]:
        return None
    mean = {entry["feature"]: entry["mean_contribution"] for entry in found["global"]}
    return {"method": found["method"], "rows": found["rows"], "mean": mean}


def measured(problem: str, model: Any, rows: Frame) -> dict[str, Any]:
    """The same of other rows; by permutation only rows with a label count."""
    exact = attribution.contributions(model, rows.take(np.arange(min(1, len(rows))))) is not None
    usable = rows if exact else rows.labelled()
    if len(usable) < MINIMUM_ROWS:
        return {"rows": len(usable), "mean": None}
    chosen = usable.take(attribution.evenly(len(usable), attribution.affordable(model)))
    parts = attribution.contributions(model, chosen) if exact else None
    mean = (
        {name: float(np.abs(values).mean()) for name, values in parts.items()}
        if parts is not None
        else attribution.permuted(problem, model, chosen)
    )
    return {"rows": len(chosen), "mean": mean}


def drifted(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    before  of baseline.json, now  `measured`; None where the champion is a rule or cannot be loaded
    """
    result: dict[str, Any] = {
        "limit": LIMIT,
        "ndcg": None,
        "is_drift": False,
        "rows": now["rows"] if now else 0,
        "shares": {},
        "moved": [],
        "reason": None,
    }
    if before is None:
        return result | {"reason": "the champion has no baseline of attributions"}
    if now is None or now["mean"] is None:
        few = f"{result['rows']} rows, at least {MINIMUM_ROWS} are needed"
        return result | {"reason": "the champion could not be asked" if now is None else few}
    found = ndcg(before["mean"], now["mean"])
    old, new = _shares(before["mean"]), _shares(_like(now["mean"], before["mean"]))
    shares = {name: {"before": old[name], "now": new[name]} for name in old}
    moved = sorted(shares, key=lambda name: -abs(shares[name]["now"] - shares[name]["before"]))[:MOVED]
    return result | {"ndcg": found, "is_drift": found < LIMIT, "shares": shares, "moved": moved}


def ndcg(before: Mapping[str, float], now: Mapping[str, float]) -> float:
    """Gains are the baseline's attributions, in today's order; 1 where the baseline has none above zero."""
    gains = {name: max(value, 0.0) for name, value in before.items()}
    today = sorted(gains, key=lambda name: (-now.get(name, 0.0), name))
    best = _discounted(sorted(gains.values(), reverse=True))
    return _discounted([gains[name] for name in today]) / best if best else 1.0


def _discounted(gains: list[float]) -> float:
    return float((np.asarray(gains) / np.log2(np.arange(len(gains)) + 2)).sum())


def _like(values: Mapping[str, float], names: Mapping[str, float]) -> dict[str, float]:
    return {name: values.get(name, 0.0) for name in names}


def _shares(values: Mapping[str, float]) -> dict[str, float]:
    positive = {name: max(value, 0.0) for name, value in values.items()}
    total = sum(positive.values()) or 1.0
    return {name: value / total for name, value in positive.items()}
