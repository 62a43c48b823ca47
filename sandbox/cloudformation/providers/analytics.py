"""AWS::Athena: workgroups and named queries."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from typing import Any

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Plain, Properties


class WorkGroup:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties["Name"]
        parameters = {"Name": name, **tagging.at_creation("athena", properties.get("Tags"))}
        if "Description" in properties:
            parameters["Description"] = properties["Description"]
        if "WorkGroupConfiguration" in properties:
            parameters["Configuration"] = properties["WorkGroupConfiguration"]
        properties.get("RecursiveDeleteOption")  # used at deletion only
        context.call("athena", "CreateWorkGroup", parameters)
        context.begun(name)
        if properties.get("State", "ENABLED") != "ENABLED":
            context.call("athena", "UpdateWorkGroup", {"WorkGroup": name, "State": properties["State"]})
        return name, {"CreationTime": ""}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("Name"), new.get("RecursiveDeleteOption")
        changes: dict[str, Any] = {}
        if old.get("WorkGroupConfiguration") != (configuration := new.get("WorkGroupConfiguration")):
            changes["ConfigurationUpdates"] = _as_updates(configuration or {})
        if old.get("Description") != new.get("Description"):
            changes["Description"] = new.get("Description", "")
        if old.get("State", "ENABLED") != new.get("State", "ENABLED"):
            changes["State"] = new.get("State", "ENABLED")
        if changes:
            context.call("athena", "UpdateWorkGroup", {"WorkGroup": ref, **changes})
        arn = context.arn("athena", f"workgroup/{ref}")
        tagging.retag(context, "athena", arn, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        recursive = bool(properties.get("RecursiveDeleteOption", False))
        context.call("athena", "DeleteWorkGroup", {"WorkGroup": ref, "RecursiveDeleteOption": recursive})


def _as_updates(configuration: Properties) -> dict[str, Any]:
    """UpdateWorkGroup has another word for the one thing that is nested."""
    made = {key: value for key, value in configuration.items() if key != "ResultConfiguration"}
    if "ResultConfiguration" in configuration:
        made["ResultConfigurationUpdates"] = configuration["ResultConfiguration"]
    return made


PROVIDERS = {
    "AWS::Athena::WorkGroup": WorkGroup(),
    "AWS::Athena::NamedQuery": Plain(
        service="athena",
        create_operation="CreateNamedQuery",
        delete_operation="DeleteNamedQuery",
        name="Name",
        name_length=128,
        key="NamedQueryId",
        ref=".NamedQueryId",
        attributes={"NamedQueryId": ".NamedQueryId"},
    ),
}
