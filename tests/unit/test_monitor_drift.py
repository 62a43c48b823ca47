"""Concept, bias and attribution drift: planted ones are found, a season alone is not one."""

import json
from pathlib import Path
from typing import Any

import monitor
import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import norm
from sklearn.metrics import ndcg_score
from tabular import analysis, bias, concept, fairness, influence, metrics, sequential
from tabular.frame import Frame

from tests.any_captures import live, rule_scores, traffic, write_baseline, write_captures
from tests.any_model import agreed, any_contract, any_table, write_features

DAYS = np.array([f"2024-03-{day:02d}" for day in range(1, 31)])
LOOK: dict[str, Any] = {"margin": 0.02, "false_alarm": 0.05}


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


def test_the_mean_and_its_error_by_days_are_those_of_a_regression_with_clusters() -> None:
    label, score, date = days_of(0)
    beyond = concept.excess("binary", label, score)
    found = concept.mean_by_day(beyond, date)
    fitted = sm.OLS(beyond, np.ones(len(beyond))).fit(
        cov_type="cluster", cov_kwds={"groups": np.unique(date, return_inverse=True)[1]}
    )
    assert found.value == pytest.approx(fitted.params[0])
    # The library also corrects for the number of rows.
    assert found.standard_error == pytest.approx(fitted.bse[0], rel=1e-3)


def test_the_excess_is_the_loss_without_the_entropy() -> None:
    label, score = np.array([1.0, 0.0]), np.array([0.8, 0.3])
    entropy = -(score * np.log(score) + (1 - score) * np.log(1 - score))
    loss = metrics.row_loss("binary", label, score)
    assert concept.excess("binary", label, score) == pytest.approx(loss - entropy)
    both = np.column_stack([1 - score, score])
    assert concept.excess("multiclass", label, both) == pytest.approx(loss - entropy)
    assert concept.excess("regression", label, score) == pytest.approx((label - score) ** 2)


def test_the_bound_is_the_sequence_less_the_baselines_slack() -> None:
    before = concept.baseline("binary", *days_of(1))
    label, score, date = days_of(2, slope=0.2)
    found = concept.look("binary", label, score, date, before, **LOOK)
    beyond = concept.excess("binary", label, score)
    now = concept.mean_by_day(beyond, date)
    last = now.value - before["value"] - sequential.width(now.standard_error, 30, 0.025, 30)
    last -= norm.ppf(0.975) * before["standard_error"]
    assert found["growth"] == pytest.approx((now.value - before["value"]) / before["loss"])
    assert found["at_least"] >= last / before["loss"] - 1e-12
    assert found["is_drift"]
    assert "2024-03-14" <= found["noticed"] < "2024-03-30", "before the look is over"
    assert sum(day["rows"] for day in found["days"]) == len(label)


def test_a_season_moves_rows_and_loss_and_does_not_ring() -> None:
    """Twice as many positive labels: the loss grows by a third, since they are harder to tell."""
    calm, storm = days_of(3, middle=-2.2), days_of(4, middle=-0.6)
    losses = [metrics.row_loss("binary", label, score).mean() for label, score, _ in (calm, storm)]
    found = concept.look("binary", *storm, concept.baseline("binary", *calm), **LOOK)
    assert losses[1] > 1.3 * losses[0]
    assert not found["is_drift"]


def test_false_alarms_stay_below_what_is_stated() -> None:
    rings = 0
    for seed in range(200):
        before = concept.baseline("binary", *days_of(2 * seed, rows=20))
        found = concept.look(
            "binary", *days_of(2 * seed + 1, rows=20), before, margin=0.0, false_alarm=LOOK["false_alarm"]
        )
        rings += found["is_drift"]
    # Three standard errors above the stated 5 %.
    assert rings <= 200 * (0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(None, "the champion has no baseline", id="no baseline"),
        pytest.param(
            {"value": 0.0, "standard_error": None, "loss": 0.5, "days": 1},
            "the baseline is of one day, or its loss is zero: nothing to measure by",
            id="one day",
        ),
        pytest.param(
            {"value": 0.0, "standard_error": 0.01, "loss": 0.5, "days": 28},
            "5 days with labels, at least 14 are needed",
            id="few days",
        ),
    ],
)
def test_without_days_there_is_no_verdict_but_a_reason(given: Any, reason: str) -> None:
    label, score, date = days_of(0)
    few = date < "2024-03-06"
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
    assert report["concept"]["days"][0]["day"] == "2024-03-15", "by the day of the event"
    assert report["bias"]["grew"]
    assert report["attributions"]["reason"] == "the champion has no baseline of attributions"
    written = json.loads((tmp_path / "processing/output/report/constraint_violations.json").read_text())
    assert {entry["constraint_check_type"] for entry in written["violations"]} >= {
        "concept_drift_check",
        "bias_drift_check",
    }


def test_events_and_not_requests_have_a_day(tmp_path: Path) -> None:
    """All that a client asks for on one day may be of a month."""
    frame = live()
    about = [{"inferenceTime": "2024-04-12T03:30:00Z"}] * len(frame)
    write_captures(tmp_path, traffic(frame, rule_scores(frame), (), about), day="2024/04/12")
    write_baseline(tmp_path)
    found = monitored(tmp_path, any_contract())["concept"]
    assert len(found["days"]) == 28
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
