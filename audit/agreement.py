"""What other engines say held against what we say: where both see it, and what an engine sees alone.

An engine that is alone is the point of asking: either our checks miss something, and there is a finding, or
it is wrong for this construct, and the ledger says why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from audit.findings import Finding
from audit.opinions import CHECKOV, VALIDATE, Opinion

_ACLS = ("S2", "ML-S3-01", "S3BucketLevelPublicAccessProhibited")
_OPEN = ("EC23", "ML-NET-03", "EC2RestrictedCommonPorts", "EC2RestrictedSSH")
_WIDE = ("IAM5", "WILD-01", "WILD-02", "WILD-03")
_ESCALATES = (*_WIDE, *(f"ESC-0{number}" for number in range(1, 10)))
# The same demand under other names: a rule of another engine -> ours, cdk-nag's without the pack.
SAME: Mapping[str, tuple[str, ...]] = {
    "CKV2_AWS_68": _WIDE,
    "CKV_AWS_3": ("EC26",),
    "CKV_AWS_7": ("ML-KMS-01", "KMS5", "KMSBackingKeyRotationEnabled"),
    "CKV_AWS_16": ("RDS2", "RDSStorageEncrypted"),
    "CKV_AWS_17": ("RDSInstancePublicAccess",),
    "CKV_AWS_18": ("S1", "S3BucketLoggingEnabled"),
    "CKV_AWS_19": ("ML-S3-04", "S3DefaultEncryptionKMS"),
    "CKV_AWS_20": (*_ACLS, "S3BucketPublicReadProhibited"),
    "CKV_AWS_21": ("ML-S3-03", "S3BucketVersioningEnabled"),
    "CKV_AWS_24": _OPEN,
    "CKV_AWS_25": _OPEN,
    "CKV_AWS_26": ("ML-SNS-01", "SNSEncryptedKMS"),
    "CKV_AWS_27": ("ML-SQS-01", "SQS2"),
    "CKV_AWS_28": ("ML-DDB-02", "DDB3", "DynamoDBPITREnabled"),
    "CKV_AWS_33": ("ML-KMS-02", "ML-KMS-03"),
    "CKV_AWS_35": ("ML-CT-02", "CloudTrailEncryptionEnabled"),
    "CKV_AWS_36": ("ML-CT-01", "CloudTrailLogFileValidationEnabled"),
    "CKV_AWS_40": ("IAMUserNoPolicies",),
    "CKV_AWS_43": ("ML-KIN-01", "KDS1"),
    "CKV_AWS_53": _ACLS,
    "CKV_AWS_54": _ACLS,
    "CKV_AWS_55": _ACLS,
    "CKV_AWS_56": _ACLS,
    "CKV_AWS_57": (*_ACLS, "S3BucketPublicWriteProhibited"),
    "CKV_AWS_60": ("ML-IAM-02",),
    "CKV_AWS_61": ("ML-IAM-02",),
    "CKV_AWS_62": _WIDE,
    "CKV_AWS_63": _WIDE,
    "CKV_AWS_66": ("ML-LOG-02", "CloudWatchLogGroupRetentionPeriod"),
    "CKV_AWS_67": ("ML-CT-03",),
    "CKV_AWS_99": ("ML-GLUE-05", "ML-GLUE-06", "ML-GLUE-07"),
    "CKV_AWS_107": _WIDE,
    "CKV_AWS_108": _WIDE,
    "CKV_AWS_109": _ESCALATES,
    "CKV_AWS_110": _ESCALATES,
    "CKV_AWS_111": _WIDE,
    "CKV_AWS_115": ("LambdaConcurrency",),
    "CKV_AWS_116": ("LambdaDLQ",),
    "CKV_AWS_117": ("LambdaInsideVPC",),
    "CKV_AWS_119": ("ML-DDB-01",),
    "CKV_AWS_149": ("ML-SEC-02", "SecretsManagerUsingKMSKey"),
    "CKV_AWS_157": ("RDS3", "RDSMultiAZSupport"),
    "CKV_AWS_158": ("ML-LOG-01", "CloudWatchLogGroupEncrypted"),
    "CKV_AWS_173": ("ENC-01",),
    "CKV_AWS_187": ("ML-SM-07", "ML-SM-11", "SM2", "SageMakerNotebookInstanceKMSKeyConfigured"),
    "CKV_AWS_195": ("ML-GLUE-01", "GL1"),
    "CKV_AWS_260": _OPEN,
    "CKV_AWS_363": ("L1", "LambdaLatestVersion"),
    "CKV_AWS_370": ("ML-SM-02",),
    "CKV_AWS_384": ("ML-SEC-01",),
    "CFN-E2531": ("L1", "LambdaLatestVersion"),
    "CFN-W2508": _OPEN,
    "CFN-W2512": ("WILD-04",),
    "CFN-W2531": ("L1", "LambdaLatestVersion"),
    "CFN-W9008": ("RDS2", "RDSStorageEncrypted"),
    "CFN-W9011": ("RDSInstancePublicAccess",),
}
PACKS, OWN = "cdk-nag", "own checks"
ENGINES = (OWN, PACKS, CHECKOV, VALIDATE)


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """
    seconded  key of a finding of ours -> rules of other engines that say the same, with the engine's name
    shared    engine -> how many of its findings are ours too
    alone     what other engines say and we do not
    said      address -> engine -> the rules that do not hold
    """

    seconded: Mapping[tuple[str, str, str], tuple[str, ...]] = field(default_factory=dict)
    shared: Mapping[str, int] = field(default_factory=dict)
    alone: tuple[Finding, ...] = ()
    said: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)


def compare(by_packs: Iterable[Finding], own: Iterable[Finding], opinions: Iterable[Opinion]) -> Agreement:
    by_packs, own, opinions = list(by_packs), list(own), list(opinions)
    seconded: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    shared: dict[str, int] = {opinion.engine: 0 for opinion in opinions}
    alone = []
    for opinion in opinions:
        for theirs in opinion.findings:
            ours = [one for one in (*by_packs, *own) if _is_same(one, theirs)]
            for one in ours:
                seconded[one.key][f"{opinion.engine} {theirs.rule}"] = None
            if ours:
                shared[opinion.engine] += 1
            else:
                alone.append(theirs)
    return Agreement(
        seconded={key: tuple(names) for key, names in seconded.items()},
        shared=shared,
        alone=tuple(alone),
        said=_by_address({OWN: own, PACKS: by_packs, **{each.engine: each.findings for each in opinions}}),
    )


def _is_same(ours: Finding, theirs: Finding) -> bool:
    """The same demand on the same construct, or on a part of it: a role and the policy below it."""
    if ours.rule not in SAME.get(theirs.rule, ()):
        return False
    one, other = sorted((ours.path, theirs.path), key=len)
    return one == other or other.startswith(f"{one}/")


def _by_address(findings: Mapping[str, Iterable[Finding]]) -> dict[str, dict[str, tuple[str, ...]]]:
    rules: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for engine, found in findings.items():
        for one in found:
            rules[one.address][engine].add(one.rule)
    return {
        address: {engine: tuple(sorted(names)) for engine, names in by_engine.items()}
        for address, by_engine in sorted(rules.items())
    }
