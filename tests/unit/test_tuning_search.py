"""How the embedded account's tuning jobs choose: by strategy, by seed, by what earlier trials reached."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.engines.tuning_search import WARM_UP, Search, Trial, ranges

RANGES = {
    "IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "12", "ScalingType": "Linear"}],
    "ContinuousParameterRanges": [
        {"Name": "rate", "MinValue": "0.001", "MaxValue": "1.0", "ScalingType": "Logarithmic"},
        {"Name": "decay", "MinValue": "0.9", "MaxValue": "0.999", "ScalingType": "ReverseLogarithmic"},
    ],
}
GRID = {
    "CategoricalParameterRanges": [
        {"Name": "depth", "Values": ["2", "6"]},
        {"Name": "rate", "Values": ["0.1", "1.0", "0.5"]},
    ]
}
SHARES = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}


def config(strategy: str = "Bayesian", jobs: int = 20, seed: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "Strategy": strategy,
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": 1},
        "ParameterRanges": RANGES,
        "RandomSeed": seed,
        **more,
    }


def bowl(trial: Trial) -> float:
    """Smallest at depth 6 and rate 0.1."""
    given = trial.hyperparameters
    return 0.1 * (int(given["depth"]) - 6) ** 2 + math.log10(float(given["rate"]) / 0.1) ** 2


def searched(
    asked: dict[str, Any],
    objective: Callable[[Trial], float] = bowl,
    earlier: list[tuple[dict[str, str], float]] | None = None,
) -> list[tuple[dict[str, str], float]]:
    search = Search(asked, earlier or [])
    found = []
    for number in range(search.size):
        trial = search.ask(number)
        search.tell(trial, objective(trial))
        found.append((trial.hyperparameters, objective(trial)))
    return found


@pytest.mark.parametrize("strategy", ["Bayesian", "Random"])
def test_a_seed_gives_the_same_trials_and_another_seed_others(strategy: str) -> None:
    assert searched(config(strategy)) == searched(config(strategy))
    assert searched(config(strategy)) != searched(config(strategy, seed=2))


def test_what_is_drawn_lies_in_its_range_on_its_scale() -> None:
    drawn = [given for given, _ in searched(config("Random", jobs=200))]
    assert {given["depth"] for given in drawn} == {str(depth) for depth in range(2, 13)}
    rates = [float(given["rate"]) for given in drawn]
    decays = [float(given["decay"]) for given in drawn]
    assert all(0.001 <= rate <= 1 for rate in rates) and all(0.9 <= decay <= 0.999 for decay in decays)
    # Steps are equal on the scale: half of the draws lie below its middle.
    assert 0.01 < statistics.median(rates) < 0.1, "on a linear scale it would be 0.5"
    assert 0.005 < 1 - statistics.median(decays) < 0.02, "on a linear scale it would be 0.05"


def test_bayesian_search_finds_better_than_random_search_of_the_same_size() -> None:
    def mean_of_best(strategy: str) -> float:
        return statistics.fmean(
            min(value for _, value in searched(config(strategy, jobs=24, seed=seed))) for seed in range(12)
        )

    assert mean_of_best("Bayesian") < 0.75 * mean_of_best("Random")


def test_a_maximum_is_searched_where_the_objective_is_maximised() -> None:
    rising = config(HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": "auc"})
    late = [value for _, value in searched(rising, lambda trial: -bowl(trial))][12:]
    early = [value for _, value in searched(rising, lambda trial: -bowl(trial))][:6]
    assert statistics.fmean(late) > statistics.fmean(early)


def test_a_grid_is_every_combination_once_whatever_the_seed() -> None:
    grid = {**config("Grid", seed=3, ParameterRanges=GRID), "ResourceLimits": {"MaxParallelTrainingJobs": 1}}
    tried = [tuple(sorted(given.items())) for given, _ in searched(grid)]
    assert len(tried) == len(set(tried)) == 6


def test_knowledge_of_earlier_trials_leads_to_what_was_good() -> None:
    good = [({"depth": str(5 + n % 3), "rate": "0.1", "decay": "0.95"}, 0.01 * n) for n in range(8)]
    bad = [({"depth": "12", "rate": str(0.5 + n / 20), "decay": "0.95"}, 5.0 + n) for n in range(8)]
    [(warm, _)] = searched(config(jobs=1), earlier=good + bad)
    assert 4 <= int(warm["depth"]) <= 8
    assert warm != searched(config(jobs=1))[0][0]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"depth": "40", "rate": "0.1", "decay": "0.95"}, id="outside of the range"),
        pytest.param({"depth": "6", "rate": "0.1"}, id="not searched there"),
        pytest.param({"depth": "x", "rate": "0.1", "decay": "0.95"}, id="no number"),
    ],
)
def test_what_does_not_fit_the_ranges_teaches_nothing(given: dict[str, str]) -> None:
    assert searched(config(jobs=3), earlier=[(given, 0.0)] * 20) == searched(config(jobs=3))


def curve(search: Search, number: int, values: list[float]) -> int | None:
    """After how many reports the trial is given up; None: it may end."""
    trial = search.ask(number)
    for count, value in enumerate(values, 1):
        if search.report(trial, value):
            search.tell(trial, value)
            return count
    search.tell(trial, values[-1])
    return None


def test_a_trial_worse_than_the_median_of_the_averages_is_given_up_after_the_warm_up() -> None:
    search = Search(config("Random", TrainingJobEarlyStoppingType="Auto"), [])
    assert curve(search, 0, [3.0] * 20) is None, "nobody to compare with"
    assert curve(search, 1, [1.0] * 20) is None
    assert curve(search, 2, [2.0] * 20) is None, "the median itself is not worse than it"
    assert curve(search, 3, [9.0] * 20) == WARM_UP
    # A slow learner is judged by where it is, not by where it was.
    assert curve(search, 4, [9.0] * (WARM_UP - 1) + [1.5] * 20) is None
    assert curve(search, 5, [1.0] * 9 + [8.0] * 9) == 10


def test_without_early_stopping_every_trial_may_end() -> None:
    search = Search(config("Random"), [])
    assert curve(search, 0, [1.0] * 20) is None
    assert curve(search, 1, [9.0] * 20) is None


def test_only_results_known_when_a_trial_was_asked_for_decide_on_it() -> None:
    """Else it would depend on which of two that run side by side is quicker."""
    search = Search(config("Random", TrainingJobEarlyStoppingType="Auto"), [])
    first, second = search.ask(0), search.ask(1)
    for _ in range(20):
        search.report(first, 1.0)
    search.tell(first, 1.0)
    assert not any(search.report(second, 9.0) for _ in range(20))


def test_hyperband_gives_more_rounds_to_the_better_and_none_beyond_the_most() -> None:
    search = Search(config("Hyperband", jobs=30, StrategyConfig=SHARES), [])
    rounds: dict[str, list[int]] = {"good": [], "bad": []}
    for number in range(30):
        kind = "good" if number % 3 == 0 else "bad"
        level = 1.0 if kind == "good" else 5.0 + number
        rounds[kind].append(curve(search, number, [level] * 12) or 12)
    assert max(rounds["good"] + rounds["bad"]) == 9, "what MaxResource allows"
    assert statistics.fmean(rounds["good"]) > statistics.fmean(rounds["bad"])
    assert min(rounds["bad"]) < 9


def test_a_failed_trial_teaches_nothing_and_the_search_goes_on() -> None:
    search = Search(config(jobs=4), [])
    for number in range(4):
        search.tell(search.ask(number), None)
    assert search.ask(4).hyperparameters


@pytest.mark.parametrize(
    ("kind", "one", "says"),
    [
        ("Continuous", {"MinValue": "0", "MaxValue": "1", "ScalingType": "Logarithmic"}, "does not fit"),
        (
            "Continuous",
            {"MinValue": "0.5", "MaxValue": "1", "ScalingType": "ReverseLogarithmic"},
            "MaxValue < 1",
        ),
        ("Integer", {"MinValue": "3", "MaxValue": "2"}, "above MaxValue"),
        ("Integer", {"MinValue": "1", "MaxValue": "2", "ScalingType": "Odd"}, "does not fit"),
    ],
)
def test_a_range_that_cannot_be_drawn_from_is_refused(kind: str, one: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        list(ranges({f"{kind}ParameterRanges": [{"Name": "x", **one}]}))


def test_a_wide_range_is_searched_on_a_logarithmic_scale_by_default() -> None:
    def is_logarithmic(low: str, high: str) -> bool:
        given = [{"Name": "x", "MinValue": low, "MaxValue": high}]
        [found] = ranges({"ContinuousParameterRanges": given})
        return bool(found.distribution.log)  # type: ignore[attr-defined]

    assert is_logarithmic("0.001", "1")
    assert not is_logarithmic("0.1", "1")
    assert not is_logarithmic("0", "1")
