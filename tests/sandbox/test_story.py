"""The story is not scripted: without drift nothing retrains; a poisoned challenger is not promoted.

Both are told of scanned digits, in an account of its own with the deployed stacks, and make the demo's claims
too. The flights' own story is told by `make demo SLICE=1`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo import claims, evidence, privacy
from demo.story import Plot, Story
from tests.sandbox.story_sources import Poisoned, Repeated, told

pytestmark = pytest.mark.journey


def plot(end: date, *expects: str) -> Plot:
    return Plot(start=date(2024, 1, 1), end=end, history_months=3, rows_a_month=None, expects=expects)


def drift_runs(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [run for run in found["executions"] if run["trigger"] == "drift"]


def quality_alarms(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in found["events"] if event["kind"] == "alarm" and " monitor: " in event["text"]]


def failing(found: dict[str, Any]) -> list[tuple[str, str]]:
    checked = claims.check(found)
    assert len(checked) > 7
    return [(claim.title, claim.found) for claim in checked if not claim.holds]


def test_without_drift_nothing_is_retrained(tmp_path: Path) -> None:
    with told(tmp_path, "digits", plot(date(2024, 7, 1), "promotion"), Repeated) as story:
        found = evidence.gather(story, {"seconds": 0.0, "colophon": ""})
        _, seen = status_of(story)
        before, after = planted(story)
    assert failing(found) == []
    assert quality_alarms(found) == []
    assert before == [] and [place.split("/")[0] for place in after] == ["logs", "sqs"], "the search bites"
    assert drift_runs(found) == []
    # Not for want of a judgement: a trained champion served the last month, and its labels were compared.
    last = found["months"][-1]
    champion = last["variants"]["champion"]
    assert last["champion"] != "rule baseline"
    assert champion["metrics"]["accuracy"]["value"] > 0.8
    assert champion["quality_drop"] < 0.05
    assert_status_is_that_of_the_story(seen, found)


def planted(story: Story) -> tuple[list[str], list[str]]:
    """Where the demo's search finds an identifier: before, and after a careless function told it."""
    value = "N14228X"
    story.told.identifiers[("scans", "scan")] = {("2024", value)}
    before = [each["place"] for each in privacy.search(story)["forbidden"]]
    logs, sqs = story.account.site.client("logs"), story.account.site.client("sqs")
    logs.create_log_group(logGroupName="careless")
    logs.create_log_stream(logGroupName="careless", logStreamName="s")
    event = {"timestamp": int(story.account.now().timestamp() * 1000), "message": f"refused: {value}"}
    logs.put_log_events(logGroupName="careless", logStreamName="s", logEvents=[event])
    sqs.send_message(QueueUrl=sqs.create_queue(QueueName="careless")["QueueUrl"], MessageBody=f"see {value}")
    return before, sorted(each["place"] for each in privacy.search(story)["forbidden"])


def assert_status_is_that_of_the_story(seen: dict[str, Any], found: dict[str, Any]) -> None:
    """Two readers of one account: the look of the operator, and the evidence of the demo."""
    assert seen["unread"] == {}
    runs, models = seen["sections"]["runs"], seen["sections"]["models"]
    told = {run["run_id"]: run["outcome"] for run in found["runs"]}
    shown = {run["run_id"]: run["outcome"] for run in runs["runs"] if run["outcome"] != "refreshed"}
    assert shown
    assert shown.items() <= told.items()
    assert models["champion"]["run_id"] == found["champion"]
    assert models["champion"]["holdout"]["metrics"]["accuracy"]["value"] > 0.6
    last = found["months"][-1]
    assert models["monitored"]["day"] == "2024-07-06"
    variant = models["monitored"]["variants"]["champion"]
    assert variant["metrics"] == last["variants"]["champion"]["metrics"]
    tables = seen["sections"]["data"]["tables"]
    assert tables["scans"]["arrived"].startswith("2024-06-")
    assert tables["scans"]["published"] == "2024-06"
    assert tables["features"]["published"] == "2024-06"
    assert seen["sections"]["set aside"]["quarantine/verdicts"]["objects"] == 2


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


def test_a_poisoned_challenger_is_rolled_back(tmp_path: Path) -> None:
    """Digits that were read wrongly until the end of the history, each as the one after it."""
    with told(tmp_path, "digits", plot(date(2024, 5, 1)), Poisoned) as story:
        story.pass_time(timedelta(hours=2), timedelta(hours=2))  # the endpoint goes back, and is looked at
        found = evidence.gather(story, {"seconds": 0.0, "colophon": ""})
        package = story.operator.packages()[0]
    assert failing(found) == []
    run = found["runs"][0]
    # The gate cannot see it: its hold-out is poisoned as well. Live labels can.
    assert (run["gate"], run["bake"]) == ("passed", "rolled back")
    assert "the challenger is worse" in run["bake_reason"]
    assert found["champion"] == "rule baseline"
    assert package["ModelApprovalStatus"] == "Rejected"
