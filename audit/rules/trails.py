"""CloudTrail."""

from __future__ import annotations

from audit.findings import Severity
from audit.policies import listed
from audit.rules.rule import Rule, is_on, is_own_key, lacking, mappings
from audit.templates import Resource

TRAIL = "AWS::CloudTrail::Trail"


def _is_on(trail: Resource) -> bool:
    return is_on(trail.get("IsLogging")) and is_on(trail.get("IncludeGlobalServiceEvents", default=True))


def _hears_of_objects(trail: Resource) -> bool:
    fields = [
        field
        for selector in mappings(trail.get("AdvancedEventSelectors"))
        for field in mappings(selector.get("FieldSelectors"))
    ]
    simple = [
        each
        for selector in mappings(trail.get("EventSelectors"))
        for each in mappings(selector.get("DataResources"))
    ]
    return any("AWS::S3::Object" in listed(field.get("Equals")) for field in fields) or any(
        each.get("Type") == "AWS::S3::Object" for each in simple
    )


VALIDATED = Rule(
    id="ML-CT-01",
    title="Trails can be proved to be whole",
    severity=Severity.MEDIUM,
    rationale="Without digests a file that somebody changed or removed is not noticed.",
    fix="Set EnableLogFileValidation to true.",
    controls=("FSBP CloudTrail.4", "NIST AU-9", "NIST SI-7"),
    find=lacking(
        TRAIL,
        has=lambda trail: is_on(trail.get("EnableLogFileValidation")),
        says="no digests; set EnableLogFileValidation to true",
    ),
)
KEYED = Rule(
    id="ML-CT-02",
    title="Trails are encrypted with an own key",
    severity=Severity.MEDIUM,
    rationale="A trail says who does what, and with which resources; reading it should be a right of its "
    "own.",
    fix="Give the trail a KMSKeyId.",
    controls=("FSBP CloudTrail.2", "NIST AU-9", "NIST SC-28"),
    find=lacking(
        TRAIL, has=lambda trail: is_own_key(trail.get("KMSKeyId")), says="no own key; give KMSKeyId"
    ),
)
EVERYWHERE = Rule(
    id="ML-CT-03",
    title="Trails cover all Regions",
    severity=Severity.MEDIUM,
    rationale="Who has stolen a credential works in a Region where nobody looks.",
    fix="Set IsMultiRegionTrail to true.",
    controls=("FSBP CloudTrail.1", "NIST AU-2", "NIST AU-12"),
    find=lacking(
        TRAIL,
        has=lambda trail: is_on(trail.get("IsMultiRegionTrail")),
        says="one Region only; set IsMultiRegionTrail to true",
    ),
)
LOGGING = Rule(
    id="ML-CT-04",
    title="Trails are on, and hear of IAM",
    severity=Severity.HIGH,
    rationale="A trail that does not log is what an intruder leaves; IAM and STS are global services, whose "
    "calls "
    "come only with IncludeGlobalServiceEvents.",
    fix="Set IsLogging and IncludeGlobalServiceEvents to true.",
    controls=("NIST AU-2", "NIST AU-12"),
    find=lacking(TRAIL, has=_is_on, says="logs nothing, or nothing of IAM; set both flags to true"),
)
OF_OBJECTS = Rule(
    id="ML-CT-05",
    title="Trails hear of objects",
    severity=Severity.LOW,
    rationale="Who read the training data is a data event, and those are not logged unless a selector names "
    "them.",
    fix="Give AdvancedEventSelectors (or EventSelectors) with data events of AWS::S3::Object.",
    controls=("Security Hub S3.22", "Security Hub S3.23", "NIST AU-2"),
    find=lacking(TRAIL, has=_hears_of_objects, says="no data events of AWS::S3::Object; select them"),
)
