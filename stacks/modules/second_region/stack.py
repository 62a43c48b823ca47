"""Standby, in the second Region: copies of lake and models, and what an endpoint for the champion needs.

Deployed after base, whose rule refuses a second Region that is the first, and before data, as S3 wants the
copies to be there before it is told to write them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from aws_cdk import CfnOutput, Duration, Environment, RemovalPolicy, Stack, Tags
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from security import regions
from security.boundary import Boundary
from security.buckets import BucketKeeping, access_log_bucket
from security.keys import serve_logs, serve_messages
from security.logs import LogKeeping
from security.roles import REGION
from settings import SecondRegionSettings, Settings
from stacks.modules.second_region.boundary import ACTIONS
from stacks.modules.second_region.copies import Copies
from stacks.modules.second_region.endpoint import Endpoint, outputs
from stacks.modules.second_region.names import Lake, Places, places
from stacks.modules.second_region.network import Network

KEYS = {
    "lake": "Copies of the data lake",
    "models": "Copies of models, and captured requests",
    "logs": "Log groups",
    "messages": "The topic of alarms",
}


class StandbyStack(Stack):
    """`watch` makes the topic and the alarms of an endpoint, with the given key, as in the first Region."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        second: SecondRegionSettings,
        lake: Lake,
        baseline_model: Path,
        endpoint_name: str,
        watch: Callable[[Construct, kms.IKey], Construct],
    ) -> None:
        regions.refuse(second.region)
        keep = settings.base.keep_on_destroy
        super().__init__(
            scope,
            construct_id,
            stack_name=settings.stack_name("standby"),
            termination_protection=keep,
            env=Environment(region=second.region),
        )
        Tags.of(self).add("stage", "standby")
        where = places(settings, second)
        boundary = Boundary(self, "Boundary", actions=ACTIONS)
        iam.PermissionsBoundary.of(self).apply(boundary)
        keys = {kind: self._key(kind, words, settings, where) for kind, words in KEYS.items()}
        serve_logs(keys["logs"], settings.prefix)
        serve_messages(keys["messages"], settings.prefix)
        removal = RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY
        logs = LogKeeping(
            key=keys["logs"], retention_days=settings.base.log_retention_days, removal_policy=removal
        )
        superseded = settings.lake.superseded_retention_days
        keeping = BucketKeeping(
            access_logs=access_log_bucket(
                self,
                "AccessLogs",
                prefix=settings.prefix,
                retention_days=settings.lake.access_log_retention_days,
                superseded_days=superseded,
                removal_policy=removal,
            ),
            removal_policy=removal,
            superseded_days=superseded,
        )
        network = Network(
            self,
            "Network",
            cidr=second.cidr,
            zones=settings.base.zones,
            region=second.region,
            stack_name=self.stack_name,
            logs=logs,
        )
        self.copies = Copies(
            self,
            "Copies",
            places=replace(where, region=REGION),  # of this template, which is then the same for each
            lake=lake,
            keys=keys,
            keeping=keeping,
            endpoint_id=network.s3.vpc_endpoint_id,
        )
        watch(self, keys["messages"])
        self.endpoint = Endpoint(
            self,
            "Endpoint",
            settings=settings,
            second=second,
            places=where,
            copies=self.copies,
            key=keys["models"],
            network=network.for_serving,
            logs=logs,
            baseline_model=baseline_model,
            name=endpoint_name,
        )
        for name, value in outputs(self.endpoint, second).items():
            CfnOutput(self, name, value=value)
        CfnOutput(self, "StandbyModelsBucketName", value=self.copies.zones["models"].bucket_name)
        CfnOutput(self, "StandbyCapturesBucketName", value=self.copies.captures.bucket_name)

    def _key(self, kind: str, words: str, settings: Settings, where: Places) -> kms.Key:
        keep = settings.base.keep_on_destroy
        return kms.Key(
            self,
            f"{kind.capitalize()}Key",
            # Named, because the first Region's rules name it.
            alias=where.alias(kind),
            description=f"{settings.prefix} standby: {words}",
            enable_key_rotation=True,
            pending_window=Duration.days(settings.base.key_deletion_days),
            removal_policy=RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY,
        )
