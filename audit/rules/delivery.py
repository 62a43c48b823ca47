"""Delivery: how pipelines come to their source, what they hand on, who says yes, and what builds run in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from audit.findings import Severity
from audit.policies import matches
from audit.rules.rule import Hit, Rule, is_open, is_own_key, lacking, mappings, policies, reference
from audit.templates import Resource, Templates

PROJECT, PIPELINE = "AWS::CodeBuild::Project", "AWS::CodePipeline::Pipeline"
# What the CDK's bootstrap lets deploy, and what changes stacks without it.
_DEPLOY_ROLE = "cdk-*-deploy-role-*"
_CHANGES = ("cloudformation:createstack", "cloudformation:updatestack", "cloudformation:executechangeset")
_RELEASE = re.compile(r"@sha256:[0-9a-f]{64}$|^aws/codebuild/[^:]+:[\d.]+-\d\d\.\d\d\.\d\d$")


def _actions(pipeline: Resource) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
    """Each with its place: the stage's number and its own in the stage."""
    for number, stage in enumerate(mappings(pipeline.get("Stages"))):
        for action in mappings(stage.get("Actions")):
            order = action.get("RunOrder", 1)
            yield number, int(order) if str(order).isdigit() else 1, action


def _kind(action: Mapping[str, Any], name: str) -> str:
    given = action.get("ActionTypeId")
    return str(given.get(name)) if isinstance(given, Mapping) else ""


def _configuration(action: Mapping[str, Any]) -> Mapping[str, Any]:
    given = action.get("Configuration")
    return given if isinstance(given, Mapping) else {}


def _by_token(templates: Templates) -> Iterator[Hit]:
    for pipeline in templates.of(PIPELINE):
        for _, _, action in _actions(pipeline):
            if _kind(action, "Category") != "Source":
                continue
            if _kind(action, "Owner") == "ThirdParty" or "OAuthToken" in _configuration(action):
                name = str(action.get("Name"))
                yield Hit(
                    resource=pipeline,
                    message=f"{name} reads its source with a token; take CodeStarSourceConnection",
                    subject=name,
                )


def _has_key(pipeline: Resource) -> bool:
    """Of every store: a pipeline over several Regions has one in each."""
    several = [each.get("ArtifactStore") for each in mappings(pipeline.get("ArtifactStores"))]
    return all(_is_keyed(store) for store in several or [pipeline.get("ArtifactStore")])


def _is_keyed(store: Any) -> bool:
    if not isinstance(store, Mapping):
        return is_open(store)
    key = store.get("EncryptionKey")
    return is_open(key) or (isinstance(key, Mapping) and is_own_key(key.get("Id")))


def _unasked(templates: Templates) -> Iterator[Hit]:
    """The last deployment of a pipeline has the most to lose; one alone is the last."""
    for pipeline in templates.of(PIPELINE):
        placed = sorted(_actions(pipeline), key=lambda each: each[:2])
        deploying = [(stage, order, action) for stage, order, action in placed if _deploys(templates, action)]
        if not deploying:
            continue
        stage, order, last = deploying[-1]
        before = [each[:2] for each in deploying if each[:2] < (stage, order)]
        since = max(before, default=(-1, 0))
        asked = [
            (number, place)
            for number, place, action in placed
            if _kind(action, "Category") == "Approval" and since <= (number, place) < (stage, order)
        ]
        if not asked:
            name = str(last.get("Name"))
            yield Hit(
                resource=pipeline,
                message=f"{name} deploys last, and nobody is asked before it; put an approval in front",
                subject=name,
            )


def _deploys(templates: Templates, action: Mapping[str, Any]) -> bool:
    """By its category, or by what the role of its build may."""
    if _kind(action, "Category") == "Deploy":
        return True
    name = str(_configuration(action).get("ProjectName"))
    for project in templates.of(PROJECT):
        if name in (str(project.get("Name")), reference(templates, project)):
            return _may_deploy(templates, str(project.get("ServiceRole")))
    return False


def _may_deploy(templates: Templates, role: str) -> bool:
    held = {each.address for each in templates.of("AWS::IAM::Role") if templates.arn(each) == role}
    for statement in policies(templates, "identity"):
        if not statement.allows or not held & set(statement.identities):
            continue
        actions = [str(each).lower() for each in statement.actions]
        if any(matches(each, wanted) for each in actions for wanted in _CHANGES):
            return True
        if any(matches(each, "sts:assumerole") for each in actions) and any(
            matches(_DEPLOY_ROLE, str(each).rpartition("/")[2]) or str(each) == "*"
            for each in statement.resources
        ):
            return True
    return False


def _is_pinned(project: Resource) -> bool:
    image = project.get("Environment", "Image")
    return image is None or is_open(image) or bool(_RELEASE.search(str(image)))


CONNECTED = Rule(
    id="ML-CD-01",
    title="Pipelines reach their source by a connection",
    severity=Severity.HIGH,
    rationale="A token is a person's, lasts until somebody thinks of it, and opens all that the person may.",
    fix="Take the provider CodeStarSourceConnection with the ARN of a connection.",
    controls=("NIST IA-5",),
    find=_by_token,
)
HANDED_ON_KEYED = Rule(
    id="ML-CD-02",
    title="What a pipeline hands on is encrypted with an own key",
    severity=Severity.MEDIUM,
    rationale="It holds the source, reports and what is deployed next; with AWS's key everybody who may read "
    "the bucket reads that.",
    fix="Give every ArtifactStore an EncryptionKey.",
    controls=("NIST SC-28",),
    find=lacking(PIPELINE, has=_has_key, says="a store without an own key; give EncryptionKey"),
)
ASKED = Rule(
    id="ML-CD-03",
    title="A person says yes before a pipeline's last deployment",
    severity=Severity.MEDIUM,
    rationale="Whoever may merge could otherwise change production alone, and a fault goes there unseen.",
    fix="Put an action of category Approval between the last deployment and the one before it.",
    controls=("NIST CM-3",),
    find=_unasked,
)
IMAGE_PINNED = Rule(
    id="ML-CD-04",
    title="Builds run in an image that does not move",
    severity=Severity.LOW,
    rationale="What a tag names tomorrow runs with the build's rights, and no review has seen it.",
    fix="Name a dated release of aws/codebuild, or an image by its digest.",
    controls=("NIST CM-2",),
    find=lacking(PROJECT, has=_is_pinned, says="its image has a tag that moves; name a release, or a digest"),
)
