"""The contract's evaluation section: defaults for what is absent, words for what cannot be."""

from typing import Any

import pytest

import contracts
from contracts.errors import ContractError
from contracts.evaluation import compile_evaluation

COLUMNS = {"age": "double", "sex": "string", "site": "string"}


def compiled(section: Any, problem: str = "binary") -> dict[str, Any]:
    return compile_evaluation(section, {"problem": problem}, COLUMNS)


def test_an_absent_section_asks_for_nothing_more() -> None:
    assert compiled(None) == {
        "recalibration": "none",
        "maximum_gap": 3.0,
        "choice": "simplest",
        "fairness": {"attributes": [], "minimum_rows": 50},
        "card": {},
    }


def test_attributes_are_categories_by_name_and_numbers_by_edges() -> None:
    found = compiled({"fairness": {"attributes": ["sex", {"feature": "age", "edges": [30, 60]}]}})
    assert found["fairness"] == {
        "attributes": [
            {"feature": "sex", "kind": "categorical"},
            {"feature": "age", "kind": "numeric", "edges": [30.0, 60.0]},
        ],
        "minimum_rows": 50,
    }


def fair(*attributes: Any, **more: Any) -> dict[str, Any]:
    return {"fairness": {"attributes": list(attributes), **more}}


@pytest.mark.parametrize(
    ("section", "problem", "place", "allowed"),
    [
        pytest.param({"recalibration": "beta"}, "binary", "recalibration", "isotonic, none, platt", id="way"),
        pytest.param(
            {"recalibration": "platt"}, "regression", "recalibration", "none", id="no probabilities"
        ),
        pytest.param({"maximum_gap": 0.5}, "binary", "maximum_gap", "a number from 1 to", id="gap"),
        pytest.param({"maximum_gap": True}, "binary", "maximum_gap", "a number from 1 to", id="no number"),
        pytest.param({"choice": "cheapest"}, "binary", "choice", "best, simplest", id="choice"),
        pytest.param({"fairnes": {}}, "binary", "evaluation", "fairness", id="misspelt"),
        pytest.param(fair("gender"), "binary", "attributes.0", "age, sex, site", id="unknown attribute"),
        pytest.param(
            fair("age"), "binary", "attributes.0.edges", "edges that cut", id="number without groups"
        ),
        pytest.param(
            fair({"feature": "sex", "edges": [1]}),
            "binary",
            "attributes.0.edges",
            "the name alone",
            id="edges",
        ),
        pytest.param(
            fair({"feature": "age", "edges": [60, 30]}), "binary", "attributes.0.edges", "rising", id="order"
        ),
        pytest.param(
            fair({"feature": "age", "edges": []}), "binary", "attributes.0.edges", "1 to 20", id="no edge"
        ),
        pytest.param(fair("sex", "sex"), "binary", "attributes", "each attribute once", id="twice"),
        pytest.param(fair(), "binary", "attributes", "a list of columns: age, sex, site", id="none"),
        pytest.param(
            fair("sex"), "clustering", "fairness of a problem", "binary, forecasting", id="clusters"
        ),
        pytest.param(fair("sex", minimum_rows=1), "binary", "minimum_rows", "a number from 2", id="minimum"),
        pytest.param({"card": {"risk_rating": "Huge"}}, "binary", "card.risk_rating", "High, Low", id="risk"),
        pytest.param({"card": {"creator": ""}}, "binary", "card.creator", "1 to 2000 characters", id="empty"),
        pytest.param({"card": {"mood": "good"}}, "binary", "evaluation.card", "creator", id="unknown text"),
    ],
)
def test_mistakes_are_named_with_what_is_allowed(
    section: dict[str, Any], problem: str, place: str, allowed: str
) -> None:
    with pytest.raises(ContractError) as caught:
        compiled(section, problem)
    assert place in caught.value.place
    assert allowed in str(caught.value)


@pytest.mark.parametrize("name", ["flights", "diabetes"])
def test_shipped_contracts_look_at_attributes_and_describe_themselves(name: str) -> None:
    contract = contracts.load(name)
    section = contract["model"]["evaluation"]
    assert section["fairness"]["attributes"]
    assert section["card"]["risk_explanation"]
    assert set(contract["description"]) == {"purpose", "usage", "limitations"}
