"""The request with which SageMaker searches for better hyperparameters of one candidate.

What the contract may ask for is checked where it is compiled (contracts/tuning.py); here it becomes the API's
words. https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHyperParameterTuningJob.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from security import requests

WINNER = "tuned"  # the best trial's name among the candidates; contracts/tuning.py keeps it free
LONGEST_TUNING_NAME = 32
# Of a trial without checkpoints, waiting for a Spot instance included.
LONGEST_TRIAL = 3_600


class TuningError(ValueError):
    """The contract asks for a search that these settings do not allow."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """
    candidate  whose hyperparameters are searched
    request    parameters of CreateHyperParameterTuningJob
    warm       the same, going on from the trials of `$.plan.tuning.parents`; None: the contract wants none
    seconds    the longest that the search may take
    """

    candidate: str
    request: Mapping[str, Any]
    warm: Mapping[str, Any] | None
    seconds: int


def tuning(
    section: Mapping[str, Any],
    *,
    job: Mapping[str, Any],
    metric: str,
    most_jobs: int,
    most_parallel: int,
    trial_seconds: int,
    attempts: int,
    tags: Mapping[str, str],
) -> Tuning:
    """
    job            what every trial is made of
    trial_seconds  how long one may last
    attempts       after a fault of SageMaker's own
    """
    jobs, parallel = min(section["jobs"], most_jobs), min(section["parallel"], most_parallel, most_jobs)
    if section["strategy"] == "Grid" and jobs < section["jobs"]:
        raise TuningError(
            f"customProperties.model.tuning: got a grid of {section['jobs']} combinations, allowed with "
            f"train.max_tuning_jobs in settings.py: {most_jobs}: search by Random, or raise the limit"
        )
    seconds = ceil(jobs / parallel) * (trial_seconds + 600)
    request = {
        "HyperParameterTuningJobName.$": "$.plan.tuning.name",
        "HyperParameterTuningJobConfig": _config(section, metric, jobs, parallel, seconds),
        "TrainingJobDefinition": {
            **job,
            "StaticHyperParameters.$": "$.tuning.hyperparameters",
            # A fault of SageMaker's own costs the search no trial.
            "RetryStrategy": {"MaximumRetryAttempts": attempts},
        },
        "Tags": requests.tag_list(tags),
    }
    warm = None
    if section["warm_start"]:
        parents = {
            "ParentHyperParameterTuningJobs.$": "$.plan.tuning.parents",
            # The data are others in every run.
            "WarmStartType": "TransferLearning",
        }
        warm = {**request, "WarmStartConfig": parents}
    return Tuning(candidate=section["candidate"], request=request, warm=warm, seconds=seconds)


def _config(
    section: Mapping[str, Any], metric: str, jobs: int, parallel: int, seconds: int
) -> dict[str, Any]:
    limits = {"MaxParallelTrainingJobs": parallel, "MaxRuntimeInSeconds": seconds}
    if section["strategy"] != "Grid":  # which counts its combinations itself
        limits["MaxNumberOfTrainingJobs"] = jobs
    config = {
        "Strategy": section["strategy"],
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": metric},
        "ResourceLimits": limits,
        "ParameterRanges": _ranges(section["ranges"]),
        "TrainingJobEarlyStoppingType": section["early_stopping"],
        "RandomSeed": section["seed"],
    }
    if section["resource"]:
        shares = {
            "MinResource": section["resource"]["minimum"],
            "MaxResource": section["resource"]["maximum"],
        }
        config["StrategyConfig"] = {"HyperbandStrategyConfig": shares}
    return config


def _ranges(ranges: Mapping[str, Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for name, entry in ranges.items():
        if entry["type"] == "Categorical":
            values: dict[str, Any] = {"Values": [str(value) for value in entry["values"]]}
        else:
            values = {
                "MinValue": str(entry["minimum"]),
                "MaxValue": str(entry["maximum"]),
                "ScalingType": entry["scale"],
            }
        found.setdefault(f"{entry['type']}ParameterRanges", []).append({"Name": name, **values})
    return found
