"""Builds: a CodeBuild project for each step, with a role of its own that reads, hands on and logs.

No VPC: what is built fetches its packages from the public registries, by the locks' digests. It has no data
to lose there: no role reaches the lake, and those that deploy may only take on roles of the bootstrap.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from security import bootstrap, grants
from security.logs import LogKeeping, PrivateLogGroup
from security.roles import ACCOUNT, ServiceRole, arn
from settings import PipelineSettings
from stacks.modules.pipeline.steps import DEPLOY, REVIEW, SYNTHESISE, Step

PYTHON = "3.11"  # as in the workflows
QUEUED_MINUTES = 60
SOURCE = "Source"


@dataclass(frozen=True, kw_only=True)
class Place:
    """
    name     of the pipeline, which CodePipeline puts in front of what it keeps in the bucket
    path     of the roles, by which the bucket knows who may write
    """

    name: str
    path: str
    bucket: s3.Bucket
    logs: LogKeeping
    settings: PipelineSettings


class Build(Construct):
    """
    step     what it runs
    profile  of a deployment, which has a role to itself; "" where the action says which
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, place: Place, step: Step, profile: str = ""
    ) -> None:
        super().__init__(scope, construct_id)
        self.name = f"{place.name}-{step.name}{f'-{profile}' if profile else ''}"
        self.arn = arn("codebuild", f"project/{self.name}")
        log_group = PrivateLogGroup(self, "Logs", keeping=place.logs, name=f"/aws/codebuild/{self.name}")
        self.role = ServiceRole(self, "Role", service="codebuild", source_arn=self.arn, path=place.path)
        streams = f"{arn('logs', f'log-group:/aws/codebuild/{self.name}')}:*"
        grants.allow(self.role, ["logs:CreateLogStream", "logs:PutLogEvents"], [streams])
        assembly = ""
        if profile:
            number = place.settings.profiles.index(profile)
            assembly = artefacts_of(place.settings.profiles, artefact_of(SYNTHESISE))[number]
        self._hand_on(place, step, assembly)
        self._take_on(place, step)
        self.project = codebuild.CfnProject(
            self,
            "Project",
            name=self.name,
            description=f"{step.before} {step.command}".strip(),
            service_role=self.role.role_arn,
            source=codebuild.CfnProject.SourceProperty(
                type="CODEPIPELINE", build_spec=json.dumps(buildspec(step, assembly), indent=1)
            ),
            artifacts=codebuild.CfnProject.ArtifactsProperty(type="CODEPIPELINE"),
            encryption_key=place.bucket.encryption_key.key_arn if place.bucket.encryption_key else None,
            environment=codebuild.CfnProject.EnvironmentProperty(
                type="LINUX_CONTAINER",
                compute_type=place.settings.compute_type,
                image=place.settings.image,
                image_pull_credentials_type="CODEBUILD",
                privileged_mode=False,  # no image is built, so nobody needs the host's Docker
                environment_variables=[
                    codebuild.CfnProject.EnvironmentVariableProperty(name=name, value=value)
                    for name, value in ({"ACCOUNT": ACCOUNT, "PROFILE": profile} if profile else {}).items()
                ],
            ),
            cache=codebuild.CfnProject.ProjectCacheProperty(type="NO_CACHE"),  # nothing of an earlier build
            concurrent_build_limit=1 if profile else None,  # of a deployment, whoever starts it
            timeout_in_minutes=step.minutes,
            queued_timeout_in_minutes=QUEUED_MINUTES,
            logs_config=codebuild.CfnProject.LogsConfigProperty(
                cloud_watch_logs=codebuild.CfnProject.CloudWatchLogsConfigProperty(
                    status="ENABLED", group_name=log_group.log_group_name
                ),
                s3_logs=codebuild.CfnProject.S3LogsConfigProperty(status="DISABLED"),
            ),
            visibility="PRIVATE",
        )
        # CodeBuild tries the role when it makes the project: its policy must be there.
        self.project.node.add_dependency(self.role)

    def _hand_on(self, place: Place, step: Step, assembly: str) -> None:
        """What the pipeline keeps lies at <pipeline>/<artefact>/<random>, the names cut to 20 and 10."""
        bucket = place.bucket
        for artefact in [SOURCE, *([assembly] if assembly else [])]:
            below = bucket.arn_for_objects(f"{place.name}/{artefact}/*")
            grants.allow(self.role, ["s3:GetObject", "s3:GetObjectVersion"], [below])
        use = ["kms:Decrypt"]
        if step.keeps:
            use.append("kms:GenerateDataKey")
            for artefact in artefacts_of(place.settings.profiles, artefact_of(step)):
                grants.allow(
                    self.role, ["s3:PutObject"], [bucket.arn_for_objects(f"{place.name}/{artefact}/*")]
                )
        grants.allow(self.role, ["s3:GetBucketAcl", "s3:GetBucketLocation"], [bucket.bucket_arn])
        if bucket.encryption_key is not None:
            grants.use_key(self.role, bucket.encryption_key, use, through="s3")

    def _take_on(self, place: Place, step: Step) -> None:
        words: Sequence[str] = {DEPLOY.name: bootstrap.DEPLOYING, REVIEW.name: (bootstrap.LOOKUP,)}.get(
            step.name, ()
        )
        if words:
            roles = [bootstrap.role_arn(place.settings.qualifier, word) for word in words]
            grants.allow(self.role, ["sts:AssumeRole"], roles)


def artefact_of(step: Step) -> str:
    """Ten characters at most with the number behind it: CodePipeline cuts the rest off."""
    return {"cdk.out": "Assembly", "audit-report": "Audit", "review-report": "Review"}[step.keeps]


def artefacts_of(profiles: Sequence[str], artefact: str) -> list[str]:
    """One for each profile, by its number, as names of profiles may be longer."""
    return [f"{artefact}{number}" for number, _ in enumerate(profiles, 1)]


def buildspec(step: Step, assembly: str = "") -> dict[str, object]:
    """JSON, which is YAML too. It holds the step's command and nothing else that could drift from it.

    assembly  the artefact that is deployed; where CodeBuild puts it down is known there only
    """
    where = f'export ASSEMBLY="$CODEBUILD_SRC_DIR_{assembly}/{SYNTHESISE.keeps}"' if assembly else ""
    found: dict[str, object] = {
        "version": 0.2,
        "phases": {
            "install": {"runtime-versions": {"python": PYTHON}},
            "build": {"commands": [command for command in (where, step.before, step.command) if command]},
        },
    }
    if step.keeps:
        # Also, and above all, when the command has failed.
        found["artifacts"] = {"files": [f"{step.keeps}/**/*"]}
    return found


def ceiling(place: Place) -> list[iam.PolicyStatement]:
    """What no role of the module may exceed, whatever its policy says."""
    roles = [bootstrap.role_arn(place.settings.qualifier, word) for word in bootstrap.DEPLOYING]
    here = {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
    return [
        iam.PolicyStatement(actions=["sts:AssumeRole"], resources=roles),
        iam.PolicyStatement(
            actions=[
                "codebuild:BatchGetBuilds",
                "codebuild:StartBuild",
                "codeconnections:UseConnection",
                "codestar-connections:UseConnection",
                "kms:Decrypt",
                "kms:GenerateDataKey",
                "logs:CreateLogStream",
                "logs:PutLogEvents",
                "s3:GetBucketAcl",
                "s3:GetBucketLocation",
                "s3:GetBucketVersioning",
                "s3:GetObject",
                "s3:GetObjectVersion",
                "s3:PutObject",
                "sns:Publish",
            ],
            resources=["*"],
            conditions=here,
        ),
    ]
