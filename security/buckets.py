"""Buckets that are private: our key and no other, TLS 1.2, versioned, logged, content only by known ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The ways to a bucket's content; everything else is denied, whatever a policy allows.

    endpoint_id  the VPC's gateway endpoint for S3
    roles        ARNs (patterns) of roles that work outside the VPC: an AWS service's delivery, people's roles
    services     AWS services that read for a person who may, for example "athena"

    Listing and deleting are left to identity policies: emptying a bucket is administration, done from
    outside."""

    endpoint_id: str
    roles: Sequence[str] = field(default=())
    services: Sequence[str] = field(default=())


@dataclass(frozen=True, kw_only=True)
class BucketKeeping:
    """How this deployment keeps its buckets; made once, in the base stack."""

    access_logs: s3.IBucket
    removal_policy: RemovalPolicy
    superseded_days: int  # earlier versions, and parts of uploads that never ended


class PrivateBucket(s3.Bucket):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        keeping: BucketKeeping,
        reach: Reach | None = None,
        lifecycle_rules: Sequence[s3.LifecycleRule] = (),
        notifies: bool = False,
        **kwargs: Any,
    ) -> None:
        """`notifies`: EventBridge hears of every object. `reach` is left out only where AWS services alone
        write. A copy takes the original's `expiry`: a property that the L2 does not tell again.
        """
        self.expiry = tuple(lifecycle_rules)
        super().__init__(
            scope,
            construct_id,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            bucket_key_enabled=True,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            enforce_ssl=True,
            lifecycle_rules=[*lifecycle_rules, tidy(keeping.superseded_days)],
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=keeping.removal_policy,
            versioned=True,
            **kwargs,
        )
        resource = cast(s3.CfnBucket, self.node.default_child)
        # As a property of the resource: the L2 would write a statement about this bucket into the log
        # bucket's policy, which for a log bucket of another stack is a circle.
        resource.logging_configuration = s3.CfnBucket.LoggingConfigurationProperty(
            destination_bucket_name=keeping.access_logs.bucket_name,
            log_file_prefix=f"{construct_id.lower()}/",
        )
        if notifies:
            # As a property too: the L2 brings a custom resource with a function to set it.
            resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
                event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                    event_bridge_enabled=True
                )
            )
        self._deny_other_keys(key)
        if reach is not None:
            self._deny_other_ways(reach)

    def _deny(self, sid: str, actions: list[str], conditions: dict[str, Any]) -> None:
        self.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=actions,
                resources=[self.arn_for_objects("*")],
                conditions=conditions,
            )
        )

    def _deny_other_keys(self, key: kms.IKey) -> None:
        """A request that names no encryption gets our key by default; one that names another is refused."""
        asked = "s3:x-amz-server-side-encryption"
        self._deny(
            "DenyOtherEncryption",
            ["s3:PutObject"],
            {"Null": {asked: "false"}, "StringNotEquals": {asked: "aws:kms"}},
        )
        self._deny(
            "DenyOtherKeys",
            ["s3:PutObject"],
            {
                "Null": {f"{asked}-aws-kms-key-id": "false"},
                "StringNotEquals": {f"{asked}-aws-kms-key-id": key.key_arn},
            },
        )
        self._deny("DenyCustomerKeys", ["s3:PutObject"], {"Null": {f"{asked}-customer-algorithm": "false"}})

    def _deny_other_ways(self, reach: Reach) -> None:
        conditions: dict[str, Any] = {
            "StringNotEquals": {"aws:SourceVpce": reach.endpoint_id},
            # Deliveries by AWS itself (no role of ours), each allowed by a statement of its own.
            "Bool": {"aws:PrincipalIsAWSService": "false"},
        }
        if reach.roles:
            conditions["ArnNotLike"] = {"aws:PrincipalArn": list(reach.roles)}
        if reach.services:
            # True also when the key is absent: a direct call is denied.
            conditions["ForAllValues:StringNotEquals"] = {
                "aws:CalledVia": [f"{service}.amazonaws.com" for service in reach.services]
            }
        self._deny("DenyOtherWays", ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], conditions)


def tidy(superseded_days: int) -> s3.LifecycleRule:
    return s3.LifecycleRule(
        id="tidy",
        abort_incomplete_multipart_upload_after=Duration.days(superseded_days),
        expired_object_delete_marker=True,
        noncurrent_version_expiration=Duration.days(superseded_days),
    )


def access_log_bucket(
    scope: Construct,
    construct_id: str,
    *,
    prefix: str,
    retention_days: int,
    superseded_days: int,
    removal_policy: RemovalPolicy,
) -> s3.Bucket:
    """Where S3 writes who asked for which object; S3's own keys, see docs/decisions/0006-access-log-
    encryption.md.
    """
    bucket = s3.Bucket(
        scope,
        construct_id,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        removal_policy=removal_policy,
        versioned=True,
        lifecycle_rules=[
            s3.LifecycleRule(
                id="expire",
                expiration=Duration.days(retention_days),
                noncurrent_version_expiration=Duration.days(superseded_days),
            )
        ],
    )
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["s3:PutObject"],
            principals=[iam.ServicePrincipal("logging.s3.amazonaws.com")],
            resources=[bucket.arn_for_objects("*")],
            conditions={
                "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                "ArnLike": {"aws:SourceArn": f"arn:{Aws.PARTITION}:s3:::{prefix}-*"},
            },
        )
    )
    return bucket
