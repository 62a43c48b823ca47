"""What holds for a resource of any type: its provider, its tags, and what is said when it fails."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sandbox.cloudformation import custom_resources, schemas
from sandbox.cloudformation.errors import PropertyError, UnsupportedError
from sandbox.cloudformation.model import Resource
from sandbox.cloudformation.providers import providers
from sandbox.cloudformation.providers.provider import Provider, Watched


class ResourceError(Exception):
    """A resource could not be made, changed or deleted; the event is already written."""


def provider_of(kind: str) -> Provider:
    if schemas.is_custom(kind):
        return custom_resources.PROVIDER
    try:
        return providers()[kind]
    except KeyError:
        raise UnsupportedError(f"resource type {kind} is not supported by the sandbox") from None


def refuse_unread(resource: Resource, watched: Watched) -> None:
    if watched.unread:
        raise UnsupportedError(
            f"{resource.type}: the sandbox does not support the properties {sorted(watched.unread)}"
        )


def with_stack_tags(kind: str, properties: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    place = schemas.tag_property(kind) if tags else None
    if place is None:
        return properties
    name, is_map = place
    own = properties.get(name) or ({} if is_map else [])
    if is_map:
        return {**properties, name: {**tags, **own}}
    keys = {tag["Key"] for tag in own}
    return {**properties, name: [*own, *({"Key": k, "Value": v} for k, v in tags.items() if k not in keys)]}


def reason(error: Exception) -> str:
    if isinstance(error, ClientError):
        details = error.response["Error"]
        return f"{details.get('Message')} (operation: {error.operation_name}, error: {details.get('Code')})"[
            :1000
        ]
    if isinstance(error, UnsupportedError | PropertyError | ResourceError):
        return str(error)[:1000]
    return f"{type(error).__name__}: {error}"[:1000]
