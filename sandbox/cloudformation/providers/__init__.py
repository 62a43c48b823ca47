"""One file per service family: which API calls make a resource type."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.cloudformation.providers.provider import Provider

_FILES = (
    "analytics",
    "application_autoscaling",
    "budgets",
    "cdk",
    "cloudtrail",
    "cloudwatch",
    "delivery",
    "dynamodb",
    "ec2",
    "ec2_security_groups",
    "ecr",
    "events",
    "functions",
    "glue",
    "iam",
    "kms",
    "logs",
    "messaging",
    "s3",
    "sagemaker",
    "secretsmanager",
    "ssm",
    "states",
    "streams",
)


@cache
def providers() -> dict[str, Provider]:
    """Resource type -> its provider; each file has a table PROVIDERS."""
    found: dict[str, Provider] = {}
    for name in _FILES:
        table = importlib.import_module(f"{__name__}.{name}").PROVIDERS
        if twice := found.keys() & table.keys():
            raise ValueError(f"two providers for {sorted(twice)}, the second in {name}.py")
        found |= table
    return found
