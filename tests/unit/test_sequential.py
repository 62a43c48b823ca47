"""The bounds on which a challenger is judged: right at one look, and rarely wrong over all looks together."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from tabular import sequential

from benchmarks import online_test
from contracts import ContractError, online

LEVELS = sequential.Levels(false_promotion=0.05, false_roll_back=0.05, planned=200)


def losses(
    random: np.random.Generator, requests: int, mean: float, rows: int = 5, apart: float = 0.3
) -> sequential.Losses:
    request = np.repeat(np.arange(requests), rows)
    known = random.normal(0, 1, (len(request), 1))
    loss = (
        mean + known[:, 0] + random.normal(0, apart, requests)[request] + random.normal(0, 0.2, len(request))
    )
    return sequential.Losses(loss=loss, request=request, known=known)


def test_promotes_a_challenger_that_is_too_bad_no_more_often_than_stated() -> None:
    """At the limit itself, where it is hardest; and who looks daily with a usual interval fails by far."""
    found = online_test.rates(1_000, online_test.MARGIN, online_test.Traffic())
    assert found["promoted"] <= 0.05
    assert found["promoted_by_a_usual_interval"] > 0.2


def test_promotes_good_challengers_and_rolls_bad_ones_back() -> None:
    traffic = online_test.Traffic(requests_a_day=16)
    assert online_test.rates(60, -0.03, traffic)["promoted"] > 0.8
    assert online_test.rates(60, 0.2, traffic)["rolled_back"] > 0.9
    assert online_test.rates(200, 0.0, traffic)["rolled_back"] <= 0.05


def test_difference_and_error_are_those_of_a_regression_with_clustered_errors() -> None:
    random = np.random.default_rng(5)
    champion, challenger = losses(random, 80, 1.0), losses(random, 60, 0.8)
    found = sequential.bounds(champion, challenger, LEVELS)
    assert found is not None
    is_champion = np.repeat([1.0, 0.0], [len(champion.loss), len(challenger.loss)])
    design = np.column_stack(
        [np.ones(len(is_champion)), is_champion, np.concatenate([champion.known, challenger.known])]
    )
    request = np.concatenate([champion.request, 1_000 + challenger.request])
    fitted = sm.OLS(np.concatenate([champion.loss, challenger.loss]), design).fit(
        cov_type="cluster", cov_kwds={"groups": request}
    )
    assert found.difference == pytest.approx(fitted.params[1])
    assert found.standard_error == pytest.approx(fitted.bse[1], rel=0.03)
    assert found.spread_left < 0.3


def test_rows_of_one_request_are_not_independent() -> None:
    """Each row ten times over says no more than once."""
    random = np.random.default_rng(6)
    pair = [losses(random, 50, 1.0, rows=1), losses(random, 50, 1.0, rows=1)]
    repeated = [
        sequential.Losses(
            loss=np.repeat(each.loss, 10),
            request=np.repeat(each.request, 10),
            known=np.repeat(each.known, 10, 0),
        )
        for each in pair
    ]
    once, ten_times = (sequential.bounds(*both, LEVELS) for both in (pair, repeated))
    assert once is not None
    assert ten_times is not None
    assert ten_times.standard_error == pytest.approx(once.standard_error)
    assert ten_times.low == pytest.approx(once.low)


def test_bounds_are_wider_than_those_of_a_single_look_and_tightest_near_the_plan() -> None:
    def ratio(count: int) -> float:
        return sequential.width(1.0, count, 0.05, 200)

    assert 1.645 < ratio(200) < ratio(2_000) < ratio(200_000)
    assert ratio(20) > ratio(100)


def test_too_few_requests_decide_nothing() -> None:
    random = np.random.default_rng(7)
    found = sequential.bounds(losses(random, 200, 9.0), losses(random, 19, 0.0), LEVELS)
    assert found is not None
    assert (found.low, found.high) == (None, None)
    assert sequential.decide(found, 0.05) == "wait"
    nothing = sequential.Losses(loss=np.zeros(0), request=np.zeros(0), known=np.zeros((0, 1)))
    assert sequential.bounds(losses(random, 200, 9.0), nothing, LEVELS) is None


def test_a_promotion_of_what_is_surely_worse_is_no_promotion() -> None:
    """Worse, but by less than the margin: both bounds allow a verdict, and the champion stays."""
    random = np.random.default_rng(8)
    found = sequential.bounds(
        losses(random, 4_000, 1.0, apart=0.0), losses(random, 4_000, 1.02, apart=0.0), LEVELS
    )
    assert found is not None
    assert found.low is not None
    assert found.low > -0.05 * found.champion_loss
    assert sequential.decide(found, 0.05) == "roll_back"


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"false_promotion": 0}, "false_promotion: got 0, allowed: a number from 0.001 to 0.5"),
        ({"margin": True}, "margin: got True"),
        ({"planned_requests": 10}, "allowed: a number from 40"),
        ({"looks": 3}, "got 'looks', allowed: false_promotion, false_roll_back, margin, planned_requests"),
    ],
)
def test_impossible_levels_are_refused(section: dict[str, float], says: str) -> None:
    with pytest.raises(ContractError, match=says):
        online.compile_online(section)


def test_an_absent_section_has_stated_levels() -> None:
    assert online.compile_online(None) == {
        "false_promotion": 0.05,
        "false_roll_back": 0.05,
        "margin": 0.05,
        "planned_requests": 200,
    }
