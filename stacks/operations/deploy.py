"""Deploy: one endpoint with a stable name from the first hour on; no deployment takes its model back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_ssm as ssm
from constructs import Construct

import bundles
from security import grants
from security.functions import FunctionPlatform, ScopedFunction
from security.images import Image
from security.jobs import ContainerNetwork, JobRole
from security.keys import KeyRing
from security.logs import PrivateLogGroup
from security.roles import ROLE_ARN, PersonRole, arn
from security.serving import capture, endpoint_config, served_model
from settings import Settings
from stacks.operations.neighbours import Evaluate, FeatureStore, Lake
from stacks.operations.release import CHAMPION, guard, variant

SCALING_ROLE = (
    "aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The champion of the first hour: the contract's rule."""

    model_name: str
    model_data_url: str
    config_name: str


class Deploy(Construct):
    """
    endpoint_name  the clients' address; its configurations come and go
    champion       parameter: which model the loop has promoted, `baseline` before the first
    role           of the model containers: reads models, writes captures and bulk scores
    client         role that may invoke the endpoint and look up features to ask it with, and nothing else

    The first model is the contract's rule, so that alarms, scaling and clients have something real before
    anything was trained.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        keys: KeyRing,
        lake: Lake,
        contract: Mapping[str, Any],
        functions: FunctionPlatform,
        network: ContainerNetwork,
        image: Image,
        evaluate: Evaluate,
        alarms: Sequence[cloudwatch.Alarm],
        store: FeatureStore | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings, self._key, self._lake = settings, keys.models, lake
        baseline_model, group_name = evaluate.baseline_model, evaluate.group.model_package_group_name
        self.endpoint_name = endpoint_name(settings)
        self.role = self._role(network, image, baseline_model)
        self.model = served_model(
            self,
            "BaselineModel",
            role=self.role,
            image_uri=image.uri,
            artefact_url=baseline_model.s3_object_url,
            network=network,
        )
        self._config = self._endpoint_config()
        self.baseline = Baseline(
            model_name=self.model.attr_model_name,
            model_data_url=baseline_model.s3_object_url,
            config_name=self._config.attr_endpoint_config_name,
        )
        self.champion = ssm.StringParameter(
            self,
            "Champion",
            parameter_name=f"/{settings.prefix}/champion",
            # The loop writes it; CloudFormation leaves it alone as long as this first value does not change.
            string_value="baseline",
            description="The model that the loop has promoted last, as JSON",
        )
        resolved = self._resolve(contract, functions, group_name)
        PrivateLogGroup(
            self, "Logs", keeping=functions.logs, name=f"/aws/sagemaker/Endpoints/{self.endpoint_name}"
        )
        # SageMaker looks at the alarms with the model's role.
        grants.allow(self.role, ["cloudwatch:DescribeAlarms"], [alarm.alarm_arn for alarm in alarms])
        if not settings.is_paused:
            self._scale(self._endpoint(resolved, alarms))
        self.client = PersonRole(self, "Client", path=f"/{settings.prefix}/clients/")
        grants.allow(self.client, ["sagemaker:InvokeEndpoint"], [self.endpoint_arn])
        if store is not None:
            groups = [group.arn for group in store.groups]
            grants.allow(self.client, ["sagemaker:BatchGetRecord", "sagemaker:GetRecord"], groups)
            grants.use_key(self.client, store.key, ["kms:Decrypt"], through="sagemaker")

    @property
    def endpoint_arn(self) -> str:
        return arn("sagemaker", f"endpoint/{self.endpoint_name}")

    @property
    def baseline_config_arn(self) -> str:
        return self._config.ref

    def _role(self, network: ContainerNetwork, image: Image, baseline_model: s3_assets.Asset) -> JobRole:
        role = JobRole(
            self,
            "Role",
            source_arn=None,  # taken on for the model, the endpoint and transform jobs
            # Captures are delivered from outside the VPC: their bucket knows this folder of roles.
            path=f"/{self._settings.prefix}/serving/",
            network=network,
            image_repository_arn=image.repository_arn,
            volume_key=self._key,
            log_groups=[f"/aws/sagemaker/Endpoints/{self.endpoint_name}", "/aws/sagemaker/TransformJobs"],
        )
        role.read_file(baseline_model)
        grants.read_objects(role, self._lake.models, "runs/")
        grants.write_objects(role, self._lake.captures, "captures/", in_parts=True)
        grants.read_objects(role, self._lake.features, "features/")
        grants.write_objects(role, self._lake.results, "bulk_scores/", in_parts=True)
        return role

    def _endpoint_config(self) -> sagemaker.CfnEndpointConfig:
        champion = variant(CHAMPION, self._settings.deploy)
        percent, bucket = self._settings.deploy.capture_percent, self._lake.captures.bucket_name
        return endpoint_config(
            self,
            "BaselineConfig",
            variant_name=champion["VariantName"],
            model_name=self.model.attr_model_name,
            instance_type=champion["InstanceType"],
            instances=self._settings.deploy.instances,
            captured=capture(percent, bucket, self._key.key_arn),
            key=self._key,
        )

    def _resolve(
        self, contract: Mapping[str, Any], platform: FunctionPlatform, group_name: str
    ) -> CustomResource:
        """Which configuration the endpoint gets: the loop's, once it has promoted a model."""
        prefix = self._settings.prefix
        function = ScopedFunction(
            self,
            "ResolveChampion",
            platform=platform,
            bundle=bundles.lambda_bundle("resolve_champion", contract),
            package="resolve_champion",
            environment={
                "CHAMPION_PARAMETER": self.champion.parameter_name,
                "ENDPOINT_NAME": self.endpoint_name,
                "BASELINE_CONFIG_NAME": self.baseline.config_name,
                "MODEL_PACKAGE_GROUP": group_name,
                "NAME_PREFIX": f"{prefix}-",
            },
            timeout=Duration.minutes(5),
            in_vpc=False,  # touches no data, and answers CloudFormation at an address outside the VPC
        )
        self.resolver = function
        role = function.scoped_role
        grants.allow(role, ["ssm:GetParameter"], [self.champion.parameter_arn])
        grants.allow(role, ["sagemaker:DescribeEndpoint"], [self.endpoint_arn])
        self._let_clean_up(function, group_name)
        resource = CustomResource(
            self,
            "ChampionConfig",
            service_token=function.function_arn,
            resource_type="Custom::ChampionConfig",
            properties=self._reasons_to_ask(),
        )
        resource.node.add_dependency(role, self.champion)
        return resource

    def _reasons_to_ask(self) -> dict[str, str]:
        """CloudFormation asks when these change, and otherwise gives the answer that it remembers.

        A new baseline is one. Coming back from a pause is another: the endpoint is made anew then, and what
        was the champion at the last deployment may have been superseded since.
        """
        paused = {"Paused": "true"} if self._settings.is_paused else {}
        return {"BaselineConfigName": self.baseline.config_name, **paused}

    def _let_clean_up(self, function: ScopedFunction, group_name: str) -> None:
        """When the stack is deleted, what the loop made goes too: CloudFormation does not know of it."""
        role, prefix = function.scoped_role, self._settings.prefix
        made = {
            "endpoint-config": "sagemaker:DeleteEndpointConfig",
            "model": "sagemaker:DeleteModel",
        }
        for kind, action in made.items():
            pattern = arn("sagemaker", f"{kind}/{prefix}-*")
            grants.allow(role, [action], [pattern])
        packages = arn("sagemaker", f"model-package/{group_name}/*")
        grants.allow(role, ["sagemaker:DeleteModelPackage"], [packages])
        # The authorization reference names the packages, the request their group.
        groups = [packages, arn("sagemaker", f"model-package-group/{group_name}")]
        grants.allow(role, ["sagemaker:ListModelPackages"], groups)
        grants.allow(role, ["sagemaker:ListEndpointConfigs", "sagemaker:ListModels"], ["*"])

    def _endpoint(
        self, resolved: CustomResource, alarms: Sequence[cloudwatch.Alarm]
    ) -> sagemaker.CfnEndpoint:
        policy = guard(self._settings.deploy, [alarm.alarm_name for alarm in alarms])
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            # Named, because clients, alarms and the loop refer to it, whatever is deployed behind it.
            endpoint_name=self.endpoint_name,
            endpoint_config_name=resolved.get_att_string("EndpointConfigName"),
            deployment_config=_as_property(policy),
        )
        endpoint.node.add_dependency(self.role)
        return endpoint

    def _scale(self, endpoint: sagemaker.CfnEndpoint) -> None:
        """More instances of the champion while there are many requests; the challenger keeps its number."""
        deploy = self._settings.deploy
        if deploy.max_instances == deploy.instances:
            return
        target = scaling.ScalableTarget(
            self,
            "Scaling",
            service_namespace=scaling.ServiceNamespace.SAGEMAKER,
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            resource_id=f"endpoint/{self.endpoint_name}/variant/{CHAMPION}",
            min_capacity=deploy.instances,
            max_capacity=deploy.max_instances,
            # Application Auto Scaling makes its own role for endpoints; the L2 would add one nobody takes on.
            role=iam.Role.from_role_arn(self, "ScalingRole", f"{ROLE_ARN}/{SCALING_ROLE}"),
        )
        target.node.add_dependency(endpoint)
        target.scale_to_track_metric(
            "Requests",
            target_value=deploy.invocations_per_instance,
            predefined_metric=scaling.PredefinedMetric.SAGEMAKER_VARIANT_INVOCATIONS_PER_INSTANCE,
            # An instance is paid by the second but takes minutes to come: rather keep it for a while.
            scale_in_cooldown=Duration.minutes(15),
            scale_out_cooldown=Duration.minutes(3),
        )


def endpoint_name(settings: Settings) -> str:
    return f"{settings.prefix}-endpoint"


def _as_property(policy: Mapping[str, Any]) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
    """The API's words as CloudFormation has them."""
    endpoint = sagemaker.CfnEndpoint
    blue_green = policy["BlueGreenUpdatePolicy"]
    routing = blue_green["TrafficRoutingConfiguration"]
    size = routing.get("CanarySize")
    return endpoint.DeploymentConfigProperty(
        auto_rollback_configuration=endpoint.AutoRollbackConfigProperty(
            alarms=[
                endpoint.AlarmProperty(alarm_name=alarm["AlarmName"])
                for alarm in policy["AutoRollbackConfiguration"]["Alarms"]
            ]
        ),
        blue_green_update_policy=endpoint.BlueGreenUpdatePolicyProperty(
            maximum_execution_timeout_in_seconds=blue_green["MaximumExecutionTimeoutInSeconds"],
            termination_wait_in_seconds=blue_green["TerminationWaitInSeconds"],
            traffic_routing_configuration=endpoint.TrafficRoutingConfigProperty(
                type=routing["Type"],
                wait_interval_in_seconds=routing["WaitIntervalInSeconds"],
                canary_size=endpoint.CapacitySizeProperty(type=size["Type"], value=size["Value"])
                if size
                else None,
            ),
        ),
    )
