"""docs/security.md is the index of threats and practices: what it names exists, and it names everything."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit.rules import RULES
from settings import PRODUCTION, PROFILES

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/security.md").read_text(encoding="utf-8")
SPOKEN = DOCUMENT + (ROOT / "SECURITY.md").read_text(encoding="utf-8")
WRITTEN_BY_THE_AUDIT = {"index.html", "audit.json", "audit.sarif"}
CODE = set(re.findall(r"`([^`\n]+)`", SPOKEN))
NAMED = {
    name for name in CODE if re.fullmatch(r"[\w/.-]+\.(py|md|json|txt|lock|yaml|toml|html|sarif)", name)
} - WRITTEN_BY_THE_AUDIT
TESTS = {name for name in CODE if name.startswith("tests/") and "::" in name}
# Of the profile `production`; a test holds them equal to what is synthesised.
SNAPSHOTS: list[Any] = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "tests/snapshots").glob("*.template.json"))
]
RESOURCES: list[Any] = [each for template in SNAPSHOTS for each in template["Resources"].values()]
ACCESS = (ROOT / "tests/snapshots/access_matrix.txt").read_text(encoding="utf-8").splitlines()
PARTS = ("Who and how", "Stopped by", "Noticed by", "Proven by", "Left")


@dataclass(frozen=True, kw_only=True)
class Threat:
    """`parts`: text by its label, in the order of the document."""

    number: int
    techniques: str
    parts: dict[str, str]

    def code(self, part: str) -> set[str]:
        return set(re.findall(r"`([^`]+)`", self.parts[part]))


def threats() -> list[Threat]:
    found = re.findall(
        r"^\*\*(\d+)\. [^*]+\*\*(.*)\n\n((?:- |  ).+(?:\n(?:- |  ).+)*)", DOCUMENT, re.MULTILINE
    )
    return [
        Threat(
            number=int(number),
            techniques=techniques,
            parts=dict(re.findall(r"- \*([^*]+):\* ((?:.|\n(?!- ))+)", lines)),
        )
        for number, techniques, lines in found
    ]


def gaps() -> dict[str, list[str]]:
    """Number -> gap, threats, what to do until it is closed."""
    section = DOCUMENT.split("\n## Gaps\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()]
    return {number: rest for number, *rest in rows if number.isdigit()}


def of_type(kind: str) -> list[dict[str, Any]]:
    return [each.get("Properties", {}) for each in RESOURCES if each["Type"] == kind]


THREATS = threats()
each_threat = pytest.mark.parametrize("threat", THREATS, ids=lambda threat: f"threat {threat.number}")


def test_every_named_file_exists() -> None:
    assert len(NAMED) > 60
    assert {name for name in NAMED if not (ROOT / name).is_file()} == set()


def test_every_security_file_is_named() -> None:
    files = [*ROOT.glob("security/*.py"), *ROOT.glob("tests/security/test_*.py")]
    present = {str(path.relative_to(ROOT)) for path in files if path.name != "__init__.py"}
    assert present - NAMED == set()


def test_every_named_test_exists() -> None:
    assert len(TESTS) > 40
    named = (name.split("::") for name in sorted(TESTS))
    missing = {
        f"{file}::{test}"
        for file, test in named
        if not (ROOT / file).is_file() or f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8")
    }
    assert missing == set()


def test_every_named_rule_exists() -> None:
    named = {name for name in CODE if re.match(r"ML-[A-Z]+-\d", name)}
    assert len(named) > 10
    assert named - {rule.id for rule in RULES} == set()


def test_every_named_alarm_exists() -> None:
    stages = ("ingest", "transform", "train", "evaluate", "deploy", "monitor", "retrain")
    named = {name for name in CODE if name.partition(": ")[0] in stages and ": " in name}
    alarms = {alarm["AlarmName"] for alarm in of_type("AWS::CloudWatch::Alarm")}
    assert len(named) > 8
    assert {f"{PRODUCTION.prefix} {name}" for name in named} - alarms == set()


def test_every_named_denial_exists_in_each_policy_of_the_lake() -> None:
    named = {name for name in CODE if re.fullmatch(r"Deny\w+", name)}
    assert named == {"DenyOtherWays"}
    policies = [
        {each["Sid"] for each in policy["PolicyDocument"]["Statement"] if "Sid" in each and _denies(each)}
        for policy in of_type("AWS::S3::BucketPolicy")
    ]
    guarded = [sids for sids in policies if named <= sids]
    assert len(guarded) == 7, "landing, raw, curated, features, models, captures, results"


def _denies(statement: dict[str, Any]) -> bool:
    return bool(statement["Effect"] == "Deny" and statement["Principal"] in ("*", {"AWS": "*"}))


def test_threats_are_numbered_one_after_the_other() -> None:
    assert [threat.number for threat in THREATS] == list(range(1, len(THREATS) + 1))
    assert len(THREATS) == len(re.findall(r"^\*\*\d+\. ", DOCUMENT, re.MULTILINE)) >= 15


@each_threat
def test_threat_names_what_stops_it_and_what_proves_that(threat: Threat) -> None:
    assert tuple(threat.parts) == PARTS
    assert all(len(text.split()) > 0 for text in threat.parts.values())
    stops = {name for name in threat.code("Stopped by") & NAMED if not name.startswith(("tests/", "docs/"))}
    assert stops, "name the file of what prevents it"
    proofs = threat.code("Proven by")
    assert proofs, "name a test or a rule of the audit"
    assert proofs <= TESTS | {rule.id for rule in RULES}


@each_threat
def test_techniques_have_the_form_of_atlas(threat: Threat) -> None:
    assert re.fullmatch(r"( \(AML\.T\d{4}(\.\d{3})?(, AML\.T\d{4}(\.\d{3})?)*\))?", threat.techniques)


def test_gaps_and_threats_name_each_other() -> None:
    from_threats = {
        (gap, threat.number)
        for threat in THREATS
        for gap in re.findall(r"\(gap\s(\d+)\)", threat.parts["Left"])
    }
    from_gaps = {(gap, int(number)) for gap, row in gaps().items() for number in row[1].split(",")}
    assert list(gaps()) == [str(number) for number in range(1, len(gaps()) + 1)]
    assert from_threats == from_gaps


MISSING = sorted(set(re.findall(r"`(AWS::\w+::\w+)`", " ".join(row[0] for row in gaps().values()))))


@pytest.mark.parametrize("kind", MISSING)
def test_what_would_close_a_gap_is_not_there_yet(kind: str) -> None:
    """It exists in CloudFormation, and in no template: who adds one closes the gap in the document too."""
    _, service, name = kind.split("::")
    module = importlib.import_module(f"aws_cdk.aws_{service.lower()}")
    assert kind == getattr(module, f"Cfn{name}").CFN_RESOURCE_TYPE_NAME
    assert of_type(kind) == []


def test_gaps_that_settings_and_grants_leave_are_still_there() -> None:
    assert len(MISSING) >= 4
    assert {profile: each.monitor.emails for profile, each in PROFILES.items()} == dict.fromkeys(PROFILES, ())
    models = "bucket Data/Lake/Models: runs/*"
    assert any(line.startswith(f"Data/Queries/Analyst | read | {models} |") for line in ACCESS)
    writers = {line.split(" | ")[0] for line in ACCESS if f" | write | {models} | s3:PutObject" in line}
    assert len(writers) == 8, "docs/security.md tells their number"


@pytest.mark.parametrize(
    ("access", "roles"),
    [
        pytest.param("read | stream Data/Ingest/Stream |", 1, id="threat 7: the stream"),
        pytest.param("read | bucket Data/Lake/Landing: landing/* |", 1, id="threat 7: landing files"),
        pytest.param("read | bucket Data/Lake/Raw: errors/* |", 1, id="threat 7: errors"),
        pytest.param("read | bucket Data/Lake/Raw: redriven/* |", 0, id="threat 7: sent again"),
        pytest.param("read | secret Data/Ingest/TokenKey |", 3, id="threat 8: the key of tokens"),
        pytest.param("invoke | endpoint Operations/Deploy/Endpoint |", 1, id="threat 10: the endpoint"),
        pytest.param("write | endpoint Operations/Deploy/Endpoint |", 1, id="threat 11: what is served"),
        pytest.param("write | parameter Operations/Deploy/Champion |", 1, id="threat 11: the champion"),
    ],
)
def test_as_many_roles_as_the_page_says(access: str, roles: int) -> None:
    assert len({line.split(" | ")[0] for line in ACCESS if f" | {access}" in line}) == roles


def test_every_command_is_a_target_of_make() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", SPOKEN))
    assert {"audit", "mutants", "test"} <= named <= targets
    report = (ROOT / "audit/report.py").read_text(encoding="utf-8")
    assert {name for name in WRITTEN_BY_THE_AUDIT if f'"{name}"' not in report} == set()


def test_every_decision_says_context_and_decision_on_a_page() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("0*.md"))
    assert decisions
    numbers = [path.name[:4] for path in decisions]
    assert len(numbers) == len(set(numbers))
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        for part in ("Context", "Decision"):
            assert re.search(rf"^(## |\*\*){part}", text, re.MULTILINE), f"{path.name} has no part {part!r}"
        assert len(text.splitlines()) < 60, f"{path.name} is longer than a page"
