"""Processing jobs: the container's own command on the job's /opt/ml/processing, inputs in, outputs out."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sandbox import account, clock, logs, work
from sandbox.engines import container, transfer, vpc
from sandbox.engines.backends import backend
from sandbox.engines.container import Container
from sandbox.engines.jobs import (
    Job,
    JobError,
    check_image,
    check_instance,
    check_known,
    check_new,
    check_role,
    placed,
    refuse,
)
from sandbox.iam import identity

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
GRACE_SECONDS = 10.0  # AWS gives 120
_STEP_SECONDS = 0.05
_DEFAULT_RUNTIME = 86400
_PLACE = "/opt/ml/processing/"

_ALLOWED = frozenset(
    {
        "ProcessingJobName",
        "ProcessingInputs",
        "ProcessingOutputConfig",
        "ProcessingResources",
        "StoppingCondition",
        "AppSpecification",
        "Environment",
        "NetworkConfig",
        "RoleArn",
        "Tags",
        "ExperimentConfig",
    }
)
_CLUSTER = frozenset({"InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId"})
_INPUT = frozenset({"InputName", "S3Input", "AppManaged"})
_S3_INPUT = frozenset(
    {"S3Uri", "LocalPath", "S3DataType", "S3InputMode", "S3DataDistributionType", "S3CompressionType"}
)
_OUTPUT = frozenset({"OutputName", "S3Output", "AppManaged"})


def create_processing_job(request: dict[str, Any]) -> dict[str, Any]:
    jobs = backend("sagemaker").processing_jobs
    check_new("Processing", request, jobs)
    check_known(request, _ALLOWED, "CreateProcessingJob")
    check_image(request["AppSpecification"]["ImageUri"])
    if not request["AppSpecification"].get("ContainerEntrypoint"):
        raise refuse("AppSpecification.ContainerEntrypoint is needed: the image's own one is not known here")
    cluster = request["ProcessingResources"]["ClusterConfig"]
    check_known(cluster, _CLUSTER, "ClusterConfig")
    check_instance("ProcessingInstanceType", cluster["InstanceType"], int(cluster["InstanceCount"]))
    for one in request.get("ProcessingInputs") or []:
        _check_input(one)
    for one in (request.get("ProcessingOutputConfig") or {}).get("Outputs") or []:
        _check_output(one)
    job = Job("Processing", request)
    check_role(request["RoleArn"], job.arn)
    jobs[job.name] = job
    job.announce()
    work.start(f"processing {job.name}", _run, job)
    return {"ProcessingJobArn": job.arn}


def _check_input(one: dict[str, Any]) -> None:
    name = one["InputName"]
    check_known(one, _INPUT, f"input {name}")
    source = one.get("S3Input")
    if not source or one.get("AppManaged"):
        raise refuse(f"input {name}: the sandbox takes S3Input that is not AppManaged")
    check_known(source, _S3_INPUT, f"input {name} S3Input")
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise refuse(f"input {name}: S3DataType {source['S3DataType']}; allowed: S3Prefix, ManifestFile")
    if source.get("S3InputMode", "File") != "File" or source.get("S3CompressionType", "None") != "None":
        raise refuse(f"input {name}: the sandbox takes S3InputMode File without compression")
    _check_path(name, source["LocalPath"])


def _check_output(one: dict[str, Any]) -> None:
    name = one["OutputName"]
    check_known(one, _OUTPUT, f"output {name}")
    target = one.get("S3Output")
    if not target or one.get("AppManaged") or target.get("S3UploadMode") != "EndOfJob":
        raise refuse(f"output {name}: the sandbox takes S3Output with S3UploadMode EndOfJob, not AppManaged")
    _check_path(name, target["LocalPath"])


def _check_path(name: str, path: str) -> None:
    if not path.startswith(_PLACE):
        raise refuse(f"{name}: LocalPath is {path}; allowed: below {_PLACE}")


def describe_processing_job(request: dict[str, Any]) -> dict[str, Any]:
    return dict(_found(request).response_object)


def stop_processing_job(request: dict[str, Any]) -> dict[str, Any]:
    job = _found(request)
    if job.status == "InProgress":
        job.ask_to_stop()
    return {}


def _found(request: dict[str, Any]) -> Job:
    job = backend("sagemaker").processing_jobs.get(request["ProcessingJobName"])
    if job is None:
        raise refuse(f"Could not find requested job with name: {request['ProcessingJobName']}")
    return job  # type: ignore[no-any-return]


def _run(job: Job) -> None:
    folder = account.workdir() / "processing" / job.name
    network = job.fields.get("NetworkConfig") or {}
    try:
        with placed(job.fields["RoleArn"], job.arn, network.get("VpcConfig"), job.name) as (outside, inside):
            _process(job, folder / "opt" / "ml", outside, inside)
    except (JobError, transfer.TransferError) as error:
        job.move("Failed", str(error))
    except (identity.Denied, vpc.AttachmentError, ClientError) as error:
        job.move("Failed", f"ClientError: {error}")
    except BaseException as error:
        job.move("Failed", f"InternalServerError: sandbox: {type(error).__name__}: {error}")
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _process(job: Job, root: Path, outside: Any, inside: Any) -> None:
    s3 = inside.client("s3")
    _lay_out(job, root, s3)
    status, stopped = _contain(job, root, outside, inside)
    message = root / "output" / "message"
    if message.exists():
        job.update(ExitMessage=message.read_text(encoding="utf-8", errors="replace")[:1024])
    if stopped:
        job.move("Stopped", stopped)
        return
    if status != 0:
        raise JobError(f"AlgorithmError: See job logs for more information, exit code: {status}")
    config = job.fields.get("ProcessingOutputConfig") or {}
    for one in config.get("Outputs") or []:
        target = one["S3Output"]
        local = Path(container.rooted(target["LocalPath"], root))
        transfer.upload_folder(s3, local, target["S3Uri"], transfer.encrypted_with(config.get("KmsKeyId")))
    job.move("Completed")


def _lay_out(job: Job, root: Path, s3: Any) -> None:
    for name in ("config", "output", "processing/input", "processing/output"):
        (root / name).mkdir(parents=True, exist_ok=True)
    cluster = job.fields["ProcessingResources"]["ClusterConfig"]
    resources = {
        "current_host": "localhost",
        "hosts": ["localhost"],
        "current_instance_type": cluster["InstanceType"],
    }
    (root / "config" / "resourceconfig.json").write_text(json.dumps(resources), encoding="utf-8")
    shown = json.dumps(job.response_object, default=str)
    (root / "config" / "processingjobconfig.json").write_text(shown, encoding="utf-8")
    for one in job.fields.get("ProcessingInputs") or []:
        source = one["S3Input"]
        folder = Path(container.rooted(source["LocalPath"], root))
        manifest = source["S3DataType"] == "ManifestFile"
        fetch = transfer.download_manifest if manifest else transfer.download_prefix
        if fetch(s3, source["S3Uri"], folder) == 0:
            raise JobError(
                f"ClientError: No S3 objects found under {source['S3Uri']} of input {one['InputName']}"
            )
    for one in (job.fields.get("ProcessingOutputConfig") or {}).get("Outputs") or []:
        Path(container.rooted(one["S3Output"]["LocalPath"], root)).mkdir(parents=True, exist_ok=True)


def _contain(job: Job, root: Path, outside: Any, inside: Any) -> tuple[int, str]:
    """Exit status of the command, and why it was stopped if it was."""
    specification = job.fields["AppSpecification"]
    argv = [*specification["ContainerEntrypoint"], *(specification.get("ContainerArguments") or [])]
    variables = container.environment(
        root,
        credentials=inside,
        isolated=bool((job.fields.get("NetworkConfig") or {}).get("EnableNetworkIsolation")),
        given={
            "PROCESSING_JOB_NAME": job.name,
            "PROCESSING_JOB_ARN": job.arn,
            **(job.fields.get("Environment") or {}),
        },
    )
    stream = f"{job.name}/algo-1-{int(clock.now().timestamp() * 1000)}"
    longest = (job.fields.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME)
    job.update(ProcessingStartTime=clock.now())
    began = time.monotonic()
    try:
        running = Container(
            container.command(argv, root),
            variables,
            root,
            lambda lines: logs.write(LOG_GROUP, stream, lines, outside),
        )
    except OSError as error:
        raise JobError(f"AlgorithmError: cannot start {argv[0]}: {error}") from error
    try:
        while (status := running.wait(_STEP_SECONDS)) is None:
            if job.stop.is_set():
                return running.stop(GRACE_SECONDS), "stopped on request"
            if time.monotonic() - began > float(longest):
                return running.stop(GRACE_SECONDS), f"MaxRuntimeInSeconds of {longest} exceeded"
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.stop(0)
    return status, ""


def reset() -> None:
    for job in backend("sagemaker").processing_jobs.values():
        job.stop.set()


OPERATIONS = {
    "create_processing_job": create_processing_job,
    "describe_processing_job": describe_processing_job,
    "stop_processing_job": stop_processing_job,
}
