"""The keys of a deployment, one per kind of data; stacks/base/keys.py says who may use them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from security.roles import BUDGETS, arn


@dataclass(frozen=True, kw_only=True)
class KeyRing:
    lake: kms.IKey
    models: kms.IKey
    stream: kms.IKey
    secrets: kms.IKey
    logs: kms.IKey
    messages: kms.IKey

    @property
    def all(self) -> tuple[kms.IKey, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))


def serve_logs(key: kms.Key, prefix: str) -> None:
    """Neither the CDK nor CloudFormation adds this; without it no log group can be made."""
    groups = [arn("logs", f"log-group:{prefix}-*"), arn("logs", f"log-group:/aws/*/{prefix}-*")]
    allow(
        key,
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


def serve_messages(key: kms.Key, prefix: str) -> None:
    """Alarms and budgets publish to the encrypted topic, rules to the topic and the encrypted queues."""
    actions = ["kms:Decrypt", "kms:GenerateDataKey"]
    ours: dict[str, Any] = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
    allow(key, "cloudwatch", actions, ours)
    allow(key, "budgets", actions, ours | {"ArnLike": {"aws:SourceArn": BUDGETS}})
    # EventBridge sends a key no source (decision 42): what narrows it is which topic or queue it is for.
    for service, name in (("sns", "topicArn"), ("sqs", "arn")):
        named = {f"kms:EncryptionContext:aws:{service}:{name}": arn(service, f"{prefix}-*")}
        allow(key, "events", actions, {"ArnLike": named})


def allow(key: kms.Key, service: str, actions: list[str], conditions: dict[str, Any]) -> None:
    """A service uses the key, under these circumstances."""
    key.add_to_resource_policy(
        iam.PolicyStatement(
            actions=actions,
            principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
            resources=["*"],  # in a key policy: this key
            conditions=conditions,
        )
    )
