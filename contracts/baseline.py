"""The rule that a model must beat, and with which the endpoint begins: what it may say for each problem."""

from typing import Any

from contracts.errors import ContractError, one_of, only_keys

OPERATORS = {"<", "<=", ">", ">=", "==", "in"}
# Where the value of a feature, the same hour of the day before for example, may be the answer itself.
SEASONAL = {"regression", "forecasting"}


def check(place: str, rule: Any, section: dict[str, Any], classes: list[str]) -> None:
    """`section`: the contract's model, `classes`: the names of a multiclass label."""
    if isinstance(rule, dict) and "feature" in rule and section["problem"] in SEASONAL:
        only_keys(place, rule, required={"description", "default", "feature"})
        features = section["features"]
        numeric = [name for name, entry in features.items() if entry["kind"] == "numeric"]
        one_of(
            f"{place}.feature", rule["feature"], numeric, "name a numeric feature, such as a lag of the label"
        )
        _score(f"{place}.default", rule["default"], section["problem"], classes)
        return
    only_keys(place, rule, required={"description", "default", "rules"})
    for index, entry in enumerate(rule["rules"]):
        here = f"{place}.rules.{index}"
        only_keys(here, entry, required={"when", "score"})
        for condition in entry["when"]:
            _condition(here, condition, section)
    for score in (rule["default"], *(entry["score"] for entry in rule["rules"])):
        _score(f"{place}.score", score, section["problem"], classes)


def _condition(place: str, condition: Any, section: dict[str, Any]) -> None:
    only_keys(f"{place}.when", condition, required={"feature", "op", "value"})
    one_of(f"{place}.when", condition["feature"], section["features"], "name a feature of the model")
    one_of(f"{place}.op", condition["op"], OPERATORS, "compare with one of these")
    if isinstance(condition["value"], list) != (condition["op"] == "in"):
        raise ContractError(
            f"{place}.value", condition["value"], "a list with `in`, else one value", "correct it"
        )


def _score(place: str, score: Any, problem: str, classes: list[str]) -> None:
    if problem == "multiclass":
        fits = _is_class(score, classes)
        allowed = f"one of {', '.join(classes)}, or their {len(classes)} probabilities, which add up to 1"
    elif problem == "binary":
        fits, allowed = _is_number(score) and 0 <= score <= 1, "a probability, 0 to 1"
    elif problem == "clustering":
        fits, allowed = (
            isinstance(score, int) and _is_number(score) and score >= 0,
            "a cluster's number, from 0",
        )
    else:
        fits, allowed = _is_number(score), "a number"
    if not fits:
        raise ContractError(place, score, allowed, "correct it")


def _is_class(score: Any, classes: list[str]) -> bool:
    if isinstance(score, str):
        return score in classes
    if not isinstance(score, list) or len(score) != len(classes):
        return False
    if not all(_is_number(part) and 0 <= part <= 1 for part in score):
        return False
    return abs(sum(score) - 1) < 1e-6


def _is_number(score: Any) -> bool:
    return isinstance(score, int | float) and not isinstance(score, bool)
