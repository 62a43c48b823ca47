"""A row of the ledger answers exactly the findings that it lists, in date and with a reason of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import app
from audit import evidence, ledger
from audit.findings import Finding, Severity
from audit.ledger import Row
from audit.templates import InputError
from tests.conftest import Assembly

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
    rules=("IAM5",),
    places=(("Any/Role/Policy", "Resource::*"),),
    reason="cloudwatch:PutMetricData takes no resource; its namespace is bounded by a condition.",
    proof="audit/wildcards/__init__.py",
    review_by=date(2026, 12, 1),
)


def rules(*rows: Row, found: tuple[Finding, ...] = (FOUND,)) -> list[str]:
    return [one.rule for one in ledger.judge(found, rows, TODAY).open]


def test_a_row_answers_its_finding() -> None:
    verdict = ledger.judge([FOUND], [ROW], TODAY)
    assert verdict.open == ()
    assert verdict.answered == ((FOUND, ROW),)


def test_a_finding_without_a_row_is_open() -> None:
    assert ledger.judge([FOUND], [], TODAY).open == (FOUND,)


def at(path: str, subject: str = "Resource::*") -> dict[str, Any]:
    return {"places": ((path, subject),)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"rules": ("IAM4",)}, ["IAM5", ledger.UNUSED], id="another rule"),
        pytest.param(at("Any/Role/Policy", "Resource::x"), ["IAM5", ledger.UNUSED], id="another subject"),
        pytest.param(at("Any/Role"), ["IAM5", ledger.UNUSED], id="the construct above"),
        pytest.param(at("Any"), ["IAM5", ledger.UNUSED, ledger.WIDE], id="a whole stack"),
        pytest.param(at("Any/*"), ["IAM5", ledger.UNUSED, ledger.WIDE], id="a pattern"),
        pytest.param({"review_by": date(2026, 5, 31)}, ["IAM5", ledger.EXPIRED], id="expired yesterday"),
        pytest.param({"review_by": TODAY}, [], id="its last day"),
        pytest.param({"review_by": date(2028, 1, 1)}, [ledger.TOO_FAR], id="good for ever"),
        pytest.param({"rules": ("IAM5", "IAM4")}, [ledger.UNUSED], id="a rule too many"),
        pytest.param({"places": (*ROW.places, ("Any/B", ""))}, [ledger.UNUSED], id="a place too many"),
    ],
)
def test_a_row_that_does_not_fit_is_told(change: dict[str, Any], expected: list[str]) -> None:
    assert rules(replace(ROW, **change)) == expected


def test_a_row_answers_the_same_demand_of_several_rules() -> None:
    queue = {"subject": "", "path": "Any/Queue", "address": "Any/Queue"}
    found = (replace(FOUND, rule="SQS3", **queue), replace(FOUND, rule="SQSRedrivePolicy", **queue))
    row = replace(ROW, rules=("SQS3", "SQSRedrivePolicy"), **at("Any/Queue", ""))
    assert rules(row, found=found) == []


def test_a_finding_more_on_the_same_construct_is_not_answered() -> None:
    assert rules(ROW, found=(FOUND, replace(FOUND, subject="Resource::more"))) == ["IAM5"]


def test_a_reason_shared_by_unlike_findings_is_told_of_both() -> None:
    other = replace(ROW, rules=("SQS3",), **at("Any/Queue", ""))
    assert rules(ROW, other).count(ledger.SHARED) == 2
    assert ledger.SHARED not in rules(ROW, replace(ROW, **at("Any/Other/Policy")))


def write(folder: Path, text: str) -> Path:
    path = folder / "ledger.yaml"
    path.write_text(text)
    return path


GOOD = """
- rules: [IAM5]
  findings:
    - Any/Role/Policy [Resource::*]
  reason: cloudwatch:PutMetricData takes no resource; its namespace is bounded by a condition.
  proof: audit/wildcards/__init__.py
  review_by: 2026-12-01
"""


def test_reads_rows(tmp_path: Path) -> None:
    assert ledger.read(write(tmp_path, GOOD)) == [ROW]
    assert ledger.read(None) == []


def test_a_row_for_one_profile_counts_there_alone(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "  profile: sandbox\n")
    counts = {name: len(ledger.read(path, name)) for name in ("", "sandbox", "production")}
    assert counts == {"": 1, "sandbox": 1, "production": 0}


def test_the_profile_stands_in_names(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("Resource::*", "Resource::arn:any-<profile>-*"))
    [row] = ledger.read(path, "sandbox")
    assert row.places == (("Any/Role/Policy", "Resource::arn:any-sandbox-*"),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("rules: IAM5", "the ledger is dict, it must be a list", id="no list"),
        pytest.param("- [", "the ledger cannot be read", id="no YAML"),
        pytest.param("- rules: [IAM5]", "row 1 has rules, it must have exactly rules, find", id="incomplete"),
        pytest.param(GOOD.replace("[IAM5]", "IAM5"), "rules is 'IAM5', allowed: a list", id="no list in it"),
        pytest.param(
            GOOD.replace(" [Res", " and [Res"), "is no finding: write <construct path>", id="no finding"
        ),
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


# -- ours


def test_our_ledger_answers_everything_and_nothing_else(assembly: Assembly, request: Any) -> None:
    """In date as of its own reviews: `make audit` is who looks at the calendar."""
    profile = request.node.callspec.params["assembly"]
    rows = ledger.read(app.LEDGER, profile)
    day = min(row.review_by for row in rows) - ledger.LONGEST / 2
    found = evidence.gather(assembly.directory, evidence.Known(rows=rows), day)
    assert found.verdict.open == ()
    assert len(found.verdict.answered) > 50


def test_our_ledger_is_short_and_each_row_names_its_proof() -> None:
    rows = ledger.read(app.LEDGER)
    # Of what is always there; an optional stack brings its own.
    assert 0 < len([row for row in rows if not row.module]) < 40
    assert [row.proof for row in rows if not (app.LEDGER.parents[1] / row.proof).is_file()] == []
    times = Counter(key for row in rows for key in row.keys)
    assert [key for key, number in times.items() if number > 1] == []


def test_our_reasons_are_specific() -> None:
    empty_words = ("false positive", "demo purposes", "not needed", "required by cdk", "todo")
    reasons = [row.reason.lower() for row in ledger.read(app.LEDGER)]
    assert [reason for reason in reasons if any(word in reason for word in empty_words)] == []
