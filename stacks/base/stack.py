"""Base: keys, network, trail. What every stage stands on; changes yearly."""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack, Tags
from aws_cdk import aws_iam as iam
from constructs import Construct

from security.boundary import Boundary
from security.buckets import BucketKeeping, access_log_bucket
from security.logs import LogKeeping
from security.regions import BUDGET, SupportedRegion, is_without
from settings import Settings
from stacks.base.functions import Functions
from stacks.base.keys import Keys
from stacks.base.network import Network
from stacks.base.trail import Trail


class BaseStack(Stack):
    """
    keys, network   objects for the other stacks
    boundary        every role of every stack stays below it (put on by the stacks)
    logs, buckets   how this deployment keeps log groups and buckets
    functions       the platform that each ScopedFunction takes
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        keep = settings.base.keep_on_destroy
        super().__init__(
            scope, construct_id, stack_name=settings.stack_name("base"), termination_protection=keep
        )
        Tags.of(self).add("stage", "base")
        has_budget = settings.monitor.budget_usd is not None and not is_without(self, BUDGET)
        SupportedRegion(self, "SupportedRegion", has_budget=has_budget)
        removal = RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY
        self.boundary = Boundary(self, "Boundary", has_feature_store=settings.feature_store is not None)
        iam.PermissionsBoundary.of(self).apply(self.boundary)
        self.keys = Keys(self, "Keys", settings=settings)
        self.logs = LogKeeping(
            key=self.keys.logs, retention_days=settings.base.log_retention_days, removal_policy=removal
        )
        self.buckets = BucketKeeping(
            access_logs=access_log_bucket(
                self,
                "AccessLogs",
                prefix=settings.prefix,
                retention_days=settings.lake.access_log_retention_days,
                superseded_days=settings.lake.superseded_retention_days,
                removal_policy=removal,
            ),
            removal_policy=removal,
            superseded_days=settings.lake.superseded_retention_days,
        )
        self.network = Network(self, "Network", settings=settings, logs=self.logs)
        self.functions = Functions(
            self, "Functions", settings=settings, keys=self.keys, network=self.network, logs=self.logs
        ).platform
        self.trail = Trail(
            self, "Trail", settings=settings, keys=self.keys, keeping=self.buckets, logs=self.logs
        )
