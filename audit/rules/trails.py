"""CloudTrail."""

from __future__ import annotations

from audit.findings import Severity
from audit.rules.rule import Rule, is_on, is_own_key, lacking

TRAIL = "AWS::CloudTrail::Trail"

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
