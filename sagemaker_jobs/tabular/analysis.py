"""Bias and attributions of an evaluation in the shape of SageMaker Clarify's analysis.json.

Clarify is closed to new customers; its shape is still what a registry and a reader expect. Measures and
methods keep our names: they are not Clarify's.
"""

from collections.abc import Mapping
from typing import Any

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy")
NUMBERS = ("mean_error", "mae", "rmse")


def of_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """analysis.json of an evaluation.json; without attributes or attributions these parts are empty."""
    fair = report.get("fairness") or {"attributes": []}
    explained = report.get("attributions") or {"method": None, "global": []}
    values = {entry["feature"]: entry["mean_contribution"] for entry in explained["global"]}
    method = (explained["method"] or "none").split(",")[0].lower().replace(" ", "_")
    return {
        "version": "1.0",
        "post_training_bias_metrics": {
            "label": "label",
            "facets": {entry["attribute"]: _facets(entry) for entry in fair["attributes"]},
        },
        "explanations": {method: {"label0": {"global_shap_values": values}}} if values else {},
    }


def violations(
    attributions: Mapping[str, Any], bias: Mapping[str, Any], concept: Mapping[str, Any]
) -> list[dict[str, str]]:
    """constraint_violations.json's entries of what drifted beside the data."""
    found = []
    if attributions["is_drift"]:
        text = (
            f"NDCG {attributions['ndcg']:.3f} of the attributions' order, at least {attributions['limit']:g}"
        )
        found.append(_violation("(all features)", "feature_attribution_drift_check", text))
    for name in bias["grew"]:
        attribute, _, measure = name.partition(": ")
        entry = bias["attributes"][attribute][measure]
        text = f"{measure} {entry['now']['value']:.3f}, the baseline has {entry['before']['value']:.3f}"
        found.append(_violation(attribute, "bias_drift_check", text))
    if concept["is_drift"]:
        text = (
            f"labels follow the scores less than at evaluation, by {concept['at_least']:.1%} of what the "
            f"scores promise or more, allowed are {concept['margin']:.1%}"
        )
        found.append(_violation("(label)", "concept_drift_check", text))
    return found


def _facets(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rates of each group, and the differences between groups under the name of none."""
    groups = [
        {
            "value_or_threshold": group["group"],
            "metrics": [_metric(name, group[name]) for name in (*RATES, *NUMBERS) if name in group],
        }
        for group in entry["groups"]
    ]
    between = [_metric(name, values) for name, values in entry["differences"].items()]
    return [*groups, {"value_or_threshold": "(between groups)", "metrics": between}]


def _metric(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "description": name.replace("_", " "), "value": values["value"]}


def _violation(name: str, check: str, description: str) -> dict[str, str]:
    return {"feature_name": name, "constraint_check_type": check, "description": description}
