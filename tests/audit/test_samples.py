"""Templates in the style of public samples, none of ours: the audit reads them and finds what is wrong.

The whole list of findings is a reviewed file; what must be in it for each sample stands here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit.__main__ import main
from tests.audit.engines import NOWHERE
from tests.snapshots import assert_lines_equal_snapshot

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("samples")
    arguments = ["--output", str(out), "--opinions", str(NOWHERE), "--today", "2026-06-01"]
    assert main([str(SAMPLES), *arguments]) == 1
    found: dict[str, Any] = json.loads((out / "audit.json").read_text())
    return found


def test_every_template_is_read_and_nothing_else(report: dict[str, Any]) -> None:
    assert report["stacks"] == ["endpoint", "function", "network", "notebook", "serverless"]


def test_the_findings_equal_the_reviewed_snapshot(report: dict[str, Any]) -> None:
    lines = [
        " | ".join((one["severity"].lower(), one["rule"], one["address"], one["subject"]))
        for one in report["open"]
    ]
    assert len(lines) == len(set(lines)), "a finding is told twice"
    assert_lines_equal_snapshot(lines, "sample_findings")


@pytest.mark.parametrize(
    ("address", "rules"),
    [
        pytest.param("notebook/DataBucket", {"ML-S3-01", "ML-S3-02", "ML-S3-04"}, id="open bucket"),
        pytest.param("notebook/DataBucketPolicy", {"ML-S3-05", "ESC-10", "WILD-01"}, id="s3:* to everyone"),
        pytest.param("notebook/Notebook", {"ML-SM-06", "ML-SM-09", "SM3"}, id="notebook on the internet"),
        pytest.param("notebook/NotebookRole", {"IAM4", "IAM5", "WILD-03", "ESC-08"}, id="s3:* for a role"),
        pytest.param("endpoint/Model", {"ML-SM-01", "ML-SM-02"}, id="model without VPC and isolation"),
        pytest.param("endpoint/Config", {"ML-SM-03", "ML-SM-04"}, id="endpoint without key and capture"),
        pytest.param("function/Role", {"ESC-01", "WILD-03"}, id="administrator inline"),
        pytest.param("function/Permission", {"ESC-10"}, id="everybody may call"),
        pytest.param("function/Worker", {"L1", "LambdaInsideVPC", "ML-LOG-03"}, id="old function outside"),
        pytest.param("network/Group", {"ML-NET-03", "ML-NET-05", "EC23"}, id="open group"),
        pytest.param("network/Runtime", {"ML-NET-01"}, id="VPC endpoint without policy"),
        pytest.param("serverless", {"UNSEEN-01"}, id="what a macro makes"),
        pytest.param("serverless/Uploads", {"ML-S3-01"}, id="bucket beside a macro"),
    ],
)
def test_what_is_wrong_is_found(report: dict[str, Any], address: str, rules: set[str]) -> None:
    found = {one["rule"] for one in report["open"] if one["address"] == address}
    assert rules <= found, found


def test_names_are_spelled_out(report: dict[str, Any]) -> None:
    """Parameters, mappings, conditions and nested functions: what a reader sees is what is deployed."""
    text = json.dumps(report)
    assert "arn:aws:s3:::dev-data-<AccountId>" in text, "Join with a parameter's default"
    assert "/aws/lambda/sample-worker" in text, "Select of Split in a Join"
    assert "Fn::" not in text, "an intrinsic function was left standing"


def test_a_versioning_that_a_condition_decides_is_taken_as_on(report: dict[str, Any]) -> None:
    found = {one["rule"] for one in report["open"] if one["address"] == "notebook/DataBucket"}
    assert "ML-S3-03" not in found


def test_who_may_what_is_told_of_samples_too(report: dict[str, Any]) -> None:
    rows = {tuple(line[:3]) for line in report["sections"]["Who can do what"]}
    assert ("anyone", "administer", "notebook/DataBucket") in rows
    assert ("function/Role", "write", "endpoint/Endpoint") in rows
