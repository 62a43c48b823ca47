"""The contract's model section: problems, rules, candidates; each mistake with its place and what is allowed."""
# ruff: noqa: E501  # one mistake in a line or two reads as a table

import copy
from collections.abc import Callable
from typing import Any

import pytest

import contracts
from contracts import candidates
from contracts.errors import ContractError
from contracts.features import compile_features
from contracts.model import compile_model

Section = dict[str, Any]
NUMERIC = {"kind": "numeric", "encoding": "passthrough", "imputation": "none"}
NAMED = {"kind": "categorical", "encoding": "ordinal", "imputation": "none"}
COLUMNS = {"columns": {"lag": "double", "size": "double", "user": "string", "item": "string"}}
RULES = {
    "binary": {"description": "d", "default": 0.5, "rules": []},
    "multiclass": {
        "description": "d",
        "default": [0.5, 0.25, 0.25],
        "rules": [{"when": [{"feature": "size", "op": ">", "value": 1}], "score": "b"}],
    },
    "regression": {"description": "d", "default": 3, "feature": "lag"},
    "forecasting": {"description": "d", "default": 3, "feature": "lag"},
    "clustering": {"description": "d", "default": 0, "rules": []},
    "recommendation": {"description": "d", "default": 0, "rules": []},
}


def section(problem: str) -> Section:
    given: Section = {
        "problem": problem,
        "features": {"lag": NUMERIC, "size": NUMERIC, "user": NAMED, "item": NAMED},
        "leak_columns": [],
        "rule_baseline": RULES[problem],
        "split": {"validation_days": 14, "holdout_days": 28, "minimum_train_rows": 100},
        "threshold": {"cost_false_positive": 1, "cost_false_negative": 3},
        "hyperparameters": {},
        "gate": {"confidence": 0.95, "minimum_gain": 0.0, "minimum_gain_over_rule": 0.0},
    }
    if problem == "multiclass":
        given["classes"] = ["a", "b", "c"]
    if problem == "recommendation":
        given["recommendation"] = {"user": "user", "item": "item", "at": 10}
    return copy.deepcopy(given)


@pytest.mark.parametrize(
    ("problem", "family"),
    [
        ("binary", "xgboost"),
        ("multiclass", "xgboost"),
        ("regression", "xgboost"),
        ("forecasting", "xgboost"),
        ("clustering", "kmeans"),
        ("recommendation", "factorisation"),
    ],
)
def test_every_problem_compiles_with_a_candidate_of_its_own(problem: str, family: str) -> None:
    compiled = compile_model(section(problem), COLUMNS)
    assert [entry["family"] for entry in compiled["candidates"]] == [family]
    assert compiled["classes"] == (["a", "b", "c"] if problem == "multiclass" else [])
    assert (compiled["recommendation"] is not None) == (problem == "recommendation")


def candidate(**given: Any) -> Callable[[Section], Any]:
    entry = {"name": "one", "family": "xgboost", **given}
    return lambda s: s.update(candidates=[entry])


def stack(members: str) -> Callable[[Section], Any]:
    two = [{"name": name, "family": "logistic"} for name in ("one", "two")]
    entry = {"name": "all", "family": "stack", "hyperparameters": {"members": members}}
    return lambda s: s.update(candidates=[*two, entry])


MISTAKES: list[tuple[str, str, Callable[[Section], Any], str, str]] = [
    ("no classes", "multiclass", lambda s: s.pop("classes"), "model.classes", "three or more names"),
    ("two classes", "multiclass", lambda s: s.update(classes=["a", "b"]), "model.classes", "three or more"),
    ("a class twice", "multiclass", lambda s: s.update(classes=["a", "b", "b"]), "model.classes", "each once"),
    ("classes of a number", "regression", lambda s: s.update(classes=["a"]), "model.classes", "multiclass only"),
    ("rule of another class", "multiclass", lambda s: s["rule_baseline"].update(default="z"), "score", "a, b, c"),
    ("too few probabilities", "multiclass", lambda s: s["rule_baseline"].update(default=[0.5, 0.5]), "score",
     "their 3 probabilities"),
    ("more than certain", "multiclass", lambda s: s["rule_baseline"].update(default=[0.5, 0.5, 0.5]), "score",
     "which add up to 1"),
    ("one number for classes", "multiclass", lambda s: s["rule_baseline"].update(default=0.5), "score", "a, b, c"),
    ("season of no feature", "forecasting", lambda s: s["rule_baseline"].update(feature="yesterday"),
     "rule_baseline.feature", "lag, size"),
    ("season of a name", "forecasting", lambda s: s["rule_baseline"].update(feature="user"),
     "rule_baseline.feature", "lag, size"),
    ("season and rules", "forecasting", lambda s: s["rule_baseline"].update(rules=[]), "rule_baseline",
     "default, description, feature"),
    ("season without a default", "forecasting", lambda s: s["rule_baseline"].update(default=None),
     "rule_baseline.default", "a number"),
    ("season of a class", "binary", lambda s: s["rule_baseline"].update(feature="lag"), "rule_baseline", "rules"),
    ("half a cluster", "clustering", lambda s: s["rule_baseline"].update(default=0.5), "score", "a cluster's number"),
    ("nobody is recommended to", "recommendation", lambda s: s.pop("recommendation"), "model.recommendation",
     "at, item, user"),
    ("user of no feature", "recommendation", lambda s: s["recommendation"].update(user="who"),
     "recommendation.user", "item, lag, size, user"),
    ("item that is a number", "recommendation", lambda s: s["recommendation"].update(item="lag"),
     "recommendation.item", "encoding ordinal"),
    ("user that is the item", "recommendation", lambda s: s["recommendation"].update(item="user"),
     "model.recommendation", "two different features"),
    ("list of none", "recommendation", lambda s: s["recommendation"].update(at=0), "recommendation.at", "from 1"),
    ("recommendation of a class", "binary", lambda s: s.update(recommendation={}), "model.recommendation",
     "problem recommendation only"),
    ("unknown family", "binary", candidate(family="svm"), "candidates.0.family", "forest"),
    ("family of another problem", "regression", candidate(family="logistic"), "candidates.0.family", "linear"),
    ("clusters for a class", "binary", candidate(family="kmeans"), "candidates.0.family", "logistic"),
    ("name that is no place", "binary", candidate(name="My Model"), "candidates.0.name", "a lower-case letter"),
    ("name twice", "binary", lambda s: s.update(candidates=[{"name": "one", "family": "tree"}] * 2),
     "candidates.1.name", "each name once"),
    ("unknown hyperparameter", "binary", candidate(hyperparameters={"depth": 3}), "candidates.0.hyperparameters",
     "max_depth"),
    ("hyperparameter of another family", "binary", candidate(family="forest", hyperparameters={"eta": 0.1}),
     "candidates.0.hyperparameters", "trees"),
    ("hyperparameter beyond its range", "binary", candidate(hyperparameters={"subsample": 2}),
     "hyperparameters.subsample", "a number from 0.01 to 1"),
    ("half a tree", "binary", candidate(family="forest", hyperparameters={"trees": 2.5}),
     "hyperparameters.trees", "a whole number from 1"),
    ("unknown booster", "binary", candidate(hyperparameters={"booster": "gblinear"}), "hyperparameters.booster",
     "dart, gbtree"),
    ("stack of one", "binary", stack("one"), "candidates.2.hyperparameters.members", "two or more"),
    ("stack of itself", "binary", stack("one, all"), "candidates.2.hyperparameters.members", "one, two"),
    ("stack of none", "binary", stack(""), "candidates.2.hyperparameters.members", "one, two"),
    ("usual hyperparameters of no family", "binary", lambda s: s.update(hyperparameters={"trees": 3}),
     "model.hyperparameters", "eta"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "change", "place", "allowed"), [pytest.param(*m[1:], id=m[0]) for m in MISTAKES]
)
def test_refuses_with_place_and_what_is_allowed(
    problem: str, change: Callable[[Section], Any], place: str, allowed: str
) -> None:
    given = section(problem)
    change(given)
    with pytest.raises(ContractError) as refused:
        compile_model(given, COLUMNS)
    assert place in refused.value.place
    assert allowed in str(refused.value.allowed)
    assert refused.value.fix


def test_candidates_keep_their_order_and_get_what_they_left_out() -> None:
    given = section("binary") | {
        "candidates": [{"name": "b", "family": "tree"}, {"name": "a", "family": "forest"}]
    }
    assert candidates.compile_candidates(given["candidates"], given) == [
        {"name": "b", "family": "tree", "hyperparameters": {}},
        {"name": "a", "family": "forest", "hyperparameters": {}},
    ]


def test_a_history_of_classes_names_its_class() -> None:
    flights = contracts.load("flights")
    history = {"name": "rate", "group": ["carrier"], "days": 3, "minimum_count": 5}
    given = {
        "base": "flights", "joins": [], "derived": [], "label": {"sql": "hour"}, "columns": {"rate": "double"},
    }  # fmt: skip
    model = {"problem": "multiclass", "classes": ["early", "late", "never"]}
    with pytest.raises(ContractError, match="add class"):
        compile_features(given | {"history": [history]}, flights["tables"], model)
    with pytest.raises(ContractError, match="got 'soon', allowed: early, late, never"):
        compile_features(given | {"history": [history | {"class": "soon"}]}, flights["tables"], model)
    compiled = compile_features(given | {"history": [history | {"class": "late"}]}, flights["tables"], model)
    assert compiled["history"][0]["class"] == 1
    with pytest.raises(ContractError, match="remove class"):
        compile_features(
            given | {"history": [history | {"class": "late"}]}, flights["tables"], {"problem": "binary"}
        )
