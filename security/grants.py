"""Permissions, named by intent: exact actions, wildcards only below an object prefix, keys by their service.

What a role may do stands in one customer-managed policy beside it: a version is kept of each change, and it
can be read and compared without the role (docs/decisions/0044-managed-policies.md).

No `sid`: a helper may be called twice on one role, and a repeated sid is an invalid policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs

from security.roles import REGION

_GIVEN: WeakKeyDictionary[iam.Role, set[str]] = WeakKeyDictionary()
_POLICIES: WeakKeyDictionary[iam.Role, dict[str, iam.ManagedPolicy]] = WeakKeyDictionary()


def allow(
    role: iam.Role,
    actions: list[str],
    resources: list[str],
    *,
    conditions: Mapping[str, Any] | None = None,
    policy: str = "Permissions",
) -> None:
    """The same twice is written once: reading and writing below one prefix both need the key, for example.

    policy  a role whose permissions do not fit into one (6,144 characters) has a second, named by its subject
    """
    given = _GIVEN.setdefault(role, set())
    statement = repr((actions, resources, conditions))
    if statement not in given:
        given.add(statement)
        _policy(role, policy).add_statements(
            iam.PolicyStatement(actions=actions, resources=resources, conditions=conditions)
        )


def _policy(role: iam.Role, name: str) -> iam.ManagedPolicy:
    """Below the role, so that what waits for the role waits for its permissions too."""
    policies = _POLICIES.setdefault(role, {})
    if name not in policies:
        policies[name] = iam.ManagedPolicy(
            role, name, description=f"What {role.node.path} may do", roles=[role]
        )
    return policies[name]


def read_objects(role: iam.Role, bucket: s3.IBucket, prefix: str) -> None:
    """Read and list objects below `prefix` (ends with "/"), and nothing else in `bucket`."""
    _on_objects(role, bucket, prefix, ["s3:GetObject"])
    list_objects(role, bucket, prefix)
    _use_bucket_key(role, bucket, ["kms:Decrypt"])


def read_named(role: iam.Role, bucket: s3.IBucket, pattern: str) -> None:
    """Read objects of one name in whichever folder, for example `runs/*/features.manifest`."""
    allow(role, ["s3:GetObject"], [bucket.arn_for_objects(pattern)])
    allow(role, ["s3:ListBucket"], [bucket.bucket_arn], conditions={"StringLike": {"s3:prefix": [pattern]}})
    _use_bucket_key(role, bucket, ["kms:Decrypt"])


def list_objects(role: iam.Role, bucket: s3.IBucket, prefix: str) -> None:
    # Spark asks for the folder itself too, without the slash.
    below = [f"{prefix}*", prefix.rstrip("/")]
    allow(role, ["s3:ListBucket"], [bucket.bucket_arn], conditions={"StringLike": {"s3:prefix": below}})


def write_objects(role: iam.Role, bucket: s3.IBucket, prefix: str, *, in_parts: bool = False) -> None:
    """Add objects below `prefix`. Earlier versions stay: the buckets are versioned.

    in_parts  for who uploads large files: parts are decrypted one by one when they are put together, and
              taken away when the upload fails
    """
    _on_objects(role, bucket, prefix, ["s3:PutObject", *(["s3:AbortMultipartUpload"] if in_parts else [])])
    _use_bucket_key(role, bucket, ["kms:GenerateDataKey", *(["kms:Decrypt"] if in_parts else [])])


def delete_objects(role: iam.Role, bucket: s3.IBucket, prefix: str) -> None:
    """Hide objects below `prefix` behind a delete marker; versions cannot be deleted."""
    _on_objects(role, bucket, prefix, ["s3:DeleteObject"])


def read_asset(role: iam.Role, asset: s3_assets.Asset) -> None:
    """Read one file that the CDK published, by its exact key."""
    allow(role, ["s3:GetObject"], [asset.bucket.arn_for_objects(asset.s3_object_key)])


def use_key(
    role: iam.Role,
    key: kms.IKey,
    actions: list[str],
    *,
    through: str,
    context: Mapping[str, str] | None = None,
) -> None:
    """Use a key, only for requests that the service `through` (for example "s3") makes for the role."""
    conditions: dict[str, Any] = {"StringEquals": {"kms:ViaService": f"{through}.{REGION}.amazonaws.com"}}
    for name, value in (context or {}).items():
        conditions["StringEquals"][f"kms:EncryptionContext:{name}"] = value
    allow(role, actions, [key.key_arn], conditions=conditions)


def read_secret(
    role: iam.Role,
    secret: secretsmanager.CfnSecret,
    key: kms.IKey,
    *,
    stages: Sequence[str] = ("AWSCURRENT",),
) -> None:
    """Only by these labels, which the request has to name: a version without one stays closed."""
    arn, labelled = secret.ref, {"StringEquals": {"secretsmanager:VersionStage": list(stages)}}
    allow(role, ["secretsmanager:GetSecretValue"], [arn], conditions=labelled)
    use_key(role, key, ["kms:Decrypt"], through="secretsmanager", context={"SecretARN": arn})


def put_records(role: iam.Role, stream: kinesis.IStream, key: kms.IKey) -> None:
    allow(role, ["kinesis:PutRecords"], [stream.stream_arn])
    use_key(role, key, ["kms:GenerateDataKey"], through="kinesis")


def send_messages(role: iam.Role, queue: sqs.IQueue, key: kms.IKey) -> None:
    allow(role, ["sqs:SendMessage"], [queue.queue_arn])
    use_key(role, key, ["kms:GenerateDataKey", "kms:Decrypt"], through="sqs")


def invoke(role: iam.Role, function: lambda_.IFunction) -> None:
    """The function itself; no versions or aliases, which `grant_invoke` would add as a wildcard."""
    allow(role, ["lambda:InvokeFunction"], [function.function_arn])


def _on_objects(role: iam.Role, bucket: s3.IBucket, prefix: str, actions: list[str]) -> None:
    if prefix and not prefix.endswith("/"):
        raise ValueError(
            f"{role.node.path}: the prefix must end with a slash, got {prefix!r}: write {prefix + '/'!r}"
        )
    allow(role, actions, [bucket.arn_for_objects(f"{prefix}*")])


def _use_bucket_key(role: iam.Role, bucket: s3.IBucket, actions: list[str]) -> None:
    if bucket.encryption_key is not None:
        use_key(role, bucket.encryption_key, actions, through="s3")


def encrypt_volumes(role: iam.Role, key: kms.IKey) -> None:
    """Let SageMaker, called with `role`, encrypt volumes in its own account: it makes a grant on the key.

    Two statements: DescribeKey carries no `kms:GrantIsForAWSResource`, so a condition on it would refuse it.
    """
    is_for_a_service = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    allow(role, ["kms:CreateGrant"], [key.key_arn], conditions=is_for_a_service)
    use_key(role, key, ["kms:DescribeKey"], through="sagemaker")
