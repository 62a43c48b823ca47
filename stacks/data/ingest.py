"""Ingest: records by stream and files by landing; checked, anonymised, filed, or set aside with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from constructs import Construct

import bundles
from security import grants
from security.functions import FunctionPlatform, ScopedFunction
from security.keys import KeyRing
from security.roles import PersonRole
from settings import Settings
from stacks.data.delivery import Delivery
from stacks.data.lake import UPLOADERS, Lake
from stacks.data.token_keys import TokenKeys


class Ingest(Construct):
    """
    stream    where producers put records; ingest_records checks what Firehose takes off it
    landing   where uploaders drop files; ingest_file checks each as it comes
    redrive   redrive_records puts set-aside records back on the stream, when a person asks for it

    Both ways in share the contract's rules and the token keys: in an epoch an identifier has one token.
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
        functions: FunctionPlatform,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings, self._contract, self._platform = settings, contract, functions
        self._lake, self._keys = lake, keys
        self.token_keys = TokenKeys(
            self, "TokenKeys", settings=settings, contract=contract, keys=keys, functions=functions
        )
        self.stream = self._stream()
        self.rotate_keys = self.token_keys.rotate
        self.check_records = self._check_records()
        self.check_file = self._check_file()
        self.redrive = self._redrive()
        self.delivery = Delivery(
            self,
            "Delivery",
            settings=settings,
            stream=self.stream,
            stream_key=keys.stream,
            bucket=lake.raw,
            transform=self.check_records,
            keeping=functions.logs,
        )
        self._on_landing()
        self.producer = PersonRole(self, "Producer", path=f"/{settings.prefix}/producers/")
        grants.put_records(self.producer, self.stream, keys.stream)
        self.uploader = PersonRole(self, "Uploader", path=f"/{settings.prefix}/{UPLOADERS}/")
        grants.write_objects(self.uploader, lake.landing, "landing/", in_parts=True)

    def _stream(self) -> kinesis.Stream:
        ingest = self._settings.ingest
        provisioned = ingest.shards is not None
        return kinesis.Stream(
            self,
            "Stream",
            encryption=kinesis.StreamEncryption.KMS,
            encryption_key=self._keys.stream,
            retention_period=Duration.hours(ingest.stream_retention_hours),
            shard_count=ingest.shards,
            stream_mode=kinesis.StreamMode.PROVISIONED if provisioned else kinesis.StreamMode.ON_DEMAND,
            removal_policy=RemovalPolicy.DESTROY,
        )

    def _function(
        self, construct_id: str, package: str, environment: dict[str, str], *, memory_mb: int, minutes: int
    ) -> ScopedFunction:
        return ScopedFunction(
            self,
            construct_id,
            platform=self._platform,
            bundle=bundles.lambda_bundle(package, self._contract),
            package=package,
            environment=environment,
            timeout=Duration.minutes(minutes),
            memory_mb=memory_mb,
            reserved_concurrency=self._settings.ingest.reserved_concurrency,
        )

    def _check_records(self) -> ScopedFunction:
        function = self._function(
            "CheckRecords",
            "ingest_records",
            {"TOKEN_SECRET_ARN": self.token_keys.secret.ref},
            memory_mb=1024,
            minutes=3,  # Firehose waits five
        )
        grants.read_secret(function.scoped_role, self.token_keys.secret, self._keys.secrets)
        return function

    def _check_file(self) -> ScopedFunction:
        raw = self._lake.raw
        function = self._function(
            "CheckFile",
            "ingest_file",
            {"TOKEN_SECRET_ARN": self.token_keys.secret.ref, "RAW_BUCKET": raw.bucket_name},
            memory_mb=1769,  # one whole core
            minutes=15,
        )
        grants.read_secret(function.scoped_role, self.token_keys.secret, self._keys.secrets)
        grants.read_objects(function.scoped_role, self._lake.landing, "landing/")
        grants.write_objects(function.scoped_role, raw, "raw/")
        grants.write_objects(function.scoped_role, raw, "quarantine/")
        return function

    def _redrive(self) -> ScopedFunction:
        raw = self._lake.raw
        function = self._function(
            "Redrive",
            "redrive_records",
            {"RAW_BUCKET": raw.bucket_name, "STREAM_NAME": self.stream.stream_name},
            memory_mb=512,
            minutes=15,
        )
        for prefix in ("quarantine/", "errors/"):
            grants.read_objects(function.scoped_role, raw, prefix)
            grants.delete_objects(function.scoped_role, raw, prefix)
        grants.write_objects(function.scoped_role, raw, "redriven/")
        grants.put_records(function.scoped_role, self.stream, self._keys.stream)
        return function

    def _on_landing(self) -> None:
        """L1: the L2 would write this stack's rule into the policy of the base stack's queue, which is a
        circle.
        """
        rule = events.CfnRule(
            self,
            "OnLanding",
            description="A file was dropped in the landing bucket",
            event_pattern={
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {
                    "bucket": {"name": [self._lake.landing.bucket_name]},
                    "object": {"key": [{"prefix": "landing/"}]},
                },
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="CheckFile",
                    arn=self.check_file.function_arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(
                        arn=self._platform.dead_letters.queue_arn
                    ),
                    retry_policy=events.CfnRule.RetryPolicyProperty(
                        maximum_event_age_in_seconds=6 * 3600, maximum_retry_attempts=20
                    ),
                )
            ],
        )
        self.check_file.add_permission(
            "OnLanding",
            principal=iam.ServicePrincipal("events.amazonaws.com"),
            source_arn=rule.attr_arn,
        )
