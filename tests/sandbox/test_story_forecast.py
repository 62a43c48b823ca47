"""A forecast is told by its folder in contracts/ alone, and what the demo claims of it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo import claims, evidence
from demo.__main__ import plot_of
from demo.story import Story
from tests.sandbox.story_sources import told

pytestmark = pytest.mark.journey


def test_the_weather_lives_through_the_whole_loop(tmp_path: Path) -> None:
    with told(tmp_path, "weather", plot_of("weather")) as story:
        found = evidence.gather(story, {"seconds": 0.0, "colophon": ""})
        said, decision = go_on_from_the_champion(story, "2013-12-02")
    checked = claims.check(found)
    assert [(claim.title, claim.found) for claim in checked if not claim.holds] == []
    assert found["months"][-1]["variants"]["champion"]["metrics"]["rmse"]["value"] < 15
    assert {"promotion"} == set(story.plot.expects)
    # The champion can be trained further: the gate judges it like any other candidate.
    assert f"goes on from {found['champion']}: " in said
    assert decision is not None
    assert decision["reason"]


def go_on_from_the_champion(story: Story, through: str) -> tuple[str, dict[str, Any] | None]:
    """By hand: what the training job wrote, and what the gate decided."""
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
