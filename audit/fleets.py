"""Instances of SageMaker that a deployment uses at once: behind endpoints, and of jobs of its workflows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from audit.rules.definitions import AT_RUN_TIME, Task, requests
from audit.templates import Templates

# Action -> where its request says which instances.
_TUNING = "sagemaker:createHyperParameterTuningJob"
_JOBS = {
    "sagemaker:createTrainingJob": ("training job", ("ResourceConfig",)),
    _TUNING: ("training job", ("TrainingJobDefinition", "ResourceConfig")),
    "sagemaker:createProcessingJob": ("processing job", ("ProcessingResources", "ClusterConfig")),
    "sagemaker:createTransformJob": ("transform job", ("TransformResources",)),
}
_TOTALS = {
    "endpoint": "Number of instances across active endpoints",
    "training job": "Number of instances across all training jobs",
    "spot training job": "Number of instances across all spot training jobs",
    "processing job": "Number of instances across all processing jobs",
    "transform job": "Number of instances across all transform jobs",
}
# The branches around a task, and how many instances it takes.
_Job = tuple[tuple[tuple[str, int], ...], int]
_SCALED = "sagemaker:variant:DesiredInstanceCount"


@dataclass(frozen=True, kw_only=True)
class Use:
    """
    quota               endpoint, training job, spot training job, ...: as the names of quotas say it
    firsts              by instance type: what the deployment itself starts
    amounts, ceilings   how many at once, and how many when everything is scaled out
    """

    quota: str
    firsts: Counter[str]
    amounts: Counter[str]
    ceilings: Counter[str]
    why: str

    def of(self, kind: str) -> tuple[int, int, int]:
        return (self.firsts[kind], self.amounts[kind], self.ceilings[kind])

    def all(self) -> tuple[int, int, int]:
        return (self.firsts.total(), self.amounts.total(), self.ceilings.total())

    @property
    def total(self) -> str:
        return _TOTALS[self.quota]


@dataclass(frozen=True, kw_only=True)
class Config:
    """An endpoint configuration: instances by type."""

    is_first: bool  # the stacks', and no run's
    amounts: Counter[str] = field(default_factory=Counter)
    ceilings: Counter[str] = field(default_factory=Counter)


def uses(templates: Templates) -> list[Use]:
    return [*_endpoints(templates), *_jobs(templates)]


def configs(templates: Templates) -> list[Config]:
    """Those that the stacks deploy, then those that workflows make of the same variants."""
    deployed: Counter[str] = Counter()
    variants = []
    for config in templates.of("AWS::SageMaker::EndpointConfig"):
        given = [each for each in config.get("ProductionVariants", default=[]) if each.get("InstanceType")]
        variants.append((given, True))
        for each in given:
            deployed[str(each.get("VariantName"))] = int(each.get("InitialInstanceCount", 1))
    for task in requests(templates):
        if task.action == "sagemaker:createEndpointConfig":
            found = task.get("ProductionVariants")
            some = [each for each in (found if isinstance(found, list) else []) if each.get("InstanceType")]
            variants.append((some, False))
    scaled = _scaled(templates)
    return [_config(given, deployed, scaled, is_first) for given, is_first in variants if given]


def widest_endpoint(templates: Templates) -> tuple[int, int, int] | None:
    """Instances of the largest configuration: of the stacks' own, of all, and when scaled out."""
    found = configs(templates)
    if not found:
        return None
    return (
        max((config.amounts.total() for config in found if config.is_first), default=0),
        max(config.amounts.total() for config in found),
        max(config.ceilings.total() for config in found),
    )


def longest_training(templates: Templates) -> dict[str, float]:
    """Name of the quota -> what the most demanding training job asks for."""
    sizes: dict[str, float] = defaultdict(float)
    for task in requests(templates):
        if task.action not in _JOBS or _JOBS[task.action][0] != "training job":
            continue
        for name, path in {
            "Size of EBS volume for a training job instance": ("ResourceConfig", "VolumeSizeInGB"),
            "Longest run time for a training job": ("StoppingCondition", "MaxRuntimeInSeconds"),
        }.items():
            if isinstance(value := task.get(*_JOBS[task.action][1][:-1], *path), int | float):
                sizes[name] = max(sizes[name], value)
    return dict(sizes)


def _endpoints(templates: Templates) -> Iterator[Use]:
    """While an update shifts the traffic, the old fleet and the new one run side by side."""
    found = configs(templates)
    if not found:
        return
    amounts = _two_largest([config.amounts for config in found])
    ceilings = _two_largest([config.ceilings for config in found])
    yield Use(
        quota="endpoint",
        firsts=sum((config.amounts for config in found if config.is_first), Counter()),
        amounts=amounts,
        ceilings=ceilings,
        why="old and new fleet side by side while an update shifts the traffic",
    )


def _two_largest(sizes: list[Counter[str]]) -> Counter[str]:
    """Of a single configuration, twice itself: it is replaced by its like."""
    ordered = sorted(sizes, key=lambda each: -each.total())
    pairs = list(pairwise(ordered)) or [(ordered[0], ordered[0])]
    old, new = pairs[0]
    return old + new


def _config(
    given: list[Mapping[str, Any]], deployed: Counter[str], scaled: Mapping[str, int], is_first: bool
) -> Config:
    config = Config(is_first=is_first)
    for variant in given:
        name, kind = str(variant.get("VariantName")), str(variant["InstanceType"])
        count = variant.get("InitialInstanceCount")
        amount = int(count) if isinstance(count, int | float | str) else deployed[name] or 1
        config.amounts[kind] += amount
        config.ceilings[kind] += max(amount, scaled.get(name, 0))
    return config


def _scaled(templates: Templates) -> dict[str, int]:
    """Variant -> to how many instances it may grow."""
    return {
        str(target.get("ResourceId")).rpartition("/")[2]: int(target.get("MaxCapacity"))
        for target in templates.of("AWS::ApplicationAutoScaling::ScalableTarget")
        if target.get("ScalableDimension") == _SCALED
    }


def _jobs(templates: Templates) -> Iterator[Use]:
    """A workflow runs one execution at a time; its tasks follow each other but for a Parallel."""
    found: dict[tuple[str, str], dict[str, list[_Job]]] = defaultdict(lambda: defaultdict(list))
    for task in requests(templates):
        if task.action not in _JOBS:
            continue
        quota, path = _JOBS[task.action]
        if quota == "training job" and task.get(*path[:-1], "EnableManagedSpotTraining") is True:
            quota = "spot training job"
        kind, count = task.get(*path, "InstanceType"), task.get(*path, "InstanceCount")
        if not isinstance(kind, str) or kind == AT_RUN_TIME:
            continue
        number = int(count) if isinstance(count, int | float) else 1
        workflow = str(task.workflow.get("StateMachineName", default=task.workflow.logical_id))
        found[(quota, workflow)][kind].append((task.branches, number * _times(task)))
    for quota in _TOTALS:
        peaks = {
            workflow: Counter({kind: _peak(jobs) for kind, jobs in kinds.items()})
            for (which, workflow), kinds in found.items()
            if which == quota
        }
        if peaks:
            together: Counter[str] = sum(peaks.values(), Counter())
            why = f"jobs of {', '.join(sorted(peaks))}"
            yield Use(quota=quota, firsts=Counter(), amounts=together, ceilings=together, why=why)


def _peak(jobs: Iterable[_Job]) -> int:
    """The most at once: branches of one Parallel add up, everything else follows the other."""
    alone = 0
    inside: dict[str, dict[int, list[_Job]]] = defaultdict(lambda: defaultdict(list))
    for branches, number in jobs:
        if branches:
            (parallel, branch), *rest = branches
            inside[parallel][branch].append((tuple(rest), number))
        else:
            alone = max(alone, number)
    return max([alone, *(sum(map(_peak, each.values())) for each in inside.values())])


def _at_once(task: Task) -> int:
    """A tuning job runs some of its trials side by side."""
    if task.action != _TUNING:
        return 1
    given = task.get("HyperParameterTuningJobConfig", "ResourceLimits", "MaxParallelTrainingJobs")
    return max(1, int(given)) if isinstance(given, int | float | str) and str(given).isdigit() else 1


def _times(task: Task) -> int:
    """How often a Map runs it at once; a Map without a bound is taken as one at a time."""
    times = _at_once(task)
    for state in task.around:
        if state.get("Type") == "Map":
            times *= max(1, int(state.get("MaxConcurrency", 1) or 1))
    return times
