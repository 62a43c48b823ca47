"""Stages of the pipeline, from the list of steps: what is checked, and where a person has to say yes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from settings import PipelineSettings, settings_for
from stacks.modules.pipeline.builds import SOURCE, Build, artefact_of, artefacts_of
from stacks.modules.pipeline.steps import DEPLOY, REVIEW, STEPS, SYNTHESISE, Step

Stage = dict[str, Any]


def stages(settings: PipelineSettings, builds: Mapping[str, Build], topic_arn: str) -> Iterator[Stage]:
    """`builds`: by the name of the step; of a deployment, by the profile."""
    yield {"name": "Source", "actions": [_source(settings)]}
    for step in STEPS:
        if step is DEPLOY:
            continue
        build = builds[step.name]
        if step.by_profile:
            actions = [
                _build(build, step, profile, number) for number, profile in enumerate(settings.profiles, 1)
            ]
        else:
            actions = [_build(build, step)]
        yield {"name": step.name.capitalize(), "actions": actions}
    for number, profile in enumerate(settings.profiles, 1):
        asks = settings_for(profile).base.keep_on_destroy
        deployment = _deployment(builds[profile], number, order=2 if asks else 1)
        # In one stage: what was approved is what is deployed, and nothing overtakes it in between.
        approval = [_approval(settings, profile, number, topic_arn)] if asks else []
        yield {"name": _name(profile), "actions": [*approval, deployment]}


def _name(profile: str) -> str:
    return "".join(word.capitalize() for word in profile.split("-"))


def _type(category: str, provider: str) -> dict[str, str]:
    return {"category": category, "owner": "AWS", "provider": provider, "version": "1"}


def _source(settings: PipelineSettings) -> Stage:
    return {
        "name": SOURCE,
        "actionTypeId": _type("Source", "CodeStarSourceConnection"),  # CodeConnections, by its first name
        "configuration": {
            "ConnectionArn": settings.connection_arn,
            "FullRepositoryId": settings.repository,
            "BranchName": settings.branch,
            # A clone would give every build the right to use the connection.
            "OutputArtifactFormat": "CODE_ZIP",
            "DetectChanges": "true",
        },
        "outputArtifacts": [{"name": SOURCE}],
        "runOrder": 1,
    }


def _build(build: Build, step: Step, profile: str = "", number: int = 0) -> Stage:
    said = {"PROFILE": profile} if profile else {}
    if step is REVIEW:
        said["BASE"] = f"deployed/{profile}"
    outputs = [{"name": f"{artefact_of(step)}{number}"}] if step.keeps else []
    return {
        "name": f"{step.name.capitalize()}{_name(profile)}",
        "actionTypeId": _type("Build", "CodeBuild"),
        "configuration": {"ProjectName": build.name, **_environment(said)},
        "inputArtifacts": [{"name": SOURCE}],
        "outputArtifacts": outputs,
        "runOrder": 1,
    }


def _environment(said: Mapping[str, str]) -> dict[str, str]:
    if not said:
        return {}
    variables = [{"name": name, "value": value, "type": "PLAINTEXT"} for name, value in said.items()]
    return {"EnvironmentVariables": json.dumps(variables)}


def _approval(settings: PipelineSettings, profile: str, number: int, topic_arn: str) -> Stage:
    [review] = artefacts_of(settings.profiles, artefact_of(REVIEW))[number - 1 : number]
    return {
        "name": "Approval",
        "actionTypeId": _type("Approval", "Manual"),
        "configuration": {
            "NotificationArn": topic_arn,
            "CustomData": f"{profile} is next. What would change: artefact {review}, in it review.md.",
        },
        "timeoutInMinutes": settings.approval_hours * 60,
        "runOrder": 1,
    }


def _deployment(build: Build, number: int, *, order: int) -> Stage:
    assembly = f"{artefact_of(SYNTHESISE)}{number}"
    return {
        "name": "Deploy",
        "actionTypeId": _type("Build", "CodeBuild"),
        "configuration": {"ProjectName": build.name, "PrimarySource": SOURCE},
        "inputArtifacts": [{"name": SOURCE}, {"name": assembly}],
        "runOrder": order,
    }
