"""docs/deploy.md, done as a new user does it: its commands in their order, with nothing but its text."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import holdings
from sandbox import account, deploy

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
# What the page says that the commands ask for: the account's last digits, the profile's name.
TYPED = f"{account.ACCOUNT[-4:]}\nsandbox\n"


def commands(text: str) -> str:
    """The blocks of the page that are to be run."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


@pytest.fixture
def terminal() -> Iterator[int]:
    """Where a person types; the answers are there already."""
    keyboard, screen = pty.openpty()
    os.write(keyboard, TYPED.encode())
    yield screen
    for end in (keyboard, screen):
        os.close(end)


def without_set_up(folder: Path) -> str:
    """A `make` that takes set-up as done: these tests run in what it made. Other targets are as they are."""
    make = folder / "make"
    make.write_text(
        f'#!/bin/sh\n[ "$1" = setup ] && exit 0\nexec {shutil.which("make")} -o setup "$@"\n',
        encoding="utf-8",
    )
    make.chmod(0o755)
    return str(folder)


@pytest.mark.journey
def test_page_leads_from_nothing_to_an_answer_and_back(tmp_path: Path, terminal: int) -> None:
    script = commands(TEXT)
    for command in (
        "make setup",
        "cdk bootstrap",
        "make preflight PROFILE=sandbox | tee build/preflight.txt || true",
        "make deploy PROFILE=sandbox",
        "make destroy PROFILE=sandbox",
    ):
        assert f"{command}\n" in script
    with account.Account():
        environment = deploy.environment()
        environment["PATH"] = f"{ROOT}/node_modules/.bin{os.pathsep}{environment['PATH']}"
        # The page puts the project's programs first; this `make` has to come before them.
        shimmed = script.replace("$PWD/.venv/bin:", f"{without_set_up(tmp_path)}:$PWD/.venv/bin:")
        run = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"PATH={tmp_path}:$PATH\n{shimmed}"],
            cwd=ROOT,
            env=environment,
            stdin=terminal,
            text=True,
            capture_output=True,
            check=False,
        )
        said = run.stdout + run.stderr
        assert run.returncode == 0, said
        left = [line for line in holdings.held() if "mlref" in line]
    assert left == [], said
    # A new account: the first look finds no instance for the endpoint, and the request is sent.
    quota = "ml.m5.large for endpoint usage"
    assert re.search(rf"^stops +quotas +{quota} +got 0, needed 3: ", run.stdout, re.MULTILINE)
    assert (
        "+ aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code L-614B09FD"
        in said
    )
    assert "the deployment would fail" not in said
    assert "all 4 stacks are as the templates say" in said
    assert '"FailedRecordCount": 0' in said
    # The record waits in its buffer, so the run is under way still, or has found no data.
    assert re.search(r'"RUNNING"|"PlanData: NoDataError: there is no raw object of flights', said)
    assert '"score"' in said
    assert "mlref-sandbox is gone" in said


def test_words_of_refusals_on_the_page_are_those_of_the_code() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "deployment").rglob("*.py"))
    quoted = re.sub(r'"\s*f?"', "", code)  # texts that go on in the next line
    rows = TEXT.partition("| It says |")[2].partition("\n\n")[0].splitlines()[2:]
    told = [words.strip() for row in rows for words in row.split("|")[1].split(";")]
    assert len(told) > 10
    assert [words for words in told if words not in quoted] == []
