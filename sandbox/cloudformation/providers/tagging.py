"""Tags, service by service: each has its own names for the same three things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.cloudformation.providers.provider import Context

Tags = list[dict[str, str]] | dict[str, str] | None


@dataclass(frozen=True)
class Tagging:
    """The tag and untag operations of a service, and how it writes tags."""

    tag: str
    untag: str
    identifier: str
    tags: str = "Tags"
    keys: str = "TagKeys"
    style: str = "pairs"
    create: str = "Tags"  # the parameter of the create operations


def _pairs(tags: dict[str, str]) -> Any:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _lower(tags: dict[str, str]) -> Any:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _kms(tags: dict[str, str]) -> Any:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


_STYLES: dict[str, Callable[[dict[str, str]], Any]] = {
    "pairs": _pairs,
    "map": dict,
    "lower": _lower,
    "kms": _kms,
}

_SERVICES = {
    "application-autoscaling": Tagging("TagResource", "UntagResource", "ResourceARN", style="map"),
    "athena": Tagging("TagResource", "UntagResource", "ResourceARN"),
    "cloudtrail": Tagging("AddTags", "RemoveTags", "ResourceId", "TagsList", "TagsList", create="TagsList"),
    # At creation alone: CodeBuild has no operation for it, and moto makes a project anew.
    "codebuild": Tagging("", "", "", style="lower", create="tags"),
    "codepipeline": Tagging(
        "TagResource", "UntagResource", "resourceArn", "tags", "tagKeys", style="lower", create="tags"
    ),
    "cloudwatch": Tagging("TagResource", "UntagResource", "ResourceARN"),
    "dynamodb": Tagging("TagResource", "UntagResource", "ResourceArn"),
    "ec2": Tagging("CreateTags", "DeleteTags", "Resources", keys="Tags"),
    "ecr": Tagging("TagResource", "UntagResource", "resourceArn", "tags", "tagKeys", create="tags"),
    "events": Tagging("TagResource", "UntagResource", "ResourceARN"),
    "firehose": Tagging("TagDeliveryStream", "UntagDeliveryStream", "DeliveryStreamName"),
    "glue": Tagging("TagResource", "UntagResource", "ResourceArn", "TagsToAdd", "TagsToRemove", style="map"),
    "iam": Tagging("TagRole", "UntagRole", "RoleName"),
    "kinesis": Tagging("AddTagsToStream", "RemoveTagsFromStream", "StreamName", style="map"),
    "kms": Tagging("TagResource", "UntagResource", "KeyId", style="kms"),
    "lambda": Tagging("TagResource", "UntagResource", "Resource", style="map"),
    "logs": Tagging(
        "TagResource", "UntagResource", "resourceArn", "tags", "tagKeys", style="map", create="tags"
    ),
    "sagemaker": Tagging("AddTags", "DeleteTags", "ResourceArn"),
    "scheduler": Tagging("TagResource", "UntagResource", "ResourceArn"),
    "secretsmanager": Tagging("TagResource", "UntagResource", "SecretId"),
    "sns": Tagging("TagResource", "UntagResource", "ResourceArn"),
    "sqs": Tagging("TagQueue", "UntagQueue", "QueueUrl", style="map", create="tags"),
    "stepfunctions": Tagging(
        "TagResource", "UntagResource", "resourceArn", "tags", "tagKeys", style="lower", create="tags"
    ),
}


def as_map(tags: Tags) -> dict[str, str]:
    """Tags of a template, list or map, as a map."""
    if isinstance(tags, dict):
        return {key: str(value) for key, value in tags.items()}
    return {tag["Key"]: str(tag["Value"]) for tag in tags or []}


def styled(service: str, tags: Tags) -> Any:
    return _STYLES[_SERVICES[service].style](as_map(tags))


def at_creation(service: str, tags: Tags, resource_type: str | None = None) -> dict[str, Any]:
    """The parameter of a create operation that carries the tags; resource_type is for EC2 only."""
    if not tags:
        return {}
    if resource_type:
        return {"TagSpecifications": [{"ResourceType": resource_type, "Tags": styled(service, tags)}]}
    return {_SERVICES[service].create: styled(service, tags)}


def retag(context: Context, service: str, identifier: Any, old: Tags, new: Tags) -> None:
    """Bring the tags of a resource from one set to another."""
    before, after = as_map(old), as_map(new)
    rules = _SERVICES[service]
    gone = [key for key in before if key not in after]
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    if gone:
        keys = [{"Key": key} for key in gone] if rules.keys in ("Tags", "TagsList") else gone
        context.call(service, rules.untag, {rules.identifier: identifier, rules.keys: keys})
    if changed:
        context.call(
            service, rules.tag, {rules.identifier: identifier, rules.tags: _STYLES[rules.style](changed)}
        )
