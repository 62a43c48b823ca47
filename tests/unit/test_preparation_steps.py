"""Every step gives a single record what it gives whole columns, also after the way to JSON and back."""

import json

import numpy as np
import pytest
from tabular import preparation

from tests.any_preparation import ROWS, STEPS, any_rows, learn


@pytest.mark.parametrize("name", STEPS)
def test_a_single_row_gets_what_whole_columns_get(name: str) -> None:
    given = any_rows()
    prepared, _ = learn(*STEPS[name])
    restored = preparation.Preparation.from_json(json.loads(json.dumps(prepared.to_json())))

    matrix = prepared.matrix(given)

    lines = np.vstack([restored.row(given.record(index)) for index in range(len(given))])
    np.testing.assert_array_equal(lines, matrix)
    assert matrix.dtype == np.float32
    assert matrix.shape == (ROWS, len(prepared.columns))
    assert len(set(prepared.columns)) == len(prepared.columns) == len(prepared.features)
    assert restored.to_json() == prepared.to_json()


@pytest.mark.parametrize("name", STEPS)
def test_unknown_values_are_prepared_too(name: str) -> None:
    prepared, _ = learn(*STEPS[name])
    strange = {"a": 1e9, "b": -1e9, "c": 0, "d": None, "minute": 1440.0, "site": "new", "note": "Zebra!"}
    assert not np.isinf(prepared.row(strange)).any()
    assert prepared.row({}).shape == (1, len(prepared.columns))
