"""AWS::S3: buckets with their settings, and bucket policies."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

import re
from typing import Any

from sandbox import regions
from sandbox.cloudformation.errors import UnsupportedError
from sandbox.cloudformation.providers.provider import Attributes, Context, Plain, Properties, renamed
from sandbox.cloudformation.providers.settings import Setting, apply

_RULE_PLAIN = {"Status", "AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration"}


def _encryption(value: Any) -> tuple[str, dict[str, Any]]:
    rules = [
        {
            "ApplyServerSideEncryptionByDefault" if k == "ServerSideEncryptionByDefault" else k: v
            for k, v in rule.items()
        }
        for rule in value["ServerSideEncryptionConfiguration"]
    ]
    return "PutBucketEncryption", {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def _lifecycle(value: Any) -> tuple[str, dict[str, Any]]:
    rules = [_lifecycle_rule(number, rule) for number, rule in enumerate(value["Rules"])]
    return "PutBucketLifecycleConfiguration", {"LifecycleConfiguration": {"Rules": rules}}


def _lifecycle_rule(number: int, rule: Properties) -> dict[str, Any]:
    """CloudFormation writes flat what the API nests."""
    left = dict(rule)
    made: dict[str, Any] = {key: left.pop(key) for key in _RULE_PLAIN if key in left}
    made["ID"] = left.pop("Id", f"rule-{number}")
    made["Filter"] = _filter(left)
    expiration = {"ExpirationInDays": "Days", "ExpirationDate": "Date"}
    expiration["ExpiredObjectDeleteMarker"] = "ExpiredObjectDeleteMarker"
    if found := {new: left.pop(old) for old, new in expiration.items() if old in left}:
        made["Expiration"] = found
    if "NoncurrentVersionExpirationInDays" in left:
        days = left.pop("NoncurrentVersionExpirationInDays")
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
    names = {"TransitionInDays": "Days", "TransitionDate": "Date"}
    if "Transitions" in left:
        made["Transitions"] = [renamed(**names)(item) for item in left.pop("Transitions")]
    if "NoncurrentVersionTransitions" in left:
        moves = left.pop("NoncurrentVersionTransitions")
        made["NoncurrentVersionTransitions"] = [renamed(TransitionInDays="NoncurrentDays")(m) for m in moves]
    if left:
        raise UnsupportedError(
            f"AWS::S3::Bucket: lifecycle rule has {sorted(left)}, which the sandbox does not know"
        )
    return made


def _filter(left: Properties) -> dict[str, Any]:
    names = ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan")
    found: dict[str, Any] = {name: left.pop(name) for name in names if name in left}
    tags = left.pop("TagFilters", [])
    if len(found) + len(tags) > 1:
        return {"And": {**found, **({"Tags": tags} if tags else {})}}
    return {"Tag": tags[0]} if tags else found or {"Prefix": ""}


def _logging(value: Any) -> tuple[str, dict[str, Any]]:
    target = {"TargetBucket": value["DestinationBucketName"], "TargetPrefix": value.get("LogFilePrefix", "")}
    if "TargetObjectKeyFormat" in value:
        target["TargetObjectKeyFormat"] = value["TargetObjectKeyFormat"]
    return "PutBucketLogging", {"BucketLoggingStatus": {"LoggingEnabled": target}}


def _notification(value: Any) -> tuple[str, dict[str, Any]]:
    made: dict[str, Any] = {}
    if "EventBridgeConfiguration" in value:
        made["EventBridgeConfiguration"] = {}
    kinds = {"Lambda": "LambdaFunction", "Queue": "Queue", "Topic": "Topic"}
    for kind, api in kinds.items():
        for item in value.get(f"{kind}Configurations", []):
            arn = item["Function" if kind == "Lambda" else kind]
            entry = {f"{api}Arn": arn, "Events": [item["Event"]]}
            if "Filter" in item:
                entry["Filter"] = {"Key": {"FilterRules": item["Filter"]["S3Key"]["Rules"]}}
            made.setdefault(f"{api}Configurations", []).append(entry)
    return "PutBucketNotificationConfiguration", {"NotificationConfiguration": made}


def _replication(value: Any) -> tuple[str, dict[str, Any]]:
    made = [renamed(Id="ID")(rule) for rule in value["Rules"]]
    return "PutBucketReplication", {"ReplicationConfiguration": {"Role": value["Role"], "Rules": made}}


def _acl(value: str) -> tuple[str, dict[str, Any]]:
    return "PutBucketAcl", {"ACL": re.sub(r"(?<!^)(?=[A-Z])", "-", value).lower()}


# Ownership before the ACL, which needs it; the public access block last but for what cannot open a bucket.
_SETTINGS = {
    "BucketEncryption": Setting(put=_encryption, unset=("DeleteBucketEncryption", {})),
    "VersioningConfiguration": Setting(
        put=lambda value: ("PutBucketVersioning", {"VersioningConfiguration": value}),
        unset=("PutBucketVersioning", {"VersioningConfiguration": {"Status": "Suspended"}}),
    ),
    "ObjectLockConfiguration": Setting(
        put=lambda value: ("PutObjectLockConfiguration", {"ObjectLockConfiguration": value})
    ),
    "OwnershipControls": Setting(
        put=lambda value: ("PutBucketOwnershipControls", {"OwnershipControls": value}),
        unset=("DeleteBucketOwnershipControls", {}),
    ),
    "AccessControl": Setting(put=_acl, unset=_acl("Private")),
    "PublicAccessBlockConfiguration": Setting(
        put=lambda value: ("PutPublicAccessBlock", {"PublicAccessBlockConfiguration": value}),
        unset=("DeletePublicAccessBlock", {}),
    ),
    "LifecycleConfiguration": Setting(put=_lifecycle, unset=("DeleteBucketLifecycle", {})),
    "LoggingConfiguration": Setting(put=_logging, unset=("PutBucketLogging", {"BucketLoggingStatus": {}})),
    "NotificationConfiguration": Setting(
        put=_notification, unset=("PutBucketNotificationConfiguration", {"NotificationConfiguration": {}})
    ),
    "ReplicationConfiguration": Setting(put=_replication, unset=("DeleteBucketReplication", {})),
    "Tags": Setting(
        put=lambda value: ("PutBucketTagging", {"Tagging": {"TagSet": value}}),
        unset=("DeleteBucketTagging", {}),
    ),
}


def _place() -> dict[str, Any]:
    """S3 has no word for its first Region."""
    region = regions.current()
    return {} if region == regions.HOME else {"CreateBucketConfiguration": {"LocationConstraint": region}}


class Bucket:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("BucketName") or context.name(63, lower=True)
        lock = {"ObjectLockEnabledForBucket": True} if properties.get("ObjectLockEnabled") else {}
        context.call("s3", "CreateBucket", {"Bucket": name, **lock, **_place()})
        context.begun(name)
        apply(context, "s3", {"Bucket": name}, _SETTINGS, {}, properties)
        domain = f"{name}.s3.{regions.current()}.amazonaws.com"
        return name, {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "RegionalDomainName": domain,
            "DualStackDomainName": f"{name}.s3.dualstack.{regions.current()}.amazonaws.com",
            "WebsiteURL": f"http://{name}.s3-website-{regions.current()}.amazonaws.com",
        }

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("BucketName")
        if old.get("ObjectLockEnabled") != new.get("ObjectLockEnabled"):
            raise UnsupportedError("AWS::S3::Bucket: ObjectLockEnabled cannot be changed by the sandbox")
        apply(context, "s3", {"Bucket": ref}, _SETTINGS, old, new)
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("s3", "DeleteBucket", {"Bucket": ref})


PROVIDERS = {
    "AWS::S3::Bucket": Bucket(),
    "AWS::S3::BucketPolicy": Plain(
        service="s3",
        create_operation="PutBucketPolicy",
        update_operation="PutBucketPolicy",
        delete_operation="DeleteBucketPolicy",
        key="Bucket",
        ref="Bucket",
        shape=renamed(PolicyDocument="Policy"),
    ),
}
