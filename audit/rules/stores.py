"""Buckets and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from audit.findings import Severity
from audit.rules.rule import (
    Hit,
    Rule,
    is_on,
    is_own_key,
    lacking,
    mappings,
    names,
    open_to_everybody,
    principals,
    without_transport_deny,
)
from audit.rules.rule import policies as statements_of
from audit.templates import Resource, Templates

BUCKET, BUCKET_POLICY = "AWS::S3::Bucket", "AWS::S3::BucketPolicy"
TABLE, GLOBAL_TABLE = "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"
_BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def _is_closed(bucket: Resource) -> bool:
    given = bucket.get("PublicAccessBlockConfiguration")
    return isinstance(given, str) or all(
        is_on(bucket.get("PublicAccessBlockConfiguration", block)) for block in _BLOCKS
    )


def _is_versioned(bucket: Resource) -> bool:
    return bool(bucket.get("VersioningConfiguration", "Status") == "Enabled")


def _bucket_has_key(bucket: Resource) -> bool:
    rules = bucket.get("BucketEncryption", "ServerSideEncryptionConfiguration")
    return any(_encrypts(rule.get("ServerSideEncryptionByDefault")) for rule in mappings(rules))


def _encrypts(default: Any) -> bool:
    return any(
        str(each.get("SSEAlgorithm", "")).startswith("aws:kms") and is_own_key(each.get("KMSMasterKeyID"))
        for each in mappings(default)
    )


def _without_key(templates: Templates) -> Iterator[Hit]:
    """S3 documents no KMS key for a bucket that receives access logs, so those are left out."""
    receivers = {
        str(bucket.get("LoggingConfiguration", "DestinationBucketName")) for bucket in templates.of(BUCKET)
    }
    receivers |= {
        str(statement.holder.get("Bucket"))
        for statement in statements_of(templates, "resource")
        if ("Service", "logging.s3.amazonaws.com") in principals(statement)
    }
    for bucket in templates.of(BUCKET):
        if not _bucket_has_key(bucket) and not names(templates, bucket) & receivers:
            yield Hit(
                resource=bucket, message="no own key by default; set BucketEncryption to aws:kms with one"
            )


def _table_has_key(table: Resource) -> bool:
    if table.type == GLOBAL_TABLE:
        return _each_replica(table, lambda each: is_own_key(_of(each, "SSESpecification", "KMSMasterKeyId")))
    return is_on(table.get("SSESpecification", "SSEEnabled")) and is_own_key(
        table.get("SSESpecification", "KMSMasterKeyId")
    )


def _table_recovers(table: Resource) -> bool:
    wanted = ("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled")
    if table.type == GLOBAL_TABLE:
        return _each_replica(table, lambda each: is_on(_of(each, *wanted)))
    return is_on(table.get(*wanted))


def _each_replica(table: Resource, is_met: Callable[[Mapping[str, Any]], bool]) -> bool:
    replicas = mappings(table.get("Replicas"))
    return bool(replicas) and all(is_met(replica) for replica in replicas)


def _of(replica: Mapping[str, Any], block: str, name: str) -> Any:
    inner = replica.get(block)
    return inner.get(name) if isinstance(inner, Mapping) else inner


def _binds(group: Resource) -> bool:
    """What the work group leaves out (EnforceWorkGroupConfiguration) is enforced: that is AWS's default."""
    given = "WorkGroupConfiguration"
    results = (given, "ResultConfiguration")
    is_open = isinstance(group.get(*results), str) or isinstance(group.get(given), str)
    is_keyed = is_open or is_own_key(group.get(*results, "EncryptionConfiguration", "KmsKey"))
    is_enforced = is_on(group.get(given, "EnforceWorkGroupConfiguration", default=True))
    is_limited = isinstance(group.get(given), str) or bool(group.get(given, "BytesScannedCutoffPerQuery"))
    return is_enforced and is_keyed and is_limited


BUCKET_CLOSED = Rule(
    id="ML-S3-01",
    title="Buckets block public access",
    severity=Severity.HIGH,
    rationale="One policy or ACL by mistake would publish data; the block holds against both.",
    fix="Set all four of PublicAccessBlockConfiguration to true.",
    controls=("FSBP S3.8", "NIST AC-3", "NIST SC-7"),
    find=lacking(BUCKET, has=_is_closed, says="public access is not blocked in all four ways; block it"),
)
BUCKET_TLS = Rule(
    id="ML-S3-02",
    title="Buckets are reached over TLS only",
    severity=Severity.MEDIUM,
    rationale="S3 answers plain HTTP too, unless the bucket's policy denies it.",
    fix="Deny s3:* to everybody with aws:SecureTransport false.",
    controls=("FSBP S3.5", "NIST SC-8"),
    find=without_transport_deny(
        BUCKET,
        BUCKET_POLICY,
        "Bucket",
        "no policy denies plain HTTP; deny all with aws:SecureTransport false",
    ),
)
BUCKET_VERSIONED = Rule(
    id="ML-S3-03",
    title="Buckets are versioned",
    severity=Severity.LOW,
    rationale="Training data or a model that is written over is gone, and with it every way to repeat a run.",
    fix="Set VersioningConfiguration.Status to Enabled.",
    controls=("Security Hub S3.14", "NIST CP-9", "MLSEC03-BP02"),
    find=lacking(
        BUCKET, has=_is_versioned, says="not versioned; set VersioningConfiguration.Status to Enabled"
    ),
)
BUCKET_KEYED = Rule(
    id="ML-S3-04",
    title="Buckets are encrypted with an own key",
    severity=Severity.MEDIUM,
    rationale="With S3's key whoever may read the object may decrypt it; an own key asks a second time.",
    fix="Set BucketEncryption to aws:kms with an own KMSMasterKeyID.",
    controls=("Security Hub S3.17", "NIST SC-28", "MLSEC03-BP02"),
    find=_without_key,
)
BUCKET_NOT_OPEN = Rule(
    id="ML-S3-05",
    title="Bucket policies are not open to everybody",
    severity=Severity.CRITICAL,
    rationale="Principal * without a condition is the whole world.",
    fix="Name the principals, or limit them with aws:PrincipalOrgID or a VPC endpoint.",
    controls=("FSBP S3.2", "FSBP S3.3", "NIST AC-3"),
    find=open_to_everybody(BUCKET_POLICY),
)
TABLE_KEYED = Rule(
    id="ML-DDB-01",
    title="Tables are encrypted with an own key",
    severity=Severity.LOW,
    rationale="DynamoDB's own key is shared by all of the service: no policy, no trail of its use.",
    fix="Set SSESpecification with SSEEnabled and an own KMSMasterKeyId.",
    controls=("NIST SC-28",),
    find=lacking(TABLE, GLOBAL_TABLE, has=_table_has_key, says="no own key; set SSESpecification with one"),
)
TABLE_RECOVERS = Rule(
    id="ML-DDB-02",
    title="Tables can be set back in time",
    severity=Severity.MEDIUM,
    rationale="A wrong write or delete cannot be undone without continuous backups.",
    fix="Set PointInTimeRecoveryEnabled to true.",
    controls=("FSBP DynamoDB.2", "NIST CP-9"),
    find=lacking(TABLE, GLOBAL_TABLE, has=_table_recovers, says="no recovery to a point in time; enable it"),
)
BUCKET_TIDIED = Rule(
    id="ML-S3-06",
    title="Buckets let go of what is old",
    severity=Severity.LOW,
    rationale="Versions and parts of uploads pile up unseen, personal data among them, and the law says for "
    "how "
    "long those may be kept.",
    fix="Give the bucket a LifecycleConfiguration.",
    controls=("FSBP S3.13", "NIST SI-12"),
    find=lacking(
        BUCKET,
        has=lambda bucket: bool(bucket.get("LifecycleConfiguration")),
        says="keeps everything for ever; give LifecycleConfiguration",
    ),
)
WORKGROUP_ENFORCED = Rule(
    id="ML-ATH-01",
    title="Work groups of Athena bind their clients",
    severity=Severity.MEDIUM,
    rationale="Unless the work group's settings are enforced, a client says where results go and with which "
    "key; "
    "a query without a limit scans, and shows, the whole lake.",
    fix="Set EnforceWorkGroupConfiguration, results encrypted with an own key, BytesScannedCutoffPerQuery.",
    controls=("NIST SC-28", "NIST AC-3"),
    find=lacking(
        "AWS::Athena::WorkGroup", has=_binds, says="enforces no key or limit; set all three of its settings"
    ),
)
