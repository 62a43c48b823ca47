"""The rest of explore.json's numbers, each by a library that the report does not call (docs/numbers.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.api as sm
import xgboost
from scipy import stats
from scipy.spatial.distance import pdist
from sklearn import metrics as oracle
from sklearn.cluster import AgglomerativeClustering
from sklearn.preprocessing import StandardScaler, TargetEncoder
from statsmodels.stats.weightstats import DescrStatsW
from tabular.explore import clusters, describe, reference, smells, sufficiency, tally
from tabular.explore.sampling import Rows, Sizes
from tabular.split import Windows

from tests.any_model import WINDOWS, any_contract, any_table

KINDS = {name: spec["kind"] for name, spec in any_contract()["model"]["features"].items()}
START, END = WINDOWS["train_start"], WINDOWS["train_end"]


def table(problem: str = "binary", count: int = 1_200) -> pd.DataFrame:
    """Rows of the training window in random order."""
    frame = any_table(problem=problem).to_pandas()
    inside = frame[(frame.event_date >= START) & (frame.event_date < END)]
    return inside.sample(count, random_state=3).reset_index(drop=True)


def as_rows(frame: pd.DataFrame) -> Rows:
    columns: dict[str, Any] = {}
    for name, kind in KINDS.items():
        values = frame[name]
        columns[name] = (
            values.to_numpy(dtype=float)
            if kind == "numeric"
            else np.array([None if pd.isna(value) else value for value in values], dtype=object)
        )
    return Rows(date=frame.event_date.to_numpy(dtype=str), label=frame.label.to_numpy(), columns=columns)


def counted(frame: pd.DataFrame) -> tally.Tally:
    found = tally.Tally(kinds=KINDS, windows=Windows.of(WINDOWS))
    batch = pa.RecordBatch.from_pandas(frame, preserve_index=False)
    found.add(batch, frame.event_date.to_numpy(dtype="U10"), frame.label.to_numpy())
    return found


def test_bars_of_a_histogram_are_those_of_scipy() -> None:
    values = np.random.default_rng(1).gamma(2, 3, 900)
    found = describe.numeric(values)
    edges = np.array(found["histogram"]["edges"])
    assert np.diff(edges) == pytest.approx((found["high"] - found["low"]) / (len(edges) - 1))
    clipped = np.clip(values, found["low"], found["high"])
    expected = stats.binned_statistic(clipped, None, "count", edges).statistic
    told = [count if count >= 5 else None for count in expected]
    assert found["histogram"]["counts"] == told
    assert found["distinct"] == pd.Series(values).nunique()
    whole = np.round(values) - 3
    assert describe.numeric(whole)["zeros"] == pytest.approx(pd.Series(whole).eq(0).mean())


def test_words_of_texts_are_those_of_pandas() -> None:
    values = pd.Series(["late again", "on time", None, "late again", "a long remark of six words", " "] * 9)
    found = describe.text(np.array([None if pd.isna(v) else v for v in values], dtype=object))
    words = values.dropna().str.split().str.len()
    assert (found["rows"], found["distinct"]) == (values.count(), values.nunique())
    assert found["empty"] == values.str.strip().eq("").sum()
    assert found["words"]["mean"] == pytest.approx(words.mean())
    assert found["words"]["sd"] == pytest.approx(words.std())


def test_boxes_and_means_by_category_agree_with_pandas_and_statsmodels() -> None:
    frame = table()
    boxes = describe.by_class(as_rows(frame), KINDS, 2)
    for name in ("size", "noise", "rain"):
        expected = frame.groupby("label")[name].quantile(list(describe.QUANTILES)).unstack().to_numpy()
        assert np.array(boxes[name]) == pytest.approx(expected)
    for entry in describe.label_by_category(as_rows(frame), KINDS)["site"]:
        inside = DescrStatsW(frame.label[frame.site == entry["value"]])
        assert entry["rows"] == inside.nobs
        interval = inside.zconfint_mean(0.05)
        assert (entry["mean"] - entry["margin"], entry["mean"] + entry["margin"]) == pytest.approx(
            interval, rel=1e-4
        )


@pytest.mark.parametrize("share", [1.0, 0.06])
def test_periods_months_and_gaps_of_all_rows_agree_with_pandas(share: float) -> None:
    frame = any_table().to_pandas().sample(frac=share, random_state=2)
    frame.loc[frame.index[::7], "label"] = np.nan
    found = counted(frame)
    told = found.periods()
    assert told["days"] == (1 if share == 1 else 28)
    since = (pd.to_datetime(frame.event_date) - pd.Timestamp(START)).dt.days // told["days"]
    groups = frame.label.groupby(since).agg(["size", "count", "mean"])
    assert [entry["rows"] for entry in told["periods"]] == groups["size"].tolist()
    shown = [place for place, entry in enumerate(told["periods"]) if entry["label_mean"] is not None]
    assert len(shown) > 1
    for place in shown:
        entry = told["periods"][place]
        assert entry["labelled"] == groups["count"][place]
        assert entry["label_mean"] == pytest.approx(groups["mean"][place])
    early = frame[frame.event_date < WINDOWS["validation_end"]]
    months = early.groupby(early.event_date.str[:7]).label.agg(["count", "mean"])
    expected = months[months["count"] >= tally.LABELS_A_MONTH]
    assert {entry["month"]: entry["mean"] for entry in found.label_by_month()} == pytest.approx(
        expected["mean"].to_dict()
    )


def test_columns_of_nearly_one_value_have_the_share_of_pandas() -> None:
    values = np.where(np.random.default_rng(4).random(2_000) < 0.003, 1.0, 0.0)
    values[5] = np.nan
    rows = Rows(date=np.full(2_000, START), label=values, columns={"flag": values})
    [entry] = smells.without_content(rows, {"flag": "numeric"})["nearly_constant"]
    assert entry["share"] == pytest.approx(pd.Series(values).value_counts(normalize=True).max())


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("name", ["size", "site"])
def test_skill_of_one_feature_is_that_of_scikit_learns_target_encoder(problem: str, name: str) -> None:
    """Fitted on every second row, scored on the others, and the other way round."""
    frame = table(problem, 800)
    [found] = smells.alone(problem, 3, as_rows(frame), {name: KINDS[name]})
    label = frame.label.to_numpy()
    binned = pd.qcut(frame[name], smells.BINS, labels=False) if name == "size" else frame[name]
    values = binned.astype(object).where(binned.notna(), "missing").astype(str).to_numpy()[:, None]
    kind = {"regression": "continuous"}.get(problem, problem)
    halves = []
    for held in (1, 0):
        learn, judge = np.arange(800) % 2 != held, np.arange(800) % 2 == held
        target = label if problem == "regression" else label.astype(int)
        encoder = TargetEncoder(smooth=float(smells.WEIGHT), target_type=kind).fit(
            values[learn], target[learn]
        )
        scores = encoder.transform(values[judge])
        if problem == "regression":
            naive = np.full(judge.sum(), label[learn].mean())
            error, spread = (oracle.mean_squared_error(label[judge], each) for each in (scores[:, 0], naive))
            halves.append(max(0.0, 1 - error / spread))
        elif problem == "binary":
            halves.append(2 * oracle.roc_auc_score(label[judge], scores[:, 0]) - 1)
        else:
            areas = [oracle.roc_auc_score(label[judge] == k, scores[:, k]) for k in range(3)]
            halves.append(2 * np.mean(areas) - 1)
    assert found["skill"] == pytest.approx(np.mean(halves), abs=1e-9)


@pytest.mark.parametrize("strength", [0.0, 0.08])
def test_the_chance_of_a_skill_is_that_of_scipys_tests(strength: float) -> None:
    random = np.random.default_rng(5)
    scores = random.normal(0, 1, 300)
    number = strength * scores + random.normal(0, 1, 300)
    label = (number > 0).astype(float)
    ranked = stats.mannwhitneyu(scores[label == 1], scores[label == 0], alternative="greater").pvalue
    assert reference.chance("binary", label, scores, 0.5, 4_000) == pytest.approx(ranked, abs=0.03)
    line = stats.pearsonr(number, scores, alternative="greater").pvalue
    assert reference.chance("regression", number, scores, 0.0, 4_000) == pytest.approx(line, abs=0.03)


def boosted() -> xgboost.XGBClassifier:
    return xgboost.XGBClassifier(
        n_estimators=reference.TREES, max_depth=reference.DEPTH, learning_rate=reference.ETA,
        tree_method="hist", random_state=reference.SEED, n_jobs=1,
    )  # fmt: skip


def encoded(train: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Categories by their place in order of frequency, of the training rows."""
    columns = {}
    for name, kind in KINDS.items():
        counts = (
            train[name].value_counts().reset_index().sort_values(["count", name], ascending=[False, True])
        )
        places = {value: place for place, value in enumerate(counts[name])}
        columns[name] = rows[name] if kind == "numeric" else rows[name].map(places)
    return pd.DataFrame(columns).to_numpy(dtype=np.float32)


def gini(train: np.ndarray, label: np.ndarray, held: np.ndarray, truth: np.ndarray) -> float:
    scores = boosted().fit(train, label).predict_proba(held)[:, 1]
    return float(2 * oracle.roc_auc_score(truth, scores) - 1)


def test_both_ways_to_split_have_the_skill_of_xgboosts_own_classifier() -> None:
    train, held = table(count=600), table(count=1_400).tail(400)
    found = smells.split_gap("binary", 2, as_rows(train), as_rows(held), KINDS)
    assert found is not None
    matrix = np.vstack([encoded(train, train), encoded(train, held)])
    label = np.concatenate([train.label, held.label])
    random = np.random.default_rng(smells.SEED)
    orders = [np.arange(1_000), *(random.permutation(1_000) for _ in range(smells.SPLIT_REPEATS))]
    by_time, *by_chance = (
        gini(matrix[order[:600]], label[order[:600]], matrix[order[600:]], label[order[600:]])
        for order in orders
    )
    assert found["by_time"] == pytest.approx(by_time)
    assert found["by_chance"] == pytest.approx(np.mean(by_chance))
    assert found["by_chance_sd"] == pytest.approx(pd.Series(by_chance).std())
    assert found["gap"] == pytest.approx(np.mean(by_chance) - by_time)


def test_points_of_the_learning_curve_have_the_skill_of_xgboosts_own_classifier() -> None:
    train, held = table(count=220), table(count=1_400).tail(300)
    found = sufficiency.assess("binary", 2, as_rows(train), as_rows(held), KINDS, 220)
    sizes = [point["labels"] for point in found["points"]]
    assert sizes == [22, 44, 88, 176]
    random = np.random.default_rng(sufficiency.SEED)
    matrix, later = encoded(train, train), encoded(train, held)
    skills = pd.DataFrame(
        [
            [gini(matrix[order[:n]], train.label[order[:n]], later, held.label.to_numpy()) for n in sizes]
            for order in (random.permutation(220) for _ in range(sufficiency.REPEATS))
        ]
    )
    assert [point["skill"] for point in found["points"]] == pytest.approx(skills.mean().tolist())
    assert [point["sd"] for point in found["points"]] == pytest.approx(skills.std().tolist())
    last = skills.iloc[:, -sufficiency.LAST :]
    x = np.tile(np.log2(sizes[-sufficiency.LAST :]), len(last))
    line = sm.OLS(last.to_numpy().ravel(), sm.add_constant(x)).fit(use_t=False)
    assert found["gain_per_doubling"] == pytest.approx(line.params[1])
    assert (found["gain_low"], found["gain_high"]) == pytest.approx(line.conf_int(0.1)[1], abs=1e-4)


def test_what_is_clustered_is_filled_cut_and_standardised_as_pandas_and_scikit_learn_do() -> None:
    frame = table()
    names, matrix = clusters.standardised(as_rows(frame), KINDS)
    numbers = frame[["size", "noise", "rain"]]
    bounds = numbers.quantile([0.01, 0.99])
    filled = numbers.fillna(numbers.median()).clip(bounds.loc[0.01], bounds.loc[0.99], axis=1)
    assert matrix[:, :3] == pytest.approx(StandardScaler().fit_transform(filled))
    flags = pd.get_dummies(frame.site, prefix="site", prefix_sep=" = ").astype(float)
    for name in flags:
        expected = StandardScaler(with_std=False).fit_transform(flags[[name]])[:, 0]
        assert matrix[:, names.index(name)] == pytest.approx(expected)


def test_the_elbow_is_the_point_farthest_below_the_line_of_the_ends() -> None:
    numbers, inertia = np.arange(1, 9), np.array([900.0, 480, 210, 160, 130, 110, 95, 85])
    drawn = np.column_stack([numbers / 7, inertia / (900 - 85)])
    along = drawn[-1] - drawn[0]
    rest = drawn - drawn[0]
    away = rest - np.outer(rest @ along, along) / (along @ along)
    farthest = numbers[np.linalg.norm(away, axis=1).argmax()]
    assert clusters.elbow(numbers.tolist(), inertia.tolist()) == farthest == 3


def grouped() -> tuple[pd.DataFrame, dict[str, Any], np.ndarray]:
    random = np.random.default_rng(6)
    matrix = np.vstack([random.normal(centre, 1, (60, 3)) for centre in (0, 4, 9)])
    frame = pd.DataFrame(matrix[random.permutation(180)], columns=list("abc"))
    label = random.normal(frame["a"], 1)
    columns = {name: frame[name].to_numpy() for name in frame}
    rows = Rows(date=np.full(180, START), label=label, columns=columns)
    kinds = dict.fromkeys("abc", "numeric")
    found, arrays = clusters.analyse("regression", [], rows, kinds, Sizes())
    assert found is not None
    return frame.assign(label=label), found, arrays["cluster"]


def test_profiles_of_clusters_agree_with_pandas() -> None:
    frame, found, cluster = grouped()
    scaled = pd.DataFrame(StandardScaler().fit_transform(frame[list("abc")]), columns=list("abc"))
    for number, entry in enumerate(found["clusters"]):
        inside = cluster == number
        assert (entry["rows"], entry["share"]) == (inside.sum(), pytest.approx(inside.mean()))
        assert entry["label"]["mean"] == pytest.approx(frame.label[inside].mean())
        assert len(entry["traits"]) == 3
        for trait in entry["traits"]:
            name = trait["trait"]
            assert trait["difference_sd"] == pytest.approx(scaled[name][inside].mean())
            assert trait["here"] == pytest.approx(frame[name][inside].mean())
            assert trait["overall"] == pytest.approx(frame[name].mean())


def test_tree_and_loadings_are_those_of_scikit_learn_and_numpy() -> None:
    frame, found, cluster = grouped()
    kinds = dict.fromkeys("abc", "numeric")
    rows = Rows(
        date=np.full(180, START),
        label=frame.label.to_numpy(),
        columns={name: frame[name].to_numpy() for name in "abc"},
    )
    _, scaled = clusters.standardised(rows, kinds)
    ward = AgglomerativeClustering(n_clusters=None, distance_threshold=0, linkage="ward").fit(scaled)
    members: list[list[int]] = [[place] for place in range(180)]
    joined = np.zeros((180, 180))
    for (a, b), height in zip(ward.children_, ward.distances_, strict=True):
        joined[np.ix_(members[a], members[b])] = joined[np.ix_(members[b], members[a])] = height
        members.append(members[a] + members[b])
    upper = np.triu_indices(180, 1)
    expected = stats.pearsonr(joined[upper], pdist(scaled)).statistic
    assert found["tree"]["cophenetic_correlation"] == pytest.approx(expected)
    cut = AgglomerativeClustering(found["k"], linkage="ward").fit_predict(scaled)
    assert found["tree"]["sizes"] == pd.Series(cut).value_counts().tolist()
    assert found["tree"]["agreement_with_k_means"] == pytest.approx(oracle.adjusted_rand_score(cut, cluster))
    _, axes = np.linalg.eigh(np.cov(scaled.T))
    for place, component in enumerate(found["components"], start=1):
        axis = axes[:, -place] * np.sign(axes[np.abs(axes[:, -place]).argmax(), -place])
        told = {entry["column"]: entry["loading"] for entry in component["loadings"]}
        assert told == pytest.approx(dict(zip("abc", axis, strict=True)))
