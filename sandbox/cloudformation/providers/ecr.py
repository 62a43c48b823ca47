"""AWS::ECR: repositories (the CDK's bootstrap has one)."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from sandbox import regions
from sandbox.account import ACCOUNT
from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Properties, text
from sandbox.cloudformation.providers.settings import Setting, apply

_SETTINGS = {
    "LifecyclePolicy": Setting(
        put=lambda value: ("PutLifecyclePolicy", {"lifecyclePolicyText": value["LifecyclePolicyText"]}),
        unset=("DeleteLifecyclePolicy", {}),
    ),
    "RepositoryPolicyText": Setting(
        put=lambda value: ("SetRepositoryPolicy", {"policyText": text(value)}),
        unset=("DeleteRepositoryPolicy", {}),
    ),
}
_CHANGEABLE = {
    "ImageTagMutability": Setting(put=lambda value: ("PutImageTagMutability", {"imageTagMutability": value})),
    "ImageScanningConfiguration": Setting(
        put=lambda value: ("PutImageScanningConfiguration", {"imageScanningConfiguration": value})
    ),
}


class Repository:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("RepositoryName") or context.name(200, lower=True)
        properties.get("EmptyOnDelete")  # used at deletion only
        names = ("ImageTagMutability", "ImageScanningConfiguration", "EncryptionConfiguration")
        parameters = {key: properties[key] for key in names if key in properties}
        parameters |= tagging.at_creation("ecr", properties.get("Tags"))
        repository = context.call("ecr", "CreateRepository", {**parameters, "RepositoryName": name})[
            "repository"
        ]
        context.begun(name)
        apply(context, "ecr", {"repositoryName": name}, _SETTINGS, {}, properties)
        uri = f"{ACCOUNT}.dkr.ecr.{regions.current()}.amazonaws.com/{name}"
        return name, {"Arn": repository["repositoryArn"], "RepositoryUri": uri}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        for name in ("RepositoryName", "EncryptionConfiguration", "EmptyOnDelete"):
            new.get(name)
        apply(context, "ecr", {"repositoryName": ref}, {**_CHANGEABLE, **_SETTINGS}, old, new)
        arn = context.arn("ecr", f"repository/{ref}")
        tagging.retag(context, "ecr", arn, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        force = bool(properties.get("EmptyOnDelete"))
        context.call("ecr", "DeleteRepository", {"repositoryName": ref, "force": force})


PROVIDERS = {"AWS::ECR::Repository": Repository()}
