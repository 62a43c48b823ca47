"""The command: anybody's templates, offline; what is open decides the status, and every report says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit.__main__ import main

# In the style of samples that people start from.
CARELESS = """
Resources:
  Data:
    Type: AWS::S3::Bucket
  Notebook:
    Type: AWS::SageMaker::NotebookInstance
    Properties:
      InstanceType: ml.t3.medium
      RoleArn: !GetAtt Role.Arn
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {Service: sagemaker.amazonaws.com}
            Action: sts:AssumeRole
      Policies:
        - PolicyName: everything
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - {Effect: Allow, Action: "s3:*", Resource: "*"}
              - {Effect: Allow, Action: "iam:PassRole", Resource: "*"}
              - {Effect: Allow, Action: "sagemaker:CreateTrainingJob", Resource: "*"}
  Model:
    Type: AWS::SageMaker::Model
    Properties:
      ExecutionRoleArn: !GetAtt Role.Arn
      PrimaryContainer: {Image: "1.dkr.ecr.us-east-1.amazonaws.com/x:1"}
  Config:
    Type: AWS::SageMaker::EndpointConfig
    Properties:
      ProductionVariants:
        - {ModelName: !GetAtt Model.ModelName, VariantName: all, InitialVariantWeight: 1}
"""
LEDGER = """
- rules: [ANY]
  findings: [Any/Thing]
  reason: It answers nothing at all, which the audit has to say of it.
  proof: none
  review_by: 2026-12-01
"""


def audit(folder: Path, *arguments: str, text: str = CARELESS) -> tuple[int, Path]:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / "sample.yaml").write_text(text)
    out = folder / "out"
    return main([str(folder / "in"), "--output", str(out), "--today", "2026-06-01", *arguments]), out


@pytest.fixture(scope="module")
def careless(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("audit")
    status, out = audit(folder)
    return {
        "status": status,
        "json": json.loads((out / "audit.json").read_text()),
        "sarif": json.loads((out / "audit.sarif").read_text()),
        "page": (out / "index.html").read_text(),
    }


def test_open_findings_end_with_one(careless: dict[str, Any]) -> None:
    assert careless["status"] == 1


@pytest.mark.parametrize(
    ("address", "rules"),
    [
        pytest.param("sample/Data", {"S1", "S10"}, id="bucket without TLS and logs"),
        pytest.param(
            "sample/Role", {"IAM5", "WILD-02", "WILD-03", "ESC-04"}, id="role that may do everything"
        ),
        pytest.param("sample/Notebook", {"SM1", "SM2", "SM3"}, id="notebook with internet"),
    ],
)
def test_careless_resources_are_found_by_packs_and_by_us(
    careless: dict[str, Any], address: str, rules: set[str]
) -> None:
    found = {one["rule"] for one in careless["json"]["open"] if one["address"] == address}
    assert rules <= found, found


@pytest.mark.parametrize("address", ["sample/Model", "sample/Config", "sample/Notebook"])
def test_what_no_pack_sees_is_found(careless: dict[str, Any], address: str) -> None:
    found = {one["rule"] for one in careless["json"]["open"] if one["address"] == address}
    assert [rule for rule in found if rule.startswith("ML-SM-")], found


def test_the_worst_comes_first(careless: dict[str, Any]) -> None:
    order = ["CRITICAL", "HIGH", "MEDIUM", "LOW"]
    severities = [order.index(one["severity"]) for one in careless["json"]["open"]]
    assert severities == sorted(severities)
    assert severities[0] == 0


def test_sarif_places_each_result_on_a_line_of_the_template(careless: dict[str, Any]) -> None:
    (run,) = careless["sarif"]["runs"]
    assert careless["sarif"]["version"] == "2.1.0"
    assert len(run["results"]) == len(careless["json"]["open"])
    declared = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    lines = CARELESS.splitlines()
    for result in run["results"]:
        assert result["ruleId"] in declared
        assert result["level"] in ("error", "warning", "note")
        (place,) = result["locations"]
        physical = place["physicalLocation"]
        assert physical["artifactLocation"]["uri"] == "sample.yaml"
        name = lines[physical["region"]["startLine"] - 1].strip().rstrip(":")
        assert name in ("Data", "Notebook", "Role", "Model", "Config"), name


def test_the_page_stands_alone_and_escapes(careless: dict[str, Any]) -> None:
    page = careless["page"]
    for one in careless["json"]["open"]:
        assert one["rule"] in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "&lt;" in page, "placeholders such as <AccountId> are shown, not read as HTML"


def test_nothing_open_ends_with_zero(tmp_path: Path) -> None:
    status, out = audit(
        tmp_path, text="Resources:\n  Wait:\n    Type: AWS::CloudFormation::WaitConditionHandle\n"
    )
    assert status == 0
    assert json.loads((out / "audit.json").read_text())["open"] == []


def test_a_fault_of_the_ledger_is_open_too(tmp_path: Path) -> None:
    (tmp_path / "ledger.yaml").write_text(LEDGER)
    empty = "Resources:\n  Wait:\n    Type: AWS::CloudFormation::WaitConditionHandle\n"
    status, out = audit(tmp_path, "--ledger", str(tmp_path / "ledger.yaml"), text=empty)
    assert status == 1
    assert [one["rule"] for one in json.loads((out / "audit.json").read_text())["open"]] == ["LEDGER-01"]


@pytest.mark.parametrize(
    ("arguments", "text", "says"),
    [
        pytest.param([], "Resources: [", "sample.yaml: cannot be read as yaml", id="template"),
        pytest.param([], "a: 1", "no CloudFormation template in it", id="no template"),
        pytest.param(["--ledger", "/nowhere.yaml"], CARELESS, "the ledger cannot be read", id="ledger"),
        pytest.param(["--record", "/nowhere.json"], CARELESS, "no record of calls", id="record"),
    ],
)
def test_unusable_input_ends_with_two_and_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str, says: str
) -> None:
    status, _ = audit(tmp_path, *arguments, text=text)
    assert status == 2
    assert says in capsys.readouterr().err
