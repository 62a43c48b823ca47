"""Workflows: in the shape that GitHub takes, pinned, with no right and no key more than a job needs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from settings import PROFILES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github/workflows"
NAMES = ("checks", "deliver", "review")
SCHEMA = json.loads((ROOT / "tests/schemas/github-workflow.json").read_text(encoding="utf-8"))
PINNED = re.compile(r"uses: (?P<action>[\w.-]+(?:/[\w.-]+)+)@(?P<digest>[0-9a-f]{40}) # v\d+\.\d+\.\d+$")
LOCAL = re.compile(r"uses: \./\.github/workflows/[\w-]+\.yml$")
# Triggers that run with the base's token and secrets on what a stranger sent.
DANGEROUS = {"pull_request_target", "workflow_run", "issue_comment"}
MAKE = re.compile(r"\bmake (\w+)")


def read(text: str) -> dict[str, Any]:
    """YAML 1.1 takes the key `on` for a boolean."""
    found: dict[str, Any] = yaml.safe_load(text)
    return {"on" if key is True else key: value for key, value in found.items()}


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.yml").read_text(encoding="utf-8")


def jobs(workflow: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    for name, job in workflow["jobs"].items():
        yield name, job, job.get("steps", [])


# -- rules: each says what is wrong, in words


def wrong_shape(text: str) -> Iterator[str]:
    for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(read(text)):
        yield f"{list(error.path)}: {error.message[:200]}"


def unpinned(text: str) -> Iterator[str]:
    for line in text.splitlines():
        said = line.strip().removeprefix("- ")
        if said.startswith("uses:") and not PINNED.fullmatch(said) and not LOCAL.fullmatch(said):
            yield f"no digest with its version behind it: {said}"


def too_powerful(text: str) -> Iterator[str]:
    workflow = read(text)
    if workflow.get("permissions") != {}:
        yield "the workflow gives every job a right"
    for name, job, steps in jobs(workflow):
        rights = job.get("permissions")
        if not isinstance(rights, dict):
            yield f"{name} does not say what it may"
            continue
        writes = {right for right, level in rights.items() if level == "write"}
        if "id-token" in writes and "environment" not in job:
            yield f"{name} may ask for credentials without an environment to approve it"
        runs_code = any(
            "checkout" in step.get("uses", "") or MAKE.search(step.get("run", "")) for step in steps
        )
        if runs_code and writes - {"id-token"}:
            yield f"{name} runs the change's code with a token that writes"


def leaky(text: str) -> Iterator[str]:
    if re.search(r"\bsecrets\b|aws-access-key|aws-secret", text):
        yield "a long-lived secret"
    workflow = read(text)
    for name, _, steps in jobs(workflow):
        for step in steps:
            if "${{" in step.get("run", ""):
                yield f"{name} puts an expression into a shell, where its text becomes code"
            keeps = (step.get("with") or {}).get("persist-credentials")
            if "actions/checkout" in step.get("uses", "") and keeps is not False:
                yield f"{name} leaves its token in the checkout"
    if found := DANGEROUS & set(workflow["on"]):
        yield f"runs on {found}"


def endless(text: str) -> Iterator[str]:
    workflow = read(text)
    if "concurrency" not in workflow:
        yield "runs of it overtake each other"
    for name, job, steps in jobs(workflow):
        if steps and "timeout-minutes" not in job:
            yield f"{name} may run for six hours"


def dangling(text: str) -> Iterator[str]:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    workflow = read(text)
    for name, job, steps in jobs(workflow):
        needs = job.get("needs", [])
        for other in [needs] if isinstance(needs, str) else needs:
            if other not in workflow["jobs"]:
                yield f"{name} waits for {other}, which is no job"
        for step in steps:
            said = step.get("run", "")
            for target in MAKE.findall(said):
                if target not in targets and f"grep -q '^{target}:'" not in said:
                    yield f"{name} makes {target}, which is no target"
        if (called := job.get("uses", "")).startswith("./") and not (ROOT / called).exists():
            yield f"{name} calls {called}, which is no file"


RULES = (wrong_shape, unpinned, too_powerful, leaky, endless, dangling)


def test_every_workflow_is_known() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_workflow_is_in_order(name: str, rule: Callable[[str], Iterator[str]]) -> None:
    assert list(rule(text_of(name))) == []


def test_an_action_has_one_digest_everywhere() -> None:
    found: dict[str, set[str]] = {}
    for name in NAMES:
        for line in text_of(name).splitlines():
            if match := PINNED.search(line.strip()):
                found.setdefault(match["action"], set()).add(match["digest"])
    assert len(found) >= 5
    assert {action: digests for action, digests in found.items() if len(digests) > 1} == {}


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        pytest.param("checks", "timeout-minutes: 20", "timeout-minutes: soon", "soon", id="shape"),
        pytest.param("checks", "runs-on: ubuntu-24.04", "run-on: ubuntu-24.04", "run-on", id="unknown key"),
        pytest.param(
            "checks", "@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "digest", id="a tag"
        ),
        pytest.param("checks", " # v7.0.1", "", "digest", id="a digest of what?"),
        pytest.param("checks", "permissions: {}", "permissions: read-all", "every job", id="rights for all"),
        pytest.param("deliver", "    environment: sandbox\n", "", "without an environment", id="no approval"),
        pytest.param(
            "checks",
            "      contents: read\n",
            "      contents: write\n",
            "token that writes",
            id="code that writes",
        ),
        pytest.param("review", "$NUMBER", "${{ github.head_ref }}", "becomes code", id="injection"),
        pytest.param("review", "github.token", "secrets.KEY", "long-lived", id="a secret"),
        pytest.param(
            "checks", "persist-credentials: false", "fetch-depth: 1", "leaves its token", id="token left"
        ),
        pytest.param(
            "review", "on:\n  pull_request:", "on:\n  pull_request_target:", "target", id="strangers"
        ),
        pytest.param("checks", "    timeout-minutes: 20\n", "", "six hours", id="no end"),
        pytest.param("checks", "concurrency:", "x-concurrency:", "overtake", id="no queue"),
        pytest.param("deliver", "needs: sandbox", "needs: sandpit", "sandpit", id="a job that is not"),
        pytest.param("checks", "make lint", "make flint", "flint", id="a target that is not"),
    ],
)
def test_what_is_wrong_is_said(name: str, old: str, new: str, said: str) -> None:
    text = text_of(name)
    assert old in text
    broken = text.replace(old, new)
    assert any(said in line for rule in RULES for line in rule(broken))


def test_production_comes_after_the_sandbox_and_the_sandbox_after_the_checks() -> None:
    delivery = read(text_of("deliver"))["jobs"]
    assert set(delivery["sandbox"]["needs"]) == {"checks", "synthesise"}
    assert delivery["production"]["needs"] == "sandbox"
    assert delivery["production"]["environment"] == "production"
    assert delivery["sandbox"]["steps"] == delivery["production"]["steps"]
    assert set(delivery["synthesise"]["strategy"]["matrix"]["profile"]) == {"sandbox", "production"}
    assert read(text_of("deliver"))["on"] == {"push": {"branches": ["main"]}}


def test_credentials_come_last_and_for_an_hour_at_most() -> None:
    """What installs packages runs before there is anything to steal."""
    steps = read(text_of("deliver"))["jobs"]["sandbox"]["steps"]
    said = [step.get("uses") or step["run"] for step in steps]
    [at] = [number for number, each in enumerate(said) if each.startswith("aws-actions/")]
    assert at == len(said) - 2
    assert said[-1] == 'make deploy DELIVERY=1 APP="$ASSEMBLY"'
    given = {"PROFILE": "${{ github.job }}", "ASSEMBLY": "cdk.out", "ACCOUNT": "${{ vars.AWS_ACCOUNT_ID }}"}
    assert steps[-1]["env"] == given
    assert set(steps[at]["with"]) == {"role-to-assume", "aws-region", "allowed-account-ids"}


def test_a_job_that_deploys_has_the_name_of_a_profile() -> None:
    """It is given as PROFILE. That what delivers is left out, tests/sandbox/test_pipeline.py shows."""
    deploying = {
        name
        for name, _, steps in jobs(read(text_of("deliver")))
        if any("make deploy" in step.get("run", "") for step in steps)
    }
    assert deploying == set(PROFILES)
