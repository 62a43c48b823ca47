"""A row of the ledger answers exactly one finding, in date and with a reason of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from audit import ledger
from audit.findings import Finding, Severity
from audit.ledger import Row
from audit.templates import InputError

TODAY = date(2026, 6, 1)
FOUND = Finding(
    rule="IAM5",
    subject="Resource::*",
    severity=Severity.MEDIUM,
    address="Any/RolePolicy1",
    path="Any/Role/Policy",
    message="wildcard",
)
ROW = Row(
    rule="IAM5",
    finding="Resource::*",
    path="Any/Role/Policy",
    reason="cloudwatch:PutMetricData takes no resource; its namespace is bounded by a condition.",
    proof="audit.wildcards",
    review_by=date(2026, 12, 1),
)


def rules(*rows: Row) -> list[str]:
    return [one.rule for one in ledger.judge([FOUND], rows, TODAY).open]


def test_a_row_answers_its_finding() -> None:
    verdict = ledger.judge([FOUND], [ROW], TODAY)
    assert verdict.open == ()
    assert verdict.answered == ((FOUND, ROW),)


def test_a_finding_without_a_row_is_open() -> None:
    assert ledger.judge([FOUND], [], TODAY).open == (FOUND,)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"rule": "IAM4"}, ["IAM5", ledger.UNUSED], id="another rule"),
        pytest.param({"finding": "Resource::x"}, ["IAM5", ledger.UNUSED], id="another subject"),
        pytest.param({"path": "Any/Role"}, ["IAM5", ledger.UNUSED], id="the construct above"),
        pytest.param({"path": "Any"}, ["IAM5", ledger.UNUSED, ledger.WIDE], id="a whole stack"),
        pytest.param({"path": "Any/*"}, ["IAM5", ledger.UNUSED, ledger.WIDE], id="a pattern"),
        pytest.param({"review_by": date(2026, 5, 31)}, ["IAM5", ledger.EXPIRED], id="expired yesterday"),
        pytest.param({"review_by": TODAY}, [], id="its last day"),
        pytest.param({"review_by": date(2028, 1, 1)}, [ledger.TOO_FAR], id="good for ever"),
    ],
)
def test_a_row_that_does_not_fit_is_told(change: dict[str, Any], expected: list[str]) -> None:
    assert rules(replace(ROW, **change)) == expected


def test_a_reason_shared_by_unlike_findings_is_told_of_both() -> None:
    other = replace(ROW, rule="SQS3", finding="", path="Any/Queue")
    assert rules(ROW, other).count(ledger.SHARED) == 2
    assert ledger.SHARED not in rules(ROW, replace(ROW, path="Any/Other/Policy"))


def write(folder: Path, text: str) -> Path:
    path = folder / "ledger.yaml"
    path.write_text(text)
    return path


GOOD = """
- rule: IAM5
  finding: "Resource::*"
  path: Any/Role/Policy
  reason: cloudwatch:PutMetricData takes no resource; its namespace is bounded by a condition.
  proof: audit.wildcards
  review_by: 2026-12-01
"""


def test_reads_rows(tmp_path: Path) -> None:
    assert ledger.read(write(tmp_path, GOOD)) == [ROW]
    assert ledger.read(None) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("rule: IAM5", "the ledger is dict, it must be a list", id="no list"),
        pytest.param("- [", "the ledger cannot be read", id="no YAML"),
        pytest.param("- rule: IAM5", "row 1 has rule, it must have exactly rule, finding", id="incomplete"),
        pytest.param(
            GOOD.replace("2026-12-01", "soon"), "review_by is 'soon', allowed: a date", id="no date"
        ),
        pytest.param(
            GOOD.replace("cloudwatch:PutMetricData takes no resource; its namespace is", "it is"),
            "the reason is too short",
            id="no reason",
        ),
    ],
)
def test_unusable_ledger_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        ledger.read(write(tmp_path, text))
