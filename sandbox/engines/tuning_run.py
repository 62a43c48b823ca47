"""One tuning job from its first trial to its best one: every trial is a training job like any other."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox import clock
from sandbox.engines import training, training_metrics
from sandbox.engines.backends import backend
from sandbox.engines.jobs import Job
from sandbox.engines.tuning_search import Search, Trial

_STEP_SECONDS = 0.05
_ENDED = ("Completed", "Failed", "Stopped")
_HOPELESS = 5  # failed trials without a single success, after which no more are begun
_ALL_FAILED = (
    "All training jobs failed. Please take a look at the training jobs failures to get more details."
)
# Of the definition, what a training job is asked for as it is.
SAME = (
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "VpcConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "Environment",
)


@dataclass(kw_only=True)
class Run:
    """A trial and its training job; `told`: the search knows its result."""

    trial: Trial
    job: Job
    objective: tuple[str, str]  # type and name of the metric
    told: bool = False

    @property
    def is_over(self) -> bool:
        return self.job.status in _ENDED

    @property
    def value(self) -> float | None:
        """The last one reported, of a job that did not fail."""
        if self.job.status == "Failed":
            return None
        found = training_metrics.series(self.job, self.objective[1])
        return found[-1] if found else None


class TuningJob(Job):
    def __init__(self, request: Mapping[str, Any]) -> None:
        super().__init__("HyperParameterTuning", request)
        self.trials: list[Run] = []


def run(job: TuningJob, parents: Sequence[TuningJob]) -> None:
    try:
        _search(job, parents)
    except BaseException as error:
        for each in job.trials:
            each.job.stop.set()
        reason = f"InternalServerError: sandbox: {type(error).__name__}: {error}"
        job.move("Failed", reason, **_story(job))
        raise


def _search(job: TuningJob, parents: Sequence[TuningJob]) -> None:
    config = job.fields["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    parallel = int(limits["MaxParallelTrainingJobs"])
    longest = float(limits.get("MaxRuntimeInSeconds") or 30 * 86400)
    search = Search(config, [one for parent in parents for one in _known(parent)])
    began = time.monotonic()
    while True:
        late = time.monotonic() - began > longest
        is_ending = job.stop.is_set() or late or _is_hopeless(job.trials)
        # In the order of their numbers: the n-th waits for all but the `parallel - 1` before it, and the
        # search knows no more than those, so that it does not depend on which was quicker.
        before = job.trials[: max(0, len(job.trials) - parallel + 1)]
        _tell(search, before)
        if not is_ending and len(job.trials) < search.size and all(each.told for each in before):
            _begin(job, search)
            continue
        for each in job.trials:
            _look(search, each)
            if (job.stop.is_set() or late) and each.job.status == "InProgress":
                each.job.ask_to_stop()
        job.update(**_story(job))
        is_over = all(each.is_over for each in job.trials)
        if is_over and (is_ending or len(job.trials) == search.size):
            break
        time.sleep(_STEP_SECONDS)
    _end(job, parents)


def _begin(job: TuningJob, search: Search) -> None:
    definition = job.fields["TrainingJobDefinition"]
    objective = _objective(job)
    trial = search.ask(len(job.trials))
    digest = hashlib.sha256(f"{job.name} {trial.number}".encode()).hexdigest()[:8]
    name = f"{job.name}-{trial.number + 1:03d}-{digest}"
    request = {
        **{field: definition[field] for field in SAME if definition.get(field) is not None},
        "TrainingJobName": name,
        "HyperParameters": {
            **(definition.get("StaticHyperParameters") or {}),
            **trial.hyperparameters,
            "_tuning_objective_metric": objective["MetricName"],
        },
        "Tags": job.tags,
    }
    training.create_training_job(request)
    made = backend("sagemaker").training_jobs[name]
    made.update(TuningJobArn=job.arn)
    job.trials.append(Run(trial=trial, job=made, objective=(objective["Type"], objective["MetricName"])))


def _look(search: Search, each: Run) -> None:
    """Hand on what the trial has reported since, and stop it if the search gives it up."""
    if each.told or each.trial.judged is not None:
        return
    for value in training_metrics.series(each.job, each.objective[1])[len(each.trial.reports) :]:
        if search.report(each.trial, value) and each.job.status == "InProgress":
            each.job.ask_to_stop()
            return


def _tell(search: Search, runs: Sequence[Run]) -> None:
    for each in runs:
        if not each.is_over:
            return
        if not each.told:
            _look(search, each)
            search.tell(each.trial, each.value)
            each.told = True


def _is_hopeless(runs: Sequence[Run]) -> bool:
    over = [each for each in runs if each.is_over]
    return len(over) >= _HOPELESS and all(each.value is None for each in over)


def _known(parent: TuningJob) -> list[tuple[dict[str, str], float]]:
    """What the trials of an earlier job had, fixed or searched, and reached."""
    return [
        (dict(each.job.fields["HyperParameters"]), each.value)
        for each in parent.trials
        if each.value is not None and each.job.status == "Completed"
    ]


def _end(job: TuningJob, parents: Sequence[TuningJob]) -> None:
    story = _story(job)
    if parents:
        found = [story.get("BestTrainingJob"), *(each.fields.get("BestTrainingJob") for each in parents)]
        if known := [one for one in found if one is not None]:
            story["OverallBestTrainingJob"] = _best(known, _objective(job)["Type"])
    if job.stop.is_set():
        job.move("Stopped", **story)
    elif not any(each.value is not None for each in job.trials):
        job.move("Failed", _ALL_FAILED, **story)
    else:
        job.move("Completed", **story)


def _objective(job: TuningJob) -> Mapping[str, str]:
    found: Mapping[str, str] = job.fields["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    return found


def _best(summaries: Sequence[Mapping[str, Any]], kind: str) -> Mapping[str, Any]:
    """The first of equals."""
    sign = 1 if kind == "Minimize" else -1
    return min(summaries, key=lambda one: sign * one["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def _story(job: TuningJob) -> dict[str, Any]:
    found = [summary(each) for each in job.trials]
    # A job that was stopped early has not been trained to its end.
    ended = [
        one
        for one in found
        if one["TrainingJobStatus"] == "Completed" and "FinalHyperParameterTuningJobObjectiveMetric" in one
    ]
    seconds = int((clock.now() - job.fields["CreationTime"]).total_seconds())
    story = {**counters(found), "ConsumedResources": {"RuntimeInSeconds": max(0, seconds)}}
    return story | ({"BestTrainingJob": _best(ended, _objective(job)["Type"])} if ended else {})


def counters(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    def of(field: str, *values: str) -> int:
        return sum(1 for one in found if one[field] in values)

    return {
        "TrainingJobStatusCounters": {
            "Completed": of("TrainingJobStatus", "Completed"),
            "InProgress": of("TrainingJobStatus", "InProgress", "Stopping"),
            "RetryableError": 0,
            "NonRetryableError": of("TrainingJobStatus", "Failed"),
            "Stopped": of("TrainingJobStatus", "Stopped"),
        },
        "ObjectiveStatusCounters": {
            kind: of("ObjectiveStatus", kind) for kind in ("Succeeded", "Pending", "Failed")
        },
    }


def summary(each: Run) -> dict[str, Any]:
    """HyperParameterTrainingJobSummary."""
    job, value = each.job, each.value if each.is_over else None
    told = job.response_object
    found = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "CreationTime": told["CreationTime"],
        "TrainingJobStatus": job.status,
        "TunedHyperParameters": dict(each.trial.hyperparameters),
        "ObjectiveStatus": "Pending",
    }
    for name in ("TrainingStartTime", "TrainingEndTime", "FailureReason"):
        if name in told:
            found[name] = told[name]
    if each.is_over:
        found["ObjectiveStatus"] = "Failed" if value is None else "Succeeded"
    if value is not None:
        kind, metric = each.objective
        found["FinalHyperParameterTuningJobObjectiveMetric"] = {
            "Type": kind,
            "MetricName": metric,
            "Value": value,
        }
    return found
