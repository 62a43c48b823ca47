"""Models and endpoint configurations: kept as they were asked for, refused where they could not be served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox import clock
from sandbox.engines.backends import backend
from sandbox.engines.jobs import arn, check_image, check_instance, check_known, check_role, refuse

_MODEL = frozenset(
    {
        "ModelName",
        "PrimaryContainer",
        "Containers",
        "ExecutionRoleArn",
        "Tags",
        "VpcConfig",
        "EnableNetworkIsolation",
    }
)
_CONTAINER = frozenset(
    {"Image", "ModelDataUrl", "Environment", "Mode", "ContainerHostname", "ModelPackageName"}
)
_CONFIG = frozenset({"EndpointConfigName", "ProductionVariants", "DataCaptureConfig", "Tags", "KmsKeyId"})
_VARIANT = frozenset(
    {
        "VariantName",
        "ModelName",
        "InitialInstanceCount",
        "InstanceType",
        "InitialVariantWeight",
        "VolumeSizeInGB",
        "ModelDataDownloadTimeoutInSeconds",
        "ContainerStartupHealthCheckTimeoutInSeconds",
        "EnableSSMAccess",
        "RoutingConfig",
        "InferenceAmiVersion",
    }
)


class Stored:
    """A request under a name; moto's lists, tags and descriptions read it by attributes."""

    def __init__(self, kind: str, path: str, request: Mapping[str, Any]) -> None:
        self.kind = kind
        self.name = str(request[f"{kind}Name"])
        self.arn = arn(path, self.name)
        self.tags = list(request.get("Tags") or [])
        self.creation_time = clock.now()
        self.request = {key: value for key, value in request.items() if key != "Tags"}

    @property
    def response_object(self) -> dict[str, Any]:
        return {**self.request, f"{self.kind}Arn": self.arn, "CreationTime": self.creation_time}

    def summary(self) -> dict[str, Any]:
        keys = (f"{self.kind}Name", f"{self.kind}Arn", "CreationTime")
        return {key: self.response_object[key] for key in keys}


class Model(Stored):
    def __init__(self, request: Mapping[str, Any], container: Mapping[str, Any]) -> None:
        super().__init__("Model", "model", request)
        self.model_name = self.name
        self.primary_container = dict(container)
        self.execution_role_arn = str(request["ExecutionRoleArn"])
        self.vpc_config = request.get("VpcConfig")
        self.enable_network_isolation = bool(request.get("EnableNetworkIsolation"))
        self.request = {"EnableNetworkIsolation": self.enable_network_isolation, **self.request}


class EndpointConfig(Stored):
    def __init__(self, request: Mapping[str, Any]) -> None:
        super().__init__("EndpointConfig", "endpoint-config", request)
        self.endpoint_config_name = self.name
        self.endpoint_config_arn = self.arn
        self.production_variants = [
            {"InitialVariantWeight": 1.0, **variant} for variant in request["ProductionVariants"]
        ]
        self.request["ProductionVariants"] = self.production_variants
        self.data_capture_config = request.get("DataCaptureConfig")


def create_model(request: dict[str, Any]) -> dict[str, Any]:
    models = backend("sagemaker")._models
    name = request["ModelName"]
    if name in models:
        raise refuse(f"Cannot create already existing model {arn('model', name)!r}.")
    check_known(request, _MODEL, "CreateModel")
    containers = request.get("Containers") or [request.get("PrimaryContainer")]
    if len(containers) != 1 or not containers[0]:
        raise refuse(
            "a model here has exactly one container: PrimaryContainer, or Containers with one element"
        )
    check_known(containers[0], _CONTAINER, "PrimaryContainer")
    if containers[0].get("Mode", "SingleModel") != "SingleModel":
        raise refuse("PrimaryContainer.Mode MultiModel is not in the sandbox; there is: SingleModel")
    container = _resolved(containers[0])
    check_image(container.get("Image", ""))
    model = Model(request, container)
    check_role(model.execution_role_arn, model.arn)
    models[name] = model
    return {"ModelArn": model.arn}


def _resolved(container: dict[str, Any]) -> dict[str, Any]:
    """The container of a model package in place of its name; it has to be approved."""
    package_name = container.get("ModelPackageName")
    if not package_name:
        return container
    package = backend("sagemaker").describe_model_package(package_name)
    if package.model_package_version is not None and package.model_approval_status != "Approved":
        raise refuse(f"model package {package_name} is {package.model_approval_status}; allowed: Approved")
    found = package.inference_specification["Containers"][0]
    environment = {**(found.get("Environment") or {}), **(container.get("Environment") or {})}
    return {
        "Image": found["Image"],
        "ModelDataUrl": found.get("ModelDataUrl"),
        "Environment": environment,
    }


def create_endpoint_config(request: dict[str, Any]) -> dict[str, Any]:
    configs = backend("sagemaker").endpoint_configs
    name = request["EndpointConfigName"]
    if name in configs:
        raise refuse(
            f"Cannot create already existing endpoint configuration {arn('endpoint-config', name)!r}."
        )
    check_known(request, _CONFIG, "CreateEndpointConfig")
    names = [variant["VariantName"] for variant in request["ProductionVariants"]]
    if len(set(names)) != len(names):
        raise refuse(f"variant names are not unique: {names}")
    for variant in request["ProductionVariants"]:
        _check_variant(variant)
    share = int((request.get("DataCaptureConfig") or {}).get("InitialSamplingPercentage", 100))
    if not 0 <= share <= 100:
        raise refuse(f"InitialSamplingPercentage is {share}; allowed: 0 to 100")
    config = EndpointConfig(request)
    configs[name] = config
    return {"EndpointConfigArn": config.arn}


def _check_variant(variant: dict[str, Any]) -> None:
    name = variant["VariantName"]
    check_known(variant, _VARIANT, f"variant {name}")
    if variant.get("ModelName") not in backend("sagemaker")._models:
        raise refuse(f'Could not find model "{arn("model", str(variant.get("ModelName")))}".')
    check_instance("ProductionVariantInstanceType", variant.get("InstanceType", ""), 1)
    if int(variant.get("InitialInstanceCount") or 0) < 1:
        raise refuse(f"variant {name}: InitialInstanceCount is needed and at least 1")


OPERATIONS = {"create_model": create_model, "create_endpoint_config": create_endpoint_config}
