"""A search with trials side by side: what it tries does not depend on which of them is quicker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.engines import tuning_run
from sandbox.engines.tuning_run import TuningJob

CONFIG = {
    "Strategy": "Bayesian",
    "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:loss"},
    "ResourceLimits": {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 3},
    "ParameterRanges": {
        "ContinuousParameterRanges": [
            {"Name": "rate", "MinValue": "0.001", "MaxValue": "1.0", "ScalingType": "Logarithmic"}
        ]
    },
    "RandomSeed": 3,
}


class Trained:
    """A training job that ends after so many looks at it; its loss is the distance of its rate from 0.3."""

    def __init__(self, request: dict[str, Any], looks: int) -> None:
        self.name, self.arn = request["TrainingJobName"], f"arn:{request['TrainingJobName']}"
        self.fields = {**request, "CreationTime": 0}
        self.left = looks
        self.rate = float(request["HyperParameters"]["rate"])
        self.stopped = False

    @property
    def status(self) -> str:
        self.left -= 1
        return "Stopped" if self.stopped else "InProgress" if self.left > 0 else "Completed"

    @property
    def lines(self) -> list[str]:
        return [f"validation-loss:{abs(self.rate - 0.3)}"] if self.left <= 0 else []

    @property
    def response_object(self) -> dict[str, Any]:
        return self.fields

    def update(self, **fields: Any) -> None:
        self.fields |= fields

    def ask_to_stop(self) -> None:
        self.stopped = True


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> Any:
    """searched(looks): the finished job, whose n-th trial takes `looks(n)` looks."""

    def run(looks: Any, **limits: int) -> TuningJob:
        made: dict[str, Trained] = {}

        def create(request: dict[str, Any]) -> None:
            made[request["TrainingJobName"]] = Trained(request, looks(len(made)))

        monkeypatch.setattr(tuning_run.training, "create_training_job", create)
        monkeypatch.setattr(tuning_run, "backend", lambda _: SimpleNamespace(training_jobs=made))
        monkeypatch.setattr(tuning_run, "_STEP_SECONDS", 0)
        monkeypatch.setattr(TuningJob, "announce", lambda _: None)
        definition = {
            "AlgorithmSpecification": {
                "MetricDefinitions": [{"Name": "validation:loss", "Regex": "validation-loss:([0-9.e-]+)"}]
            },
            "StaticHyperParameters": {"sagemaker_program": "train.py"},
        }
        config = {**CONFIG, "ResourceLimits": {**CONFIG["ResourceLimits"], **limits}}  # type: ignore[dict-item]
        job = TuningJob(
            {
                "HyperParameterTuningJobName": "t",
                "HyperParameterTuningJobConfig": config,
                "TrainingJobDefinition": definition,
            }
        )
        tuning_run.run(job, [])
        return job

    return run


def tried(job: TuningJob) -> list[str]:
    return [each.trial.hyperparameters["rate"] for each in job.trials]


def test_trials_do_not_depend_on_which_is_quicker(searched: Any) -> None:
    even = searched(lambda _: 5)
    assert even.status == "Completed" and len(even.trials) == 9
    assert tried(searched(lambda number: 60 if number % 3 == 0 else 2)) == tried(even)
    assert tried(searched(lambda number: 40 - 4 * number)) == tried(even)


def test_one_after_the_other_knows_more_than_three_at_once(searched: Any) -> None:
    """So the order above is kept by waiting, not because results make no difference."""
    alone = searched(lambda _: 5, MaxParallelTrainingJobs=1)
    assert tried(alone) != tried(searched(lambda _: 5))


def test_what_runs_when_the_time_is_over_is_stopped_and_the_search_completes(searched: Any) -> None:
    job = searched(lambda number: 5 if number < 3 else 10**9, MaxRuntimeInSeconds=1)
    assert job.status == "Completed"
    assert job.fields["TrainingJobStatusCounters"]["Stopped"] >= 1
    assert job.fields["BestTrainingJob"]["TrainingJobStatus"] == "Completed"
