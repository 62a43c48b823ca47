"""CreateTrainingJob: what a request may say here, and the life of the job that it starts."""

from __future__ import annotations

from typing import Any

from sandbox import work
from sandbox.engines import training_run
from sandbox.engines.backends import backend
from sandbox.engines.jobs import (
    Job,
    check_image,
    check_instance,
    check_known,
    check_new,
    check_role,
    refuse,
)

_ALLOWED = frozenset(
    {
        "TrainingJobName",
        "HyperParameters",
        "AlgorithmSpecification",
        "RoleArn",
        "InputDataConfig",
        "OutputDataConfig",
        "ResourceConfig",
        "VpcConfig",
        "StoppingCondition",
        "Tags",
        "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining",
        "CheckpointConfig",
        "Environment",
        "ExperimentConfig",
        "RetryStrategy",  # of internal errors of SageMaker, which do not happen here
    }
)
_CHANNEL = frozenset(
    {"ChannelName", "DataSource", "ContentType", "InputMode", "CompressionType", "RecordWrapperType"}
)
_SOURCE = frozenset({"S3DataType", "S3Uri", "S3DataDistributionType"})
_NO_WRAPPING = ("None", None)


def create_training_job(request: dict[str, Any]) -> dict[str, Any]:
    jobs = backend("sagemaker").training_jobs
    check_new("Training", request, jobs)
    check_known(request, _ALLOWED, "CreateTrainingJob")
    check_image(request["AlgorithmSpecification"].get("TrainingImage", ""))
    if mode := {request["AlgorithmSpecification"].get("TrainingInputMode", "File")} - {"File", "FastFile"}:
        raise refuse(f"TrainingInputMode {mode.pop()} is not in the sandbox; there are: File, FastFile")
    resources = request["ResourceConfig"]
    check_known(
        resources,
        frozenset({"InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId"}),
        "ResourceConfig",
    )
    check_instance("TrainingInstanceType", resources["InstanceType"], int(resources["InstanceCount"]))
    for channel in request.get("InputDataConfig") or []:
        _check_channel(channel)
    _check_stopping(request)
    if (request["OutputDataConfig"].get("CompressionType") or "GZIP") != "GZIP":
        raise refuse("OutputDataConfig.CompressionType NONE is not in the sandbox; there is: GZIP")
    job = Job("Training", request)
    check_role(request["RoleArn"], job.arn)
    job.update(SecondaryStatus="Starting", SecondaryStatusTransitions=[])
    jobs[job.name] = job
    work.start(f"training {job.name}", training_run.run, job)
    return {"TrainingJobArn": job.arn}


def _check_channel(channel: dict[str, Any]) -> None:
    name = channel["ChannelName"]
    check_known(channel, _CHANNEL, f"channel {name}")
    check_known(channel["DataSource"], frozenset({"S3DataSource"}), f"channel {name} DataSource")
    source = channel["DataSource"]["S3DataSource"]
    check_known(source, _SOURCE, f"channel {name} S3DataSource")
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise refuse(f"channel {name}: S3DataType {source['S3DataType']}; allowed: S3Prefix, ManifestFile")
    if channel.get("InputMode", "File") not in ("File", "FastFile"):
        raise refuse(f"channel {name}: InputMode {channel['InputMode']}; allowed: File, FastFile")
    for field in ("CompressionType", "RecordWrapperType"):
        if channel.get(field) not in _NO_WRAPPING:
            raise refuse(f"channel {name}: {field} {channel[field]} is not in the sandbox; allowed: None")


def _check_stopping(request: dict[str, Any]) -> None:
    condition = request["StoppingCondition"]
    longest = int(condition.get("MaxRuntimeInSeconds", 86400))
    if request.get("EnableManagedSpotTraining"):
        if int(condition.get("MaxWaitTimeInSeconds", 0)) < longest:
            raise refuse(
                "MaxWaitTimeInSeconds must be present and not less than MaxRuntimeInSeconds when "
                "EnableManagedSpotTraining is true"
            )
    elif condition.get("MaxWaitTimeInSeconds"):
        raise refuse("MaxWaitTimeInSeconds is only for EnableManagedSpotTraining")


def describe_training_job(request: dict[str, Any]) -> dict[str, Any]:
    return dict(_found(request).response_object)


def stop_training_job(request: dict[str, Any]) -> dict[str, Any]:
    job = _found(request)
    if job.status != "InProgress":
        raise refuse(f"The request was rejected because the training job is in status {job.status}.")
    job.ask_to_stop()
    return {}


def _found(request: dict[str, Any]) -> Job:
    job = backend("sagemaker").training_jobs.get(request["TrainingJobName"])
    if job is None:
        raise refuse("Requested resource not found.")
    return job  # type: ignore[no-any-return]


def reset() -> None:
    for job in backend("sagemaker").training_jobs.values():
        job.stop.set()


OPERATIONS = {
    "create_training_job": create_training_job,
    "describe_training_job": describe_training_job,
    "stop_training_job": stop_training_job,
}
