"""AWS::Logs: log groups and what stands in them, resource policies."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Plain, Properties, ReplacementError
from sandbox.cloudformation.providers.settings import Setting, apply

_RETENTION = {
    "RetentionInDays": Setting(
        put=lambda days: ("PutRetentionPolicy", {"retentionInDays": days}),
        unset=("DeleteRetentionPolicy", {}),
    ),
}
_KEY = {
    "KmsKeyId": Setting(
        put=lambda key: ("AssociateKmsKey", {"kmsKeyId": key}), unset=("DisassociateKmsKey", {})
    ),
}


class LogGroup:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("LogGroupName") or context.name(512)
        names = ("KmsKeyId", "LogGroupClass")
        parameters = {key: properties[key] for key in names if key in properties}
        parameters |= tagging.at_creation("logs", properties.get("Tags"))
        context.call("logs", "CreateLogGroup", {**parameters, "LogGroupName": name})
        context.begun(name)
        apply(context, "logs", {"logGroupName": name}, _RETENTION, {}, properties)
        return name, {"Arn": context.arn("logs", f"log-group:{name}:*")}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("LogGroupName")
        if old.get("LogGroupClass", "STANDARD") != new.get("LogGroupClass", "STANDARD"):
            raise ReplacementError
        apply(context, "logs", {"logGroupName": ref}, {**_KEY, **_RETENTION}, old, new)
        arn = context.arn("logs", f"log-group:{ref}")
        tagging.retag(context, "logs", arn, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("logs", "DeleteLogGroup", {"logGroupName": ref})


PROVIDERS = {
    "AWS::Logs::LogGroup": LogGroup(),
    "AWS::Logs::LogStream": Plain(
        service="logs",
        create_operation="CreateLogStream",
        delete_operation="DeleteLogStream",
        name="LogStreamName",
        name_length=512,
        ref="LogStreamName",
        delete_extra=("LogGroupName",),
    ),
    "AWS::Logs::MetricFilter": Plain(
        service="logs",
        create_operation="PutMetricFilter",
        update_operation="PutMetricFilter",
        delete_operation="DeleteMetricFilter",
        name="FilterName",
        name_length=512,
        ref="FilterName",
        delete_extra=("LogGroupName",),
    ),
    "AWS::Logs::ResourcePolicy": Plain(
        service="logs",
        create_operation="PutResourcePolicy",
        update_operation="PutResourcePolicy",
        delete_operation="DeleteResourcePolicy",
        key="policyName",
        ref="PolicyName",
    ),
}
