"""What else a call needs: keys of encrypted resources, roles passed on, key policies for log groups."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from sandbox import regions
from sandbox.account import ACCOUNT
from sandbox.iam import context as keys
from sandbox.iam import encryption, resources_s3, store
from sandbox.iam.parse import Parsed
from sandbox.iam.target import Target

_ROLE = re.compile(rf"arn:aws:iam::{ACCOUNT}:role/(?!aws-service-role/)[\w+=,.@/-]+$")
_PASSING = re.compile(r"(Create|Put|Start|Update|Run|Register|Add|Set|Modify|Execute|Restore)")
# Services whose principal is not <prefix>.amazonaws.com.
_PASSED_TO = {"ec2": "vpc-flow-logs.amazonaws.com"}
# What looks like a role in there is data, not a role that is passed on.
_DATA = {"Environment", "Variables", "HyperParameters", "DefaultArguments", "Arguments", "Tags", "Records"}
# The permission that tags in a create call need, where it is not called TagResource.
_TAGGING = {
    "firehose": "TagDeliveryStream",
    "kinesis": "AddTagsToStream",
    "sagemaker": "AddTags",
    "sqs": "TagQueue",
    "ssm": "AddTagsToResource",
}
_TAGGED = {
    "athena", "cloudwatch", "dynamodb", "ecr", "events", "glue", "kms", "lambda", "logs", "scheduler",
    "secretsmanager", "sns", "states", *_TAGGING,
}  # fmt: skip
_WRITE = ("kms:GenerateDataKey",)
_READ = ("kms:Decrypt",)
_BOTH = ("kms:GenerateDataKey", "kms:Decrypt")


def targets(call: Parsed, context: dict[str, object]) -> Iterator[Target]:
    """Further permissions that AWS checks for this call, against the same caller unless said otherwise."""
    yield from _passed_roles(call)
    yield from _tags(call)
    by_service = _KEYS.get(call.prefix)
    if by_service:
        yield from by_service(call, context)


def _passed_roles(call: Parsed) -> Iterator[Target]:
    if call.prefix in ("iam", "sts", "s3", "kms") or not _PASSING.match(call.operation):
        return
    service = _PASSED_TO.get(call.prefix, f"{call.prefix}.amazonaws.com")
    for arn in dict.fromkeys(_roles(call.params)):
        yield Target(
            action="iam:PassRole",
            resource=arn,
            context={"iam:passedtoservice": service},
            implied_by=f"{call.prefix}:{call.operation}",
        )


def _tags(call: Parsed) -> Iterator[Target]:
    """Who creates something with tags on it must be allowed to tag it."""
    params = call.params
    if call.prefix not in _TAGGED or not re.match(r"(Create|Put|Start|Register)", call.operation):
        return
    if not (params.get("Tags") or params.get("tags")):
        return
    resource = "*" if call.prefix == "kms" else _resource(call).removesuffix(":log-stream:")
    action = _TAGGING.get(call.prefix, "TagResource")
    yield Target(
        action=f"{call.prefix}:{action}", resource=resource, implied_by=f"{call.prefix}:{call.operation}"
    )


def _roles(value: Any, name: str = "") -> Iterator[str]:
    """Role ARNs in the parameters; Glue also takes a bare name."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in _DATA:
                continue
            # Firehose writes a processor's role as {ParameterName: RoleArn, ParameterValue: arn}.
            yield from _roles(item, "RoleArn" if value.get("ParameterName") == "RoleArn" else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _roles(item, name)
    elif isinstance(value, str) and re.search(r"role|permissionarn", name, re.I):
        if _ROLE.match(value):
            yield value
        elif name == "Role" and (arn := store.role_arn(value)):
            yield arn


def _s3(call: Parsed, context: dict[str, object]) -> Iterator[Target]:
    params, operation = call.params, call.operation
    bucket, name = params.get("Bucket", ""), params.get("Key")
    if name is None:
        return
    if operation in ("PutObject", "CreateMultipartUpload", "CopyObject"):
        key, under_bucket = _written_key(call, bucket)
        yield from _s3_key(call, context, _WRITE, key, bucket, name, under_bucket)
    if operation in ("UploadPart", "UploadPartCopy", "CompleteMultipartUpload"):
        key = encryption.upload_key(bucket, params.get("UploadId", ""))
        under_bucket = encryption.bucket_default(bucket)[1]
        yield from _s3_key(call, context, _READ, key, bucket, name, under_bucket)
    if operation in ("CopyObject", "UploadPartCopy"):
        source, source_name, version = resources_s3.copy_source(params["CopySource"])
        key, under_bucket = encryption.object_key(source, source_name, version)
        yield from _s3_key(call, context, _READ, key, source, source_name, under_bucket)
    wants_checksum = operation == "HeadObject" and call.headers.get("x-amz-checksum-mode")
    if operation in ("GetObject", "SelectObjectContent", "GetObjectAttributes") or wants_checksum:
        key, under_bucket = encryption.object_key(bucket, name, params.get("VersionId"))
        yield from _s3_key(call, context, _READ, key, bucket, name, under_bucket)
    if operation in ("GetObject", "HeadObject") and not params.get("VersionId"):
        yield from _absence(bucket, name)


def _absence(bucket: str, name: str) -> Iterator[Target]:
    """Whether an object is absent is told only to those who may list: others get 403 instead of 404."""
    if encryption.bucket_exists(bucket) and not encryption.object_exists(bucket, name):
        context = {"s3:prefix": name}
        yield Target(
            action="s3:ListBucket",
            resource=f"arn:aws:s3:::{bucket}",
            context=context,
            implied_by="s3:GetObject",
        )


def _written_key(call: Parsed, bucket: str) -> tuple[str | None, bool]:
    default, under_bucket = encryption.bucket_default(bucket)
    algorithm = call.headers.get("x-amz-server-side-encryption")
    named = call.headers.get("x-amz-server-side-encryption-aws-kms-key-id")
    header = call.headers.get("x-amz-server-side-encryption-bucket-key-enabled")
    if header is not None:
        under_bucket = header.lower() == "true"
    if named:
        return encryption.key_arn(named), under_bucket
    if algorithm:
        return None, False  # AES256, or aws:kms without a key: S3 then takes its own, not the default
    return default, under_bucket


def _s3_key(
    call: Parsed,
    context: dict[str, object],
    actions: tuple[str, ...],
    key: str | None,
    bucket: str,
    name: str,
    under_bucket: bool,
) -> Iterator[Target]:
    arn = f"arn:aws:s3:::{bucket}" if under_bucket else f"arn:aws:s3:::{bucket}/{name}"
    yield from _on_behalf(call, context, actions, key, "s3", {"aws:s3:arn": arn})


def _on_behalf(
    call: Parsed,
    context: dict[str, object],
    actions: tuple[str, ...],
    key: str | None,
    service: str,
    encryption_context: dict[str, str],
) -> Iterator[Target]:
    if not key:
        return
    own = keys.forwarded(context, f"{service}.{regions.current()}.amazonaws.com")
    own |= {f"kms:encryptioncontext:{name}".lower(): value for name, value in encryption_context.items()}
    if encryption_context:
        own["kms:encryptioncontextkeys"] = list(encryption_context)
    for action in actions:
        yield Target(action=action, resource=key, context=own, implied_by=f"{call.prefix}:{call.operation}")


def _kinesis(call: Parsed, context: dict[str, object]) -> Iterator[Target]:
    actions = {"PutRecord": _WRITE, "PutRecords": _WRITE, "GetRecords": _READ, "SubscribeToShard": _READ}
    if call.operation not in actions:
        return
    arn = _resource(call)
    key = encryption.stream_key(arn)
    yield from _on_behalf(call, context, actions[call.operation], key, "kinesis", {"aws:kinesis:arn": arn})


def _sns(call: Parsed, context: dict[str, object]) -> Iterator[Target]:
    if call.operation in ("Publish", "PublishBatch"):
        arn = call.params.get("TopicArn") or call.params.get("TargetArn") or ""
        yield from _on_behalf(
            call, context, _BOTH, encryption.topic_key(arn), "sns", {"aws:sns:topicArn": arn}
        )


def _sqs(call: Parsed, context: dict[str, object]) -> Iterator[Target]:
    actions = {"SendMessage": _BOTH, "SendMessageBatch": _BOTH, "ReceiveMessage": _READ}
    if call.operation in actions:
        arn = _resource(call)
        key = encryption.queue_key(arn)
        yield from _on_behalf(call, context, actions[call.operation], key, "sqs", {"aws:sqs:arn": arn})


def _secretsmanager(call: Parsed, context: dict[str, object]) -> Iterator[Target]:
    actions = {"GetSecretValue": _READ, "PutSecretValue": _BOTH, "CreateSecret": _BOTH, "UpdateSecret": _BOTH}
    if call.operation not in actions:
        return
    named = call.params.get("KmsKeyId")
    key = encryption.key_arn(named) if named else encryption.secret_key(call.params.get("SecretId", ""))
    arn = {"SecretARN": _resource(call)} if call.operation != "CreateSecret" else {}
    yield from _on_behalf(call, context, actions[call.operation], key, "secretsmanager", arn)


def _ssm(call: Parsed, context: dict[str, object]) -> Iterator[Target]:
    params = call.params
    if call.operation == "PutParameter" and params.get("Type") == "SecureString":
        key = encryption.key_arn(params.get("KeyId"))
        yield from _on_behalf(call, context, ("kms:Encrypt",), key, "ssm", {})
    if str(params.get("WithDecryption")).lower() == "true":
        for name in params.get("Names") or [params.get("Name")]:
            key = encryption.parameter_key(name) if name else None
            yield from _on_behalf(call, context, _READ, key, "ssm", {})


_RECORDS = ("PutRecord", "GetRecord", "BatchGetRecord", "DeleteRecord")


def _sagemaker(call: Parsed, context: dict[str, object]) -> Iterator[Target]:
    """Feature Store opens the key of an online store with the caller's permissions."""
    if call.operation not in _RECORDS:
        return
    from sandbox.engines import feature_groups

    asked = call.params.get("Identifiers") or [call.params]
    for name in dict.fromkeys(one["FeatureGroupName"] for one in asked):
        named = feature_groups.key_of(name)
        key = encryption.key_arn(named) if named else None
        yield from _on_behalf(call, context, _READ, key, "sagemaker", {})


_ITEMS = re.compile(r"(Get|Put|Update|Delete)Item$|Query$|Scan$|Batch(Get|Write)Item$|Transact")


def _dynamodb(call: Parsed, context: dict[str, object]) -> Iterator[Target]:
    """DynamoDB opens the table key with the caller's permissions (cached five minutes; here every time)."""
    if call.operation == "CreateTable":
        named = (call.params.get("SSESpecification") or {}).get("KMSMasterKeyId")
        actions = ("kms:DescribeKey", "kms:CreateGrant")
        yield from _on_behalf(call, context, actions, encryption.key_arn(named), "dynamodb", {})
        return
    if not _ITEMS.match(call.operation):
        return
    names = (
        [call.params["TableName"]]
        if call.params.get("TableName")
        else list(call.params.get("RequestItems") or {})
    )
    for name in names:
        own = {"aws:dynamodb:tableName": name.rsplit("/", 1)[-1], "aws:dynamodb:subscriberId": ACCOUNT}
        yield from _on_behalf(call, context, _READ, encryption.table_key(name), "dynamodb", own)


def _logs(call: Parsed, _: dict[str, object]) -> Iterator[Target]:
    """CloudWatch Logs uses the key as itself: the key's policy must name the service and this group."""
    name = call.params.get("logGroupName")
    if call.operation in ("CreateLogGroup", "AssociateKmsKey"):
        key = encryption.key_arn(call.params.get("kmsKeyId"))
        actions: tuple[str, ...] = ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey")
    elif call.operation in ("PutLogEvents", "GetLogEvents", "FilterLogEvents"):
        key = encryption.log_group_key(name or "")
        actions = _WRITE if call.operation == "PutLogEvents" else _READ
    else:
        return
    group = f"arn:aws:logs:{regions.current()}:{ACCOUNT}:log-group:{name}"
    for action in actions if key else ():
        yield Target(
            action=action,
            resource=str(key),
            context={
                "kms:encryptioncontext:aws:logs:arn": group,
                "kms:encryptioncontextkeys": ["aws:logs:arn"],
            },
            implied_by=f"logs:{call.operation}",
            as_service=f"logs.{regions.current()}.amazonaws.com",
        )


def _resource(call: Parsed) -> str:
    from sandbox.iam import resources

    return resources.targets(call)[0].resource


_KEYS: dict[str, Callable[[Parsed, dict[str, object]], Iterator[Target]]] = {
    "dynamodb": _dynamodb,
    "kinesis": _kinesis,
    "logs": _logs,
    "s3": _s3,
    "sagemaker": _sagemaker,
    "secretsmanager": _secretsmanager,
    "sns": _sns,
    "sqs": _sqs,
    "ssm": _ssm,
}
