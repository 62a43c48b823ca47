"""Removes what runs have made in SageMaker: endpoint configurations, models, registered packages.

Only names that a run gives are touched; what somebody else removed already is no fault.
"""

import re
from collections.abc import Iterator
from typing import Any

from shared.aws import client

RUN = r"r\d{8}-[0-9a-f]{8}"


def remove(prefix: str, group: str) -> list[str]:
    """Names and ARNs of what was removed; `prefix` ends with a dash."""
    name = re.compile(f"{re.escape(prefix)}{RUN}(-challenger|-champion)?")
    removed = []
    for config in _all("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName", NameContains=prefix):
        if name.fullmatch(config):
            removed += _gone(config, "delete_endpoint_config", EndpointConfigName=config)
    for model in _all("list_models", "Models", "ModelName", NameContains=prefix):
        if name.fullmatch(model):
            removed += _gone(model, "delete_model", ModelName=model)
    for package in _packages(group):
        removed += _gone(package, "delete_model_package", ModelPackageName=package)
    return removed


def _all(operation: str, listed: str, field: str, **arguments: Any) -> list[str]:
    """Collected before anything is deleted: pages of a list that shrinks skip entries."""
    pages = client("sagemaker").get_paginator(operation).paginate(**arguments)
    return [entry[field] for page in pages for entry in page[listed]]


def _packages(group: str) -> Iterator[str]:
    try:
        yield from _all(
            "list_model_packages", "ModelPackageSummaryList", "ModelPackageArn", ModelPackageGroupName=group
        )
    except client("sagemaker").exceptions.ClientError as error:
        if not _is_absent(error):
            raise


def _gone(name: str, operation: str, **arguments: str) -> list[str]:
    try:
        getattr(client("sagemaker"), operation)(**arguments)
    except client("sagemaker").exceptions.ClientError as error:
        if not _is_absent(error):
            raise
        return []
    return [name]


def _is_absent(error: Any) -> bool:
    """SageMaker says ValidationException for names that it does not know."""
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    unknown = ("could not find", "does not exist", "not found")
    return code in ("ResourceNotFound", "ResourceNotFoundException") or (
        code == "ValidationException" and any(words in message.lower() for words in unknown)
    )
