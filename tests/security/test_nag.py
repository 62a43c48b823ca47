"""Practice: every finding of the rule packs is fixed, or accepted in the ledger. See docs/security.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

import app as project
from audit import ledger
from security import nag
from tests.conftest import CONTEXT, Assembly, read_assembly


def findings(assembly: Assembly, kind: str = "violations") -> list[dict[str, Any]]:
    return [
        {
            "pack": report["pluginName"],
            "rule": violation["ruleName"],
            "path": place["constructPath"],
            "id": violation.get("acknowledgedId"),
        }
        for report in assembly.report
        for violation in report.get(kind) or []
        for place in violation["violatingConstructs"]
    ]


def test_packs_ran_and_none_crashed(assembly: Assembly) -> None:
    """A pack that finds nothing is left out of the report: here each has something that was accepted."""
    assert {report["pluginName"] for report in assembly.report} == set(nag.PACKS)
    assert [r["metadata"] for r in assembly.report if (r.get("metadata") or {}).get("error")] == []


def test_no_finding_is_left_open(assembly: Assembly) -> None:
    assert findings(assembly) == []


def test_each_accepted_place_is_seen_to_disappear(assembly: Assembly, request: Any) -> None:
    """What the ledger lists is what the packs would have said, no more and no less."""
    profile = request.node.callspec.params["assembly"]
    answered = findings(assembly, "suppressedViolations")
    said = {(one["rule"].removeprefix(f"{one['pack']}-"), one["path"]) for one in answered}
    rows = ledger.about(ledger.read(project.LEDGER, profile), assembly.templates)
    paths = {path.removesuffix("/Resource") for _, path in said}
    # Of a part that this profile lacks nothing is said.
    here = [row for row in rows if not row.is_optional or {path for path, _ in row.places} <= paths]
    listed = {key for row in here for key in row.keys if not set("-_") & set(key[0])}
    assert {(rule.partition("[")[0], path.removesuffix("/Resource")) for rule, path in said} == {
        (rule, path) for rule, _, path in listed
    }
    wildcards = {key for key in listed if key[0] == "IAM5"}
    assert len({one for one in said if one[0].startswith("IAM5[")}) == len(wildcards) > 50


# -- negative controls: the packs see what is bad on purpose, in an app and in a Stage of it


class Careless(cdk.Stack):
    """A bucket without access logs or TLS, a queue in the clear, a log group that grows for ever."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        s3.Bucket(self, "Bucket", block_public_access=s3.BlockPublicAccess.BLOCK_ALL)
        sqs.Queue(self, "Queue", encryption=sqs.QueueEncryption.UNENCRYPTED)
        logs.LogGroup(self, "Log", retention=logs.RetentionDays.INFINITE)


OF_BUCKETS = {"S3BucketLoggingEnabled", "S3BucketReplicationEnabled", "S3BucketSSLRequestsOnly"}
OF_BUCKETS |= {"S3BucketVersioningEnabled", "S3DefaultEncryptionKMS"}
OF_LOGS = {"CloudWatchLogGroupEncrypted", "CloudWatchLogGroupRetentionPeriod"}
EXPECTED = {
    "AwsSolutions": {"S1", "S10", "SQS2", "SQS3", "SQS4"},
    "NIST.800.53.R5": OF_BUCKETS | OF_LOGS,
    "HIPAA.Security": OF_BUCKETS | OF_LOGS,
    "PCI.DSS.321": OF_BUCKETS | OF_LOGS,
    "Serverless": {"CloudWatchLogGroupRetentionPeriod", "SQSRedrivePolicy"},
}


@dataclass(frozen=True)
class Row:
    rules: tuple[str, ...]
    places: tuple[tuple[str, str], ...]
    reason: str = "A canary of the tests: it is never deployed to an account."
    is_optional: bool = False


def careless(folder: Path, *rows: Row, in_stage: bool = False) -> Assembly:
    app = project.start(outdir=str(folder), context=CONTEXT)
    Careless(cdk.Stage(app, "Stage") if in_stage else app, "Any")
    nag.acknowledge(app, rows)
    project.check(app)
    app.synth()
    return read_assembly(folder)


def by_pack(assembly: Assembly) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in findings(assembly):
        found.setdefault(one["pack"], set()).add(one["rule"].removeprefix(f"{one['pack']}-"))
    return found


@pytest.mark.parametrize("in_stage", [False, True], ids=["app", "stage"])
def test_each_pack_finds_exactly_what_is_bad_on_purpose(tmp_path: Path, in_stage: bool) -> None:
    assert by_pack(careless(tmp_path, in_stage=in_stage)) == EXPECTED


@pytest.mark.parametrize("in_stage", [False, True], ids=["app", "stage"])
def test_an_accepted_finding_disappears_and_the_others_stay(tmp_path: Path, in_stage: bool) -> None:
    stack = "Stage/Any" if in_stage else "Any"
    rows = [
        Row(("S1", "S3BucketLoggingEnabled"), ((f"{stack}/Bucket", ""),)),
        Row(("SQS3", "SQSRedrivePolicy"), ((f"{stack}/Queue", ""),)),
    ]
    accepted = {"S1", "S3BucketLoggingEnabled", "SQS3", "SQSRedrivePolicy"}
    left = {pack: rules - accepted for pack, rules in EXPECTED.items()}
    assembly = careless(tmp_path, *rows, in_stage=in_stage)
    assert by_pack(assembly) == {pack: rules for pack, rules in left.items() if rules}
    assert len(findings(assembly, "suppressedViolations")) == 6


def test_a_row_on_another_construct_answers_nothing(tmp_path: Path) -> None:
    assembly = careless(tmp_path, Row(("SQS3",), (("Any/Bucket", ""),)))
    assert by_pack(assembly) == EXPECTED


def test_a_row_on_a_construct_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="accepts S1 on Any/Gone, which has no 'Gone': remove the row"):
        careless(tmp_path, Row(("S1",), (("Any/Gone", ""),)))


def test_an_open_finding_stops_the_synthesis(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path))
    s3.Bucket(cdk.Stack(app, "Any"), "Bucket")
    project.check(app)
    with pytest.raises(RuntimeError, match="AwsSolutions-S1"):
        app.synth()


def test_code_accepts_nothing_by_itself() -> None:
    """One door: what is accepted stands in the ledger."""
    root = Path(project.__file__).parent
    files = [*root.glob("stacks/**/*.py"), *root.glob("security/*.py"), root / "app.py"]
    assert len(files) > 30
    doors = [path.name for path in files if "Acknowledgment" in path.read_text(encoding="utf-8")]
    assert doors == ["nag.py"]


def test_row_of_a_part_that_lacks_is_left_out(tmp_path: Path) -> None:
    """And of one that is there it counts: `Any/Bucket` is not gone."""
    gone = Row(rules=("S1",), places=(("Any/Gone", ""),), is_optional=True)
    careless(tmp_path, gone)
    with pytest.raises(ValueError, match="'Gone'"):
        careless(tmp_path / "again", Row(rules=("S1",), places=(("Any/Gone", ""),)))
