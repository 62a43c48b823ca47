"""Preparation: fitted on training rows only, and the same for a column as for a row."""

import json

import numpy as np
import pytest
from tabular import preparation
from tabular.frame import Frame
from tabular.split import TrainingRows

from tests.any_model import any_contract, any_frame, training_rows

FEATURES = any_contract()["model"]["features"]


def frame_of(label: list[float] | None = None, **columns: list) -> TrainingRows:
    size = len(next(iter(columns.values())))
    typed = {
        name: np.array(values, dtype=object if any(isinstance(v, str) for v in values) else float)
        for name, values in columns.items()
    }
    return training_rows(
        Frame(
            key=np.array([str(place) for place in range(size)], dtype=object),
            date=np.full(size, "2024-01-01"),
            label=np.array(label or [0.0] * size),
            columns=typed,
        )
    )


def test_a_single_row_gets_the_values_of_the_whole_column() -> None:
    frame = any_frame()
    fitted, _ = preparation.fit(training_rows(frame, "2024-01-01", "2024-02-01"), FEATURES)
    restored = preparation.Preparation.from_json(json.loads(json.dumps(fitted.to_json())))

    matrix = fitted.matrix(frame)

    rows = np.vstack([restored.row(frame.record(index)) for index in range(len(frame))])
    np.testing.assert_array_equal(rows, matrix)
    assert matrix.dtype == np.float32
    assert matrix.shape[1] == len(fitted.columns) == len(fitted.features)


@pytest.mark.parametrize(
    ("imputation", "expected"),
    [
        pytest.param({"imputation": "median"}, 2.0, id="median"),
        pytest.param({"imputation": "mean"}, 3.0, id="mean"),
        pytest.param({"imputation": "mode"}, 1.0, id="mode"),
        pytest.param({"imputation": "constant", "value": -1}, -1.0, id="constant"),
    ],
)
def test_a_missing_number_is_filled_as_the_contract_says(imputation: dict, expected: float) -> None:
    spec = {"x": {"kind": "numeric", "encoding": "passthrough", **imputation}}
    fitted, matrix = preparation.fit(frame_of(x=[1.0, 1.0, np.nan, 3.0, 7.0]), spec)
    assert matrix[2, 0] == expected
    assert fitted.row({"x": None})[0, 0] == expected


def test_a_missing_number_without_imputation_stays_missing() -> None:
    spec = {"x": {"kind": "numeric", "encoding": "passthrough", "imputation": "none"}}
    fitted, matrix = preparation.fit(frame_of(x=[1.0, np.nan]), spec)
    assert np.isnan(matrix[1, 0])
    assert np.isnan(fitted.row({})[0, 0])


def test_an_unknown_category_is_no_known_one() -> None:
    frame = frame_of(site=["a", "b", "a"])
    one_hot, _ = preparation.fit(
        frame, {"site": {"kind": "categorical", "encoding": "one_hot", "imputation": "none"}}
    )
    ordinal, _ = preparation.fit(
        frame, {"site": {"kind": "categorical", "encoding": "ordinal", "imputation": "none"}}
    )
    assert one_hot.columns == ["site=a", "site=b"]
    assert one_hot.row({"site": "b"}).tolist() == [[0.0, 1.0]]
    assert one_hot.row({"site": "new"}).tolist() == [[0.0, 0.0]]
    assert ordinal.row({"site": "b"}).tolist() == [[1.0]]
    assert np.isnan(ordinal.row({"site": "new"})[0, 0])


def test_a_missing_category_takes_the_mode() -> None:
    spec = {"site": {"kind": "categorical", "encoding": "ordinal", "imputation": "mode"}}
    fitted, _ = preparation.fit(frame_of(site=["a", "b", "b", None]), spec)
    assert fitted.row({"site": None}).tolist() == [[1.0]]


def test_target_encoding_never_reads_the_label_of_its_own_row() -> None:
    spec = {"town": {"kind": "categorical", "encoding": "target", "imputation": "none"}}
    label = [0.0, 1.0] * 10
    frame = frame_of(label=label, town=["x"] * 20)
    _, matrix = preparation.fit(frame, spec)
    for row in range(20):
        changed = label.copy()
        changed[row] = 1 - changed[row]
        _, other = preparation.fit(frame_of(label=changed, town=["x"] * 20), spec)
        assert other[row, 0] == matrix[row, 0]
        assert (other != matrix).any()


def test_target_encoding_moves_rare_categories_to_the_overall_mean() -> None:
    spec = {"town": {"kind": "categorical", "encoding": "target", "imputation": "none"}}
    label = [1.0] + [0.0] * 99
    fitted, _ = preparation.fit(frame_of(label=label, town=["rare"] + ["often"] * 99), spec)
    rare, often = (fitted.row({"town": name})[0, 0] for name in ("rare", "often"))
    assert often < 0.01 < rare < 0.1
    assert fitted.row({"town": "new"})[0, 0] == pytest.approx(0.01)


def test_fitting_reads_training_rows_only() -> None:
    frame = any_frame()
    train = training_rows(frame, "2024-01-01", "2024-03-01")
    fitted, _ = preparation.fit(train, FEATURES)
    later = frame.between("2024-03-01", "2024-05-01")
    later.label[:] = 1.0
    again, _ = preparation.fit(train, FEATURES)
    assert fitted.to_json() == again.to_json()


def test_an_encoding_that_does_not_fit_the_kind_is_refused() -> None:
    spec = {"x": {"kind": "numeric", "encoding": "one_hot", "imputation": "none"}}
    with pytest.raises(preparation.PreparationError, match="x: encoding 'one_hot', allowed for numeric"):
        preparation.fit(frame_of(x=[1.0]), spec)
