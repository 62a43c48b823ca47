"""Which hyperparameters the next trial of a tuning job has, and which trial is not worth its end: Optuna.

Trials are asked for in the order of their numbers, each after the results of all but the newest
`parallel - 1` are told. So with one RandomSeed the same objective gives the same trials, however fast each
of them is. Only Hyperband looks at what is running besides, as it does on AWS.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

# Reports before the median rule judges: the first rounds of a slow learner say nothing.
WARM_UP = 5
_WIDE = 100.0  # maximum over minimum, from which on the scale Auto is logarithmic
_STARTS = {"Linear": False, "Logarithmic": True}

optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True, kw_only=True)
class Range:
    """One searched hyperparameter; `mirrored`: drawn as its distance from 1."""

    name: str
    distribution: BaseDistribution
    mirrored: bool = False

    def text(self, drawn: Any) -> str:
        return str(1 - drawn if self.mirrored else drawn)

    def drawn(self, text: str) -> Any:
        """What the sampler would have drawn for it."""
        if isinstance(self.distribution, CategoricalDistribution):
            return text
        number = 1 - float(text) if self.mirrored else float(text)
        return int(number) if isinstance(self.distribution, IntDistribution) else number


@dataclass(kw_only=True)
class Trial:
    """A combination, and the objective as the training reported it, report by report."""

    number: int
    hyperparameters: dict[str, str]
    rivals: Sequence[Trial] = ()  # whose results were known when this one was asked for
    reports: list[float] = field(default_factory=list)
    judged: float | None = None  # the report after which it was given up
    asked: Any = None


class Search:
    def __init__(self, config: Mapping[str, Any], earlier: Sequence[tuple[dict[str, str], float]]) -> None:
        self._config = config
        self._ranges = list(ranges(config.get("ParameterRanges") or {}))
        self._smaller = config["HyperParameterTuningJobObjective"]["Type"] == "Minimize"
        self._study = optuna.create_study(
            study_name="tuning",
            direction="minimize" if self._smaller else "maximize",
            sampler=_sampler(config),
            pruner=_pruner(config),
        )
        self._grid = _grid(self._ranges) if config["Strategy"] == "Grid" else None
        self._done: list[Trial] = []
        for hyperparameters, value in earlier:
            self._learn(hyperparameters, value)

    @property
    def size(self) -> int:
        """How many trials there are to be."""
        if self._grid is not None:
            return len(self._grid)
        return int(self._config["ResourceLimits"]["MaxNumberOfTrainingJobs"])

    def ask(self, number: int) -> Trial:
        if self._grid is not None:
            self._study.enqueue_trial(self._grid[number])
        asked = self._study.ask({each.name: each.distribution for each in self._ranges})
        texts = {each.name: each.text(asked.params[each.name]) for each in self._ranges}
        return Trial(number=number, hyperparameters=texts, rivals=tuple(self._done), asked=asked)

    def report(self, trial: Trial, value: float) -> bool:
        """True when the trial should be stopped."""
        trial.reports.append(value)
        hopeless = False
        if self._config["Strategy"] == "Hyperband":
            trial.asked.report(value, len(trial.reports))
            most = self._config["StrategyConfig"]["HyperbandStrategyConfig"]["MaxResource"]
            hopeless = bool(trial.asked.should_prune()) or len(trial.reports) >= int(most)
        elif self._config.get("TrainingJobEarlyStoppingType") == "Auto":
            hopeless = self._is_worse_than_most(trial)
        if hopeless:
            trial.judged = value
        return hopeless

    def tell(self, trial: Trial, value: float | None) -> None:
        """The result of a trial; None for one that failed."""
        if value is None:
            self._study.tell(trial.asked, state=TrialState.FAIL)
            return
        self._study.tell(trial.asked, trial.judged if trial.judged is not None else value)
        self._done.append(trial)

    def _is_worse_than_most(self, trial: Trial) -> bool:
        """Than the median of what the earlier ones had on average until the same report."""
        count = len(trial.reports)
        averages = [
            statistics.fmean(each.reports[:count]) for each in trial.rivals if len(each.reports) >= count
        ]
        if count < WARM_UP or not averages:
            return False
        middle = statistics.median(averages)
        return trial.reports[-1] > middle if self._smaller else trial.reports[-1] < middle

    def _learn(self, hyperparameters: Mapping[str, str], value: float) -> None:
        """From a trial of an earlier job; one outside of these ranges teaches nothing."""
        distributions = {each.name: each.distribution for each in self._ranges}
        try:
            params = {each.name: each.drawn(hyperparameters[each.name]) for each in self._ranges}
            known = optuna.create_trial(params=params, distributions=distributions, value=value)
        except (KeyError, ValueError):
            return
        self._study.add_trial(known)


def ranges(given: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Range]:
    """The API's ParameterRanges; ValueError for one that has no values or does not fit its scale."""
    for one in given.get("CategoricalParameterRanges") or []:
        yield Range(name=one["Name"], distribution=CategoricalDistribution(tuple(one["Values"])))
    for one in given.get("IntegerParameterRanges") or []:
        low, high = int(one["MinValue"]), int(one["MaxValue"])
        log = _is_logarithmic(one, low, high)
        yield Range(name=one["Name"], distribution=IntDistribution(low, high, log=log))
    for one in given.get("ContinuousParameterRanges") or []:
        small, large = float(one["MinValue"]), float(one["MaxValue"])
        if one.get("ScalingType") == "ReverseLogarithmic":
            if not 0 <= small < large < 1:
                raise ValueError(f"{one['Name']}: ReverseLogarithmic needs 0 <= MinValue < MaxValue < 1")
            mirrored = FloatDistribution(1 - large, 1 - small, log=True)
            yield Range(name=one["Name"], distribution=mirrored, mirrored=True)
        else:
            log = _is_logarithmic(one, small, large)
            yield Range(name=one["Name"], distribution=FloatDistribution(small, large, log=log))


def _is_logarithmic(one: Mapping[str, Any], low: float, high: float) -> bool:
    if not low <= high:
        raise ValueError(f"{one['Name']}: MinValue {low} is above MaxValue {high}")
    scale = one.get("ScalingType") or "Auto"
    if scale == "Auto":
        return low > 0 and high / low >= _WIDE
    if scale not in _STARTS or (_STARTS[scale] and low <= 0):
        raise ValueError(f"{one['Name']}: ScalingType {scale} does not fit {low} to {high}")
    return _STARTS[scale]


def _grid(searched: Sequence[Range]) -> list[dict[str, Any]]:
    names = [each.name for each in searched]
    choices = [each.distribution.choices for each in searched]  # type: ignore[attr-defined]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*choices)]


def _sampler(config: Mapping[str, Any]) -> optuna.samplers.BaseSampler:
    seed = int(config.get("RandomSeed") or 0)
    if config["Strategy"] in ("Random", "Grid"):
        return optuna.samplers.RandomSampler(seed=seed)
    jobs = int(config["ResourceLimits"]["MaxNumberOfTrainingJobs"])
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(2, min(10, jobs // 3)))


def _pruner(config: Mapping[str, Any]) -> optuna.pruners.BasePruner:
    if config["Strategy"] != "Hyperband":
        return optuna.pruners.NopPruner()
    shares = config["StrategyConfig"]["HyperbandStrategyConfig"]
    return optuna.pruners.HyperbandPruner(
        min_resource=int(shares.get("MinResource") or 1), max_resource=int(shares["MaxResource"])
    )
