"""Job: a Glue job with its own role, log groups and code; may read its code and log until granted more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

import bundles
from security import grants
from security.logs import LogKeeping, PrivateLogGroup
from security.roles import REGION, ServiceRole, arn
from settings import TransformSettings


@dataclass(frozen=True, kw_only=True)
class JobPlatform:
    """What the jobs have in common."""

    settings: TransformSettings
    prefix: str
    logs: LogKeeping
    security_configuration: glue.CfnSecurityConfiguration
    connections: list[glue.CfnConnection]
    running: iam.ManagedPolicy  # what Glue needs to run a job in the VPC
    packages: s3_assets.Asset
    contract: s3_assets.Asset
    arguments: Mapping[str, str]


class Job(Construct):
    """
    name  what StartJobRun takes; a run adds --run_id and --partitions_uri, its list of folders

    L1: the L2 lets the role read the whole asset bucket. No bookmarks: the plan says what to read, so a run
    can be repeated. One run at a time: runs are ordered by the state machine's lock, and this is the
    second bolt.
    """

    def __init__(self, scope: Construct, construct_id: str, *, platform: JobPlatform, package: str) -> None:
        super().__init__(scope, construct_id)
        # Its name is part of the log groups' names, so it cannot be narrowed to the job's without a circle.
        self.role = ServiceRole(self, "Role", service="glue", source_arn=arn("glue", "job/*"))
        self.role.add_managed_policy(platform.running)
        script = s3_assets.Asset(self, "Script", path=str(bundles.glue_script(package)))
        for asset in (script, platform.packages, platform.contract):
            grants.read_asset(self.role, asset)
        log_prefix = f"/aws/glue/{platform.prefix}-{package.replace('_', '-')}"
        self._log(platform, log_prefix)
        self.job = glue.CfnJob(
            self,
            "Job",
            command=glue.CfnJob.JobCommandProperty(
                name="glueetl", python_version="3", script_location=script.s3_object_url
            ),
            connections=glue.CfnJob.ConnectionsListProperty(
                connections=[connection.ref for connection in platform.connections]
            ),
            default_arguments={
                "--job-language": "python",
                # Without it S3A asks us-east-2 first, to which there is no way from the VPC.
                "--conf": f"spark.hadoop.fs.s3a.endpoint.region={REGION}",
                "--job-bookmark-option": "job-bookmark-disable",
                "--extra-py-files": platform.packages.s3_object_url,
                "--custom-logGroup-prefix": log_prefix,
                "--contract_uri": platform.contract.s3_object_url,
                **platform.arguments,
            },
            description=f"Runs glue_jobs/{package}",
            execution_property=glue.CfnJob.ExecutionPropertyProperty(max_concurrent_runs=1),
            glue_version=platform.settings.glue_version,
            max_retries=0,  # the state machine retries
            number_of_workers=platform.settings.workers,
            role=self.role.role_arn,
            security_configuration=platform.security_configuration.ref,
            timeout=platform.settings.timeout_minutes,
            worker_type=platform.settings.worker_type,
        )
        self.job.node.add_dependency(self.role)
        self.name = self.job.ref
        self.arn = arn("glue", f"job/{self.name}")

    def _log(self, platform: JobPlatform, log_prefix: str) -> None:
        """Glue derives the groups' names; made here, they have our key and a retention from the first line
        on.
        """
        below = f"{log_prefix}/{platform.security_configuration.ref}-role/{self.role.role_name}"
        groups = [
            PrivateLogGroup(self, kind.capitalize(), keeping=platform.logs, name=f"{below}/{kind}")
            for kind in ("error", "output")
        ]
        actions = ("AssociateKmsKey", "CreateLogGroup", "CreateLogStream", "PutLogEvents")
        grants.allow(
            self.role,
            [f"logs:{action}" for action in actions],
            [group.log_group_arn for group in groups],
        )
