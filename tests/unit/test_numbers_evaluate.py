"""The rest of evaluation.json, each number by a library that the report does not call (docs/numbers.md)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import ndimage, stats
from scipy.spatial.distance import cdist
from sklearn import metrics as oracle
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW
from tabular import clustering, compared, comparison, fairness, metrics, multiclass, recalibrating, slices
from tabular.frame import Frame

from tests.any_model import WINDOWS, agreed, any_contract, any_frame

COSTS = {"cost_false_positive": 1.0, "cost_false_negative": 3.0}
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def scored(size: int = 400, digits: int = 2) -> Arrays:
    """Labels, scores and weights of which some are zero; few digits make ties."""
    random = np.random.default_rng(1)
    label = (random.random(size) < 0.3).astype(float)
    score = np.round(np.clip(random.normal(0.3 + 0.2 * label, 0.2), 0.01, 0.99), digits)
    return label, score, random.integers(0, 3, size).astype(float)


@pytest.mark.parametrize("scale", [1.0, 0.6])
def test_rates_means_and_costs_of_two_classes_agree_with_libraries(scale: float) -> None:
    label, score, weight = scored()
    score = scale * score  # said too high, and too low
    found = metrics.Measure("binary", label, score, threshold=0.4, costs=COSTS)(weight)
    rate, mean = (float(DescrStatsW(values, weights=weight).mean) for values in (label, score))
    assert (found["base_rate"], found["mean_score"]) == pytest.approx((rate, mean))
    assert found["calibration_gap"] == pytest.approx(abs(mean - rate))
    counts = oracle.confusion_matrix(label, score >= 0.4, sample_weight=weight)
    assert found["mean_cost"] == pytest.approx((counts * [[0, 1], [3, 0]]).sum() / counts.sum())


def test_means_and_gap_of_a_number_agree_with_statsmodels() -> None:
    random = np.random.default_rng(2)
    label, weight = random.normal(100, 10, 200), random.integers(1, 3, 200).astype(float)
    score = label + random.normal(1, 5, 200)
    found = metrics.Measure("regression", label, score)(weight)
    truth, said = DescrStatsW(label, weights=weight), DescrStatsW(score, weights=weight)
    expected = {
        "mean_label": truth.mean,
        "mean_score": said.mean,
        "bias": said.mean - truth.mean,
        "calibration_gap": abs(said.mean - truth.mean) / truth.std,
        "squared_error": oracle.mean_squared_error(label, score, sample_weight=weight),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_the_four_counts_are_those_of_scikit_learn() -> None:
    label, score, _ = scored()
    four = metrics.confusion(label, score, 0.4)
    matrix = [four[name] for name in ("true_negative", "false_positive", "false_negative", "true_positive")]
    assert matrix == oracle.confusion_matrix(label, score >= 0.4).ravel().tolist()


def test_every_point_of_the_curves_is_one_of_scikit_learn() -> None:
    label, score, _ = scored()
    found = metrics.curves(label, score)
    roc = np.column_stack(oracle.roc_curve(label, score, drop_intermediate=False))
    assert len(roc) == len(found["roc"]) > 70
    assert np.array(found["roc"])[1:] == pytest.approx(roc[1:])
    precision, recall, cuts = oracle.precision_recall_curve(label, score)
    expected = np.column_stack([recall[:-1], precision[:-1], cuts])[::-1]
    assert np.array(found["pr"]) == pytest.approx(expected)


def test_thinned_curves_keep_points_of_the_whole_ones() -> None:
    label, score, _ = scored(900, digits=9)
    found = metrics.curves(label, score)
    assert len(found["pr"]) == 200
    rate, recall, cuts = oracle.roc_curve(label, score, drop_intermediate=False)
    for x, y, cut in found["roc"][1:]:
        place = int(np.flatnonzero(cuts == cut)[0])
        assert (x, y) == pytest.approx((rate[place], recall[place]))


def test_reliability_bins_are_those_of_scikit_learn() -> None:
    label, score, _ = scored(1_000, digits=9)
    found = metrics.calibration(label, score)
    rates, means = calibration_curve(label, score, n_bins=10, strategy="quantile")
    assert [entry["mean_label"] for entry in found] == pytest.approx(rates)
    assert [entry["mean_score"] for entry in found] == pytest.approx(means)
    counts = pd.Series(score).groupby(pd.qcut(score, 10), observed=True).size()
    # A score on an edge itself counts on the other side of it.
    assert [entry["rows"] for entry in found] == pytest.approx(counts.tolist(), abs=1)


def test_intervals_are_those_of_scipys_bootstrap_of_days() -> None:
    label, score, _ = scored(600)
    days = np.repeat(np.arange(60), 10)
    found = metrics.intervals(metrics.Measure("binary", label, score), days, replicates=4_000)["brier"]
    daily = [oracle.brier_score_loss(label[days == day], score[days == day]) for day in range(60)]
    drawn = stats.bootstrap((daily,), np.mean, method="percentile", n_resamples=20_000, rng=1)
    assert found["value"] == pytest.approx(np.mean(daily))
    assert (found["low"], found["high"]) == pytest.approx(
        tuple(drawn.confidence_interval), abs=0.12 * drawn.standard_error
    )


def test_intervals_of_a_groups_rate_are_those_of_scipys_bootstrap_of_days() -> None:
    random = np.random.default_rng(3)
    group = random.choice(["a", "b"], 1_200).astype(object)
    date = np.array([f"2024-01-{1 + number % 30:02d}" for number in range(1_200)])
    label = (random.random(1_200) < 0.3 + 0.02 * (np.arange(1_200) % 30) / 3).astype(float)
    score = np.clip(random.normal(0.3 + 0.2 * label, 0.2), 0.01, 0.99)
    frame = Frame(key=np.arange(1_200).astype(object), date=date, label=label, columns={"group": group})
    asked = {"attributes": [{"feature": "group"}], "minimum_rows": 50}
    [entry] = fairness.report("binary", asked, frame, score, 0.4, replicates=2_000)["attributes"]
    table = pd.DataFrame({"date": date, "acted": score >= 0.4, "group": group})
    sums = table.pivot_table(index="date", columns="group", values="acted", aggfunc=["sum", "size"])

    def interval(statistic: Callable[..., np.ndarray], *columns: pd.Series) -> tuple[float, float]:
        drawn = stats.bootstrap(
            columns, statistic, paired=True, method="percentile", n_resamples=2_000, rng=1
        ).confidence_interval
        return drawn.low, drawn.high

    def rate(acted: np.ndarray, rows: np.ndarray, axis: int = -1) -> np.ndarray:
        return acted.sum(axis=axis) / rows.sum(axis=axis)

    def spread(*columns: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.abs(rate(*columns[:2], axis=axis) - rate(*columns[2:], axis=axis))

    by_group = {name: (sums["sum", name], sums["size", name]) for name in "ab"}
    for told in entry["groups"]:
        found = told["selection_rate"]
        expected = interval(rate, *by_group[told["group"]])
        assert (found["low"], found["high"]) == pytest.approx(expected, abs=0.006)
    found = entry["differences"]["demographic_parity_difference"]
    expected = interval(spread, *by_group["a"], *by_group["b"])
    assert (found["low"], found["high"]) == pytest.approx(expected, abs=0.008)


def test_a_groups_calibration_error_is_that_of_pandas_in_the_bins_of_all_rows() -> None:
    random = np.random.default_rng(4)
    group = random.choice(["a", "b"], 1_000).astype(object)
    score = random.random(1_000)
    # Too high in one bin, too low in the next: bins of another width would see nothing.
    wave = 0.25 * (-1.0) ** np.floor(10 * score)
    label = (random.random(1_000) < score + wave).astype(float)
    date = np.array([f"2024-01-{1 + number % 28:02d}" for number in range(1_000)])
    frame = Frame(key=np.arange(1_000).astype(object), date=date, label=label, columns={"group": group})
    asked = {"attributes": [{"feature": "group"}], "minimum_rows": 50}
    [entry] = fairness.report("binary", asked, frame, score, 0.5, replicates=10)["attributes"]
    table = pd.DataFrame({"bin": pd.qcut(score, 10, labels=False), "error": label - score})
    for told in entry["groups"]:
        inside = table[group == told["group"]]
        expected = inside.groupby("bin").error.sum().abs().sum() / len(inside)
        # Two scores on edges lie in the bin beside.
        assert told["calibration_error"]["value"] == pytest.approx(expected, abs=0.003)


def clustered(values: np.ndarray, days: np.ndarray) -> tuple[float, float, float, tuple[float, float]]:
    """Mean, its error by day, p and interval, of statsmodels."""
    fitted = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": days}, use_t=True
    )
    low, high = fitted.conf_int(0.05)[0]
    return fitted.params[0], fitted.bse[0], fitted.pvalues[0], (low, high)


def test_days_of_unequal_size_are_clustered_as_statsmodels_does() -> None:
    random = np.random.default_rng(5)
    days = np.sort(random.integers(0, 25, 700))
    gain = 0.02 + random.normal(0, 0.05, 25)[days] + random.normal(0, 0.1, 700)
    mean, error, p, interval = clustered(gain, days)
    found = comparison.paired(np.zeros(700), gain, days)
    assert (found.difference, found.standard_error) == pytest.approx((mean, error))
    assert found.p == pytest.approx(p)
    assert (found.low, found.high) == pytest.approx(interval)
    told = compared.Losses(loss=gain, days=days).interval(0.95)
    assert (told["value"], told["low"], told["high"]) == pytest.approx((mean, *interval))


def test_the_share_of_right_decisions_has_the_interval_of_statsmodels() -> None:
    random = np.random.default_rng(6)
    days = np.sort(random.integers(0, 25, 700))
    right, other = random.random(700) < 0.7, random.random(700) < 0.65
    mean, error, _, interval = clustered(right.astype(float) - other, days)
    found = comparison.mcnemar(right, other, days)
    assert (found.difference, found.standard_error) == pytest.approx((mean, error))
    assert (found.low, found.high) == pytest.approx(interval)


def test_delong_has_the_error_of_scipys_bootstrap_and_its_interval_is_normal() -> None:
    label, score, _ = scored(600, digits=9)
    other = score + np.random.default_rng(6).normal(0, 0.15, 600)
    found = comparison.delong(label, score, other)
    assert found is not None

    def gain(rows: np.ndarray) -> float:
        areas = [oracle.roc_auc_score(label[rows], each[rows]) for each in (score, other)]
        return float(areas[0] - areas[1])

    drawn = stats.bootstrap((np.arange(600),), gain, vectorized=False, n_resamples=600, rng=1, method="basic")
    assert found.standard_error == pytest.approx(drawn.standard_error, rel=0.1)
    at = stats.norm(found.difference, found.standard_error)
    assert (found.low, found.high) == pytest.approx(at.interval(0.95))
    assert found.p == pytest.approx(2 * min(at.cdf(0), at.sf(0)))


def test_worst_slices_agree_with_pandas_scipy_and_statsmodels() -> None:
    rows = any_frame().between(WINDOWS["validation_end"], WINDOWS["holdout_end"])
    random = np.random.default_rng(7)
    score, champion = (np.clip(random.normal(0.3 + 0.3 * rows.label, 0.2), 0.05, 0.95) for _ in "ab")
    loss, before = (metrics.row_loss("binary", rows.label, each) for each in (score, champion))
    found = slices.worst(agreed(any_contract()), rows, score, loss, before)
    expected = {}
    for name in ("site", "grade", "town"):
        values = pd.Series(rows.columns[name])
        for category in values.dropna().unique():
            inside = (values == category).to_numpy()
            if inside.sum() >= slices.ROWS:
                p = stats.ttest_ind(loss[inside], loss[~inside], equal_var=False).pvalue
                expected[name, category] = (inside, p)
    adjusted = dict(
        zip(expected, multipletests([p for _, p in expected.values()], method="fdr_bh")[1], strict=True)
    )
    assert len(expected) > len(found) == slices.WORST
    for entry in found:
        place = (entry["feature"], entry["value"])
        inside = expected[place][0]
        label, ours = rows.label[inside], score[inside]
        assert entry["rows"] == inside.sum()
        assert entry["loss"] == pytest.approx(oracle.log_loss(label, ours))
        gain = oracle.log_loss(label, champion[inside]) - oracle.log_loss(label, ours)
        assert entry["gain_over_champion"] == pytest.approx(gain)
        assert (entry["mean_label"], entry["mean_score"]) == pytest.approx((label.mean(), ours.mean()))
        assert entry["summary"] == f"roc_auc {oracle.roc_auc_score(label, ours):.4f}"
        assert entry["p_bh"] == pytest.approx(adjusted[place])


def test_shares_and_means_of_each_class_agree_with_pandas() -> None:
    random = np.random.default_rng(8)
    label = random.choice(3, 500, p=[0.6, 0.3, 0.1]).astype(float)
    score = random.dirichlet(np.ones(3), 500) + 0.5 * np.eye(3)[label.astype(int)]
    score /= score.sum(axis=1, keepdims=True)
    weight = random.integers(0, 3, 500).astype(float)
    loss = metrics.row_loss("multiclass", label, score)
    chosen = pd.DataFrame(score).idxmax(axis=1)
    for k, line in enumerate(multiclass.Measure(label, score, loss).by_class(["a", "b", "c"])):
        assert line["chosen"] == (chosen == k).sum()
        assert line["rate"] == pytest.approx((label == k).mean())
        assert line["mean_score"] == pytest.approx(pd.DataFrame(score)[k].mean())
    accuracy = oracle.accuracy_score(label, chosen, sample_weight=weight)
    sure = DescrStatsW(score.max(axis=1), weights=weight).mean
    found = metrics.Measure("multiclass", label, score)(weight)
    assert found["calibration_gap"] == pytest.approx(abs(accuracy - sure))


def test_shapes_of_clusters_agree_with_their_definitions_in_scipys_distances() -> None:
    """The report asks scikit-learn: here distances and means are SciPy's."""
    random = np.random.default_rng(9)
    number = random.choice(3, 200)
    matrix = random.normal(0, 1, (200, 2)) * [1, 50] + 4 * np.eye(3)[number][:, :2] * [1, 50]
    found = clustering.metrics(matrix, number.astype(float))
    space = stats.zscore(matrix)
    centres = np.column_stack([ndimage.mean(column, number, range(3)) for column in space.T])
    sizes = np.bincount(number)
    to_centre = cdist(space, centres)
    inside = ndimage.mean(to_centre[np.arange(200), number], number, range(3))
    ratio = (inside[:, None] + inside) / (cdist(centres, centres) + np.diag([np.inf] * 3))
    assert found["davies_bouldin"] == pytest.approx(ratio.max(axis=1).mean())
    within = (to_centre[np.arange(200), number] ** 2).sum()
    between = (sizes * (centres**2).sum(axis=1)).sum()
    assert found["calinski_harabasz"] == pytest.approx((between / 2) / (within / 197))
    distances = cdist(space, space)
    means = np.column_stack([distances[:, number == k].sum(axis=1) for k in range(3)])
    own = means[np.arange(200), number] / (sizes[number] - 1)
    others = np.where(np.arange(3) == number[:, None], np.inf, means / sizes).min(axis=1)
    silhouette = (others - own) / np.maximum(own, others)
    assert found["silhouette"] == pytest.approx(silhouette.mean())
    assert clustering.silhouettes(matrix, number.astype(float)) == pytest.approx(silhouette)
    assert found["smallest_share"] == pytest.approx(sizes.min() / 200)


def test_losses_with_and_without_a_map_are_those_of_scikit_learns_map_on_other_days() -> None:
    random = np.random.default_rng(10)
    rows = any_frame().between(WINDOWS["train_end"], WINDOWS["validation_end"])
    raw = np.clip(random.normal(0.5 + 0.2 * rows.label, 0.15), 0.01, 0.99)
    contract = agreed(any_contract(evaluation={"recalibration": "isotonic"}))
    _, told = recalibrating.fit(contract, rows, raw)
    odd = (pd.factorize(rows.date, sort=True)[0] % 2).astype(bool)
    mapped = np.empty(len(rows))
    for half in (odd, ~odd):
        margin = 1 / ((~half).sum() + 2)
        fitted = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip")
        mapped[half] = fitted.fit(raw[~half], rows.label[~half]).predict(raw[half])
    after, before = (oracle.log_loss(rows.label, each) for each in (mapped, raw))
    assert f"a validation loss of {after:.4g} on days" in told["reason"]
    assert f"{before:.4g} without it" in told["reason"]


def test_the_loss_of_each_row_is_scikit_learns_of_that_row() -> None:
    label, score, _ = scored(40)
    found = metrics.row_loss("binary", label, score)
    assert found == pytest.approx(
        [oracle.log_loss([a], [b], labels=[0, 1]) for a, b in zip(label, score, strict=True)]
    )
    number = any_frame("regression").label[:40]
    assert metrics.row_loss("regression", number, number + score) == pytest.approx(
        oracle.mean_squared_error([number], [number + score], multioutput="raw_values")
    )
