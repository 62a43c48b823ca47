"""AWS::SecretsManager: secrets, also generated ones, their policies and their rotation."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

import json

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Plain, Properties

_DETAILS = ("Description", "KmsKeyId")


class Secret:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        parameters = {key: properties[key] for key in _DETAILS if key in properties}
        parameters |= {"Name": properties.get("Name") or context.name(), **_value(context, properties)}
        parameters |= tagging.at_creation("secretsmanager", properties.get("Tags"))
        arn = context.call("secretsmanager", "CreateSecret", parameters)["ARN"]
        return arn, {"Id": arn}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("Name")
        changes = {key: new.get(key, "") for key in _DETAILS if old.get(key) != new.get(key)}
        names = ("SecretString", "GenerateSecretString")
        if any(old.get(name) != new.get(name) for name in names):
            changes |= _value(context, new)
        if changes:
            context.call("secretsmanager", "UpdateSecret", {"SecretId": ref, **changes})
        tagging.retag(context, "secretsmanager", ref, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        # CloudFormation deletes at once, so that a stack can be made again under the same names.
        gone = {"SecretId": ref, "ForceDeleteWithoutRecovery": True}
        context.call("secretsmanager", "DeleteSecret", gone)


class RotationSchedule:
    """No object of its own: rotation is switched on at the secret, and off when the schedule goes."""

    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        ref = str(properties["SecretId"])
        context.begun(ref)
        self._rotate(context, properties)
        return ref, {"Id": ref}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        self._rotate(context, new)
        return ref, {"Id": ref}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("secretsmanager", "CancelRotateSecret", {"SecretId": ref})

    def _rotate(self, context: Context, properties: Properties) -> None:
        given = properties.without("RotateImmediatelyOnUpdate")
        at_once = properties.get("RotateImmediatelyOnUpdate", True)
        context.call("secretsmanager", "RotateSecret", {**given, "RotateImmediately": at_once})


def _value(context: Context, properties: Properties) -> dict[str, str]:
    rules = properties.get("GenerateSecretString")
    if rules is None:
        return (
            {"SecretString": properties["SecretString"]}
            if "SecretString" in properties
            else {"SecretString": ""}
        )
    properties.get("SecretString")
    wrapped = ("SecretStringTemplate", "GenerateStringKey")
    wish = {key: value for key, value in rules.items() if key not in wrapped}
    password = context.call("secretsmanager", "GetRandomPassword", wish)["RandomPassword"]
    if "GenerateStringKey" not in rules:
        return {"SecretString": password}
    content = {**json.loads(rules["SecretStringTemplate"]), rules["GenerateStringKey"]: password}
    return {"SecretString": json.dumps(content)}


PROVIDERS = {
    "AWS::SecretsManager::RotationSchedule": RotationSchedule(),
    "AWS::SecretsManager::Secret": Secret(),
    "AWS::SecretsManager::ResourcePolicy": Plain(
        service="secretsmanager",
        create_operation="PutResourcePolicy",
        update_operation="PutResourcePolicy",
        delete_operation="DeleteResourcePolicy",
        key="SecretId",
        ref="SecretId",
        attributes={"Id": "SecretId"},
    ),
}
