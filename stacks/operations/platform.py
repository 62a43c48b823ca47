"""What the stages of operations that have a workflow share: made in the stack, once."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_iam as iam
from constructs import Construct

from security.images import Image
from security.keys import KeyRing
from security.logs import LogKeeping
from security.workflows import Workflow
from settings import Settings
from stacks.operations.alerts import Alerts
from stacks.operations.definitions.parts import Report
from stacks.operations.ledger import Ledger
from stacks.operations.neighbours import Lake
from stacks.operations.steps import Steps


@dataclass(frozen=True, kw_only=True)
class WorkflowPlatform:
    """What every workflow of this deployment stands on."""

    settings: Settings
    keys: KeyRing
    lake: Lake
    logs: LogKeeping
    steps: Steps
    image: Image
    alerts: Alerts
    ledger: Ledger
    watching: iam.IManagedPolicy

    def workflow(self, scope: Construct, name: str) -> Workflow:
        return Workflow(
            scope,
            "Workflow",
            name=f"{self.settings.prefix}-{name}",
            key=self.keys.messages,
            logs=self.logs,
            watching=self.watching,
        )

    def report(self, workflow: str) -> Report:
        """Where a run that ends leaves its outcome, under this name."""
        return Report(
            table=self.ledger.table.table_name, topic=self.alerts.topic.topic_arn, workflow=workflow
        )
