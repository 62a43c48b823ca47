"""Secrets Manager rotates: the deployed function is called in the four steps, at once and by its schedule.

moto calls the function inside RotateSecret, ignores what it answers, and takes a finished rotation for one
that still runs; here the labels are as Secrets Manager leaves them, and a failed step stays a failure.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sandbox import clock
from sandbox.engines import dispatch, event_schedule, functions
from sandbox.engines.backends import backend

_SERVICE = "secretsmanager.amazonaws.com"
_STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
_CURRENT, _PENDING = "AWSCURRENT", "AWSPENDING"
_timers: dict[str, clock.Timer] = {}  # ARN -> next rotation


def _rotate(
    self: Any,
    secret_id: str,
    client_request_token: str | None = None,
    rotation_lambda_arn: str | None = None,
    rotation_rules: dict[str, Any] | None = None,
    rotate_immediately: bool = True,
) -> str:
    """RotateSecret. Answers before the function has run, as Secrets Manager does.

    Without an immediate rotation AWS tries out testSecret once; here nothing is called until it is due.
    """
    secret = _secret(self, secret_id)
    function = rotation_lambda_arn or secret.rotation_lambda_arn
    if not function:
        raise _refused("InvalidRequestException", "No Lambda rotation function ARN is associated with it.")
    _check_function(function, secret.arn)
    if any(stages == [_PENDING] for stages in _labels(secret).values()):
        raise _refused("InvalidRequestException", "Previous rotation request is still in progress.")
    if rotation_rules is not None:
        _every(rotation_rules)
        secret.rotation_rules = dict(rotation_rules)
        secret.auto_rotate_after_days = int(rotation_rules.get("AutomaticallyAfterDays", 0))
    secret.rotation_lambda_arn = function
    secret.rotation_requested = secret.rotation_enabled = True
    version = self._from_client_request_token(client_request_token)
    if rotate_immediately:
        secret.versions[version] = {
            "createdate": int(clock.now().timestamp()),
            "version_id": version,
            "version_stages": [_PENDING],
        }
        dispatch.later(f"rotation of {secret.name}", _run, secret, version)
    _plan(secret)
    answer: dict[str, Any] = json.loads(secret.to_short_dict())
    return json.dumps(answer | ({"VersionId": version} if rotate_immediately else {}))


def _run(secret: Any, version: str) -> None:
    for step in _STEPS:
        event = {"Step": step, "SecretId": secret.arn, "ClientRequestToken": version}
        target = functions.function(secret.rotation_lambda_arn)
        outcome = functions.invoke(target, json.dumps(event).encode())
        if outcome.error:
            said = outcome.payload.decode(errors="replace")[:2_000]
            raise RuntimeError(f"{step} of {secret.name}: {target.function_name} answered {said}")
    if _CURRENT not in _labels(secret).get(version, []):
        raise RuntimeError(f"rotation of {secret.name}: version {version} is not current after finishSecret")
    secret.last_rotation_date = int(clock.now().timestamp())


def _check_function(arn: str, secret_arn: str) -> None:
    from moto.awslambda.exceptions import UnknownFunctionException

    from sandbox.iam import identity

    try:
        functions.function(arn)
        identity.authorize_service(_SERVICE, "lambda:InvokeFunction", arn, source_arn=secret_arn)
    except UnknownFunctionException as error:
        raise _refused("ResourceNotFoundException", f"Lambda function {arn} does not exist.") from error
    except identity.Denied as error:
        message = (
            "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy "
            f"grants access to the principal {_SERVICE}. ({error})"
        )
        raise _refused("AccessDeniedException", message) from error


# ------------------------------------------------------------------ the schedule


def _every(rules: dict[str, Any]) -> Any:
    days, expression = rules.get("AutomaticallyAfterDays"), rules.get("ScheduleExpression")
    if (days is None) == (expression is None):
        message = "RotationRules: give either AutomaticallyAfterDays or ScheduleExpression."
        raise _refused("InvalidParameterException", message)
    if days is not None and not 1 <= int(days) <= 1000:
        message = "RotationRules.AutomaticallyAfterDays must be within 1-1000."
        raise _refused("InvalidParameterException", message)
    if days is not None:
        return event_schedule.Schedule(rate=timedelta(days=int(days)), zone=ZoneInfo("UTC"))
    try:
        return event_schedule.parse(str(expression))
    except event_schedule.ScheduleError as error:
        raise _refused("InvalidParameterException", str(error)) from error


def _plan(secret: Any) -> None:
    _forget(secret.arn)
    rules = getattr(secret, "rotation_rules", None)
    if not rules or not secret.rotation_enabled:
        return
    now = clock.now()
    due = _every(rules).after(now + timedelta(seconds=1), anchor=now)
    if due is not None:
        secret.next_rotation_date = int(due.timestamp())
        _timers[secret.arn] = clock.call_at(due, lambda: _fire(secret), name=f"rotation of {secret.name}")


def _fire(secret: Any) -> None:
    if _current(secret):
        backend("secretsmanager").rotate_secret(secret.arn)


def _current(secret: Any) -> bool:
    return secret in backend("secretsmanager").secrets.values() and not secret.is_deleted()


def _forget(arn: str) -> None:
    if arn in _timers:
        _timers.pop(arn).cancel()


def _moved(old: datetime, new: datetime) -> None:
    """A clock that was put back: what was planned from a later time is planned anew."""
    if new < old:
        for secret in list(backend("secretsmanager").secrets.values()):
            if secret.arn in _timers:
                _plan(secret)


def upcoming() -> list[dict[str, str]]:
    """What rotates next, soonest first."""
    timers = sorted((timer.when.astimezone(UTC), arn) for arn, timer in _timers.items())
    return [{"arn": arn, "next": when.isoformat()} for when, arn in timers]


# ------------------------------------------------------------------ moto's side


def _secret(self: Any, secret_id: str) -> Any:
    from moto.secretsmanager.exceptions import SecretNotFoundException

    if not self._is_valid_identifier(secret_id):
        raise SecretNotFoundException()
    secret = self.secrets[secret_id]
    if secret.is_deleted():
        raise _refused("InvalidRequestException", "The secret was marked for deletion.")
    return secret


def _labels(secret: Any) -> dict[str, list[str]]:
    return {name: version["version_stages"] for name, version in secret.versions.items()}


def _refused(code: str, message: str) -> Exception:
    from moto.core.exceptions import JsonRESTError

    return JsonRESTError(code, message)


def install() -> None:
    from moto.secretsmanager.models import SecretsManagerBackend as Backend

    move, cancel = Backend.update_secret_version_stage, Backend.cancel_rotate_secret

    def moved(
        self: Any, secret_id: str, version_stage: str, remove_from_version_id: str, move_to_version_id: str
    ) -> Any:
        secret = _secret(self, secret_id)  # by its ARN as well, which moto looks for as a name only
        answer = move(self, secret.name, version_stage, remove_from_version_id, move_to_version_id)
        if version_stage == _CURRENT and move_to_version_id:
            secret.set_default_version_id(move_to_version_id)
        return answer

    def cancelled(self: Any, secret_id: str) -> Any:
        _forget(_secret(self, secret_id).arn)
        return cancel(self, secret_id)

    Backend.rotate_secret = _rotate
    Backend.update_secret_version_stage = moved
    Backend.cancel_rotate_secret = cancelled
    clock.on_move(_moved)


def reset() -> None:
    for timer in _timers.values():
        timer.cancel()
    _timers.clear()


def self_test() -> None:
    from sandbox.selftest import check

    backend_ = "moto.secretsmanager.models:SecretsManagerBackend"
    check(
        f"{backend_}.rotate_secret",
        "self", "secret_id", "client_request_token", "rotation_lambda_arn", "rotation_rules",
        "rotate_immediately",
    )  # fmt: skip
    check(
        f"{backend_}.update_secret_version_stage",
        "self", "secret_id", "version_stage", "remove_from_version_id", "move_to_version_id",
    )  # fmt: skip
    check(f"{backend_}.cancel_rotate_secret", "self", "secret_id")
    check(f"{backend_}._from_client_request_token", "self", "client_request_token")
    check(f"{backend_}._is_valid_identifier", "self", "identifier")
    check("moto.secretsmanager.models:FakeSecret.set_default_version_id", "self", "version_id")
