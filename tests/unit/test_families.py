"""Model families: what scikit-learn or XGBoost fitted is applied as the library itself would."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as judged
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from tabular import families
from tabular.families import arguments, losses
from tabular.families.base import ArtefactError, Member, Predictor, Rows, TrainingDiverged
from tabular.families.folds import FoldError, forward, left_out

from tests.any_rows import any_task, bundled, fitted


def member(name: str, family: str, **given: Any) -> Member:
    return Member(name=name, family=family, hyperparameters=arguments.typed(family, given))


MEMBERS = (member("a", "xgboost", num_round=20, max_depth=3), member("b", "forest", trees=20))
# One of each family and problem: what is fitted, and with what.
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("logistic", "binary", {"alpha": 0.01}),
    ("logistic", "multiclass", {"alpha": 0.01}),
    ("linear", "regression", {"alpha": 0.1}),
    ("tree", "binary", {}),
    ("tree", "multiclass", {}),
    ("forest", "regression", {"trees": 20}),
    ("forest", "multiclass", {"trees": 10}),
    ("xgboost", "binary", {"num_round": 20}),
    ("xgboost", "multiclass", {"num_round": 10}),
    ("xgboost", "regression", {"num_round": 20, "max_depth": 2, "booster": "dart", "rate_drop": 0.2}),
    ("stack", "binary", {"members": (*MEMBERS, member("c", "logistic"))}),
    ("stack", "multiclass", {"members": (member("b", "forest", trees=10), member("c", "logistic"))}),
    ("stack", "regression", {"members": (member("b", "tree"), member("c", "linear"))}),
    ("kmeans", "clustering", {"clusters": 3}),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request: pytest.FixtureRequest) -> tuple[str, str, families.Trained]:
    family, problem, given = request.param
    return family, problem, fitted(family, problem, **given)


def stored(folder: Path, predictor: Predictor) -> Predictor:
    for name, data in predictor.files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return families.load(predictor.kind, folder)


def test_a_loaded_predictor_answers_as_before_row_by_row_too(
    case: tuple[str, str, families.Trained], tmp_path: Path
) -> None:
    _, problem, trained = case
    _, held = bundled(problem)
    before = trained.predictor.predict(held.matrix)
    after = stored(tmp_path, trained.predictor)
    np.testing.assert_array_equal(after.predict(held.matrix), before)
    assert after.columns == held.matrix.shape[1]
    for place in range(5):
        row = after.predict_row(held.matrix[place : place + 1])
        np.testing.assert_array_equal(np.asarray(row), before[place])


def test_scores_have_the_shape_and_range_of_the_problem(case: tuple[str, str, families.Trained]) -> None:
    _, problem, trained = case
    train, held = bundled(problem)
    scores = trained.predictor.predict(held.matrix)
    if problem == "multiclass":
        assert scores.shape == (len(held), 3)
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    else:
        assert scores.shape == (len(held),)
    if problem in ("binary", "multiclass"):
        assert 0 <= scores.min() <= scores.max() <= 1
    if problem == "clustering":
        assert set(np.unique(scores)) == {0.0, 1.0, 2.0}


def test_learns_more_than_the_mean_of_the_label(case: tuple[str, str, families.Trained]) -> None:
    _, problem, trained = case
    train, held = bundled(problem)
    found = losses.validation(trained.history[trained.best_round])
    if problem == "clustering":
        assert found < 0.6  # 1 - silhouette of iris in scaled columns is about 0.54
        return
    mean = train.label.mean()
    if problem == "multiclass":
        mean = np.bincount(train.label.astype(int)) / len(train)
        constant = losses.of_scores(problem, held.label, np.tile(mean, (len(held), 1)))
    else:
        constant = losses.of_scores(problem, held.label, np.full(len(held), mean))
    assert found < 0.85 * constant


def test_missing_values_are_scored(case: tuple[str, str, families.Trained]) -> None:
    _, problem, trained = case
    _, holes = bundled(problem, missing=0.3)
    assert np.isfinite(trained.predictor.predict(holes.matrix)).all()


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
def test_logistic_models_answer_as_the_library(problem: str) -> None:
    train, held = bundled(problem)
    alpha = 0.01
    library = make_pipeline(StandardScaler(), LogisticRegression(C=1 / (alpha * len(train)), max_iter=300))
    library.fit(train.matrix.astype(np.float64), train.label)
    expected = library.predict_proba(held.matrix.astype(np.float64))
    found = fitted("logistic", problem, alpha=alpha).predictor.predict(held.matrix)
    np.testing.assert_allclose(found, expected[:, 1] if problem == "binary" else expected, atol=1e-6)


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_linear_models_answer_as_the_library(ratio: float) -> None:
    train, held = bundled("regression")
    alpha = 0.5
    estimator = Ridge(alpha * len(train)) if ratio == 0 else ElasticNet(alpha=alpha, l1_ratio=ratio)
    library = make_pipeline(StandardScaler(), estimator).fit(train.matrix.astype(np.float64), train.label)
    found = fitted("linear", "regression", alpha=alpha, l1_ratio=ratio).predictor.predict(held.matrix)
    np.testing.assert_allclose(found, library.predict(held.matrix.astype(np.float64)), rtol=1e-6)


def test_l1_takes_columns_out_and_l2_only_shrinks_them() -> None:
    lasso = fitted("logistic", "binary", alpha=0.02, l1_ratio=1.0, max_iter=2000)
    ridge = fitted("logistic", "binary", alpha=0.02)
    assert lasso.notes["columns_used"] < 15 < ridge.notes["columns_used"] == 30
    weak = fitted("logistic", "binary", alpha=0.001).predictor.coefficients
    assert np.abs(ridge.predictor.coefficients).sum() < np.abs(weak).sum()


def test_one_tree_answers_as_the_librarys() -> None:
    """Gini's impurity and the squared error of a 0/1 label choose the same splits."""
    train, held = bundled("binary")
    library = DecisionTreeClassifier(max_depth=3, min_samples_leaf=20, random_state=0)
    library.fit(train.matrix, train.label)
    found = fitted("tree", "binary", max_depth=3, min_child_weight=20, tree_method="exact")
    np.testing.assert_allclose(
        found.predictor.predict(held.matrix), library.predict_proba(held.matrix)[:, 1], atol=1e-5
    )


def test_a_forest_is_as_good_as_the_librarys() -> None:
    train, held = bundled("binary")
    library = RandomForestClassifier(100, min_samples_leaf=5, random_state=0).fit(train.matrix, train.label)
    expected = judged.log_loss(held.label, library.predict_proba(held.matrix)[:, 1])
    found = fitted("forest", "binary", trees=100, colsample_bynode=0.2).predictor.predict(held.matrix)
    assert judged.log_loss(held.label, found) < 1.15 * expected


def test_more_trees_vary_less() -> None:
    def spread(trees: int) -> float:
        train, held = bundled("regression")
        scores = [
            fitted("forest", "regression", trees=trees, seed=seed).predictor.predict(held.matrix)
            for seed in range(4)
        ]
        return float(np.std(scores, axis=0).mean())

    assert spread(30) < 0.5 * spread(1)


def test_clusters_are_those_of_the_library() -> None:
    train, held = bundled("clustering")
    scaler = StandardScaler().fit(train.matrix.astype(np.float64))
    library = KMeans(3, n_init=10, random_state=0).fit(scaler.transform(train.matrix.astype(np.float64)))
    trained = fitted("kmeans", "clustering", clusters=3)
    scaled = scaler.transform(held.matrix.astype(np.float64))
    found = trained.predictor.predict(held.matrix)
    assert judged.adjusted_rand_score(library.predict(scaled), found) == 1.0
    expected = judged.silhouette_score(scaled, found)
    assert losses.validation(trained.history[0]) == pytest.approx(1 - expected, abs=1e-6)


def test_exact_contributions_add_up_to_the_score() -> None:
    _, held = bundled("regression")
    for family, given in (
        ("linear", {"alpha": 0.1}),
        ("forest", {"trees": 10}),
        ("xgboost", {"num_round": 9}),
    ):
        predictor = fitted(family, "regression", **given).predictor
        rest = predictor.predict(held.matrix) - predictor.contributions(held.matrix).sum(axis=1)
        np.testing.assert_allclose(rest, rest[0], rtol=1e-4)
    several = fitted("forest", "multiclass", trees=5).predictor.contributions(bundled("multiclass")[1].matrix)
    assert several.shape[1:] == (13, 3)


def test_the_steps_of_treeshap_are_those_of_the_trees_that_xgboost_lists() -> None:
    predictor = fitted("forest", "binary", trees=4, max_depth=5).predictor
    steps = 0
    for _, tree in predictor.booster.trees_to_dataframe().groupby("Tree"):
        above = {child: row.ID for row in tree.itertuples() for child in (row.Yes, row.No) if child == child}

        def depth(node: str, above: dict[str, str] = above) -> int:
            return 1 + depth(above[node]) if node in above else 0

        leaves = tree[tree.Feature == "Leaf"].ID
        steps += len(leaves) * max(map(depth, leaves)) ** 2
    assert predictor.shap_steps() == steps > 100


def test_a_stack_is_no_worse_than_its_members_and_trusts_none_that_learned_by_heart() -> None:
    """One deep tree knows its training rows by heart: scores of these rows would make it look perfect."""
    heart = member("heart", "tree", max_depth=20, min_child_weight=1)
    sound = member("sound", "logistic", alpha=0.001)
    trained = fitted("stack", "binary", members=(heart, sound))
    weights = dict(zip(("heart", "sound"), trained.notes["weights"][0], strict=True))
    assert weights["sound"] > weights["heart"]
    alone = [entry["validation"] for entry in trained.notes["members"]]
    assert losses.validation(trained.history[0]) <= min(alone) * 1.1


def test_weights_of_rows_count_as_repeated_rows() -> None:
    train, held = bundled("binary")
    twice = np.concatenate([np.arange(len(train)), np.flatnonzero(train.label == 1)])
    weight = np.where(train.label == 1, 2.0, 1.0)
    weighted = Rows(matrix=train.matrix, label=train.label, date=train.date, weight=weight)
    for family, given in (("logistic", {}), ("tree", {"tree_method": "exact", "max_depth": 3})):
        found = fitted(family, "binary", (weighted, held), **given).predictor.predict(held.matrix)
        repeated = fitted(family, "binary", (train.take(twice), held), **given).predictor.predict(held.matrix)
        np.testing.assert_allclose(found, repeated, atol=1e-4)


def test_dropout_keeps_all_its_rounds() -> None:
    given = {"num_round": 30, "early_stopping_rounds": 2, "booster": "dart", "rate_drop": 0.5}
    trained = fitted("xgboost", "regression", **given)
    assert len(trained.history) == 30 == trained.best_round + 1
    assert not trained.stopped_early
    _, held = bundled("regression")
    found = losses.of_scores("regression", held.label, trained.predictor.predict(held.matrix))
    assert found == pytest.approx(losses.validation(trained.history[-1]), rel=1e-3)


@pytest.mark.parametrize(
    ("family", "problem", "given", "says"),
    [
        pytest.param("linear", "binary", {}, "cannot solve a binary problem, allowed", id="problem"),
        pytest.param("kmeans", "clustering", {"clusters": 1}, "clusters is 1, allowed", id="clusters"),
        pytest.param("logistic", "binary", {"alpha": -1}, "allowed are 0 or more", id="penalty"),
        pytest.param("xgboost", "binary", {"rate_drop": 0.1}, "with dart alone", id="dropout"),
        pytest.param("xgboost", "binary", {"booster": "gblinear"}, "allowed are gbtree, dart", id="booster"),
        pytest.param("stack", "binary", {}, "a stack of none", id="stack of none"),
        pytest.param("forest", "binary", {"tree": 3}, "tree is unknown to the family forest", id="unknown"),
        pytest.param("forest", "binary", {"trees": "x"}, "trees: invalid int value: 'x'", id="type"),
        pytest.param("svm", "binary", {}, "family 'svm' is unknown", id="family"),
    ],
)
def test_refuses_what_a_family_cannot_do(family: str, problem: str, given: dict[str, Any], says: str) -> None:
    with pytest.raises(families.HyperparameterError, match=says):
        fitted(family, problem, **given)


@pytest.mark.parametrize("family", ["linear", "forest", "xgboost"])
def test_a_label_that_trees_cannot_hold_fails_any_family(family: str) -> None:
    train, held = bundled("regression")
    wild = train.take(np.arange(len(train)))
    wild.label[3] = 1e200
    with pytest.raises(TrainingDiverged, match="1 labels of the training window are beyond single precision"):
        fitted(family, "regression", (wild, held))


@pytest.mark.parametrize("part", [0, 1])
def test_a_loss_that_is_no_number_fails_families_that_are_fitted_at_once(part: int) -> None:
    found = [0.5, 0.5]
    found[part] = float("nan")
    with pytest.raises(TrainingDiverged, match=("train", "validation")[part] + " rmse is nan"):
        losses.one_round("regression", *found)


def test_folds_keep_days_together_and_look_forward() -> None:
    date = bundled("binary")[0].date
    for inside, held in forward(date, 3):
        assert max(date[inside]) < min(date[held])
        assert not (inside & held).any()
    parts = left_out(date, 4)
    assert np.sum([held for _, held in parts], axis=0).tolist() == [1] * len(date)
    for inside, held in parts:
        assert not set(date[inside]) & set(date[held])
    with pytest.raises(FoldError, match="4 folds of 1 days"):
        left_out(np.array(["2024-01-01"] * 9), 4)


def test_a_damaged_predictor_is_refused(tmp_path: Path) -> None:
    trained = fitted("logistic", "binary")
    stored(tmp_path, trained.predictor)
    path = tmp_path / "coefficients.json"
    content = json.loads(path.read_text())
    for damage, says in (
        (lambda: path.write_text(json.dumps(content | {"intercept": [0, 1]})), "one line per intercept"),
        (lambda: path.write_text(json.dumps({"link": "logistic"})), "holds no linear model"),
        (lambda: path.write_text("{"), "is not JSON"),
        (lambda: path.unlink(), "no coefficients.json in the model folder"),
    ):
        damage()
        with pytest.raises(ArtefactError, match=says):
            families.load("linear", tmp_path)


def test_the_contract_and_the_job_know_the_same_hyperparameters() -> None:
    from contracts import hyperparameters

    assert {
        family: set(problems) for family, problems in families.PROBLEMS.items()
    } == hyperparameters.FAMILIES
    assert set(arguments.PARAMETERS) == set(hyperparameters.FAMILIES)
    for family, known in hyperparameters.HYPERPARAMETERS.items():
        types = arguments.allowed(family)
        assert set(types) == set(known), family
        for name, allowed in known.items():
            is_number = isinstance(allowed, hyperparameters.Number)
            expected = (int if allowed.whole else float) if is_number else str
            assert types[name] is expected, (family, name)
        hyperparameters.check(
            "defaults", family, {k: v for k, v in arguments.typed(family).items() if v != ""}
        )


def test_any_task_names_every_column() -> None:
    assert len(any_task("binary", bundled("binary")[0]).columns) == 30
