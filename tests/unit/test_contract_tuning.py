"""A search that SageMaker would refuse hours later is refused where the contract is compiled."""
# ruff: noqa: E501  # one mistake in a line or two reads as a table

from __future__ import annotations

import copy
from typing import Any

import pytest

from contracts.errors import ContractError
from contracts.tuning import compile_tuning

BOOSTED = {
    "name": "boosted",
    "family": "xgboost",
    "hyperparameters": {"eta": 0.1, "max_depth": 6, "num_round": 100, "tree_method": "hist"},
}
PLAIN = {"name": "plain", "family": "linear", "hyperparameters": {"alpha": 1.0}}
ETA = {"type": "Continuous", "minimum": 0.01, "maximum": 0.5, "scale": "Logarithmic"}
METHODS = {"type": "Categorical", "values": ["hist", "exact"]}
DEPTHS = {"type": "Categorical", "values": [3, 4, 5]}
ASKED = {"candidate": "boosted", "strategy": "Bayesian", "jobs": 8, "parallel": 2, "ranges": {"eta": ETA}}
GRID = {"candidate": "boosted", "strategy": "Grid", "ranges": {"tree_method": METHODS, "max_depth": DEPTHS}}
BAND = {
    **ASKED,
    "strategy": "Hyperband",
    "resource": {"minimum": 5, "maximum": 100},
}


def compiled(section: Any, *candidates: dict[str, Any]) -> Any:
    return compile_tuning(copy.deepcopy(section), list(candidates) or [BOOSTED, PLAIN])


def test_what_is_left_out_has_its_default() -> None:
    assert compiled({"candidate": "boosted", "strategy": "Random", "jobs": 3, "ranges": {"eta": ETA}}) == {
        "candidate": "boosted",
        "strategy": "Random",
        "jobs": 3,
        "parallel": 1,
        "early_stopping": "Off",
        "warm_start": False,
        "resource": None,
        "seed": 1,
        "ranges": {"eta": ETA},
    }
    assert compiled(None) is None


def test_a_grid_counts_its_combinations() -> None:
    assert compiled(GRID)["jobs"] == 6
    assert compiled({**GRID, "jobs": 6})["jobs"] == 6


def test_hyperband_shares_out_rounds() -> None:
    assert compiled(BAND)["resource"] == {"minimum": 5, "maximum": 100}


MISTAKES: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown candidate", {"candidate": "other"}, "candidate", "boosted, plain"),
    ("unknown strategy", {"strategy": "Luck"}, "strategy", "Bayesian, Grid, Hyperband, Random"),
    ("no range", {"ranges": {}}, "ranges", "1 to 30"),
    ("what the candidate has not", {"ranges": {"gamma": ETA}}, "ranges", "eta, max_depth"),
    ("unknown type", {"ranges": {"eta": {"type": "Real"}}}, "ranges.eta.type", "Categorical, Continuous"),
    ("no maximum", {"ranges": {"eta": {"type": "Continuous", "minimum": 1}}}, "ranges.eta", "add maximum"),
    ("upside down", {"ranges": {"eta": {**ETA, "minimum": 0.9}}}, "ranges.eta.maximum", "more than the minimum"),
    ("logarithm of nothing", {"ranges": {"eta": {**ETA, "minimum": 0}}}, "ranges.eta.minimum", "more than 0"),
    ("mirror beyond one", {"ranges": {"eta": {**ETA, "scale": "ReverseLogarithmic", "maximum": 1.0}}},
     "ranges.eta.scale", "within 0 and 1"),
    ("unknown scale", {"ranges": {"eta": {**ETA, "scale": "Log"}}}, "ranges.eta.scale", "Linear, Logarithmic"),
    ("half a tree", {"ranges": {"max_depth": {"type": "Integer", "minimum": 2.5, "maximum": 8}}},
     "ranges.max_depth.minimum", "a whole number"),
    ("a text as a number", {"ranges": {"eta": {**ETA, "minimum": "low"}}}, "ranges.eta.minimum", "a number"),
    ("no value", {"ranges": {"eta": {"type": "Categorical", "values": []}}}, "ranges.eta.values", "1 to 30"),
    ("a value twice", {"ranges": {"eta": {"type": "Categorical", "values": [1, "1"]}}},
     "ranges.eta.values", "every value once"),
    ("a list as a value", {"ranges": {"eta": {"type": "Categorical", "values": [[1]]}}},
     "ranges.eta.values", "numbers and texts"),
    ("no trial", {"jobs": 0}, "jobs", "1 to 100"),
    ("too many trials", {"jobs": 101}, "jobs", "1 to 100"),
    ("jobs left out", {"jobs": None}, "jobs", "1 to 100"),
    ("more at once than there are", {"parallel": 9}, "parallel", "1 to 8"),
    ("more at once than an account may", {"jobs": 50, "parallel": 11}, "parallel", "1 to 10"),
    ("early stopping of another kind", {"early_stopping": "On"}, "early_stopping", "Auto, Off"),
    ("early stopping without a curve", {"candidate": "plain", "early_stopping": "Auto",
     "ranges": {"alpha": ETA}}, "early_stopping", "no learning curve"),
    ("early stopping by Hyperband", {**BAND, "early_stopping": "Auto"}, "early_stopping", "stops trials by itself"),
    ("rounds for Bayesian search", {"resource": {"minimum": 1, "maximum": 9}}, "resource", "only Hyperband"),
    ("Hyperband without rounds", {**BAND, "resource": None}, "resource", "minimum"),
    ("Hyperband of what has none", {**BAND, "candidate": "plain", "ranges": {"alpha": ETA}},
     "strategy", "has no rounds"),
    ("rounds upside down", {**BAND, "resource": {"minimum": 9, "maximum": 9}}, "resource.minimum", "1 to 8"),
    ("fewer rounds than a training has", {**BAND, "resource": {"minimum": 1, "maximum": 99}},
     "resource.maximum", "leaves no model"),
    ("Hyperband over rounds", {**BAND, "ranges": {"num_round": {"type": "Integer", "minimum": 9, "maximum": 99}}},
     "ranges", "shares out"),
    ("warm start of a grid", {**GRID, "jobs": 6, "warm_start": True}, "warm_start", "Bayesian and Random"),
    ("warm start by a word", {"warm_start": "yes"}, "warm_start", "False, True"),
    ("a range in a grid", {**GRID, "jobs": None, "ranges": {"eta": ETA}}, "ranges.eta.type", "Categorical"),
    ("another size of a grid", {**GRID, "jobs": 5}, "jobs", "leave jobs out"),
    ("a negative seed", {"seed": -1}, "seed", "whole number"),
    ("a word that nobody reads", {"budget": 5}, "customProperties.model.tuning", "remove budget"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "place", "says"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES]
)
def test_an_impossible_wish_is_refused_with_place_got_allowed_and_fix(
    changes: dict[str, Any], place: str, says: str
) -> None:
    with pytest.raises(ContractError) as refused:
        compiled({**ASKED, **changes})
    error = refused.value
    assert error.place.startswith("customProperties.model.tuning") and error.place.endswith(place)
    assert says in str(error)


def test_the_winners_name_is_kept_free() -> None:
    with pytest.raises(ContractError, match="any other name"):
        compiled(None, {**BOOSTED, "name": "tuned"})
