"""Tasks of state machines: calls with the machine's role, jobs awaited, AWS's outputs and errors, nothing unknown."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from sandbox.engines import state_calls

_POLL_SECONDS = 0.1
_SERVICE = "moto.stepfunctions.parser.asl.component.state.exec.state_task.service"
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
_JSON_TEXT = {"Input"}  # fields that take a JSON document as text


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


def task_class() -> type:
    """Built when moto's interpreter is there to derive from."""
    import moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback as base
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import (
        ResourceCondition,
    )

    class ServiceTask(base.StateTaskServiceCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(supported_integration_patterns=set())

        def _validate_service_integration_is_supported(self) -> None:
            name, action, condition = self._integration(), self.resource.api_action, self.resource.condition
            if name == "aws-sdk":
                state_calls.operation(self._boto_service(), action)
                allowed = {None}
            else:
                known = OWN[name]
                if action not in known:
                    raise state_calls.UnknownIntegrationError(
                        f"{self.resource.resource_arn} is not known to the sandbox; "
                        f"allowed actions of {name}: {', '.join(known)}"
                    )
                allowed = {None, ResourceCondition.Sync} if known[action] else {None}
                allowed |= {ResourceCondition.Sync2} if name == "states" else set()
            if condition not in allowed:
                raise state_calls.UnknownIntegrationError(
                    f"{self.resource.resource_arn}: the pattern .{condition} is not known to the sandbox"
                )

        def _integration(self) -> str:
            return str(self.resource.service_name)

        def _boto_service(self) -> str:
            if self._integration() == "aws-sdk":
                return state_calls.sdk_service(self.resource.api_name)
            return "stepfunctions" if self._integration() == "states" else self._integration()

        def _get_sfn_resource_type(self) -> str:
            name = self._integration()
            return f"{name}:{self.resource.api_name}" if name == "aws-sdk" else name

        def _normalise_parameters(self, parameters: Any, *_: Any, **__: Any) -> None:
            model = state_calls.operation(self._boto_service(), self.resource.api_action)
            shaped = state_calls.to_request(_texts(parameters), model.input_shape)
            parameters.clear()
            parameters.update(shaped)

        def _eval_service_task(
            self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
        ) -> None:
            del resource_runtime_part
            model = state_calls.operation(self._boto_service(), self.resource.api_action)
            client = role_client(self._boto_service(), state_credentials)
            answer = client_method(client, model.name)(**normalised_parameters)
            sdk = self._integration() in ("aws-sdk", "states")
            shaped = state_calls.from_response(answer or {}, model.output_shape, sdk=sdk)
            if self._integration() == "glue":
                shaped = {"JobName": normalised_parameters["JobName"], **shaped}
            self._answer = answer
            env.stack.append(shaped)

        def _eval_integration_pattern(
            self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
        ) -> None:
            del resource_runtime_part
            env.stack.pop()
            job = JOBS[(self._integration(), self.resource.api_action)]
            client = role_client(self._boto_service(), state_credentials)
            arguments = job.arguments(normalised_parameters, self._answer)
            answer = _watch(env, client, job, arguments)
            if answer is None:
                getattr(client, job.stop)(**job.stop_arguments(arguments))
                env.stack.append({})  # nobody reads it: the task was timed out or the execution stopped
                return
            output = self._job_output(job, answer, normalised_parameters)
            if job.status(answer) in job.good:
                env.stack.append(output)
                return
            raise _failure(self, env, "States.TaskFailed", json.dumps(output, separators=(",", ":")))

        def _job_output(self, job: Job, answer: Any, request: Any) -> Any:
            model = state_calls.service_model(self._boto_service()).operation_model(_pascal(job.describe))
            sdk = self._integration() == "states"
            output = job.output(state_calls.from_response(answer, model.output_shape, sdk=sdk), request)
            if self.resource.condition == ResourceCondition.Sync2:
                for key in ("Input", "Output"):
                    if isinstance(output.get(key), str):
                        output[key] = json.loads(output[key])
            return output

        def _from_error(self, env: Any, ex: Exception) -> Any:
            found = client_failure(self, env, ex)
            return found if found is not None else super()._from_error(env=env, ex=ex)

    return ServiceTask


def _watch(env: Any, client: Any, job: Job, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """The job's last description; None when the task no longer runs (timeout, StopExecution)."""
    while env.is_running():
        answer: dict[str, Any] = getattr(client, job.describe)(**arguments)
        if job.status(answer) not in job.running:
            return answer
        time.sleep(_POLL_SECONDS)
    return None


def client_method(client: Any, operation_name: str) -> Any:
    name = next(python for python, api in client.meta.method_to_api_mapping.items() if api == operation_name)
    return getattr(client, name)


def _pascal(snake: str) -> str:
    return "".join(part.capitalize() for part in snake.split("_"))


def _texts(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        key: json.dumps(value, separators=(",", ":"))
        if key in _JSON_TEXT and not isinstance(value, str)
        else value
        for key, value in parameters.items()
    }


def client_failure(task: Any, env: Any, error: Exception) -> Any:
    """The failure event of a refused call; None for other errors."""
    integration = str(task.resource.service_name)
    if isinstance(error, ParamValidationError):
        return _failure(task, env, "States.Runtime", str(error)).failure_event
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
    return _failure(task, env, name, f"{message} {details}").failure_event


def _failure(task: Any, env: Any, name: str, cause: str) -> Any:
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
