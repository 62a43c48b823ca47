"""Metrics by problem type: every number is recomputed by a library."""

import numpy as np
import pytest
from sklearn import metrics as oracle
from sklearn.calibration import calibration_curve
from sklearn.preprocessing import StandardScaler
from statsmodels.tools import eval_measures
from tabular import clustering, metrics, multiclass, ranking
from tabular.frame import Frame

HALVES = np.full((2, 2), 0.5)


def classes(size: int = 400, count: int = 4, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities with ties, and weights of which some are zero."""
    random = np.random.default_rng(seed)
    label = random.choice(count, size, p=[0.5, 0.3, 0.15, 0.05])
    raw = random.dirichlet(np.ones(count), size) + 0.6 * np.eye(count)[label] * random.random((size, 1))
    score = np.round(raw, 1) + 0.01
    weight = random.integers(0, 3, size).astype(float)
    return label.astype(float), score / score.sum(axis=1, keepdims=True), weight


def test_multiclass_metrics_agree_with_scikit_learn_also_with_weights_and_ties() -> None:
    label, score, weight = classes()
    found = metrics.Measure("multiclass", label, score)(weight)
    chosen = score.argmax(axis=1)
    macro = {"average": "macro", "sample_weight": weight, "zero_division": 0}
    truth = np.eye(4)[label.astype(int)]
    expected = {
        "roc_auc": oracle.roc_auc_score(
            label, score, multi_class="ovr", average="macro", sample_weight=weight
        ),
        "pr_auc": oracle.average_precision_score(truth, score, average="macro", sample_weight=weight),
        "log_loss": oracle.log_loss(label, score, sample_weight=weight),
        "brier": oracle.brier_score_loss(label, score, sample_weight=weight),
        "accuracy": oracle.accuracy_score(label, chosen, sample_weight=weight),
        "precision": oracle.precision_score(label, chosen, **macro),
        "recall": oracle.recall_score(label, chosen, **macro),
        "f1": oracle.f1_score(label, chosen, **macro),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_the_table_by_class_and_the_matrix_agree_with_scikit_learn() -> None:
    label, score, _ = classes()
    found = multiclass.Measure(label, score, metrics.row_loss("multiclass", label, score))
    chosen = score.argmax(axis=1)
    assert found.counts().tolist() == oracle.confusion_matrix(label, chosen, labels=range(4)).tolist()
    expected = oracle.classification_report(label, chosen, output_dict=True, zero_division=0)
    for k, line in enumerate(found.by_class(["a", "b", "c", "d"])):
        one = (label == k).astype(float)
        assert line["class"] == "abcd"[k]
        assert line["rows"] == expected[f"{k}.0"]["support"]
        values = {"precision": line["precision"], "recall": line["recall"], "f1-score": line["f1"]}
        assert values == pytest.approx({name: expected[f"{k}.0"][name] for name in values})
        assert line["roc_auc"] == pytest.approx(oracle.roc_auc_score(one, score[:, k]))
        assert line["pr_auc"] == pytest.approx(oracle.average_precision_score(one, score[:, k]))


def test_a_class_without_rows_has_no_areas_and_does_not_pull_the_average_down() -> None:
    label, score, _ = classes()
    kept = label < 3
    found = metrics.Measure("multiclass", label[kept], score[kept])()
    areas = [oracle.roc_auc_score(label[kept] == k, score[kept, k]) for k in range(3)]
    assert found["roc_auc"] == pytest.approx(np.mean(areas))


@pytest.mark.parametrize(
    ("label", "score", "says"),
    [
        pytest.param([0.0, 2.0], HALVES, "label 2 in a problem of 2 classes, allowed are 0 to 1", id="high"),
        pytest.param([0.0, 0.5], HALVES, "label 0.5 in a problem of 2 classes", id="between"),
        pytest.param([0.0, 1.0], HALVES[0], r"shape \(2,\), allowed is \(rows, classes\)", id="flat"),
    ],
)
def test_labels_and_scores_that_do_not_fit_are_named(
    label: list[float], score: np.ndarray, says: str
) -> None:
    with pytest.raises(metrics.MeasureError, match=says):
        metrics.row_loss("multiclass", np.array(label), score)


def test_a_problem_without_a_loss_of_a_row_is_refused() -> None:
    with pytest.raises(metrics.MeasureError, match="'clustering' has no loss of a row, allowed are binary"):
        metrics.row_loss("clustering", np.ones(2), np.ones(2))


def test_the_calibration_error_is_that_of_scikit_learns_reliability_curve() -> None:
    random = np.random.default_rng(3)
    score = random.random(2_000)
    truth = 0.5 + 0.4 * (score - 0.5)  # too sure on both sides: errors of both signs
    label = (random.random(2_000) < truth).astype(float)
    rates, means = calibration_curve(label, score, n_bins=10, strategy="quantile")
    counts = np.histogram(score, np.quantile(score, np.linspace(0, 1, 11)))[0]
    found = metrics.Measure("binary", label, score)()["calibration_error"]
    assert found == pytest.approx((counts * np.abs(rates - means)).sum() / 2_000)
    assert metrics.Measure("binary", label, truth)()["calibration_error"] < found / 3


def test_the_calibration_error_of_several_classes_is_that_of_the_choice() -> None:
    label, score, _ = classes(2_000)
    right, sure = (score.argmax(axis=1) == label).astype(float), score.max(axis=1)
    found = metrics.Measure("multiclass", label, score)()["calibration_error"]
    assert found == pytest.approx(metrics.Measure("binary", right, sure)()["calibration_error"])


def test_forecasts_are_measured_against_the_seasonal_naive() -> None:
    random = np.random.default_rng(4)
    series = 100 + 10 * np.sin(np.arange(500) * 2 * np.pi / 7) + random.normal(0, 2, 500)
    label, naive = series[407:], series[400:493]
    score = label + random.normal(0.5, 1, len(label))
    scale = float(np.abs(series[7:400] - series[:393]).mean())
    found = metrics.Measure("forecasting", label, score, naive=naive, scale=scale)()
    expected = {
        "rmse": eval_measures.rmse(score, label),
        "mae": eval_measures.meanabs(score, label),
        "bias": eval_measures.bias(score, label),
        "mase": oracle.mean_absolute_error(label, score) / scale,
        "skill": 1 - oracle.mean_squared_error(label, score) / oracle.mean_squared_error(label, naive),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    same = metrics.Measure("forecasting", label, naive, naive=naive, scale=scale)()
    assert same["skill"] == 0, "the seasonal naive has no skill over itself"
    alone = metrics.Measure("forecasting", label, score)()
    assert (alone["skill"], alone["mase"]) == (None, None)


def clusters() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    number = random.choice(3, 300)
    return random.normal(0, 1, (300, 2)) + 4 * np.eye(3)[number][:, :2] * [1.0, 1_000.0], number.astype(float)


def test_clusters_are_measured_as_scikit_learn_does_in_standardised_columns() -> None:
    matrix, number = clusters()
    space = StandardScaler().fit_transform(matrix)
    found = clustering.metrics(matrix, number)
    assert found["silhouette"] == pytest.approx(oracle.silhouette_score(space, number))
    assert found["davies_bouldin"] == pytest.approx(oracle.davies_bouldin_score(space, number))
    assert found["calinski_harabasz"] == pytest.approx(oracle.calinski_harabasz_score(space, number))
    assert found["sizes"] == {f"{k}": int((number == k).sum()) for k in range(3)}
    assert clustering.row_loss(matrix, number).mean() == pytest.approx(1 - found["silhouette"])


def test_one_cluster_has_no_shape_and_the_worst_loss_of_a_random_one() -> None:
    matrix, _ = clusters()
    found = clustering.metrics(matrix, np.zeros(300))
    assert (found["silhouette"], found["davies_bouldin"]) == (None, None)
    assert clustering.row_loss(matrix, np.zeros(300)).tolist() == [1.0] * 300


def test_missing_values_stand_at_the_mean_of_their_column() -> None:
    matrix = np.array([[1.0, np.nan], [3.0, 2.0], [np.nan, 2.0]])
    assert clustering.standardised(matrix) == pytest.approx(np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))


def test_lists_are_measured_user_by_user_as_scikit_learn_does() -> None:
    random = np.random.default_rng(6)
    users = np.repeat([f"u{number}" for number in range(30)], 25).astype(object)
    relevance = (random.random(750) < 0.2).astype(float) * random.integers(1, 4, 750)
    score = relevance + random.normal(0, 2, 750)
    found = ranking.Measure(users, relevance, score, at=5)()
    table, scores = relevance.reshape(30, 25), score.reshape(30, 25)
    has = table.sum(axis=1) > 0
    expected = oracle.ndcg_score(table[has], scores[has], k=5)
    assert found["ndcg_at_5"] == pytest.approx(expected)
    top = np.argsort(-scores[has], axis=1)[:, :5]
    hits = np.take_along_axis(table[has] > 0, top, axis=1).sum(axis=1)
    assert found["recall_at_5"] == pytest.approx((hits / (table[has] > 0).sum(axis=1)).mean())
    assert found["users"] == has.sum()


def test_a_user_with_nothing_to_find_does_not_count() -> None:
    users = np.array(["a", "a", "b", "b"], dtype=object)
    found = ranking.Measure(users, np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.9, 0.1, 0.5, 0.4]), at=1)()
    assert found == {"recall_at_1": 1.0, "ndcg_at_1": 1.0, "users": 1.0}


def ranked_frame(users: list[str | None], items: list[str | None], label: list[float]) -> Frame:
    columns = {"user": np.array(users, dtype=object), "item": np.array(items, dtype=object)}
    return Frame(
        key=np.arange(len(users)).astype(object),
        date=np.full(len(users), "2024-01-01"),
        label=np.array(label),
        columns={**columns, "price": np.ones(len(users))},
    )


def test_lists_hold_all_that_training_knew_for_users_that_it_knew() -> None:
    train = ranked_frame(["a", "b", "b", None], ["x", "x", "y", "z"], [1.0, 1.0, 2.0, 1.0])
    later = ranked_frame(
        ["a", "a", "b", "stranger", "b"], ["y", "moon", "x", "x", "y"], [1.0, 1.0, 3.0, 1.0, 0.0]
    )
    found = ranking.pairs(train, later, "user", "item")
    listed = list(zip(found.user, found.frame.columns["item"], strict=True))
    grid = [(user, item) for user in "ab" for item in "xyz"]
    assert listed == [*grid, ("a", "moon")]
    assert found.relevance.tolist() == [0, 1, 0, 3, 0, 0, 1]
    assert found.popularity.tolist() == [2, 2, 1, 2, 2, 1, 0]
    assert found.known.tolist() == [True] * 6 + [False]
    assert np.isnan(found.frame.columns["price"]).all(), "nothing is known of the occasion"
