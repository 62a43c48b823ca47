"""What a delivery costs: each action of a pipeline by the minute, and the machine that a build runs on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit.bill.quantities import Quantity, Unknown
from audit.bill.standing import Found
from audit.bill.usage import Usage
from audit.rules.rule import mappings, reference
from audit.templates import Resource, Templates

GROUP = "deliveries"
PROJECT, PIPELINE = "AWS::CodeBuild::Project", "AWS::CodePipeline::Pipeline"
SOURCE_MINUTES = 1  # the least that is billed
_FREE = ("Approval",)
_LINUX = ("LINUX_CONTAINER", "LINUX_EC2")


def pipeline(templates: Templates, found: Resource, usage: Usage) -> Found:
    """Of type V2 every minute of an action is paid, but for approvals; V1 is paid by the month."""
    if found.get("PipelineType", default="V1") != "V2":
        yield Unknown(what=found.path, why="a pipeline of type V1, one USD in a month in which it runs")
        return
    minutes = 0.0
    for action in actions(found):
        category = str(_type(action).get("Category"))
        if category in _FREE:
            continue
        minutes += usage.build_minutes if category in ("Build", "Test") else SOURCE_MINUTES
        if _type(action).get("Provider") == "CodeBuild":
            yield from _build(templates, action, usage)
    yield Quantity(
        group=GROUP,
        what=f"{found.path}, minutes of its actions",
        price="codepipeline.minute",
        amount=minutes * usage.deliveries_per_month,
    )


def _build(templates: Templates, action: Mapping[str, Any], usage: Usage) -> Iterator[Quantity | Unknown]:
    name = (action.get("Configuration") or {}).get("ProjectName")
    project = project_of(templates, name)
    if project is None:
        yield Unknown(what=str(name), why="a project that is not in the templates")
        return
    kind = project.get("Environment", "Type")
    if kind not in _LINUX:
        yield Unknown(what=project.path, why=f"a build in an environment of type {kind}")
        return
    size = str(project.get("Environment", "ComputeType")).removeprefix("BUILD_").replace("_", ".").lower()
    yield Quantity(
        group=GROUP,
        what=f"{project.path}, by {action.get('Name')}",
        price=f"codebuild.{size}",
        amount=usage.build_minutes * usage.deliveries_per_month,
    )


def alone(templates: Templates) -> Iterator[Unknown]:
    """Projects that people or webhooks start: how often, no knob says."""
    named = {
        project.address
        for each in templates.of(PIPELINE)
        for action in actions(each)
        if (project := project_of(templates, (action.get("Configuration") or {}).get("ProjectName")))
    }
    for project in templates.of(PROJECT):
        if project.address not in named:
            yield Unknown(what=project.path, why="no pipeline of these templates starts it")


def actions(found: Resource) -> Iterator[Mapping[str, Any]]:
    for stage in mappings(found.get("Stages")):
        yield from mappings(stage.get("Actions"))


def project_of(templates: Templates, name: Any) -> Resource | None:
    """By its own name, or by Ref."""
    for project in templates.of(PROJECT):
        if name is not None and str(name) in (str(project.get("Name")), reference(templates, project)):
            return project
    return None


def _type(action: Mapping[str, Any]) -> Mapping[str, Any]:
    given = action.get("ActionTypeId")
    return given if isinstance(given, Mapping) else {}
