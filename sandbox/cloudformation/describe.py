"""Stacks, resources, events and change sets in the shapes of the Describe and List operations."""

from __future__ import annotations

from typing import Any

from sandbox.cloudformation import exports, parameters
from sandbox.cloudformation.errors import ValidationError
from sandbox.cloudformation.model import ChangeSet, Event, Resource, Stack
from sandbox.cloudformation.template import Template


def stack(found: Stack) -> dict[str, Any]:
    return _filled(
        {
            "StackId": found.id,
            "StackName": found.name,
            "Description": found.template.content.get("Description") if found.template else None,
            "Parameters": _parameters(found.template, found.given, found.parameters)
            if found.template
            else [],
            "CreationTime": found.created,
            "LastUpdatedTime": found.updated,
            "DeletionTime": found.deleted,
            "StackStatus": found.status,
            "StackStatusReason": found.reason,
            "DisableRollback": found.on_failure == "DO_NOTHING",
            "NotificationARNs": found.notifications,
            "Capabilities": found.capabilities,
            "Outputs": [
                _filled(
                    {
                        "OutputKey": output.key,
                        "OutputValue": output.value,
                        "Description": output.description,
                        "ExportName": output.export,
                    }
                )
                for output in found.outputs
            ],
            "RoleARN": found.role_arn,
            "Tags": _tags(found.tags),
            "EnableTerminationProtection": found.protected,
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        }
    )


def summary(found: Stack) -> dict[str, Any]:
    names = (
        "StackId", "StackName", "CreationTime", "LastUpdatedTime", "DeletionTime", "StackStatus",
        "StackStatusReason", "DriftInformation",
    )  # fmt: skip
    return {name: value for name, value in stack(found).items() if name in names}


def event(owner: Stack, found: Event) -> dict[str, Any]:
    return _filled(
        {
            "StackId": owner.id,
            "StackName": owner.name,
            "EventId": found.id,
            "LogicalResourceId": found.logical_id,
            "PhysicalResourceId": found.physical_id,
            "ResourceType": found.type,
            "ResourceStatus": found.status,
            "ResourceStatusReason": found.reason,
            "ClientRequestToken": found.token,
            "Timestamp": found.timestamp,
        }
    )


def resource(owner: Stack, found: Resource) -> dict[str, Any]:
    return _filled(
        {
            "StackId": owner.id,
            "StackName": owner.name,
            "LogicalResourceId": found.logical_id,
            "PhysicalResourceId": found.physical_id,
            "ResourceType": found.type,
            "Timestamp": found.timestamp,
            "ResourceStatus": found.status,
            "ResourceStatusReason": found.reason,
            "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
        }
    )


def resource_detail(owner: Stack, found: Resource) -> dict[str, Any]:
    detail = resource(owner, found)
    return {**detail, "LastUpdatedTimestamp": detail.pop("Timestamp")}


def resource_summary(found: Resource) -> dict[str, Any]:
    return _filled(
        {
            "LogicalResourceId": found.logical_id,
            "PhysicalResourceId": found.physical_id,
            "ResourceType": found.type,
            "LastUpdatedTimestamp": found.timestamp,
            "ResourceStatus": found.status,
            "ResourceStatusReason": found.reason,
            "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
        }
    )


def change_set(owner: Stack, found: ChangeSet) -> dict[str, Any]:
    return _filled(
        {
            **change_set_summary(owner, found),
            "Parameters": _parameters(found.template, found.given, {}),
            "NotificationARNs": found.notifications,
            "Capabilities": found.capabilities,
            "Tags": _tags(found.tags),
            "Changes": found.changes,
            "OnStackFailure": found.on_failure,
        }
    )


def change_set_summary(owner: Stack, found: ChangeSet) -> dict[str, Any]:
    return _filled(
        {
            "ChangeSetName": found.name,
            "ChangeSetId": found.id,
            "StackId": owner.id,
            "StackName": owner.name,
            "Description": found.description,
            "CreationTime": found.created,
            "ExecutionStatus": found.execution_status,
            "Status": found.status,
            "StatusReason": found.reason,
            "IncludeNestedStacks": False,
        }
    )


def template(found: Template) -> dict[str, Any]:
    kinds = sorted({body["Type"] for body in found.resources.values()})
    iam = [kind for kind in kinds if kind.startswith("AWS::IAM::")]
    return _filled(
        {
            "Description": found.content.get("Description"),
            "Metadata": str(found.content["Metadata"]) if "Metadata" in found.content else None,
            "Parameters": [
                _filled(
                    {
                        "ParameterKey": name,
                        "DefaultValue": str(body["Default"]) if "Default" in body else None,
                        "ParameterType": body["Type"],
                        "NoEcho": str(body.get("NoEcho", "false")).lower() == "true",
                        "Description": body.get("Description"),
                    }
                )
                for name, body in found.section("Parameters").items()
            ],
            "ResourceTypes": kinds,
            "Capabilities": ["CAPABILITY_NAMED_IAM"] if iam else [],
            "CapabilitiesReason": f"The template has {iam}" if iam else None,
        }
    )


def exported() -> list[dict[str, str]]:
    return [
        {"ExportingStackId": owner.id, "Name": name, "Value": value}
        for name, (value, owner) in exports.all_exports().items()
    ]


def importing(name: str) -> dict[str, list[str]]:
    if found := exports.importers(name):
        return {"Imports": found}
    raise ValidationError(f"Export '{name}' is not imported by any stack.")


def _parameters(found: Template, given: dict[str, str], values: dict[str, Any]) -> list[dict[str, str]]:
    described = []
    for name, value in given.items():
        definition = found.section("Parameters")[name]
        hidden = str(definition.get("NoEcho", "false")).lower() == "true"
        item = {"ParameterKey": name, "ParameterValue": "****" if hidden else value}
        if parameters.is_ssm(definition) and name in values:
            item["ResolvedValue"] = str(values[name])
        described.append(item)
    return described


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
