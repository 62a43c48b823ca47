"""Transform: three Glue jobs, clean, quality, features; same input and run id, same output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

import bundles
from security import grants
from security.jobs import JobNetwork
from security.keys import KeyRing
from security.logs import LogKeeping
from security.roles import arn
from settings import Settings
from stacks.data.job import Job, JobPlatform
from stacks.data.lake import Lake


class Transform(Construct):
    """
    clean     raw -> curated: typed, one copy of each record, the rest in rejected/ with a reason
    quality   the contract's rules on what clean staged; a broken rule ends the run before anything is
              published
    features  curated -> features, point in time

    Nothing is published here: a run writes to its own folders.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        contract: Mapping[str, Any],
        lake: Lake,
        keys: KeyRing,
        network: JobNetwork,
        logs: LogKeeping,
    ) -> None:
        super().__init__(scope, construct_id)
        self._lake = lake
        connections = self._connections(network)
        self._platform = JobPlatform(
            settings=settings.transform,
            prefix=settings.prefix,
            logs=logs,
            security_configuration=self._security_configuration(settings.prefix, keys),
            connections=connections,
            running=self._running(network, connections),
            packages=s3_assets.Asset(self, "Packages", path=str(bundles.glue_bundle())),
            contract=s3_assets.Asset(self, "Contract", path=str(bundles.contract_file(contract))),
            arguments={
                "--raw_bucket": lake.raw.bucket_name,
                "--curated_bucket": lake.curated.bucket_name,
                "--features_bucket": lake.features.bucket_name,
                "--models_bucket": lake.models.bucket_name,
            },
        )
        self.clean = self._clean()
        self.quality = self._quality()
        self.features = self._features()

    def _job(self, construct_id: str, package: str) -> Job:
        return Job(self, construct_id, platform=self._platform, package=package)

    def _reads_plan(self, job: Job) -> None:
        """partitions.json says which folder holds which month; a report of what was found goes beside it."""
        grants.read_objects(job.role, self._lake.models, "runs/")
        grants.write_objects(job.role, self._lake.models, "runs/")

    def _clean(self) -> Job:
        job = self._job("Clean", "clean_events")
        grants.read_objects(job.role, self._lake.models, "runs/")  # the plan's partitions.json
        grants.read_objects(job.role, self._lake.raw, "raw/")
        for prefix in ("curated/", "rejected/"):
            _write_as_spark(job.role, self._lake.curated, prefix)
        return job

    def _quality(self) -> Job:
        job = self._job("Quality", "check_quality")
        grants.read_objects(job.role, self._lake.curated, "curated/")
        self._reads_plan(job)
        return job

    def _features(self) -> Job:
        job = self._job("Features", "build_features")
        grants.read_objects(job.role, self._lake.curated, "curated/")
        _write_as_spark(job.role, self._lake.features, "features/")
        self._reads_plan(job)
        return job

    def _security_configuration(self, prefix: str, keys: KeyRing) -> glue.CfnSecurityConfiguration:
        properties = glue.CfnSecurityConfiguration
        return glue.CfnSecurityConfiguration(
            self,
            "Security",
            # CloudFormation has no name of its own for it.
            name=f"{prefix}-jobs",
            encryption_configuration=properties.EncryptionConfigurationProperty(
                cloud_watch_encryption=properties.CloudWatchEncryptionProperty(
                    cloud_watch_encryption_mode="SSE-KMS", kms_key_arn=keys.logs.key_arn
                ),
                job_bookmarks_encryption=properties.JobBookmarksEncryptionProperty(
                    job_bookmarks_encryption_mode="CSE-KMS", kms_key_arn=keys.lake.key_arn
                ),
                s3_encryptions=[
                    properties.S3EncryptionProperty(
                        s3_encryption_mode="SSE-KMS", kms_key_arn=keys.lake.key_arn
                    )
                ],
            ),
        )

    def _connections(self, network: JobNetwork) -> list[glue.CfnConnection]:
        """One per subnet: Glue takes the first whose zone has room."""
        properties = glue.CfnConnection
        return [
            glue.CfnConnection(
                self,
                f"Connection{number}",
                catalog_id=Aws.ACCOUNT_ID,
                connection_input=properties.ConnectionInputProperty(
                    connection_type="NETWORK",
                    description="Puts jobs into the VPC",
                    physical_connection_requirements=properties.PhysicalConnectionRequirementsProperty(
                        availability_zone=subnet.availability_zone,
                        security_group_id_list=[network.security_group.security_group_id],
                        subnet_id=subnet.subnet_id,
                    ),
                ),
            )
            for number, subnet in enumerate(network.vpc.isolated_subnets, 1)
        ]

    def _running(self, network: JobNetwork, connections: list[glue.CfnConnection]) -> iam.ManagedPolicy:
        """What Glue itself needs, with any job's role, to put the job into the VPC. No job code can use it:
        the VPC
        has no endpoint for EC2."""
        interfaces = arn("ec2", "network-interface/*")
        places = [arn("ec2", f"subnet/{subnet}") for subnet in network.subnet_ids]
        places.append(arn("ec2", f"security-group/{network.security_group.security_group_id}"))
        describe = (
            "NetworkInterfaces",
            "RouteTables",
            "SecurityGroups",
            "Subnets",
            "VpcEndpoints",
        )
        tags = {"ForAllValues:StringEquals": {"aws:TagKeys": ["aws-glue-service-resource"]}}
        names = [arn("glue", f"connection/{connection.ref}") for connection in connections]
        return iam.ManagedPolicy(
            self,
            "Running",
            description="For the Glue service: network interfaces of jobs in the VPC",
            statements=[
                _allow(["ec2:CreateNetworkInterface"], [interfaces, *places]),
                _allow(["ec2:DeleteNetworkInterface"], [interfaces]),
                _allow(["ec2:CreateTags", "ec2:DeleteTags"], [interfaces], tags),
                _allow([f"ec2:Describe{what}" for what in describe], ["*"]),
                _allow(["ec2:DescribeVpcAttribute"], [arn("ec2", f"vpc/{network.vpc.vpc_id}")]),
                _allow(["glue:GetSecurityConfiguration"], ["*"]),
                _allow(["glue:GetConnection"], [arn("glue", "catalog"), *names]),
            ],
        )


def _allow(
    actions: list[str], resources: list[str], conditions: dict[str, Any] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=resources, conditions=conditions)


def _write_as_spark(role: iam.Role, bucket: s3.IBucket, prefix: str) -> None:
    """Spark writes aside, lists what it wrote and moves it: that takes all three."""
    grants.read_objects(role, bucket, prefix)
    grants.write_objects(role, bucket, prefix, in_parts=True)
    grants.delete_objects(role, bucket, prefix)
    # Before it makes a folder it asks whether the one above is a file; a refusal would end the job.
    grants.allow(role, ["s3:GetObject"], [bucket.arn_for_objects(prefix.rstrip("/"))])
