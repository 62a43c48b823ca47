"""What a pause refuses before it changes anything, in words and by its exit status."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest

from deployment import pause
from deployment.names import CORE, GROUPS
from deployment.pause import DONE, INTERRUPTED, REFUSED, STOPPED, main

EMPTY = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """moto's, and nothing of the environment's."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto.mock_aws():
        yield


def any_deployment(*groups: str) -> None:
    for group in groups or GROUPS:
        stack = f"mlref-sandbox-{group}"
        boto3.client("cloudformation", "us-east-1").create_stack(StackName=stack, TemplateBody=EMPTY)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stacks that the CDK's command line was asked to deploy; it succeeds."""
    asked: list[str] = []

    def cdk(_: Any, verb: str, *arguments: str, said: Callable[[str], None]) -> bool:
        asked.append(f"{verb} {arguments[0]}")
        return True

    monkeypatch.setattr(pause, "_cdk", cdk)
    return asked


@pytest.fixture
def assembly(tmp_path: Path) -> str:
    return any_assembly(tmp_path, CORE)


def any_assembly(tmp_path: Path, groups: Sequence[str]) -> str:
    artifacts = {
        group.capitalize(): {
            "type": "aws:cloudformation:stack",
            "properties": {"stackName": f"mlref-sandbox-{group}"},
        }
        for group in groups
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": artifacts}), encoding="utf-8")
    (tmp_path / "Any.template.json").write_text(EMPTY, encoding="utf-8")
    return str(tmp_path)


def test_what_is_not_deployed_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    any_deployment("base", "data")
    assert main(["pause", "--profile", "sandbox", "--yes"]) == REFUSED
    said = capsys.readouterr().err
    assert "there is no stack mlref-sandbox-operations, mlref-sandbox-model;" in said
    assert said.endswith("nothing was changed\n")


def test_a_stack_that_something_works_on_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    any_deployment()
    monkeypatch.setattr(pause, "_SETTLED", ("UPDATE_COMPLETE",))
    assert main(["resume", "--profile", "sandbox"]) == REFUSED
    assert "mlref-sandbox-base (CREATE_COMPLETE)" in capsys.readouterr().err


def test_without_a_terminal_it_asks_for_a_yes_on_the_command_line(
    deployed: list[str], assembly: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    any_deployment()
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert main(["pause", "--profile", "sandbox", "--app", assembly]) == REFUSED
    assert "pause --profile sandbox --yes" in capsys.readouterr().err
    assert deployed == []


@pytest.mark.parametrize(
    ("typed", "status", "stacks"),
    [
        pytest.param("sandbox", DONE, ["deploy Operations", "deploy Base"], id="the profile's name"),
        pytest.param("yes", REFUSED, [], id="another word"),
    ],
)
def test_the_yes_is_the_profiles_name(
    typed: str,
    status: int,
    stacks: list[str],
    deployed: list[str],
    assembly: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Operations goes first: what could start something needs the network that goes with Base."""
    any_deployment()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: typed)
    assert main(["pause", "--profile", "sandbox", "--app", assembly]) == status
    assert deployed == stacks


def test_resume_brings_the_network_back_first_and_asks_nothing(deployed: list[str], assembly: str) -> None:
    any_deployment()
    assert main(["resume", "--profile", "sandbox", "--app", assembly]) == DONE
    assert deployed == ["deploy Base", "deploy Operations"]


def test_with_a_second_region_its_hourly_look_rests_before_the_network_goes(
    deployed: list[str], tmp_path: Path
) -> None:
    any_deployment()
    folder = any_assembly(tmp_path, [*CORE, "replication", "standby"])
    assert main(["pause", "--profile", "sandbox", "--yes", "--app", folder]) == DONE
    assert deployed == ["deploy Operations", "deploy Replication", "deploy Base"]


def test_what_began_meanwhile_keeps_the_network(
    deployed: list[str], assembly: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    any_deployment()
    looks = iter([[], ["execution late"]])
    monkeypatch.setattr(pause, "running", lambda _: next(looks))
    command = ["pause", "--profile", "sandbox", "--yes", "--app", assembly]
    assert main(command) == STOPPED
    assert "execution late" in capsys.readouterr().err
    assert deployed == ["deploy Operations"]


def test_an_assembly_of_another_profile_is_refused(
    deployed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    any_deployment()
    (tmp_path / "manifest.json").write_text('{"artifacts": {}}', encoding="utf-8")
    assert main(["pause", "--profile", "sandbox", "--yes", "--app", str(tmp_path)]) == REFUSED
    assert "has no stack mlref-sandbox-operations" in capsys.readouterr().err
    assert deployed == []


def test_a_deployment_that_fails_says_so(
    assembly: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    any_deployment()
    monkeypatch.setattr(pause, "_cdk", lambda *_, **__: False)
    assert main(["pause", "--profile", "sandbox", "--yes", "--app", assembly]) == STOPPED
    assert "mlref-sandbox-operations could not be deployed" in capsys.readouterr().err


def test_an_app_that_cannot_be_synthesised_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    any_deployment()

    def fails(*arguments: str, said: Callable[[str], None], **_: Any) -> bool:
        said("a finding of a rule pack")
        return False

    monkeypatch.setattr(pause, "_cdk", fails)
    assert main(["pause", "--profile", "sandbox", "--yes"]) == REFUSED
    assert "a finding of a rule pack" in capsys.readouterr().err


def test_interruption_says_how_to_go_on(
    assembly: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    any_deployment()

    def interrupted(*_: Any, **__: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(pause, "_cdk", interrupted)
    assert main(["pause", "--profile", "sandbox", "--yes", "--app", assembly]) == INTERRUPTED
    assert "it goes on where it stopped" in capsys.readouterr().err


def test_without_credentials_it_says_which_are_allowed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pause.place, "here", _without_credentials)
    assert main(["pause", "--profile", "sandbox"]) == REFUSED
    assert "there are no AWS credentials" in capsys.readouterr().err


def _without_credentials() -> None:
    from botocore.exceptions import NoCredentialsError

    raise NoCredentialsError()
