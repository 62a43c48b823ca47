"""Executions: started by name or without, logged, counted, announced, stopped, described in full."""

from __future__ import annotations

import json
import re
import threading
import uuid
from datetime import datetime
from typing import Any

from sandbox import clock, regions, work
from sandbox.engines import metrics, state_time
from sandbox.engines.backends import ACCOUNT

_METRICS = {
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}
_NAME = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}\Z")
_done = threading.Condition()


def start_execution(original: Any) -> Any:
    def start(
        self: Any,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: str | None = None,
        trace_header: str | None = None,
    ) -> Any:
        from moto.core.exceptions import JsonRESTError

        if name is not None and not _NAME.match(name):
            raise JsonRESTError("InvalidName", f"Invalid Name: '{name}'")
        return original(self, state_machine_arn, name or str(uuid.uuid4()), execution_input, trace_header)

    return start


def begin(self: Any) -> None:
    """Execution.start: with its log session, as counted work."""
    self._cloud_watch_logging_session = _log_session(self)
    _count(self, "ExecutionsStarted")
    _original_begin(self)
    _announce(self, "RUNNING")


def _original_begin(execution: Any) -> None:
    from moto.stepfunctions.parser.api import ExecutionStatus

    execution.exec_worker = execution._get_start_execution_worker()
    execution.exec_status = ExecutionStatus.RUNNING
    execution.exec_worker.start()


def start_worker(self: Any) -> None:
    execution = self._execution_communication.execution

    def run() -> None:
        unit = work.current()
        if unit is not None:
            state_time.belongs(execution.exec_arn, unit)
        try:
            self._execution_logic()
        except Exception as error:
            _broken(execution, error)
            raise

    work.start(f"execution {execution.state_machine.name}:{execution.name}", run)


def _broken(execution: Any, error: Exception) -> None:
    """The interpreter itself failed: the execution ends instead of running for ever."""
    from moto.stepfunctions.parser.api import ExecutionStatus

    execution.exec_status = ExecutionStatus.FAILED
    execution.error, execution.cause = "States.Runtime", f"{type(error).__name__}: {error}"
    execution.stop_date = clock.now()
    _ended(execution)


def reflect_status(original: Any) -> Any:
    def reflect(self: Any) -> None:
        original(self)
        _ended(self.execution)

    return reflect


def _ended(execution: Any) -> None:
    status = execution.exec_status.value
    _count(execution, _METRICS[status])
    seconds = (execution.stop_date - execution.start_date).total_seconds()
    _count(execution, "ExecutionTime", seconds * 1000, "Milliseconds")
    _announce(execution, status)
    with _done:
        _done.notify_all()


def _count(execution: Any, name: str, value: float = 1, unit: str = "Count") -> None:
    dimensions = {"StateMachineArn": execution.state_machine.arn}
    metrics.put(namespace="AWS/States", name=name, value=value, unit=unit, dimensions=dimensions)


def _announce(execution: Any, status: str) -> None:
    from sandbox.engines import events

    detail = {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine.arn,
        "name": execution.name,
        "status": status,
        "startDate": int(execution.start_date.timestamp() * 1000),
        "stopDate": int(execution.stop_date.timestamp() * 1000) if execution.stop_date else None,
        "input": json.dumps(execution.input_data, separators=(",", ":")),
        "inputDetails": {"included": True},
        "output": _text(execution.output) if status == "SUCCEEDED" else None,
        "outputDetails": {"included": True} if status == "SUCCEEDED" else None,
        "error": execution.error,
        "cause": execution.cause,
    }
    events.emit(
        "aws.states", "Step Functions Execution Status Change", detail, resources=[execution.exec_arn]
    )


def _log_session(execution: Any) -> Any:
    from moto.stepfunctions.parser.asl.eval.event.logging import (
        CloudWatchLoggingConfiguration,
        CloudWatchLoggingSession,
    )

    given = execution.state_machine.loggingConfiguration or {}
    if not given.get("destinations"):
        return None
    configuration = CloudWatchLoggingConfiguration.from_logging_configuration(
        state_machine_arn=execution.state_machine.arn,
        logging_configuration={"includeExecutionData": False, **given},
    )
    if configuration is None:
        return None
    configuration.log_stream_name = f"states/{execution.state_machine.name}/{execution.name}"
    return CloudWatchLoggingSession(execution_arn=execution.exec_arn, configuration=configuration)


def publish_log(self: Any, history_log: Any) -> None:
    """Delivered by the log delivery service, not by the role; moto's own way swallows what goes wrong."""
    from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

    from sandbox.engines.backends import backend

    logs = backend("logs")
    group, stream = self.configuration.log_group_name, self.configuration.log_stream_name
    try:
        if stream not in logs.groups[group].streams:
            logs.create_log_stream(group, stream)
        stamp = int(datetime.fromisoformat(history_log["event_timestamp"]).timestamp() * 1000)
        logs.put_log_events(group, stream, [{"timestamp": stamp, "message": to_json_str(history_log)}])
    except Exception as error:
        work.fail(f"log of execution {self.execution_arn}", error)


def describe(self: Any) -> Any:
    from moto.core.responses import ActionResult

    execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    answer = {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine.arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": execution.start_date,
        "input": execution.execution_input,
        "inputDetails": {"included": True},
    }
    if execution.stop_date and execution.status != "RUNNING":
        answer["stopDate"] = execution.stop_date
    if execution.status == "SUCCEEDED":
        answer |= {"output": _text(execution.output), "outputDetails": {"included": True}}
    answer |= {key: getattr(execution, key) for key in ("error", "cause") if getattr(execution, key)}
    return ActionResult(answer)


def _text(value: Any) -> str:
    from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

    return str(to_json_str(value, separators=(",", ":")))


def stop(self: Any) -> Any:
    from moto.core.responses import ActionResult

    execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    if execution.status == "RUNNING":
        error, cause = self._get_param("error"), self._get_param("cause")
        execution.stop(stop_date=clock.now(), error=error, cause=cause)
        with _done:  # the answer follows the end, so that a describe right after it does not say RUNNING
            _done.wait_for(lambda: execution.status != "RUNNING", timeout=10)
        execution.error, execution.cause = error, cause
    return ActionResult({"stopDate": execution.stop_date or clock.now()})


def history(self: Any) -> Any:
    from moto.core.responses import ActionResult

    arn = self._get_param("executionArn")
    output = self.stepfunction_backend.get_execution_history(arn)
    found = list(output["events"])
    if str(self._get_param("reverseOrder")).lower() == "true":
        found.reverse()
    first = int(self._get_param("nextToken") or 0)
    size = int(self._get_param("maxResults") or 1000)
    answer: dict[str, Any] = {"events": [_plain(event) for event in found[first : first + size]]}
    if first + size < len(found):
        answer["nextToken"] = str(first + size)
    return ActionResult(answer)


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    return {key: getattr(value, "value", value) if key == "type" else value for key, value in event.items()}


def execution_details(original: Any) -> Any:
    """$$.Execution.StartTime is text: a datetime in a state's data cannot be written as JSON."""

    def details(self: Any) -> Any:
        found = original(self)
        found.start_time = state_time.Moment.of(self.start_date).isoformat()
        return found

    return details


def machine_arn(name: str) -> str:
    return f"arn:aws:states:{regions.current()}:{ACCOUNT}:stateMachine:{name}"
