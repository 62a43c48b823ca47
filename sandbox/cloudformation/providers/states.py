"""AWS::StepFunctions: state machines."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

import json
from typing import Any

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Properties, lower_first

_SAME = ("RoleArn", "LoggingConfiguration", "TracingConfiguration", "EncryptionConfiguration")


class StateMachine:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("StateMachineName") or context.name(80)
        parameters = {
            **_configuration(properties),
            "name": name,
            "definition": _definition(context, properties),
        }
        parameters["type"] = properties.get("StateMachineType", "STANDARD")
        parameters |= tagging.at_creation("stepfunctions", properties.get("Tags"))
        arn = context.call("stepfunctions", "CreateStateMachine", parameters)["stateMachineArn"]
        return arn, {"Arn": arn, "Name": name, "StateMachineRevisionId": "INITIAL"}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("StateMachineName"), new.get("StateMachineType")
        attributes: Attributes = {}
        wanted = {**_configuration(new), "definition": _definition(context, new)}
        if wanted != {**_configuration(old), "definition": _definition(context, old)}:
            gone = {k: v for k, v in _OFF.items() if k in _configuration(old) and k not in wanted}
            answer = context.call(
                "stepfunctions", "UpdateStateMachine", {**gone, **wanted, "stateMachineArn": ref}
            )
            attributes = {"StateMachineRevisionId": answer.get("revisionId", "")}
        tagging.retag(context, "stepfunctions", ref, old.get("Tags"), new.get("Tags"))
        return ref, attributes

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("stepfunctions", "DeleteStateMachine", {"stateMachineArn": ref})


_OFF: dict[str, Any] = {
    "loggingConfiguration": {"level": "OFF", "includeExecutionData": False},
    "tracingConfiguration": {"enabled": False},
}


def _configuration(properties: Properties) -> dict[str, Any]:
    return {key[0].lower() + key[1:]: lower_first(properties[key]) for key in _SAME if key in properties}


def _definition(context: Context, properties: Properties) -> str:
    """The definition as text, with the template's values put in the places that ask for them."""
    if "DefinitionString" in properties:
        text = str(properties["DefinitionString"])
    elif "Definition" in properties:
        text = json.dumps(properties["Definition"])
    else:
        place = properties["DefinitionS3Location"]
        version = {"VersionId": place["Version"]} if "Version" in place else {}
        answer = context.call("s3", "GetObject", {"Bucket": place["Bucket"], "Key": place["Key"], **version})
        text = answer["Body"].read().decode()
    for name, value in (properties.get("DefinitionSubstitutions") or {}).items():
        text = text.replace("${" + name + "}", str(value).lower() if isinstance(value, bool) else str(value))
    return text


PROVIDERS = {"AWS::StepFunctions::StateMachine": StateMachine()}
