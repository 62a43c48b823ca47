"""What a deployment decides without an account: order, names, causes, and what of the CLI's words is told."""

from __future__ import annotations

import json
import subprocess
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest

from deployment import assembly, causes, cli, deploying, next_steps, taken
from deployment.assembly import Wanted
from deployment.conditions import NEVER_MADE, READY
from deployment.deploy import Progress, duration
from deployment.errors import RefusedError
from deployment.names import Names
from deployment.place import Place
from deployment.stacks import Failure
from tests.conftest import Assembly


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """An account of moto's as it comes."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with moto.mock_aws():
        yield Place(
            account="123456789012",
            region="eu-west-1",
            caller="arn:aws:sts::123456789012:assumed-role/admin/ada",
            session=boto3.Session(region_name="eu-west-1"),
        )


def any_wanted(name: str, **resources: Any) -> Wanted:
    return Wanted(
        name=name, id=name, template={"Resources": resources}, bootstrap=6, bootstrap_parameter="/a/b/c"
    )


def artifacts(**needs: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"Tree": {"type": "cdk:tree"}}
    for name, dependencies in needs.items():
        found[f"{name}.assets"] = {"type": "cdk:asset-manifest"}
        found[name] = {"type": assembly.STACK, "dependencies": [*dependencies, f"{name}.assets"]}
    return found


# order


def test_stacks_come_after_what_they_need() -> None:
    assert assembly.ordered(artifacts(D=["A", "C"], A=["B"], C=[], B=[])) == ["B", "A", "C", "D"]


def test_stacks_that_need_each_other_are_refused_with_the_circle() -> None:
    with pytest.raises(RefusedError, match="in a circle: A -> B -> C -> A"):
        assembly.ordered(artifacts(A=["B"], B=["C"], C=["A"]))


def test_assembly_is_read_in_the_order_in_which_it_deploys(sandbox: Assembly) -> None:
    found = assembly.wanted(sandbox.directory, Names(profile="sandbox"))
    assert [stack.name.rpartition("-")[2] for stack in found] == ["base", "data", "model", "operations"]
    for stack in found:
        assert stack.bootstrap >= 6
        assert not any(body["Type"] == "AWS::CDK::Metadata" for body in stack.resources.values())


def test_folder_without_an_assembly_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no manifest.json"):
        assembly.wanted(tmp_path, Names(profile="sandbox"))


# names


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("plain", "plain"),
        (
            {"Fn::Join": ["-", ["a", {"Ref": "AWS::AccountId"}, {"Ref": "AWS::Region"}]]},
            "a-123456789012-eu-west-1",
        ),
        ({"Fn::Join": ["", ["/aws/glue/", {"Ref": "Configuration"}]]}, None),
        ({"Ref": "Other"}, None),
        (None, None),
    ],
    ids=["text", "of the place", "of another resource", "reference", "none"],
)
def test_name_is_known_beforehand_or_not(site: Place, value: Any, name: str | None) -> None:
    assert taken.resolved(site, value) == name


def test_every_fixed_name_that_cloudformation_refuses_to_adopt_is_looked_up(assembly: Assembly) -> None:
    """But for those that are put over what is there, or found by nothing else than their own listing."""
    overwritten = {
        "AWS::Athena::NamedQuery",
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::CompositeAlarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::Glue::Connection",
        "AWS::Glue::Database",
        "AWS::Glue::Table",
        "AWS::Scheduler::Schedule",
        "AWS::SecretsManager::ResourcePolicy",
    }
    fields = {"Name", *(look.field for look in taken.LOOKS.values())}
    fixed = {
        body["Type"]
        for template in assembly.templates.values()
        for body in template["Resources"].values()
        for field in fields & set(body.get("Properties", {}))
        if isinstance(body["Properties"][field], str)
    }
    assert {"AWS::SSM::Parameter", "AWS::Logs::LogGroup"} <= fixed
    assert fixed - overwritten <= set(taken.LOOKS)


# synthesis


def test_deployment_is_synthesised_for_its_region_and_passes_notes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, site: Place
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(cli, "_command", lambda *words: list(words))
    monkeypatch.setattr(cli.subprocess, "run", run)
    command = deploying.Command(
        options=Namespace(), folder=tmp_path, tell=print, pause=print, make_cdk=cli.cdk
    )
    command._synthesised(site, Names(profile="sandbox"))
    cli.synthesised(site, "sandbox", tmp_path)  # as a deletion does: it refuses no Region
    assert [[word for word in words if "=" in word] for words in asked] == [
        ["profile=sandbox", "region=eu-west-1"],
        ["profile=sandbox"],
    ]
    entry = {"type": "aws:cdk:warning", "data": "no budgets [ack: any]"}
    stack = {"type": assembly.STACK, "additionalMetadataFile": "any.json", "metadata": {"/a": [entry]}}
    (tmp_path / "any.json").write_text(json.dumps({"/b": [entry, {"type": "aws:cdk:info", "data": "x"}]}))
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"Any": stack}}))
    assert assembly.warnings(tmp_path) == ["no budgets", "no budgets"]


# causes


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ("/aws/x already exists in stack arn:...", "remove it if nobody needs it"),
        ("The account-level service limit 'ml.m5.large for endpoint usage' is 0 Instances", "Service Quotas"),
        ("User: arn:... is not authorized to perform: kms:CreateKey", "cdk-hnb659fds-cfn-exec-role"),
        ("Unable to provision: insufficient capacity", "no instance of that type free"),
        ("Rate exceeded (Service: Glue)", "just run it again"),
        (
            "The role LinkedRole: service-linked role for x.amazonaws.com",
            "--aws-service-name x.amazonaws.com",
        ),
        ("something new", "remove the cause"),
    ],
)
def test_cause_gets_its_fix(reason: str, fix: str) -> None:
    assert fix in causes.fixes([Failure(logical_id="Any", type="T", reason=reason)])


def test_consequences_of_the_first_failures_are_counted_not_told() -> None:
    failures = [Failure(logical_id=f"R{i}", type="T", reason="because") for i in range(9)]
    said = causes.described(failures)
    assert "R4 (T): because" in said
    assert "R5" not in said
    assert said.endswith("and 4 more")
    assert causes.described([]) == "see what the CLI said"


# progress


def test_of_the_cli_s_lines_failures_are_told_at_once_and_the_rest_now_and_then() -> None:
    told: list[str] = []
    now = [0.0]
    progress = Progress(tell=told.append, clock=lambda: now[0], began=0.0)
    event = "mlref-sandbox-base |  {}/46 | 8:57:00 PM | {} | AWS::KMS::Key | Keys/Lake (KeysLake1)"
    progress.line("mlref-sandbox-base: success: Published Code (current_account-current_region-1)")
    progress.line("✨  Synthesis time: 0.02s")
    progress.line(event.format(1, "CREATE_COMPLETE     "))
    assert told == []
    now[0] = 20.0
    progress.line(event.format(12, "CREATE_COMPLETE     "))
    progress.line(event.format(13, "CREATE_COMPLETE     "))
    now[0] = 81.0
    progress.line(event.format(14, "CREATE_FAILED       "))
    progress.line("Outputs:")
    progress.line("Base.Export = value")
    assert told == [
        "    0:20  12 of 46, at AWS::KMS::Key Keys/Lake",
        "    1:21  CREATE_FAILED AWS::KMS::Key Keys/Lake (KeysLake1)",
    ]
    assert progress.published == 1


def test_words_of_the_cli_that_are_no_event_are_passed_on() -> None:
    told: list[str] = []
    Progress(tell=told.append, clock=lambda: 0.0, began=0.0).line("❌  Base failed: ToolkitError: no")
    assert told == ["    ❌  Base failed: ToolkitError: no"]


@pytest.mark.parametrize(("seconds", "words"), [(0, "0:00"), (59.6, "1:00"), (754, "12:34")])
def test_duration_is_in_minutes_and_seconds(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_no_condition_is_both_ready_and_never_made() -> None:
    assert not set(READY) & set(NEVER_MADE)


# next steps


def test_next_steps_are_those_whose_outputs_are_there() -> None:
    names = Names(profile="sandbox")
    said = "\n".join(next_steps.told(names, {"StreamName": "stream-1"}))
    assert "put-records --stream-name stream-1" in said
    assert "invoke-endpoint" not in said
    assert "make destroy PROFILE=sandbox" in said
