"""Practice: every cdk-nag finding is fixed, or acknowledged with a reason. See docs/security.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3

import app as project
from security import nag
from tests.conftest import CONTEXT, Assembly, read_assembly
from tests.snapshots import assert_equals_snapshot

PACKS = {"AwsSolutions"}


def findings(assembly: Assembly, kind: str = "violations") -> list[dict[str, Any]]:
    return [
        {
            "pack": report["pluginName"],
            "rule": violation["ruleName"],
            "path": place["constructPath"],
            "id": violation.get("acknowledgedId"),
            "at": violation.get("acknowledgedAt"),
        }
        for report in assembly.report
        for violation in report.get(kind) or []
        for place in violation["violatingConstructs"]
    ]


def acknowledgements(assembly: Assembly) -> dict[tuple[str, str], str]:
    """(id, construct path) -> reason, as the construct tree holds them. The CDK makes some of its own."""
    return {
        (finding, path.lstrip("/")): reason
        for file in assembly.directory.rglob("*.metadata.json")
        for path, entries in json.loads(file.read_text(encoding="utf-8")).items()
        for entry in entries
        if entry["type"] == "aws:cdk:acknowledged-rules"
        for finding, reason in entry["data"].items()
        if finding.partition("::")[0] in PACKS
    }


def stale(assembly: Assembly) -> set[tuple[str, str]]:
    answered = {(finding["id"], finding["at"]) for finding in findings(assembly, "suppressedViolations")}
    return set(acknowledgements(assembly)) - answered


def test_packs_ran_and_none_crashed(assembly: Assembly) -> None:
    assert {report["pluginName"] for report in assembly.report} == PACKS
    assert [r["metadata"] for r in assembly.report if (r.get("metadata") or {}).get("error")] == []


def test_no_finding_is_left_open(assembly: Assembly) -> None:
    assert findings(assembly) == []


def test_no_acknowledgement_is_left_over(assembly: Assembly) -> None:
    assert acknowledgements(assembly)
    assert stale(assembly) == set()


def test_acknowledgements_equal_the_reviewed_snapshot(production: Assembly) -> None:
    by_path: dict[str, dict[str, str]] = {}
    for (finding, path), reason in acknowledgements(production).items():
        by_path.setdefault(path, {})[finding] = reason
    assert_equals_snapshot(by_path, "nag_acknowledgements")


def test_reasons_are_specific(production: Assembly) -> None:
    reasons = acknowledgements(production).values()
    assert all(len(reason) >= nag.MIN_REASON_LENGTH for reason in reasons)
    empty_words = ("false positive", "demo purposes", "not needed", "required by cdk", "todo")
    assert not [reason for reason in reasons if any(word in reason.lower() for word in empty_words)]


def test_no_acknowledgement_covers_a_stack_or_the_app(production: Assembly) -> None:
    assert not [path for _, path in acknowledgements(production) if "/" not in path]


def test_short_reason_is_refused_with_the_place(tmp_path: Path) -> None:
    stack = cdk.Stack(cdk.App(outdir=str(tmp_path)), "Any")
    with pytest.raises(
        ValueError, match=r"Any: the reason for AwsSolutions::AwsSolutions-S1 is too short \('demo'\)"
    ):
        nag.acknowledge(stack, "S1", reason="demo")


def any_assembly(tmp_path: Path, *, acknowledged: str | None) -> Assembly:
    """A bucket without access logs or TLS: two known findings."""
    app = project.start(outdir=str(tmp_path), context=CONTEXT)
    bucket = s3.Bucket(cdk.Stack(app, "Any"), "Bucket", block_public_access=s3.BlockPublicAccess.BLOCK_ALL)
    if acknowledged:
        nag.acknowledge(
            bucket, acknowledged, reason="A canary of the tests: it is never deployed to an account."
        )
    project.check(app)
    app.synth()
    return read_assembly(tmp_path)


def test_known_bad_bucket_is_found(tmp_path: Path) -> None:
    """The packs see something: an empty list of findings is not for want of looking."""
    rules = {finding["rule"] for finding in findings(any_assembly(tmp_path, acknowledged=None))}
    assert rules == {"AwsSolutions-S1", "AwsSolutions-S10"}


def test_acknowledged_finding_is_answered_and_the_other_stays(tmp_path: Path) -> None:
    assembly = any_assembly(tmp_path, acknowledged="S1")
    assert {finding["rule"] for finding in findings(assembly)} == {"AwsSolutions-S10"}
    assert stale(assembly) == set()


def test_left_over_acknowledgement_is_noticed(tmp_path: Path) -> None:
    assembly = any_assembly(tmp_path, acknowledged="S99")
    assert stale(assembly) == {("AwsSolutions::AwsSolutions-S99", "Any/Bucket")}


def test_open_finding_stops_the_synthesis(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path))
    s3.Bucket(cdk.Stack(app, "Any"), "Bucket")
    project.check(app)
    with pytest.raises(RuntimeError, match="AwsSolutions-S1"):
        app.synth()
