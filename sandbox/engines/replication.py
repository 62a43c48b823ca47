"""S3 replication: what is written to a bucket is copied by its rules, as the role that they name.

Every step is authorised against the deployed policies and recorded: the role's trust, what it reads, what it
writes, and both keys. A copy keeps its version's id; copies of copies are not made. While either Region is
switched off, objects wait; they are copied when it is back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox import faults, regions, selftest, work
from sandbox.engines import dispatch, metrics
from sandbox.engines.backends import backend
from sandbox.iam import encryption, identity

_SERVICE = "s3.amazonaws.com"
_NAMESPACE = "AWS/S3"
_KMS = ("aws:kms", "aws:kms:dsse")

_lock = threading.Lock()
_waiting: list[tuple[str, Any]] = []  # bucket and object
_put: Any = None  # moto's own


class ReplicationError(RuntimeError):
    """The object cannot be copied; its status is FAILED, as on AWS."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    id: str
    priority: int
    prefix: str
    destination: str  # bucket
    key: str | None  # of the copies: ARN of a key or of an alias
    takes_encrypted: bool
    copies_markers: bool

    @property
    def dimensions(self) -> dict[str, str]:
        return {"DestinationBucket": self.destination, "RuleId": self.id}


def rules(config: Mapping[str, Any] | None) -> list[Rule]:
    """Those that are on, the most important one first; from the configuration as moto keeps it."""
    found = [_rule(rule) for rule in (config or {}).get("Rule", []) if rule["Status"] == "Enabled"]
    return sorted(found, key=lambda rule: -rule.priority)


def _rule(rule: Mapping[str, Any]) -> Rule:
    where = rule["Destination"]
    chosen = rule.get("Filter") or {}
    criteria = (rule.get("SourceSelectionCriteria") or {}).get("SseKmsEncryptedObjects") or {}
    return Rule(
        id=rule["ID"],
        priority=int(rule.get("Priority", 1)),
        prefix=chosen.get("Prefix") or rule.get("Prefix") or "",
        destination=where["Bucket"].rsplit(":", 1)[-1],
        key=(where.get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID"),
        takes_encrypted=criteria.get("Status") == "Enabled",
        copies_markers=(rule.get("DeleteMarkerReplication") or {}).get("Status") == "Enabled",
    )


def _replicate(bucket_name: str, found: Any) -> None:
    source = backend("s3").buckets.get(bucket_name)
    config = getattr(source, "replication", None)
    rule = next((each for each in rules(config) if found.name.startswith(each.prefix)), None)
    if source is None or rule is None:
        return
    if found.encryption in _KMS and not rule.takes_encrypted:
        return
    target = backend("s3").buckets.get(rule.destination)
    if regions.is_off(source.region_name) or (target is not None and regions.is_off(target.region_name)):
        with _lock:
            _waiting.append((bucket_name, found))
        return
    try:
        _copy(source, target, rule, config["Role"], found)
    except (ReplicationError, identity.Denied) as error:
        found.replication_status = "FAILED"
        work.fail(f"replication of s3://{bucket_name}/{found.name}", error)
        with regions.at(source.region_name):
            _measure(source, rule, "OperationsFailedReplication", 1, "Count")
    else:
        found.replication_status = "COMPLETED"
        with regions.at(target.region_name):
            _measure(source, rule, "ReplicationLatency", 0, "Seconds")


def _measure(source: Any, rule: Rule, name: str, value: float, unit: str) -> None:
    pairs = {"SourceBucket": source.name, **rule.dimensions}
    metrics.put(namespace=_NAMESPACE, name=name, value=value, unit=unit, dimensions=pairs)


def _copy(source: Any, target: Any, rule: Rule, role: str, found: Any) -> None:
    if fault := faults.due("replication", source.name):
        raise ReplicationError(fault.detail or "fault ordered in the sandbox")
    if target is None or not target.is_versioned:
        raise ReplicationError(f"{rule.destination} does not exist, or has no versioning")
    holder = identity.service_credentials(
        role, _SERVICE, session="s3-replication", source_arn=source.arn, runs_code=False
    )
    ask = identity.asker(holder, region=source.region_name)
    ask("s3:GetReplicationConfiguration", source.arn)
    ask("s3:ListBucket", source.arn)
    ask("s3:GetObjectVersionForReplication", f"{source.arn}/{found.name}")
    ask("s3:GetObjectVersionAcl", f"{source.arn}/{found.name}")
    if found.encryption in _KMS:
        _use(ask, found.kms_key_id, source, found, ("kms:Decrypt",), under_bucket=found.bucket_key_enabled)
    write = identity.asker(holder, region=target.region_name)
    write("s3:ReplicateObject", f"{target.arn}/{found.name}")
    kept: dict[str, Any] = {"encryption": found.encryption if found.encryption not in _KMS else None}
    if found.encryption in _KMS:
        with regions.at(target.region_name):
            key, is_under_bucket = encryption.key_arn(rule.key), encryption.bucket_default(target.name)[1]
        # The bucket's own key is opened before it is used.
        actions = ("kms:Encrypt", "kms:Decrypt") if is_under_bucket else ("kms:Encrypt",)
        _use(write, key, target, found, actions, under_bucket=is_under_bucket)
        kept = {"encryption": found.encryption, "kms_key_id": key, "bucket_key_enabled": is_under_bucket}
    with regions.at(target.region_name):
        copy = _put(backend("s3"), target.name, found.name, found.value, storage=found._storage_class, **kept)
    copy._version_id = found.version_id
    copy.set_metadata(dict(found.metadata))
    copy.replication_status = "REPLICA"


def _use(
    ask: Any, key: str | None, bucket: Any, found: Any, actions: tuple[str, ...], *, under_bucket: Any
) -> None:
    with regions.at(bucket.region_name):
        arn = encryption.key_arn(key)
        if arn is None:
            raise ReplicationError(f"no key {key} in {bucket.region_name}: S3 copies with the account's own")
        if why := encryption.unusable(arn):
            raise ReplicationError(f"{arn}: {why}")
    is_under_bucket = str(under_bucket or "").lower() == "true"
    about = bucket.arn if is_under_bucket else f"{bucket.arn}/{found.name}"
    for action in actions:
        ask(
            action,
            arn,
            {
                "kms:viaservice": f"s3.{bucket.region_name}.amazonaws.com",
                "kms:encryptioncontext:aws:s3:arn": about,
                "kms:encryptioncontextkeys": ["aws:s3:arn"],
            },
        )


def _resume(_region: str) -> None:
    """What waited for a Region; what waits for another one waits on."""
    with _lock:
        taken, _waiting[:] = list(_waiting), []
    for bucket, found in taken:
        _later(bucket, found)


def _later(bucket: str, found: Any) -> None:
    dispatch.later(f"replication of s3://{bucket}/{found.name}", _replicate, bucket, found)


def waiting() -> int:
    with _lock:
        return len(_waiting)


# ------------------------------------------------------------------ moto's side


def _put_object(self: Any, bucket_name: str, key_name: str, *args: Any, **kwargs: Any) -> Any:
    found = _put(self, bucket_name, key_name, *args, **kwargs)
    bucket = self.buckets.get(bucket_name)
    if bucket is not None and any(True for _ in _concerned(bucket, key_name)):
        found.replication_status = "PENDING"
        _later(bucket_name, found)
    return found


def _concerned(bucket: Any, key_name: str) -> Iterator[Rule]:
    config = getattr(bucket, "replication", None)
    return (rule for rule in rules(config) if key_name.startswith(rule.prefix))


def _checked(original: Any) -> Any:
    def put_bucket_replication(self: Any, bucket_name: str, replication: dict[str, Any]) -> None:
        """Where S3 refuses: a destination that is not there or has no versions, a time without metrics."""
        from moto.s3.exceptions import S3ClientError

        given = replication["Rule"]
        for rule in given if isinstance(given, list) else [given]:
            where = rule["Destination"]
            target = self.buckets.get(where["Bucket"].rsplit(":", 1)[-1])
            if target is None:
                raise S3ClientError("InvalidRequest", "Destination bucket must exist.")
            if not target.is_versioned:
                raise S3ClientError("InvalidRequest", "Destination bucket must have versioning enabled.")
            if where.get("ReplicationTime") and not where.get("Metrics"):
                raise S3ClientError("InvalidRequest", "ReplicationTime needs Metrics.")
        original(self, bucket_name, replication)

    return put_bucket_replication


def _with_status(original: Any) -> Any:
    def response_dict(self: Any) -> dict[str, Any]:
        answer: dict[str, Any] = original.fget(self)
        if status := getattr(self, "replication_status", None):
            answer["x-amz-replication-status"] = status
        return answer

    return property(response_dict)


def install() -> None:
    global _put
    from moto.s3.models import FakeKey, S3Backend

    _put = S3Backend.put_object
    S3Backend.put_object = _put_object
    S3Backend.put_bucket_replication = _checked(S3Backend.put_bucket_replication)
    FakeKey.response_dict = _with_status(FakeKey.response_dict)
    regions.on_return(_resume)


def reset() -> None:
    with _lock:
        _waiting.clear()


def self_test() -> None:
    selftest.check("moto.s3.models:S3Backend.put_bucket_replication", "self", "bucket_name", "replication")
    selftest.check("moto.s3.models:S3Backend.put_object")
    selftest.check("moto.s3.models:FakeKey.response_dict")
