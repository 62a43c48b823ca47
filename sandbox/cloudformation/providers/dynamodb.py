"""AWS::DynamoDB: tables."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from typing import Any

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import (
    Attributes,
    Context,
    Properties,
    ReplacementError,
    renamed,
    text,
)
from sandbox.cloudformation.providers.settings import Setting, apply

_AT_CREATION = (
    "AttributeDefinitions", "KeySchema", "BillingMode", "ProvisionedThroughput", "OnDemandThroughput",
    "GlobalSecondaryIndexes", "LocalSecondaryIndexes", "TableClass", "DeletionProtectionEnabled",
)  # fmt: skip
_UPDATABLE = (
    "BillingMode",
    "ProvisionedThroughput",
    "OnDemandThroughput",
    "TableClass",
    "DeletionProtectionEnabled",
)
_FIXED = ("AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes", "GlobalSecondaryIndexes")
_NO_PITR = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False}}
_SETTINGS = {
    "PointInTimeRecoverySpecification": Setting(
        put=lambda value: ("UpdateContinuousBackups", {"PointInTimeRecoverySpecification": value}),
        unset=("UpdateContinuousBackups", _NO_PITR),
    ),
    "TimeToLiveSpecification": Setting(
        put=lambda value: ("UpdateTimeToLive", {"TimeToLiveSpecification": value})
    ),
}


class Table:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("TableName") or context.name(255)
        parameters = {key: properties[key] for key in _AT_CREATION if key in properties}
        parameters |= {"TableName": name, **_streams(properties), **_encryption(properties)}
        parameters |= tagging.at_creation("dynamodb", properties.get("Tags"))
        table = context.call("dynamodb", "CreateTable", parameters)["TableDescription"]
        context.begun(name)
        apply(context, "dynamodb", {"TableName": name}, _SETTINGS, {}, properties)
        self._policy(context, table["TableArn"], {}, properties)
        return name, {"Arn": table["TableArn"], "StreamArn": table.get("LatestStreamArn", "")}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("TableName")
        if any(old.get(name) != new.get(name) for name in _FIXED):
            raise ReplacementError
        changes: dict[str, Any] = {
            name: new[name] for name in _UPDATABLE if name in new and old.get(name) != new.get(name)
        }
        if old.get("DeletionProtectionEnabled") and not new.get("DeletionProtectionEnabled"):
            changes["DeletionProtectionEnabled"] = False
        if _encryption(old) != _encryption(new):
            changes |= _encryption(new) or {"SSESpecification": {"Enabled": False}}
        if _streams(old) != _streams(new):
            changes |= _streams(new) or {"StreamSpecification": {"StreamEnabled": False}}
        if changes:
            context.call("dynamodb", "UpdateTable", {"TableName": ref, **changes})
        apply(context, "dynamodb", {"TableName": ref}, _SETTINGS, old, new)
        arn = context.arn("dynamodb", f"table/{ref}")
        self._policy(context, arn, old, new)
        tagging.retag(context, "dynamodb", arn, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("dynamodb", "DeleteTable", {"TableName": ref})

    def _policy(self, context: Context, arn: str, old: Properties, new: Properties) -> None:
        before, after = old.get("ResourcePolicy"), new.get("ResourcePolicy")
        if after and after != before:
            policy = {"ResourceArn": arn, "Policy": text(after["PolicyDocument"])}
            context.call("dynamodb", "PutResourcePolicy", policy)
        elif before and not after:
            context.call("dynamodb", "DeleteResourcePolicy", {"ResourceArn": arn})


def _encryption(properties: Properties) -> dict[str, Any]:
    found = properties.get("SSESpecification")
    return {"SSESpecification": renamed(SSEEnabled="Enabled")(found)} if found else {}


def _streams(properties: Properties) -> dict[str, Any]:
    found = properties.get("StreamSpecification")
    return {"StreamSpecification": {"StreamEnabled": True, **found}} if found else {}


PROVIDERS = {"AWS::DynamoDB::Table": Table()}
