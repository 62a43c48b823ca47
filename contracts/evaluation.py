"""What an evaluation looks at beside the metrics of the problem type, and what the model card says."""

from collections.abc import Mapping
from typing import Any

from contracts.errors import ContractError, one_of, only_keys

PLACE = "customProperties.model.evaluation"
RECALIBRATIONS = {"none", "platt", "isotonic"}
CLASSIFICATION = {"binary", "multiclass"}
CHOICES = {"simplest", "best"}
# Problems whose rows have a label that a group can be treated better or worse by.
LABELLED = {"binary", "multiclass", "regression", "forecasting"}
RATINGS = {"High", "Medium", "Low", "Unknown"}
CARD = {"creator", "stakeholders", "risk_rating", "risk_explanation", "ethical_considerations"}
OPTIONAL = {"recalibration", "maximum_gap", "choice", "fairness", "card"}
MOST_EDGES = 20
LONGEST_TEXT = 2000


def compile_evaluation(section: Any, model: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Every part has its default: an absent section asks for nothing more.

    columns  of the feature table, with their types: an attribute need not be a feature of the model
    """
    got = section or {}
    only_keys(PLACE, got, required=set(), optional=OPTIONAL)
    return {
        "recalibration": _recalibration(got.get("recalibration", "none"), model["problem"]),
        "maximum_gap": _number(f"{PLACE}.maximum_gap", got.get("maximum_gap", 3.0), 1, 1e6),
        "choice": _choice(got.get("choice", "simplest")),
        "fairness": _fairness(got.get("fairness"), model["problem"], columns),
        "card": _card(got.get("card")),
    }


def _recalibration(got: Any, problem: str) -> str:
    place = f"{PLACE}.recalibration"
    one_of(place, got, RECALIBRATIONS, "choose a way, or none")
    if got != "none" and problem not in CLASSIFICATION:
        allowed = f"none, since the scores of a {problem} problem are no probabilities"
        raise ContractError(place, got, allowed, "write none, or leave it out")
    return str(got)


def _choice(got: Any) -> str:
    one_of(
        f"{PLACE}.choice", got, CHOICES, "the simplest candidate within one standard error, or the best one"
    )
    return str(got)


def _fairness(got: Any, problem: str, columns: Mapping[str, str]) -> dict[str, Any]:
    if got is None:
        return {"attributes": [], "minimum_rows": 50}
    place = f"{PLACE}.fairness"
    only_keys(place, got, required={"attributes"}, optional={"minimum_rows"})
    one_of(f"{place} of a problem", problem, LABELLED, "leave fairness out")
    if not isinstance(got["attributes"], list) or not got["attributes"]:
        allowed = f"a list of columns: {', '.join(sorted(columns))}"
        raise ContractError(f"{place}.attributes", got["attributes"], allowed, "name at least one")
    compiled = [
        _attribute(f"{place}.attributes.{index}", entry, columns)
        for index, entry in enumerate(got["attributes"])
    ]
    names = [entry["feature"] for entry in compiled]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ContractError(f"{place}.attributes", twice[0], "each attribute once", "remove one of the two")
    minimum = _number(f"{place}.minimum_rows", got.get("minimum_rows", 50), 2, 1e9)
    return {"attributes": compiled, "minimum_rows": int(minimum)}


def _attribute(place: str, got: Any, columns: Mapping[str, str]) -> dict[str, Any]:
    """A column of categories by its name alone; a numeric one with the edges of its groups."""
    entry = {"feature": got} if isinstance(got, str) else got
    only_keys(place, entry, required={"feature"}, optional={"edges"})
    name = entry["feature"]
    one_of(place, name, columns, "name a column of the feature table")
    is_number = columns[name] == "double"
    if is_number != ("edges" in entry):
        allowed = (
            "edges that cut its numbers into groups, for example {feature: " + name + ", edges: [30, 60]}"
            if is_number
            else f"the name alone, since the categories of {name} are its groups"
        )
        raise ContractError(f"{place}.edges", entry.get("edges"), allowed, "correct it")
    if not is_number:
        return {"feature": name, "kind": "categorical"}
    edges = entry["edges"]
    numbers = isinstance(edges, list) and all(
        isinstance(edge, int | float) and not isinstance(edge, bool) for edge in edges
    )
    if not numbers or not 1 <= len(edges) <= MOST_EDGES or edges != sorted(set(edges)):
        allowed = f"1 to {MOST_EDGES} rising numbers"
        raise ContractError(f"{place}.edges", edges, allowed, "correct it")
    return {"feature": name, "kind": "numeric", "edges": [float(edge) for edge in edges]}


def _card(got: Any) -> dict[str, str]:
    """What people say of the model; purpose, usage and limitations stand in the document's description."""
    place = f"{PLACE}.card"
    only_keys(place, got or {}, required=set(), optional=CARD)
    compiled = dict(got or {})
    if "risk_rating" in compiled:
        one_of(f"{place}.risk_rating", compiled["risk_rating"], RATINGS, "rate the risk")
    for name, text in compiled.items():
        if not isinstance(text, str) or not 1 <= len(text) <= LONGEST_TEXT:
            raise ContractError(
                f"{place}.{name}", text, f"a text of 1 to {LONGEST_TEXT} characters", "correct it"
            )
    return compiled


def _number(place: str, got: Any, low: float, high: float) -> float:
    if not isinstance(got, int | float) or isinstance(got, bool) or not low <= got <= high:
        raise ContractError(place, got, f"a number from {low:g} to {high:g}", "correct it")
    return float(got)
