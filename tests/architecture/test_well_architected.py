"""docs/well-architected.md answers every practice of the Lens once, and what it names as evidence exists."""

from __future__ import annotations

import importlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit.rules import RULES
from audit.rules.frameworks import FRAMEWORKS

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/well-architected.md").read_text(encoding="utf-8")
[LENS] = [each for each in FRAMEWORKS if each.name.endswith("Machine Learning Lens")]
# Practices of each question in the edition of 19 November 2025, BP01 to the number. Read in the
# state of August 2026 in github.com/aws-samples/sample-well-architected-skills-and-steering at 4b58ba0.
PILLARS = {
    "Operational excellence": {
        "MLOPS01": 3,
        "MLOPS02": 6,
        "MLOPS03": 2,
        "MLOPS04": 2,
        "MLOPS05": 1,
        "MLOPS06": 2,
    },
    "Security": {"MLSEC01": 1, "MLSEC02": 1, "MLSEC03": 5, "MLSEC04": 3, "MLSEC05": 1, "MLSEC06": 2},
    "Reliability": {"MLREL01": 2, "MLREL02": 3, "MLREL03": 4, "MLREL04": 2, "MLREL05": 2},
    "Performance efficiency": {
        "MLPERF01": 1,
        "MLPERF02": 2,
        "MLPERF03": 1,
        "MLPERF04": 6,
        "MLPERF05": 2,
        "MLPERF06": 6,
    },
    "Cost optimization": {
        "MLCOST01": 2,
        "MLCOST02": 2,
        "MLCOST03": 4,
        "MLCOST04": 14,
        "MLCOST05": 3,
        "MLCOST06": 4,
    },
    "Sustainability": {"MLSUS01": 1, "MLSUS02": 2, "MLSUS03": 3, "MLSUS04": 4, "MLSUS05": 4, "MLSUS06": 2},
}
IDS = {
    pillar: [
        f"{question}-BP{number:02}" for question, count in each.items() for number in range(1, count + 1)
    ]
    for pillar, each in PILLARS.items()
}
BUILT, IN_PART, NOT_BUILT, DEPLOYER = ANSWERS = ("built", "in part", "not built", "deployer")
# Items of docs/guide.md and the practices that ask for the same.
GUIDE = {
    "G002": ["MLREL02-BP01"],
    "G007": ["MLPERF03-BP01"],
    "G028": ["MLCOST03-BP01"],
    "G033": ["MLREL03-BP02", "MLCOST03-BP04"],
    "G035": ["MLOPS03-BP01"],
    "G043": ["MLPERF06-BP05"],
    "G044": ["MLCOST04-BP11", "MLSUS04-BP04"],
    "G050": ["MLREL04-BP02"],
    "G054": ["MLOPS05-BP01"],
    "G059": ["MLREL05-BP01"],
    "G060": ["MLPERF04-BP01", "MLCOST04-BP01"],
    "G071": ["MLCOST04-BP06"],
    "G072": ["MLCOST04-BP12"],
    "G073": ["MLSEC03-BP01"],
    "G080": ["MLSEC03-BP03"],
    "G082": ["MLOPS02-BP06", "MLPERF06-BP02"],
    "G088": ["MLPERF06-BP04"],
    "G090": ["MLOPS04-BP01", "MLREL03-BP01"],
}
# What somebody would have to patch, resize or restart. Endpoints and jobs of SageMaker and Glue are managed.
SERVERS = ("AWS::EC2::Instance", "AWS::AutoScaling::", "AWS::ECS::", "AWS::EKS::", "AWS::EMR::", "AWS::RDS::")
TYPES = {
    resource["Type"]
    for path in (ROOT / "tests/snapshots").glob("*.template.json")
    for resource in json.loads(path.read_text(encoding="utf-8"))["Resources"].values()
}


@dataclass(frozen=True, kw_only=True)
class Row:
    pillar: str
    practice: str
    asks: str
    answer: str
    words: str
    where: list[str]
    proof: list[str]


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows() -> list[Row]:
    found = []
    for section in DOCUMENT.split("\n## ")[1:]:
        pillar, _, body = section.partition("\n")
        for line in body.splitlines():
            if line.startswith("| ML"):
                practice, asks, answer, words, where, proof = cells(line)
                found.append(
                    Row(
                        pillar=pillar,
                        practice=practice,
                        asks=asks,
                        answer=answer,
                        words=words,
                        where=code(where),
                        proof=code(proof),
                    )
                )
    return found


ROWS = rows()
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.practice)


def defines(name: str) -> bool:
    """`name`: <file>::<function>."""
    file, _, function = name.partition("::")
    path = ROOT / file
    return path.is_file() and f"\ndef {function}(" in path.read_text(encoding="utf-8")


def test_every_practice_of_the_edition_is_answered_once_below_its_pillar() -> None:
    assert sum(len(each) for each in IDS.values()) == 105
    assert {
        pillar: [row.practice for row in ROWS if row.pillar == pillar]
        for pillar in dict.fromkeys(row.pillar for row in ROWS)
    } == IDS


def test_edition_and_page_are_those_that_the_audit_names() -> None:
    assert f"edition of {LENS.edition}" in DOCUMENT
    assert f"({LENS.page})" in DOCUMENT


def test_practices_that_the_audit_looks_at_are_built_at_least_in_part() -> None:
    answers = {row.practice: row.answer for row in ROWS}
    looked_at = {name for rule in RULES for name in rule.controls if LENS.form.fullmatch(name)}
    assert len(looked_at) > 5
    assert {name for name in looked_at if answers[name] not in (BUILT, IN_PART)} == set()


@pytest.mark.parametrize(("item", "practices"), GUIDE.items())
def test_answer_agrees_with_the_guide(item: str, practices: list[str]) -> None:
    """What the guide has not, is not built here; what the guide has, is here at least in part."""
    guide = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
    built, not_built = guide.split("\n## Not built yet\n")
    assert (f"| {item} |" in built) is not (f"| {item} |" in not_built)
    answers = {row.answer for row in ROWS if row.practice in practices}
    assert answers <= ({BUILT, IN_PART} if f"| {item} |" in built else {IN_PART, NOT_BUILT})


def test_counts_at_the_top_are_those_of_the_rows() -> None:
    top = DOCUMENT.split("\n## ")[0]
    told = {
        re.sub(r"\[([^]]+)\].*", r"\1", first): [int(count) for count in counts]
        for first, *counts in (cells(line) for line in top.splitlines() if line.startswith("| "))
        if len(counts) == len(ANSWERS) + 1 and counts[0].isdigit()
    }
    expected = {}
    for pillar in [*PILLARS, "All"]:
        counts = Counter(row.answer for row in ROWS if pillar in (row.pillar, "All"))
        expected[pillar] = [*(counts[answer] for answer in ANSWERS), counts.total()]
    assert told == expected


@each_row
def test_answer_has_its_evidence_and_no_other_has(row: Row) -> None:
    assert row.answer in ANSWERS
    assert row.asks and row.words
    is_there = row.answer in (BUILT, IN_PART)
    assert bool(row.where) is is_there, "what is there names its files, what is not names none"
    assert any(name.startswith(("tests/", "ML-")) for name in row.proof) is is_there
    assert bool(row.proof) is is_there
    assert ("Missing: " in row.words) is (row.answer == IN_PART), "what is there in part says what is missing"


@each_row
def test_named_files_tests_and_rules_exist(row: Row) -> None:
    assert [path for path in row.where if path.startswith("tests/") or not (ROOT / path).is_file()] == []
    rules = {rule.id for rule in RULES}
    unknown = [name for name in row.proof if name not in rules]
    assert [name for name in unknown if not name.startswith(("tests/", "demo/claims.py::"))] == []
    assert [name for name in unknown if not defines(name)] == []


def test_what_rows_call_missing_is_in_no_template_and_is_a_resource_of_aws() -> None:
    missing = {name for row in ROWS for name in code(row.words) if name.startswith("AWS::")}
    assert len(missing) > 5
    assert missing & TYPES == set()
    for name in missing:
        _, service, resource = name.split("::")
        module = importlib.import_module(f"aws_cdk.aws_{service.lower()}")
        assert hasattr(module, f"Cfn{resource}"), f"CloudFormation has no {name}"


def test_nothing_is_a_server_of_our_own() -> None:
    assert "AWS::SageMaker::Endpoint" in TYPES
    assert {kind for kind in TYPES if kind.startswith(SERVERS)} == set()
