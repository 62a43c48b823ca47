"""The model registry: what moto lacks of packages and groups; EventBridge hears of every approval."""

from __future__ import annotations

from typing import Any

from sandbox import selftest
from sandbox.engines import model_cards
from sandbox.engines.backends import backend
from sandbox.engines.jobs import announce, refuse

_STATES = ("Approved", "Rejected", "PendingManualApproval")


def create_model_package(request: dict[str, Any]) -> dict[str, Any]:
    status = request.get("ModelApprovalStatus", "PendingManualApproval")
    _check_status(status)
    card = model_cards.checked(request["ModelCard"]) if "ModelCard" in request else None
    backends = backend("sagemaker")
    group = request.get("ModelPackageGroupName", "").rpartition("/")[2] or None
    before = dict(backends.model_packages)
    made = backends.create_model_package(
        model_package_name=request.get("ModelPackageName"),
        model_package_group_name=group,
        model_package_description=request.get("ModelPackageDescription"),
        inference_specification=request.get("InferenceSpecification"),
        validation_specification=request.get("ValidationSpecification"),
        source_algorithm_specification=request.get("SourceAlgorithmSpecification"),
        certify_for_marketplace=bool(request.get("CertifyForMarketplace")),
        tags=request.get("Tags"),
        model_approval_status=status,
        metadata_properties=request.get("MetadataProperties"),
        model_metrics=request.get("ModelMetrics"),
        client_token=request.get("ClientToken"),
        customer_metadata_properties=request.get("CustomerMetadataProperties"),
        drift_check_baselines=request.get("DriftCheckBaselines"),
        domain=request.get("Domain"),
        task=request.get("Task"),
        sample_payload_url=request.get("SamplePayloadUrl"),
        additional_inference_specifications=request.get("AdditionalInferenceSpecifications"),
    )
    package = backends.model_packages[made]
    package.card = card
    if group is not None:
        _number(package, group, before)
    _announce(package)
    return {"ModelPackageArn": package.arn}


def _number(package: Any, group: str, before: dict[str, Any]) -> None:
    """moto counts the packages of the group; a version is never given twice, also after one was deleted."""
    backends = backend("sagemaker")
    owner = backends.model_package_groups[group]
    version = getattr(owner, "last_version", 0) + 1
    owner.last_version = version
    if version == package.model_package_version:
        return
    backends.model_packages.pop(package.arn)
    backends.model_packages.update(before)  # moto may have put the new one over an old one
    package.arn = f"{package.arn.rpartition('/')[0]}/{version}"
    package.model_package_version = version
    backends.model_packages[package.arn] = package
    mapping = backends.model_package_name_mapping
    mapping[package.arn] = mapping[package.model_package_name] = package.arn


def update_model_package(request: dict[str, Any]) -> dict[str, Any]:
    """Only what the request names is changed; moto empties the rest."""
    known = {
        "ModelPackageArn",
        "ModelApprovalStatus",
        "ApprovalDescription",
        "CustomerMetadataProperties",
        "CustomerMetadataPropertiesToRemove",
        "ModelCard",
    }
    if unknown := sorted(set(request) - known):
        raise refuse(
            f"UpdateModelPackage.{unknown[0]} is not in the sandbox; there are: {', '.join(sorted(known))}"
        )
    package = backend("sagemaker").describe_model_package(request["ModelPackageArn"])
    if status := request.get("ModelApprovalStatus"):
        _check_status(status)
        package.set_model_approval_status(status)
    if "ModelCard" in request:
        package.card = model_cards.changed(getattr(package, "card", None), request["ModelCard"])
    if "ApprovalDescription" in request:
        package.approval_description = request["ApprovalDescription"]
    properties = {
        **(package.customer_metadata_properties or {}),
        **(request.get("CustomerMetadataProperties") or {}),
    }
    for name in request.get("CustomerMetadataPropertiesToRemove") or []:
        properties.pop(name, None)
    package.customer_metadata_properties = properties or None
    package.modifications_done()
    _announce(package)
    return {"ModelPackageArn": package.arn}


def describe_model_package(request: dict[str, Any]) -> dict[str, Any]:
    package = backend("sagemaker").describe_model_package(request["ModelPackageName"])
    shown: dict[str, Any] = package.gen_response_object()
    card = getattr(package, "card", None)
    return shown | ({"ModelCard": card} if card else {})


def delete_model_package(request: dict[str, Any]) -> dict[str, Any]:
    backends = backend("sagemaker")
    package = backends.describe_model_package(request["ModelPackageName"])
    backends.model_packages.pop(package.arn)
    mapping = backends.model_package_name_mapping
    for name in [name for name, arn in mapping.items() if arn == package.arn]:
        del mapping[name]
    return {}


def delete_model_package_group(request: dict[str, Any]) -> dict[str, Any]:
    backends = backend("sagemaker")
    name = request["ModelPackageGroupName"].rpartition("/")[2]
    group = backends.describe_model_package_group(name)
    if any(package.model_package_group_name == name for package in backends.model_packages.values()):
        from moto.sagemaker.exceptions import ConflictException

        raise ConflictException(
            f"Model Package Group {group.arn} cannot be deleted because it still contains Model Packages"
        )
    del backends.model_package_groups[name]
    return {}


def _check_status(status: str) -> None:
    if status not in _STATES:
        raise refuse(f"ModelApprovalStatus is {status}; allowed: {', '.join(_STATES)}")


def _announce(package: Any) -> None:
    announce("SageMaker Model Package State Change", package.arn, package.gen_response_object())


def self_test() -> None:
    for name in ("create_model_package", "describe_model_package", "describe_model_package_group"):
        selftest.check(f"moto.sagemaker.models:SageMakerModelBackend.{name}")
    selftest.check("moto.sagemaker.models:ModelPackage.modifications_done", "self")
    selftest.check(
        "moto.sagemaker.models:ModelPackage.set_model_approval_status", "self", "model_approval_status"
    )


OPERATIONS = {
    "create_model_package": create_model_package,
    "describe_model_package": describe_model_package,
    "update_model_package": update_model_package,
    "delete_model_package": delete_model_package,
    "delete_model_package_group": delete_model_package_group,
}
