"""The demo's story is not scripted: without drift nothing retrains; a poisoned challenger is not promoted.

Each story runs in an account of its own, with the deployed stacks, as `make demo SLICE=1` does; that one
checks its own claims (demo/claims.py).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import contracts
from demo import claims, deploying, evidence, privacy
from demo.account import Account
from demo.source import Source
from demo.story import Plot, Story
from tests.conftest import Assembly
from tests.sandbox.story_sources import Poisoned, Repeated

pytestmark = pytest.mark.journey
START, LAST = date(2013, 1, 1), "2013-03"


@contextmanager
def told(app: Path, folder: Path, end: date, source: type[Repeated] | type[Poisoned]) -> Iterator[Story]:
    contract = contracts.load("flights")
    plot = Plot(start=START, end=end, history_months=3, rows_a_month=5_000, expects=())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    console = Console(highlight=False, width=160)
    with Account(port, folder / "account.log") as account:
        deploying.deploy(account, folder, console, app=app)
        data: Source = source(contract, START, end, LAST)
        story = Story(account, contract, deploying.outputs(account), plot, console, source=data)
        story.tell()
        yield story


def drift_runs(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [run for run in found["executions"] if run["trigger"] == "drift"]


def quality_alarms(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in found["events"] if event["kind"] == "alarm" and " monitor: " in event["text"]]


def test_without_drift_nothing_is_retrained(sandbox: Assembly, tmp_path: Path) -> None:
    with told(sandbox.directory, tmp_path, date(2013, 6, 1), Repeated) as story:
        found = evidence.gather(story, {"seconds": 0.0, "colophon": ""})
        _, seen = status_of(story)
        planted = after_planting(story)
        table = story.analyst.report(f"runs/{found['champion']}/evaluation/candidates.json") or {}
        [champion] = [each for each in table["candidates"] if each["name"] == table["chosen"]]
        said, decision = go_on_from_the_champion(story, "2013-06-01")
    assert quality_alarms(found) == []
    assert drift_runs(found) == []
    private = {claim.title: claim for claim in (check(found) for check in claims.CLAIMS[-3:])}
    assert [(title, claim.found) for title, claim in private.items() if not claim.holds] == []
    assert [place.split("/")[0] for place in planted] == ["logs", "sqs"], "the search bites"
    # Not for want of a judgement: a trained champion served the last month, and its labels were compared.
    last = found["months"][-1]
    assert last["champion"] != "rule baseline"
    assert last["variants"]["champion"]["metrics"]["roc_auc"]["value"] > 0.6
    assert last["variants"]["champion"]["quality_drop"] < 0.04
    assert_status_is_that_of_the_story(seen, found)
    # By hand, the champion can be trained further: the gate judges it like any other candidate.
    # Only boosted trees can be gone on from; of another family the candidate says so, and the others train.
    is_boosted = champion["family"] == "xgboost"
    words = f"goes on from {last['champion']}: " if is_boosted else f"is of the family {champion['family']}"
    assert words in said
    assert decision is not None
    assert decision["reason"]


def after_planting(story: Story) -> list[str]:
    """Where the search finds an identifier that a careless function logged, and sent to a queue."""
    value = min(value for sent in story.told.identifiers.values() for _, value in sent)
    logs, sqs = story.account.site.client("logs"), story.account.site.client("sqs")
    logs.create_log_group(logGroupName="careless")
    logs.create_log_stream(logGroupName="careless", logStreamName="s")
    event = {"timestamp": int(story.account.now().timestamp() * 1000), "message": f"refused: {value}"}
    logs.put_log_events(logGroupName="careless", logStreamName="s", logEvents=[event])
    sqs.send_message(QueueUrl=sqs.create_queue(QueueName="careless")["QueueUrl"], MessageBody=f"see {value}")
    return sorted(each["place"] for each in privacy.search(story)["forbidden"])


def assert_status_is_that_of_the_story(seen: dict[str, Any], found: dict[str, Any]) -> None:
    """Two readers of one account: the look of the operator, and the evidence of the demo."""
    assert seen["unread"] == {}
    runs, models = seen["sections"]["runs"], seen["sections"]["models"]
    told = {run["run_id"]: run["outcome"] for run in found["runs"]}
    shown = {run["run_id"]: run["outcome"] for run in runs["runs"] if run["outcome"] != "refreshed"}
    assert shown
    assert shown.items() <= told.items()
    assert models["champion"]["run_id"] == found["champion"]
    assert models["champion"]["holdout"]["metrics"]["roc_auc"]["value"] > 0.6
    last = found["months"][-1]
    assert models["monitored"]["day"] == "2013-06-06"
    variant = models["monitored"]["variants"]["champion"]
    assert (
        variant["metrics"]["roc_auc"]["value"] == last["variants"]["champion"]["metrics"]["roc_auc"]["value"]
    )
    tables = seen["sections"]["data"]["tables"]
    assert tables["flights"]["arrived"].startswith("2013-05-")
    assert tables["flights"]["published"] == "2013-05"
    assert tables["features"]["published"] == "2013-05"
    assert seen["sections"]["set aside"]["quarantine/outcomes"]["objects"] == 2


def status_of(story: Story) -> tuple[int, dict[str, Any]]:
    """What `make status` says, by the person's own credentials and the account's clock."""
    site = story.account.site
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "AWS_ENDPOINT_URL": site.endpoint,
        "AWS_REGION": site.region,
        "AWS_ACCESS_KEY_ID": site.access_key,
        "AWS_SECRET_ACCESS_KEY": site.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    command = [sys.executable, "-m", "deployment.status", "--profile", "sandbox", "--json"]
    run = subprocess.run(
        [*command, "--at", story.account.now().isoformat()],
        cwd=Path(__file__).parents[2],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return run.returncode, json.loads(run.stdout)


def go_on_from_the_champion(story: Story, through: str) -> tuple[str, dict[str, Any] | None]:
    """What the training job wrote, and what the gate decided."""
    asked = {"through": through, "hyperparameters": {"start_from": "champion"}}
    story.operator.start("retraining", {"trigger": "manual", "action": "retrain", **asked})
    story.account.settle()
    # The candidate's own: trials of the search, which follow it, are called otherwise.
    name = [job["name"] for job in story.operator.training() if job["name"].endswith("-train-boosted")][-1]
    logs = story.account.site.client("logs")
    group = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
    streams = logs.describe_log_streams(**group, logStreamNamePrefix=name)["logStreams"]
    events = [
        event
        for stream in streams
        for event in logs.get_log_events(**group, logStreamName=stream["logStreamName"])["events"]
    ]
    run_id = "-".join(name.partition("-train-")[0].split("-")[-2:])
    return "\n".join(event["message"] for event in events), story.analyst.report(
        f"runs/{run_id}/decision.json"
    )


def test_a_poisoned_challenger_is_rolled_back(sandbox: Assembly, tmp_path: Path) -> None:
    with told(sandbox.directory, tmp_path, date(2013, 5, 1), Poisoned) as story:
        story.pass_time(timedelta(hours=2), timedelta(hours=2))  # the endpoint goes back, and is looked at
        found = evidence.gather(story, {"seconds": 0.0, "colophon": ""})
        package = story.operator.packages()[0]
    run = found["runs"][0]
    # The gate cannot see it: its hold-out is poisoned as well. Live labels can.
    assert (run["gate"], run["bake"]) == ("passed", "rolled back")
    assert "the challenger is worse" in run["bake_reason"]
    assert found["champion"] == "rule baseline"
    assert package["ModelApprovalStatus"] == "Rejected"
