"""The rest of the monitor's numbers, each by a library that the report does not call (docs/numbers.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import integrate, optimize, stats
from sklearn import metrics as oracle
from statsmodels.discrete.conditional_models import ConditionalLogit
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW
from tabular import concept, drift, sequential, split, statistics
from tabular.frame import Frame

from tests.any_captures import live, rule_scores, traffic, write_baseline, write_captures
from tests.any_model import WINDOWS, any_frame, read_json
from tests.unit.test_monitor import monitored


def table(frame: Frame) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(values) for name, values in frame.columns.items()})


def test_bins_of_a_number_are_quantiles_and_counts_of_pandas() -> None:
    random = np.random.default_rng(1)
    values = np.where(random.random(3_000) < 0.1, np.nan, random.normal(0, 1, 3_000))
    found = drift.bins(values)
    known = pd.Series(values)
    assert found["edges"] == pytest.approx(known.quantile(np.arange(1, 10) / 10).tolist())
    counts = pd.cut(known, [-np.inf, *found["edges"], np.inf], right=False).value_counts(sort=False)
    assert found["shares"][0] == pytest.approx(known.isna().mean())
    assert found["shares"][1] == 0, "zero is no frequent value here"
    assert found["shares"][2:] == pytest.approx((counts / len(values)).tolist())


def test_bins_of_categories_are_the_frequent_ones_of_pandas() -> None:
    random = np.random.default_rng(2)
    values = np.array([f"c{number:02d}" for number in random.zipf(1.3, 2_000) % 50], dtype=object)
    values[::20] = None
    found = drift.bins(values)
    counts = pd.Series(values).value_counts()
    assert len(found["categories"]) == drift.CATEGORIES < len(counts)
    shares = dict(zip(found["categories"], found["shares"][1:], strict=False))
    assert sorted(shares.values()) == pytest.approx(
        (counts.nlargest(drift.CATEGORIES) / len(values)).sort_values().tolist()
    )
    assert shares == pytest.approx((counts[found["categories"]] / len(values)).to_dict())
    assert found["shares"][0] == pytest.approx(0.05)
    assert found["shares"][-1] == pytest.approx(counts.iloc[drift.CATEGORIES :].sum() / 2_000)


def test_the_stability_index_is_the_sum_of_scipys_divergences_both_ways() -> None:
    random = np.random.default_rng(3)
    before = np.where(random.random(2_000) < 0.1, np.nan, random.normal(0, 1, 2_000))
    after = np.where(random.random(900) < 0.2, np.nan, random.normal(0.4, 1.2, 900))
    baseline = drift.bins(before)
    old, new = (
        np.delete(shares, 1) for shares in (np.array(baseline["shares"]), drift.shares(after, baseline))
    )
    assert min(*old, *new) > drift.FLOOR, "no bin is empty but that of zero"
    expected = stats.entropy(old, new) + stats.entropy(new, old)
    assert drift.psi(after, baseline) == pytest.approx(expected)


def test_statistics_of_columns_are_those_of_pandas() -> None:
    frame = any_frame()
    known = table(frame)
    features = {entry["name"]: entry for entry in statistics.statistics(frame)["features"]}
    for name in ("size", "noise", "rain"):
        found, values = features[name]["numerical_statistics"], known[name].astype(float)
        expected = {
            "mean": values.mean(), "sum": values.sum(), "std_dev": values.std(ddof=0), "min": values.min(),
            "max": values.max(),
        }  # fmt: skip
        assert {each: found[each] for each in expected} == pytest.approx(expected)
        assert found["common"] == {"num_present": values.count(), "num_missing": values.isna().sum()}
        buckets = found["distribution"]["kll"]["buckets"]
        bars = stats.cumfreq(values.dropna(), 10, (values.min(), values.max()))
        assert [bucket["count"] for bucket in buckets] == np.diff(bars.cumcount, prepend=0).tolist()
        assert [bucket["lower_bound"] for bucket in buckets] == pytest.approx(
            bars.lowerlimit + bars.binsize * np.arange(10), abs=1e-9
        )
    for name in ("site", "grade", "town"):
        found = features[name]["string_statistics"]
        assert found["distinct_count"] == known[name].nunique()
        assert found["common"]["num_missing"] == known[name].isna().sum()
        told = {
            bucket["value"]: bucket["count"] for bucket in found["distribution"]["categorical"]["buckets"]
        }
        assert told == known[name].value_counts().to_dict()


def test_constraints_and_what_breaks_them_have_the_shares_of_pandas() -> None:
    frame = any_frame()
    known = table(frame)
    limits = {entry["name"]: entry for entry in statistics.constraints(frame)["features"]}
    assert {name: entry["completeness"] for name, entry in limits.items()} == pytest.approx(
        known.notna().mean().to_dict()
    )
    for name in ("size", "noise", "rain"):
        assert limits[name]["num_constraints"]["is_non_negative"] == (known[name].dropna() >= 0).all()
    for name in ("site", "grade", "town"):
        assert limits[name]["string_constraints"]["domains"] == sorted(known[name].dropna().unique())
    later = known.assign(
        rain=known.rain.astype(float) - 0.5, size=known["size"].where(known.index % 5 > 0),
        site=known.site.where(known.index % 20 > 0, "elsewhere"),
    )  # fmt: skip
    columns = {
        name: values.to_numpy(dtype=float)
        if name in ("size", "noise", "rain")
        else np.array([None if pd.isna(each) else each for each in values], dtype=object)
        for name, values in later.items()
    }
    broken = Frame(key=frame.key, date=frame.date, label=frame.label, columns=columns)
    words = {entry["feature_name"]: entry["description"] for entry in statistics.violations(
        broken, statistics.constraints(frame)
    )}  # fmt: skip
    assert words["rain"].startswith(f"{(later.rain < 0).sum()} values are negative")
    assert words["size"].startswith(f"{later['size'].notna().mean():.1%} of the values are present")
    assert words["site"].startswith(f"{later.site.isin(known.site.unique()).mean():.1%} of the values")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Report and baseline, and label and score of either variant."""
    folder = tmp_path_factory.mktemp("both")
    frame = live()
    scores = rule_scores(frame)
    odd = np.arange(len(frame)) % 2 == 1
    worse = np.clip(scores + np.random.default_rng(5).normal(0, 0.2, len(frame)), 0.02, 0.98)
    ids = [{"eventId": f"r{number}"} for number in range(len(frame))]
    write_captures(folder, traffic(frame.take(~odd), worse[~odd], about=ids))
    write_captures(folder, traffic(frame.take(odd), scores[odd], about=ids), "challenger")
    write_baseline(folder)
    baseline = read_json(folder / "processing/input/baseline/baseline.json")
    told = {"champion": (frame.label[~odd], worse[~odd]), "challenger": (frame.label[odd], scores[odd])}
    return monitored(folder), baseline, told


def test_quality_of_each_variant_is_that_of_scikit_learn(both: Any) -> None:
    report, baseline, told = both
    for name, (label, score) in told.items():
        found = report["variants"][name]
        live_auc = oracle.roc_auc_score(label, score)
        assert found["metrics"]["roc_auc"]["value"] == found["quality"]["live"] == pytest.approx(live_auc)
        assert found["loss"] == pytest.approx(oracle.log_loss(label, score))
        assert found["calibration_gap"] == pytest.approx(abs(score.mean() - label.mean()))
        assert found["mean_score"] == pytest.approx(score.mean())
        assert found["quality_drop"] == pytest.approx(baseline["metrics"]["roc_auc"] - live_auc)
    parts = split.split(any_frame(seed=9), split.Windows.of(WINDOWS)).holdout
    at_evaluation = oracle.roc_auc_score(parts.label, rule_scores(parts))
    assert baseline["metrics"]["roc_auc"] == pytest.approx(at_evaluation)


def test_the_comparison_of_variants_is_welchs_of_statsmodels(both: Any) -> None:
    report, _, told = both
    ours, theirs = (
        DescrStatsW([oracle.log_loss([a], [b], labels=[0, 1]) for a, b in zip(*told[name], strict=True)])
        for name in ("challenger", "champion")
    )
    compared = CompareMeans(theirs, ours)
    found = report["comparison"]
    assert found["difference"] == pytest.approx(theirs.mean - ours.mean)
    assert found["p"] == pytest.approx(compared.ttest_ind(usevar="unequal")[1])
    assert (found["low"], found["high"]) == pytest.approx(compared.tconfint_diff(usevar="unequal"))


def test_the_judgement_rests_on_the_regression_of_statsmodels(both: Any) -> None:
    """One row a request: the difference of the variants beside label and the rule's loss."""
    report, _, told = both
    found = report["sequential"]
    loss, label, is_champion, rule = [], [], [], []
    frame = live()
    odd = np.arange(len(frame)) % 2 == 1
    simple = rule_scores(frame)
    for name, inside in (("champion", ~odd), ("challenger", odd)):
        loss += [oracle.log_loss([a], [b], labels=[0, 1]) for a, b in zip(*told[name], strict=True)]
        label += told[name][0].tolist()
        is_champion += [float(name == "champion")] * int(inside.sum())
        pairs = zip(frame.label[inside], simple[inside], strict=True)
        rule += [oracle.log_loss([a], [b], labels=[0, 1]) for a, b in pairs]
    alone = np.column_stack([np.ones(len(loss)), is_champion])
    fitted = sm.OLS(loss, np.column_stack([alone, label, rule])).fit()
    assert found["difference"] == pytest.approx(fitted.params[1])
    assert found["spread_left"] == pytest.approx(fitted.ssr / sm.OLS(loss, alone).fit().ssr)
    ends = [sequential.width(found["standard_error"], 700, 0.05, 200)] * 2
    assert [found["difference"] - found["low"], found["high"] - found["difference"]] == pytest.approx(ends)
    assert (found["champion_requests"], found["challenger_requests"]) == (350, 350)


@pytest.mark.parametrize("count", [50, 200, 3_000])
@pytest.mark.parametrize("level", [0.01, 0.05])
def test_the_bound_of_all_looks_is_the_root_of_the_integrated_mixture(count: int, level: float) -> None:
    """Ville: a mixture of exponential martingales over a half normal passes 1 / level with chance `level`.

    SciPy integrates it and finds where it does; the closed form lies beyond it, by little.
    """
    planned = 200
    log = -2 * np.log(level)
    spread = np.sqrt((log + np.log1p(log)) / planned)

    def mixture(mean: float) -> float:
        def part(slope: float) -> float:
            power = slope * mean * count - slope**2 * count / 2
            return float(np.exp(min(power, 500)) * stats.halfnorm.pdf(slope, scale=spread))

        middle = mean * count / (count + spread**-2)
        return float(integrate.quad(part, 0, middle + 12 * spread, points=[middle])[0])

    exact = optimize.brentq(lambda mean: mixture(mean) * level - 1, 1e-3, 3)
    found = sequential.width(count**-0.5, count, level, planned)
    assert exact <= found <= 1.02 * exact


def test_what_several_classes_lack_is_a_newton_step_of_statsmodels_conditional_logit() -> None:
    random = np.random.default_rng(4)
    logit = random.normal(0, 1, (300, 3)) * [0.5, 1.0, 2.0] + [1.0, 0.5, 0.0]
    score, truth = (np.exp(slope * logit) for slope in (1.0, 0.6))
    score, truth = score / score.sum(axis=1, keepdims=True), truth / truth.sum(axis=1, keepdims=True)
    label = (random.random(300)[:, None] > truth.cumsum(axis=1)).sum(axis=1).astype(float)
    date = np.array([f"2024-03-{1 + number // 15:02d}" for number in range(300)])
    chosen, rows = np.eye(3)[label.astype(int)].ravel(), np.repeat(np.arange(300), 3)
    levels = np.tile(np.eye(3)[:, 1:], (300, 1))
    certain = np.log(score).ravel()
    at = ConditionalLogit(chosen, levels, groups=rows, offset=certain).fit(disp=0).params
    whole = ConditionalLogit(chosen, np.column_stack([certain, levels]), groups=rows)
    here = np.append(1.0, at)
    _, lacks, promised = concept.by_day("multiclass", label, score, date)
    assert lacks.sum() == pytest.approx(-whole.score(here)[0], abs=1e-3)
    assert promised.sum() == pytest.approx(1 / np.linalg.inv(-whole.hessian(here))[0, 0], rel=1e-4)
    assert lacks.sum() / promised.sum() > 0.2
