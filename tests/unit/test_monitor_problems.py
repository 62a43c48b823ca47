"""Monitoring by problem type: classes as probabilities, forecasts as numbers, clusters without labels."""

import json
from pathlib import Path
from typing import Any

import monitor
import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score
from tabular import capture, drift, evaluation, models, rules, split, statistics, watch
from tabular.frame import Frame

from tests.any_captures import event, live, traffic, write_baseline, write_captures
from tests.any_model import WINDOWS, agreed, any_contract, any_frame, any_table, write_features

CLASSES = ("low", "middle", "high")
PLAN = {"start": "2024-03-15", "end": "2024-04-12", "through": "2024-04-12", "endpoint": "visits-endpoint"}


def blurred(frame: Frame, sure: float = 0.7) -> np.ndarray:
    """(n, 3) probabilities that are mostly right."""
    random = np.random.default_rng(1)
    named = np.where(random.random(len(frame)) < sure, frame.label, random.integers(0, 3, len(frame)))
    scores = np.full((len(frame), 3), 0.15)
    scores[np.arange(len(frame)), named.astype(int)] = 0.7
    return scores + random.uniform(-0.02, 0.02, scores.shape)


def monitored(folder: Path, problem: str, **model: Any) -> dict[str, Any]:
    write_features(folder / "processing/input/features", any_table(problem=problem))
    return monitor.run(agreed(any_contract(problem, **model)), PLAN, monitor.Places.below(folder))


def test_probabilities_of_classes_are_judged_as_the_library_judges_them(tmp_path: Path) -> None:
    frame = live(problem="multiclass")
    scores = blurred(frame)
    write_captures(tmp_path, traffic(frame, scores, CLASSES))
    write_baseline(tmp_path, "multiclass")
    champion = monitored(tmp_path, "multiclass")["variants"]["champion"]

    shares = scores / scores.sum(axis=1, keepdims=True)
    expected = roc_auc_score(frame.label, shares, multi_class="ovr", average="macro")
    right = scores.argmax(axis=1) == frame.label
    assert champion["labelled"] == 700
    assert champion["metrics"]["roc_auc"]["value"] == pytest.approx(expected, abs=0.01)
    assert champion["metrics"]["accuracy"]["value"] == pytest.approx(right.mean())
    assert champion["loss"] == pytest.approx(-np.log(scores[np.arange(700), frame.label.astype(int)]).mean())
    assert champion["loss"] == pytest.approx(log_loss(frame.label, shares), rel=0.05)
    assert champion["calibration_gap"] == pytest.approx(abs(right.mean() - scores.max(axis=1).mean()))
    assert champion["mean_score"] == pytest.approx(scores.max(axis=1).mean())
    assert champion["quality"]["metric"] == "roc_auc"
    assert champion["quality_drop"] < 0, "better than the rule that the baseline is of"


def test_answers_are_read_by_the_classes_names_in_the_contracts_order(tmp_path: Path) -> None:
    frame = live(problem="multiclass").take(np.arange(3))
    turned = {"high": 0.1, "low": 0.7, "middle": 0.2}
    kinds = agreed(any_contract("multiclass")).kinds
    lines = [
        event(frame.record(0), {"key": "a", "score": 0.7, "label": "low", "probabilities": turned}),
        event(frame.record(1), "0.5,0.25,0.25\n", content_type="text/csv", encoding="CSV"),
        event(
            {"instances": [frame.record(2)]},
            {"predictions": [{"key": "c", "score": 0.7, "label": "low", "probabilities": turned}]},
        ),
        event(frame.record(0), {"key": "d", "score": 0.7}),
        event(frame.record(0), {"key": "e", "score": 0.7, "probabilities": {"low": 0.3, "high": 0.7}}),
        event(frame.record(0), "0.5,0.5\n", content_type="text/csv", encoding="CSV"),
    ]
    # The records are JSON in each case; only the answers differ.
    lines[1] = lines[1].replace('"observedContentType": "text/csv", "mode": "INPUT"', '"mode": "INPUT"')
    lines[5] = lines[5].replace('"observedContentType": "text/csv", "mode": "INPUT"', '"mode": "INPUT"')
    write_captures(tmp_path, lines)
    found = capture.read(tmp_path, kinds, CLASSES)
    assert [row.score for row in found.rows] == [(0.7, 0.2, 0.1), (0.5, 0.25, 0.25), (0.7, 0.2, 0.1)]
    _, scores = capture.to_frame(found.rows, kinds, {}, CLASSES)
    assert scores.shape == (3, 3)
    reasons = " ".join(example["reason"] for example in found.examples)
    assert found.malformed == 3
    assert "'probabilities'" in reasons
    assert "probabilities of 2 classes, allowed are the contract's: low, middle, high" in reasons
    assert "2 probabilities, allowed are 3, one per class" in reasons


def test_nothing_captured_of_classes_has_the_shape_of_classes() -> None:
    _, scores = capture.to_frame([], {}, {}, CLASSES)
    assert scores.shape == (0, 3)
    assert len(drift.answered(scores, CLASSES)) == 0


def test_choices_that_move_are_drift_of_predictions(tmp_path: Path) -> None:
    frame = live(problem="multiclass")
    write_baseline(tmp_path, "multiclass")
    scores = np.tile([0.1, 0.1, 0.8], (len(frame), 1))
    write_captures(tmp_path, traffic(frame, scores, CLASSES))
    report = monitored(tmp_path, "multiclass")
    baseline = json.loads((tmp_path / "processing/input/baseline/baseline.json").read_text())["scores"]
    shares = dict(zip(baseline["categories"], baseline["shares"][1:], strict=False))
    # By hand: all rows in one bin, the others empty and floored.
    expected = sum(
        (now - before) * np.log(now / before)
        for name in shares
        for now, before in [(1.0 if name == "high" else drift.FLOOR, max(shares[name], drift.FLOOR))]
    )
    assert baseline["kind"] == "categorical"
    assert report["drift"]["prediction_psi"] == pytest.approx(expected)
    assert report["drift"]["prediction_psi"] > 0.2


def test_challengers_of_classes_are_compared(tmp_path: Path) -> None:
    frame = live(problem="multiclass")
    odd = np.arange(len(frame)) % 2 == 1
    champion, challenger = frame.take(~odd), frame.take(odd)
    vague = np.full((len(champion), 3), 1 / 3)
    ids = [{"eventId": f"r{number}"} for number in range(len(frame))]
    write_captures(tmp_path, traffic(champion, vague, CLASSES, ids))
    write_captures(tmp_path, traffic(challenger, blurred(challenger), CLASSES, ids), "challenger")
    report = monitored(tmp_path, "multiclass")
    assert report["comparison"]["low"] > 0
    assert report["sequential"]["verdict"] == "promote"
    assert report["sequential"]["champion_loss"] == pytest.approx(np.log(3))


def test_a_forecast_is_judged_against_the_naive_one_on_the_same_rows(tmp_path: Path) -> None:
    rule = {"description": "as before", "feature": "size", "default": 100}
    contract = any_contract("forecasting", rule_baseline=rule)
    frame = live(problem="forecasting")
    scores = frame.label + np.random.default_rng(0).normal(0, 5, len(frame))
    write_captures(tmp_path, traffic(frame, scores))
    champion = monitored(tmp_path, "forecasting", rule_baseline=rule)["variants"]["champion"]
    naive = models.RuleModel(content=rules.rule_model(contract)).scores(frame)
    squared = ((frame.label - scores) ** 2).mean()
    assert champion["metrics"]["rmse"]["value"] == pytest.approx(squared**0.5)
    assert champion["metrics"]["skill"]["value"] == pytest.approx(
        1 - squared / ((frame.label - naive) ** 2).mean()
    )
    assert champion["quality"]["metric"] == "rmse"
    assert champion["calibration_gap"] == pytest.approx(
        abs(scores.mean() - frame.label.mean()) / frame.label.std()
    )


def test_clusters_have_no_quality_and_their_shares_may_drift(tmp_path: Path) -> None:
    frame = live()
    baseline = {
        "scores": drift.bins(np.repeat([0.0, 1.0], 350)),
        "features": {},
        "metrics": {},
        "run_id": "r",
        "rows": {},
    }
    write_captures(tmp_path, traffic(frame, np.ones(len(frame))))
    contract = agreed(any_contract("clustering"))
    captures = capture.read(tmp_path, contract.kinds)
    report = watch.report(contract, captures, {}, baseline, None)
    assert report["variants"]["champion"]["reason"] == (
        "answers of a clustering problem are not right or wrong"
    )
    assert report["comparison"] is None
    assert report["drift"]["prediction_psi"] > 1


def test_texts_are_compared_by_their_words_and_never_told() -> None:
    random = np.random.default_rng(0)

    def written(words: list[str]) -> np.ndarray:
        return np.array([" ".join(random.choice(words, 4)) for _ in range(400)] + [None, "?"], dtype=object)

    before, same = written(["rain", "sun", "wind", "snow"]), written(["rain", "sun", "wind", "snow"])
    other = written(["rain", "queue", "strike", "crew"])
    bins = drift.bins(drift.comparable(before, "text"))
    assert set(bins["categories"]) == {"rain", "sun", "wind", "snow"}
    assert drift.psi(drift.comparable(same, "text"), bins) < 0.05
    assert drift.psi(drift.comparable(other, "text"), bins) > 1

    frame = Frame(
        key=np.arange(4).astype(object),
        date=np.full(4, "2024-01-01"),
        label=np.zeros(4),
        columns={"note": np.array(["a secret", "b", None, "b"], dtype=object)},
    )
    told = json.dumps(
        [statistics.statistics(frame, {"note": "text"}), statistics.constraints(frame, {"note": "text"})]
    )
    assert "secret" not in told
    counted = statistics.statistics(frame, {"note": "text"})["features"][0]["string_statistics"]
    assert counted == {"common": {"num_present": 3, "num_missing": 1}, "distinct_count": 2.0}
    assert "secret" in json.dumps(statistics.statistics(frame, {"note": "categorical"}))


def test_a_baseline_of_texts_holds_their_words() -> None:
    contract = any_contract()
    contract["model"]["features"]["town"] = {"kind": "text", "encoding": "hashing", "dimensions": 4}
    parts = split.split(any_frame(), split.Windows.of(WINDOWS))
    rule = models.RuleModel(content=rules.rule_model(contract) | {"run_id": "r0"})
    found = evaluation.baseline(agreed(contract), parts, rule)["features"]["town"]
    assert set(found["categories"]) == {f"t{number:02d}" for number in range(12)}
