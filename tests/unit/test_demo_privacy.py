"""How many are alike: classes in subjects, not rows, within an epoch; what tells nothing is in no class."""

from __future__ import annotations

from typing import Any

import pytest

import contracts
from demo import privacy

A, B, C = (f"tok_2024_{name}" for name in "abc")


@pytest.mark.parametrize(
    ("pairs", "smallest", "below", "untold"),
    [
        pytest.param([(A, (30, "x")), (B, (30, "x"))], 2, 0, 0, id="two alike"),
        pytest.param([(A, (30, "x")), (A, (30, "x"))], 1, 2, 0, id="one, twice"),
        pytest.param([(A, (30, "x")), (B, (30, "x")), (C, (31, "x"))], 1, 1, 0, id="one alone"),
        pytest.param([(A, (30, None)), (B, (30, None))], 2, 0, 0, id="a missing value is one"),
        pytest.param([(A, (None, None))], None, 0, 1, id="nothing told"),
        pytest.param([(A, (30, "x")), ("tok_2025_a", (30, "x"))], 1, 2, 0, id="one, in two epochs"),
        pytest.param([(None, (30, "x")), (A, (30, "x"))], 0, 2, 0, id="a row of nobody hides nobody"),
    ],
)
def test_measure(pairs: list[Any], smallest: int | None, below: int, untold: int) -> None:
    found = privacy.measure(pairs, 2)
    assert (found["smallest"], found["rows_below"], found["untold"]) == (smallest, below, untold)
    assert found["rows"] == len(pairs)


def test_features_carry_what_was_joined_and_what_is_made_of_it() -> None:
    contract = contracts.load("flights")
    [join] = [join for join in contract["features"]["joins"] if join["table"] == "planes"]
    assert privacy._carried(contract, join) == ["plane_age", "seats", "engines"]
