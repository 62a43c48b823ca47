"""Brings a deployment to rest: no execution, no job, no endpoint that is being updated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from botocore.exceptions import ClientError

from deployment.errors import AGAIN, StoppedError
from deployment.names import Names
from deployment.place import Place
from deployment.stacks import Resource

T = TypeVar("T")
_POLL_SECONDS = 10
_POLLS = 360  # an hour: an update of the endpoint shifts its traffic slowly
_STOPPED_AT_ONCE = 25  # Glue's limit
_CAUSE = "the deployment is being deleted"
_MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack")
_RUNS = ("STARTING", "RUNNING", "WAITING", "STOPPING")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Of SageMaker's jobs: its operations, and where its list has the names."""

    word: str
    operation: str
    summaries: str
    field: str
    stop: str


# A search first: it would start the next trial.
_JOBS = [
    Kind(
        word="tuning job",
        operation="list_hyper_parameter_tuning_jobs",
        summaries="HyperParameterTuningJobSummaries",
        field="HyperParameterTuningJobName",
        stop="stop_hyper_parameter_tuning_job",
    ),
    *(
        Kind(
            word=f"{word} job",
            operation=f"list_{word}_jobs",
            summaries=f"{word.title()}JobSummaries",
            field=f"{word.title()}JobName",
            stop=f"stop_{word}_job",
        )
        for word in ("training", "processing", "transform")
    ),
]


@dataclass(frozen=True, kw_only=True)
class Rest:
    place: Place
    names: Names
    tell: Callable[[str], None]
    pause: Callable[[float], None]

    def stop_executions(self, machines: Iterable[str]) -> None:
        """They start jobs and update the endpoint; stopping one stops the job that it waits for."""
        for machine in machines:
            name = machine.rsplit(":", 1)[1]
            for execution in self._running(machine):
                self.tell(f"  stops execution {execution.rsplit(':', 1)[1]} of {name}")
                self.place.client("stepfunctions").stop_execution(executionArn=execution, cause=_CAUSE)
            self._until(f"executions of {name}", lambda each: not self._running(each), machine)

    def stop_jobs(self, glue_jobs: Sequence[str]) -> None:
        """They cost by the second and hold interfaces; Step Functions stops its own as well as it can."""
        for kind in _JOBS:
            for name in self._jobs(kind, "InProgress"):
                self.tell(f"  stops {kind.word} {name}")
                self._stop(kind, name)
            self._until(f"a {kind.word}", lambda each: not self._unfinished(each), kind)
        for name in glue_jobs:
            if runs := self._glue_runs(name):
                self.tell(f"  stops {len(runs)} runs of the Glue job {name}")
                for start in range(0, len(runs), _STOPPED_AT_ONCE):
                    some = runs[start : start + _STOPPED_AT_ONCE]
                    self.place.client("glue").batch_stop_job_run(JobName=name, JobRunIds=some)
            self._until(f"runs of the Glue job {name}", lambda each: not self._glue_runs(each), name)

    def wait_for_endpoint(self, name: str) -> None:
        """SageMaker does not delete an endpoint that it is updating."""
        self._until(f"endpoint {name}", lambda each: self._endpoint_status(each) not in _MOVING, name)

    def running_jobs(self) -> list[str]:
        return [name for kind in _JOBS for name in self._unfinished(kind)]

    def _until(self, what: str, holds: Callable[[T], bool], subject: T) -> None:
        for attempt in range(_POLLS):
            if holds(subject):
                return
            if attempt == 0:
                self.tell(f"  waits for {what} to come to rest")
            self.pause(_POLL_SECONDS)
        raise StoppedError(
            f"{what} did not come to rest in {_POLLS * _POLL_SECONDS // 60} minutes; "
            f"fix: look why in the console, then {AGAIN}"
        )

    def _running(self, machine: str) -> list[str]:
        pages = self.place.client("stepfunctions").get_paginator("list_executions")
        try:
            found = pages.paginate(stateMachineArn=machine, statusFilter="RUNNING")
            return [execution["executionArn"] for page in found for execution in page["executions"]]
        except ClientError as error:
            if error.response["Error"]["Code"] == "StateMachineDoesNotExist":
                return []
            raise

    def _stop(self, kind: Kind, name: str) -> None:
        try:
            getattr(self.place.client("sagemaker"), kind.stop)(**{kind.field: name})
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":  # it has ended just now
                raise

    def _unfinished(self, kind: Kind) -> list[str]:
        return [name for status in ("InProgress", "Stopping") for name in self._jobs(kind, status)]

    def _jobs(self, kind: Kind, status: str) -> list[str]:
        pages = self.place.client("sagemaker").get_paginator(kind.operation)
        found = pages.paginate(NameContains=f"{self.names.prefix}-", StatusEquals=status)
        names = [job[kind.field] for page in found for job in page[kind.summaries]]
        return [name for name in names if self.names.begins(name)]

    def _glue_runs(self, name: str) -> list[str]:
        pages = self.place.client("glue").get_paginator("get_job_runs")
        try:
            runs = [run for page in pages.paginate(JobName=name) for run in page["JobRuns"]]
        except ClientError as error:
            if error.response["Error"]["Code"] == "EntityNotFoundException":
                return []
            raise
        return [run["Id"] for run in runs if run["JobRunState"] in _RUNS]

    def _endpoint_status(self, name: str) -> str:
        try:
            return str(self.place.client("sagemaker").describe_endpoint(EndpointName=name)["EndpointStatus"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationException":  # SageMaker's word for not found
                return "absent"
            raise


def named(resources: Iterable[Resource], kind: str) -> list[str]:
    return [resource.name for resource in resources if resource.type == kind]
