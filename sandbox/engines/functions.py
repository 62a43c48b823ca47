"""Lambda: handlers run in warm processes with their own code, environment, role and network."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import io
import json
import math
import os
import threading
import uuid
import zipfile
from pathlib import Path
from typing import Any

from sandbox import clock, faults, logs, work
from sandbox.engines import function_settings, metrics
from sandbox.engines.backends import backend
from sandbox.engines.function_process import Environment, Outcome

SYNC_LIMIT = 6_291_556
ASYNC_LIMIT = 262_144
_MOST_ENVIRONMENTS = 4  # per function; AWS would start up to 1,000, this machine has few cores

_free = threading.Condition()
_idle: dict[str, list[Environment]] = {}
_in_flight: dict[str, int] = {}
_credentials: dict[str, Any] = {}
_held: dict[str, tuple[str, Any]] = {}  # the role, and its credentials in the service's own hands


class InvocationError(Exception):
    """Lambda refuses the invocation; code and HTTP status as AWS answers."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code, self.status = code, status


def function(name_or_arn: str, qualifier: str | None = None) -> Any:
    """moto's record of the function; UnknownFunctionException if there is none."""
    from moto.awslambda.utils import get_backend

    return get_backend(backend("lambda").account_id, backend("lambda").region_name).get_function(
        name_or_arn.removesuffix(":$LATEST"), qualifier
    )


def invoke(target: Any, payload: bytes, *, request_id: str | None = None) -> Outcome:
    """Runs the function once and returns what it answered; logs and metrics are written."""
    request_id = request_id or str(uuid.uuid4())
    name = target.function_name
    with _concurrency(target):
        fault = faults.due("lambda", name)
        if fault is not None and fault.detail == "throttle":
            _count(name, Throttles=1)
            raise _throttled("CallerRateLimitExceeded")
        environment = _environment(target)
        try:
            if fault is not None:
                outcome = _injected(fault.detail, request_id)
            else:
                outcome = environment.invoke(payload, request_id=request_id, arn=target.function_arn)
        except BaseException:
            environment.close()
            raise
        _give_back(target, environment, outcome)
    if len(outcome.payload) > SYNC_LIMIT and outcome.error is None:
        outcome = _too_large(outcome)
    _report(target, environment, outcome, request_id)
    return outcome


def invoke_as_service(service: str, function_arn: str, event: Any, *, source_arn: str) -> None:
    """An AWS service invokes asynchronously; the function's own policy must allow it (identity.Denied)."""
    from sandbox.engines import function_async
    from sandbox.iam import identity

    identity.authorize_service(service, "lambda:InvokeFunction", function_arn, source_arn=source_arn)
    function_async.submit(function(function_arn), json.dumps(event).encode())


@contextlib.contextmanager
def _concurrency(target: Any) -> Any:
    name = target.function_name
    reserved = target.reserved_concurrency
    with _free:
        if reserved is not None and _in_flight.get(name, 0) >= int(reserved):
            _count(name, Throttles=1)
            raise _throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
        while _in_flight.get(name, 0) >= _MOST_ENVIRONMENTS:
            _free.wait(1)
        _in_flight[name] = _in_flight.get(name, 0) + 1
        at_once = sum(_in_flight.values())
    metrics.put(namespace="AWS/Lambda", name="ConcurrentExecutions", value=at_once, unit="Count")
    try:
        yield
    finally:
        with _free:
            _in_flight[name] -= 1
            _free.notify_all()


def _environment(target: Any) -> Environment:
    """A warm environment that still matches the function's settings, else a cold one."""
    wanted = _fingerprint(target)
    stale = []
    found = None
    with _free:
        idle = _idle.setdefault(_key(target), [])
        while idle and found is None:
            candidate = idle.pop()
            if candidate.fingerprint == wanted:
                found = candidate
            else:
                stale.append(candidate)
    for environment in stale:
        environment.close()
    return found or _cold(target, wanted)


def _give_back(target: Any, environment: Environment, outcome: Outcome) -> None:
    if outcome.broken:
        environment.close()
        return
    with _free:
        _idle.setdefault(_key(target), []).append(environment)


def _cold(target: Any, fingerprint: str) -> Environment:
    if target.package_type != "Zip" or not str(target.run_time).startswith("python"):
        raise InvocationError(
            "InvalidRuntimeException", 502,
            f"function {target.function_name} has runtime {target.run_time} ({target.package_type}); "
            "the sandbox runs zipped Python functions",
        )  # fmt: skip
    if target.layers:
        raise InvocationError(
            "InvalidRuntimeException",
            502,
            f"function {target.function_name} has layers, which the sandbox does not implement",
        )
    credentials = _role(target)
    return Environment(
        fingerprint=fingerprint,
        folder=_code(target),
        variables=_variables(target, credentials),
        timeout=float(target.timeout),
    )


def _role(target: Any) -> Any:
    from sandbox.iam import identity

    given = target.vpc_config
    network = None
    if given:
        network = identity.Network(
            vpc_id=given["VpcId"],
            subnet_ids=tuple(given["SubnetIds"]),
            security_group_ids=tuple(given.get("SecurityGroupIds") or ()),
        )
    try:
        credentials = identity.service_credentials(
            target.role,
            "lambda.amazonaws.com",
            session=target.function_name,
            source_arn=target.function_arn,
            network=network,
        )
    except identity.TrustDenied as error:
        message = f"The role defined for the function cannot be assumed by Lambda. ({error})"
        raise InvocationError("AccessDeniedException", 403, message) from error
    _credentials[_key(target)] = credentials
    return credentials


def role_credentials(target: Any) -> Any:
    """The function's role as the service uses it for the function: logs, dead letters, destinations.

    These calls are Lambda's own, from outside the VPC, whatever network the function's code has.
    """
    from sandbox.iam import identity

    held = _held.get(_key(target))
    if held is None or held[0] != target.role:
        credentials = identity.service_credentials(
            target.role,
            "lambda.amazonaws.com",
            session=target.function_name,
            source_arn=target.function_arn,
            runs_code=False,
        )
        held = _held[_key(target)] = (target.role, credentials)
    return held[1]


def _variables(target: Any, credentials: Any) -> dict[str, str]:
    scratch = _home() / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    reserved = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "TMPDIR": str(scratch),
        "LAMBDA_TASK_ROOT": str(_code(target)),
        "_HANDLER": target.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{target.run_time}",
        "AWS_LAMBDA_FUNCTION_NAME": target.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": version(target),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(target.memory_size),
        "AWS_LAMBDA_LOG_GROUP_NAME": function_settings.log_group(target),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }
    return dict(target.environment_vars or {}) | reserved | credentials.environment()


def _code(target: Any) -> Path:
    folder = _home() / hashlib.sha256(target.code_sha_256.encode()).hexdigest()[:24]
    with _free:
        if not folder.exists():
            if not target.code_bytes:
                raise InvocationError("CodeStorageError", 502, f"function {target.function_name} has no code")
            with zipfile.ZipFile(io.BytesIO(target.code_bytes)) as archive:
                archive.extractall(folder)
    return folder


def _home() -> Path:
    from sandbox import account

    return account.workdir() / "functions"


def version(target: Any) -> str:
    return "$LATEST" if ":" not in target.function_arn.split(":function:")[1] else str(target.version)


def _key(target: Any) -> str:
    return f"{target.function_name}:{version(target)}"


def _fingerprint(target: Any) -> str:
    parts = (
        target.code_sha_256, target.handler, target.role, target.timeout, target.memory_size, target.run_time,
        target.environment_vars, target.vpc_config, function_settings.kept(target), str(id(target)),
    )  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _injected(detail: str, request_id: str) -> Outcome:
    body = {"errorType": "Sandbox.Fault", "errorMessage": detail or "fault ordered in the sandbox"}
    if detail == "timeout":
        body = {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {request_id} Error: Task timed out",
        }
    return Outcome(
        payload=json.dumps(body).encode(), error="Unhandled", log=[f"[ERROR] {body['errorMessage']}"]
    )


def _too_large(outcome: Outcome) -> Outcome:
    body = {
        "errorMessage": f"Response payload size exceeded maximum allowed payload size ({SYNC_LIMIT} bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }
    return Outcome(
        payload=json.dumps(body).encode(), error="Unhandled", log=outcome.log, ms=outcome.ms,
        memory_mb=outcome.memory_mb, init_ms=outcome.init_ms,
    )  # fmt: skip


def _throttled(reason: str) -> InvocationError:
    return InvocationError("TooManyRequestsException", 429, f"Rate Exceeded. ({reason})")


def _report(target: Any, environment: Environment, outcome: Outcome, request_id: str) -> None:
    billed = math.ceil(outcome.ms)
    report = (
        f"REPORT RequestId: {request_id}\tDuration: {outcome.ms:.2f} ms\tBilled Duration: {billed} ms\t"
        f"Memory Size: {target.memory_size} MB\tMax Memory Used: {outcome.memory_mb} MB"
    )
    if outcome.init_ms is not None:
        report += f"\tInit Duration: {outcome.init_ms:.2f} ms"
    lines = [f"START RequestId: {request_id} Version: {version(target)}", *outcome.log]
    lines += [f"END RequestId: {request_id}", report]
    if function_settings.logs_json(target):
        lines = _as_json(lines)
    group = function_settings.log_group(target)
    logs.write(group, environment.stream, lines, role_credentials(target))
    _count(target.function_name, Invocations=1, Errors=1 if outcome.error else 0, Duration=outcome.ms)


def _as_json(lines: list[str]) -> list[str]:
    """Platform lines in the JSON log format; what the function printed stays as it is."""
    kinds = {"START ": "platform.start", "END ": "platform.runtimeDone", "REPORT ": "platform.report"}
    shaped = []
    for line in lines:
        kind = next((kind for prefix, kind in kinds.items() if line.startswith(f"{prefix}RequestId: ")), None)
        shaped.append(
            json.dumps({"time": clock.now().isoformat(), "type": kind, "record": line}) if kind else line
        )
    return shaped


def _count(name: str, **values: float) -> None:
    for metric, value in values.items():
        unit = "Milliseconds" if metric == "Duration" else "Count"
        metrics.put(
            namespace="AWS/Lambda", name=metric, value=value, unit=unit, dimensions={"FunctionName": name}
        )


def install() -> None:
    from sandbox.engines import function_api, function_async

    function_settings.install()
    function_api.install()
    function_async.install()
    atexit.register(reset)


def reset() -> None:
    with _free:
        environments = [environment for idle in _idle.values() for environment in idle]
        _idle.clear()
        _credentials.clear()
        _held.clear()
    for environment in environments:
        try:
            environment.close()
        except Exception as error:
            work.fail("lambda environment did not end", error)


def self_test() -> None:
    from sandbox.engines import function_api

    function_settings.self_test()
    function_api.self_test()
