"""Endpoints: their operations, what is shown of them, and which fleet takes a request during an update."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from sandbox import clock, control, logs, regions, work
from sandbox.engines import capture, deployment, endpoint_metrics, fleet
from sandbox.engines.backends import backend
from sandbox.engines.fleet import Fleet, Variant
from sandbox.engines.jobs import announce, arn, check_known, refuse
from sandbox.engines.models import EndpointConfig

_UPDATE = frozenset(
    {
        "EndpointName",
        "EndpointConfigName",
        "RetainAllVariantProperties",
        "ExcludeRetainedVariantProperties",
        "DeploymentConfig",
        "RetainDeploymentConfig",
    }
)


class Endpoint:
    """moto's lists and tags read it by attributes."""

    def __init__(self, name: str, config: EndpointConfig, tags: list[dict[str, str]]) -> None:
        self.endpoint_name = name
        self.arn = arn("endpoint", name)
        self.tags = tags
        self.config = config
        self.endpoint_status = "Creating"
        self.failure_reason: str | None = None
        self.creation_time = self.last_modified_time = clock.now()
        self.blue: Fleet | None = None
        self.green: Fleet | None = None
        self.green_share = 0.0
        self.pending: dict[str, Any] | None = None
        self.last_deployment: dict[str, Any] | None = None
        self.gone = threading.Event()
        self.wake = threading.Event()  # ends a wait of an update: the endpoint is gone, or an alarm tripped

    @property
    def endpoint_config_name(self) -> str:
        return self.config.name

    def move(self, status: str, reason: str | None = None) -> None:
        self.endpoint_status, self.failure_reason = status, reason
        self.last_modified_time = clock.now()
        detail = self.response_object | {"EndpointStatus": _spelt(status), "Tags": self.tags}
        announce("SageMaker Endpoint State Change", self.arn, detail)

    def pick(self, target: str | None) -> Variant | None:
        """The variant for the next request: of the new fleet for its share of them."""
        chosen = self.green if self.green is not None and fleet.happens(self.green_share) else self.blue
        return chosen.pick(target) if chosen is not None else None

    def write_log(self, variant: str, lines: list[str], credentials: Any) -> None:
        logs.write(
            f"/aws/sagemaker/Endpoints/{self.endpoint_name}", f"{variant}/i-sandbox", lines, credentials
        )

    def stop(self) -> None:
        """Takes every server out of service."""
        self.gone.set()
        self.wake.set()
        capture.flush(self.endpoint_name)
        for one in (self.blue, self.green):
            if one is not None:
                one.stop()
        self.blue = self.green = None

    def summary(self) -> dict[str, Any]:
        keys = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
        return {key: self.response_object[key] for key in keys}

    @property
    def response_object(self) -> dict[str, Any]:
        shown = {
            "EndpointName": self.endpoint_name,
            "EndpointArn": self.arn,
            "EndpointConfigName": self.config.name,
            "ProductionVariants": [one.shown() for one in self.blue.variants] if self.blue else None,
            "DataCaptureConfig": _capture_shown(self.config.data_capture_config),
            "EndpointStatus": self.endpoint_status,
            "FailureReason": self.failure_reason,
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
            "LastDeploymentConfig": self.last_deployment,
            "PendingDeploymentSummary": self.pending,
        }
        return {name: value for name, value in shown.items() if value is not None}


def _capture_shown(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not config:
        return None
    enabled = bool(config.get("EnableCapture", True))
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId", ""),
    }


def _spelt(status: str) -> str:
    """InService is IN_SERVICE in events."""
    return "".join(f"_{c}" if c.isupper() and i else c for i, c in enumerate(status)).upper()


def create_endpoint(request: dict[str, Any]) -> dict[str, Any]:
    endpoints = backend("sagemaker").endpoints
    name = request["EndpointName"]
    if name in endpoints:
        raise refuse(f"Cannot create already existing endpoint {arn('endpoint', name)!r}.")
    # DeploymentConfig means nothing yet, here as on AWS: a first deployment shifts no traffic from anything.
    endpoint = Endpoint(name, _config(request["EndpointConfigName"]), list(request.get("Tags") or []))
    endpoints[name] = endpoint
    endpoint.move("Creating")
    work.start(f"endpoint {name}", deployment.create, endpoint)
    return {"EndpointArn": endpoint.arn}


def update_endpoint(request: dict[str, Any]) -> dict[str, Any]:
    endpoint = found(request)
    check_known(request, _UPDATE, "UpdateEndpoint")
    if endpoint.endpoint_status != "InService":
        raise refuse(f'Cannot update in-progress endpoint "{endpoint.arn}": it is {endpoint.endpoint_status}')
    config = _config(request["EndpointConfigName"])
    if config.name == endpoint.config.name and not request.get("DeploymentConfig"):
        raise refuse("Cannot update the endpoint to the configuration that it has")
    wanted = request.get("DeploymentConfig")
    if request.get("RetainDeploymentConfig") and wanted is None:
        wanted = endpoint.last_deployment
    plan = deployment.plan(endpoint, config, wanted)
    retained = _retained(request)
    endpoint.move("Updating")
    work.start(f"endpoint {endpoint.endpoint_name}", deployment.update, endpoint, config, plan, retained)
    return {"EndpointArn": endpoint.arn}


def _retained(request: Mapping[str, Any]) -> frozenset[str]:
    if not request.get("RetainAllVariantProperties"):
        return frozenset()
    excluded = {one["VariantPropertyType"] for one in request.get("ExcludeRetainedVariantProperties") or []}
    return frozenset({"DesiredWeight", "DesiredInstanceCount"} - excluded)


def update_endpoint_weights_and_capacities(request: dict[str, Any]) -> dict[str, Any]:
    endpoint = found(request)
    if endpoint.endpoint_status != "InService" or endpoint.blue is None:
        raise refuse(f'Cannot update in-progress endpoint "{endpoint.arn}"')
    wanted = {one["VariantName"]: one for one in request["DesiredWeightsAndCapacities"]}
    unknown = set(wanted) - {one.name for one in endpoint.blue.variants}
    if unknown:
        raise refuse(
            f'The variant name(s) "{", ".join(sorted(unknown))}" is/are not present within endpoint '
            f'configuration "{endpoint.config.name}".'
        )
    endpoint.move("Updating")
    for variant in endpoint.blue.variants:
        change = wanted.get(variant.name, {})
        variant.weight = float(change.get("DesiredWeight", variant.weight))
        variant.instances = int(change.get("DesiredInstanceCount", variant.instances))
    endpoint.move("InService")
    return {"EndpointArn": endpoint.arn}


def describe_endpoint(request: dict[str, Any]) -> dict[str, Any]:
    return found(request).response_object


def delete_endpoint(request: dict[str, Any]) -> dict[str, Any]:
    endpoint = found(request)
    if endpoint.endpoint_status == "Creating":
        raise refuse(f'Cannot delete endpoint "{endpoint.arn}" while it is being created')
    endpoint.move("Deleting")
    del backend("sagemaker").endpoints[endpoint.endpoint_name]
    work.start(f"endpoint {endpoint.endpoint_name}", endpoint.stop)
    return {}


def found(request: Mapping[str, Any]) -> Endpoint:
    endpoint = backend("sagemaker").endpoints.get(request["EndpointName"])
    if endpoint is None:
        raise refuse(f'Could not find endpoint "{arn("endpoint", request["EndpointName"])}".')
    return endpoint  # type: ignore[no-any-return]


def _config(name: str) -> EndpointConfig:
    config = backend("sagemaker").endpoint_configs.get(name)
    if config is None:
        raise refuse(f'Could not find endpoint configuration "{arn("endpoint-config", name)}".')
    return config  # type: ignore[no-any-return]


def _seed(request: dict[str, Any]) -> dict[str, Any]:
    number = int(request.get("seed", 0))
    fleet.seed(number)
    return {"seed": number}


def install() -> None:
    capture.install()
    control.route("seed-endpoints", _seed)


def reset() -> None:
    fleet.seed(0)
    for region in regions.used():
        with regions.at(region):
            _end_all()
    capture.reset()
    endpoint_metrics.reset()


def _end_all() -> None:
    for endpoint in list(backend("sagemaker").endpoints.values()):
        endpoint.gone.set()
        endpoint.wake.set()
        for one in (endpoint.blue, endpoint.green):
            if one is not None:
                one.stop()


def self_test() -> None:
    endpoint_metrics.self_test()


OPERATIONS = {
    "create_endpoint": create_endpoint,
    "update_endpoint": update_endpoint,
    "update_endpoint_weights_and_capacities": update_endpoint_weights_and_capacities,
    "describe_endpoint": describe_endpoint,
    "delete_endpoint": delete_endpoint,
}
