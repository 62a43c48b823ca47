"""Keys: one per kind of data, rotated, each usable by the services that need it and by nobody else's."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from constructs import Construct

from security.keys import KeyRing, allow, serve_logs, serve_messages
from security.roles import arn
from settings import Settings


class Keys(Construct):
    """
    lake      objects of the lake, catalogue queries, job bookmarks
    models    models, reports, captured requests, volumes and outputs of SageMaker
    stream    the stream of incoming records
    secrets   the token key, the functions' environment
    logs      log groups, the trail
    messages  topics and queues

    The account's root is each key's administrator, so IAM policies decide who uses it; services come in by
    the statements here, each tied to this account's resources."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self.lake = self._key("Lake", "Objects of the data lake")
        self.models = self._key("Models", "Models, evaluation reports and captured requests")
        self.stream = self._key("Stream", "Records on their way in")
        self.secrets = self._key("Secrets", "The token key and function environments")
        self.logs = self._key("Logs", "Log groups and the trail")
        self.messages = self._key("Messages", "Topics and queues")
        serve_logs(self.logs, settings.prefix)
        self._serve_trail(settings.prefix)
        serve_messages(self.messages, settings.prefix)
        self.ring = KeyRing(
            lake=self.lake,
            models=self.models,
            stream=self.stream,
            secrets=self.secrets,
            logs=self.logs,
            messages=self.messages,
        )

    def _key(self, construct_id: str, description: str) -> kms.Key:
        base = self._settings.base
        return kms.Key(
            self,
            construct_id,
            description=f"{self._settings.prefix}: {description}",
            enable_key_rotation=True,
            pending_window=Duration.days(base.key_deletion_days),
            removal_policy=RemovalPolicy.RETAIN if base.keep_on_destroy else RemovalPolicy.DESTROY,
        )

    def _serve_trail(self, prefix: str) -> None:
        trail = trail_arn(prefix)
        allow(
            self.logs,
            "cloudtrail",
            ["kms:GenerateDataKey"],
            {"StringEquals": {"aws:SourceArn": trail, "kms:EncryptionContext:aws:cloudtrail:arn": trail}},
        )
        allow(self.logs, "cloudtrail", ["kms:DescribeKey"], {"StringEquals": {"aws:SourceArn": trail}})


def trail_arn(prefix: str) -> str:
    return arn("cloudtrail", f"trail/{prefix}-trail")
