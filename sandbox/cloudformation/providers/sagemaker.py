"""AWS::SageMaker: models, endpoints and model package groups."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

import time

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import (
    Attributes,
    Context,
    Plain,
    Properties,
    ReplacementError,
)

_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 900


class EndpointError(RuntimeError):
    """The endpoint did not come into service."""


class Endpoint:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("EndpointName") or context.name(63)
        parameters = {"EndpointName": name, "EndpointConfigName": properties["EndpointConfigName"]}
        for flag in (
            "RetainAllVariantProperties",
            "ExcludeRetainedVariantProperties",
            "RetainDeploymentConfig",
        ):
            properties.get(flag)  # used in updates only
        if "DeploymentConfig" in properties:
            parameters["DeploymentConfig"] = properties["DeploymentConfig"]
        parameters |= tagging.at_creation("sagemaker", properties.get("Tags"))
        arn = context.call("sagemaker", "CreateEndpoint", parameters)["EndpointArn"]
        context.begun(arn)
        _wait(context, name)
        return arn, {"EndpointArn": arn, "EndpointName": name}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        name = ref.split("/")[-1]
        before = {key: value for key, value in old.items() if key not in ("Tags", "EndpointName")}
        after = new.without("Tags", "EndpointName")
        new.get("EndpointName")
        if before != after:
            context.call("sagemaker", "UpdateEndpoint", {"EndpointName": name, **after})
            _wait(context, name)
        tagging.retag(context, "sagemaker", ref, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("sagemaker", "DeleteEndpoint", {"EndpointName": ref.split("/")[-1]})


def _wait(context: Context, name: str) -> None:
    """CloudFormation is done with an endpoint only when it serves."""
    limit = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < limit:
        endpoint = context.call("sagemaker", "DescribeEndpoint", {"EndpointName": name})
        status = endpoint["EndpointStatus"]
        if status == "InService":
            return
        if status in ("Failed", "OutOfService", "UpdateRollbackFailed"):
            raise EndpointError(
                f"endpoint {name} is {status}: {endpoint.get('FailureReason', 'no reason given')}"
            )
        time.sleep(_POLL_SECONDS)
    raise EndpointError(f"endpoint {name} was not in service after {_PATIENCE_SECONDS} s")


class ByArn(Plain):
    """Ref is the ARN, the operations want the name behind its last slash."""

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        super().delete(context, ref.split("/")[-1], properties)


class FeatureGroup(Plain):
    """Made anew for every change but that of the lifetime; its tags cannot be changed either."""

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        before, after = dict(old), new.all()
        ttl = (after.get("OnlineStoreConfig") or {}).get("TtlDuration")
        same = ({**after, "OnlineStoreConfig": None}, {**before, "OnlineStoreConfig": None})
        if same[0] != same[1] or _lasting(before) != _lasting(after):
            raise ReplacementError("sagemaker has no operation to change this")
        change = {"FeatureGroupName": ref, "OnlineStoreConfig": {"TtlDuration": ttl} if ttl else {}}
        context.call("sagemaker", "UpdateFeatureGroup", change)
        return ref, {}


def _lasting(properties: Properties) -> Properties:
    online = properties.get("OnlineStoreConfig") or {}
    return {name: value for name, value in online.items() if name != "TtlDuration"}


PROVIDERS = {
    "AWS::SageMaker::FeatureGroup": FeatureGroup(
        service="sagemaker",
        create_operation="CreateFeatureGroup",
        delete_operation="DeleteFeatureGroup",
        name="FeatureGroupName",
        ref="FeatureGroupName",
        attributes={"FeatureGroupStatus": lambda *_: "Created"},
        tags=lambda ref: ref,
    ),
    "AWS::SageMaker::Model": ByArn(
        service="sagemaker",
        create_operation="CreateModel",
        delete_operation="DeleteModel",
        name="ModelName",
        name_length=63,
        ref=".ModelArn",
        attributes={"ModelArn": ".ModelArn", "ModelName": "ModelName"},
        tags="{ref}",
    ),
    "AWS::SageMaker::EndpointConfig": ByArn(
        service="sagemaker",
        create_operation="CreateEndpointConfig",
        delete_operation="DeleteEndpointConfig",
        name="EndpointConfigName",
        name_length=63,
        ref=".EndpointConfigArn",
        attributes={"EndpointConfigArn": ".EndpointConfigArn", "EndpointConfigName": "EndpointConfigName"},
        tags="{ref}",
    ),
    "AWS::SageMaker::Endpoint": Endpoint(),
    "AWS::SageMaker::ModelPackageGroup": ByArn(
        service="sagemaker",
        create_operation="CreateModelPackageGroup",
        delete_operation="DeleteModelPackageGroup",
        name="ModelPackageGroupName",
        name_length=63,
        ref=".ModelPackageGroupArn",
        attributes={"ModelPackageGroupArn": ".ModelPackageGroupArn"},
        tags="{ref}",
    ),
}
