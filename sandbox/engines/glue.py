"""Glue job runs: StartJobRun really runs the job's script, and GetJobRun shows how that goes."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox import account, clock, selftest, work
from sandbox.engines import glue_encryption, glue_run, vpc
from sandbox.engines.backends import backend
from sandbox.engines.spark import Spark, SparkError

_ACTIVE = ("STARTING", "RUNNING", "STOPPING", "WAITING")
_GLUE_TIMEOUT_MINUTES = 480  # the default of Glue 5
_spark: Spark | None = None
_spark_lock = threading.Lock()


@dataclass
class JobRun:
    """One attempt at a job; moto's list and get operations read it through as_dict()."""

    job: Any
    run_id: str
    arguments: dict[str, str]
    attempt: int = 0
    previous_run_id: str | None = None
    timeout: int = _GLUE_TIMEOUT_MINUTES
    security_configuration: str | None = None
    worker_type: str | None = None
    number_of_workers: int | None = None
    status: str = "STARTING"
    error: str = ""
    log_group: str = "/aws-glue/jobs"
    started_on: datetime = field(default_factory=clock.now)
    modified_on: datetime = field(default_factory=clock.now)
    completed_on: datetime | None = None
    began: float = field(default_factory=time.monotonic)
    seconds: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def job_run_id(self) -> str:
        return self.run_id

    @property
    def job_name(self) -> str:
        return str(self.job.name)

    def move(self, status: str, error: str = "") -> None:
        self.status, self.error, self.modified_on = status, error, clock.now()
        if status not in _ACTIVE:
            self.completed_on = self.modified_on
            self.seconds = max(1, round(time.monotonic() - self.began))
        glue_run.announce(self)

    def advance(self) -> None:
        """moto moves states on when they are looked at; here only the run itself does."""

    def as_dict(self) -> dict[str, Any]:
        shown = {
            "Id": self.run_id,
            "Attempt": self.attempt,
            "PreviousRunId": self.previous_run_id,
            "JobName": self.job_name,
            "JobMode": "SCRIPT",
            "StartedOn": self.started_on,
            "LastModifiedOn": self.modified_on,
            "CompletedOn": self.completed_on,
            "JobRunState": self.status,
            "Arguments": self.arguments,
            "ErrorMessage": self.error or None,
            "PredecessorRuns": [],
            "ExecutionTime": self.seconds,
            "Timeout": self.timeout,
            "WorkerType": self.worker_type,
            "NumberOfWorkers": self.number_of_workers,
            "SecurityConfiguration": self.security_configuration,
            "LogGroupName": self.log_group,
            "GlueVersion": self.job.glue_version,
            "ExecutionClass": self.job.execution_class,
        }
        return {name: value for name, value in shown.items() if value is not None}


def spark() -> Spark:
    """The account's Spark worker, started by its first program (or by warm())."""
    global _spark
    with _spark_lock:
        if _spark is None:
            _spark = Spark(account.workdir() / "spark")
        return _spark


def warm() -> None:
    """Warms Spark up ahead of the first job; worth it while something else is being waited for."""
    outcome = spark().warm()
    if outcome.ended != "succeeded":
        raise SparkError(f"the worker did not warm up: {outcome.ended} {outcome.error}")


def _start_job_run(
    self: Any,
    allocated_capacity: int | None = None,  # noqa: ARG001 the signature is moto's
    max_capacity: float | None = None,  # noqa: ARG001
    timeout: int | None = None,
    worker_type: str | None = None,
    security_configuration: str | None = None,
    number_of_workers: int | None = None,
    notification_property: dict[str, int] | None = None,  # noqa: ARG001
    previous_run_id: str | None = None,
    arguments: dict[str, str] | None = None,
) -> str:
    from moto.glue.exceptions import ConcurrentRunsExceededException

    allowed = int((self.execution_property or {}).get("MaxConcurrentRuns", 1))
    if sum(run.status in _ACTIVE for run in self.job_runs) >= allowed:
        raise ConcurrentRunsExceededException(
            f"Concurrent runs exceeded for {self.name}: {allowed} run(s) allowed at the same time"
        )
    run = JobRun(
        job=self,
        run_id=f"jr_{secrets.token_hex(32)}",
        arguments=_arguments(self, arguments),
        previous_run_id=previous_run_id,
        timeout=timeout or self.timeout or _GLUE_TIMEOUT_MINUTES,
        security_configuration=security_configuration or self.security_configuration,
        worker_type=worker_type or self.worker_type,
        number_of_workers=number_of_workers or self.number_of_workers,
    )
    _launch(run)
    return run.run_id


def _arguments(job: Any, given: dict[str, str] | None) -> dict[str, str]:
    """The run's win over the job's, and what may not be overridden wins over both."""
    return {**(job.default_arguments or {}), **(given or {}), **(job.non_overridable_arguments or {})}


def _launch(run: JobRun) -> None:
    run.job.job_runs.append(run)
    glue_run.announce(run)
    work.start(f"glue {run.job_name} {run.run_id[:11]}", _run_and_retry, run)


def _run_and_retry(run: JobRun) -> None:
    glue_run.run(run, spark())
    if run.status == "FAILED" and run.attempt < int(run.job.max_retries or 0):
        first = run.run_id.partition("_attempt_")[0]
        retry = JobRun(
            job=run.job,
            run_id=f"{first}_attempt_{run.attempt + 1}",
            arguments=run.arguments,
            attempt=run.attempt + 1,
            previous_run_id=run.run_id,
            timeout=run.timeout,
            security_configuration=run.security_configuration,
            worker_type=run.worker_type,
            number_of_workers=run.number_of_workers,
        )
        _launch(retry)


def _batch_stop_job_run(self: Any) -> Any:
    from moto.core.responses import ActionResult

    name = self._get_param("JobName")
    job = self.glue_backend.get_job(name)
    done: list[dict[str, str]] = []
    errors: list[dict[str, Any]] = []
    for run_id in self._get_param("JobRunIds"):
        run = next((one for one in job.job_runs if one.run_id == run_id), None)
        if run is None or run.status not in _ACTIVE:
            code = "EntityNotFoundException" if run is None else "InvalidInputException"
            detail = {"ErrorCode": code, "ErrorMessage": f"job run {run_id} is not running"}
            errors.append({"JobName": name, "JobRunId": run_id, "ErrorDetail": detail})
            continue
        run.move("STOPPING")
        run.stop.set()
        done.append({"JobName": name, "JobRunId": run_id})
    return ActionResult({"SuccessfulSubmissions": done, "Errors": errors})


def install() -> None:
    from moto.glue.models import FakeJob
    from moto.glue.responses import GlueResponse

    FakeJob.start_job_run = _start_job_run
    GlueResponse.batch_stop_job_run = _batch_stop_job_run  # moto has none
    glue_encryption.install()
    vpc.install()


def reset() -> None:
    """Ends what runs: moto's state is about to be forgotten."""
    global _spark
    for job in backend("glue").jobs.values():
        for run in job.job_runs:
            run.stop.set()
    with _spark_lock:
        worker, _spark = _spark, None
    if worker is not None:
        worker.stop()


def self_test() -> None:
    parameters = (
        "self",
        "allocated_capacity",
        "max_capacity",
        "timeout",
        "worker_type",
        "security_configuration",
        "number_of_workers",
        "notification_property",
        "previous_run_id",
        "arguments",
    )
    found = selftest.check("moto.glue.models:FakeJob.start_job_run")
    if found is not _start_job_run:
        selftest.check("moto.glue.models:FakeJob.start_job_run", *parameters)
    selftest.check("moto.glue.models:FakeJob.get_job_run", "self", "run_id")
    selftest.check("moto.glue.models:FakeJob.get_job_runs", "self")
    selftest.check("moto.glue.responses:GlueResponse.glue_backend")
    selftest.check("moto.glue.exceptions:ConcurrentRunsExceededException", "msg")
    glue_encryption.self_test()
    vpc.self_test()
