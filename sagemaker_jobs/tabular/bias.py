"""Bias drift: whether the differences between the groups of a declared attribute grew since the evaluation.

Context, no alarm: which difference matters is for people to say (tabular.fairness).
"""

from collections.abc import Mapping
from typing import Any

# Ratios are better when they are larger.
RATIOS = ("demographic_parity_ratio",)


def of_report(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What baseline.json keeps of an evaluation's fairness: {attribute: {measure: {value, low, high}}}."""
    if found is None:
        return None
    return {
        entry["attribute"]: {name: _interval(values) for name, values in entry["differences"].items()}
        for entry in found["attributes"]
    }


def drifted(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    before  of baseline.json, now  `fairness.report` of rows with labels, None while there are too few

    grew: measures whose interval lies on the worse side of the baseline's.
    """
    result: dict[str, Any] = {"attributes": {}, "grew": [], "reason": None}
    if before is None:
        return result | {"reason": "the champion has no baseline of bias"}
    if not before:
        return result | {"reason": "the contract declares no attribute"}
    if now is None:
        return result | {"reason": "too few rows have a label"}
    today = of_report(now) or {}
    for attribute, measures in before.items():
        compared = {
            name: _compared(name, old, today.get(attribute, {}).get(name)) for name, old in measures.items()
        }
        result["attributes"][attribute] = compared
        result["grew"] += [f"{attribute}: {name}" for name, entry in compared.items() if entry["grew"]]
    return result


def _compared(name: str, old: Mapping[str, Any], new: Mapping[str, Any] | None) -> dict[str, Any]:
    entry = {"before": old, "now": new, "growth": None, "grew": False}
    if new is None or new["value"] is None or old["value"] is None:
        return entry
    sign = -1 if name in RATIOS else 1
    entry["growth"] = sign * (new["value"] - old["value"])
    ends = ("high", "low") if sign < 0 else ("low", "high")
    if new[ends[0]] is not None and old[ends[1]] is not None:
        entry["grew"] = sign * (new[ends[0]] - old[ends[1]]) > 0
    return entry


def _interval(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in ("value", "low", "high")}
