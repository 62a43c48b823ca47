"""Trail: who did what, in every Region, and who touched which object of the lake; nobody can edit it."""

from __future__ import annotations

from typing import Any

from aws_cdk import Aws, Duration
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from security import grants
from security.buckets import BucketKeeping, PrivateBucket
from security.logs import LogKeeping, PrivateLogGroup
from security.roles import ServiceRole
from settings import Settings
from stacks.base.keys import Keys, trail_arn


class Trail(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        keys: Keys,
        keeping: BucketKeeping,
        logs: LogKeeping,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._arn = trail_arn(settings.prefix)
        bucket = self._bucket(keys, keeping)
        group = PrivateLogGroup(self, "Logs", keeping=logs)
        # It sends no source with this role: docs/decisions/0042-no-source.md
        role = ServiceRole(self, "Role", service="cloudtrail", sends_source=False)
        grants.allow(role, ["logs:CreateLogStream", "logs:PutLogEvents"], [group.log_group_arn])
        trail = cloudtrail.CfnTrail(
            self,
            "Trail",
            # Named, because the key's and the bucket's policies name it and it needs both to exist.
            trail_name=f"{settings.prefix}-trail",
            is_logging=True,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            s3_bucket_name=bucket.bucket_name,
            kms_key_id=keys.logs.key_arn,
            cloud_watch_logs_log_group_arn=group.log_group_arn,
            cloud_watch_logs_role_arn=role.role_arn,
            advanced_event_selectors=_selectors(settings),
        )
        trail.node.add_dependency(role, bucket)

    def _bucket(self, keys: Keys, keeping: BucketKeeping) -> s3.Bucket:
        base = self._settings.base
        days = Duration.days(base.trail_retention_days)
        bucket = PrivateBucket(
            self,
            "Bucket",
            key=keys.logs,
            keeping=keeping,
            lifecycle_rules=[s3.LifecycleRule(id="expire", expiration=days)],
            object_lock_default_retention=s3.ObjectLockRetention.governance(days)
            if base.trail_is_locked
            else None,
        )
        principal = iam.ServicePrincipal("cloudtrail.amazonaws.com")
        source: dict[str, Any] = {"aws:SourceArn": self._arn}
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["s3:GetBucketAcl"],
                principals=[principal],
                resources=[bucket.bucket_arn],
                conditions={"StringEquals": source},
            )
        )
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["s3:PutObject"],
                principals=[principal],
                resources=[bucket.arn_for_objects(f"AWSLogs/{Aws.ACCOUNT_ID}/*")],
                conditions={"StringEquals": {**source, "s3:x-amz-acl": "bucket-owner-full-control"}},
            )
        )
        return bucket


def _selectors(settings: Settings) -> list[cloudtrail.CfnTrail.AdvancedEventSelectorProperty]:
    field = cloudtrail.CfnTrail.AdvancedFieldSelectorProperty
    selector = cloudtrail.CfnTrail.AdvancedEventSelectorProperty
    # The stacks' buckets come later, under names that begin with the stack's; copies lie in another Region,
    # of which this trail hears too.
    stacks = ["data", *(["standby"] if settings.second_region else [])]
    buckets = [f"arn:{Aws.PARTITION}:s3:::{settings.stack_name(stack)}-" for stack in stacks]
    return [
        selector(
            name="Management events", field_selectors=[field(field="eventCategory", equal_to=["Management"])]
        ),
        selector(
            name="Objects of the lake",
            field_selectors=[
                field(field="eventCategory", equal_to=["Data"]),
                field(field="resources.type", equal_to=["AWS::S3::Object"]),
                field(field="resources.ARN", starts_with=buckets),
            ],
        ),
    ]
