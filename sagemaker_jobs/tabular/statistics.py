"""Describes a frame in Model Monitor's file shapes (statistics, constraints) and checks rows against them.

SageMaker Model Monitor is closed to new customers; its shapes are still what a registry and a reader expect.
The KLL sketch itself is left out: only its ten buckets are given.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tabular.frame import Frame
from tabular.preparation import factorised

BUCKETS = 10
# A text column with more categories than this is not held to its known categories.
DOMAIN_LIMIT = 100
DOMAIN_THRESHOLD = 0.99
COMPLETENESS_SLACK = 0.05

MONITORING_CONFIG = {
    "evaluate_constraints": "Enabled",
    "emit_metrics": "Disabled",
    "datatype_check_threshold": 1.0,
    "domain_content_threshold": DOMAIN_THRESHOLD,
    "distribution_constraints": {
        "perform_comparison": "Enabled",
        "comparison_threshold": 0.2,
        "comparison_method": "PopulationStabilityIndex",
    },
}


def statistics(frame: Frame, kinds: Mapping[str, str] | None = None) -> dict[str, Any]:
    """kinds: numeric, categorical or text by name; values of a text are told nowhere, only counted."""
    free = _free(kinds)
    features = [
        _numeric(name, values) if values.dtype != object else _text(name, values, is_free=name in free)
        for name, values in frame.columns.items()
    ]
    return {"version": 0.0, "dataset": {"item_count": len(frame)}, "features": features}


def constraints(frame: Frame, kinds: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What later data is held to: completeness, sign, and the categories of columns with few of them.

    A text has no categories, however few different ones there were.
    """
    free = _free(kinds)
    features: list[dict[str, Any]] = []
    for name, values in frame.columns.items():
        present = _present(values)
        entry: dict[str, Any] = {
            "name": name,
            "inferred_type": _inferred_type(values),
            "completeness": float(present.mean()) if len(values) else 0.0,
        }
        if values.dtype != object:
            entry["num_constraints"] = {"is_non_negative": bool((values[present] >= 0).all())}
        elif name not in free:
            domains = factorised(values)[1]
            if len(domains) <= DOMAIN_LIMIT:
                entry["string_constraints"] = {"domains": domains}
        features.append(entry)
    return {"version": 0.0, "features": features, "monitoring_config": MONITORING_CONFIG}


def violations(frame: Frame, expected: Mapping[str, Any]) -> list[dict[str, str]]:
    """constraint_violations.json's entries; an empty frame violates nothing."""
    found = []
    for entry in expected["features"] if len(frame) else []:
        name = entry["name"]
        if name not in frame.columns:
            found.append(_violation(name, "missing_column_check", "the column is absent"))
            continue
        found += _column_violations(name, frame.columns[name], entry)
    return found


def _column_violations(name: str, values: np.ndarray, entry: Mapping[str, Any]) -> list[dict[str, str]]:
    found = []
    present = _present(values)
    share = float(present.mean())
    if share < entry["completeness"] - COMPLETENESS_SLACK:
        text = f"{share:.1%} of the values are present, the baseline has {entry['completeness']:.1%}"
        found.append(_violation(name, "completeness_check", text))
    if entry.get("num_constraints", {}).get("is_non_negative") and (
        negative := int((values[present] < 0).sum())
    ):
        found.append(
            _violation(name, "non_negative_check", f"{negative} values are negative, the baseline has none")
        )
    domains = entry.get("string_constraints", {}).get("domains")
    if domains is not None and present.any():
        known = np.isin(values[present].astype(str), domains)
        if known.mean() < DOMAIN_THRESHOLD:
            new = sorted(set(values[present][~known].tolist()))[:3]
            text = (
                f"{known.mean():.1%} of the values are known categories, new are for example {', '.join(new)}"
            )
            found.append(_violation(name, "categorical_values_check", text))
    return found


def _violation(name: str, check: str, description: str) -> dict[str, str]:
    return {"feature_name": name, "constraint_check_type": check, "description": description}


def _free(kinds: Mapping[str, str] | None) -> set[str]:
    return {name for name, kind in (kinds or {}).items() if kind == "text"}


def _present(values: np.ndarray) -> np.ndarray:
    if values.dtype == object:
        return np.not_equal(values, None).astype(bool)
    return ~np.isnan(values)


def _inferred_type(values: np.ndarray) -> str:
    if values.dtype == object:
        return "String"
    known = values[~np.isnan(values)]
    return "Integral" if len(known) and (known == np.round(known)).all() else "Fractional"


def _common(present: np.ndarray) -> dict[str, int]:
    return {"num_present": int(present.sum()), "num_missing": int((~present).sum())}


def _numeric(name: str, values: np.ndarray) -> dict[str, Any]:
    present = _present(values)
    known = values[present]
    content: dict[str, Any] = {"common": _common(present)}
    if len(known):
        counts, edges = np.histogram(known, bins=BUCKETS)
        content |= {
            "mean": float(known.mean()),
            "sum": float(known.sum()),
            "std_dev": float(known.std()),
            "min": float(known.min()),
            "max": float(known.max()),
            "distribution": {
                "kll": {
                    "buckets": [
                        {
                            "lower_bound": float(edges[i]),
                            "upper_bound": float(edges[i + 1]),
                            "count": float(counts[i]),
                        }
                        for i in range(BUCKETS)
                    ]
                }
            },
        }
    return {"name": name, "inferred_type": _inferred_type(values), "numerical_statistics": content}


def _text(name: str, values: np.ndarray, *, is_free: bool) -> dict[str, Any]:
    codes, categories = factorised(values)
    counts = np.bincount(codes[codes >= 0], minlength=len(categories))
    content: dict[str, Any] = {"common": _common(codes >= 0), "distinct_count": float(len(categories))}
    if not is_free and len(categories) <= DOMAIN_LIMIT:
        buckets = [
            {"value": value, "count": int(count)} for value, count in zip(categories, counts, strict=True)
        ]
        content["distribution"] = {"categorical": {"buckets": buckets}}
    return {"name": name, "inferred_type": "String", "string_statistics": content}
