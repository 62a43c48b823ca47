"""Which KMS key stands behind a resource, as moto holds it: what the implied calls of AWS services need."""

from __future__ import annotations

from typing import Any

from sandbox import regions
from sandbox.account import ACCOUNT


def key_arn(name: str | None) -> str | None:
    """ARN of a customer key named by id, ARN, alias or alias ARN; None for AWS's own keys and no key."""
    if not name or "alias/aws/" in name:
        return None
    key = _find(name)
    if key is None:
        return name if name.startswith("arn:") else f"arn:aws:kms:{regions.current()}:{ACCOUNT}:key/{name}"
    return None if _aws_managed(key) else str(key.arn)


def any_key_arn(name: str) -> str | None:
    """ARN of a key that exists, AWS's own included."""
    key = _find(name)
    return str(key.arn) if key else None


def _find(name: str) -> Any:
    from moto.kms.models import kms_backends

    keys = kms_backends[ACCOUNT][regions.of(name)].keys
    if ":alias/" in name or name.startswith("alias/"):
        alias = f"alias/{name.split('alias/', 1)[1]}"
        return next((k for k in list(keys.values()) if alias in k.aliases), None)
    return keys.get(name.rsplit("/", 1)[-1])


def _aws_managed(key: Any) -> bool:
    """moto makes the aws/<service> keys as ordinary ones; their alias tells."""
    return any(alias.startswith("alias/aws/") for alias in key.aliases)


def unusable(arn: str) -> str:
    """Why a key cannot encrypt or decrypt now; "" if it can."""
    key = _find(arn)
    if key is None:
        return "key-does-not-exist"
    return "" if key.key_state == "Enabled" else f"key-is-{key.key_state.lower()}"


def bucket_default(bucket: str) -> tuple[str | None, bool]:
    """Key and bucket-key switch of a bucket's default encryption."""
    found = _bucket(bucket)
    rule = (getattr(found, "encryption", None) or {}).get("Rule") or {}
    rule = rule[0] if isinstance(rule, list) else rule
    default = rule.get("ApplyServerSideEncryptionByDefault") or {}
    if default.get("SSEAlgorithm") not in ("aws:kms", "aws:kms:dsse"):
        return None, False
    return key_arn(default.get("KMSMasterKeyID")), str(rule.get("BucketKeyEnabled", "")).lower() == "true"


def object_key(bucket: str, name: str, version: str | None = None) -> tuple[str | None, bool]:
    """Key of a stored object, and whether it stands under a bucket key."""
    found = _object(bucket, name, version)
    if found is None or found.encryption not in ("aws:kms", "aws:kms:dsse"):
        return None, False
    return key_arn(found.kms_key_id), str(found.bucket_key_enabled or "").lower() == "true"


def object_exists(bucket: str, name: str, version: str | None = None) -> bool:
    return _object(bucket, name, version) is not None


def bucket_exists(bucket: str) -> bool:
    return _bucket(bucket) is not None


def upload_key(bucket: str, upload: str) -> str | None:
    """Key of a multipart upload that is under way."""
    uploads = getattr(_bucket(bucket), "multiparts", {})
    found = uploads.get(upload)
    if found is None:
        return None
    if found.sse_encryption:
        return key_arn(found.kms_key_id) if found.sse_encryption.startswith("aws:kms") else None
    return bucket_default(bucket)[0]


def upload_headers(bucket: str, upload: str) -> tuple[str | None, str | None]:
    """Algorithm and key that a multipart upload was begun with, as its headers said."""
    found = getattr(_bucket(bucket), "multiparts", {}).get(upload)
    if found is None:
        return None, None
    return found.sse_encryption, key_arn(found.kms_key_id)


def stream_key(arn: str) -> str | None:
    from moto.kinesis.models import kinesis_backends

    stream = kinesis_backends[ACCOUNT][regions.of(arn)].streams.get(arn.rsplit("/", 1)[-1])
    return key_arn(stream.key_id) if stream and stream.encryption_type == "KMS" else None


def topic_key(arn: str) -> str | None:
    from moto.sns.models import sns_backends

    topic = sns_backends[ACCOUNT][regions.of(arn)].topics.get(arn)
    return key_arn(topic.kms_master_key_id) if topic else None


def queue_key(arn: str) -> str | None:
    from moto.sqs.models import sqs_backends

    queue = sqs_backends[ACCOUNT][regions.of(arn)].queues.get(arn.rsplit(":", 1)[-1])
    return key_arn(getattr(queue, "kms_master_key_id", None)) if queue else None


def secret(name: str) -> Any:
    """moto's secret by name, ARN or partial ARN; None if there is none."""
    from moto.secretsmanager.models import secretsmanager_backends

    secrets = secretsmanager_backends[ACCOUNT][regions.current()].secrets
    for found in list(secrets.values()):
        if name in (found.name, found.arn, found.arn.rsplit("-", 1)[0]):
            return found
    return None


def secret_key(name: str) -> str | None:
    found = secret(name)
    return key_arn(found.kms_key_id) if found else None


def table_key(name: str) -> str | None:
    from moto.dynamodb.models import dynamodb_backends

    table = dynamodb_backends[ACCOUNT][regions.current()].tables.get(name.rsplit("/", 1)[-1])
    specification = (table.sse_specification if table else None) or {}
    return key_arn(specification.get("KMSMasterKeyId")) if specification.get("Enabled") else None


def log_group_key(name: str) -> str | None:
    from moto.logs.models import logs_backends

    group = logs_backends[ACCOUNT][regions.current()].groups.get(name)
    return key_arn(group.kms_key_id) if group else None


def parameter_key(name: str) -> str | None:
    from moto.ssm.models import ssm_backends

    found = ssm_backends[ACCOUNT][regions.current()].get_parameters([name]).get(name)
    return key_arn(found.keyid) if found and found.parameter_type == "SecureString" else None


def _bucket(name: str) -> Any:
    from moto.s3.models import s3_backends

    return s3_backends[ACCOUNT]["aws"].buckets.get(name)


def _object(bucket: str, name: str, version: str | None) -> Any:
    found = _bucket(bucket)
    if found is None:
        return None
    from moto.s3.models import s3_backends

    return s3_backends[ACCOUNT]["aws"].get_object(bucket, name, version_id=version)
