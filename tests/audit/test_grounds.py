"""Reasons of wildcards are what their proof says, in the ledger word for word."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

import app
from audit import grounds, ledger
from audit.templates import Templates

BUCKET = {"B": {"Type": "AWS::S3::Bucket", "Metadata": {"aws:cdk:path": "Any/Lake/Resource"}}}


def templates(*statements: dict[str, Any]) -> Templates:
    document = {"Statement": [{"Effect": "Allow", **each} for each in statements]}
    policy = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"PolicyDocument": document},
        "Metadata": {"aws:cdk:path": "Any/Role/Permissions/Resource"},
    }
    return Templates({"Any": (Path("Any.template.json"), {"Resources": {**BUCKET, "P": policy}})})


def objects(prefix: str) -> dict[str, Any]:
    return {"Fn::Join": ["", [{"Fn::GetAtt": ["B", "Arn"]}, prefix]]}


OBJECTS = "Objects below one prefix of one bucket: names are not known before they exist."
NO_RESOURCE = "the service authorization reference knows no resource for the actions."
PUT_METRICS = {
    "Action": "cloudwatch:PutMetricData",
    "Resource": "*",
    "Condition": {"StringEquals": {"cloudwatch:namespace": "ours"}},
}


@pytest.mark.parametrize(
    ("statement", "subject", "reason"),
    [
        pytest.param(
            {"Action": "s3:GetObject", "Resource": objects("/raw/*")},
            "Resource::arn:aws:s3:::<Any/Lake>/raw/*",
            OBJECTS,
            id="objects",
        ),
        pytest.param(
            {"Action": "ec2:DescribeSubnets", "Resource": "*"},
            "Resource::*",
            NO_RESOURCE[0].upper() + NO_RESOURCE[1:],
            id="no resource",
        ),
        pytest.param(
            PUT_METRICS,
            "Resource::*",
            f"Condition cloudwatch:namespace bounds it; {NO_RESOURCE}",
            id="a condition",
        ),
    ],
)
def test_a_reason_names_the_kind_of_wildcard(statement: dict[str, Any], subject: str, reason: str) -> None:
    assert grounds.reasons(templates(statement)) == {("Any/Role/Permissions", subject): reason}


def test_what_is_not_proved_has_no_reason() -> None:
    assert grounds.reasons(templates({"Action": "s3:*", "Resource": "*"})) == {}


def row(reason: str, proof: str = grounds.PROOF) -> ledger.Row:
    return ledger.Row(
        rules=("IAM5",),
        places=(("Any/Role/Permissions", "Resource::arn:aws:s3:::<Any/Lake>/raw/*"),),
        reason=reason,
        proof=proof,
        review_by=date(2026, 12, 1),
    )


def test_a_row_that_says_something_else_than_its_proof_is_told() -> None:
    there = templates({"Action": "s3:GetObject", "Resource": objects("/raw/*")})
    assert grounds.check(there, [row(OBJECTS)]) == []
    [finding] = grounds.check(there, [row("We looked at it and think that it is all right.")])
    assert finding.rule == grounds.OTHER
    assert OBJECTS in finding.message
    assert grounds.check(there, [row("Another proof stands behind this one.", "tests/any.py")]) == []


def test_a_row_whose_wildcard_is_proved_no_more_is_told() -> None:
    narrow = templates({"Action": "s3:GetObject", "Resource": objects("/raw/one.json")})
    assert [one.rule for one in grounds.check(narrow, [row(OBJECTS)])] == [grounds.OTHER]


def test_proposed_rows_are_those_of_our_ledger(audited: dict[str, Templates], tmp_path: Path) -> None:
    day = date(2026, 1, 1)
    for profile, there in audited.items():
        proposed = grounds.proposed(there, profile, day)
        path = tmp_path / f"{profile}.yaml"
        path.write_text(yaml.safe_dump(proposed), encoding="utf-8")
        said = ledger.read(path, profile)
        there_too = {place for row in said for place in row.places}
        written: dict[str, ledger.Row] = {}
        for row in ledger.about(ledger.read(app.LEDGER, profile), there.stacks):
            lacks = row.is_optional and not there_too & set(row.places)
            if row.proof != grounds.PROOF or lacks:
                continue
            # An optional row stands apart from the row of the same reason.
            before = written[row.reason].places if row.reason in written else ()
            places = tuple(sorted(f"{path} [{subject}]" for path, subject in (*before, *row.places)))
            whole = replace(row, places=(*before, *row.places), review_by=day + grounds.HALF_A_YEAR)
            assert len(set(places)) == len(places)
            written[row.reason] = replace(whole, is_optional=False)
        ordered = [replace(row, places=tuple(sorted(row.places))) for row in written.values()]
        found = [replace(row, places=tuple(sorted(row.places))) for row in said]
        assert sorted(found, key=str) == sorted(ordered, key=str)


def test_the_command_prints_rows_and_names_unusable_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert grounds.main([str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
