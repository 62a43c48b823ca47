"""A tuning job searches: its trials are training jobs under their role, and the best one is told."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import account
from tests.sandbox.compute_account import (
    IMAGE,
    allow,
    any_bucket,
    any_key,
    any_role,
    listed,
    put,
    wait_for,
)

# A loss with its smallest value at depth 6, rate 0.1; worse rates learn as quickly and end higher.
BOWL = """
import argparse, math, os, pathlib, time
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int, default=6)
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--kind", default="plain")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--pause", type=float, default=0)
given, others = parser.parse_known_args()
if given.kind == "broken":
    raise SystemExit("no such kind")
floor = 0.1 * (given.depth - 6) ** 2 + math.log10(given.rate / 0.1) ** 2 + (given.kind == "odd")
for number in range(1, given.rounds + 1):
    print(f"[{number}] validation-loss:{floor + 1 / number}", flush=True)
    time.sleep(given.pause)
print(f"[best] validation-loss:{floor}", flush=True)
(pathlib.Path(os.environ["SM_MODEL_DIR"]) / "given.txt").write_text(repr((vars(given), others)))
"""
OBJECTIVE = {"Type": "Minimize", "MetricName": "validation:loss"}


def packed(script: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("train.py")
        info.size = len(script.encode())
        archive.addfile(info, io.BytesIO(script.encode()))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def place() -> Any:
    with account.Account():
        bucket, key = any_bucket("tuning-data"), any_key()
        put(bucket, "code/train.tar.gz", packed(BOWL))
        arn = f"arn:aws:s3:::{bucket}"
        role = any_role(
            "tuner",
            "sagemaker.amazonaws.com",
            allow("s3:ListBucket", arn),
            allow("s3:GetObject s3:PutObject", f"{arn}/*"),
            allow("kms:GenerateDataKey kms:Decrypt", key),
            allow("logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents"),
        )
        yield bucket, role, key


def ranges(**given: Any) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for name, (kind, *values) in given.items():
        one = {"Name": name}
        if kind == "Categorical":
            one["Values"] = list(values)
        else:
            one |= {"MinValue": str(values[0]), "MaxValue": str(values[1]), "ScalingType": values[2]}
        found.setdefault(f"{kind}ParameterRanges", []).append(one)
    return found


WIDE = ranges(depth=("Integer", 2, 12, "Linear"), rate=("Continuous", 0.001, 1.0, "Logarithmic"))


def request(
    place: Any, name: str, *, jobs: int | None = 4, parallel: int = 2, fixed: Any = None, **config: Any
) -> dict[str, Any]:
    bucket, role, key = place
    limits = {"MaxParallelTrainingJobs": parallel} | (
        {} if jobs is None else {"MaxNumberOfTrainingJobs": jobs}
    )
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/code/train.tar.gz"}}
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": OBJECTIVE,
            "ResourceLimits": limits,
            "ParameterRanges": WIDE,
            "RandomSeed": 1,
            **config,
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": "/opt/ml/input/data/code/train.tar.gz",
                **(fixed or {}),
            },
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "validation:loss", "Regex": "validation-loss:([0-9.e+-]+)"}],
            },
            "RoleArn": role,
            "InputDataConfig": [{"ChannelName": "code", "DataSource": source}],
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models", "KmsKeyId": key},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "EnableNetworkIsolation": True,
        },
        "Tags": [{"Key": "project", "Value": "any"}],
    }


def begun(asked: dict[str, Any]) -> str:
    account.client("sagemaker").create_hyper_parameter_tuning_job(**asked)
    return str(asked["HyperParameterTuningJobName"])


def described(name: str) -> dict[str, Any]:
    told = account.client("sagemaker").describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    return dict(told)


def ended(name: str, seconds: float = 120) -> dict[str, Any]:
    def look() -> Any:
        job = described(name)
        return job if job["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return dict(wait_for(look, seconds))


def trials(name: str, **how: Any) -> list[dict[str, Any]]:
    listing = account.client("sagemaker").list_training_jobs_for_hyper_parameter_tuning_job
    found = listing(HyperParameterTuningJobName=name, MaxResults=100, **how)["TrainingJobSummaries"]
    return list(found)


def tuned(name: str) -> list[dict[str, str]]:
    return [one["TunedHyperParameters"] for one in trials(name)]


def objective(one: dict[str, Any]) -> float:
    return float(one["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def test_trials_are_training_jobs_and_the_one_with_the_smallest_objective_is_the_best(place: Any) -> None:
    job = ended(begun(request(place, "random")))
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    found = trials("random", SortBy="FinalObjectiveMetricValue")
    values = [objective(one) for one in found]
    assert len(found) == 4 and values == sorted(values)
    assert job["BestTrainingJob"]["TrainingJobName"] == found[0]["TrainingJobName"]
    assert job["TrainingJobStatusCounters"]["Completed"] == 4
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    # The last line is the objective, not the best of the curve above it.
    best = found[0]["TunedHyperParameters"]
    floor = 0.1 * (int(best["depth"]) - 6) ** 2
    assert values[0] >= floor
    sagemaker = account.client("sagemaker")
    one = sagemaker.describe_training_job(TrainingJobName=found[0]["TrainingJobName"])
    assert one["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert one["HyperParameters"]["_tuning_objective_metric"] == "validation:loss"
    assert {name: one["HyperParameters"][name] for name in best} == best
    assert sagemaker.list_tags(ResourceArn=one["TrainingJobArn"])["Tags"] == [
        {"Key": "project", "Value": "any"}
    ]
    assert f"models/{one['TrainingJobName']}/output/model.tar.gz" in listed(place[0], "models/random-")
    shown = sagemaker.list_hyper_parameter_tuning_jobs(NameContains="rand")
    assert [each["HyperParameterTuningJobName"] for each in shown["HyperParameterTuningJobSummaries"]] == [
        "random"
    ]


def test_a_hopeless_trial_ends_early_and_is_never_the_best(place: Any) -> None:
    """One at a time: the good kind ends, the odd one is worse from its first report on."""
    grid = ranges(kind=("Categorical", "broken", "plain", "odd"))
    slow = {"rounds": "40", "pause": "0.05"}
    asked = request(
        place, "early", jobs=None, parallel=1, fixed=slow, Strategy="Grid", ParameterRanges=grid,
        TrainingJobEarlyStoppingType="Auto",
    )  # fmt: skip
    job = ended(begun(asked))
    status = {one["TunedHyperParameters"]["kind"]: one["TrainingJobStatus"] for one in trials("early")}
    assert status == {"broken": "Failed", "plain": "Completed", "odd": "Stopped"}
    assert job["HyperParameterTuningJobStatus"] == "Completed", "one that failed does not end the search"
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 0, "Failed": 1}
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"kind": "plain"}


def test_a_search_goes_on_from_its_parents_trials(place: Any) -> None:
    """After test_trials_are_training_jobs: its search is the parent."""
    parent = described("random")
    warm = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "random"}],
        "WarmStartType": "TransferLearning",
    }
    asked = request(place, "warm", jobs=1, parallel=1, Strategy="Bayesian", RandomSeed=1)
    child = ended(begun({**asked, "WarmStartConfig": warm}))
    # The same seed without knowledge draws what the parent's first trial was.
    assert tuned("warm")[0] != tuned("random")[0]
    known = [parent["BestTrainingJob"], child["BestTrainingJob"]]
    best = min(known, key=objective)["TrainingJobName"]
    assert child["OverallBestTrainingJob"]["TrainingJobName"] == best
    unlike = request(place, "unlike", Strategy="Bayesian", fixed={"kind": "plain"})
    with pytest.raises(ClientError, match="the number must stay the same"):
        begun({**unlike, "WarmStartConfig": warm})


def test_a_search_whose_trials_all_fail_fails_and_says_so(place: Any) -> None:
    job = ended(begun(request(place, "broken", jobs=12, parallel=3, fixed={"kind": "broken"})))
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("All training jobs failed")
    assert "BestTrainingJob" not in job
    assert 5 <= job["TrainingJobStatusCounters"]["NonRetryableError"] < 9, "no more than needed to see it"
    assert all("FailureReason" in one for one in trials("broken"))


def test_a_stopped_search_stops_its_trials(place: Any) -> None:
    begun(request(place, "stopped", jobs=3, parallel=1, fixed={"rounds": "600", "pause": "0.05"}))
    wait_for(lambda: [one for one in trials("stopped") if "TrainingStartTime" in one])
    sagemaker = account.client("sagemaker")
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    job = ended("stopped")
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert [one["TrainingJobStatus"] for one in trials("stopped")] == ["Stopped"]
    with pytest.raises(ClientError, match="is in status Stopped"):
        sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"Strategy": "Grid"}, "Grid takes CategoricalParameterRanges only", id="grid"),
        pytest.param(
            {"Strategy": "Hyperband", "TrainingJobEarlyStoppingType": "Auto"}, "must be Off", id="hyperband"
        ),
        pytest.param({"Strategy": "Hyperband"}, "MaxResource", id="hyperband without rounds"),
        pytest.param(
            {"ParameterRanges": ranges(rate=("Continuous", 0, 1, "Logarithmic"))}, "does not fit", id="scale"
        ),
        pytest.param(
            {"ParameterRanges": ranges(sagemaker_program=("Categorical", "a"))}, "both static", id="twice"
        ),
        pytest.param(
            {"HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "other"}},
            "objective metric other is not defined",
            id="objective",
        ),
        pytest.param(
            {"ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 3}},
            "no more at once",
            id="parallel",
        ),
        pytest.param(
            {"TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 0.1}},
            "is not in the sandbox",
            id="what nobody wrote",
        ),
    ],
)
def test_what_sagemaker_would_refuse_is_refused(place: Any, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        begun(request(place, "refused", **changes))


def test_a_name_has_32_characters_at_most(place: Any) -> None:
    with pytest.raises(ClientError, match="32 characters"):
        begun(request(place, "n" * 33))
