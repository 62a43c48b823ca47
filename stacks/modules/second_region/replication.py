"""Replication, in the first Region: S3's rules on the lake's buckets, what its role reads, the champion's
name among the models, and an alarm for what could not be copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from aws_cdk import Aws, CfnOutput, CfnRule, CfnRuleAssertion, Duration, Fn, Stack, Tags
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

import bundles
from security import grants
from security.functions import FunctionPlatform, ScopedFunction
from security.keys import KeyRing
from security.roles import REGION
from settings import SecondRegionSettings, Settings
from stacks.modules.second_region.names import CHAMPION_KEY, PREFIXES, Lake, Places, key_of, places

MINUTES = 15  # S3 knows no other time
SAME_REGION = (
    "The second Region is the one that is being deployed to. Give second_region.region in settings.py "
    "another Region than the one of your credentials, or deploy from another Region."
)


class OtherRegion(CfnRule):
    """Of the stack that is deployed first: synthesis does not know where that will be."""

    def __init__(self, scope: Construct, construct_id: str, *, second: SecondRegionSettings) -> None:
        differs = Fn.condition_not(Fn.condition_equals(Aws.REGION, second.region))
        super().__init__(
            scope,
            construct_id,
            assertions=[CfnRuleAssertion(assert_=differs, assert_description=SAME_REGION)],
        )
        # For the commands: where to look for the other half.
        CfnOutput(scope, "SecondRegion", value=second.region)


def replicate(lake: Lake, settings: Settings, second: SecondRegionSettings) -> None:
    """Tell the lake's buckets to copy themselves; they are versioned, which S3 demands on both sides."""
    where = places(settings, second)
    for zone, prefixes in PREFIXES.items():
        bucket = cast(s3.CfnBucket, getattr(lake, zone).node.default_child)
        is_timed = second.has_time_control or zone == "models"
        bucket.replication_configuration = s3.CfnBucket.ReplicationConfigurationProperty(
            role=where.replication_role_arn,
            rules=[
                _rule(where, zone, prefix, priority, is_timed=is_timed)
                for priority, prefix in enumerate(prefixes, 1)
            ],
        )


def _rule(
    where: Places, zone: str, prefix: str, priority: int, *, is_timed: bool
) -> s3.CfnBucket.ReplicationRuleProperty:
    of = s3.CfnBucket
    limit = of.ReplicationTimeValueProperty(minutes=MINUTES)
    return of.ReplicationRuleProperty(
        id=rule_id(prefix),
        status="Enabled",
        priority=priority,
        filter=of.ReplicationRuleFilterProperty(prefix=prefix),
        # A deletion in the first Region, by mistake or by malice, stays there.
        delete_marker_replication=of.DeleteMarkerReplicationProperty(status="Disabled"),
        source_selection_criteria=of.SourceSelectionCriteriaProperty(
            sse_kms_encrypted_objects=of.SseKmsEncryptedObjectsProperty(status="Enabled")
        ),
        destination=of.ReplicationDestinationProperty(
            bucket=where.bucket_arn(zone),
            encryption_configuration=of.EncryptionConfigurationProperty(
                replica_kms_key_id=where.alias_arn(key_of(zone))
            ),
            # Without metrics nobody learns of what was not copied.
            metrics=of.MetricsProperty(status="Enabled", event_threshold=limit if is_timed else None),
            replication_time=of.ReplicationTimeProperty(status="Enabled", time=limit) if is_timed else None,
        ),
    )


def rule_id(prefix: str) -> str:
    return f"copy-{prefix.rstrip('/') or 'all'}"


class ReplicationStack(Stack):
    """After operations, whose champion it follows."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        second: SecondRegionSettings,
        contract: Mapping[str, Any],
        lake: Lake,
        keys: KeyRing,
        functions: FunctionPlatform,
        champion: ssm.IStringParameter,
        topic: sns.ITopic,
        boundary: iam.IManagedPolicy,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=settings.stack_name("replication"),
            termination_protection=settings.base.keep_on_destroy,
        )
        iam.PermissionsBoundary.of(self).apply(boundary)
        Tags.of(self).add("stage", "standby")
        self._settings, self._lake, self._keys = settings, lake, keys
        self._places = places(settings, second)
        self._let_read()
        self._let_carry()
        self.function = self._publish(contract, functions, champion)
        self._follow(functions, champion)
        self._watch(topic)

    def _let_read(self) -> None:
        """What S3's role may do with the originals; the role stands in the other Region."""
        policy = self._for("Originals", self._places.replication_role, "What S3 may read to copy it")
        for zone, prefixes in PREFIXES.items():
            bucket: s3.Bucket = getattr(self._lake, zone)
            key = self._key(zone)
            objects = [bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes]
            policy.add_statements(
                iam.PolicyStatement(
                    actions=["s3:GetReplicationConfiguration", "s3:ListBucket"], resources=[bucket.bucket_arn]
                ),
                iam.PolicyStatement(
                    actions=["s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication"],
                    resources=objects,
                ),
                _with_key(key, ["kms:Decrypt"], bucket),
            )

    def _let_carry(self) -> None:
        captures = self._lake.captures
        policy = self._for("Captures", self._places.carrier_role, "Where captures are carried home to")
        below = {"StringLike": {"s3:prefix": ["captures/*", "captures"]}}
        policy.add_statements(
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=[captures.bucket_arn], conditions=below),
            iam.PolicyStatement(actions=["s3:PutObject"], resources=[captures.arn_for_objects("captures/*")]),
            _with_key(self._keys.models, ["kms:GenerateDataKey"], captures),
        )

    def _for(self, construct_id: str, role_name: str, description: str) -> iam.ManagedPolicy:
        role = iam.Role.from_role_name(self, f"{construct_id}Role", role_name)
        return iam.ManagedPolicy(self, construct_id, description=description, roles=[role])

    def _key(self, zone: str) -> kms.IKey:
        return self._keys.models if key_of(zone) == "models" else self._keys.lake

    def _publish(
        self, contract: Mapping[str, Any], platform: FunctionPlatform, champion: ssm.IStringParameter
    ) -> ScopedFunction:
        models = self._lake.models
        function = ScopedFunction(
            self,
            "PublishChampion",
            platform=platform,
            bundle=bundles.lambda_bundle("publish_champion", contract),
            package="publish_champion",
            environment={
                "CHAMPION_PARAMETER": champion.parameter_name,
                "CHAMPION_KEY": CHAMPION_KEY,
                "MODELS_BUCKET": models.bucket_name,
            },
            timeout=Duration.minutes(1),
        )
        folder = CHAMPION_KEY.rpartition("/")[0] + "/"
        grants.allow(function.scoped_role, ["ssm:GetParameter"], [champion.parameter_arn])
        grants.read_objects(function.scoped_role, models, folder)
        grants.write_objects(function.scoped_role, models, folder)
        return function

    def _follow(self, platform: FunctionPlatform, champion: ssm.IStringParameter) -> None:
        """At once when the parameter changes; by the hour, should an event have been missed, and for the
        champion that was there before this stack.
        """
        changed = {
            "source": ["aws.ssm"],
            "detail-type": ["Parameter Store Change"],
            "detail": {"name": [champion.parameter_name], "operation": ["Create", "Update"]},
        }
        self._call("OnPromotion", platform, event_pattern=changed)
        # A pause takes the endpoints away that the function calls through.
        state = "DISABLED" if self._settings.is_paused else "ENABLED"
        self._call("Hourly", platform, schedule_expression="rate(1 hour)", state=state)

    def _call(self, construct_id: str, platform: FunctionPlatform, **when: Any) -> None:
        rule = events.CfnRule(
            self,
            construct_id,
            description="The champion's name is put among the models, which are copied",
            targets=[
                events.CfnRule.TargetProperty(
                    id="PublishChampion",
                    arn=self.function.function_arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(
                        arn=platform.dead_letters.queue_arn
                    ),
                    retry_policy=events.CfnRule.RetryPolicyProperty(
                        maximum_event_age_in_seconds=6 * 3600, maximum_retry_attempts=20
                    ),
                )
            ],
            **when,
        )
        self.function.add_permission(
            construct_id, principal=iam.ServicePrincipal("events.amazonaws.com"), source_arn=rule.attr_arn
        )

    def _watch(self, topic: sns.ITopic) -> None:
        function = {"FunctionName": self.function.function_name}
        for name, title in (("Errors", "fails"), ("Throttles", "is throttled")):
            self._alarm(
                topic,
                f"telling the champion {title}",
                _metric("AWS/Lambda", name, function),
                "The second Region does not learn of a promotion: it would answer with an older model.",
            )
        for zone, rule, measured in self._failures():
            self._alarm(
                topic,
                f"{zone} is not copied ({rule})",
                measured,
                "S3 gave up copying objects to the second Region: they are lost when this one is.",
            )

    def _alarm(self, topic: sns.ITopic, title: str, measured: cloudwatch.Metric, why: str) -> None:
        """`title` is the alarm's line in docs/second-region.md; `why` goes into the message."""
        words = re.findall(r"\w+", title)
        alarm = cloudwatch.Alarm(
            self,
            "".join(word.capitalize() for word in words),
            # Named, because people read it.
            alarm_name=f"{self._settings.prefix} standby: {title}",
            alarm_description=f"{why} What to do: docs/second-region.md",
            metric=measured,
            threshold=0,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(topic))
        alarm.add_ok_action(actions.SnsAction(topic))

    def _failures(self) -> Iterator[tuple[str, str, cloudwatch.Metric]]:
        """Zone, rule, and how many operations failed: S3 counts them in the first Region."""
        for zone, prefixes in PREFIXES.items():
            for prefix in prefixes:
                about = {
                    "SourceBucket": getattr(self._lake, zone).bucket_name,
                    "DestinationBucket": self._places.bucket(zone),
                    "RuleId": rule_id(prefix),
                }
                yield zone, rule_id(prefix), _metric("AWS/S3", "OperationsFailedReplication", about)


def _metric(namespace: str, name: str, dimensions: Mapping[str, str]) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dict(dimensions),
        statistic="Sum",
        period=Duration.minutes(5),
    )


def _with_key(key: kms.IKey, actions: list[str], bucket: s3.Bucket) -> iam.PolicyStatement:
    """Through S3 alone, and for this bucket's own key alone."""
    same = {
        "kms:ViaService": f"s3.{REGION}.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": bucket.bucket_arn,
    }
    return iam.PolicyStatement(actions=actions, resources=[key.key_arn], conditions={"StringEquals": same})
