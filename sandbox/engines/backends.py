"""moto's state for the one account: what AWS itself keeps, never a way round the API."""

from __future__ import annotations

from typing import Any

from sandbox import regions

ACCOUNT = "123456789012"
_GLOBAL = frozenset({"iam", "s3", "sts"})


def backend(service: str) -> Any:
    """The backend that moto's own request handlers use in this Region, named as boto3 names the service."""
    from moto.backends import get_backend

    return get_backend(service)[ACCOUNT]["aws" if service in _GLOBAL else regions.current()]
