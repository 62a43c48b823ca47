"""SageMaker: which operations of moto are answered by the engines of this folder instead."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from sandbox import selftest
from sandbox.engines import vpc

_PARTS = (
    "training",
    "tuning",
    "processing",
    "models",
    "endpoints",
    "runtime",
    "transform",
    "registry",
    "feature_store",
)


def _parts() -> list[ModuleType]:
    return [importlib.import_module(f"sandbox.engines.{name}") for name in _PARTS]


def _answered_by(operation: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    """A method of moto's response class that hands the parsed request on."""

    def method(self: Any) -> Any:
        from moto.core.responses import ActionResult

        return ActionResult(operation(dict(self._get_params())))

    method.__name__ = operation.__name__
    return method


def install() -> None:
    from moto.sagemaker.responses import SageMakerResponse

    vpc.install()
    for part in _parts():
        for name, operation in getattr(part, "OPERATIONS", {}).items():
            setattr(SageMakerResponse, name, _answered_by(operation))
        if hook := getattr(part, "install", None):
            hook()


def reset() -> None:
    for part in _parts():
        if hook := getattr(part, "reset", None):
            hook()


def self_test() -> None:
    for name in (
        "endpoint_configs",
        "endpoints",
        "hyper_parameter_tuning_jobs",
        "model_package_groups",
        "model_package_name_mapping",
        "model_packages",
        "processing_jobs",
        "training_jobs",
        "transform_jobs",
    ):
        _check_attribute(name)
    selftest.check("moto.sagemaker.responses:SageMakerResponse.create_training_job", "self")
    selftest.check("moto.sagemaker.exceptions:ValidationError", "message")
    selftest.check("moto.sagemaker.exceptions:ResourceInUseException", "message")
    selftest.check("moto.core.responses:BaseResponse._get_params", "self")
    selftest.check("moto.core.utils:get_service_model")
    for part in _parts():
        if test := getattr(part, "self_test", None):
            test()
    vpc.self_test()


def _check_attribute(name: str) -> None:
    from moto.sagemaker.models import SageMakerModelBackend

    if not hasattr(SageMakerModelBackend(region_name="us-east-1", account_id="123456789012"), name):
        raise selftest.SelfTestError(f"SageMakerModelBackend.{name} is missing in moto")
