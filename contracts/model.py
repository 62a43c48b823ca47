"""The model's part of a contract: encodings, rule baseline, split, gate, and what monitoring tolerates."""

from typing import Any

from contracts import candidates, evaluation, preparation, tuning
from contracts.errors import ContractError, one_of, only_keys

PROBLEMS = {"binary", "regression"}
OPERATORS = {"<", "<=", ">", ">=", "==", "in"}
SECTIONS = {
    "problem", "features", "leak_columns", "rule_baseline", "split", "threshold", "hyperparameters", "gate",
}  # fmt: skip
# What a contract may leave out; the compiled one always has it.
OPTIONAL = {"preparation", "candidates", "tuning", "evaluation"}
# name: (lowest, highest, whole number)
NUMBERS: dict[str, dict[str, tuple[float, float, bool]]] = {
    "split": {
        "validation_days": (1, 3650, True),
        "holdout_days": (1, 3650, True),
        "minimum_train_rows": (1, 10**9, True),
    },
    "threshold": {"cost_false_positive": (0, 1e9, False), "cost_false_negative": (0, 1e9, False)},
    "gate": {
        "confidence": (0.5, 0.9999, False),
        "minimum_gain": (-1e9, 1e9, False),
        "minimum_gain_over_rule": (-1e9, 1e9, False),
    },
    "monitor": {
        "minimum_labels": (1, 10**9, True),
        "quality_drop": (0, 1e9, False),
        "calibration_gap": (0, 1e9, False),
        "psi": (0, 1e9, False),
    },
}


def compile_model(section: Any, features: dict[str, Any]) -> dict[str, Any]:
    """The model section, checked against the feature table."""
    place = "customProperties.model"
    only_keys(place, section, required=SECTIONS, optional=OPTIONAL)
    one_of(f"{place}.problem", section["problem"], PROBLEMS, "say what kind of label it is")
    if not section["features"]:
        raise ContractError(
            f"{place}.features", {}, ", ".join(features["columns"]), "name at least one feature"
        )
    for name, entry in section["features"].items():
        preparation.check_feature(f"{place}.features", name, entry, features["columns"])
    _rule(f"{place}.rule_baseline", section["rule_baseline"], section)
    for part in ("split", "threshold", "gate"):
        _numbers(f"{place}.{part}", section[part], NUMBERS[part])
    for name, value in section["hyperparameters"].items():
        if not isinstance(value, int | float | str) or isinstance(value, bool):
            raise ContractError(f"{place}.hyperparameters.{name}", value, "a number or text", "correct it")
    compiled = {key: section[key] for key in sorted(SECTIONS)}
    compiled["preparation"] = preparation.compile_preparation(section.get("preparation"), section["features"])
    compiled["candidates"] = candidates.compile_candidates(section.get("candidates"), section)
    compiled["tuning"] = tuning.compile_tuning(section.get("tuning"), compiled["candidates"])
    compiled["evaluation"] = evaluation.compile_evaluation(
        section.get("evaluation"), section, features["columns"]
    )
    return compiled


def compile_monitor(section: Any) -> dict[str, Any]:
    """The limits of monitoring."""
    _numbers("customProperties.monitor", section, NUMBERS["monitor"])
    return dict(section)


def _rule(place: str, rule: Any, section: dict[str, Any]) -> None:
    only_keys(place, rule, required={"description", "default", "rules"})
    for index, entry in enumerate(rule["rules"]):
        here = f"{place}.rules.{index}"
        only_keys(here, entry, required={"when", "score"})
        for condition in entry["when"]:
            only_keys(f"{here}.when", condition, required={"feature", "op", "value"})
            one_of(f"{here}.when", condition["feature"], section["features"], "name a feature of the model")
            one_of(f"{here}.op", condition["op"], OPERATORS, "compare with one of these")
            if isinstance(condition["value"], list) != (condition["op"] == "in"):
                raise ContractError(
                    f"{here}.value", condition["value"], "a list with `in`, else one value", "correct it"
                )
    for score in (rule["default"], *(entry["score"] for entry in rule["rules"])):
        numeric = isinstance(score, int | float) and not isinstance(score, bool)
        if not numeric or (section["problem"] == "binary" and not 0 <= score <= 1):
            allowed = "a probability, 0 to 1" if section["problem"] == "binary" else "a number"
            raise ContractError(f"{place}.score", score, allowed, "correct it")


def _numbers(place: str, got: Any, allowed: dict[str, tuple[float, float, bool]]) -> None:
    only_keys(place, got, required=set(allowed))
    for name, (low, high, whole) in allowed.items():
        value = got[name]
        fits = isinstance(value, int) if whole else isinstance(value, int | float)
        if not fits or isinstance(value, bool) or not low <= value <= high:
            kind = "whole number" if whole else "number"
            raise ContractError(f"{place}.{name}", value, f"a {kind} from {low:g} to {high:g}", "correct it")
