"""AWS::KMS: keys and their aliases."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import (
    Attributes,
    Context,
    Plain,
    Properties,
    ReplacementError,
    text,
)

_AT_CREATION = ("KeyUsage", "KeySpec", "Origin", "MultiRegion")


class Key:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        names = ("Description", "BypassPolicyLockoutSafetyCheck", *_AT_CREATION)
        parameters = {name: properties[name] for name in names if name in properties}
        if "KeyPolicy" in properties:
            parameters["Policy"] = properties["KeyPolicy"]
        parameters |= tagging.at_creation("kms", properties.get("Tags"))
        key = context.call("kms", "CreateKey", parameters)["KeyMetadata"]
        context.begun(key["KeyId"])
        self._switches(context, key["KeyId"], {}, properties)
        return key["KeyId"], {"Arn": key["Arn"], "KeyId": key["KeyId"]}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        if any(old.get(name) != new.get(name) for name in _AT_CREATION):
            raise ReplacementError
        if old.get("KeyPolicy") != new.get("KeyPolicy"):
            bypass = new.get("BypassPolicyLockoutSafetyCheck", False)
            policy = {"PolicyName": "default", "Policy": text(new["KeyPolicy"])}
            context.call(
                "kms", "PutKeyPolicy", {"KeyId": ref, **policy, "BypassPolicyLockoutSafetyCheck": bypass}
            )
        if old.get("Description") != new.get("Description"):
            context.call(
                "kms", "UpdateKeyDescription", {"KeyId": ref, "Description": new.get("Description", "")}
            )
        self._switches(context, ref, old, new)
        tagging.retag(context, "kms", ref, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        days = properties.get("PendingWindowInDays", 30)
        context.call("kms", "ScheduleKeyDeletion", {"KeyId": ref, "PendingWindowInDays": days})

    def _switches(self, context: Context, ref: str, old: Properties, new: Properties) -> None:
        new.get("PendingWindowInDays")  # used at deletion only
        rotation = (new.get("EnableKeyRotation", False), new.get("RotationPeriodInDays"))
        if rotation != (old.get("EnableKeyRotation", False), old.get("RotationPeriodInDays")):
            if rotation[0]:
                period = {"RotationPeriodInDays": rotation[1]} if rotation[1] else {}
                context.call("kms", "EnableKeyRotation", {"KeyId": ref, **period})
            else:
                context.call("kms", "DisableKeyRotation", {"KeyId": ref})
        enabled = new.get("Enabled", True)
        if enabled != old.get("Enabled", True):
            context.call("kms", "EnableKey" if enabled else "DisableKey", {"KeyId": ref})


PROVIDERS = {
    "AWS::KMS::Key": Key(),
    "AWS::KMS::Alias": Plain(
        service="kms",
        create_operation="CreateAlias",
        update_operation="UpdateAlias",
        delete_operation="DeleteAlias",
        key="AliasName",
        ref="AliasName",
    ),
}
