"""Pipeline: CodePipeline checks, reviews and deploys what was merged, and asks a person before production.

The same steps as the workflows on GitHub (steps.py), for an account that may not trust GitHub's runners. It
is deployed by a person, once and after each change of it: it never deploys itself.
"""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack, Tags
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from security import grants
from security.buckets import BucketKeeping, PrivateBucket
from security.logs import LogKeeping
from security.roles import ServiceRole, roles_below
from settings import PipelineSettings, Settings
from stacks.modules.pipeline.builds import Build, Place, ceiling
from stacks.modules.pipeline.notices import tell
from stacks.modules.pipeline.stages import stages
from stacks.modules.pipeline.steps import DEPLOY, STEPS

LONGEST_NAME = 20  # CodePipeline cuts longer ones where it names what it keeps


class PipelineStack(Stack):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        pipeline: PipelineSettings,
        logs: LogKeeping,
        buckets: BucketKeeping,
        topic: sns.ITopic,
        messages: kms.IKey,
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=settings.stack_name("pipeline"),
            termination_protection=settings.base.keep_on_destroy,
        )
        self.name = f"{settings.prefix}-cd"
        if len(self.name) > LONGEST_NAME:
            raise ValueError(
                f"a pipeline's name may have {LONGEST_NAME} characters, got {self.name!r}: switch it on in a "
                "profile with a shorter name, it can deploy the others"
            )
        place = self._place(settings, pipeline, logs, buckets)
        iam.PermissionsBoundary.of(self).apply(
            iam.ManagedPolicy(
                self,
                "Boundary",
                description="The most that a role of the pipeline may do; grants nothing by itself",
                statements=ceiling(place),
            )
        )
        builds = self._builds(place)
        self.role = self._role(place, builds, topic, messages)
        self.pipeline = codepipeline.CfnPipeline(
            self,
            "Pipeline",
            name=self.name,
            role_arn=self.role.role_arn,
            pipeline_type="V2",
            # A newer change overtakes one that waits, never one that is being deployed.
            execution_mode="SUPERSEDED",
            restart_execution_on_update=False,
            artifact_store=codepipeline.CfnPipeline.ArtifactStoreProperty(
                type="S3",
                location=place.bucket.bucket_name,
                encryption_key=codepipeline.CfnPipeline.EncryptionKeyProperty(
                    id=self.key.key_arn, type="KMS"
                ),
            ),
            stages=list(stages(pipeline, builds, topic.topic_arn)),
        )
        # CodePipeline tries the role when it makes the pipeline: its policy must be there.
        self.pipeline.node.add_dependency(self.role)
        tell(self, self.name, topic, dead_letters)
        Tags.of(self).add("stage", "pipeline")
        CfnOutput(self, "PipelineName", value=self.name)

    def _place(
        self, settings: Settings, pipeline: PipelineSettings, logs: LogKeeping, buckets: BucketKeeping
    ) -> Place:
        self.key = kms.Key(
            self,
            "Key",
            description=f"{settings.prefix}: Source, reports and assemblies of the pipeline",
            enable_key_rotation=True,
            pending_window=Duration.days(settings.base.key_deletion_days),
            removal_policy=RemovalPolicy.RETAIN if settings.base.keep_on_destroy else RemovalPolicy.DESTROY,
        )
        bucket = PrivateBucket(
            self,
            "Artefacts",
            key=self.key,
            keeping=buckets,
            lifecycle_rules=[s3.LifecycleRule(id="expire", expiration=Duration.days(pipeline.artefact_days))],
        )
        # Who approves may read a report, by a policy of their own; what is deployed nobody else may write.
        writers = roles_below(settings.prefix, "pipeline")
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid="DenyOtherWriters",
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["s3:PutObject"],
                resources=[bucket.arn_for_objects("*")],
                conditions={
                    "ArnNotLike": {"aws:PrincipalArn": writers},
                    "Bool": {"aws:PrincipalIsAWSService": "false"},
                },
            )
        )
        path = f"/{settings.prefix}/pipeline/"
        return Place(name=self.name, path=path, bucket=bucket, logs=logs, settings=pipeline)

    def _builds(self, place: Place) -> dict[str, Build]:
        """By step; one for each deployment, so that none can reach further than its profile's stage."""
        found = {
            step.name: Build(self, step.name.capitalize(), place=place, step=step)
            for step in STEPS
            if step is not DEPLOY
        }
        for profile in place.settings.profiles:
            found[profile] = Build(
                self, f"Deploy{profile.capitalize()}", place=place, step=DEPLOY, profile=profile
            )
        return found

    def _role(
        self, place: Place, builds: dict[str, Build], topic: sns.ITopic, messages: kms.IKey
    ) -> ServiceRole:
        """
        Starts builds, hands artefacts on, uses the connection and asks for approval. That CodePipeline says
        for which pipeline it takes on a role is written nowhere; that it says for which account, its console.
        """
        role = ServiceRole(self, "Role", service="codepipeline", path=place.path)
        arns = [build.project.attr_arn for build in builds.values()]
        grants.allow(role, ["codebuild:BatchGetBuilds", "codebuild:StartBuild"], arns)
        connection = place.settings.connection_arn
        service = connection.split(":")[2]  # the action has the name that the connection was made under
        grants.allow(role, [f"{service}:UseConnection"], [connection])
        below = place.bucket.arn_for_objects(f"{place.name}/*")
        grants.allow(role, ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], [below])
        bucket = ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"]
        grants.allow(role, bucket, [place.bucket.bucket_arn])
        grants.use_key(role, self.key, ["kms:Decrypt", "kms:GenerateDataKey"], through="s3")
        grants.allow(role, ["sns:Publish"], [topic.topic_arn])
        grants.use_key(role, messages, ["kms:Decrypt", "kms:GenerateDataKey"], through="sns")
        return role
