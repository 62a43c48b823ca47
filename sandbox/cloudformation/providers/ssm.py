"""AWS::SSM: parameters."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Properties, Watched


class Parameter:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("Name") or context.name()
        tags = tagging.as_map(properties.get("Tags"))
        parameters = {**_plain(properties), "Name": name}
        if tags:
            parameters["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        context.call("ssm", "PutParameter", parameters)
        return name, _attributes(context, name, properties)

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        if _plain(old) != _plain(new):
            context.call("ssm", "PutParameter", {**_plain(new), "Name": ref, "Overwrite": True})
        before, after = tagging.as_map(old.get("Tags")), tagging.as_map(new.get("Tags"))
        resource = {"ResourceType": "Parameter", "ResourceId": ref}
        if gone := sorted(before.keys() - after.keys()):
            context.call("ssm", "RemoveTagsFromResource", {**resource, "TagKeys": gone})
        if changed := [{"Key": k, "Value": v} for k, v in after.items() if before.get(k) != v]:
            context.call("ssm", "AddTagsToResource", {**resource, "Tags": changed})
        return ref, _attributes(context, ref, new)

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("ssm", "DeleteParameter", {"Name": ref})


def _plain(properties: Properties) -> Properties:
    if isinstance(properties, Watched):
        properties = properties.all()
    return {key: value for key, value in properties.items() if key not in ("Tags", "Name")}


def _attributes(context: Context, name: str, properties: Properties) -> Attributes:
    arn = context.arn("ssm", f"parameter/{name.lstrip('/')}")
    return {"Type": properties["Type"], "Value": properties["Value"], "Arn": arn}


PROVIDERS = {"AWS::SSM::Parameter": Parameter()}
