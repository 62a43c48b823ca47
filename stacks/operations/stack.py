"""Operations: deploy -> monitor -> retrain. May be destroyed overnight; data and registry stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import CfnOutput, Stack, Tags
from aws_cdk import aws_iam as iam
from constructs import Construct

from security.functions import FunctionPlatform
from security.images import Image
from security.jobs import ContainerNetwork
from security.keys import KeyRing
from security.workflows import WorkflowPolicy
from settings import Settings
from stacks.operations.alarms import watch, watch_endpoint
from stacks.operations.alerts import Alerts
from stacks.operations.budget import Budget
from stacks.operations.bulk_score import BulkScore
from stacks.operations.dashboard import Dashboard
from stacks.operations.deploy import Deploy, endpoint_name
from stacks.operations.ledger import Ledger
from stacks.operations.limits import watch_limits
from stacks.operations.monitor import Monitor
from stacks.operations.neighbours import Data, Model
from stacks.operations.platform import WorkflowPlatform
from stacks.operations.retrain import Retrain
from stacks.operations.steps import Steps
from stacks.operations.tampering import Tampering
from stacks.operations.triggers import Triggers


class OperationsStack(Stack):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        contract: Mapping[str, Any],
        keys: KeyRing,
        functions: FunctionPlatform,
        training: ContainerNetwork,
        serving: ContainerNetwork,
        data: Data,
        model: Model,
        boundary: iam.IManagedPolicy,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=settings.stack_name("operations"),
            termination_protection=settings.base.keep_on_destroy,
        )
        iam.PermissionsBoundary.of(self).apply(boundary)
        image = Image(self, "Image")
        self.alerts = Alerts(self, "Alerts", settings=settings, key=keys.messages)
        self.budget = Budget(self, "Budget", usd=settings.monitor.budget_usd, topic=self.alerts.topic)
        guards = watch_endpoint(self.alerts, settings, endpoint_name(settings))
        self.ledger = Ledger(self, "Ledger", settings=settings, key=keys.messages)
        self.deploy = Deploy(
            self,
            "Deploy",
            settings=settings,
            keys=keys,
            lake=data.lake,
            contract=contract,
            functions=functions,
            network=serving,
            image=image,
            evaluate=model.evaluate,
            alarms=guards,
            store=data.feature_store,
        )
        self.steps = Steps(
            self,
            "Steps",
            settings=settings,
            keys=keys,
            lake=data.lake,
            contract=contract,
            functions=functions,
            ledger=self.ledger,
            deploy=self.deploy,
            store=data.feature_store,
        )
        platform = WorkflowPlatform(
            settings=settings,
            keys=keys,
            lake=data.lake,
            logs=functions.logs,
            steps=self.steps,
            image=image,
            alerts=self.alerts,
            ledger=self.ledger,
            watching=WorkflowPolicy(self, "Workflows"),
        )
        self.monitor = Monitor(
            self,
            "Monitor",
            platform=platform,
            contract=contract,
            network=training,
            evaluate=model.evaluate,
        )
        self.retrain = Retrain(
            self,
            "Retrain",
            platform=platform,
            network=serving,
            deploy=self.deploy,
            guards=guards,
            transform=data.transform,
            model=model,
            contract=contract,
        )
        self.bulk_score = BulkScore(self, "BulkScore", platform=platform, deploy=self.deploy)
        self.triggers = Triggers(
            self,
            "Triggers",
            settings=settings,
            key=keys.messages,
            dead_letters=functions.dead_letters,
            retrain=self.retrain.workflow,
            monitor=self.monitor.workflow,
            quality_alarms=self.monitor.alarms,
            alerts=self.alerts,
            transform=data.transform,
        )
        self.tampering = Tampering(
            self,
            "Tampering",
            settings=settings,
            keys=keys,
            alerts=self.alerts,
            dead_letters=functions.dead_letters,
        )
        workflows = {
            "Retrain": self.retrain.workflow.arn,
            "Monitor": self.monitor.workflow.arn,
            "BulkScore": self.bulk_score.workflow.arn,
        }
        watch(self.alerts, settings, data.ingest, functions.dead_letters, workflows)
        watch_limits(self.alerts, settings, data.ingest)
        if not settings.is_paused:
            Dashboard(
                self,
                "Dashboard",
                settings=settings,
                alerts=self.alerts,
                ingest=data.ingest,
                dead_letters=functions.dead_letters,
                workflows=workflows,
            )
        self._tag_and_name()
        if data.feature_store is not None:
            CfnOutput(self, "FeatureGroups", value=self.steps.feature_groups(data.feature_store))

    def _tag_and_name(self) -> None:
        for stage, construct in (
            ("deploy", self.deploy),
            ("deploy", self.bulk_score),
            ("monitor", self.monitor),
            ("monitor", self.alerts),
            ("monitor", self.budget),
            ("monitor", self.tampering),
            ("retrain", self.retrain),
            ("retrain", self.steps),
            ("retrain", self.ledger),
            ("retrain", self.triggers),
        ):
            Tags.of(construct).add("stage", stage)
        values = {
            "AlertTopicArn": self.alerts.topic.topic_arn,
            "BulkScoreStateMachineArn": self.bulk_score.workflow.arn,
            "ChampionParameterName": self.deploy.champion.parameter_name,
            "ClientRoleArn": self.deploy.client.role_arn,
            "EndpointName": self.deploy.endpoint_name,
            "LedgerTableName": self.ledger.table.table_name,
            "MonitorStateMachineArn": self.monitor.workflow.arn,
            "RetrainStateMachineArn": self.retrain.workflow.arn,
        }
        for name, value in values.items():
            CfnOutput(self, name, value=value)
