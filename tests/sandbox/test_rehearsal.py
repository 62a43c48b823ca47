"""A sample of the rehearsal (`make rehearse` does all), and proof that it notices what is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployment.assembly import wanted
from deployment.names import Names
from rehearsal import holdings, states
from rehearsal.__main__ import page
from rehearsal.rehearse import PROFILE, Outcome, Rehearsal, RehearsalError, ordered, rehearsal
from rehearsal.states import MADE, REFUSED, STUCK, UNDELETED, State
from sandbox import account
from tests.conftest import Assembly

ROOT = Path(__file__).parents[2]


def planned(assembly: Assembly, step: int = states.STEP) -> list[State]:
    return list(states.every(wanted(assembly.directory, Names(profile=PROFILE)), step))


def test_plan_has_every_stack_at_its_first_tenth_and_last_resource(sandbox: Assembly) -> None:
    plan = planned(sandbox)
    assert {state.stack for state in plan} == {
        f"mlref-sandbox-{group}" for group in ("base", "data", "model", "operations")
    }
    assert {state.how for state in plan} == {MADE, REFUSED, STUCK, UNDELETED}
    for stack in {state.stack for state in plan}:
        made = [state for state in plan if state.stack == stack and state.how in (MADE, REFUSED)]
        places = [state.place for state in made]
        assert places[0] == 1
        assert places[-1] == made[-1].of
        assert all(later - earlier <= 10 for earlier, later in zip(places, places[1:], strict=False))


def test_committed_page_is_of_this_plan_and_passed(sandbox: Assembly) -> None:
    """As many states for each stack; the resource at a place may have changed since."""
    text = (ROOT / "docs/rehearsal.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| mlref-")]
    assert rows
    assert all(row.endswith("| passed |") for row in rows)
    assert f"**{len(rows)} of {len(rows)} states passed.**" in text


def test_page_tells_failures(sandbox: Assembly) -> None:
    first, second, *_ = planned(sandbox)
    outcomes = [
        Outcome(state=first, seconds=1, failure="", listings=170),
        Outcome(state=second, seconds=1, failure="left behind", listings=0),
    ]
    text = page(outcomes, "python -m rehearsal cdk.out", 61)
    assert "**1 of 2 states passed.**" in text
    assert "by 170 listing operations" in text
    assert f"| {second.logical_id} | {second.how} | failed |" in text


@pytest.mark.journey
def test_both_commands_get_out_of_a_base_that_failed_at_its_end(sandbox: Assembly) -> None:
    """The hardest of Base: everything was made, and its buckets hold logs."""
    state = next(
        s for s in planned(sandbox) if s.stack.endswith("base") and s.place == s.of and s.how != UNDELETED
    )
    with rehearsal(sandbox.directory) as out:
        out.out_of(state)


@pytest.mark.journey
def test_what_is_left_behind_is_noticed_in_any_service(sandbox: Assembly) -> None:
    with rehearsal(sandbox.directory) as out:
        client = account.client
        client("sqs").create_queue(QueueName="left")
        client("kinesis").create_stream(StreamName="left", ShardCount=1)
        client("kms").create_key(Description="left")
        client("s3").create_bucket(Bucket="left")
        client("logs").create_log_group(logGroupName="left")
        client("glue").create_database(DatabaseInput={"Name": "left"})
        client("ecr").create_repository(repositoryName="left")  # no part of the stacks, nor called before
        client("ec2").create_vpc(CidrBlock="10.9.0.0/16")
        new = holdings.held() - out.before
        services = {line.split(" ")[0] for line in new}
        assert {"sqs", "kinesis", "kms", "s3", "logs", "glue", "ecr", "ec2"} <= services
        assert holdings.asked() > 100


def test_state_that_does_not_come_about_fails_the_rehearsal(sandbox: Assembly) -> None:
    with pytest.raises(RehearsalError, match="nothing failed as ordered"), ordered(planned(sandbox)[0]):
        pass


def test_command_that_ends_otherwise_than_expected_fails_the_rehearsal(
    sandbox: Assembly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rehearsal.rehearse.main", lambda *_: 0)
    with pytest.raises(RehearsalError, match="deploy ended with 0, expected was 1"):
        Rehearsal(assembly=sandbox.directory).run("deploy", 1)
