"""The contract's rule baseline as a model: the endpoint's first champion and the bar that a model must pass.

Standard library only, so that it can be packed when the project is synthesised.
"""

import math
from collections.abc import Mapping
from typing import Any

OPERATORS = ("<", "<=", ">", ">=", "==", "in")
# How sure a rule is that names a class; the others share the rest. A certain one would lose to anything.
NAMED_CLASS = 0.9


class RuleError(ValueError):
    """A rule of the contract that cannot be applied."""


def rule_model(contract: Mapping[str, Any]) -> dict[str, Any]:
    """Content of model.json for the rule baseline of a compiled contract."""
    model = contract["model"]
    rule = model["rule_baseline"]
    for index, entry in enumerate(rule.get("rules", [])):
        for condition in entry["when"]:
            _check(condition, f"rule_baseline.rules[{index}]", model["features"])
    return {
        "format": 1,
        "kind": "rule",
        "problem": model["problem"],
        "contract": {"name": contract["name"], "version": contract["version"]},
        "features": {name: spec["kind"] for name, spec in model["features"].items()},
        "classes": list(model.get("classes") or []),
        "rule": _rule(rule, model),
        "threshold": bayes_threshold(model) if model["problem"] == "binary" else None,
        "windows": None,
    }


def _rule(rule: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    classes = list(model.get("classes") or [])
    found: dict[str, Any] = {
        "default": _score(rule["default"], classes),
        "rules": [{**entry, "score": _score(entry["score"], classes)} for entry in rule.get("rules", [])],
    }
    feature = rule.get("feature")
    if feature is None:
        return found
    if model["features"].get(feature, {}).get("kind") != "numeric":
        raise RuleError(f"rule_baseline.feature: {feature!r} is no numeric feature of the model")
    return found | {"feature": feature}


def _score(score: Any, classes: list[str]) -> Any:
    """A class's name as probabilities."""
    if not isinstance(score, str):
        return score
    if score not in classes:
        raise RuleError(f"rule_baseline: class {score!r} is unknown, allowed are {', '.join(classes)}")
    rest = (1 - NAMED_CLASS) / max(1, len(classes) - 1)
    return [NAMED_CLASS if name == score else rest for name in classes]


def bayes_threshold(model: Mapping[str, Any]) -> float:
    """Where acting and not acting cost the same, for a score that is a probability."""
    costs = model["threshold"]
    total = costs["cost_false_positive"] + costs["cost_false_negative"]
    return costs["cost_false_positive"] / total if total else 0.5


def score_record(rule: Mapping[str, Any], record: Mapping[str, Any]) -> float | list[float]:
    """Score of the first rule whose conditions all hold; a missing value makes a condition false.

    A rule that names a feature answers with its value, the season before for example.
    """
    feature = rule.get("feature")
    if feature is not None:
        value = record.get(feature)
        return float(rule["default"] if value is None or value != value else value)
    for entry in rule["rules"]:
        if all(holds(condition, record.get(condition["feature"])) for condition in entry["when"]):
            return _plain(entry["score"])
    return _plain(rule["default"])


def _plain(score: Any) -> float | list[float]:
    return [float(part) for part in score] if isinstance(score, list) else float(score)


def holds(condition: Mapping[str, Any], value: Any) -> bool:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return False
    operator, bound = condition["op"], condition["value"]
    if operator == "in":
        return value in bound
    if operator == "==":
        return bool(value == bound)
    return bool(
        (operator == "<" and value < bound)
        or (operator == "<=" and value <= bound)
        or (operator == ">" and value > bound)
        or (operator == ">=" and value >= bound)
    )


def _check(condition: Mapping[str, Any], place: str, features: Mapping[str, Any]) -> None:
    if condition["op"] not in OPERATORS:
        raise RuleError(
            f"{place}: operator {condition['op']!r} is unknown, allowed are {', '.join(OPERATORS)}"
        )
    if condition["feature"] not in features:
        raise RuleError(
            f"{place}: feature {condition['feature']!r} is not in model.features, "
            f"allowed are {', '.join(features)}"
        )
