"""training.json's numbers, each by a library that the training does not call (docs/numbers.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn import metrics as oracle
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tabular import metrics, models, rules, split, training, validation
from tabular.contract import ModelContract
from tabular.families import arguments
from tabular.families.base import Member

from tests.any_model import SMALL, WINDOWS, agreed, any_contract, any_frame
from tests.any_rows import bundled, fitted

ALPHA = 0.01


def parts(problem: str) -> split.Split:
    return split.split(any_frame(problem), split.Windows.of(WINDOWS))


def plan(family: str, **given: Any) -> training.Plan:
    return training.Plan(family=family, hyperparameters=arguments.typed(family, given))


def library(problem: str, label: np.ndarray, scores: np.ndarray) -> float:
    if problem == "regression":
        return float(oracle.root_mean_squared_error(label, scores))
    return float(oracle.log_loss(label, scores))


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_losses_of_rounds_and_of_the_rule_are_those_of_scikit_learn(problem: str) -> None:
    compiled = any_contract(problem)
    found = training.outcome(
        agreed(compiled), plan("xgboost", **SMALL), parts(problem).train, parts(problem).validation
    )
    trained, held = found.trained, parts(problem).validation
    booster = trained.predictor.booster  # type: ignore[attr-defined]
    for name, rows, label in (
        ("train", found.train.matrix, found.train.label),
        ("validation", found.preparation.matrix(held), held.label),
    ):
        data = xgboost.DMatrix(rows)
        for place in (0, trained.best_round // 2, trained.best_round):
            scores = booster.predict(data, iteration_range=(0, place + 1))
            [told] = trained.history[place][name].values()
            assert told == pytest.approx(library(problem, label, scores), rel=1e-4)
    losses = [next(iter(entry["validation"].values())) for entry in trained.history]
    assert found.loss == min(losses)
    simple = models.RuleModel(content=rules.rule_model(compiled)).scores(held)
    assert found.rule == pytest.approx(library(problem, held.label, simple))


def logistic(rows: training.Rows) -> Any:
    model = LogisticRegression(C=1 / (ALPHA * len(rows)), max_iter=500)
    return make_pipeline(StandardScaler(), model).fit(np.nan_to_num(rows.matrix.astype(float)), rows.label)


def without_holes() -> tuple[ModelContract, split.Split]:
    """Columns without missing values, that the library's pipeline sees what the family does."""
    compiled = any_contract()
    compiled["model"]["features"]["size"] |= {"imputation": "mean"}
    return agreed(compiled), parts("binary")


def test_folds_are_those_of_scikit_learn_and_so_are_their_losses() -> None:
    contract, rows = without_holes()
    found = validation.cross_validated(contract, plan("logistic", alpha=ALPHA), rows.train, 3)
    days = np.unique(rows.train.date)
    expected = []
    for fold, (inside, held) in zip(found["folds"], TimeSeriesSplit(3).split(days), strict=True):
        learn, judge = (np.isin(rows.train.date, days[places]) for places in (inside, held))
        assert fold["train"]["rows"] == learn.sum()
        assert (fold["held_out"]["from"], fold["held_out"]["until"]) == (days[held[0]], days[held[-1]])
        prepared, seen = training.fit_preparation(contract, rows.train.take(learn))
        later = rows.train.take(judge)
        scores = logistic(seen).predict_proba(prepared.matrix(later).astype(float))[:, 1]
        expected.append(oracle.log_loss(later.label, scores))
        simple = models.RuleModel(content=rules.rule_model(contract.compiled)).scores(later)
        assert fold["rule"] == pytest.approx(oracle.log_loss(later.label, simple))
    assert [fold["loss"] for fold in found["folds"]] == pytest.approx(expected, abs=1e-5)
    assert found["mean"] == pytest.approx(np.mean(expected), abs=1e-5)
    assert found["standard_error"] == pytest.approx(stats.sem(expected), abs=1e-5)


def test_points_of_the_learning_curve_have_the_losses_of_scikit_learn() -> None:
    contract, rows = without_holes()
    curve = validation.learning_curve(contract, plan("logistic", alpha=ALPHA), rows.train, rows.validation, 3)
    days = np.unique(rows.train.date)
    for point, first in zip(curve, (40, 20, 0), strict=True):
        part = rows.train.take(rows.train.date >= days[first])
        prepared, seen = training.fit_preparation(contract, part)
        model = logistic(seen)
        assert (point["rows"], point["from"]) == (len(part), days[first])
        for name, matrix, label in (
            ("train", seen.matrix, seen.label),
            ("validation", prepared.matrix(rows.validation), rows.validation.label),
        ):
            expected = oracle.log_loss(label, model.predict_proba(matrix.astype(float))[:, 1])
            assert point[name] == pytest.approx(expected, abs=1e-5)


def test_notes_of_clusters_agree_with_scipys_distances() -> None:
    train, held = bundled("clustering")
    trained = fitted("kmeans", "clustering", clusters=3)
    scaler = StandardScaler().fit(train.matrix.astype(np.float64))
    centres = trained.predictor.centres  # type: ignore[attr-defined]
    nearest = [cdist(scaler.transform(rows.matrix.astype(float)), centres) for rows in (train, held)]
    assert trained.notes["inertia"] == pytest.approx((nearest[0].min(axis=1) ** 2).sum(), rel=1e-4)
    assert trained.notes["held_out_sizes"] == np.bincount(nearest[1].argmin(axis=1), minlength=3).tolist()


def test_losses_of_a_stack_and_of_its_members_are_those_of_scikit_learn() -> None:
    member = [
        Member(name=name, family=family, hyperparameters=arguments.typed(family, {}))
        for name, family in (("a", "tree"), ("b", "logistic"))
    ]
    trained = fitted("stack", "binary", members=member)
    _, held = bundled("binary")
    stack = trained.predictor

    def library_loss(scores: np.ndarray) -> float:
        # Leaves are certain: a wrong one costs what the precision of the training allows, in either library.
        return float(oracle.log_loss(held.label, np.clip(scores, metrics.EPSILON, 1 - metrics.EPSILON)))

    alone = [library_loss(each.predict(held.matrix)) for each in stack.members]  # type: ignore[attr-defined]
    assert [told["validation"] for told in trained.notes["members"]] == pytest.approx(alone, rel=1e-4)
    together = library_loss(stack.predict(held.matrix))
    assert trained.history[0]["validation"]["logloss"] == pytest.approx(together)
