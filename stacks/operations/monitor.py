"""Monitor: compares captured answers with the labels that came in since; alarms on quality start a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from security import grants, requests
from security.images import Image
from security.jobs import JobNetwork, JobRole
from security.keys import KeyRing
from security.logs import LogKeeping
from security.roles import arn
from security.workflows import Workflow
from settings import Settings
from stacks.operations.alarms import watch_model
from stacks.operations.alerts import Alerts
from stacks.operations.definitions.monitoring import monitoring
from stacks.operations.definitions.parts import Report
from stacks.operations.deploy import endpoint_name
from stacks.operations.ledger import Ledger
from stacks.operations.neighbours import Evaluate, Lake
from stacks.operations.steps import Steps


class Monitor(Construct):
    """
    workflow  plan, compare, publish metrics
    role      reads captures, features and the champion's statistics; writes monitor/
    alarms    on what the metrics say of the model
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        keys: KeyRing,
        lake: Lake,
        logs: LogKeeping,
        steps: Steps,
        image: Image,
        alerts: Alerts,
        ledger: Ledger,
        contract: Mapping[str, Any],
        network: JobNetwork,
        evaluate: Evaluate,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings, self._lake, self._network = settings, lake, network
        programs = evaluate.code
        self.role = self._role(keys, image, programs)
        self.workflow = Workflow(
            self, "Workflow", name=f"{settings.prefix}-monitor", key=keys.messages, logs=logs
        )
        functions = (steps.plan_run, steps.publish_metrics, steps.explain_failure)
        self.workflow.let_invoke(*(function.function_arn for function in functions))
        self.workflow.let_run_sagemaker("Processing", settings.prefix, self.role)
        self.workflow.let_publish(alerts.topic.topic_arn, keys.messages)
        request = self._request(image, programs, keys)
        report = Report(table=ledger.table.table_name, topic=alerts.topic.topic_arn, workflow="Monitoring")
        self.workflow.define(
            monitoring(steps.arns, request, report, job_seconds=settings.evaluate.max_run_seconds)
        )
        self.alarms = watch_model(alerts, endpoint_name(settings), contract["monitor"])

    def _role(self, keys: KeyRing, image: Image, programs: s3_assets.Asset) -> JobRole:
        role = JobRole(
            self,
            "Role",
            source_arn=arn("sagemaker", f"processing-job/{self._settings.prefix}-*"),
            network=self._network,
            image_repository_arn=image.repository_arn,
            volume_key=keys.models,
            log_groups=["/aws/sagemaker/ProcessingJobs"],
        )
        role.read_file(programs)
        grants.read_objects(role, self._lake.captures, "captures/")
        grants.read_objects(role, self._lake.features, "features/")
        # The champion's statistics; the manifests that the plan wrote.
        grants.read_objects(role, self._lake.models, "runs/")
        grants.read_objects(role, self._lake.models, "monitor/")
        grants.write_objects(role, self._lake.models, "monitor/")
        return role

    def _request(self, image: Image, programs: s3_assets.Asset, keys: KeyRing) -> dict[str, Any]:
        settings, bucket = self._settings, self._lake.models.bucket_name
        return requests.processing(
            name=f"States.Format('{settings.prefix}-{{}}-monitor', $.plan.run_id)",
            role_arn=self.role.role_arn,
            image_uri=image.uri,
            program="monitor",
            arguments={
                "run_id": "$.plan.run_id",
                "start": "$.plan.monitor.start",
                "end": "$.plan.monitor.end",
                "through": "$.plan.through",
                "endpoint": f"'{endpoint_name(settings)}'",
            },
            code=programs,
            inputs=[
                requests.job_input("captures", "$.plan.monitor.captures_manifest", "ManifestFile"),
                requests.job_input("features", "$.plan.monitor.features_manifest", "ManifestFile"),
                requests.job_input("baseline", "$.plan.monitor.baseline_uri"),
            ],
            outputs=[
                requests.job_output("report", f"States.Format('s3://{bucket}/monitor/{{}}', $.plan.through)")
            ],
            instance_type=settings.monitor.instance_type,
            volume_gb=settings.evaluate.volume_gb,
            max_seconds=settings.evaluate.max_run_seconds,
            key=keys.models,
            network=self._network,
            tags=settings.tags("monitor"),
        )
