"""Kinesis streams and Firehose deliveries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from audit.findings import Severity
from audit.rules.rule import Find, Hit, Rule, is_on, is_own_key, lacking
from audit.templates import Resource, Templates

DELIVERY, STREAM = "AWS::KinesisFirehose::DeliveryStream", "AWS::Kinesis::Stream"


def _destinations(delivery: Resource) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """(property, destination, its bucket): S3 is the bucket itself, others keep what failed in one."""
    for name, destination in delivery.properties.items():
        if name.endswith("DestinationConfiguration") and isinstance(destination, Mapping):
            bucket = destination.get("S3Configuration", destination)
            yield name, destination, bucket if isinstance(bucket, Mapping) else {}


def _each_destination(is_met: Callable[[Mapping[str, Any], Mapping[str, Any]], bool], says: str) -> Find:
    def find(templates: Templates) -> Iterator[Hit]:
        for delivery in templates.of(DELIVERY):
            for name, destination, bucket in _destinations(delivery):
                if not is_met(destination, bucket):
                    yield Hit(resource=delivery, message=f"{name}: {says}", subject=name)

    return find


def _deep(value: Mapping[str, Any], *names: str) -> Any:
    found: Any = value
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _has_bucket_key(_: Mapping[str, Any], bucket: Mapping[str, Any]) -> bool:
    return is_own_key(_deep(bucket, "EncryptionConfiguration", "KMSEncryptionConfig", "AWSKMSKeyARN"))


def _keeps_failed(destination: Mapping[str, Any], bucket: Mapping[str, Any]) -> bool:
    return bool(bucket.get("ErrorOutputPrefix")) or destination.get("S3BackupMode") in ("Enabled", "AllData")


def _is_logged(destination: Mapping[str, Any], _: Mapping[str, Any]) -> bool:
    return is_on(_deep(destination, "CloudWatchLoggingOptions", "Enabled"))


def _is_active(destination: Mapping[str, Any], _: Mapping[str, Any]) -> bool:
    blocks = [destination.get(f"{name}Configuration") for name in ("Processing", "DynamicPartitioning")]
    return all(is_on(each.get("Enabled")) for each in blocks if isinstance(each, Mapping))


def _has_own_key(delivery: Resource) -> bool:
    """Of the records on their way; with a stream as the source the stream's key is in use."""
    if delivery.get("DeliveryStreamType", default="DirectPut") != "DirectPut":
        return True
    given = delivery.get("DeliveryStreamEncryptionConfigurationInput")
    return isinstance(given, str) or (
        isinstance(given, Mapping)
        and given.get("KeyType") == "CUSTOMER_MANAGED_CMK"
        and is_own_key(given.get("KeyARN"))
    )


def _stream_has_key(stream: Resource) -> bool:
    given = stream.get("StreamEncryption")
    return isinstance(given, str) or is_own_key(stream.get("StreamEncryption", "KeyId"))


DELIVERED_KEYED = Rule(
    id="ML-FH-01",
    title="Firehose writes to S3 with an own key",
    severity=Severity.MEDIUM,
    rationale="Raw records are the most personal data of all; the delivery decides with which key they land.",
    fix="Give the destination EncryptionConfiguration.KMSEncryptionConfig.AWSKMSKeyARN.",
    controls=("NIST SC-28", "MLSEC03-BP02"),
    find=_each_destination(_has_bucket_key, "objects without an own key; give KMSEncryptionConfig"),
)
DIRECT_KEYED = Rule(
    id="ML-FH-02",
    title="Firehose keeps direct records with an own key",
    severity=Severity.MEDIUM,
    rationale="Until they are delivered, records that producers put directly lie in Firehose.",
    fix="Set DeliveryStreamEncryptionConfigurationInput to CUSTOMER_MANAGED_CMK with an own key.",
    controls=("FSBP DataFirehose.1", "NIST SC-28"),
    find=lacking(
        DELIVERY,
        has=_has_own_key,
        says="direct records without an own key; set CUSTOMER_MANAGED_CMK and KeyARN",
    ),
)
FAILED_KEPT = Rule(
    id="ML-FH-03",
    title="Firehose keeps apart what it could not deliver",
    severity=Severity.MEDIUM,
    rationale="Without a prefix of their own, records that failed land below that of the good ones.",
    fix="Give the destination an ErrorOutputPrefix, or a backup of all records.",
    controls=("NIST SC-24",),
    find=_each_destination(_keeps_failed, "neither ErrorOutputPrefix nor a backup; give one"),
)
DELIVERY_LOGGED = Rule(
    id="ML-FH-04",
    title="Firehose logs failed deliveries",
    severity=Severity.LOW,
    rationale="Without a log a missing right or a wrong key shows only in data that does not come.",
    fix="Set CloudWatchLoggingOptions.Enabled with a log group and a log stream.",
    controls=("NIST AU-2", "NIST AU-12"),
    find=_each_destination(_is_logged, "no log; set CloudWatchLoggingOptions.Enabled"),
)
STREAM_KEYED = Rule(
    id="ML-KIN-01",
    title="Streams are encrypted with an own key",
    severity=Severity.MEDIUM,
    rationale="Records lie in the stream for a day to a year; without an own key nobody can lock them.",
    fix="Set StreamEncryption to KMS with an own KeyId.",
    controls=("FSBP Kinesis.1", "NIST SC-28"),
    find=lacking(STREAM, has=_stream_has_key, says="no own key; set StreamEncryption to KMS with KeyId"),
)
PROCESSED = Rule(
    id="ML-FH-05",
    title="What Firehose is to do with records is switched on",
    severity=Severity.HIGH,
    rationale="With its processing off a delivery writes records as they come: nothing checks them, and "
    "nothing "
    "takes out what is personal.",
    fix="Set Enabled of ProcessingConfiguration and of DynamicPartitioningConfiguration to true.",
    controls=("NIST SC-24", "MLSEC03-BP03"),
    find=_each_destination(_is_active, "processing or partitioning is configured and off; set Enabled"),
)
