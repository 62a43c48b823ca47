"""The task behind every integration of our own: the call as the role, the wait for its job, AWS's output."""

from __future__ import annotations

import json
import time
from typing import Any

from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_callback as moto_task,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition

from sandbox.engines import state_calls, state_tasks

_POLL_SECONDS = 0.1
_JSON_TEXT = {"Input"}  # fields that take a JSON document as text


class ServiceTask(moto_task.StateTaskServiceCallback):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(supported_integration_patterns=set())

    def _validate_service_integration_is_supported(self) -> None:
        name, action, condition = self._integration(), self.resource.api_action, self.resource.condition
        if name == "aws-sdk":
            state_calls.operation(self._boto_service(), action)
            allowed = {None}
        else:
            known = state_tasks.OWN[name]
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
        client = state_tasks.role_client(self._boto_service(), state_credentials)
        answer = state_tasks.client_method(client, model.name)(**normalised_parameters)
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
        job = state_tasks.JOBS[(self._integration(), self.resource.api_action)]
        client = state_tasks.role_client(self._boto_service(), state_credentials)
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
        raise state_tasks.failure(self, env, "States.TaskFailed", json.dumps(output, separators=(",", ":")))

    def _job_output(self, job: state_tasks.Job, answer: Any, request: Any) -> Any:
        model = state_calls.service_model(self._boto_service()).operation_model(_pascal(job.describe))
        sdk = self._integration() == "states"
        output = job.output(state_calls.from_response(answer, model.output_shape, sdk=sdk), request)
        if self.resource.condition == ResourceCondition.Sync2:
            for key in ("Input", "Output"):
                if isinstance(output.get(key), str):
                    output[key] = json.loads(output[key])
        return output

    def _from_error(self, env: Any, ex: Exception) -> Any:
        found = state_tasks.client_failure(self, env, ex)
        return found if found is not None else super()._from_error(env=env, ex=ex)


def _watch(env: Any, client: Any, job: state_tasks.Job, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """The job's last description; None when the task no longer runs (timeout, StopExecution)."""
    while env.is_running():
        answer: dict[str, Any] = getattr(client, job.describe)(**arguments)
        if job.status(answer) not in job.running:
            return answer
        time.sleep(_POLL_SECONDS)
    return None


def _pascal(snake: str) -> str:
    return "".join(part.capitalize() for part in snake.split("_"))


def _texts(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        key: json.dumps(value, separators=(",", ":"))
        if key in _JSON_TEXT and not isinstance(value, str)
        else value
        for key, value in parameters.items()
    }
