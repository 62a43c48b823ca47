"""One training job from its first state to its last: the official toolkit on the job's own /opt/ml."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sandbox import account, clock, faults, logs
from sandbox.engines import container, training_files, training_metrics, transfer, vpc
from sandbox.engines.container import Container
from sandbox.engines.jobs import Job, JobError, placed
from sandbox.engines.training_checkpoints import Checkpoints
from sandbox.iam import identity

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
GRACE_SECONDS = 10.0  # AWS gives 120
_STEP_SECONDS = 0.05
_SPOT_PRICE_SHARE = 0.3  # of the on-demand price: what BillableTimeInSeconds stands for on Spot
_HURRIED_SECONDS = 20.0  # a Spot interruption waits this long for a first checkpoint
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Interrupted": "Training job interrupted: the Spot instance was taken back",
    "Restarting": "Restarting the training job on a new instance",
    "Failed": "Training job failed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
}


class Interrupted(Exception):
    """The Spot instance is gone."""


def run(job: Job) -> None:
    """Carries the job to its last state; whatever goes wrong is the state's reason."""
    begin(job, "Starting")
    folder = account.workdir() / "training" / job.name
    try:
        request = job.fields
        with placed(request["RoleArn"], job.arn, request.get("VpcConfig"), job.name) as (outside, inside):
            _attempts(job, folder, outside, inside)
    except (JobError, transfer.TransferError) as error:
        _fail(job, str(error))
    except (identity.Denied, vpc.AttachmentError, ClientError) as error:
        _fail(job, f"ClientError: {error}")
    except BaseException as error:
        _fail(job, f"InternalServerError: sandbox: {type(error).__name__}: {error}")
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def begin(job: Job, secondary: str) -> None:
    """The next secondary status, and its place in the list of transitions."""
    now = clock.now()
    transitions = list(job.fields["SecondaryStatusTransitions"])
    if transitions:
        transitions[-1] = transitions[-1] | {"EndTime": now}
    transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": _MESSAGES[secondary]})
    job.update(SecondaryStatus=secondary, SecondaryStatusTransitions=transitions)
    job.announce()


def _end(job: Job, status: str, secondary: str, reason: str = "", **fields: Any) -> None:
    now = clock.now()
    transitions = [
        *job.fields["SecondaryStatusTransitions"][:-1],
        job.fields["SecondaryStatusTransitions"][-1] | {"EndTime": now},
        {"Status": secondary, "StartTime": now, "EndTime": now, "StatusMessage": _MESSAGES[secondary]},
    ]
    job.move(status, reason, SecondaryStatus=secondary, SecondaryStatusTransitions=transitions, **fields)


def _fail(job: Job, reason: str) -> None:
    _end(job, "Failed", "Failed", reason, ModelArtifacts={"S3ModelArtifacts": ""})


def _attempts(job: Job, folder: Path, outside: Any, inside: Any) -> None:
    """Once, or on Spot as often as it takes."""
    spot = bool(job.fields.get("EnableManagedSpotTraining"))
    condition = job.fields["StoppingCondition"]
    began = time.monotonic()
    spent = 0.0
    while True:
        interrupt = spot and faults.due("spot", job.name) is not None
        try:
            _attempt(job, folder, outside, inside, spent=spent, interrupt=interrupt)
            return
        except Interrupted:
            spent += time.monotonic() - job.began
            begin(job, "Interrupted")
            shutil.rmtree(folder, ignore_errors=True)
            if time.monotonic() - began > float(condition.get("MaxWaitTimeInSeconds", 86400)):
                _end(job, "Stopped", "MaxWaitTimeExceeded", **_times(job, spent))
                return
            begin(job, "Restarting")


def _attempt(job: Job, folder: Path, outside: Any, inside: Any, *, spent: float, interrupt: bool) -> None:
    root = folder / "opt" / "ml"
    s3 = inside.client("s3")
    begin(job, "Downloading")
    job.began = time.monotonic()
    job.fields.setdefault("TrainingStartTime", clock.now())
    training_files.lay_out(job, root, s3)
    checkpoints = Checkpoints(job, root, s3)
    checkpoints.download()
    begin(job, "Training")
    ended = _train(job, root, outside, inside, checkpoints, spent=spent, interrupt=interrupt)
    total = spent + time.monotonic() - job.began
    if ended == "Failed":
        raise JobError(training_files.failure(root))
    begin(job, "Uploading")
    artefact = training_files.upload(job, root, s3)
    fields = {"ModelArtifacts": {"S3ModelArtifacts": artefact}, **_times(job, total)}
    status = "Completed" if ended == "Completed" else "Stopped"
    _end(job, status, ended, **fields)


def _train(
    job: Job,
    root: Path,
    outside: Any,
    inside: Any,
    checkpoints: Checkpoints,
    *,
    spent: float,
    interrupt: bool,
) -> str:
    """The container from start to end; Completed, Failed, Stopped or MaxRuntimeExceeded."""
    stream = f"{job.name}/algo-1-{int(clock.now().timestamp() * 1000)}"
    isolated = bool(job.fields.get("EnableNetworkIsolation"))
    variables = container.environment(
        root,
        credentials=inside,
        isolated=isolated,
        given={**training_files.variables(job), **(job.fields.get("Environment") or {})},
    )
    (root / "code").mkdir(exist_ok=True)
    running = Container(
        [sys.executable, "-m", "sagemaker_training.cli.train"],
        variables,
        root,
        lambda lines: logs.write(LOG_GROUP, stream, lines, outside),
    )
    job.lines = running.lines
    limit = float(job.fields["StoppingCondition"].get("MaxRuntimeInSeconds", 86400)) - spent
    try:
        ended = _watch(job, running, limit, checkpoints, interrupt=interrupt)
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.stop(0)
        checkpoints.upload()
    job.update(FinalMetricDataList=training_metrics.final(job, running.lines))
    return ended


def _watch(job: Job, running: Container, limit: float, checkpoints: Checkpoints, *, interrupt: bool) -> str:
    began = time.monotonic()
    while (status := running.wait(_STEP_SECONDS)) is None:
        seconds = time.monotonic() - began
        checkpoints.upload_now_and_then()
        if interrupt and (checkpoints.any() or seconds > _HURRIED_SECONDS):
            running.stop(GRACE_SECONDS)
            raise Interrupted
        if job.stop.is_set():
            begin(job, "Stopping")
            running.stop(GRACE_SECONDS)
            return "Stopped"
        if seconds > limit:
            running.stop(GRACE_SECONDS)
            return "MaxRuntimeExceeded"
    if interrupt:
        raise Interrupted  # it was quicker than the interruption; its work is in the checkpoints
    return "Completed" if status == 0 else "Failed"


def _times(job: Job, seconds: float) -> dict[str, int]:
    total = max(1, round(seconds))
    share = _SPOT_PRICE_SHARE if job.fields.get("EnableManagedSpotTraining") else 1.0
    return {"TrainingTimeInSeconds": total, "BillableTimeInSeconds": max(1, round(total * share))}
