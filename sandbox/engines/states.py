"""Step Functions: the deployed definition runs, with the machine's role, on the account's clock."""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any

from sandbox.engines import state_calls, state_jsonata, state_runs, state_tasks, state_time

_PARSER = "moto.stepfunctions.parser"
_TASK = f"{_PARSER}.asl.component.state.exec.state_task"
_ARN = re.compile(r'"arn:aws[\w-]*:states:::(\w+):(\w+)\.(sync(?::2)?)"')
# AWS creates these rules with the machine's role when a definition waits for such jobs.
_MANAGED_RULES = {
    ("sagemaker", "createTrainingJob"): ("SageMakerTrainingJobs", "SageMaker Training Job"),
    ("sagemaker", "createTransformJob"): ("SageMakerTransformJobs", "SageMaker Transform Job"),
    ("sagemaker", "createProcessingJob"): ("SageMakerProcessingJobs", "SageMaker Processing Job"),
    ("sagemaker", "createHyperParameterTuningJob"): (
        "SageMakerTuningJobs",
        "SageMaker HyperParameter Tuning Job",
    ),
    ("states", "startExecution"): ("StepFunctionsExecution", "Step Functions Execution Status"),
}
MANAGED_RULE_PREFIX = "StepFunctionsGetEventsFor"


def _prepare(name: str, definition: str, role_arn: str) -> None:
    """What AWS checks with the machine's role when the machine is created or changed."""
    from moto.core.exceptions import JsonRESTError
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.credentials import StateCredentials

    from sandbox.iam import identity

    credentials = StateCredentials(role_arn=role_arn)
    credentials.state_machine_arn = state_runs.machine_arn(name)
    try:
        events = state_tasks.role_client("events", credentials)
    except identity.Denied as error:
        message = (
            "Neither the global service principal states.amazonaws.com, nor the regional one is authorized "
            f"to assume the provided role. ({error})"
        )
        raise JsonRESTError("AccessDeniedException", message) from error
    wanted = {(service, action) for service, action, _ in _ARN.findall(definition)}
    for key in sorted(wanted & set(_MANAGED_RULES)):
        _managed_rule(events, role_arn, f"aws.{key[0]}", *_MANAGED_RULES[key])


def _managed_rule(events: Any, role_arn: str, source: str, kind: str, what: str) -> None:
    from botocore.exceptions import ClientError
    from moto.core.exceptions import JsonRESTError

    rule = f"{MANAGED_RULE_PREFIX}{kind}Rule"
    pattern = {
        "source": [source],
        "detail-type": [f"{what} {'' if what.endswith('Status') else 'State '}Change"],
    }
    try:
        events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=rule, Targets=[{"Id": "states", "Arn": state_runs.machine_arn("managed")}])
        events.describe_rule(Name=rule)
    except ClientError as error:
        message = f"'{role_arn}' is not authorized to create managed-rule. ({error})"
        raise JsonRESTError("AccessDeniedException", message) from error


def _patch_machines() -> None:
    from moto.stepfunctions.parser.models import StepFunctionsParserBackend

    create, update = (
        StepFunctionsParserBackend.create_state_machine,
        StepFunctionsParserBackend.update_state_machine,
    )

    def validate(definition: str) -> None:
        """moto's InvalidDefinition reaches the client without a code."""
        from moto.core.exceptions import JsonRESTError
        from moto.stepfunctions.parser.api import InvalidDefinition

        try:
            original_validate(definition)
        except InvalidDefinition as error:
            raise JsonRESTError(
                "InvalidDefinition", f"Invalid State Machine Definition: {error.message}"
            ) from error

    original_validate = StepFunctionsParserBackend._validate_definition
    StepFunctionsParserBackend._validate_definition = staticmethod(validate)

    def create_state_machine(self: Any, name: str, definition: str, roleArn: str, **others: Any) -> Any:  # noqa: N803
        self._validate_definition(definition=definition)
        _prepare(name, definition, roleArn)
        return create(self, name=name, definition=definition, roleArn=roleArn, **others)

    def update_state_machine(
        self: Any, arn: str, definition: Any = None, role_arn: Any = None, **others: Any
    ) -> Any:
        machine = self.describe_state_machine(arn)
        if definition is not None:
            self._validate_definition(definition=definition)
        _prepare(machine.name, definition or machine.definition, role_arn or machine.roleArn)
        return update(self, arn, definition, role_arn, **others)

    StepFunctionsParserBackend.create_state_machine = create_state_machine
    StepFunctionsParserBackend.update_state_machine = update_state_machine
    StepFunctionsParserBackend.start_execution = state_runs.start_execution(
        StepFunctionsParserBackend.start_execution
    )


def _patch_executions() -> None:
    from moto.stepfunctions.parser.asl.eval.event.logging import CloudWatchLoggingSession
    from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
    from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
    from moto.stepfunctions.responses import StepFunctionResponse

    Execution.start = state_runs.begin
    Execution.get_start_execution_details = state_runs.execution_details(
        Execution.get_start_execution_details
    )
    ExecutionWorker.start = state_runs.start_worker
    BaseExecutionWorkerCommunication._reflect_execution_status = state_runs.reflect_status(
        BaseExecutionWorkerCommunication._reflect_execution_status
    )
    CloudWatchLoggingSession.publish_history_log = state_runs.publish_log
    StepFunctionResponse.describe_execution = state_runs.describe
    StepFunctionResponse.stop_execution = state_runs.stop
    StepFunctionResponse.get_execution_history = state_runs.history


def _patch_tasks() -> None:
    import moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task_factory as user
    import moto.stepfunctions.parser.asl.utils.boto_client as boto_client
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
        state_task_service_factory as factory,
    )

    original, original_client = factory.state_task_service_for, boto_client.boto_client_for
    from sandbox.engines.state_service_task import ServiceTask as own  # derives from moto's interpreter

    def state_task_service_for(service_name: str) -> Any:
        if service_name == "aws-sdk" or service_name in state_tasks.OWN:
            return own()
        if service_name in state_tasks.MOTOS:
            return original(service_name=service_name)
        raise state_calls.UnknownIntegrationError(
            f"integration {service_name!r} is not implemented by the sandbox; "
            f"allowed: aws-sdk, {', '.join((*state_tasks.OWN, *state_tasks.MOTOS))}"
        )

    factory.state_task_service_for = state_task_service_for
    user.state_task_service_for = state_task_service_for
    for name, module in list(sys.modules.items()):
        if name.startswith(_PARSER) and getattr(module, "boto_client_for", None) is original_client:
            module.boto_client_for = state_tasks.boto_client_for  # type: ignore[attr-defined]
    _patch_task_base()
    for service in state_tasks.MOTOS:
        _patch_errors(type(original(service_name=service)))


def _patch_task_base() -> None:
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task import StateTask

    original = StateTask._eval_state_credentials

    def _eval_state_credentials(self: Any, env: Any) -> Any:
        if self.credentials:
            raise state_calls.UnknownIntegrationError(
                "Credentials of a task are not implemented by the sandbox"
            )
        found = original(self, env)
        found.state_machine_arn = env.states.context_object.context_object_data["StateMachine"]["Id"]
        return found

    def _eval_parameters(self: Any, env: Any) -> dict[str, Any]:
        """moto drops parameters that it does not know; AWS refuses them."""
        parameters: dict[str, Any] = {}
        if self.parargs is not None:
            self.parargs.eval(env=env)
            parameters = env.stack.pop()
        supported = self._get_supported_parameters()
        unknown = set(parameters) - set(supported) - {"MessageStructure"} if supported else set()
        if unknown:
            raise ValueError(
                f"{self.resource.resource_arn} does not take {', '.join(sorted(unknown))}; "
                f"allowed: {', '.join(sorted(supported))}"
            )
        return parameters

    StateTask._eval_state_credentials = _eval_state_credentials
    StateTask._eval_parameters = _eval_parameters


def _patch_errors(task: Any) -> None:
    original = task._from_error

    def _from_error(self: Any, env: Any, ex: Exception) -> Any:
        found = state_tasks.client_failure(self, env, ex)
        return found if found is not None else original(self, env=env, ex=ex)

    task._from_error = _from_error


def install() -> None:
    import moto.stepfunctions.parser.models  # noqa: F401 - all of the interpreter, before names in it are replaced

    # The interpreter prints every failure of a state, caught or not; they are in the history.
    logging.getLogger("moto.stepfunctions").propagate = False
    logging.getLogger("moto.stepfunctions").addHandler(logging.NullHandler())
    state_time.install()
    state_jsonata.install()
    _patch_machines()
    _patch_executions()
    _patch_tasks()


def reset() -> None:
    """Running executions are stopped: nothing of an account may act in the next one."""
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    from sandbox import regions
    from sandbox.engines.backends import ACCOUNT

    for machine in stepfunctions_parser_backends[ACCOUNT][regions.current()].state_machines:
        for execution in machine.executions:
            if execution.status == "RUNNING" and execution.exec_worker.env is not None:
                execution.stop(stop_date=None, error=None, cause="the sandbox was reset")
    state_tasks.reset()
    state_time.reset()


def self_test() -> None:
    from sandbox.selftest import check

    backend = f"{_PARSER}.models:StepFunctionsParserBackend"
    check(f"{backend}.create_state_machine")
    check(
        f"{backend}.start_execution", "self", "state_machine_arn", "name", "execution_input", "trace_header"
    )
    check(f"{backend}._validate_definition", "definition")
    check(f"{_PARSER}.backend.execution:Execution.start", "self")
    check(f"{_PARSER}.backend.execution:Execution.get_start_execution_details", "self")
    check(f"{_PARSER}.backend.execution:BaseExecutionWorkerCommunication._reflect_execution_status", "self")
    check(f"{_PARSER}.backend.execution_worker:ExecutionWorker.start", "self")
    check(f"{_PARSER}.backend.execution_worker:ExecutionWorker._execution_logic", "self")
    check(
        f"{_PARSER}.asl.eval.event.logging:CloudWatchLoggingSession.publish_history_log",
        "self",
        "history_log",
    )
    check("moto.stepfunctions.responses:StepFunctionResponse.describe_execution", "self")
    check("moto.stepfunctions.responses:StepFunctionResponse.stop_execution", "self")
    check("moto.stepfunctions.responses:StepFunctionResponse.get_execution_history", "self")
    check(f"{_TASK}.state_task_factory:state_task_service_for", "service_name")
    check(f"{_TASK}.state_task:StateTask._eval_state_credentials", "self", "env")
    check(f"{_TASK}.state_task:StateTask._eval_parameters", "self", "env")
    callback = f"{_TASK}.service.state_task_service_callback:StateTaskServiceCallback"
    check(f"{callback}._eval_integration_pattern")
    check(f"{_PARSER}.asl.utils.boto_client:boto_client_for", "region", "service", "state_credentials")
    state_time.self_test()
    state_jsonata.self_test()
