"""SARIF: valid by the standard's own schema, on our stacks and on anybody's templates."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from audit import evidence, ledger
from audit.sarif import to_sarif
from tests.audit.engines import NOWHERE, checkov_says, install
from tests.conftest import Assembly

HERE = Path(__file__).parent
SCHEMA = json.loads((HERE / "data" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8"))
TODAY = date(2026, 6, 1)


def faults(log: Any) -> list[str]:
    validator = jsonschema.Draft4Validator(SCHEMA)
    return [f"{one.json_path}: {one.message[:200]}" for one in validator.iter_errors(log)]


def gather(folder: Path, *rows: ledger.Row, home: Path = NOWHERE) -> evidence.Evidence:
    return evidence.gather(folder, evidence.Known(rows=rows, engines=home), TODAY)


@pytest.fixture(scope="module")
def samples() -> evidence.Evidence:
    return gather(HERE / "samples")


def answering(found: evidence.Evidence) -> ledger.Row:
    first = found.verdict.open[0]
    return ledger.Row(
        rules=(first.rule,),
        places=((first.path, first.subject),),
        reason="Nothing at all bounds this, it is here to be an accepted finding.",
        proof="none",
        review_by=date(2026, 12, 1),
    )


def test_the_log_of_our_stacks_is_valid(assembly: Assembly) -> None:
    found = gather(assembly.directory)
    log = to_sarif(found)
    assert faults(log) == []
    assert len(log["runs"][0]["results"]) == len(found.verdict.open) > 0


def test_the_log_of_samples_is_valid_with_accepted_findings(samples: evidence.Evidence) -> None:
    found = gather(HERE / "samples", answering(samples))
    log = json.loads(json.dumps(to_sarif(found)))
    assert faults(log) == []
    suppressed = [one for one in log["runs"][0]["results"] if "suppressions" in one]
    assert [one["ruleId"] for one in suppressed] == [samples.verdict.open[0].rule]


def test_the_log_of_nothing_open_is_valid(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("Resources:\n  W:\n    Type: AWS::CloudFormation::WaitConditionHandle\n")
    log = to_sarif(gather(tmp_path))
    assert faults(log) == []
    assert log["runs"][0]["results"] == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(("level",), "fatal", id="level"),
        pytest.param(("suppressions",), [{"kind": "nowhere"}], id="suppression"),
        pytest.param(("locations", 0, "physicalLocation", "region", "startLine"), 0, id="line"),
        pytest.param(("message",), {}, id="message"),
        pytest.param(("unknown",), 1, id="unknown property"),
    ],
)
def test_the_schema_bites(samples: evidence.Evidence, place: tuple[Any, ...], value: Any) -> None:
    log = json.loads(json.dumps(to_sarif(samples)))
    holder = log["runs"][0]["results"][0]
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    assert faults(log)


def test_findings_have_stable_marks_of_their_own(samples: evidence.Evidence) -> None:
    results = to_sarif(samples)["runs"][0]["results"]
    marks = [one["partialFingerprints"]["finding/v1"] for one in results]
    assert len(marks) == len(set(marks))


def test_a_template_in_a_folder_is_named_from_the_root_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.yaml").write_text("Resources:\n  Data:\n    Type: AWS::S3::Bucket\n")
    results = to_sarif(gather(tmp_path))["runs"][0]["results"]
    assert {one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in results} == {
        "deep/a.yaml"
    }


def test_the_other_engines_are_named(tmp_path: Path) -> None:
    sample = tmp_path / "a.yaml"
    sample.write_text("Resources:\n  Data:\n    Type: AWS::S3::Bucket\n")
    said = checkov_says(
        (sample, "CKV_AWS_999", "AWS::S3::Bucket.Data"), (sample, "CKV_AWS_21", "AWS::S3::Bucket.Data")
    )
    log = to_sarif(gather(tmp_path, home=install(tmp_path / "home", checkov=said)))
    assert faults(log) == []
    (run,) = log["runs"]
    assert [one["name"] for one in run["tool"]["extensions"]] == ["checkov"]
    (versioned,) = [one for one in run["results"] if one["ruleId"] == "ML-S3-03"]
    assert versioned["properties"] == {"secondedBy": ["checkov CKV_AWS_21"]}
