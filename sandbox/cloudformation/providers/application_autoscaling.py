"""AWS::ApplicationAutoScaling: scalable targets and their policies."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Properties

_SERVICE = "application-autoscaling"
_TARGET = ("ServiceNamespace", "ResourceId", "ScalableDimension")


class ScalableTarget:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        parameters = properties.without("Tags")
        parameters |= tagging.at_creation(_SERVICE, properties.get("Tags"))
        context.call(_SERVICE, "RegisterScalableTarget", parameters)
        ref = "|".join(properties[key] for key in ("ResourceId", "ScalableDimension", "ServiceNamespace"))
        return ref, {"Id": ref}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("Tags")
        context.call(_SERVICE, "RegisterScalableTarget", new.without("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call(_SERVICE, "DeregisterScalableTarget", _target(ref))


class ScalingPolicy:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        answer = context.call(_SERVICE, "PutScalingPolicy", _policy(properties.all()))
        return answer["PolicyARN"], {"Arn": answer["PolicyARN"]}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        context.call(_SERVICE, "PutScalingPolicy", _policy(new.all()))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        policy = _policy(dict(properties))
        place = {key: policy[key] for key in (*_TARGET, "PolicyName")}
        context.call(_SERVICE, "DeleteScalingPolicy", place)


def _target(ref: str) -> dict[str, str]:
    resource, dimension, namespace = ref.split("|")
    return {"ResourceId": resource, "ScalableDimension": dimension, "ServiceNamespace": namespace}


def _policy(properties: Properties) -> Properties:
    """A policy names its target either by reference or by the three parts of it."""
    made = {key: value for key, value in properties.items() if key != "ScalingTargetId"}
    return {**made, **_target(properties["ScalingTargetId"])} if "ScalingTargetId" in properties else made


PROVIDERS = {
    "AWS::ApplicationAutoScaling::ScalableTarget": ScalableTarget(),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ScalingPolicy(),
}
