"""Endpoint: all that it needs but the endpoint itself, which is made of the champion when it is wanted.

Which champion that is, the copy of the models says: no stack can know it, and none may put an older one back.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from security import grants
from security.images import Image
from security.jobs import ContainerNetwork, JobRole
from security.logs import LogKeeping, PrivateLogGroup
from security.roles import PersonRole, arn
from security.serving import capture, endpoint_config, served_model
from settings import SecondRegionSettings, Settings
from stacks.modules.second_region.copies import Copies
from stacks.modules.second_region.names import CHAMPION_KEY, SERVING, STANDBY, Places


class Endpoint(Construct):
    """
    role      of the model containers: reads the copies of models, writes captures
    operator  for whoever fails over: reads who the champion is, makes and takes away the endpoint
    carrier   for whoever fails back: takes captures home. Its folder is that of SageMaker's role, which the
              first Region's bucket of captures lets in.
    client    may invoke the endpoint and nothing else
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        second: SecondRegionSettings,
        places: Places,
        copies: Copies,
        key: kms.IKey,
        network: ContainerNetwork,
        logs: LogKeeping,
        baseline_model: Path,
        name: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings, self._copies, self._key, self.name = settings, copies, key, name
        image = Image(self, "Image")
        artefact = s3_assets.Asset(self, "BaselineArtefact", path=str(baseline_model))
        self.role = self._role(network, image, artefact)
        # Of the contract's rule: what the champion's model and configuration are copied from, but for the
        # artefact; and what serves while nothing was promoted yet.
        self.model = served_model(
            self,
            "BaselineModel",
            role=self.role,
            image_uri=image.uri,
            artefact_url=artefact.s3_object_url,
            network=network,
        )
        self.config = endpoint_config(
            self,
            "BaselineConfig",
            variant_name="champion",
            model_name=self.model.attr_model_name,
            instance_type=settings.deploy.instance_type,
            instances=second.instances,
            captured=capture(settings.deploy.capture_percent, copies.captures.bucket_name, key.key_arn),
            key=key,
        )
        PrivateLogGroup(self, "Logs", keeping=logs, name=f"/aws/sagemaker/Endpoints/{name}")
        self.operator = self._operator()
        self.carrier = self._carrier(places)
        self.client = PersonRole(self, "Client", path=f"/{settings.prefix}/clients/")
        grants.allow(self.client, ["sagemaker:InvokeEndpoint"], [arn("sagemaker", f"endpoint/{name}")])

    def _role(self, network: ContainerNetwork, image: Image, artefact: s3_assets.Asset) -> JobRole:
        role = JobRole(
            self,
            "Role",
            source_arn=None,  # taken on for the model and the endpoint
            # Captures are delivered from outside the VPC: their bucket knows this folder of roles.
            path=f"/{self._settings.prefix}/{SERVING}/",
            network=network,
            image_repository_arn=image.repository_arn,
            volume_key=self._key,
            log_groups=[f"/aws/sagemaker/Endpoints/{self.name}"],
        )
        role.read_file(artefact)
        grants.read_objects(role, self._copies.zones["models"], "runs/")
        grants.write_objects(role, self._copies.captures, "captures/", in_parts=True)
        return role

    def _operator(self) -> PersonRole:
        prefix, models = self._settings.prefix, self._copies.zones["models"]
        role = PersonRole(self, "Operator", path=f"/{prefix}/{STANDBY}/")
        pointer = [models.arn_for_objects(CHAMPION_KEY)]
        grants.allow(role, ["s3:GetObject", "s3:GetObjectVersion"], pointer)
        grants.use_key(role, self._key, ["kms:Decrypt"], through="s3")
        grants.list_objects(role, models, "runs/")  # whether the artefact has arrived
        below = {"StringLike": {"s3:prefix": [CHAMPION_KEY]}}
        grants.allow(role, ["s3:ListBucket", "s3:ListBucketVersions"], [models.bucket_arn], conditions=below)
        named = {kind: arn("sagemaker", f"{kind}/{prefix}-*") for kind in ("model", "endpoint-config")}
        endpoint = arn("sagemaker", f"endpoint/{self.name}")
        grants.allow(
            role,
            ["sagemaker:CreateModel", "sagemaker:DeleteModel", "sagemaker:DescribeModel"],
            [named["model"]],
        )
        grants.allow(
            role,
            [f"sagemaker:{verb}EndpointConfig" for verb in ("Create", "Delete", "Describe")],
            [named["endpoint-config"]],
        )
        # To make or change an endpoint, SageMaker asks for the configuration too.
        grants.allow(
            role,
            ["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"],
            [endpoint, named["endpoint-config"]],
        )
        grants.allow(role, ["sagemaker:DeleteEndpoint", "sagemaker:DescribeEndpoint"], [endpoint])
        grants.allow(role, ["sagemaker:AddTags"], [endpoint, *named.values()])
        grants.allow(role, ["sagemaker:ListEndpointConfigs", "sagemaker:ListModels"], ["*"])
        to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
        grants.allow(role, ["iam:PassRole"], [self.role.role_arn], conditions=to_sagemaker)
        grants.encrypt_volumes(role, self._key)
        return role

    def _carrier(self, places: Places) -> PersonRole:
        """Where it carries to is granted in the first Region: stacks/modules/second_region/replication.py."""
        role = PersonRole(
            self, "Carrier", path=f"/{self._settings.prefix}/{SERVING}/", name=places.carrier_role
        )
        grants.read_objects(role, self._copies.captures, "captures/")
        return role


def outputs(endpoint: Endpoint, second: SecondRegionSettings) -> Mapping[str, str]:
    """What the commands need to fail over with this Region alone."""
    return {
        "StandbyMode": second.standby,
        "StandbyEndpointName": endpoint.name,
        "StandbyModelName": endpoint.model.attr_model_name,
        "StandbyConfigName": endpoint.config.attr_endpoint_config_name,
        "StandbyOperatorRoleArn": endpoint.operator.role_arn,
        "StandbyCarrierRoleArn": endpoint.carrier.role_arn,
        "StandbyClientRoleArn": endpoint.client.role_arn,
    }
