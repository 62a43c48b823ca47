"""AWS::Lambda: functions, permissions, versions, aliases and what calls functions."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

import io
import zipfile
from typing import Any

from sandbox.cloudformation.errors import UnsupportedError
from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Plain, Properties, ReplacementError

_NOT_CONFIGURATION = (
    "Architectures",
    "Code",
    "FunctionName",
    "PackageType",
    "ReservedConcurrentExecutions",
    "Tags",
)
# What UpdateFunctionConfiguration leaves as it is unless it is told the default.
_DEFAULTS: dict[str, Any] = {
    "Description": "",
    "DeadLetterConfig": {"TargetArn": ""},
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "KmsKeyArn": "",
    "Layers": [],
    "MemorySize": 128,
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
}


def _code(code: Properties, runtime: str) -> dict[str, Any]:
    """The API wants a real zip where a template has source text."""
    if "ZipFile" not in code:
        return dict(code)
    name = "index.js" if runtime.startswith("nodejs") else "index.py"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), code["ZipFile"])
    return {"ZipFile": buffer.getvalue()}


class Function:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("FunctionName") or context.name(64)
        parameters = {
            **properties.without("Code", "Tags", "ReservedConcurrentExecutions"),
            "FunctionName": name,
            "Code": _code(properties["Code"], properties.get("Runtime", "")),
            **tagging.at_creation("lambda", properties.get("Tags")),
        }
        arn = context.call("lambda", "CreateFunction", parameters)["FunctionArn"]
        context.begun(name)
        self._concurrency(context, name, {}, properties)
        return name, {"Arn": arn, "SnapStartResponse.ApplyOn": "None"}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        function = {"FunctionName": ref}
        architectures = new.get("Architectures")
        if (old["Code"], old.get("Architectures")) != (new["Code"], architectures):
            code = _code(new["Code"], new.get("Runtime", ""))
            code |= {"Architectures": architectures} if architectures else {}
            context.call("lambda", "UpdateFunctionCode", {**function, **code})
        new.get("FunctionName"), new.get("PackageType")
        before = {key: value for key, value in old.items() if key not in _NOT_CONFIGURATION}
        after = new.without(*_NOT_CONFIGURATION)
        if before != after:
            gone = {key: _DEFAULTS[key] for key in before if key not in after and key in _DEFAULTS}
            context.call("lambda", "UpdateFunctionConfiguration", {**function, **gone, **after})
        self._concurrency(context, ref, old, new)
        arn = context.arn("lambda", f"function:{ref}")
        tagging.retag(context, "lambda", arn, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("lambda", "DeleteFunction", {"FunctionName": ref})

    def _concurrency(self, context: Context, ref: str, old: Properties, new: Properties) -> None:
        name = "ReservedConcurrentExecutions"
        before, after = old.get(name), new.get(name)
        if before == after:
            return
        if after is None:
            context.call("lambda", "DeleteFunctionConcurrency", {"FunctionName": ref})
        else:
            context.call("lambda", "PutFunctionConcurrency", {"FunctionName": ref, name: after})


class Permission:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        statement = context.name(100)
        context.call("lambda", "AddPermission", {**properties.all(), "StatementId": statement})
        return statement, {"Id": statement}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        raise ReplacementError

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        function = {"FunctionName": properties["FunctionName"], "StatementId": ref}
        context.call("lambda", "RemovePermission", function)


class Version:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        made = context.call("lambda", "PublishVersion", properties.all())
        arn = made["FunctionArn"]
        return arn, {"FunctionArn": arn, "Version": made["Version"]}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        raise ReplacementError

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        version = {"FunctionName": properties["FunctionName"], "Qualifier": ref.rsplit(":", 1)[1]}
        context.call("lambda", "DeleteFunction", version)


def _alias(properties: Properties) -> Properties:
    if "ProvisionedConcurrencyConfig" in properties:
        raise UnsupportedError(
            "AWS::Lambda::Alias: ProvisionedConcurrencyConfig is not supported by the sandbox"
        )
    weights = properties.get("RoutingConfig", {}).get("AdditionalVersionWeights", [])
    made = {key: value for key, value in properties.items() if key != "RoutingConfig"}
    if weights:
        shares = {item["FunctionVersion"]: item["FunctionWeight"] for item in weights}
        made["RoutingConfig"] = {"AdditionalVersionWeights": shares}
    return made


def _mapping(properties: Properties) -> Properties:
    made = dict(properties)
    for name in ("SelfManagedEventSource", "DocumentDBEventSourceConfig"):
        if name in made:
            raise UnsupportedError(f"AWS::Lambda::EventSourceMapping: {name} is not supported by the sandbox")
    return made


def _invoke(properties: Properties) -> Properties:
    return {
        key: value for key, value in properties.items() if not (key == "Qualifier" and value == "$LATEST")
    }


PROVIDERS = {
    "AWS::Lambda::Function": Function(),
    "AWS::Lambda::Permission": Permission(),
    "AWS::Lambda::Version": Version(),
    "AWS::Lambda::Alias": Plain(
        service="lambda",
        create_operation="CreateAlias",
        update_operation="UpdateAlias",
        delete_operation="DeleteAlias",
        ref=".AliasArn",
        attributes={"AliasArn": ".AliasArn"},
        shape=_alias,
        delete_extra=("FunctionName", "Name"),
    ),
    "AWS::Lambda::EventInvokeConfig": Plain(
        service="lambda",
        create_operation="PutFunctionEventInvokeConfig",
        update_operation="PutFunctionEventInvokeConfig",
        delete_operation="DeleteFunctionEventInvokeConfig",
        ref="FunctionName",
        shape=_invoke,
        delete_extra=("FunctionName",),
    ),
    "AWS::Lambda::EventSourceMapping": Plain(
        service="lambda",
        create_operation="CreateEventSourceMapping",
        update_operation="UpdateEventSourceMapping",
        delete_operation="DeleteEventSourceMapping",
        key="UUID",
        ref=".UUID",
        attributes={"Id": ".UUID", "EventSourceMappingArn": ".EventSourceMappingArn"},
        shape=_mapping,
        update_shape=lambda p: {
            k: v for k, v in p.items() if k not in ("EventSourceArn", "StartingPosition", "Topics", "Queues")
        },
        tags="arn:aws:lambda:{region}:{account}:event-source-mapping:{ref}",
    ),
}
