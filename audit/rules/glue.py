"""Glue: jobs, their security configurations, their connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from audit.findings import Severity
from audit.rules.rule import Hit, Rule, is_open, is_own_key, lacking, mappings
from audit.templates import Resource, Templates

JOB, CONFIGURATION = "AWS::Glue::Job", "AWS::Glue::SecurityConfiguration"
CONNECTION = "AWS::Glue::Connection"
_STREAMING = "gluestreaming"
_SPARK, _OLDEST, _GROUP = ("glueetl", _STREAMING), 3.0, "AWS::EC2::SecurityGroup"


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


def _is_supported(job: Resource) -> bool:
    """Of Spark jobs; Glue's own policy of version support ended 0.9, 1.0 and 2.0."""
    version = str(job.get("GlueVersion", default="0.9"))
    return job.get("Command", "Name") not in _SPARK or is_open(version) or _number(version) >= _OLDEST


def _number(version: str) -> float:
    try:
        return float(version)
    except ValueError:
        return 0.0


def _apart(templates: Templates) -> Iterator[Hit]:
    """Where a template makes one of the groups: of others the rules are not known."""
    own = {f"<{group.address}.GroupId>": group for group in templates.of(_GROUP)}
    for connection in templates.of(CONNECTION):
        given = connection.get("ConnectionInput", "PhysicalConnectionRequirements", "SecurityGroupIdList")
        named = [str(each) for each in given] if isinstance(given, list) else []
        is_known = bool(named) and set(named) <= set(own)
        for direction in ("Ingress", "Egress") if is_known else ():
            if not any(_meets_itself(templates, own[name], name, direction) for name in named):
                yield Hit(
                    resource=connection,
                    message=f"no security group of it has a rule ({direction}) for itself on every TCP port",
                    subject=direction,
                )


def _meets_itself(templates: Templates, group: Resource, name: str, direction: str) -> bool:
    other = "SourceSecurityGroupId" if direction == "Ingress" else "DestinationSecurityGroupId"
    beside = [
        each.properties for each in templates.of(f"{_GROUP}{direction}") if str(each.get("GroupId")) == name
    ]
    return any(
        str(rule.get(other)) == name and (str(rule.get("IpProtocol")) == "-1" or _is_every_port(rule))
        for rule in [*mappings(group.get(f"SecurityGroup{direction}")), *beside]
    )


def _is_every_port(rule: Mapping[str, Any]) -> bool:
    return (str(rule.get("FromPort")), str(rule.get("ToPort"))) == ("0", "65535")


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
VERSION_CURRENT = Rule(
    id="ML-GLUE-09",
    title="Glue jobs run on a version that AWS supports",
    severity=Severity.MEDIUM,
    rationale="Older versions get no security patches, of Spark, Python and all that comes with them.",
    fix="Set GlueVersion to 3.0 or later.",
    controls=("FSBP Glue.4", "NIST SI-2"),
    find=lacking(JOB, has=_is_supported, says="GlueVersion is none that AWS supports; set a later one"),
)
WORKERS_MEET = Rule(
    id="ML-GLUE-10",
    title="Workers of a Glue connection reach each other",
    severity=Severity.LOW,
    rationale="Glue asks for one security group that lets itself in on every TCP port; where it does not, "
    "every "
    "job fails at its start, or somebody opens the group to a range.",
    fix="Add an ingress rule, and an egress rule, from the group to itself, tcp 0-65535.",
    controls=("NIST SC-7",),
    find=_apart,
)
