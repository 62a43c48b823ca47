"""Keys: one per kind of data, rotated, each usable by the services that need it and by nobody else's."""

from __future__ import annotations

from typing import Any

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from security.keys import KeyRing
from security.roles import BUDGETS, arn
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
        self._serve_logs(settings.prefix)
        self._serve_trail(settings.prefix)
        self._serve_messages(settings.prefix)
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

    def _serve_logs(self, prefix: str) -> None:
        """Neither the CDK nor CloudFormation adds this; without it no log group can be made."""
        groups = [arn("logs", f"log-group:{prefix}-*"), arn("logs", f"log-group:/aws/*/{prefix}-*")]
        _allow(
            self.logs,
            f"logs.{Aws.REGION}",
            [
                "kms:Encrypt",
                "kms:Decrypt",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
                "kms:GenerateDataKey",
                "kms:DescribeKey",
            ],
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )

    def _serve_trail(self, prefix: str) -> None:
        trail = trail_arn(prefix)
        _allow(
            self.logs,
            "cloudtrail",
            ["kms:GenerateDataKey"],
            {"StringEquals": {"aws:SourceArn": trail, "kms:EncryptionContext:aws:cloudtrail:arn": trail}},
        )
        _allow(self.logs, "cloudtrail", ["kms:DescribeKey"], {"StringEquals": {"aws:SourceArn": trail}})

    def _serve_messages(self, prefix: str) -> None:
        """Alarms and budgets publish to the encrypted topic, rules to the topic and the encrypted queues."""
        actions = ["kms:Decrypt", "kms:GenerateDataKey"]
        ours: dict[str, Any] = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        _allow(self.messages, "cloudwatch", actions, ours)
        _allow(self.messages, "budgets", actions, ours | {"ArnLike": {"aws:SourceArn": BUDGETS}})
        # EventBridge sends a key no source (decision 42): what narrows it is which topic or queue it is for.
        for service, name in (("sns", "topicArn"), ("sqs", "arn")):
            named = {f"kms:EncryptionContext:aws:{service}:{name}": arn(service, f"{prefix}-*")}
            _allow(self.messages, "events", actions, {"ArnLike": named})


def trail_arn(prefix: str) -> str:
    return arn("cloudtrail", f"trail/{prefix}-trail")


def _allow(key: kms.Key, service: str, actions: list[str], conditions: dict[str, Any]) -> None:
    key.add_to_resource_policy(
        iam.PolicyStatement(
            actions=actions,
            principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
            resources=["*"],  # in a key policy: this key
            conditions=conditions,
        )
    )
