"""The packs over templates: known bad resources yield exactly the known findings, in any folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit import packs
from audit.findings import Finding
from audit.templates import Templates


def found(folder: Path, resources: dict[str, Any]) -> list[Finding]:
    (folder / "Any.template.json").write_text(json.dumps({"Resources": resources}))
    return packs.check(Templates.read(folder))


ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
}


@pytest.mark.parametrize(
    ("resource", "pack", "rules"),
    [
        pytest.param({"Type": "AWS::SQS::Queue"}, "AwsSolutions", {"SQS3", "SQS4"}, id="AwsSolutions"),
        pytest.param(
            {"Type": "AWS::Logs::LogGroup"},
            "NIST.800.53.R5",
            {"CloudWatchLogGroupEncrypted", "CloudWatchLogGroupRetentionPeriod"},
            id="NIST",
        ),
        pytest.param(
            {"Type": "AWS::Logs::LogGroup"},
            "HIPAA.Security",
            {"CloudWatchLogGroupEncrypted", "CloudWatchLogGroupRetentionPeriod"},
            id="HIPAA",
        ),
        pytest.param(
            {"Type": "AWS::Logs::LogGroup"},
            "PCI.DSS.321",
            {"CloudWatchLogGroupEncrypted", "CloudWatchLogGroupRetentionPeriod"},
            id="PCI",
        ),
        pytest.param({"Type": "AWS::SQS::Queue"}, "Serverless", {"SQSRedrivePolicy"}, id="Serverless"),
    ],
)
def test_each_pack_sees_exactly_what_is_bad(
    tmp_path: Path, resource: dict[str, Any], pack: str, rules: set[str]
) -> None:
    assert {one.rule for one in found(tmp_path, {"Bad": resource}) if pack in one.controls} == rules


def test_the_same_check_of_several_packs_is_one_finding(tmp_path: Path) -> None:
    keys = [one for one in found(tmp_path, {"L": {"Type": "AWS::Logs::LogGroup"}}) if "Encrypted" in one.rule]
    (finding,) = keys
    assert set(finding.controls) == {"NIST.800.53.R5", "HIPAA.Security", "PCI.DSS.321"}


def test_a_subject_names_constructs_not_logical_ids(tmp_path: Path) -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObject"}
    home = {
        "Resources": {
            "B1": {"Type": "AWS::S3::Bucket", "Metadata": {"aws:cdk:path": "Home/Lake/Raw/Resource"}}
        },
        "Outputs": {"O": {"Value": {"Fn::GetAtt": ["B1", "Arn"]}, "Export": {"Name": "home:ExportB1"}}},
    }
    near = {"Fn::Join": ["", [{"Fn::GetAtt": ["B2", "Arn"]}, "/raw/*"]]}
    far = {"Fn::Join": ["", [{"Fn::ImportValue": "home:ExportB1"}, "/raw/*"]]}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": [near, far]}]}
    (tmp_path / "Home.template.json").write_text(json.dumps(home))
    findings = found(
        tmp_path,
        {
            "R": ROLE,
            "B2": {"Type": "AWS::S3::Bucket", "Metadata": {"aws:cdk:path": "Any/Other/Resource"}},
            "P": {
                "Type": "AWS::IAM::Policy",
                "Properties": {"PolicyName": "p", "PolicyDocument": policy, "Roles": [{"Ref": "R"}]},
            },
        },
    )
    assert {one.subject for one in findings if one.rule == "IAM5"} == {
        "Resource::arn:aws:s3:::<Any/Other>/raw/*",
        "Resource::arn:aws:s3:::<Home/Lake/Raw>/raw/*",
    }


def test_a_template_that_the_packs_cannot_read_is_a_finding_and_others_are_read(tmp_path: Path) -> None:
    broken = {"B": {"Type": "AWS::S3::Bucket", "DependsOn": "Nobody"}}
    (tmp_path / "Broken.template.json").write_text(json.dumps({"Resources": broken}))
    rules = {one.rule: one.message for one in found(tmp_path, {"Q": {"Type": "AWS::SQS::Queue"}})}
    assert "SQS3" in rules
    assert "could not read Broken.template.json" in rules[packs.UNREAD]
    assert "Nobody" in rules[packs.UNREAD]


def test_our_stacks_are_read_whole(audited: dict[str, Templates]) -> None:
    for templates in audited.values():
        findings = packs.check(templates)
        assert packs.UNREAD not in {one.rule for one in findings}
        assert all(one.address in templates.by_address for one in findings)
