"""A delivery stream's configuration, read once and refused by name where the sandbox cannot do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.engines import firehose_prefix

_MB = 1024 * 1024
_EXTENSIONS = {"UNCOMPRESSED": "", "GZIP": ".gz"}
_KNOWN = frozenset(
    (
        *("RoleARN", "BucketARN", "Prefix", "ErrorOutputPrefix", "BufferingHints", "CompressionFormat"),
        *("EncryptionConfiguration", "CloudWatchLoggingOptions", "ProcessingConfiguration", "S3BackupMode"),
        *("DynamicPartitioningConfiguration", "FileExtension", "CustomTimeZone", "S3BackupDescription"),
        "DataFormatConversionConfiguration",
    )
)


class UnsupportedStreamError(ValueError):
    """AWS could run this delivery stream, or it refuses it; the sandbox cannot run it."""


@dataclass(frozen=True, kw_only=True)
class Transform:
    function_arn: str
    role_arn: str
    buffer_bytes: int
    buffer_seconds: int
    retries: int


@dataclass(frozen=True, kw_only=True)
class Source:
    stream_arn: str
    role_arn: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    name: str
    arn: str
    version: str
    role_arn: str
    bucket: str
    prefix: str
    error_prefix: str
    buffer_bytes: int
    buffer_seconds: int
    compression: str
    extension: str
    kms_key: str | None
    zone: ZoneInfo
    log: tuple[str, str] | None
    dynamic: bool
    transform: Transform | None
    append_newline: bool
    source: Source | None


def read(stream: Any) -> Settings:
    """From moto's record of the delivery stream."""
    destination = _destination(stream)
    transform, newline = _processors(destination)
    dynamic = bool(_true((destination.get("DynamicPartitioningConfiguration") or {}).get("Enabled")))
    prefix = destination.get("Prefix") or ""
    error_prefix = destination.get("ErrorOutputPrefix") or ""
    try:
        firehose_prefix.check(prefix, error_prefix, dynamic=dynamic)
    except firehose_prefix.PrefixError as error:
        raise UnsupportedStreamError(str(error)) from error
    hints = destination.get("BufferingHints") or {}
    megabytes = int(hints.get("SizeInMBs", 5))
    if dynamic and megabytes < 64:
        raise UnsupportedStreamError(
            f"BufferingHints.SizeInMBs is {megabytes}; with dynamic partitioning at least 64 are needed"
        )
    compression = destination.get("CompressionFormat") or "UNCOMPRESSED"
    if compression not in _EXTENSIONS:
        raise UnsupportedStreamError(
            f"CompressionFormat {compression} is not implemented; allowed: {', '.join(_EXTENSIONS)}"
        )
    key = (destination.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig") or {}
    return Settings(
        name=stream.delivery_stream_name,
        arn=stream.delivery_stream_arn,
        version=str(stream.version_id),
        role_arn=destination["RoleARN"],
        bucket=destination["BucketARN"].split(":::")[1],
        prefix=prefix,
        error_prefix=error_prefix,
        buffer_bytes=megabytes * _MB,
        buffer_seconds=int(hints.get("IntervalInSeconds", 300)),
        compression=compression,
        extension=destination.get("FileExtension") or _EXTENSIONS[compression],
        kms_key=key.get("AWSKMSKeyARN"),
        zone=ZoneInfo(destination.get("CustomTimeZone") or "UTC"),
        log=_log(destination),
        dynamic=dynamic,
        transform=transform,
        append_newline=newline,
        source=_source(stream),
    )


def _destination(stream: Any) -> dict[str, Any]:
    given: dict[str, Any] = stream.destinations[0]
    destination: dict[str, Any] | None = given.get("ExtendedS3") or given.get("S3")
    if destination is None:
        kinds = ", ".join(key for key in given if key != "destination_id")
        raise UnsupportedStreamError(f"destination {kinds} is not implemented by the sandbox; allowed: S3")
    if unknown := set(destination) - _KNOWN:
        raise UnsupportedStreamError(
            f"settings {', '.join(sorted(unknown))} are not implemented by the sandbox"
        )
    if _true((destination.get("DataFormatConversionConfiguration") or {}).get("Enabled")):
        raise UnsupportedStreamError("DataFormatConversionConfiguration is not implemented by the sandbox")
    if destination.get("S3BackupMode", "Disabled") != "Disabled":
        raise UnsupportedStreamError("S3BackupMode Enabled is not implemented by the sandbox")
    return destination


def _processors(destination: dict[str, Any]) -> tuple[Transform | None, bool]:
    configuration = destination.get("ProcessingConfiguration") or {}
    if not _true(configuration.get("Enabled")):
        return None, False
    transform = None
    newline = False
    for processor in configuration.get("Processors", []):
        parameters = {p["ParameterName"]: p["ParameterValue"] for p in processor.get("Parameters", [])}
        if processor["Type"] == "Lambda" and transform is None:
            transform = _transform(parameters, destination["RoleARN"])
        elif processor["Type"] == "AppendDelimiterToRecord":
            newline = True
        else:
            raise UnsupportedStreamError(
                f"processor {processor['Type']} is not implemented by the sandbox; "
                "allowed: one Lambda, AppendDelimiterToRecord"
            )
    return transform, newline


def _transform(parameters: dict[str, str], role: str) -> Transform:
    known = {"LambdaArn", "NumberOfRetries", "RoleArn", "BufferSizeInMBs", "BufferIntervalInSeconds"}
    if unknown := set(parameters) - known:
        raise UnsupportedStreamError(
            f"Lambda processor parameters {', '.join(sorted(unknown))} are not known"
        )
    megabytes = float(parameters.get("BufferSizeInMBs", 1))
    if not 0.2 <= megabytes <= 3:
        raise UnsupportedStreamError(f"BufferSizeInMBs is {megabytes:g}; allowed: 0.2 to 3")
    return Transform(
        function_arn=parameters["LambdaArn"],
        role_arn=parameters.get("RoleArn", role),
        buffer_bytes=int(megabytes * _MB),
        buffer_seconds=int(parameters.get("BufferIntervalInSeconds", 60)),
        retries=int(parameters.get("NumberOfRetries", 3)),
    )


def _log(destination: dict[str, Any]) -> tuple[str, str] | None:
    options = destination.get("CloudWatchLoggingOptions") or {}
    if not _true(options.get("Enabled")):
        return None
    return options["LogGroupName"], options["LogStreamName"]


def _source(stream: Any) -> Source | None:
    given = stream.source
    if stream.delivery_stream_type == "DirectPut" or not given:
        return None
    if "KinesisStreamARN" not in given:
        raise UnsupportedStreamError(
            f"source {stream.delivery_stream_type} is not implemented by the sandbox"
        )
    return Source(stream_arn=given["KinesisStreamARN"], role_arn=given["RoleARN"])


def _true(value: Any) -> bool:
    return str(value).lower() == "true"
