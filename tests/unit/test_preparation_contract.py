"""A preparation that is impossible is refused at synthesis, with what was got, what is allowed and the fix."""
# ruff: noqa: E501  # one mistake in a line or two reads as a table

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tabular import preparation as job
from tabular.preparation import imbalance, imputation, outliers, scaling, smote, text

from contracts import load, preparation
from contracts import preparation_options as options
from contracts.errors import ContractError

Features = dict[str, Any]
DOCUMENT = (Path(__file__).parents[2] / "docs/preparation.md").read_text(encoding="utf-8")
COLUMNS = {"a": "double", "b": "double", "c": "double", "day": "double", "site": "string", "note": "string"}


def features() -> Features:
    number = {"kind": "numeric", "encoding": "passthrough", "imputation": "none"}
    return {
        "a": {**number, "imputation": "mean", "scaling": "z_score", "outliers": {"method": "cap", "rule": "z", "limit": 4}},
        "b": {**number, "imputation": "constant", "value": 0},
        "c": {**number, "encoding": "bins", "bins": {"count": 5, "strategy": "quantile"}},
        "day": {**number, "encoding": "cyclic", "period": 7},
        "site": {"kind": "categorical", "encoding": "one_hot", "imputation": "none"},
        "note": {"kind": "text", "encoding": "lsa", "imputation": "none", "terms": 100, "dimensions": 5, "stop_words": "english"},
    }  # fmt: skip


def compiled(given: Features, section: Any = None, problem: str = "binary") -> dict[str, Any]:
    for name, entry in given.items():
        preparation.check_feature("model.features", name, entry, COLUMNS)
    return preparation.compile_preparation(section, given, problem)


def update(name: str, **changes: Any) -> Callable[[Features], Any]:
    return lambda given: given[name].update(changes)


def remove(name: str, key: str) -> Callable[[Features], Any]:
    return lambda given: given[name].pop(key)


# What is wrong, the change, the place, what is allowed, the fix.
OF_A_FEATURE: list[tuple[str, Callable[[Features], Any], str, str, str]] = [
    ("k-NN over text", update("note", imputation="knn"), "note.imputation", "constant, drop, none", "text"),
    ("k-NN over categories", update("site", imputation="knn"), "site.imputation", "constant, drop, mode, none", "categorical"),
    ("iterative over text", update("note", imputation="iterative"), "note.imputation", "none", "text"),
    ("z-score of a one-hot", update("site", scaling="z_score"), "site.scaling", "for categorical", "remove scaling"),
    ("z-score of bins", update("c", scaling="z_score"), "c.scaling", "none beside encoding bins", "remove it"),
    ("min-max of a circle", update("day", scaling="min_max"), "day.scaling", "none beside encoding cyclic", "remove it"),
    ("unknown scale", update("b", scaling="robust"), "b.scaling", "min_max, none, z_score", "choose"),
    ("circle without a period", remove("day", "period"), "day", "period with encoding cyclic", "add period"),
    ("circle of no length", update("day", period=0), "day.period", "from 1e-09", "length"),
    ("period of no circle", update("a", period=7), "a", "period with encoding cyclic", "remove period"),
    ("one bin", update("c", bins={"count": 1, "strategy": "quantile"}), "c.bins.count", "from 2 to 255", "correct"),
    ("half a bin", update("c", bins={"count": 2.5, "strategy": "quantile"}), "c.bins.count", "whole number", "correct"),
    ("bins of another kind", update("c", bins={"count": 3, "strategy": "kmeans"}), "c.bins.strategy", "quantile, uniform", "correct"),
    ("bins without any", remove("c", "bins"), "c", "bins with encoding bins", "add bins"),
    ("bins that nothing reads", update("a", bins={"count": 3, "strategy": "uniform"}), "a", "bins with encoding bins", "remove bins"),
    ("bins without strategy", update("c", bins={"count": 3}), "c.bins", "count, strategy", "add strategy"),
    ("outliers by no method", update("a", outliers={"rule": "z"}), "a.outliers", "method", "add method"),
    ("unknown method", update("a", outliers={"method": "winsorize"}), "a.outliers.method", "cap, log, trim", "say"),
    ("unknown rule", update("a", outliers={"method": "cap", "rule": "mad"}), "a.outliers.rule", "iqr, quantile, z", "say"),
    ("option of another rule", update("a", outliers={"method": "cap", "rule": "z", "factor": 2}), "a.outliers", "limit, method, rule", "remove factor"),
    ("bounds of a logarithm", update("a", outliers={"method": "log", "rule": "z"}), "a.outliers", "method", "remove rule"),
    ("quantiles upside down", update("a", outliers={"method": "cap", "rule": "quantile", "lower": 0.5, "upper": 0.5}), "a.outliers", "lower < upper", "exchange"),
    ("quantile above one", update("a", outliers={"method": "cap", "rule": "quantile", "upper": 99}), "a.outliers.upper", "from 0.5 to 1", "correct"),
    ("outliers of text", update("note", outliers={"method": "cap"}), "note.outliers", "for text", "remove outliers"),
    ("tf_idf without terms", lambda given: given.update(note={"kind": "text", "encoding": "tf_idf", "imputation": "none"}), "note", "terms with encoding tf_idf", "add terms"),
    ("hashing by terms", update("note", encoding="hashing"), "note", "dimensions with encoding hashing", "remove terms"),
    ("embedding without dimensions", remove("note", "dimensions"), "note", "dimensions and terms with encoding lsa", "add dimensions"),
    ("more dimensions than terms", update("note", dimensions=100), "note.dimensions", "fewer than the 100 terms", "lower"),
    ("a vocabulary without end", update("note", terms=10**6), "note.terms", "from 2 to 2000", "correct"),
    ("stop words of no language here", update("note", stop_words="german"), "note.stop_words", "english, none", "languages"),
    ("stop words of a category", update("site", stop_words="english"), "site.stop_words", "for categorical", "remove stop_words"),
    ("encoding of another kind", update("note", encoding="one_hot"), "note.encoding", "hashing, lsa, tf_idf", "text"),
    ("text of a number", update("a", kind="text", encoding="tf_idf"), "a.kind", "fits double", "kind"),
    ("unknown key", update("a", scalling="z_score"), "model.features.a", "scaling", "remove scalling"),
    ("kind that is a list", update("a", kind=["numeric"]), "a.kind", "numeric", "say"),
    ("deletion without a value to serve", update("a", imputation="drop"), "model.features.a", "a value with imputation constant or drop", "served row"),
    ("value that is no number", update("b", value="zero"), "b.value", "a finite number", "correct"),
    ("value that is not finite", update("b", value=float("inf")), "b.value", "a finite number", "correct"),
    ("value that is no text", update("site", imputation="constant", value=1), "site.value", "text", "quotation"),
    ("value that nothing reads", update("a", value=1), "model.features.a", "and only then", "correct"),
    ("k-NN of a number alone", lambda given: [given.update(a={**given["a"], "imputation": "knn"})] + [given.pop(name) for name in ("b", "c", "day")], "preparation.knn.features", "two numeric features", "nothing to be told by"),
]  # fmt: skip

OF_SEVERAL: list[tuple[str, Any, str, str, str]] = [
    ("no mapping", ["pca"], "model.preparation", "a mapping", "mapping"),
    ("unknown part", {"pcaa": {}}, "model.preparation", "pca", "remove pcaa"),
    ("more components than features", {"pca": {"features": ["a", "b"], "components": 3}}, "pca.components", "from 1 to 2", "not more than the 2 features"),
    ("components of categories", {"pca": {"features": ["a", "site"], "components": 1}}, "pca.features", "a, b", "numeric"),
    ("components of text", {"pca": {"features": ["a", "note"], "components": 1}}, "pca.features", "a, b", "numeric"),
    ("components of bins", {"pca": {"features": ["a", "c"], "components": 1}}, "pca.features", "a, b", "passthrough"),
    ("components of one", {"pca": {"features": ["a"], "components": 1}}, "pca.features", "two features or more", "name more"),
    ("components of one twice", {"pca": {"features": ["a", "a"], "components": 1}}, "pca.features", "each feature once", "remove"),
    ("components of nothing", {"pca": {"components": 1}}, "preparation.pca", "features", "add features"),
    ("components of a stranger", {"pca": {"features": ["a", "z"], "components": 1}}, "pca.features", "a, b", "name a feature"),
    ("replace by a word", {"pca": {"features": ["a", "b"], "components": 1, "replace": "yes"}}, "pca.replace", "true or false", "say"),
    ("product with a stranger", {"interactions": [["a", "z"]]}, "interactions.0", "a, b", "name a feature"),
    ("product with a category", {"interactions": [["a", "b"], ["a", "site"]]}, "interactions.1", "a, b", "multiply numeric"),
    ("product of a circle", {"interactions": [["a", "day"]]}, "interactions.0", "a, b", "passthrough"),
    ("product of three", {"interactions": [["a", "b", "b"]]}, "interactions.0", "a pair", "name two"),
    ("product twice", {"interactions": [["a", "b"], ["b", "a"]]}, "interactions.1", "each pair once", "remove"),
    ("product of no list", {"interactions": "a*b"}, "preparation.interactions", "pairs of features", "list"),
    ("unknown way to even out", {"imbalance": {"method": "adasyn"}}, "imbalance.method", "oversample, smote, undersample, weights", "say"),
    ("weights by a ratio", {"imbalance": {"method": "weights", "ratio": 0.5}}, "preparation.imbalance", "method", "remove ratio"),
    ("ratio above one", {"imbalance": {"method": "smote", "ratio": 2}}, "imbalance.ratio", "from 0.01 to 1", "correct"),
    ("neighbours of copies", {"imbalance": {"method": "oversample", "neighbours": 5}}, "preparation.imbalance", "method, ratio, seed", "remove neighbours"),
    ("k-NN of nothing", {"knn": {"neighbours": 3}}, "preparation.knn", "nothing while no feature", "remove"),
    ("rounds of nothing", {"iterative": {"rounds": 3}}, "preparation.iterative", "nothing while no feature", "remove"),
    ("known before but no feature", {"known_before": ["z"]}, "known_before", "a, b", "name a feature"),
]  # fmt: skip


def refused(error: ContractError, place: str, allowed: str, fix: str) -> None:
    assert place in error.place
    assert allowed in str(error.allowed)
    assert fix in error.fix


@pytest.mark.parametrize("mistake", OF_A_FEATURE, ids=[mistake[0] for mistake in OF_A_FEATURE])
def test_impossible_feature_is_refused(mistake: tuple[str, Callable[[Features], Any], str, str, str]) -> None:
    _, change, *expected = mistake
    given = features()
    change(given)
    with pytest.raises(ContractError) as caught:
        compiled(given)
    refused(caught.value, *expected)


@pytest.mark.parametrize("mistake", OF_SEVERAL, ids=[mistake[0] for mistake in OF_SEVERAL])
def test_impossible_combination_is_refused(mistake: tuple[str, Any, str, str, str]) -> None:
    _, section, *expected = mistake
    with pytest.raises(ContractError) as caught:
        compiled(features(), section)
    refused(caught.value, *expected)


def test_missing_values_in_components_are_refused() -> None:
    given = features()
    given["b"] = {"kind": "numeric", "encoding": "passthrough", "imputation": "none"}
    with pytest.raises(ContractError, match="give b an imputation"):
        compiled(given, {"pca": {"features": ["a", "b"], "components": 1}})


@pytest.mark.parametrize("method", ["weights", "oversample", "undersample", "smote"])
@pytest.mark.parametrize("problem", ["regression", "forecasting", "clustering"])
def test_without_classes_nothing_is_evened_out(method: str, problem: str) -> None:
    with pytest.raises(ContractError) as caught:
        compiled(features(), {"imbalance": {"method": method}}, problem)
    refused(caught.value, "imbalance.method", f"none for {problem}", "binary and multiclass")
    assert (
        compiled(features(), {"imbalance": {"method": method}}, "multiclass")["imbalance"]["method"] == method
    )


def test_without_a_label_there_is_no_target_encoding() -> None:
    given = features()
    given["site"]["encoding"] = "target"
    assert compiled(given)
    with pytest.raises(ContractError, match="clustering has no label to average"):
        compiled(given, problem="clustering")


@pytest.mark.parametrize(
    ("section", "allowed"),
    [
        ({"features": ["a", "site"]}, "a, b, c, day"),
        ({"features": ["b", "c"]}, "a as well"),
        ({"sample": 10, "neighbours": 50}, "at most the sample of 10"),
        ({"sample": 10**6}, "from 10 to 5000"),
    ],
)
def test_neighbours_are_near_by_numbers(section: dict[str, Any], allowed: str) -> None:
    given = features()
    given["a"]["imputation"] = "knn"
    with pytest.raises(ContractError) as caught:
        compiled(given, {"knn": section})
    assert allowed in str(caught.value.allowed)


def test_compiled_preparation_says_every_default() -> None:
    given = features()
    given["a"]["imputation"], given["b"] = "knn", {**given["a"], "imputation": "iterative"}
    assert compiled(given) == {
        "interactions": [],
        "pca": None,
        "imbalance": {"method": "none"},
        "knn": {"neighbours": 5, "sample": 1000, "features": ["a", "b", "c", "day"]},
        "iterative": {"rounds": 5, "sample": 20000, "features": ["a", "b", "c", "day"]},
        "known_before": [],
    }


def test_contract_and_job_know_the_same_steps() -> None:
    assert {kind: set(names) for kind, names in job.ENCODINGS.items()} == preparation.ENCODINGS
    assert {kind: set(names) for kind, names in job.IMPUTATIONS.items()} == preparation.IMPUTATIONS
    assert set(scaling.SCALINGS) == preparation.SCALINGS
    assert set(text.STOP_WORDS) == preparation.STOP_WORDS
    assert set(outliers.METHODS) == options.OUTLIER_METHODS
    assert {rule: set(keys) for rule, keys in outliers.DEFAULTS.items()} == {
        rule: set(keys) for rule, keys in options.OUTLIER_RULES.items()
    }
    assert set(imbalance.METHODS) == set(options.IMBALANCE)
    assert set(imbalance.DEFAULTS) | set(smote.DEFAULTS) == set(options.IMBALANCE["smote"])
    for name, ours in (("knn", imputation.KNN), ("iterative", imputation.ITERATIVE)):
        assert {key: default for key, (_, _, default) in options.ACROSS[name].items()} == ours


def documented() -> set[str]:
    return {word for code in re.findall(r"`([^`\n]+)`", DOCUMENT) for word in re.findall(r"[a-z_]+", code)}


def test_document_names_every_step_and_every_key() -> None:
    keys = {"kind", "encoding", "imputation"} | set().union(*preparation.KEYS.values())
    keys |= set().union(*preparation.ENCODINGS.values(), *preparation.IMPUTATIONS.values())
    keys |= (
        preparation.SCALINGS | preparation.STOP_WORDS | set(options.OUTLIER_METHODS) | options.OUTLIER_KEYS
    )
    keys |= set(options.BINS) | {"quantile", "uniform"} | set(options.TOGETHER) | set(options.IMBALANCE)
    keys |= options.IMBALANCE_KEYS | {key for step in options.ACROSS.values() for key in step}
    keys |= {"features", "components", "replace"}
    assert keys - documented() == set()


def test_document_shows_limits_and_defaults() -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("|")]
    for name, limits in options.ACROSS.items():
        for key, (low, high, default) in limits.items():
            row = next(line for line in rows if f"`{name}.{key}`" in line)
            assert f"{low:,} to {high:,}" in row
            assert f"default {default:,}" in row
    for rule, keys in outliers.DEFAULTS.items():
        row = next(line for line in rows if line.startswith(f"| `{rule}`"))
        for key, default in keys.items():
            assert f"`{key}` (default {default:g})" in row


@pytest.mark.parametrize("name", ["flights", "diabetes"])
def test_shipped_contracts_use_steps_of_several_kinds(name: str) -> None:
    model = load(name)["model"]
    used = {key for entry in model["features"].values() for key in entry}
    used |= {entry["imputation"] for entry in model["features"].values()}
    used |= {entry["encoding"] for entry in model["features"].values()}
    expected = {
        "flights": {"cyclic", "outliers", "target", "one_hot"},
        "diabetes": {"scaling", "outliers", "bins", "knn", "iterative"},
    }
    assert expected[name] <= used
    assert model["preparation"]["interactions"]
