"""Concept, bias and attribution drift: planted ones are found, a season alone is not one."""

import json
import shutil
from pathlib import Path
from typing import Any

import evaluate
import monitor
import numpy as np
import pytest
import statsmodels.api as sm
import train
from scipy.stats import t as student
from sklearn.metrics import ndcg_score
from tabular import (
    analysis,
    bias,
    concept,
    fairness,
    influence,
    metrics,
    models,
    packaging,
    rules,
    source,
)
from tabular.frame import Frame

from tests.any_captures import live, rule_scores, traffic, write_baseline, write_captures
from tests.any_model import WINDOWS, agreed, any_contract, any_table, write_features

DAYS = np.array([f"2024-03-{day:02d}" for day in range(1, 31)])
LOOK: dict[str, Any] = {"margin": 0.05, "false_alarm": 0.01}


def days_of(
    seed: int, slope: float = 1.0, middle: float = -1.0, rows: int = 100
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(label, score, date) of 30 days with their own level; `slope` below 1: labels follow the score less."""
    random = np.random.default_rng(seed)
    date = np.repeat(DAYS, rows)
    logit = middle + np.repeat(random.normal(0, 0.4, 30), rows) + random.normal(0, 1, len(date))
    score = 1 / (1 + np.exp(-logit))
    truth = 1 / (1 + np.exp(-(middle + slope * (logit - middle))))
    return (random.random(len(date)) < truth).astype(float), score, date


def test_what_two_classes_lack_is_that_of_fitted_levels() -> None:
    """Levels by the library's regression with the logits as offset, differences by a weighted one."""
    label, score, date = days_of(0, slope=0.5, rows=60)
    logit = np.log(score / (1 - score))
    dummies = (date[:, None] == DAYS).astype(float)
    chance = sm.GLM(label, dummies, family=sm.families.Binomial(), offset=logit).fit().fittedvalues
    weight = chance * (1 - chance)
    apart = sm.WLS(logit, dummies, weights=weight).fit().resid
    names, lacks, promised = concept.by_day("binary", label, score, date)
    assert names.tolist() == DAYS.tolist()
    assert lacks == pytest.approx(dummies.T @ ((chance - label) * apart), abs=1e-6)
    assert promised == pytest.approx(dummies.T @ (weight * apart**2), rel=1e-6)


def test_a_number_lacks_what_its_slope_within_days_is_below_one() -> None:
    random = np.random.default_rng(0)
    date = np.repeat(DAYS, 40)
    score = np.repeat(random.normal(0, 5, 30), 40) + random.normal(0, 1, len(date))
    label = np.repeat(random.normal(0, 5, 30), 40) + 0.6 * score + random.normal(0, 1, len(date))
    exog = np.column_stack([score, date[:, None] == DAYS]).astype(float)
    fitted = sm.OLS(label, exog).fit(
        cov_type="cluster", cov_kwds={"groups": np.repeat(np.arange(30), 40), "use_correction": False}
    )
    found = concept.lost("forecasting", label, score, date)
    assert found.value == pytest.approx(1 - fitted.params[0])
    assert found.standard_error == pytest.approx(fitted.bse[0] * (30 / 29) ** 0.5)


@pytest.mark.parametrize("problem", ["binary", "regression"])
def test_equal_scores_promise_nothing(problem: str) -> None:
    label, _, date = days_of(0)
    assert concept.lost(problem, label, np.full(len(label), 0.3), date).value is None


def test_two_of_several_classes_are_two_classes() -> None:
    """With one level for all days: what both ways of counting have in common."""
    label, score, _ = days_of(3, slope=0.7)
    date = np.full(len(label), "2024-03-01")
    both = np.column_stack([1 - score, score])
    _, lacks, promised = concept.by_day("multiclass", label, both, date)
    _, lacks_of_two, promised_of_two = concept.by_day("binary", label, score, date)
    assert lacks[0] / promised[0] == pytest.approx(lacks_of_two[0] / promised_of_two[0], rel=1e-3)


def test_a_look_is_a_test_of_two_means_with_their_errors() -> None:
    before, after = days_of(1), days_of(2, slope=0.4)
    old, new = concept.lost("binary", *before), concept.lost("binary", *after)
    found = concept.look("binary", *after, concept.baseline("binary", *before), **LOOK)
    assert old.value is not None
    assert new.value is not None
    assert new.value == pytest.approx(0.6, abs=0.15)
    assert found["lost_since"] == pytest.approx(new.value - old.value)
    error = np.hypot(float(old.standard_error or 0), float(new.standard_error or 0))
    assert found["at_least"] == pytest.approx(found["lost_since"] - student.ppf(0.99, 29) * error)
    assert found["is_drift"]


@pytest.mark.parametrize("hidden", [-0.7, 0.7], ids=["fewer than said", "more than said"])
def test_a_season_moves_rows_levels_and_loss_and_does_not_ring(hidden: float) -> None:
    """Other rows, and a level that the model does not know of: that is calibration's to tell."""
    before, (_, score, date) = days_of(3, middle=-2.2), days_of(4, middle=-0.6)
    logit = np.log(score / (1 - score)) + hidden
    label = (np.random.default_rng(5).random(len(score)) < 1 / (1 + np.exp(-logit))).astype(float)
    losses = [metrics.row_loss("binary", *part).mean() for part in (before[:2], (label, score))]
    found = concept.look("binary", label, score, date, concept.baseline("binary", *before), **LOOK)
    assert losses[1] > 1.3 * losses[0]
    assert abs(label.mean() - score.mean()) > 0.08
    assert not found["is_drift"]


def test_false_alarms_are_as_frequent_as_stated() -> None:
    rings = 0
    for seed in range(400):
        before = concept.baseline("binary", *days_of(2 * seed, rows=40))
        after = days_of(2 * seed + 1, rows=40)
        rings += concept.look("binary", *after, before, margin=0.0, false_alarm=0.05)["is_drift"]
    # Within three standard errors of the stated 5 %.
    assert abs(rings / 400 - 0.05) <= 3 * (0.05 * 0.95 / 400) ** 0.5


@pytest.mark.parametrize(
    ("given", "until", "reason"),
    [
        pytest.param(None, 30, "the champion has no baseline", id="no baseline"),
        pytest.param(
            {"value": 0.0, "standard_error": 0.1, "days": 28},
            5,
            "5 days with labels, 28 in the evaluation, at least 14 are needed",
            id="few days",
        ),
        pytest.param(
            {"value": None, "standard_error": None, "days": 28},
            30,
            "the scores of a day do not differ: they promise nothing",
            id="one score for all",
        ),
    ],
)
def test_without_days_there_is_no_verdict_but_a_reason(given: Any, until: int, reason: str) -> None:
    label, score, date = days_of(0)
    few = date <= DAYS[until - 1]
    found = concept.look("binary", label[few], score[few], date[few], given, **LOOK)
    assert (found["at_least"], found["is_drift"], found["reason"]) == (None, False, reason)


def test_ndcg_is_the_librarys() -> None:
    random = np.random.default_rng(0)
    names = [f"f{number}" for number in range(8)]
    for _ in range(20):
        before, now = (dict(zip(names, random.exponential(1, 8), strict=True)) for _ in range(2))
        expected = ndcg_score([list(before.values())], [list(now.values())])
        assert influence.ndcg(before, now) == pytest.approx(expected)
    assert influence.ndcg(before, before) == pytest.approx(1)


def test_another_order_of_attributions_is_drift_and_names_what_moved() -> None:
    before = {"method": "m", "rows": 500, "mean": {"size": 10.0, "site": 1.0, "rain": 0.1}}
    same = influence.drifted(before, {"rows": 500, "mean": {"size": 9.0, "site": 1.5, "rain": 0.1}})
    assert (same["ndcg"], same["is_drift"]) == (pytest.approx(1), False)
    found = influence.drifted(before, {"rows": 500, "mean": {"size": 0.5, "site": 1.0, "rain": 4.5}})
    assert found["is_drift"]
    assert found["moved"][:2] == ["size", "rain"]
    assert found["shares"]["size"] == {
        "before": pytest.approx(10 / 11.1),
        "now": pytest.approx(0.5 / 6),
    }
    assert influence.drifted(None, None)["reason"] == "the champion has no baseline of attributions"
    assert influence.drifted(before, None)["reason"] == "the champion could not be asked"
    few = influence.drifted(before, {"rows": 3, "mean": None})
    assert few["reason"] == "3 rows, at least 100 are needed"


OPTIONS = {"attributes": [{"feature": "site", "kind": "categorical"}], "minimum_rows": 20}


def sites(seed: int, lost: float = 0.0) -> tuple[Frame, np.ndarray]:
    """Rows of two sites; of the site S the share `lost` gets a score that knows nothing."""
    random = np.random.default_rng(seed)
    label, score, date = days_of(seed, rows=60)
    site = random.choice(["N", "S"], len(label)).astype(object)
    score = np.where((site == "S") & (random.random(len(label)) < lost), 0.02, score)
    frame = Frame(key=np.arange(len(label)).astype(object), date=date, label=label, columns={"site": site})
    return frame, score


def test_a_site_that_is_served_worse_is_bias_drift_and_an_equal_one_is_none() -> None:
    before = bias.of_report(fairness.report("binary", OPTIONS, *sites(0), 0.3))
    for lost, expected in ((0.0, []), (0.7, ["site: equal_opportunity_difference"])):
        frame, score = sites(1, lost)
        found = bias.drifted(before, fairness.report("binary", OPTIONS, frame, score, 0.3))
        assert set(expected) <= set(found["grew"])
        assert bool(found["grew"]) is bool(expected)
    entry = found["attributes"]["site"]["equal_opportunity_difference"]
    positive, acted = frame.label == 1, score >= 0.3
    rates = [acted[positive & (frame.columns["site"] == name)].mean() for name in "NS"]
    assert entry["now"]["value"] == pytest.approx(abs(rates[0] - rates[1]))
    assert entry["growth"] == pytest.approx(entry["now"]["value"] - entry["before"]["value"])


def test_a_ratio_is_worse_when_it_is_smaller() -> None:
    before = {"site": {"demographic_parity_ratio": {"value": 0.9, "low": 0.85, "high": 0.95}}}

    def today(value: float) -> dict[str, Any]:
        entry = {"value": value, "low": value - 0.05, "high": value + 0.05}
        return {"attributes": [{"attribute": "site", "differences": {"demographic_parity_ratio": entry}}]}

    assert bias.drifted(before, today(0.5))["grew"] == ["site: demographic_parity_ratio"]
    assert bias.drifted(before, today(1.0))["grew"] == []
    assert bias.drifted(before, None)["reason"] == "too few rows have a label"
    assert bias.drifted({}, None)["reason"] == "the contract declares no attribute"


def monitored(folder: Path, contract: dict[str, Any]) -> dict[str, Any]:
    write_features(folder / "processing/input/features", any_table())
    plan = {"start": "2024-03-15", "end": "2024-04-12", "through": "2024-04-12", "endpoint": "e"}
    return monitor.run(agreed(contract), plan, monitor.Places.below(folder))


def test_the_look_tells_of_all_three_and_lists_them_as_violations(tmp_path: Path) -> None:
    contract = any_contract(evaluation={"fairness": OPTIONS})
    frame = live()
    blind = np.random.default_rng(0).choice([0.1, 0.9], len(frame))
    write_captures(tmp_path, traffic(frame, blind))
    write_baseline(tmp_path)
    path = tmp_path / "processing/input/baseline/baseline.json"
    baseline = json.loads(path.read_text())
    calm = {"value": 0.0, "low": -0.01, "high": 0.01}
    differences = {"calibration_difference": calm, "accuracy_difference": calm}
    path.write_text(json.dumps(baseline | {"fairness": {"site": differences}}))
    report = monitored(tmp_path, contract)
    assert report["concept"]["is_drift"]
    assert report["bias"]["grew"]
    assert report["attributions"]["reason"] == "the champion has no baseline of attributions"
    written = json.loads((tmp_path / "processing/output/report/constraint_violations.json").read_text())
    assert {entry["constraint_check_type"] for entry in written["violations"]} >= {
        "concept_drift_check",
        "bias_drift_check",
    }


def test_a_run_writes_the_baselines_that_a_look_compares_with(tmp_path: Path) -> None:
    """Trained, evaluated and watched on the same rows: nothing can have drifted; then a feature goes."""
    contract = any_contract(evaluation={"fairness": OPTIONS})
    dates = {**WINDOWS, "run_id": "r20240412-0badcafe"}
    given = tmp_path / "processing/input"
    write_features(given / "features", any_table())
    at = train.Places(
        features=given / "features",
        champion=tmp_path / "nothing",
        model=tmp_path / "model",
        output=tmp_path / "output",
        checkpoints=tmp_path / "checkpoints",
    )
    texts = [text for name, value in dates.items() for text in (f"--{name}", value)]
    train.run(agreed(contract), train.parse_arguments(texts, agreed(contract)), at, nthread=1)
    for name, data in (
        (
            "candidates/boosted",
            packaging.archive({path.name: path.read_bytes() for path in at.model.iterdir()}),
        ),
        ("champion", packaging.servable(rules.rule_model(contract), None, source.files())),
    ):
        (given / name).mkdir(parents=True)
        (given / name / "model.tar.gz").write_bytes(data)
    entry = {"name": "boosted", "family": "xgboost"}
    (given / "candidates" / "candidates.json").write_text(json.dumps({"candidates": [entry]}))
    evaluate.run(agreed(contract), dates, evaluate.Places.below(tmp_path))
    made = tmp_path / "processing/output"
    shutil.copytree(made / "baseline", given / "baseline")
    shutil.copy(made / "model/model.tar.gz", given / "champion/model.tar.gz")

    frame, model = live(), models.load(at.model)
    write_captures(tmp_path, traffic(frame, model.scores(frame)))
    report = monitored(tmp_path, contract)
    assert report["attributions"]["ndcg"] == pytest.approx(1)
    assert (report["attributions"]["rows"], report["attributions"]["moved"][0]) == (700, "size")
    assert report["concept"]["lost_since"] == pytest.approx(0, abs=1e-9)
    assert report["bias"]["grew"] == []
    compared = report["bias"]["attributes"]["site"]["accuracy_difference"]
    assert compared["growth"] == pytest.approx(0)
    written = json.loads((given / "baseline/analysis.json").read_text())
    assert written["explanations"]["treeshap"]["label0"]["global_shap_values"]["size"] > 0
    assert "site" in written["post_training_bias_metrics"]["facets"]

    frame.columns["size"][:] = 0.0
    write_captures(tmp_path, traffic(frame, model.scores(frame)))
    gone = monitored(tmp_path, contract)["attributions"]
    assert gone["moved"][0] == "size"
    assert gone["is_drift"]


def test_events_and_not_requests_have_a_day(tmp_path: Path) -> None:
    """All that a client asks for on one day may be of a month."""
    frame = live()
    about = [{"inferenceTime": "2024-04-12T03:30:00Z"}] * len(frame)
    write_captures(tmp_path, traffic(frame, rule_scores(frame), (), about), day="2024/04/12")
    write_baseline(tmp_path)
    found = monitored(tmp_path, any_contract())["concept"]
    assert found["days"] == 28
    assert found["reason"] is None


def test_a_damaged_champion_costs_its_attributions_and_no_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"no archive")
    assert monitor.champion_of(tmp_path, tmp_path / "work") is None
    assert "cannot be unpacked" in capsys.readouterr().out
    assert monitor.champion_of(tmp_path / "nothing", tmp_path / "work") is None


def test_an_analysis_has_the_shape_of_clarify() -> None:
    frame, score = sites(0)
    report = {
        "fairness": fairness.report("binary", OPTIONS, frame, score, 0.3),
        "attributions": {
            "method": "TreeSHAP, exact",
            "global": [{"feature": "size", "mean_contribution": 2.0}],
        },
    }
    found = analysis.of_report(report)
    assert found["version"] == "1.0"
    assert found["explanations"] == {"treeshap": {"label0": {"global_shap_values": {"size": 2.0}}}}
    facets = found["post_training_bias_metrics"]["facets"]["site"]
    assert [facet["value_or_threshold"] for facet in facets] == ["N", "S", "(between groups)"]
    accuracy = {entry["name"]: entry["value"] for entry in facets[0]["metrics"]}["accuracy"]
    inside = frame.columns["site"] == "N"
    assert accuracy == pytest.approx(((score >= 0.3) == frame.label)[inside].mean())
    assert analysis.of_report({})["explanations"] == {}
