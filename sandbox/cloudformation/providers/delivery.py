"""AWS::CodeBuild and AWS::CodePipeline: projects and pipelines, kept as asked for; nothing is built here."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from typing import Any

from sandbox.cloudformation.errors import UnsupportedError
from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Properties, Watched

FROM_PIPELINE = "CODEPIPELINE"


class Project:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = str(properties.get("Name") or context.name(150))
        return self._made(context, name, properties)

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        """moto has no UpdateProject; without builds a project has no past that a new one would lose."""
        self.delete(context, ref, old)
        new.get("Name")
        return self._made(context, ref, new)

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("codebuild", "DeleteProject", {"name": ref})

    def _made(self, context: Context, name: str, properties: Properties) -> tuple[str, Attributes]:
        if properties.get("Visibility", "PRIVATE") != "PRIVATE":
            raise UnsupportedError("AWS::CodeBuild::Project: only private ones are supported by the sandbox")
        parameters = _plain(properties, "Name", "Visibility", "Tags")
        parameters["Source"] = _placed(parameters["Source"])
        parameters["Artifacts"] = _placed(parameters["Artifacts"])
        parameters |= tagging.at_creation("codebuild", properties.get("Tags"))
        arn = context.call("codebuild", "CreateProject", {**parameters, "name": name})["project"]["arn"]
        return name, {"Arn": arn, "Id": name}


class Pipeline:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = str(properties.get("Name") or context.name(100))
        parameters = {"pipeline": _pipeline(name, properties)}
        parameters |= tagging.at_creation("codepipeline", properties.get("Tags"))
        made = context.call("codepipeline", "CreatePipeline", parameters)["pipeline"]
        return name, _attributes(context, name, made)

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        wanted, attributes = _pipeline(ref, new), {}
        if wanted != _pipeline(ref, old):
            made = context.call("codepipeline", "UpdatePipeline", {"pipeline": wanted})["pipeline"]
            attributes = _attributes(context, ref, made)
        arn = context.arn("codepipeline", ref)
        tagging.retag(context, "codepipeline", arn, old.get("Tags"), new.get("Tags"))
        return ref, attributes

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("codepipeline", "DeletePipeline", {"name": ref})


def _attributes(context: Context, name: str, made: dict[str, Any]) -> Attributes:
    return {"Arn": context.arn("codepipeline", name), "Version": str(made["version"])}


def _pipeline(name: str, properties: Properties) -> dict[str, Any]:
    if properties.get("RestartExecutionOnUpdate"):
        raise UnsupportedError("AWS::CodePipeline::Pipeline: RestartExecutionOnUpdate starts nothing here")
    return {**_plain(properties, "Name", "RestartExecutionOnUpdate", "Tags"), "name": name}


def _plain(properties: Properties, *names: str) -> dict[str, Any]:
    for name in names:
        properties.get(name)
    kept = properties.without(*names) if isinstance(properties, Watched) else properties
    return {key: value for key, value in kept.items() if key not in names}


def _placed(given: dict[str, Any]) -> dict[str, Any]:
    """moto wants a place of every source and artefact; with a pipeline, which has them, AWS wants none."""
    return {"Location": FROM_PIPELINE, **given} if given.get("Type") == FROM_PIPELINE else given


PROVIDERS = {"AWS::CodeBuild::Project": Project(), "AWS::CodePipeline::Pipeline": Pipeline()}
