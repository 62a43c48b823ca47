"""The report for every problem type, from models that are formulas: no training, so figures are known."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import permutation_importance
from tabular import attribution, card_evidence, evaluation, generalisation, metrics, split
from tabular.contract import ModelContract
from tabular.frame import Frame

from tests.any_model import WINDOWS, agreed, any_contract, any_frame

AT = split.Windows.of(WINDOWS)
CLASSES = ["low", "middle", "high"]


@dataclass(frozen=True, kw_only=True)
class Matrix:
    columns: tuple[str, ...] = ("size", "rain")

    def matrix(self, frame: Frame) -> np.ndarray:
        return np.column_stack([frame.columns[name] for name in self.columns])


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A model whose scores are a function of the frame."""

    function: Callable[[Frame], np.ndarray]
    content: dict[str, Any]
    preparation: Matrix = field(default_factory=Matrix)

    def scores(self, frame: Frame) -> np.ndarray:
        return self.function(frame)

    def score(self, record: dict[str, Any]) -> float:
        raise NotImplementedError


def formula(function: Callable[[Frame], np.ndarray], kind: str = "formula", **content: Any) -> Formula:
    features = dict.fromkeys(any_contract()["model"]["features"], "numeric")
    return Formula(
        function=function,
        content={"kind": kind, "run_id": "r1", "features": features, "windows": None, **content},
    )


def contract_of(problem: str, **model: Any) -> ModelContract:
    compiled = any_contract("regression", **model)
    compiled["model"]["problem"] = problem
    return replace(agreed(any_contract("regression", **model)), problem=problem, compiled=compiled)


def known(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values)


def softmax(frame: Frame, strength: float = 1.0) -> np.ndarray:
    margin = strength * known(frame.columns["size"])
    raw = np.exp(np.column_stack([-margin, np.zeros(len(frame)), margin]))
    return raw / raw.sum(axis=1, keepdims=True)


def three_classes() -> split.Split:
    rows = any_frame("regression")
    cuts = np.quantile(rows.label, [0.4, 0.8])
    return split.split(replace(rows, label=np.searchsorted(cuts, rows.label).astype(float)), AT)


@pytest.fixture(scope="module")
def multiclass() -> tuple[dict[str, Any], split.Split]:
    parts = three_classes()
    rule = formula(lambda frame: np.tile([0.4, 0.4, 0.2], (len(frame), 1)), "rule")
    report = evaluation.evaluate(
        contract_of("multiclass", classes=CLASSES),
        AT,
        parts,
        candidate=formula(softmax),
        champion=formula(lambda frame: softmax(frame, 0.3)),
        rule=rule,
    )
    return report, parts


def test_several_classes_have_a_matrix_a_table_and_macro_metrics(
    multiclass: tuple[dict[str, Any], split.Split],
) -> None:
    report, parts = multiclass
    label, score = parts.holdout.label, softmax(parts.holdout)
    chosen = score.argmax(axis=1)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["confusion_matrix"] == {
        "classes": CLASSES,
        "rows": oracle.confusion_matrix(label, chosen).tolist(),
    }
    assert [line["class"] for line in report["classes"]] == CLASSES
    found = report["candidate"]["metrics"]["roc_auc"]
    assert found["value"] == pytest.approx(oracle.roc_auc_score(label, score, multi_class="ovr"))
    assert found["low"] < found["value"] < found["high"]
    assert report["loss"] == "log_loss"
    assert report["paired"]["rule"]["low"] > 0
    assert {"confusion", "auc_difference"}.isdisjoint(report), "those are of two classes"


def test_the_tests_between_models_fit_the_problem_and_say_why(
    multiclass: tuple[dict[str, Any], split.Split],
) -> None:
    report, _ = multiclass
    found = report["tests"]["champion"]
    assert [test["name"] for test in found] == ["mcnemar", "bootstrap"]
    assert all(test["why"] and test["p_holm"] >= test["p"] for test in found)
    assert "paired bootstrap of days, roc_auc" in found[1]["method"]


def card_of(report: dict[str, Any]) -> dict[str, Any]:
    groups = card_evidence.holdout(contract_of(report["problem"]), report, {})["metric_groups"]
    return {group["name"]: {entry["name"]: entry for entry in group["metric_data"]} for group in groups}


def test_the_card_shows_every_class(multiclass: tuple[dict[str, Any], split.Split]) -> None:
    report, _ = multiclass
    charts = card_of(report)["classes"]
    assert charts["recall"]["x_axis_name"] == CLASSES
    assert charts["recall"]["value"] == pytest.approx(
        [line["recall"] for line in report["classes"]], rel=1e-5
    )
    assert sum(charts["rows"]["value"]) == 700


def test_curves_of_several_classes_are_one_against_the_rest() -> None:
    parts = three_classes()
    contract = contract_of("multiclass", classes=CLASSES)
    scored = [("candidate", softmax(parts.holdout))]
    lines = evaluation.curve_files(contract, parts.holdout, scored)["roc.csv"].splitlines()
    assert {line.split(",")[0] for line in lines[1:]} == {f"candidate {name}" for name in CLASSES}
    assert set(evaluation.curves(contract, parts.holdout, scored)) >= {"ROC low", "precision-recall high"}


def test_a_forecast_is_measured_against_the_rule_as_seasonal_naive() -> None:
    parts = split.split(any_frame("regression"), AT)
    contract = contract_of("forecasting")
    naive = formula(lambda frame: 90 + 10 * known(frame.columns["size"]), "rule")
    report = evaluation.evaluate(
        contract,
        AT,
        parts,
        candidate=formula(lambda frame: 100 + 25 * known(frame.columns["size"])),
        champion=naive,
        rule=naive,
    )
    label = parts.holdout.label
    values = report["candidate"]["metrics"]
    scores, simple = 100 + 25 * known(parts.holdout.columns["size"]), naive.scores(parts.holdout)
    skill = 1 - oracle.mean_squared_error(label, scores) / oracle.mean_squared_error(label, simple)
    assert values["skill"]["value"] == pytest.approx(skill)
    scale = oracle.mean_absolute_error(parts.train.label, naive.scores(parts.train))
    assert values["mase"]["value"] == pytest.approx(oracle.mean_absolute_error(label, scores) / scale)
    assert report["rule"]["metrics"]["skill"]["value"] == 0
    assert [test["name"] for test in report["tests"]["rule"]] == ["bootstrap"]
    assert "confusion_matrix" not in report


def test_clusters_meet_the_same_gate_by_their_silhouettes() -> None:
    rows = any_frame("regression")
    parts = split.split(rows, AT)

    def apart(frame: Frame) -> np.ndarray:
        return (known(frame.columns["size"]) > 0).astype(float)

    report = evaluation.evaluate(
        contract_of("clustering"),
        AT,
        parts,
        candidate=formula(apart),
        champion=formula(lambda frame: (np.arange(len(frame)) % 2).astype(float)),
        rule=formula(lambda frame: np.zeros(len(frame)), "rule"),
    )
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["loss"] == "one_minus_silhouette"
    assert report["clusters"]["clusters"] == 2
    shown = card_of(report)["clusters"]
    assert shown["silhouette"]["value"] == pytest.approx(report["clusters"]["silhouette"], rel=1e-5)
    assert sum(shown["rows of each cluster"]["value"]) == 700
    assert report["paired"]["champion"]["low"] > 0, "random clusters are worse"
    assert report["paired"]["rule"]["low"] > 0, "so is one cluster"
    assert report["paired"]["rule"]["difference"] == pytest.approx(report["clusters"]["silhouette"], abs=1e-6)


def test_recommendations_are_compared_user_by_user_over_all_that_can_be_recommended() -> None:
    """Users are the towns, items the sites; every town takes W in the end, whatever was popular before."""
    parts = split.split(any_frame("binary"), AT)
    for rows in (parts.train, parts.validation, parts.holdout):
        rows.label[:] = 1.0
    parts.train.columns["site"][:] = np.array(["N", "S", "S", "W"] * 375, dtype=object)
    parts.holdout.columns["site"][:] = np.array(["W"] * 699 + ["new"], dtype=object)
    contract = contract_of("recommendation", recommendation={"user": "town", "item": "site", "at": 2})
    report = evaluation.evaluate(
        contract,
        AT,
        parts,
        candidate=formula(lambda frame: (frame.columns["site"] == "W").astype(float)),
        champion=formula(lambda frame: (frame.columns["site"] != "W").astype(float)),
        rule=formula(lambda frame: np.zeros(len(frame)), "rule"),
    )
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["loss"] == "one_minus_ndcg"
    users = set(parts.holdout.columns["town"].tolist())
    assert report["paired"]["champion"]["groups"] == len(users) == 12
    # W stands first with us; with the champion and on the popular list (S, N, W) it is the last.
    found = report["candidate"]["metrics"]
    assert 1 - 1 / 12 < found["ndcg_at_2"]["value"] < 1, "one town took what no list can hold"
    assert found["recall_at_2"]["value"] == pytest.approx((11 + 1 / 2) / 12)
    assert found["users"]["value"] == 12
    assert report["champion"]["metrics"]["recall_at_2"]["value"] == 0
    assert report["rule"]["metrics"]["recall_at_2"]["value"] == 0
    assert report["paired"]["champion"]["low"] > 0


def test_a_holdout_with_one_class_is_refused() -> None:
    parts = split.split(any_frame("binary"), AT)
    parts.holdout.label[:] = 1.0
    model = formula(lambda frame: np.full(len(frame), 0.5))
    with pytest.raises(
        evaluation.EvaluationError, match=r"every label of the hold-out window is 1: at least two values"
    ):
        evaluation.evaluate(contract_of("binary"), AT, parts, candidate=model, champion=model, rule=model)


@pytest.mark.parametrize(
    ("train", "new", "verdict", "says"),
    [
        pytest.param(
            0.40, 0.45, "balanced", "removes 33% of the rule's loss, and 75% of this", id="balanced"
        ),
        pytest.param(0.599, 0.599, "high bias", "hardly more than the rule", id="too simple"),
        pytest.param(0.20, 0.55, "high variance", "12% of this holds on new rows", id="follows its rows"),
        pytest.param(0.10, 0.35, "high variance", "3.5 times as high, allowed is 3 times", id="by heart"),
        pytest.param(0.70, 0.70, "high bias", "hardly more than the rule", id="worse than the rule"),
    ],
)
def test_the_gap_is_read_in_words(train: float, new: float, verdict: str, says: str) -> None:
    found = {
        "train_loss": train,
        "validation_loss": new,
        "explained": (0.6 - train) / 0.6,
        "kept": (0.6 - new) / (0.6 - train) if train < 0.6 else None,
        "maximum_ratio": 3.0,
    }
    assert generalisation.reading(found)["verdict"] == verdict
    assert says in generalisation.reading(found)["text"]


def test_the_gap_compares_both_windows_with_the_rule_on_them() -> None:
    parts = split.split(any_frame("regression"), AT)
    candidate = formula(lambda frame: 100 + 25 * known(frame.columns["size"]))
    rule = formula(lambda frame: np.full(len(frame), 100.0), "rule")
    contract = contract_of("regression", evaluation={"maximum_gap": 1.5})
    found = generalisation.gap(contract, candidate, rule, parts)
    squared = oracle.mean_squared_error
    ours, theirs = (
        [squared(rows.label, model.scores(rows)) for rows in (parts.train, parts.validation)]
        for model in (candidate, rule)
    )
    assert [found["train_loss"], found["validation_loss"]] == pytest.approx(ours)
    assert found["explained"] == pytest.approx(1 - ours[0] / theirs[0])
    assert found["kept"] == pytest.approx((theirs[1] - ours[1]) / (theirs[0] - ours[0]))
    assert found["maximum_ratio"] == 1.5


def test_permutation_agrees_with_scikit_learn_for_a_model_without_exact_parts() -> None:
    rows = split.split(any_frame("regression"), AT).holdout
    model = formula(lambda frame: 100 + 25 * known(frame.columns["size"]) + 5 * known(frame.columns["rain"]))
    found = attribution.permuted("regression", model, rows)

    class Columns(RegressorMixin, BaseEstimator):
        def fit(self, _: np.ndarray, label: np.ndarray) -> "Columns":
            self.seen_ = len(label)
            return self

        def predict(self, matrix: np.ndarray) -> np.ndarray:
            return 100 + 25 * matrix[:, 0] + 5 * matrix[:, 1]

    matrix = np.column_stack([known(rows.columns[name]) for name in ("size", "rain", "noise")])
    expected = permutation_importance(
        Columns().fit(matrix, rows.label),
        matrix,
        rows.label,
        scoring="neg_mean_squared_error",
        n_repeats=20,
        random_state=0,
    ).importances_mean
    assert found["size"] == pytest.approx(expected[0], rel=0.1)
    # The label knows nothing of it: dealt out anew it does as little harm as before.
    assert found["rain"] == pytest.approx(expected[1], abs=5)
    assert found["noise"] == expected[2] == 0
    report = attribution.explain("regression", model, rows, rows)
    assert report["method"].startswith("permutation")
    assert report["global"][0]["feature"] == "size"


def test_the_linear_parts_of_a_score_are_told_as_exact() -> None:
    rows = split.split(any_frame("regression"), AT).holdout

    @dataclass(frozen=True, kw_only=True)
    class Linear(Formula):
        def contributions(self, frame: Frame) -> dict[str, np.ndarray]:
            return {"size": 25 * known(frame.columns["size"]), "rain": -5 * known(frame.columns["rain"])}

    model = Linear(
        function=lambda frame: 100 + 25 * known(frame.columns["size"]) - 5 * known(frame.columns["rain"]),
        content={"kind": "linear", "features": {"size": "numeric", "rain": "numeric"}},
    )
    report = attribution.explain("regression", model, rows, rows)
    assert report["method"] == "terms of the linear model, exact"
    assert report["global"][0]["mean_contribution"] == pytest.approx(
        np.abs(25 * known(rows.columns["size"])).mean()
    )
    for example in report["examples"]:
        parts = sum(part["contribution"] for part in example["contributions"])
        assert example["score"] == pytest.approx(100 + parts)


@pytest.mark.parametrize(
    ("steps", "rows"),
    [
        pytest.param(1_000, 2_000, id="quick"),
        pytest.param(12_000_000, 250, id="a deep forest"),
        pytest.param(10**9, 200, id="very slow"),
        pytest.param(0, 2_000, id="a single leaf"),
    ],
)
def test_of_a_model_that_takes_long_over_a_row_fewer_rows_are_explained(steps: int, rows: int) -> None:
    class Predictor:
        def shap_steps(self) -> int:
            return steps

    class Model:
        predictor = Predictor()

    assert attribution.affordable(Model()) == rows
    assert attribution.affordable(object()) == 2_000, "a rule, or terms of a linear model"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param(3.0, "below the median", id="number"),
        pytest.param(99.0, "in the highest quarter", id="beyond"),
        pytest.param(np.nan, "missing", id="no number"),
    ],
)
def test_a_shown_row_does_not_show_its_numbers(value: float, says: str) -> None:
    assert attribution.coarse(value, np.arange(12.0)) == says


def test_a_shown_row_shows_only_frequent_categories() -> None:
    known_values = np.array(["often"] * 60 + ["once"], dtype=object)
    assert attribution.coarse("often", known_values) == "often"
    assert attribution.coarse("once", known_values) == "a rare category"
    assert attribution.coarse(None, known_values) == "missing"


def test_every_problem_has_its_headline_and_loss() -> None:
    assert metrics.loss_name("multiclass") == "log_loss"
    assert metrics.loss_name("forecasting") == "squared_error"
    assert metrics.HEADLINE["forecasting"] == ("rmse", True)
