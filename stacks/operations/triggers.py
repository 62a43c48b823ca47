"""Triggers: what starts the state machines without a person. A start that fails goes to the dead letters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from security import grants
from security.roles import ServiceRole, arn
from security.workflows import Workflow
from settings import Settings
from stacks.operations.alerts import Alerts
from stacks.operations.neighbours import Transform

# EventBridge Scheduler puts the time of the schedule there: data windows depend on it, not on the clock.
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
GIVE_UP_SECONDS = 6 * 3600


class Triggers(Construct):
    """
    schedules  refresh, retrain, monitor
    on_drift   an alarm on the model's quality -> a run
    on_job     a Glue job that failed -> a message
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        key: kms.IKey,
        dead_letters: sqs.IQueue,
        retrain: Workflow,
        monitor: Workflow,
        quality_alarms: Sequence[cloudwatch.IAlarm],
        alerts: Alerts,
        transform: Transform,
    ) -> None:
        super().__init__(scope, construct_id)
        plan = settings.retrain
        self.schedules = Schedules(
            self,
            "Schedules",
            prefix=settings.prefix,
            is_on=plan.is_scheduled,
            dead_letters=dead_letters,
            key=key,
        )
        self.schedules.start("Refresh", retrain, plan.refresh_schedule, "refresh")
        self.schedules.start("Retrain", retrain, plan.retrain_schedule, "retrain")
        self.schedules.start("Monitor", monitor, settings.monitor.schedule, "monitor")
        self.on_drift = OnDrift(
            self,
            "OnDrift",
            workflow=retrain,
            alarms=quality_alarms,
            dead_letters=dead_letters,
            is_on=plan.retrains_on_drift,
        )
        jobs = (transform.clean, transform.quality, transform.features)
        self.on_job = OnJobFailure(
            self,
            "OnJobFailure",
            job_names=[job.name for job in jobs],
            topic_arn=alerts.topic.topic_arn,
            dead_letters=dead_letters,
        )


class Schedules(Construct):
    """One group, one role per state machine; switched off, the schedules stay visible."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        prefix: str,
        is_on: bool,
        dead_letters: sqs.IQueue,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        self._prefix, self._is_on, self._dead_letters, self._key = prefix, is_on, dead_letters, key
        self._group = scheduler.CfnScheduleGroup(self, "Group", name=f"{prefix}-schedules")
        self._roles: dict[str, ServiceRole] = {}

    def start(self, construct_id: str, workflow: Workflow, expression: str, action: str) -> None:
        schedule = scheduler.CfnSchedule(
            self,
            construct_id,
            group_name=self._group.ref,
            description=f"{self._prefix}: {action}",
            schedule_expression=expression,
            schedule_expression_timezone="UTC",
            state="ENABLED" if self._is_on else "DISABLED",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            kms_key_arn=self._key.key_arn,
            target=scheduler.CfnSchedule.TargetProperty(
                arn=workflow.arn,
                role_arn=self._role(workflow).role_arn,
                input=json.dumps({"trigger": "schedule", "action": action, "time": SCHEDULED_TIME}),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(
                    arn=self._dead_letters.queue_arn
                ),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=GIVE_UP_SECONDS, maximum_retry_attempts=20
                ),
            ),
        )
        schedule.node.add_dependency(self._role(workflow), workflow)

    def _role(self, workflow: Workflow) -> ServiceRole:
        if workflow.name not in self._roles:
            role = ServiceRole(
                self,
                # Without the profile: the same construct has the same path in each.
                "Starts" + workflow.name.removeprefix(f"{self._prefix}-").capitalize(),
                service="scheduler",
                source_arn=arn("scheduler", f"schedule-group/{self._prefix}-schedules"),
            )
            workflow.let_start(role)
            grants.send_messages(role, self._dead_letters, self._key)
            grants.use_key(role, self._key, ["kms:Decrypt"], through="scheduler")
            self._roles[workflow.name] = role
        return self._roles[workflow.name]


class OnDrift(Construct):
    """An alarm on the model's quality starts a run; the alarm's time says which data it may use."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        workflow: Workflow,
        alarms: Sequence[cloudwatch.IAlarm],
        dead_letters: sqs.IQueue,
        is_on: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        rules = arn("events", f"rule/{Stack.of(self).stack_name}-*")
        role = ServiceRole(self, "Role", service="events", source_arn=rules)
        workflow.let_start(role)
        pattern: dict[str, Any] = {
            "source": ["aws.cloudwatch"],
            "detail-type": ["CloudWatch Alarm State Change"],
            "resources": [alarm.alarm_arn for alarm in alarms],
            "detail": {"state": {"value": ["ALARM"]}},
        }
        rule = events.CfnRule(
            self,
            "Rule",
            description="The model's quality is below what the contract asks for",
            event_pattern=pattern,
            state="ENABLED" if is_on else "DISABLED",
            targets=[
                events.CfnRule.TargetProperty(
                    id="Retrain",
                    arn=workflow.arn,
                    role_arn=role.role_arn,
                    input_transformer=events.CfnRule.InputTransformerProperty(
                        input_paths_map={"time": "$.time", "alarm": "$.detail.alarmName"},
                        input_template=(
                            '{"trigger": "drift", "action": "retrain", "time": <time>, "alarm": <alarm>}'
                        ),
                    ),
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=dead_letters.queue_arn),
                    retry_policy=events.CfnRule.RetryPolicyProperty(
                        maximum_event_age_in_seconds=GIVE_UP_SECONDS, maximum_retry_attempts=20
                    ),
                )
            ],
        )
        rule.node.add_dependency(role, workflow)


class OnJobFailure(Construct):
    """A Glue job that failed or ran too long is told at once, also when a person started it."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job_names: Sequence[str],
        topic_arn: str,
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        events.CfnRule(
            self,
            "Rule",
            description="A transform job failed",
            event_pattern={
                "source": ["aws.glue"],
                "detail-type": ["Glue Job State Change"],
                "detail": {"jobName": list(job_names), "state": ["FAILED", "TIMEOUT", "ERROR"]},
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="Tell",
                    arn=topic_arn,
                    input_transformer=events.CfnRule.InputTransformerProperty(
                        input_paths_map={
                            "job": "$.detail.jobName",
                            "run": "$.detail.jobRunId",
                            "state": "$.detail.state",
                            "message": "$.detail.message",
                        },
                        input_template='"transform: job <job>, run <run>, ended as <state>: <message>"',
                    ),
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=dead_letters.queue_arn),
                )
            ],
        )
