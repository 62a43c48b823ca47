"""Ids that the audit names exist: looked up once, by hand, and written down here with what they demand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.rules.frameworks import FRAMEWORKS, sources

AUDIT = Path(__file__).parents[2] / "audit"
# As in September 2026 on the page of each framework. A new id is looked up there before it is added.
LOOKED_UP = {
    "FSBP CloudTrail.1": "at least one multi-Region trail, with read and write management events",
    "FSBP CloudTrail.2": "trails are encrypted at rest with a KMS key",
    "FSBP CloudTrail.4": "log file validation",
    "FSBP DataFirehose.1": "delivery streams are encrypted at rest",
    "FSBP DynamoDB.2": "point-in-time recovery of tables",
    "FSBP DynamoDB.6": "deletion protection of tables",
    "FSBP EC2.6": "flow logs in all VPCs",
    "FSBP EC2.18": "security groups are open to everybody at authorized ports only",
    "FSBP EC2.19": "security groups are closed to everybody at ports of high risk",
    "FSBP Glue.4": "Spark jobs run on supported versions",
    "FSBP Kinesis.1": "streams are encrypted at rest",
    "FSBP KMS.5": "keys are not publicly accessible",
    "FSBP S3.2": "buckets block public read access",
    "FSBP S3.3": "buckets block public write access",
    "FSBP S3.5": "buckets require requests to use TLS",
    "FSBP S3.8": "buckets block public access",
    "FSBP S3.13": "lifecycle configurations of buckets",
    "FSBP SNS.4": "topic policies do not allow public access",
    "FSBP SQS.1": "queues are encrypted at rest",
    "FSBP SQS.3": "queue policies do not allow public access",
    "FSBP SageMaker.1": "notebook instances have no direct internet access",
    "FSBP SageMaker.2": "notebook instances are in a VPC of one's own",
    "FSBP SageMaker.3": "users of notebook instances have no root access",
    "FSBP SageMaker.5": "models have network isolation",
    "FSBP StepFunctions.1": "state machines log",
    "Security Hub CloudWatch.15": "alarms have actions",
    "Security Hub CloudWatch.16": "log groups are retained for a given time",
    "Security Hub CloudWatch.17": "actions of alarms are activated",
    "Security Hub KMS.4": "key rotation",
    "Security Hub S3.14": "versioning of buckets",
    "Security Hub S3.17": "buckets are encrypted at rest with KMS keys",
    "Security Hub S3.22": "write events of objects are logged",
    "Security Hub S3.23": "read events of objects are logged",
    "Security Hub SNS.1": "topics are encrypted at rest with KMS",
    "Security Hub SageMaker.21": "notebook instances are encrypted with customer managed keys",
    "NIST AC-3": "access enforcement",
    "NIST AC-4": "information flow enforcement",
    "NIST AC-6": "least privilege",
    "NIST AU-2": "event logging",
    "NIST AU-3": "content of audit records",
    "NIST AU-6": "audit record review, analysis, and reporting",
    "NIST AU-9": "protection of audit information",
    "NIST AU-11": "audit record retention",
    "NIST AU-12": "audit record generation",
    "NIST CA-7": "continuous monitoring; cdk-nag's pack for NIST asks for dead-letter queues under it",
    "NIST CM-2": "baseline configuration",
    "NIST CM-3": "configuration change control",
    "NIST CP-9": "system backup",
    "NIST IA-5": "authenticator management",
    "NIST SC-7": "boundary protection",
    "NIST SC-8": "transmission confidentiality and integrity",
    "NIST SC-12": "cryptographic key establishment and management",
    "NIST SC-24": "fail in known state, preserving what is needed",
    "NIST SC-28": "protection of information at rest",
    "NIST SI-2": "flaw remediation",
    "NIST SI-4": "system monitoring",
    "NIST SI-12": "information management and retention",
    "NIST SI-7": "software, firmware, and information integrity",
    "MLSEC03-BP01": "least privilege access",
    "MLSEC03-BP02": "secure data and modeling environment",
    "MLSEC03-BP03": "protect sensitive data privacy",
    "MLSEC04-BP01": "secure governed ML environment",
    "MLSEC04-BP02": "secure inter-node cluster communications",
    "MLOPS06-BP02": "model observability and tracking",
    "MLPERF06-BP03": "evaluate data drift",
    "MLCOST04-BP08": "stop resources when not in use",
}


def named() -> Iterator[str]:
    """Every string in the audit's code that has the form of an id."""
    for file in AUDIT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and any(one.form.fullmatch(value) for one in FRAMEWORKS):
                yield value


def test_ids_that_the_audit_names_are_those_that_were_looked_up() -> None:
    assert set(named()) == set(LOOKED_UP)


@pytest.mark.parametrize("control", LOOKED_UP)
def test_one_framework_knows_an_id(control: str) -> None:
    assert sum(framework.knows(control) for framework in FRAMEWORKS) == 1


@pytest.mark.parametrize("control", ["FSBP S3", "FSBP Lambda.1", "NIST ZZ-1", "NIST SC-7(3)", "MLSEC3-BP1"])
def test_no_framework_knows_what_is_no_id_or_of_another_family(control: str) -> None:
    assert not any(framework.knows(control) for framework in FRAMEWORKS)


def test_a_control_is_inside_or_outside_of_the_standard() -> None:
    inside = {control.removeprefix("FSBP ") for control in LOOKED_UP if control.startswith("FSBP ")}
    outside = {control.removeprefix("Security Hub ") for control in LOOKED_UP if control.startswith("Sec")}
    assert inside and outside and not inside & outside


def test_families_are_those_that_are_named() -> None:
    for framework in FRAMEWORKS:
        found = {match["family"] for control in LOOKED_UP if (match := framework.form.fullmatch(control))}
        assert found == set(framework.families), framework.name


def test_sources_say_which_edition_and_where() -> None:
    assert len(sources()) == len(FRAMEWORKS) == len({framework.page for framework in FRAMEWORKS})
    for line, framework in zip(sources(), FRAMEWORKS, strict=True):
        assert framework.page.startswith("https://")
        assert line == f"{framework.name} {framework.edition} ({framework.page})"
