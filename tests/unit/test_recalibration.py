"""Recalibration: fitted as scikit-learn does, kept as JSON, applied by serving."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV, _SigmoidCalibration
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from tabular import metrics, recalibrating, recalibration
from tabular.frame import Frame

from tests.any_model import agreed, any_contract


def overconfident(size: int = 3_000, seed: int = 8) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    odds = random.normal(-0.5, 1, size)
    label = (random.random(size) < 1 / (1 + np.exp(-odds))).astype(float)
    return label, 1 / (1 + np.exp(-2.5 * odds))


def kept(fitted: dict[str, Any] | None) -> dict[str, Any]:
    """As it comes back from model.json."""
    content: dict[str, Any] = json.loads(json.dumps({"recalibration": fitted}))
    return content


def test_platt_is_the_sigmoid_of_scikit_learn_on_the_log_odds() -> None:
    label, score = overconfident()
    odds = np.log(score / (1 - score))
    expected = _SigmoidCalibration().fit(odds, label).predict(odds)
    found = recalibration.applied(kept(recalibration.fit("binary", "platt", label, score)), score)
    assert found == pytest.approx(expected, abs=1e-4)


def test_isotonic_is_that_of_scikit_learn_but_never_certain() -> None:
    label, score = overconfident()
    margin = 1 / (len(label) + 2)
    expected = IsotonicRegression(out_of_bounds="clip").fit(score, label).predict(score)
    content = kept(recalibration.fit("binary", "isotonic", label, score))
    found = recalibration.applied(content, score)
    assert found == pytest.approx(np.clip(expected, margin, 1 - margin), abs=1e-9)
    beyond = recalibration.applied(content, np.array([0.0, 1.0]))
    assert 0 < beyond[0] < beyond[1] < 1


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_it_mends_new_rows_and_keeps_their_order(method: str) -> None:
    content = kept(recalibration.fit("binary", method, *overconfident()))
    label, score = overconfident(seed=9)
    after = recalibration.applied(content, score)
    errors = [metrics.Measure("binary", label, each)()["calibration_error"] for each in (score, after)]
    assert errors[0] > 0.08
    assert errors[1] < 0.03
    assert (np.diff(after[np.argsort(score)]) >= 0).all()


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_one_row_is_mapped_as_many_are(method: str) -> None:
    label, score = overconfident(500)
    content = kept(recalibration.fit("binary", method, label, score))
    many = recalibration.applied(content, score[:50])
    one = [recalibration.applied(content, float(each)) for each in score[:50]]
    assert one == pytest.approx(many.tolist(), rel=1e-12)
    assert all(isinstance(each, float) for each in one)


class Scored(ClassifierMixin, BaseEstimator):
    """An estimator whose rows are probabilities already; it decides by their log odds, as we do."""

    def fit(self, _: np.ndarray, label: np.ndarray) -> "Scored":
        self.classes_ = np.unique(label)
        return self

    def decision_function(self, features: np.ndarray) -> np.ndarray:
        return np.log(features / (1 - features))

    def predict(self, features: np.ndarray) -> np.ndarray:
        return features.argmax(axis=1)


@pytest.mark.parametrize(("method", "name"), [("platt", "sigmoid"), ("isotonic", "isotonic")])
def test_several_classes_are_mapped_as_scikit_learn_maps_them(method: str, name: str) -> None:
    random = np.random.default_rng(10)
    label = random.choice(3, 900)
    score = random.dirichlet(np.ones(3), 900) * 0.7 + 0.3 * np.eye(3)[label]
    score = np.clip(score, 0.01, None) / np.clip(score, 0.01, None).sum(axis=1, keepdims=True)
    content = kept(recalibration.fit("multiclass", method, label.astype(float), score))
    found = recalibration.applied(content, score)
    assert found.sum(axis=1) == pytest.approx(np.ones(900))
    assert recalibration.applied(content, score[0].tolist()) == pytest.approx(found[0].tolist())
    theirs = CalibratedClassifierCV(FrozenEstimator(Scored().fit(score, label)), method=name).fit(
        score, label
    )
    # Isotonic: ours stays off 0 and 1 by a little.
    assert found == pytest.approx(theirs.predict_proba(score), abs=5e-3)


def test_none_changes_nothing() -> None:
    label, score = overconfident(50)
    assert recalibration.fit("regression", "none", label, score) is None
    assert recalibration.applied({}, 0.3) == 0.3
    assert recalibration.applied({"recalibration": None}, score) is score


@pytest.mark.parametrize(
    ("problem", "method", "label", "says"),
    [
        pytest.param(
            "regression", "platt", [0.0, 1.0], "a regression model, allowed are binary", id="problem"
        ),
        pytest.param("binary", "beta", [0.0, 1.0], "'beta', allowed are none, platt, isotonic", id="method"),
        pytest.param("binary", "platt", [1.0, 1.0], "every label of the validation window is 1", id="class"),
    ],
)
def test_what_cannot_be_recalibrated_is_said(
    problem: str, method: str, label: list[float], says: str
) -> None:
    with pytest.raises(recalibration.RecalibrationError, match=says):
        recalibration.fit(problem, method, np.array(label), np.array([0.2, 0.7]))


def test_the_module_needs_no_library_to_serve() -> None:
    text = Path(recalibration.__file__).read_text()
    top = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert not [line for line in top if "scipy" in line or "sklearn" in line]


def frame_of(label: np.ndarray, days: int = 14) -> Frame:
    count = len(label)
    return Frame(
        key=np.arange(count).astype(object),
        date=np.array([f"2024-03-{1 + number % days:02d}" for number in range(count)]),
        label=label,
        columns={},
    )


def contract_with(method: str) -> Any:
    return agreed(any_contract(evaluation={"recalibration": method}))


def test_a_map_that_helps_on_days_it_was_not_fitted_on_is_kept() -> None:
    label, score = overconfident()
    fitted, told = recalibrating.fit(contract_with("platt"), frame_of(label), score)
    assert fitted == recalibration.fit("binary", "platt", label, score), "fitted on all rows in the end"
    assert told["reason"].startswith("kept: a validation loss of")


def test_a_map_that_only_learned_its_rows_by_heart_is_left_out() -> None:
    random = np.random.default_rng(12)
    score = random.uniform(0.1, 0.9, 60)
    label = (random.random(60) < score).astype(float)
    inside = metrics.row_loss(
        "binary",
        label,
        recalibration.applied(kept(recalibration.fit("binary", "isotonic", label, score)), score),
    )
    assert inside.mean() < metrics.row_loss("binary", label, score).mean(), "on its own rows it shines"
    fitted, told = recalibrating.fit(contract_with("isotonic"), frame_of(label), score)
    assert fitted is None
    assert told["asked"] == "isotonic"
    assert told["reason"].startswith("left out: a validation loss of")


def test_scores_of_a_day_are_mapped_by_other_days() -> None:
    label, score = overconfident(600)
    held = frame_of(label)
    found = recalibrating.crossfitted("binary", "platt", held, score)
    even = np.unique(held.date, return_inverse=True)[1] % 2 == 0
    content = kept(recalibration.fit("binary", "platt", label[~even], score[~even]))
    assert found[even] == pytest.approx(recalibration.applied(content, score[even]))


def test_halves_without_both_classes_cannot_test_the_map() -> None:
    label = np.array([0.0, 1.0] * 20)
    score = np.linspace(0.2, 0.8, 40)
    fitted, told = recalibrating.fit(contract_with("platt"), frame_of(label, days=2), score)
    assert fitted is not None
    assert "untested" in told["reason"]
