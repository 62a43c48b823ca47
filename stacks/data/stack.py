"""Data: ingest -> lake -> transform. Holds the state; changes monthly."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack, Tags
from aws_cdk import aws_iam as iam
from constructs import Construct

from security.buckets import BucketKeeping
from security.functions import FunctionPlatform
from security.jobs import JobNetwork
from security.keys import KeyRing
from settings import Settings
from stacks.data.feature_store import FeatureStore
from stacks.data.ingest import Ingest
from stacks.data.lake import Lake
from stacks.data.queries import Queries
from stacks.data.transform import Transform


class DataStack(Stack):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        contract: dict[str, Any],
        keys: KeyRing,
        buckets: BucketKeeping,
        functions: FunctionPlatform,
        jobs: JobNetwork,
        endpoint_id: str,
        boundary: iam.IManagedPolicy,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=settings.stack_name("data"),
            termination_protection=settings.base.keep_on_destroy,
        )
        iam.PermissionsBoundary.of(self).apply(boundary)
        self.lake = Lake(
            self,
            "Lake",
            settings=settings,
            contract=contract,
            key=keys.lake,
            models_key=keys.models,
            keeping=buckets,
            endpoint_id=endpoint_id,
        )
        self.ingest = Ingest(
            self,
            "Ingest",
            settings=settings,
            contract=contract,
            lake=self.lake,
            keys=keys,
            functions=functions,
        )
        self.feature_store = None
        if settings.feature_store is not None:
            self.feature_store = FeatureStore(
                self,
                "FeatureStore",
                settings=settings,
                store=settings.feature_store,
                contract=contract,
                lake=self.lake,
                key=keys.lake,
            )
            Tags.of(self.feature_store).add("stage", "lake")
        self.queries = Queries(
            self,
            "Queries",
            settings=settings,
            contract=contract,
            lake=self.lake,
            key=keys.lake,
            store=self.feature_store,
        )
        self.transform = Transform(
            self,
            "Transform",
            settings=settings,
            contract=contract,
            lake=self.lake,
            keys=keys,
            network=jobs,
            logs=functions.logs,
        )
        for stage in ("ingest", "lake", "transform"):
            Tags.of(getattr(self, stage)).add("stage", stage)
        Tags.of(self.queries).add("stage", "lake")
        self._outputs()

    def _outputs(self) -> None:
        """What a person or program outside needs to begin."""
        values = {
            "AnalystRoleArn": self.queries.analyst.role_arn,
            "DatabaseName": self.lake.database.database_name,
            "LandingBucketName": self.lake.landing.bucket_name,
            "ModelsBucketName": self.lake.models.bucket_name,
            "ProducerRoleArn": self.ingest.producer.role_arn,
            "RawBucketName": self.lake.raw.bucket_name,
            "RedriveFunctionName": self.ingest.redrive.function_name,
            "StreamName": self.ingest.stream.stream_name,
            "UploaderRoleArn": self.ingest.uploader.role_arn,
            "WorkGroupName": self.queries.workgroup_name,
        }
        for name, value in values.items():
            CfnOutput(self, name, value=value)
