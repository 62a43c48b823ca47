"""Requests with which a model gets onto the endpoint: registry entry, model, configurations, the guard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_kms as kms

from security.jobs import JobNetwork
from security.requests import tag_list
from security.serving import SERVING, capture
from settings import DeploySettings, Settings

CHAMPION, CHALLENGER = "champion", "challenger"
CONTENT_TYPES = ("application/jsonlines", "application/json", "text/csv")


class ReleaseRequests:
    """Parameters of the calls; keys that end in `.$` are read from the run's state."""

    def __init__(
        self,
        *,
        settings: Settings,
        image_uri: str,
        role_arn: str,
        group_name: str,
        models_bucket: str,
        captures_bucket: str,
        key: kms.IKey,
        network: JobNetwork,
    ) -> None:
        self._settings, self._image_uri, self._role_arn = settings, image_uri, role_arn
        self._group_name, self._models, self._captures = group_name, models_bucket, captures_bucket
        self._key, self._network = key, network
        self.model_data_url = self._in_run("model/model.tar.gz")
        self.baseline_uri = self._in_run("baseline/")

    def package(self) -> dict[str, Any]:
        """The registry entry: artefact, evaluation, card, and the statistics that monitoring reads."""
        container = {
            "Image": self._image_uri,
            "ModelDataUrl.$": self.model_data_url,
            "Environment": dict(SERVING),
        }
        return {
            "ModelPackageGroupName": self._group_name,
            "ModelPackageDescription.$": "States.Format('{}, data before {}', $.plan.run_id, $.plan.through)",
            # A call that is repeated after a lost answer makes no second version.
            "ClientToken.$": "$.plan.run_id",
            "ModelApprovalStatus": "PendingManualApproval",
            "InferenceSpecification": {
                "Containers": [container],
                "SupportedContentTypes": [*CONTENT_TYPES, "application/x-parquet"],
                "SupportedResponseMIMETypes": ["application/jsonlines"],
                "SupportedRealtimeInferenceInstanceTypes": [self._settings.deploy.instance_type],
                "SupportedTransformInstanceTypes": [self._settings.deploy.instance_type],
            },
            "ModelMetrics": {
                "ModelQuality": {"Statistics": self._json("evaluation/evaluation.json")},
                "ModelDataQuality": {
                    "Statistics": self._json("baseline/statistics.json"),
                    "Constraints": self._json("baseline/constraints.json"),
                },
            },
            # Read by people before they trust the model: its approval is theirs, not the loop's.
            "ModelCard": {"ModelCardContent.$": "$card", "ModelCardStatus": "PendingReview"},
            "CustomerMetadataProperties": {
                "run_id.$": "$.plan.run_id",
                "through.$": "$.plan.through",
                "contract_version.$": "$.plan.contract_version",
            },
        }

    def model(self) -> dict[str, Any]:
        return {
            "ModelName.$": "$.plan.model_name",
            "ExecutionRoleArn": self._role_arn,
            "PrimaryContainer": {
                "Image": self._image_uri,
                "ModelDataUrl.$": self.model_data_url,
                "Environment": dict(SERVING),
            },
            "EnableNetworkIsolation": True,
            "VpcConfig": self._network.config,
            "Tags": tag_list(self._settings.tags("deploy")),
        }

    def challenger_config(self) -> dict[str, Any]:
        share = self._settings.deploy.challenger_share
        champion = {
            **variant(CHAMPION, self._settings.deploy),
            "ModelName.$": "$.plan.champion.model_name",
            "InitialInstanceCount.$": "$.serving.champion.CurrentInstanceCount",
            "InitialVariantWeight": round(1 - share, 4),
        }
        challenger = {
            **variant(CHALLENGER, self._settings.deploy),
            "ModelName.$": "$.plan.model_name",
            "InitialInstanceCount": self._settings.deploy.instances,
            "InitialVariantWeight": share,
        }
        return self._config("$.plan.challenger_config_name", [champion, challenger])

    def champion_config(self) -> dict[str, Any]:
        champion = {
            **variant(CHAMPION, self._settings.deploy),
            "ModelName.$": "$.plan.model_name",
            "InitialInstanceCount.$": "$.serving.champion.CurrentInstanceCount",
            "InitialVariantWeight": 1.0,
        }
        return self._config("$.plan.champion_config_name", [champion])

    def _config(self, name: str, variants: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "EndpointConfigName.$": name,
            "ProductionVariants": variants,
            "KmsKeyId": self._key.key_arn,
            "DataCaptureConfig": capture(
                self._settings.deploy.capture_percent, self._captures, self._key.key_arn
            ),
            "Tags": tag_list(self._settings.tags("deploy")),
        }

    def _json(self, path: str) -> dict[str, str]:
        return {"ContentType": "application/json", "S3Uri.$": self._in_run(path)}

    def _in_run(self, path: str) -> str:
        return f"States.Format('s3://{self._models}/runs/{{}}/{path}', $.plan.run_id)"


def variant(name: str, deploy: DeploySettings) -> dict[str, Any]:
    return {"VariantName": name, "InstanceType": deploy.instance_type}


def guard(deploy: DeploySettings, alarm_names: Sequence[str]) -> dict[str, Any]:
    """A canary, watched by alarms that take the traffic back; all at once where one instance is the fleet.

    For deployments of the stack, champion to champion: guardrails want the same variants before and after.
    A canary may be half of the new fleet at most, which one instance cannot be.
    """
    routing: dict[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    if deploy.instances > 1:
        size = {"Type": "CAPACITY_PERCENT", "Value": 50 if deploy.instances < 4 else 25}
        routing = {
            "Type": "CANARY",
            "CanarySize": size,
            "WaitIntervalInSeconds": deploy.canary_seconds,
        }
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            # The old fleet stays as long, for the alarms to see the whole traffic on the new one.
            "TerminationWaitInSeconds": deploy.canary_seconds,
            "MaximumExecutionTimeoutInSeconds": 3_600 + 4 * deploy.canary_seconds,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarm_names]},
    }
