"""Tests between two models: McNemar, paired bootstrap, and p-values of several at once."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as oracle
from statsmodels.stats.contingency_tables import mcnemar as exact_mcnemar
from statsmodels.stats.multitest import multipletests
from tabular import comparison, metrics


def decisions(only_ours: int, only_other: int) -> tuple[np.ndarray, np.ndarray]:
    both = 40
    ours = np.array([True] * (both + only_ours) + [False] * (only_other + both))
    other = np.array([True] * both + [False] * only_ours + [True] * only_other + [False] * both)
    return ours, other


@pytest.mark.parametrize(("only_ours", "only_other"), [(12, 3), (3, 12), (9, 9), (5, 0), (200, 150)])
def test_mcnemars_mid_p_lies_half_an_outcome_below_the_exact_p(only_ours: int, only_other: int) -> None:
    ours, other = decisions(only_ours, only_other)
    found = comparison.mcnemar(ours, other)
    table = [[40, only_ours], [only_other, 40]]
    exact = exact_mcnemar(table, exact=True).pvalue
    least = min(only_ours, only_other)
    expected = exact - stats.binom.pmf(least, only_ours + only_other, 0.5)
    assert found.p == pytest.approx(1.0 if only_ours == only_other else expected)
    assert found.difference == pytest.approx((only_ours - only_other) / len(ours))


def test_two_models_that_decide_alike_are_not_told_apart() -> None:
    right = np.array([True, False, True])
    assert comparison.mcnemar(right, right).p == 1.0


P = [0.001, 0.04, 0.03, 0.2, 0.8, 0.011]


def test_adjusted_p_values_agree_with_statsmodels() -> None:
    assert comparison.holm(P) == pytest.approx(multipletests(P, method="holm")[1])
    assert comparison.benjamini_hochberg(P) == pytest.approx(multipletests(P, method="fdr_bh")[1])


def test_an_unknown_p_value_stays_unknown_and_does_not_count() -> None:
    known = comparison.holm([P[0], P[1]])
    assert comparison.holm([P[0], None, P[1]]) == [known[0], None, known[1]]
    assert comparison.holm([None]) == [None]
    assert comparison.benjamini_hochberg([]) == []


def two_models(days: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    label = random.normal(100, 10, days)
    return label, label + random.normal(0, 3, days), label + random.normal(0, 4, days), np.arange(days)


def test_the_paired_bootstrap_of_days_agrees_with_that_of_scipy() -> None:
    label, ours, other, days = two_models()
    found = comparison.bootstrapped(
        metrics.Measure("regression", label, ours),
        metrics.Measure("regression", label, other),
        "rmse",
        days,
        lower_is_better=True,
        replicates=2_000,
    )

    def gain(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.sqrt((b**2).mean(axis=axis)) - np.sqrt((a**2).mean(axis=axis))

    expected = stats.bootstrap(
        (ours - label, other - label), gain, paired=True, method="percentile", n_resamples=2_000, rng=1
    )
    root = oracle.root_mean_squared_error
    assert found.difference == pytest.approx(root(label, other) - root(label, ours))
    interval = expected.confidence_interval
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.1)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.1)
    assert (found.p < 0.05) == (found.low > 0)


def test_no_number_of_draws_proves_a_chance_of_zero() -> None:
    label, ours, _, days = two_models()
    found = comparison.bootstrapped(
        metrics.Measure("regression", label, ours),
        metrics.Measure("regression", label, ours + 50),
        "rmse",
        days,
        lower_is_better=True,
        replicates=100,
    )
    assert found.p == pytest.approx(2 / 101)
    assert found.low > 40


def test_a_metric_that_is_not_defined_has_no_comparison() -> None:
    label, score = np.ones(20), np.linspace(0.1, 0.9, 20)
    measure = metrics.Measure("binary", label, score)
    days = np.arange(20)
    assert comparison.bootstrapped(measure, measure, "roc_auc", days, lower_is_better=False) is None
