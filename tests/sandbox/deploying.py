"""What the tests of deploying share: the command in this process, and what is there after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deployment.__main__ import main
from rehearsal import shortcut
from sandbox import account, deploy

Command = Callable[..., tuple[int, str]]


def commanding(
    assembly: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """With the account's credentials in the environment: exit status, and all that was said."""

    def run(verb: str, *options: str, app: Path = assembly) -> tuple[int, str]:
        for name, value in deploy.environment().items():
            monkeypatch.setenv(name, value)
        command = [verb, "--profile", "sandbox", "--app", str(app), *options]
        status = main(command, lambda _: time.sleep(0.02), shortcut.make)
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def statuses() -> dict[str, str]:
    found = account.client("cloudformation").describe_stacks()["Stacks"]
    return {s["StackName"]: s["StackStatus"] for s in found if s["StackName"] != deploy.TOOLKIT}
