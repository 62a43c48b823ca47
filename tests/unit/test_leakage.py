"""Leaks are planted here, each in the way in which it happens, and each is refused or found."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tabular import leakage, preparation, split
from tabular.frame import Frame

from tests.any_model import WINDOWS, agreed, any_contract, any_frame

DAYS = split.Windows.of(WINDOWS)
FEATURES = any_contract()["model"]["features"]
RICH = {
    **FEATURES,
    "size": {"kind": "numeric", "encoding": "passthrough", "imputation": "knn", "scaling": "z_score"},
    "noise": {
        "kind": "numeric",
        "encoding": "passthrough",
        "imputation": "iterative",
        "outliers": {"method": "cap", "rule": "quantile"},
    },
    "rain": {
        "kind": "numeric",
        "encoding": "bins",
        "imputation": "median",
        "bins": {"count": 4, "strategy": "uniform"},
    },
}
TOGETHER = {
    "pca": {"features": ["size", "noise"], "components": 2, "replace": False},
    "interactions": [["size", "noise"]],
    "imbalance": {"method": "smote"},
}


def rich(train: split.TrainingRows) -> tuple[preparation.Preparation, preparation.Fitted]:
    return preparation.training(train, agreed(any_contract(features=RICH, preparation=TOGETHER)))


def test_no_validation_row_changes_a_fitted_number() -> None:
    frame = any_frame(rows_per_day=8)
    before, fitted = rich(split.split(frame, DAYS).train)
    later = frame.date >= DAYS.train_end
    assert 0 < later.sum() < len(frame)
    changed = replace(
        frame,
        label=np.where(later, 1 - frame.label, frame.label),
        columns={
            name: np.where(later, "unseen" if values.dtype == object else 1e6, values)
            for name, values in frame.columns.items()
        },
    )
    after, again = rich(split.split(changed, DAYS).train)
    assert after.to_json() == before.to_json()
    np.testing.assert_array_equal(again.matrix, fitted.matrix)


def test_a_training_row_does_change_them() -> None:
    """Else the test above could not fail."""
    frame = any_frame(rows_per_day=8)
    before, _ = rich(split.split(frame, DAYS).train)
    frame.columns["size"][0] = 9.0
    assert rich(split.split(frame, DAYS).train)[0].to_json() != before.to_json()


@pytest.mark.parametrize("call", [preparation.fit, preparation.training])
def test_fitting_on_all_rows_is_refused(call) -> None:
    frame = any_frame(rows_per_day=2)
    given = FEATURES if call is preparation.fit else agreed(any_contract())
    parts = split.split(frame, DAYS)
    for rows in (frame, parts.validation, parts.holdout):
        with pytest.raises(preparation.PreparationError, match="got Frame, allowed are the training rows of"):
            call(rows, given)


def test_training_rows_come_from_a_split_alone() -> None:
    frame = any_frame(rows_per_day=2)
    parts = {name: getattr(frame, name) for name in ("key", "date", "label", "columns")}
    with pytest.raises(split.SplitError, match="made by tabular.split alone"):
        split.TrainingRows(**parts, window=("2024-01-01", "2024-03-01"), seal=object())
    train = split.split(frame, DAYS).train
    with pytest.raises(split.SplitError, match=r"training rows lie outside \[2024-01-01, 2024-03-01\)"):
        replace(train, **parts)


def test_a_part_of_training_rows_is_training_rows() -> None:
    train = split.split(any_frame(rows_per_day=2), DAYS).train
    assert isinstance(train.between("2024-01-05", "2024-02-01"), split.TrainingRows)
    assert isinstance(train.labelled(), split.TrainingRows)


def in_fold(rows: split.TrainingRows) -> np.ndarray:
    """The mistake: every row is encoded with means that know its own label."""
    return preparation.fit(rows, FEATURES)[0].matrix(rows)


def test_target_encoding_in_fold_is_found() -> None:
    rows = split.split(any_frame(rows_per_day=2), DAYS).train
    assert len(leakage.own_label_readers(in_fold, rows)) == 20


@pytest.mark.parametrize("features", [FEATURES, RICH], ids=["plain", "rich"])
def test_no_row_that_trains_reads_its_own_label(features: dict) -> None:
    rows = split.split(any_frame(rows_per_day=2), DAYS).train
    contract = agreed(any_contract(features=features, preparation=TOGETHER if features is RICH else {}))

    def ours(given: split.TrainingRows) -> np.ndarray:
        return preparation.training(given, contract)[1].matrix[: len(rows)]

    assert leakage.own_label_readers(ours, rows, looked_at=20 if features is FEATURES else 4) == []


def knows(frame: Frame, kind: str) -> np.ndarray:
    """A feature that says the label: itself, cut from a number, by a word, or with a little noise."""
    random = np.random.default_rng(0)
    if kind == "word":
        return np.array([["no", "yes"][int(value)] for value in frame.label], dtype=object)
    if kind == "delay":
        return frame.label * 30 - random.uniform(0, 30, len(frame))
    if kind == "hump":  # neither rises nor falls with the label
        return np.where(frame.label == 1, random.choice([-5.0, 5.0], len(frame)), 0.0)
    return frame.label + random.normal(0, 0.001, len(frame))


@pytest.mark.parametrize("kind", ["word", "delay", "hump", "copy"])
def test_a_feature_that_knows_the_label_is_refused(kind: str) -> None:
    frame = any_frame(rows_per_day=8)
    name = "site" if kind == "word" else "noise"
    frame.columns[name][:] = knows(frame, kind)
    train = split.split(frame, DAYS).train
    with pytest.raises(leakage.LeakageError, match=f"{name} alone tells .* name it in leak_columns"):
        preparation.training(train, agreed(any_contract()))
    allowed = any_contract(preparation={"known_before": [name]})
    preparation.training(train, agreed(allowed))


def test_a_number_that_knows_a_number_is_refused() -> None:
    frame = any_frame("regression", rows_per_day=8)
    frame.columns["noise"][:] = 3 - 2 * frame.label
    train = split.split(frame, DAYS).train
    with pytest.raises(leakage.LeakageError, match="noise alone tells 100.0%"):
        preparation.training(train, agreed(any_contract("regression")))


def test_honest_features_say_much_less() -> None:
    frame = any_frame(rows_per_day=25)
    train = split.split(frame, DAYS).train
    kinds = {name: spec["kind"] for name, spec in FEATURES.items()}
    found = leakage.power_alone(train, kinds, "binary")
    assert set(found) == set(FEATURES)
    assert max(found.values()) < 0.6
    assert found["size"] > found["noise"] + 0.2


def test_a_name_of_each_row_tells_nothing_of_other_rows() -> None:
    """In sample it would tell all: every row is the only one with its name."""
    frame = any_frame(rows_per_day=8)
    frame.columns["site"][:] = frame.key
    found = leakage.power_alone(split.split(frame, DAYS).train, {"site": "categorical"}, "binary")
    assert found["site"] < 0.1


def test_resampling_before_the_split_is_refused() -> None:
    """Copies of one row, which would end in training and in validation."""
    frame = any_frame(rows_per_day=4)
    positive = np.flatnonzero(frame.label == 1)
    doubled = frame.take(np.concatenate([np.arange(len(frame)), positive]))
    for deal in (split.split, split.shuffled):
        with pytest.raises(split.SplitError, match="have a key that another row of the split has"):
            deal(doubled, DAYS)


def test_no_resampled_row_is_judged() -> None:
    frame = any_frame(rows_per_day=8)
    parts = split.split(frame, DAYS)
    prepared, fitted = rich(parts.train)
    assert (fitted.rows == -1).any()
    assert len(prepared.matrix(parts.validation)) == len(parts.validation)
    used = set(parts.train.key[fitted.rows[fitted.rows >= 0]])
    assert not used & set(parts.validation.key)
    assert not used & set(parts.holdout.key)


def test_folds_never_train_on_a_later_day() -> None:
    train = split.split(any_frame(rows_per_day=3), DAYS).train
    found = split.folds(train, 4)
    assert len(found) == 4
    for fold in found:
        assert max(fold.train.date) < min(fold.held.date)
        with pytest.raises(preparation.PreparationError, match="got Frame"):
            preparation.fit(fold.held, FEATURES)
        preparation.fit(fold.train, FEATURES)
    held = [key for fold in found for key in fold.held.key]
    assert len(held) == len(set(held)) == len(train) - len(found[0].train)
    with pytest.raises(split.SplitError, match="60 folds from 60 days of training rows, allowed are 1 to 59"):
        split.folds(train, 60)


class ByDay:
    """Remembers the mean label of each day: it knows what that day was like, if it saw the day."""

    def __init__(self, rows: Frame) -> None:
        self.mean = rows.label.mean()
        self.days = {day: rows.label[rows.date == day].mean() for day in set(rows.date)}

    def scores(self, frame: Frame) -> np.ndarray:
        return np.array([self.days.get(day, self.mean) for day in frame.date])


def test_a_random_split_looks_better_than_time_allows() -> None:
    """Days differ: who has seen other rows of the same day knows more than anybody will."""
    frame = any_frame(rows_per_day=20)
    random = np.random.default_rng(4)
    days, place = np.unique(frame.date, return_inverse=True)
    chance = random.choice([0.1, 0.9], len(days))[place]
    frame = replace(frame, label=(random.random(len(frame)) < chance).astype(float))
    found = leakage.split_gap(frame, DAYS, lambda parts: ByDay(parts.train), roc_auc_score)
    assert found["time"]["quality"] == pytest.approx(0.5)
    assert found["random"]["quality"] > 0.85
    assert found["gap"] == found["random"]["quality"] - found["time"]["quality"]
    assert found["time"]["rows"] == found["random"]["rows"]


def test_a_random_split_of_days_alike_looks_the_same() -> None:
    frame = any_frame(rows_per_day=20)
    found = leakage.split_gap(frame, DAYS, lambda parts: ByDay(parts.train), roc_auc_score)
    assert abs(found["gap"]) < 0.08


def test_one_row_per_key_is_kept_by_every_way_to_split() -> None:
    frame = any_frame(rows_per_day=2)
    parts = split.shuffled(frame, DAYS)
    keys = [key for part in (parts.train, parts.validation, parts.holdout) for key in part.key]
    assert sorted(keys) == sorted(frame.key)
    assert min(parts.holdout.date) < DAYS.train_end < max(parts.train.date)
