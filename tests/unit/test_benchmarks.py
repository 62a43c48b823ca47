"""What `make bench` says of its figures. How fast anything is, no test asks."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks.figures import Figure, number, table, verdict


def any_figure(value: float = 1.0, **changes: Any) -> Figure:
    return Figure(**{"what": "something", "value": value, "unit": "s", **changes})


@pytest.mark.parametrize(
    ("budget", "value", "within"),
    [
        pytest.param({"at_most": 15}, 15.0, True, id="at the limit"),
        pytest.param({"at_most": 15}, 15.01, False, id="over the limit, though it is shown as the limit"),
        pytest.param({"at_least": 60_000}, 60_000, True, id="as fast as it must be"),
        pytest.param({"at_least": 60_000}, 59_999, False, id="too slow"),
        pytest.param({}, 1e9, None, id="no budget"),
    ],
)
def test_figure_is_held_against_its_budget(
    budget: dict[str, float], value: float, within: bool | None
) -> None:
    assert any_figure(value, **budget).within is within


def test_table_has_a_line_for_each_figure_in_columns() -> None:
    found = [
        Figure(what="deployment", value=15.2, unit="s", at_most=15),
        Figure(what="records", value=74_600.4, unit="/s", at_least=60_000),
        Figure(what="stream", value=8.125, unit="s"),
    ]
    assert table(found).splitlines() == [
        "measured    figure     budget           within",
        "deployment    15.2 s   at most 15       NO",
        "records     74,600 /s  at least 60,000  yes",
        "stream        8.12 s",
    ]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.3912, "0.39"), (22.94, "22.9"), (173.4, "173"), (102_622.3, "102,622")]
)
def test_number_shows_three_digits_or_all_before_the_point(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param([1, 2], "all 2 figures with a budget are within it", id="kept"),
        pytest.param([1, 9], "1 of 2 figures are not within their budgets: number 9", id="exceeded"),
        pytest.param([], "no figure with a budget was measured", id="nothing to judge"),
    ],
)
def test_verdict_names_what_is_over(values: list[float], said: str) -> None:
    judged = [any_figure(value, what=f"number {value:g}", at_most=5) for value in values]
    assert verdict([*judged, any_figure(1e9, what="of no account")]) == said


def test_benchmark_that_does_not_exist_is_refused_with_those_that_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        command.main(["--only", "transform,speed"])
    assert "no benchmark 'speed'; allowed: synthesis, deployment, transform" in capsys.readouterr().err
