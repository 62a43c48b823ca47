"""Glue: jobs, their security configurations, their connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from audit.findings import Severity
from audit.rules.rule import Rule, is_open, is_own_key, lacking, mappings
from audit.templates import Resource

JOB, CONFIGURATION = "AWS::Glue::Job", "AWS::Glue::SecurityConfiguration"
CONNECTION = "AWS::Glue::Connection"
_STREAMING = "gluestreaming"


def _encrypts(part: str, mode: str, wanted: str) -> Callable[[Resource], bool]:
    """Every entry of this part of the configuration, and at least one, in the wanted mode with an own key."""

    def has(configuration: Resource) -> bool:
        given = configuration.get("EncryptionConfiguration", part)
        entries = mappings(given)
        return is_open(given) or (
            bool(entries)
            and all(each.get(mode) == wanted and is_own_key(each.get("KmsKeyArn")) for each in entries)
        )

    return has


def _has_connection(job: Resource) -> bool:
    given = job.get("Connections")
    return bool(given.get("Connections")) if isinstance(given, Mapping) else bool(given)


def _has_timeout(job: Resource) -> bool:
    """A streaming job is meant to run on."""
    return bool(job.get("Timeout")) or job.get("Command", "Name") == _STREAMING


def _is_in_vpc(connection: Resource) -> bool:
    """Connections by way of a marketplace connector say so in their properties, and are judged alike."""
    given = connection.get("ConnectionInput")
    return isinstance(given, str) or bool(
        connection.get("ConnectionInput", "PhysicalConnectionRequirements", "SubnetId")
    )


JOB_CONFIGURED = Rule(
    id="ML-GLUE-01",
    title="Glue jobs have a security configuration",
    severity=Severity.MEDIUM,
    rationale="Without one the job's output, logs and bookmarks are not encrypted with an own key.",
    fix="Give the job a SecurityConfiguration.",
    controls=("NIST SC-28", "MLSEC03-BP02"),
    find=lacking(
        JOB, has=lambda job: bool(job.get("SecurityConfiguration")), says="no SecurityConfiguration; name one"
    ),
)
JOB_IN_VPC = Rule(
    id="ML-GLUE-02",
    title="Glue jobs run through a connection",
    severity=Severity.HIGH,
    rationale="Without a connection the workers are in Glue's network, with a way to the internet.",
    fix="Give the job a connection of type NETWORK into the VPC.",
    controls=("NIST SC-7", "MLSEC03-BP02"),
    find=lacking(JOB, has=_has_connection, says="no connection; name one that leads into the VPC"),
)
JOB_TIMED = Rule(
    id="ML-GLUE-03",
    title="Glue jobs have a time limit",
    severity=Severity.LOW,
    rationale="The default lets a job that hangs be billed for hours or days.",
    fix="Give the job a Timeout (minutes) near its usual run time.",
    find=lacking(JOB, has=_has_timeout, says="no Timeout; give the minutes after which the run is ended"),
)
JOB_RETRIES = Rule(
    id="ML-GLUE-04",
    title="Glue jobs say how often they are tried again",
    severity=Severity.LOW,
    rationale="Whether a failed job runs again is a decision: twice the cost, or a second writer beside the "
    "caller's own retry.",
    fix="Give the job MaxRetries; 0 where the caller retries.",
    find=lacking(
        JOB,
        has=lambda job: job.get("MaxRetries") is not None,
        says="no MaxRetries; decide it, 0 is an answer",
    ),
)
S3_ENCRYPTED = Rule(
    id="ML-GLUE-05",
    title="Security configurations encrypt what jobs write to S3",
    severity=Severity.MEDIUM,
    rationale="A job writes with the bucket's key, or S3's own, when its configuration does not name one.",
    fix="Set S3Encryptions to SSE-KMS with an own key.",
    controls=("NIST SC-28", "MLSEC03-BP02"),
    find=lacking(
        CONFIGURATION,
        has=_encrypts("S3Encryptions", "S3EncryptionMode", "SSE-KMS"),
        says="S3 is not encrypted with an own key; set S3Encryptions to SSE-KMS with KmsKeyArn",
    ),
)
LOGS_ENCRYPTED = Rule(
    id="ML-GLUE-06",
    title="Security configurations encrypt the logs of jobs",
    severity=Severity.MEDIUM,
    rationale="Logs of a job quote the records that it stumbles over.",
    fix="Set CloudWatchEncryption to SSE-KMS with an own key.",
    controls=("NIST SC-28", "NIST AU-9"),
    find=lacking(
        CONFIGURATION,
        has=_encrypts("CloudWatchEncryption", "CloudWatchEncryptionMode", "SSE-KMS"),
        says="logs are not encrypted with an own key; set CloudWatchEncryption to SSE-KMS with KmsKeyArn",
    ),
)
BOOKMARKS_ENCRYPTED = Rule(
    id="ML-GLUE-07",
    title="Security configurations encrypt bookmarks",
    severity=Severity.LOW,
    rationale="Bookmarks hold names and ranges of keys of the data that was read.",
    fix="Set JobBookmarksEncryption to CSE-KMS with an own key.",
    controls=("NIST SC-28",),
    find=lacking(
        CONFIGURATION,
        has=_encrypts("JobBookmarksEncryption", "JobBookmarksEncryptionMode", "CSE-KMS"),
        says="bookmarks are not encrypted with an own key; set JobBookmarksEncryption to CSE-KMS with "
        "KmsKeyArn",
    ),
)
CONNECTION_IN_VPC = Rule(
    id="ML-GLUE-08",
    title="Glue connections lead into the VPC",
    severity=Severity.HIGH,
    rationale="A connection without a subnet leaves the workers in Glue's network, whatever the job says.",
    fix="Give the connection PhysicalConnectionRequirements with SubnetId and SecurityGroupIdList.",
    controls=("NIST SC-7", "MLSEC03-BP02"),
    find=lacking(CONNECTION, has=_is_in_vpc, says="no SubnetId; give PhysicalConnectionRequirements"),
)
