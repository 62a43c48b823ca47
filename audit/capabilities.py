"""What an action does to what, by the service authorization reference; and the resources that hold data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from audit.authorization import action, expand
from audit.policies import matches
from audit.templates import Resource, Templates

# "unknown": allowed by a policy that no template holds.
Capability = Literal["read", "write", "delete", "encrypt", "decrypt", "invoke", "administer", "unknown"]

_HERE = "arn:aws:{service}:<Region>:<AccountId>:"
# Type -> (kind, service, resource type of the reference -> ARN; a trailing * is everything below).
TARGETS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "AWS::S3::Bucket": ("bucket", "s3", {"bucket": "{arn}", "object": "{arn}/*"}),
    "AWS::KMS::Key": ("key", "kms", {"key": "{arn}"}),
    "AWS::Kinesis::Stream": ("stream", "kinesis", {"stream": "{arn}", "consumer": "{arn}/consumer/*"}),
    "AWS::KinesisFirehose::DeliveryStream": ("delivery stream", "firehose", {"deliverystream": "{arn}"}),
    "AWS::SQS::Queue": ("queue", "sqs", {"queue": "{arn}"}),
    "AWS::SNS::Topic": ("topic", "sns", {"topic": "{arn}"}),
    "AWS::DynamoDB::Table": (
        "table",
        "dynamodb",
        {"table": "{arn}", "index": "{arn}/index/*", "stream": "{arn}/stream/*"},
    ),
    "AWS::Glue::Database": ("database", "glue", {"database": "{arn}"}),
    "AWS::Glue::Table": ("catalogue table", "glue", {"table": _HERE + "table/{name}"}),
    "AWS::SecretsManager::Secret": ("secret", "secretsmanager", {"Secret": "{arn}"}),
    "AWS::SSM::Parameter": ("parameter", "ssm", {"parameter": _HERE + "parameter/{name}"}),
    "AWS::SageMaker::Endpoint": ("endpoint", "sagemaker", {"endpoint": "{arn}"}),
    "AWS::SageMaker::Model": ("model", "sagemaker", {"model": "{arn}"}),
    "AWS::SageMaker::ModelPackageGroup": (
        "model registry",
        "sagemaker",
        {"model-package-group": "{arn}", "model-package": _HERE + "model-package/{name}/*"},
    ),
    "AWS::SageMaker::FeatureGroup": (
        "feature group",
        "sagemaker",
        {"feature-group": _HERE + "feature-group/{name}"},
    ),
    "AWS::ECR::Repository": ("repository", "ecr", {"repository": "{arn}"}),
    "AWS::Logs::LogGroup": (
        "log group",
        "logs",
        {"log-group": "{arn}", "log-stream": _HERE + "log-group:{name}:log-stream:*"},
    ),
    "AWS::Athena::WorkGroup": ("workgroup", "athena", {"workgroup": "{arn}"}),
    "AWS::RDS::DBInstance": ("database instance", "rds", {"db": "{arn}"}),
    "AWS::RDS::DBCluster": ("database cluster", "rds", {"cluster": "{arn}"}),
    "AWS::EFS::FileSystem": ("file system", "elasticfilesystem", {"file-system": "{arn}"}),
}
_NAMES = {
    "AWS::Glue::Table": ("TableInput", "Name"),
    "AWS::SSM::Parameter": ("Name",),
    "AWS::SageMaker::ModelPackageGroup": ("ModelPackageGroupName",),
    "AWS::SageMaker::FeatureGroup": ("FeatureGroupName",),
    "AWS::Logs::LogGroup": ("LogGroupName",),
}
# First match counts, before the access level does. The reference calls all use of a key "Write", and asking
# an endpoint "Read".
_CORRECTIONS: tuple[tuple[str, Capability], ...] = (
    (r"kms:(Decrypt|ReEncryptFrom)", "decrypt"),
    (r"kms:(Encrypt|ReEncryptTo|Generate.*|Sign|Verify.*|DeriveSharedSecret)", "encrypt"),
    (r"kms:(Describe|Get|List).*", "read"),
    (r"kms:.*", "administer"),
    (r"sagemaker:InvokeEndpoint.*", "invoke"),
    (r"s3:(DeleteBucket|ReplicateDelete)", "delete"),
    (r"s3:(Put|Create|Delete|Update)(Bucket|\w*Configuration|Public|Job).*", "administer"),
    (r"\w+:(Batch|PartiQL)?(Delete|Purge)(?!\w*(Tag|Policy)).*", "delete"),
)
_LEVELS: Mapping[str, Capability] = {
    "List": "read",
    "Read": "read",
    "Write": "write",
    "Permissions management": "administer",
    "Tagging": "administer",
}


@dataclass(frozen=True, kw_only=True)
class Face:
    """One kind of thing that a target shows to policies: a bucket, and the objects in it (`is_open`).

    arn  for an open face up to where the part begins that differs from request to request
    """

    service: str
    type: str
    arn: str
    is_open: bool


def faces(templates: Templates, resource: Resource) -> list[Face]:
    _, service, shapes = TARGETS[resource.type]
    name = _name(resource)
    arn = templates.arn(resource)
    return [
        Face(
            service=service,
            type=kind,
            arn=shape.removesuffix("*").format(arn=arn, name=name, service=service),
            is_open=shape.endswith("*"),
        )
        for kind, shape in shapes.items()
    ]


def _name(resource: Resource) -> str:
    keys = _NAMES.get(resource.type)
    given = resource.get(*keys) if keys else None
    name = str(given) if given is not None else f"<{resource.address}>"
    if resource.type == "AWS::Glue::Table":
        return f"{resource.get('DatabaseName', default='*')}/{name}"
    # The slash that a parameter's name begins with is the one of its ARN.
    return name.removeprefix("/") if resource.type == "AWS::SSM::Parameter" else name


@cache
def actions_on(service: str, resource_type: str) -> Mapping[str, Capability]:
    """Every action of a service that works on such a resource, as `service:Action`."""
    known = [found for name in expand(f"{service}:*") if (found := action(name))]
    return {each.name: capability(each.name, each.level) for each in known if resource_type in each.types}


def capability(name: str, access_level: str) -> Capability:
    for pattern, corrected in _CORRECTIONS:
        if re.fullmatch(pattern, name):
            return corrected
    return _LEVELS.get(access_level, "write")


@cache
def expanded(pattern: str, service: str, resource_type: str) -> frozenset[str]:
    """The actions that a pattern of a statement means for one kind of resource."""
    lowered = pattern.lower()
    return frozenset(name for name in actions_on(service, resource_type) if matches(lowered, name.lower()))
