"""What tasks of state machines need: jobs that can be awaited, clients of the role, failures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from sandbox.engines import state_calls

_lock = threading.Lock()
_credentials: dict[tuple[str, str], Any] = {}


@dataclass(frozen=True, kw_only=True)
class Job:
    """How a job that a .sync task started is watched and, when the task ends early, stopped."""

    describe: str
    arguments: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]  # (request, start's answer)
    status: Callable[[dict[str, Any]], str]
    good: frozenset[str]
    running: frozenset[str]
    stop: str
    stop_arguments: Callable[[dict[str, Any]], dict[str, Any]]  # of the describe arguments
    output: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]] = lambda answer, _: answer


def _sagemaker(kind: str) -> Job:
    key, status = f"{kind}Name", f"{kind}Status"
    snake = {
        "TrainingJob": "training_job",
        "ProcessingJob": "processing_job",
        "TransformJob": "transform_job",
        "HyperParameterTuningJob": "hyper_parameter_tuning_job",
    }[kind]
    return Job(
        describe=f"describe_{snake}",
        arguments=lambda request, _: {key: request[key]},
        status=lambda answer: str(answer[status]),
        good=frozenset({"Completed"}),
        running=frozenset({"InProgress", "Stopping", "Pending"}),
        stop=f"stop_{snake}",
        stop_arguments=lambda arguments: arguments,
    )


JOBS: dict[tuple[str, str], Job] = {
    ("glue", "startJobRun"): Job(
        describe="get_job_run",
        arguments=lambda request, answer: {"JobName": request["JobName"], "RunId": answer["JobRunId"]},
        status=lambda answer: str(answer["JobRun"]["JobRunState"]),
        good=frozenset({"SUCCEEDED", "STOPPED"}),
        running=frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"}),
        stop="batch_stop_job_run",
        stop_arguments=lambda a: {"JobName": a["JobName"], "JobRunIds": [a["RunId"]]},
        output=lambda answer, request: {"JobName": request["JobName"], **answer["JobRun"]},
    ),
    ("athena", "startQueryExecution"): Job(
        describe="get_query_execution",
        arguments=lambda _, answer: {"QueryExecutionId": answer["QueryExecutionId"]},
        status=lambda answer: str(answer["QueryExecution"]["Status"]["State"]),
        good=frozenset({"SUCCEEDED"}),
        running=frozenset({"QUEUED", "RUNNING"}),
        stop="stop_query_execution",
        stop_arguments=lambda arguments: arguments,
    ),
    ("sagemaker", "createTrainingJob"): _sagemaker("TrainingJob"),
    ("sagemaker", "createProcessingJob"): _sagemaker("ProcessingJob"),
    ("sagemaker", "createTransformJob"): _sagemaker("TransformJob"),
    ("sagemaker", "createHyperParameterTuningJob"): _sagemaker("HyperParameterTuningJob"),
    ("states", "startExecution"): Job(
        describe="describe_execution",
        arguments=lambda _, answer: {"executionArn": answer["executionArn"]},
        status=lambda answer: str(answer["status"]),
        good=frozenset({"SUCCEEDED"}),
        running=frozenset({"RUNNING"}),
        stop="stop_execution",
        stop_arguments=lambda arguments: arguments,
    ),
}
# Optimised integrations of our own; action -> may it wait for the job.
OWN = {
    "glue": {"startJobRun": True},
    "athena": {"startQueryExecution": True, "stopQueryExecution": False, "getQueryExecution": False,
               "getQueryResults": False},
    "sagemaker": {
        "createTrainingJob": True, "createProcessingJob": True, "createTransformJob": True,
        "createHyperParameterTuningJob": True, "createModel": False, "createEndpointConfig": False,
        "createEndpoint": False, "updateEndpoint": False,
    },
    "states": {"startExecution": True},
}  # fmt: skip
# Optimised integrations that moto's classes do well, once their calls and errors are ours.
MOTOS = ("lambda", "sqs", "sns", "dynamodb", "events")


def role_client(service: str, state_credentials: Any) -> Any:
    """A client of the machine's role, as Step Functions assumes it for this machine."""
    from sandbox.iam import identity

    machine = getattr(state_credentials, "state_machine_arn", "")
    key = (state_credentials.role_arn, machine)
    with _lock:
        if key not in _credentials:
            _credentials[key] = identity.service_credentials(
                state_credentials.role_arn,
                "states.amazonaws.com",
                session=machine.split(":")[-1] or "states",
                source_arn=machine,
            )
    return _credentials[key].client(service)


def boto_client_for(region: str, service: str, state_credentials: Any = None) -> Any:  # noqa: ARG001
    if state_credentials is None:
        raise RuntimeError(f"a call to {service} without the state machine's role")
    return role_client(service, state_credentials)


def client_method(client: Any, operation_name: str) -> Any:
    name = next(python for python, api in client.meta.method_to_api_mapping.items() if api == operation_name)
    return getattr(client, name)


def client_failure(task: Any, env: Any, error: Exception) -> Any:
    """The failure event of a refused call; None for other errors."""
    integration = str(task.resource.service_name)
    if isinstance(error, ParamValidationError):
        return failure(task, env, "States.Runtime", str(error)).failure_event
    if not isinstance(error, ClientError):
        return None
    service = task.resource.api_name
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    meta = error.response["ResponseMetadata"]
    name = state_calls.error_name(integration, service, code)
    request = meta.get("RequestId", "")
    if integration == "aws-sdk":
        details = (
            f"(Service: {name.split('.')[0]}, Status Code: {meta['HTTPStatusCode']}, Request ID: {request})"
        )
    else:
        details = (
            f"(Service: {name.split('.')[0]}; Status Code: {meta['HTTPStatusCode']}; Error Code: {code}; "
            f"Request ID: {request}; Proxy: null)"
        )
    return failure(task, env, name, f"{message} {details}").failure_event


def failure(task: Any, env: Any, name: str, cause: str) -> Any:
    from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
    from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
    from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
        FailureEvent,
        FailureEventException,
    )
    from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
    from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
        StatesErrorNameType,
    )
    from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

    if name.startswith("States."):
        error = StatesErrorName(typ=StatesErrorNameType.from_name(name))
    else:
        error = CustomErrorName(error_name=name)
    details = TaskFailedEventDetails(
        resource=task._get_sfn_resource(), resourceType=task._get_sfn_resource_type(), error=name, cause=cause
    )
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=error,
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(taskFailedEventDetails=details),
        )
    )


def reset() -> None:
    with _lock:
        _credentials.clear()
