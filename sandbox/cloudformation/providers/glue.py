"""AWS::Glue: the data catalogue, jobs and how they are secured."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from typing import Any

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Plain, Properties, renamed

_PLAIN_CATALOG = {
    "EncryptionAtRest": {"CatalogEncryptionMode": "DISABLED"},
    "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": False},
}


def _catalog(properties: Properties) -> dict[str, Any]:
    """The account's own catalogue is the one that the API means by itself."""
    return {"CatalogId": properties["CatalogId"]} if properties.get("CatalogId") else {}


class Database:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        made = dict(properties["DatabaseInput"])
        name = properties.get("DatabaseName") or made.get("Name") or context.name(255, lower=True)
        made["Name"] = name
        context.call("glue", "CreateDatabase", {**_catalog(properties), "DatabaseInput": made})
        return name, {}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("DatabaseName")
        made = {**new["DatabaseInput"], "Name": ref}
        context.call("glue", "UpdateDatabase", {**_catalog(new), "Name": ref, "DatabaseInput": made})
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("glue", "DeleteDatabase", {**_catalog(properties), "Name": ref})


class Table:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        made = dict(properties["TableInput"])
        made["Name"] = properties.get("Name") or made.get("Name") or context.name(255, lower=True)
        names = ("DatabaseName", "OpenTableFormatInput")
        parameters = {key: properties[key] for key in names if key in properties}
        context.call("glue", "CreateTable", {**_catalog(properties), **parameters, "TableInput": made})
        return made["Name"], {}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("Name")
        made = {**new["TableInput"], "Name": ref}
        place = {**_catalog(new), "DatabaseName": new["DatabaseName"]}
        context.call("glue", "UpdateTable", {**place, "TableInput": made})
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        place = {**_catalog(properties), "DatabaseName": properties["DatabaseName"]}
        context.call("glue", "DeleteTable", {**place, "Name": ref})


class Connection:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        made = _connection(properties)
        made["Name"] = made.get("Name") or context.name(255)
        parameters = {**_catalog(properties), "ConnectionInput": made}
        parameters |= tagging.at_creation("glue", properties.get("Tags"))
        context.call("glue", "CreateConnection", parameters)
        return made["Name"], {"Name": made["Name"]}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        if old["ConnectionInput"] != new["ConnectionInput"]:
            made = {**_connection(new), "Name": ref}
            context.call("glue", "UpdateConnection", {**_catalog(new), "Name": ref, "ConnectionInput": made})
        new.get("CatalogId")
        arn = context.arn("glue", f"connection/{ref}")
        tagging.retag(context, "glue", arn, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("glue", "DeleteConnection", {**_catalog(properties), "ConnectionName": ref})


def _connection(properties: Properties) -> dict[str, Any]:
    """The API insists on properties that a NETWORK connection has none of."""
    return {"ConnectionProperties": {}, **properties["ConnectionInput"]}


class DataCatalogEncryptionSettings:
    """One per catalogue: it cannot be deleted, only be put back to nothing."""

    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        context.call("glue", "PutDataCatalogEncryptionSettings", properties.all())
        return context.name(), {}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        context.call("glue", "PutDataCatalogEncryptionSettings", new.all())
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        parameters = {**_catalog(properties), "DataCatalogEncryptionSettings": _PLAIN_CATALOG}
        context.call("glue", "PutDataCatalogEncryptionSettings", parameters)


def _security(properties: Properties) -> Properties:
    encryption = renamed(S3Encryptions="S3Encryption")(properties["EncryptionConfiguration"])
    return {**properties, "EncryptionConfiguration": encryption}


PROVIDERS = {
    "AWS::Glue::Database": Database(),
    "AWS::Glue::Table": Table(),
    "AWS::Glue::Connection": Connection(),
    "AWS::Glue::DataCatalogEncryptionSettings": DataCatalogEncryptionSettings(),
    "AWS::Glue::Job": Plain(
        service="glue",
        create_operation="CreateJob",
        update_operation="UpdateJob",
        update_shape=lambda p: {"JobUpdate": {k: v for k, v in p.items() if k != "Name"}},
        delete_operation="DeleteJob",
        name="Name",
        name_length=255,
        key="JobName",
        ref="Name",
        tags="arn:aws:glue:{region}:{account}:job/{ref}",
    ),
    "AWS::Glue::SecurityConfiguration": Plain(
        service="glue",
        create_operation="CreateSecurityConfiguration",
        delete_operation="DeleteSecurityConfiguration",
        name="Name",
        name_length=255,
        ref="Name",
        shape=_security,
    ),
}
