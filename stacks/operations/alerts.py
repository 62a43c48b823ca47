"""Alerts: where people are told; alarms have names that say alone what is wrong, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Annotations, Aws, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from security.roles import BUDGETS, arn
from settings import Settings

OVER = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
UNDER = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
QUIET = cloudwatch.TreatMissingData.NOT_BREACHING


Measured = cloudwatch.Metric | cloudwatch.MathExpression


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What the dashboard draws of an alarm: above or below which value of a metric's period it rings."""

    name: str
    value: float
    is_lower: bool
    minutes: float


class Alerts(Construct):
    """
    topic   encrypted; alarms, the budget, rules and state machines publish to it
    alarms  by stage, in the order they were made; limits: of each, for the dashboard
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, key: kms.IKey) -> None:
        super().__init__(scope, construct_id)
        self._prefix = settings.prefix
        self.alarms: dict[str, list[cloudwatch.Alarm]] = {}
        self.limits: dict[str, list[Limit]] = {}
        self.topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True, display_name=settings.prefix)
        ours = {
            "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
            "ArnLike": {"aws:SourceArn": arn("cloudwatch", f"alarm:{settings.prefix} *")},
        }
        # Budgets are the account's, in no Region.
        budgets = {
            "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
            "ArnLike": {"aws:SourceArn": BUDGETS},
        }
        # EventBridge sends topics nothing that a condition could ask for: docs/decisions/0042-no-source.md
        for service, conditions in (("cloudwatch", ours), ("budgets", budgets), ("events", None)):
            self.topic.add_to_resource_policy(
                iam.PolicyStatement(
                    actions=["sns:Publish"],
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    resources=[self.topic.topic_arn],
                    conditions=conditions,
                )
            )
        if not settings.monitor.emails:
            Annotations.of(self).add_warning_v2(
                "alerts-without-address",
                "alarms reach nobody: give monitor.emails an address in settings.py before you deploy",
            )
        for address in settings.monitor.emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(address))

    def alarm(
        self,
        stage: str,
        title: str,
        measured: Measured,
        threshold: float,
        *,
        when: cloudwatch.ComparisonOperator = OVER,
        periods: int = 1,
        missing: cloudwatch.TreatMissingData = QUIET,
        why: str,
    ) -> cloudwatch.Alarm:
        """`title` is the alarm's line in docs/operations.md; `why` goes into the message."""
        alarm = cloudwatch.Alarm(
            self,
            "".join(word.capitalize() for word in f"{stage} {title}".replace("-", " ").split()),
            # Named, because people read it and the endpoint's roll-back refers to it.
            alarm_name=f"{self._prefix} {stage}: {title}",
            alarm_description=f"{why} What to do: docs/operations.md",
            metric=measured,
            threshold=threshold,
            comparison_operator=when,
            evaluation_periods=periods,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))
        self.alarms.setdefault(stage, []).append(alarm)
        limit = Limit(
            name=name_of(measured),
            value=threshold,
            is_lower=when is UNDER,
            minutes=measured.period.to_minutes(),
        )
        self.limits.setdefault(stage, []).append(limit)
        return alarm


def name_of(measured: Measured) -> str:
    """Of what is computed, its label."""
    return measured.metric_name if isinstance(measured, cloudwatch.Metric) else measured.label or ""


def metric(
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    *,
    statistic: str = "Sum",
    minutes: int = 5,
    label: str | None = None,
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dict(dimensions),
        statistic=statistic,
        period=Duration.minutes(minutes),
        label=label,
    )
