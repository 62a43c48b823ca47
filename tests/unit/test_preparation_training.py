"""What trains: rows deleted and trimmed, classes weighed and resampled, in training and nowhere else."""

import numpy as np
import pytest
from tabular import preparation
from tabular.preparation import imbalance, outliers

from tests.any_model import agreed, any_contract
from tests.any_preparation import NOTE, ROWS, SITE, any_rows, learn, number

DROP = {"a": number(imputation="drop", value=-5), "c": number()}


def rare(share: float = 0.1) -> np.ndarray:
    """Labels of which few are 1; where they are c is mostly large."""
    order = (any_rows().columns["c"] + np.random.default_rng(9).normal(0, 0.5, ROWS)).argsort()
    label = np.zeros(ROWS)
    label[order[-int(share * ROWS) :]] = 1
    return label


def test_deletion_takes_training_rows_only_and_fills_what_is_served() -> None:
    given = any_rows()
    missing = np.isnan(given.columns["a"])
    prepared, fitted = learn(DROP)
    assert 0 < missing.sum() < ROWS
    assert fitted.rows.tolist() == np.flatnonzero(~missing).tolist()
    assert fitted.label.tolist() == given.label[~missing].tolist()
    assert prepared.matrix(given).shape == (ROWS, 2)
    assert (prepared.matrix(given)[missing, 0] == -5).all()
    assert prepared.row({"a": None, "c": 0})[0].tolist() == [-5, 0]


def test_deletion_comes_before_every_number_that_is_fitted() -> None:
    given = any_rows()
    kept = ~np.isnan(given.columns["a"])
    prepared, _ = learn({**DROP, "c": number(scaling="z_score")})
    centre = prepared.to_json()["steps"][1]["centre"]
    assert centre == pytest.approx(given.columns["c"][kept].mean())
    assert centre != pytest.approx(given.columns["c"].mean())


@pytest.mark.parametrize(
    ("rule", "low", "high"),
    [
        pytest.param({"rule": "iqr", "factor": 1.0}, *(0.25, 0.75), id="iqr"),
        pytest.param({"rule": "quantile", "lower": 0.05, "upper": 0.9}, 0.05, 0.9, id="quantile"),
        pytest.param({"rule": "z", "limit": 1.5}, None, None, id="z"),
    ],
)
def test_outliers_are_those_beyond_the_bounds_of_training_rows(
    rule: dict, low: float | None, high: float | None
) -> None:
    values = any_rows().columns["b"]
    known = values[~np.isnan(values)]
    lower, upper = (
        np.quantile(known, [low, high])
        if low is not None
        else known.mean() + np.array([-1.5, 1.5]) * known.std()
    )
    if rule["rule"] == "iqr":
        lower, upper = lower - (upper - lower), upper + (upper - lower)
    capped, all_rows = learn({"b": number(outliers={"method": "cap", **rule})})
    trimmed, fewer = learn({"b": number(outliers={"method": "trim", **rule})})
    ordinary = np.isnan(values) | ((values >= lower) & (values <= upper))
    assert 0 < (~ordinary).sum() < ROWS / 2
    assert fewer.rows.tolist() == np.flatnonzero(ordinary).tolist()
    assert len(all_rows) == ROWS
    np.testing.assert_allclose(all_rows.matrix[:, 0], np.clip(values, lower, upper), rtol=1e-6)
    assert capped.row({"b": 1e9})[0, 0] == pytest.approx(upper)
    # Trimming is of training: a served row keeps what it has.
    assert trimmed.row({"b": 1e6})[0, 0] == 1e6


def test_logarithm_keeps_the_sign() -> None:
    prepared, _ = learn({"b": number(outliers={"method": "log"})})
    assert prepared.row({"b": -9})[0, 0] == pytest.approx(-np.log(10))
    assert prepared.row({"b": 9})[0, 0] == pytest.approx(np.log(10))
    assert outliers.signed_log(np.array([0.0]))[0] == 0


def test_midnight_is_beside_a_minute_before_it() -> None:
    prepared, _ = learn({"minute": number(encoding="cyclic", period=1440)})
    late, early, noon = (prepared.row({"minute": minute})[0] for minute in (1439, 0, 720))
    assert prepared.columns == ["minute:sin", "minute:cos"]
    assert np.linalg.norm(late - early) < 0.01
    assert np.linalg.norm(noon - early) == pytest.approx(2)
    np.testing.assert_allclose(prepared.row({"minute": 360})[0], [1, 0], atol=1e-6)


def test_components_replace_their_features_unless_they_stay() -> None:
    features = {name: number(imputation="mean") for name in "abd"}
    wanted = {"features": ["a", "b", "d"], "components": 2}
    assert learn(features, {"pca": wanted})[0].columns == ["pca:1", "pca:2"]
    both, _ = learn(features, {"pca": wanted | {"replace": False}, "interactions": [["a", "d"]]})
    assert both.columns == ["a", "b", "d", "a*d", "pca:1", "pca:2"]


def test_what_adds_up_by_column_adds_up_by_feature() -> None:
    features = {name: number(imputation="mean") for name in "abd"} | {"site": SITE}
    wanted = {"pca": {"features": ["a", "b", "d"], "components": 2, "replace": False}}
    prepared, fitted = learn(features, wanted | {"interactions": [["a", "b"], ["d", "d"]]})
    given = np.random.default_rng(2).normal(size=fitted.matrix.shape)
    found = prepared.by_feature(given)
    assert list(found) == ["a", "b", "d", "site"]
    np.testing.assert_allclose(sum(found.values()), given.sum(axis=1))
    np.testing.assert_allclose(found["site"], given[:, 3:6].sum(axis=1))
    loadings = prepared.components.loadings
    half = given[:, 0] + given[:, 6] / 2 + given[:, 8:] @ (loadings[:, 0] ** 2)
    np.testing.assert_allclose(found["a"], half)


def test_class_weights_give_each_class_the_same_weight() -> None:
    _, fitted = learn({"c": number()}, {"imbalance": {"method": "weights"}}, any_rows(rare()))
    assert fitted.weight.mean() == pytest.approx(1)
    assert fitted.weight[fitted.label == 1].sum() == pytest.approx(fitted.weight[fitted.label == 0].sum())
    assert fitted.rows.tolist() == list(range(ROWS))


def test_oversampling_repeats_rows_of_the_rare_class() -> None:
    given = any_rows(rare())
    options = {"method": "oversample", "ratio": 0.5}
    _, fitted = learn({"c": number()}, {"imbalance": options}, given)
    assert fitted.rows[:ROWS].tolist() == list(range(ROWS))
    assert (given.label[fitted.rows[ROWS:]] == 1).all()
    assert (fitted.label == 1).sum() == (fitted.label == 0).sum() / 2 == 135
    np.testing.assert_array_equal(fitted.matrix[:, 0], given.columns["c"][fitted.rows].astype(np.float32))


def test_undersampling_keeps_some_rows_of_the_frequent_class() -> None:
    given = any_rows(rare())
    _, fitted = learn({"c": number()}, {"imbalance": {"method": "undersample", "ratio": 0.5}}, given)
    assert (fitted.label == 1).sum() == 30
    assert (fitted.label == 0).sum() == 60
    assert len(set(fitted.rows)) == 90
    assert (given.label[fitted.rows] == fitted.label).all()


SMOTE = {
    "a": number(),
    "c": number(),
    "minute": number(encoding="cyclic", period=1440),
    "gate": {**SITE, "encoding": "target"},
    "site": SITE,
    "note": NOTE,
}


def test_synthetic_rows_lie_between_rows_of_the_rare_class() -> None:
    given = any_rows(rare(0.2))
    prepared, fitted = learn(SMOTE, {"imbalance": {"method": "smote"}}, given)
    made = fitted.rows == -1
    assert made.sum() == 240 - 60
    assert (fitted.label[made] == 1).all()
    assert (fitted.rows[~made] == np.arange(ROWS)).all()
    members, values = given.label == 1, fitted.matrix[made]
    place = {name: index for index, name in enumerate(prepared.columns)}
    c = given.columns["c"][members]
    assert c.min() - 1e-6 <= values[:, place["c"]].min() <= values[:, place["c"]].max() <= c.max() + 1e-6
    # Between, and not copies of, the real ones.
    assert np.isin(values[:, place["c"]], c.astype(np.float32)).mean() < 0.1
    # What follows from a raw feature is true of the synthetic one: the circle, and one category at a time.
    circle = values[:, [place["minute:sin"], place["minute:cos"]]]
    np.testing.assert_allclose(np.linalg.norm(circle, axis=1), 1, rtol=1e-5)
    sites = values[:, [place[name] for name in ("site=N", "site=S", "site=W")]]
    assert set(sites.sum(axis=1)) <= {0.0, 1.0}
    assert set(np.unique(sites)) == {0.0, 1.0}


def test_synthetic_rows_read_no_label_of_their_parents() -> None:
    """With one gate per fold, the encoding out of fold has never seen it: all get the mean of the others."""
    given = any_rows(rare(0.2))
    folds = np.arange(ROWS) % preparation.FOLDS
    given.columns["gate"][:] = [f"fold {fold}" for fold in folds]
    _, fitted = learn({"c": number(), "gate": SMOTE["gate"]}, {"imbalance": {"method": "smote"}}, given)
    overall = [given.label[folds != fold].mean() for fold in range(preparation.FOLDS)]
    made = fitted.matrix[fitted.rows == -1, 1]
    assert {round(float(value), 5) for value in made} <= {round(value, 5) for value in overall}


@pytest.mark.parametrize("method", ["weights", "oversample", "undersample", "smote"])
def test_what_is_judged_is_prepared_the_same_with_and_without(method: str) -> None:
    given = any_rows(rare(0.2))
    plain, _ = learn(SMOTE, {}, given)
    resampled, _ = learn(SMOTE, {"imbalance": {"method": method}}, given)
    assert resampled.to_json() == plain.to_json()
    assert len(resampled.matrix(given)) == ROWS


@pytest.mark.parametrize("method", ["none", "weights", "oversample", "undersample", "smote"])
def test_new_rows_for_an_old_preparation_are_evened_out_too(method: str) -> None:
    given = any_rows(rare(0.2))
    features = {**SMOTE, "b": number(imputation="drop", value=0)}
    old, _ = learn(features, {}, given.take(np.arange(150)))
    compiled = any_contract(features=features, preparation={"imbalance": {"method": method}})
    new = given.take(np.arange(150, 300))
    fitted = preparation.continued(old, new, agreed(compiled))
    known = ~np.isnan(new.columns["b"])
    weight = [fitted.weight[fitted.label == name].sum() for name in (0, 1)]
    assert 0 < known.sum() < 150
    assert known[fitted.rows[fitted.rows >= 0]].all()
    assert (weight[0] == pytest.approx(weight[1])) == (method != "none")
    assert (fitted.rows == -1).any() == (method == "smote")
    # An encoding that knows none of these labels is applied as it is.
    real = fitted.rows >= 0
    np.testing.assert_array_equal(fitted.matrix[real], old.matrix(new)[fitted.rows[real]])


def test_three_classes_come_to_the_same_size() -> None:
    label = np.repeat([0.0, 1.0, 2.0], [180, 80, 40])
    assert imbalance.wanted(label, 1.0) == {1.0: 100, 2.0: 140}
    chosen = imbalance.undersampled(label, {})
    assert np.unique(label[chosen], return_counts=True)[1].tolist() == [40, 40, 40]


ALL_MISSING = np.full(ROWS, np.nan)


@pytest.mark.parametrize(
    ("features", "together", "error"),
    [
        ({"a": number(imputation="mean")}, {}, "a: all 300 training rows lack it, so it has no mean"),
        ({"a": number(imputation="knn"), "c": number()}, {}, "a: no training row that is looked at"),
        ({"a": number(imputation="iterative"), "c": number()}, {}, "a: no training row that is looked at"),
        ({"a": number(scaling="z_score")}, {}, "a: no training row has a value, so there is no z_score"),
        ({"a": number(outliers={"method": "cap"})}, {}, "a: no training row has a value, outlier bounds"),
        (
            {"a": number(encoding="bins", bins={"count": 3, "strategy": "uniform"})},
            {},
            "a: the training rows hold 0 different values, bins need two",
        ),
        ({"a": number(imputation="drop", value=0)}, {}, "leave none of 300 training rows"),
        (
            {"b": number(), "c": number()},
            {"pca": {"features": ["b", "c"], "components": 1}},
            "pca: b lacks values that nothing fills",
        ),
        ({"gate": NOTE}, {}, None),
        (
            {"gate": {**NOTE, "encoding": "lsa", "terms": 50, "dimensions": 20}},
            {},
            "gate: an embedding of 20 dimensions from 9 terms",
        ),
        (
            {"note": {**NOTE, "stop_words": "english"}},
            {},
            "note: no training row has a word beside stop words",
        ),
    ],
)
def test_the_impossible_is_refused_before_training(features: dict, together: dict, error: str | None) -> None:
    given = any_rows()
    given.columns["a"][:] = np.nan
    given.columns["note"][:] = "the and of it"
    if error is None:
        learn(features, together, given)
    else:
        with pytest.raises(preparation.PreparationError, match=error):
            learn(features, together, given)


def test_more_components_than_rows_are_refused() -> None:
    wanted = {"pca": {"features": ["c", "minute"], "components": 2}}
    with pytest.raises(
        preparation.PreparationError, match="2 components from 1 training rows and 2 features"
    ):
        learn({"c": number(), "minute": number()}, wanted, any_rows().take(np.array([0])))


def test_synthetic_rows_of_too_few_are_refused() -> None:
    label = np.zeros(ROWS)
    label[:4] = 1
    with pytest.raises(
        preparation.PreparationError, match="class 1 has 4 training rows in a fold, more than 5"
    ):
        learn({"minute": number()}, {"imbalance": {"method": "smote"}}, any_rows(label))


def test_one_class_is_refused_where_classes_are_evened_out() -> None:
    with pytest.raises(preparation.PreparationError, match="all 300 training rows have the label 0"):
        learn({"c": number()}, {"imbalance": {"method": "oversample"}}, any_rows(np.zeros(ROWS)))
