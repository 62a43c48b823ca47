"""What moto forgets of a function: dead-letter queue, logging, its real VPC, its invoke config."""

from __future__ import annotations

from typing import Any

from sandbox.engines.backends import backend

_KEPT = ("DeadLetterConfig", "LoggingConfig")
_REFUSED = ("FileSystemConfigs", "SnapStart", "DurableConfig", "CapacityProviderConfig")


class UnsupportedFunctionError(Exception):
    """The sandbox cannot run such a function."""


def kept(function: Any) -> dict[str, Any]:
    found: dict[str, Any] = getattr(function, "sandbox_settings", {})
    return found


def log_group(function: Any) -> str:
    group: str | None = kept(function).get("LoggingConfig", {}).get("LogGroup")
    return group or f"/aws/lambda/{function.function_name}"


def logs_json(function: Any) -> bool:
    return bool(kept(function).get("LoggingConfig", {}).get("LogFormat") == "JSON")


def dead_letter_target(function: Any) -> str | None:
    return kept(function).get("DeadLetterConfig", {}).get("TargetArn") or None


def vpc_of(subnet_id: str) -> str:
    return str(backend("ec2").get_subnet(subnet_id).vpc_id)


def _keep(function: Any, spec: dict[str, Any]) -> None:
    from moto.awslambda.exceptions import LambdaClientError

    for name in _REFUSED:
        given = spec.get(name)
        if given and given != {"ApplyOn": "None"}:
            raise LambdaClientError(
                "InvalidParameterValueException",
                f"{name} of function {function.function_name} is not implemented by the sandbox",
            )
    settings = getattr(function, "sandbox_settings", {})
    function.sandbox_settings = settings | {name: spec[name] for name in _KEPT if name in spec}


def _update_forgotten(function: Any, changes: dict[str, Any]) -> None:
    if "TracingConfig" in changes:
        function.tracing_config = changes["TracingConfig"]
    if "EphemeralStorage" in changes:
        function.ephemeral_storage = changes["EphemeralStorage"]["Size"]
    if "KMSKeyArn" in changes:
        function.kms_key_arn = changes["KMSKeyArn"] or None


def _vpc_config(self: Any) -> dict[str, Any] | None:
    given = self._vpc_config
    if not given or not given.get("SubnetIds"):
        return None
    return {**given, "VpcId": vpc_of(given["SubnetIds"][0])}


def _put_event_invoke_config(self: Any, function_name: str, config: dict[str, Any]) -> dict[str, Any]:
    from moto.awslambda.models import EventInvokeConfig

    function = self.get_function(function_name)
    function.event_invoke_config = [EventInvokeConfig(function.function_arn, function.last_modified, config)]
    answer: dict[str, Any] = function.event_invoke_config[0].response()
    return answer


def install() -> None:
    from moto.awslambda.models import LambdaBackend, LambdaFunction

    original_init = LambdaFunction.__init__
    original_update = LambdaFunction.update_configuration
    original_configuration = LambdaFunction.get_configuration

    def __init__(self: Any, account_id: str, spec: dict[str, Any], region: str, version: Any = 1) -> None:  # noqa: N807
        original_init(self, account_id, spec, region, version)
        _keep(self, spec)

    def update_configuration(self: Any, config_updates: dict[str, Any]) -> dict[str, Any]:
        _keep(self, config_updates)
        _update_forgotten(self, config_updates)
        original_update(self, config_updates)
        return self.get_configuration()  # type: ignore[no-any-return]

    def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:
        settings = kept(self)
        group = {"LogFormat": "Text", "LogGroup": log_group(self)} | settings.get("LoggingConfig", {})
        answer = original_configuration(self, on_create) | {"LoggingConfig": group}
        if settings.get("DeadLetterConfig"):
            answer["DeadLetterConfig"] = settings["DeadLetterConfig"]
        return answer

    LambdaFunction.__init__ = __init__
    LambdaFunction.update_configuration = update_configuration
    LambdaFunction.get_configuration = get_configuration
    LambdaFunction.vpc_config = property(_vpc_config)
    LambdaBackend.put_function_event_invoke_config = _put_event_invoke_config


def self_test() -> None:
    from sandbox.selftest import check

    check("moto.awslambda.models:LambdaFunction.__init__", "self", "account_id", "spec", "region", "version")
    check("moto.awslambda.models:LambdaFunction.update_configuration", "self", "config_updates")
    check("moto.awslambda.models:LambdaFunction.get_configuration", "self", "on_create")
    check("moto.awslambda.models:LambdaFunction.vpc_config")
    check(
        "moto.awslambda.models:LambdaBackend.put_function_event_invoke_config",
        "self", "function_name", "config",
    )  # fmt: skip
    check("moto.awslambda.models:EventInvokeConfig", "arn", "last_modified", "config")
