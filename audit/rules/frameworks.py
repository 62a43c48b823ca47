"""The catalogues that the ids in the `controls` of rules are from: name, edition, page, families of ids.

Security Hub has controls that AWS's own standard leaves out: they are told apart, with another word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_SECURITY_HUB = "https://docs.aws.amazon.com/securityhub/latest/userguide/"


@dataclass(frozen=True, kw_only=True)
class Framework:
    """
    name      as its publisher writes it
    edition   in which the ids were looked up
    page      lists all ids, or leads to them
    form      of an id; its group `family` is a key of `families`
    families  that rules may name -> the page that explains the family's ids, or the family's title
    """

    name: str
    edition: str
    page: str
    form: re.Pattern[str]
    families: Mapping[str, str]

    def knows(self, control: str) -> bool:
        found = self.form.fullmatch(control)
        return found is not None and found["family"] in self.families


def _services(*names: str) -> dict[str, str]:
    return {name: f"{_SECURITY_HUB}{name.lower()}-controls.html" for name in names}


FRAMEWORKS = (
    Framework(
        name="AWS Foundational Security Best Practices",
        edition="v1.0.0, as of September 2026",
        page=f"{_SECURITY_HUB}fsbp-standard.html",
        form=re.compile(r"FSBP (?P<family>[A-Za-z0-9]+)\.\d+"),
        families=_services(
            "CloudTrail",
            "DataFirehose",
            "DynamoDB",
            "EC2",
            "Glue",
            "Kinesis",
            "KMS",
            "S3",
            "SageMaker",
            "SNS",
            "SQS",
            "StepFunctions",
        ),
    ),
    Framework(
        name="AWS Security Hub CSPM, controls outside of that standard",
        edition="as of September 2026",
        page=f"{_SECURITY_HUB}securityhub-controls-reference.html",
        form=re.compile(r"Security Hub (?P<family>[A-Za-z0-9]+)\.\d+"),
        families=_services("CloudWatch", "KMS", "S3", "SageMaker", "SNS"),
    ),
    Framework(
        name="NIST SP 800-53",
        edition="Rev. 5.1.1",
        page="https://csrc.nist.gov/pubs/sp/800/53/r5/upd1/final",
        form=re.compile(r"NIST (?P<family>[A-Z]{2})-\d+"),
        families={
            "AC": "Access Control",
            "AU": "Audit and Accountability",
            "CA": "Assessment, Authorization, and Monitoring",
            "CM": "Configuration Management",
            "CP": "Contingency Planning",
            "IA": "Identification and Authentication",
            "SC": "System and Communications Protection",
            "SI": "System and Information Integrity",
        },
    ),
    Framework(
        name="AWS Well-Architected Machine Learning Lens",
        edition="19 November 2025",
        page="https://docs.aws.amazon.com/wellarchitected/latest/machine-learning-lens/"
        "best-practices-by-ml-lifecycle-phase.html",
        form=re.compile(r"(?P<family>ML[A-Z]+\d\d)-BP\d\d"),
        families={
            "MLSEC03": "Security, data processing",
            "MLSEC04": "Security, model development",
            "MLOPS06": "Operational excellence, model monitoring",
            "MLPERF06": "Performance efficiency, model monitoring",
            "MLCOST04": "Cost optimization, model development",
        },
    ),
)


def sources() -> tuple[str, ...]:
    """What the ids of controls refer to, for the report: name, edition and page, one entry each."""
    return tuple(f"{one.name} {one.edition} ({one.page})" for one in FRAMEWORKS)
