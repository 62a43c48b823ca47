"""Monitor: compares captured answers with the labels that came in since; alarms on quality start a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from security import grants, requests
from security.jobs import ContainerNetwork, JobRole
from security.roles import arn
from stacks.operations.alarms import watch_model
from stacks.operations.definitions.monitoring import monitoring
from stacks.operations.deploy import endpoint_name
from stacks.operations.neighbours import Evaluate
from stacks.operations.platform import WorkflowPlatform


class Monitor(Construct):
    """
    workflow  plan, compare, publish metrics
    role      reads captures, features, the champion and its statistics; writes monitor/
    alarms    on what the metrics say of the model
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        platform: WorkflowPlatform,
        contract: Mapping[str, Any],
        network: ContainerNetwork,
        evaluate: Evaluate,
    ) -> None:
        super().__init__(scope, construct_id)
        self._platform, self._network = platform, network
        settings, steps, alerts = platform.settings, platform.steps, platform.alerts
        self.role = self._role(evaluate.code)
        self.workflow = platform.workflow(self, "monitor")
        functions = (steps.plan_run, steps.publish_metrics, steps.explain_failure)
        self.workflow.let_invoke(*(function.function_arn for function in functions))
        self.workflow.let_run_sagemaker("Processing", settings.prefix, self.role)
        self.workflow.let_publish(alerts.topic.topic_arn, platform.keys.messages)
        self.workflow.define(
            monitoring(
                steps.arns,
                self._request(evaluate.code),
                platform.report("Monitoring"),
                job_seconds=settings.evaluate.max_run_seconds,
            )
        )
        self.alarms = watch_model(alerts, endpoint_name(settings), contract["monitor"])

    def _role(self, programs: s3_assets.Asset) -> JobRole:
        platform, lake = self._platform, self._platform.lake
        role = JobRole(
            self,
            "Role",
            source_arn=arn("sagemaker", f"processing-job/{platform.settings.prefix}-*"),
            network=self._network,
            image_repository_arn=platform.image.repository_arn,
            volume_key=platform.keys.models,
            log_groups=["/aws/sagemaker/ProcessingJobs"],
        )
        role.read_file(programs)
        grants.read_objects(role, lake.captures, "captures/")
        grants.read_objects(role, lake.features, "features/")
        # The champion's statistics and the champion, for its attributions; the plan's manifests.
        grants.read_objects(role, lake.models, "runs/")
        grants.read_objects(role, lake.models, "monitor/")
        grants.write_objects(role, lake.models, "monitor/", in_parts=True)
        return role

    def _request(self, programs: s3_assets.Asset) -> dict[str, Any]:
        platform, settings = self._platform, self._platform.settings
        bucket = platform.lake.models.bucket_name
        return requests.processing(
            name=f"States.Format('{settings.prefix}-{{}}-monitor', $.plan.run_id)",
            role_arn=self.role.role_arn,
            image_uri=platform.image.uri,
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
                requests.job_input("champion", "$.plan.monitor.champion_uri"),
            ],
            outputs=[
                requests.job_output("report", f"States.Format('s3://{bucket}/monitor/{{}}', $.plan.through)")
            ],
            instance_type=settings.monitor.instance_type,
            volume_gb=settings.evaluate.volume_gb,
            max_seconds=settings.evaluate.max_run_seconds,
            key=platform.keys.models,
            network=self._network,
            tags=settings.tags("monitor"),
        )
