"""The numbers of the explore report against an independent calculation of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as formula
from scipy import stats
from scipy.spatial.distance import cdist
from scipy.stats import contingency
from sklearn import metrics as oracle
from sklearn.cluster import AgglomerativeClustering
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttest_ind
from tabular.explore import (
    association,
    clusters,
    correlation,
    describe,
    numbers,
    reference,
    smells,
    sufficiency,
)
from tabular.explore.sampling import Rows, Sizes

RANDOM = np.random.default_rng(5)


def rows(label: np.ndarray | None = None, **columns: Any) -> Rows:
    count = len(next(iter(columns.values())))
    return Rows(
        date=np.full(count, "2024-01-01"),
        label=np.full(count, np.nan) if label is None else label,
        columns={name: np.asarray(values) for name, values in columns.items()},
    )


def texts(values: Any) -> np.ndarray:
    return np.array(list(values), dtype=object)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_holm_and_benjamini_hochberg_agree_with_statsmodels(count: int) -> None:
    p = RANDOM.random(count) ** 3
    entries = numbers.corrected([{"p": float(each)} for each in p] + [{"p": None}])
    for name, method in (("p_holm", "holm"), ("p_bh", "fdr_bh")):
        expected = multipletests(p, method=method)[1]
        assert [entry[name] for entry in entries[:-1]] == pytest.approx(expected)
    assert "p_holm" not in entries[-1]


def test_moments_quantiles_and_outliers_agree_with_pandas() -> None:
    values = np.append(RANDOM.exponential(3, 500), [np.nan] * 40)
    found = describe.numeric(values)
    known = pd.Series(values).dropna()
    assert found["rows"] == 500
    assert found["mean"] == pytest.approx(known.mean())
    assert found["sd"] == pytest.approx(known.std())
    centred = known - known.mean()
    variance = (centred**2).mean()
    assert found["skewness"] == pytest.approx((centred**3).mean() / variance**1.5)
    assert found["kurtosis"] == pytest.approx((centred**4).mean() / variance**2 - 3)
    assert list(found["quantiles"].values()) == pytest.approx(
        known.quantile([0.05, 0.25, 0.5, 0.75, 0.95]).tolist()
    )
    first, third = known.quantile(0.25), known.quantile(0.75)
    fences = ((known < first - 1.5 * (third - first)) | (known > third + 1.5 * (third - first))).mean()
    assert found["outside_fences"] == pytest.approx(fences)
    robust = stats.median_abs_deviation(known, scale="normal")
    assert found["robust_z_over_3_5"] == pytest.approx(((known - known.median()).abs() > 3.5 * robust).mean())
    assert sum(count or 0 for count in found["histogram"]["counts"]) > 480


def test_extremes_are_reached_by_at_least_five_rows() -> None:
    values = np.append(RANDOM.normal(0, 1, 200), [900.0, -900.0])
    found = describe.numeric(values)
    ordered = np.sort(values)
    assert (found["low"], found["high"]) == (ordered[4], ordered[-5])
    assert found["histogram"]["edges"][0] > -900


def test_categories_are_counted_and_the_rare_are_one_group() -> None:
    counted = {"a": 50, "b": 30, "c": 4, "d": 1, "e": 7}
    found = describe.categories(counted)
    assert [entry["value"] for entry in found["top"]] == ["a", "b", "e"]
    assert found["other"] == {"values": 2, "rows": 5, "share": 5 / 92}
    assert found["entropy_bits"] == pytest.approx(stats.entropy(list(counted.values()), base=2))
    # Four rare rows alone would be a group of fewer than five: the next rarest goes with them.
    assert [entry["value"] for entry in describe.categories({"a": 50, "b": 30, "c": 4})["top"]] == ["a"]


def test_a_group_of_categories_never_has_fewer_than_five_rows() -> None:
    for seed in range(30):
        random = np.random.default_rng(seed)
        values = texts(f"v{number}" for number in random.zipf(1.7, int(random.integers(5, 120))))
        codes, names = numbers.group(values, most=int(random.integers(1, 8)))
        assert np.bincount(codes).min() >= 5 and len(np.bincount(codes)) == len(names)


def test_too_few_rare_rows_take_the_next_rarest_with_them() -> None:
    codes, names = numbers.group(texts("a" * 20 + "b" * 10 + "c" * 3), most=10)
    assert names == ["a", "other (2 values)"]
    assert np.bincount(codes).tolist() == [20, 13]


def test_the_balance_of_classes_agrees_with_scipy() -> None:
    label = RANDOM.choice(3, 400, p=[0.7, 0.2, 0.1]).astype(float)
    found = describe.label("multiclass", rows(label, x=label), ["a", "b", "c"])
    assert found is not None
    shares = np.bincount(label.astype(int)) / 400
    assert [entry["share"] for entry in found["classes"]] == pytest.approx(shares.tolist())
    assert found["evenness"] == pytest.approx(stats.entropy(shares, base=3))
    assert found["imbalance_ratio"] == pytest.approx(shares.max() / shares.min())


def test_terms_and_lengths_of_texts_are_those_of_scikit_learn() -> None:
    from sklearn.feature_extraction.text import CountVectorizer

    vocabulary = ["late", "early", "storm", "delay", "clear", "wind", "4711", "a1b"]
    values = texts(" ".join(RANDOM.choice(vocabulary, 6)) for _ in range(80))
    found = describe.text(values)
    vectorizer = CountVectorizer(binary=True, token_pattern=r"[^\W\d_]{3,}")
    expected = dict(
        zip(vectorizer.fit(values).get_feature_names_out(),
            np.asarray(vectorizer.transform(values).sum(axis=0)).ravel(), strict=True)
    )  # fmt: skip
    assert {entry["term"]: entry["rows"] for entry in found["top_terms"]} == expected
    assert "4711" not in expected
    assert found["words"]["mean"] == 6


def test_skewed_numbers_of_two_classes_go_to_mann_whitney() -> None:
    label = np.repeat([0.0, 1.0], [150, 90])
    values = np.round(RANDOM.exponential(2, 240) + label, 1)
    found = association.test("binary", "numeric", values, label)
    assert found["test"] == "Mann-Whitney U"
    area = oracle.roc_auc_score(label, values)
    assert found["effect"] == pytest.approx(2 * area - 1)
    _, ties = np.unique(values, return_counts=True)
    variance = 150 * 90 / 12 * (241 - (ties**3 - ties).sum() / (240 * 239))
    z = (abs(area * 150 * 90 - 150 * 90 / 2) - 0.5) / np.sqrt(variance)
    assert found["p"] == pytest.approx(2 * stats.norm.sf(z))


def test_even_numbers_of_two_classes_go_to_welch() -> None:
    label = np.repeat([0.0, 1.0], [100, 60])
    values = RANDOM.normal(10, 2 + label, 160) + label
    found = association.test("binary", "numeric", values, label)
    assert found["test"] == "Welch's t"
    t, p, _ = ttest_ind(values[label == 1], values[label == 0], usevar="unequal")
    assert (found["statistic"], found["p"]) == pytest.approx((t, p))
    pooled = np.sqrt((99 * values[:100].var(ddof=1) + 59 * values[100:].var(ddof=1)) / 158)
    assert found["effect"] == pytest.approx((values[100:].mean() - values[:100].mean()) / pooled)


def test_numbers_of_several_classes_go_to_kruskal_and_wallis() -> None:
    label = RANDOM.choice(3, 200).astype(float)
    values = RANDOM.exponential(1 + label)
    found = association.test("multiclass", "numeric", values, label)
    fitted = formula.ols(
        "rank ~ C(label)", pd.DataFrame({"rank": stats.rankdata(values), "label": label})
    ).fit()
    assert found["statistic"] == pytest.approx(199 * fitted.rsquared), "H is the share of the ranks' variance"
    assert found["effect"] == pytest.approx(fitted.rsquared)
    assert found["p"] == pytest.approx(stats.chi2.sf(found["statistic"], 2))


def test_numbers_against_numbers_go_to_spearman() -> None:
    values = RANDOM.normal(0, 1, 120)
    label = values**3 + RANDOM.normal(0, 1, 120)
    found = association.test("regression", "numeric", values, label)
    assert found["effect"] == pytest.approx(pd.Series(values).corr(pd.Series(label), method="spearman"))
    ranks = pd.DataFrame({"x": stats.rankdata(values), "y": stats.rankdata(label)})
    assert found["p"] == pytest.approx(formula.ols("y ~ x", ranks).fit().pvalues["x"])


def test_categories_go_to_chi_square_where_enough_is_expected() -> None:
    label = RANDOM.choice(2, 300).astype(float)
    values = texts(np.where(label + RANDOM.normal(0, 1, 300) > 0.5, "x", "y"))
    found = association.test("binary", "categorical", values, label)
    table = pd.crosstab(values, label).to_numpy()
    assert found["test"] == "chi-square"
    assert found["effect"] == pytest.approx(contingency.association(table, method="cramer"))
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / 300
    statistic = ((table - expected) ** 2 / expected).sum()
    assert found["p"] == pytest.approx(stats.chi2.sf(statistic, 1))


def test_few_rows_go_to_fisher_or_are_shuffled() -> None:
    label = np.array([0.0] * 12 + [1.0] * 4)
    values = texts("xxxxxxxxxxyyxyyy")
    found = association.test("binary", "categorical", values, label)
    assert found["test"] == "Fisher's exact"
    assert found["p"] == pytest.approx(stats.fisher_exact([[1, 3], [10, 2]]).pvalue)
    three = texts("xxxxxyyyyyzzzzzx")
    shuffled = association.test("binary", "categorical", three, label)
    assert shuffled["test"] == "chi-square, permuted"
    table = pd.crosstab(three, label).to_numpy()
    method = stats.PermutationMethod(n_resamples=4_999, rng=np.random.default_rng(1))
    again = stats.chi2_contingency(table, correction=False, method=method)
    assert shuffled["p"] == pytest.approx(again.pvalue, abs=0.04)


def test_a_constant_column_is_not_tested() -> None:
    found = association.test("binary", "numeric", np.ones(50), RANDOM.choice(2, 50).astype(float))
    assert found["test"] is None and found["p"] is None


KINDS = {"number": "numeric", "other": "numeric", "three": "categorical", "two": "categorical"}


def pair_rows() -> tuple[Rows, pd.DataFrame]:
    number = RANDOM.normal(0, 1, 150)
    frame = pd.DataFrame(
        {
            "number": np.where(RANDOM.random(150) < 0.1, np.nan, number),
            "other": number**2 + RANDOM.normal(0, 1, 150),
            "three": np.where(number > 0.6, "a", np.where(number < -0.6, "b", "c")),
            "two": RANDOM.choice(["u", "v"], 150),
        }
    )
    return rows(
        **{name: texts(v) if v.dtype == object else v.to_numpy() for name, v in as_object(frame)}
    ), frame


def as_object(frame: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    return [
        (name, values if name in ("number", "other") else values.astype(object))
        for name, values in frame.items()
    ]


def test_pairs_agree_with_pandas_scipy_and_statsmodels() -> None:
    table, frame = pair_rows()
    found = {(pair["a"], pair["b"]): pair for pair in correlation.pairs(table, KINDS)}
    assert len(found) == 6
    both = found["number", "other"]
    for method, name in (("spearman", "value"), ("pearson", "pearson")):
        assert both[name] == pytest.approx(frame["number"].corr(frame["other"], method=method))
    known = frame.dropna()
    assert both["rows"] == len(known)
    assert both["pearson_p"] == pytest.approx(formula.ols("other ~ number", known).fit().pvalues["number"])
    eta = formula.ols("number ~ C(three)", known).fit()
    assert found["number", "three"]["measure"] == "eta"
    assert found["number", "three"]["value"] == pytest.approx(np.sqrt(eta.rsquared))
    assert found["number", "three"]["p"] == pytest.approx(eta.f_pvalue)
    flags = (known["two"] == known["two"].value_counts().index[1]).astype(float)
    point = stats.pointbiserialr(flags, known["number"])
    assert abs(found["number", "two"]["value"]) == pytest.approx(abs(point.statistic))
    assert found["number", "two"]["p"] == pytest.approx(point.pvalue)
    crossed = pd.crosstab(frame["three"], frame["two"]).to_numpy()
    assert found["three", "two"]["value"] == pytest.approx(contingency.association(crossed, method="cramer"))
    p = [pair["p"] for pair in found.values()]
    assert [pair["p_holm"] for pair in found.values()] == pytest.approx(multipletests(p, method="holm")[1])


def test_skill_is_twice_the_area_minus_one_or_r_squared() -> None:
    label = RANDOM.choice(2, 200).astype(float)
    scores = np.round(label + RANDOM.normal(0, 1, 200), 1)
    assert reference.skill("binary", label, scores, 0.5) == pytest.approx(
        2 * oracle.roc_auc_score(label, scores) - 1
    )
    classes = RANDOM.choice(3, 200).astype(float)
    shares = RANDOM.dirichlet([1, 1, 1], 200)
    area = oracle.roc_auc_score(classes, shares, multi_class="ovr", average="macro")
    assert reference.skill("multiclass", classes, shares, 0) == pytest.approx(2 * area - 1)
    target = RANDOM.normal(3, 2, 100)
    guess = target + RANDOM.normal(0, 1, 100)
    assert reference.skill("regression", target, guess, float(target.mean())) == pytest.approx(
        oracle.r2_score(target, guess)
    )


def test_alone_is_scored_on_rows_that_it_did_not_learn_from() -> None:
    label = RANDOM.choice(2, 400).astype(float)
    own = np.arange(400)
    assert abs(smells.single_skill("binary", 2, own, label)) < 0.15, "a column of keys knows nothing"
    assert smells.single_skill("binary", 2, label.astype(int), label) == pytest.approx(1)


def test_clusters_agree_with_their_definitions() -> None:
    matrix = np.vstack([RANDOM.normal(centre, 0.5, (60, 3)) for centre in (0, 4, 9)])
    table = rows(a=matrix[:, 0], b=matrix[:, 1], c=matrix[:, 2])
    kinds = dict.fromkeys("abc", "numeric")
    names, scaled = clusters.standardised(table, kinds)
    steps, labels = clusters._k_means(scaled, Sizes())
    for step in steps:
        parts = [scaled[labels[step["k"]] == number] for number in range(step["k"])]
        inertia = sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts)
        assert step["inertia"] == pytest.approx(inertia)
    distances = cdist(scaled, scaled)
    told = labels[3]
    values = []
    for place in range(len(scaled)):
        inside = [other for other in np.flatnonzero(told == told[place]) if other != place]
        own = distances[place, inside].mean()
        nearest = min(distances[place, told == other].mean() for other in range(3) if other != told[place])
        values.append((nearest - own) / max(own, nearest))
    assert steps[2]["silhouette"] == pytest.approx(np.mean(values))
    found, figures = clusters.analyse("clustering", [], table, kinds, Sizes())
    assert found is not None and found["k"] == found["elbow"] == 3
    assert [entry["rows"] for entry in found["clusters"]] == [60, 60, 60]
    assert found["reading"] == "clear groups"
    ward = AgglomerativeClustering(3, linkage="ward").fit_predict(scaled)
    assert oracle.adjusted_rand_score(ward, told) == found["tree"]["agreement_with_k_means"] == 1
    eigenvalues = np.linalg.eigvalsh(np.cov(scaled.T))[::-1]
    explained = [entry["explained"] for entry in found["components"]]
    assert explained == pytest.approx((eigenvalues / eigenvalues.sum()).tolist())
    assert np.var(figures["map"], axis=0, ddof=1) == pytest.approx(eigenvalues[:2])


def test_the_power_law_is_found_again_and_the_gain_is_the_slope() -> None:
    sizes = [25 * 2**power for power in range(7)]
    skill = [1 - 0.3 - 2 * size**-0.5 for size in sizes]
    found = sufficiency.read(sizes, [[each, each] for each in skill], 0.005, 2_000, 500)
    assert found["power_law"] == pytest.approx({"floor": 0.3, "b": 2, "c": 0.5}, rel=1e-3)
    slope = np.polyfit(np.log2(sizes[-3:]), skill[-3:], 1)[0]
    assert found["gain_per_doubling"] == pytest.approx(slope)
    assert found["expected"][0]["skill"] == pytest.approx(1 - 0.3 - 2 * 2_000**-0.5, abs=1e-3)
