"""What a look at a deployment decides without one: calendar, verdict, page, what cannot be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import moto
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from croniter import croniter

from deployment import calendar, cost, data, loop, place, status, view
from deployment.names import Names
from deployment.place import Place
from deployment.stacks import Stack
from deployment.view import Deployment, NothingToSeeError, Section, Unread
from settings import PROFILES

NOW = datetime(2013, 6, 15, 12, 30, tzinfo=UTC)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto.mock_aws():
        session = boto3.Session(region_name="us-east-1")
        caller = "arn:aws:sts::123456789012:assumed-role/admin/ada"
        yield Place(account="123456789012", region="us-east-1", caller=caller, session=session)


def any_deployment(site: Place, **outputs: str) -> Deployment:
    stack = Stack(name="mlref-sandbox-data", id="any", status="CREATE_COMPLETE", is_protected=False)
    return Deployment(
        place=site,
        names=Names(profile="sandbox"),
        stacks=[stack],
        outputs=outputs,
        at=NOW,
        _resources={stack.name: []},
    )


def any_section(title: str = "runs", *bad: str) -> Section:
    return Section(title=title, rows=[("row", "text")], facts={}, bad=bad)


# -- calendar


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("cron(0 3 2 * ? *)", "2013-07-02T03:00", id="the second of every month"),
        pytest.param("cron(0 4 2 1,4,7,10 ? *)", "2013-07-02T04:00", id="quarterly"),
        pytest.param("cron(31 12 ? * SAT *)", "2013-06-15T12:31", id="a minute from now, on a Saturday"),
        pytest.param("cron(30 12 ? * SAT *)", "2013-06-22T12:30", id="not the minute that is now"),
        pytest.param("cron(0/20 9-10 ? * MON-FRI *)", "2013-06-17T09:00", id="steps, ranges, names"),
        pytest.param("cron(0 0 29 2 ? *)", "2016-02-29T00:00", id="the next leap year"),
        pytest.param("cron(0 0 1 1 ? 2012)", None, id="never again"),
        pytest.param("cron(0 0 L * ? *)", None, id="a letter that is not worked out"),
        pytest.param("rate(5 minutes)", None, id="a rate"),
    ],
)
def test_next_run_of_a_schedule(expression: str, expected: str | None) -> None:
    found = calendar.next_run(expression, "UTC", NOW)
    assert (f"{found:%FT%H:%M}" if found else None) == expected


def test_next_run_is_in_the_schedules_zone() -> None:
    found = calendar.next_run("cron(0 3 16 6 ? *)", "America/New_York", NOW)
    assert found == datetime(2013, 6, 16, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize("profile", PROFILES)
def test_calendar_of_every_profile_agrees_with_another_reader_of_cron(profile: str) -> None:
    chosen = PROFILES[profile]
    expressions = (chosen.retrain.refresh_schedule, chosen.retrain.retrain_schedule, chosen.monitor.schedule)
    for expression in expressions:
        fields = expression.removeprefix("cron(").removesuffix(")").split()
        other = croniter(" ".join(fields[:5]).replace("?", "*"), NOW).get_next(datetime)
        assert calendar.next_run(expression, "UTC", NOW) == other


# -- verdict and page


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param([any_section()], status.QUIET, id="all well"),
        pytest.param(
            [any_section("runs", "it failed"), Unread(title="alarms", why="?")], status.RINGS, id="rings"
        ),
        pytest.param(
            [any_section(), Unread(title="alarms", why="?")], status.CANNOT_LOOK, id="alarms unread"
        ),
        pytest.param([any_section(), Unread(title="cost", why="?")], status.QUIET, id="cost unread"),
    ],
)
def test_verdict(found: list[Section | Unread], expected: int) -> None:
    assert status.verdict(found) == expected


def test_what_must_be_read_is_looked_at() -> None:
    assert {title for title, _ in status.EYES} > status.NEEDED


def test_page_wraps_and_names_what_is_bad_and_what_is_unread(site: Place) -> None:
    seen = any_deployment(site)
    long = Section(title="runs", rows=[("run", "word " * 60)], facts={}, bad=["run r1 failed in Train"])
    lines = list(status._page(seen, [long, Unread(title="cost", why="not allowed; fix: ask")], status.RINGS))
    assert max(map(len, lines)) <= status.WIDTH
    assert "not read: cost" in lines
    assert lines[-2:] == ["1 to look at:", "  run r1 failed in Train"]


def test_page_does_not_say_quiet_when_it_could_not_look(site: Place) -> None:
    lines = list(status._page(any_deployment(site), [Unread(title="alarms", why="?")], status.CANNOT_LOOK))
    assert "quiet" not in lines
    assert lines[-1].startswith("cannot tell")


def test_json_is_json_and_holds_every_section(site: Place) -> None:
    found = json.loads(status._as_json(any_deployment(site), [any_section()], status.QUIET))
    assert (found["status"], found["sections"], found["unread"]) == ("quiet", {"runs": {}}, {})


# -- what cannot be read


def denied(*_: Any, **__: Any) -> Section:
    raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeAlarms")


def test_a_refusal_leaves_the_rest_readable_and_says_what_to_do() -> None:
    found = view.look("alarms", denied)
    assert isinstance(found, Unread)
    assert "DescribeAlarms" in found.why
    assert "fix: " in found.why


def test_without_credentials_nothing_can_be_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody() -> Place:
        raise NoCredentialsError()

    monkeypatch.setattr(place, "here", nobody)
    assert status.main(["--profile", "sandbox"]) == status.CANNOT_LOOK
    assert "there are no AWS credentials" in capsys.readouterr().err


def test_an_account_without_the_stacks_is_no_quiet_one(
    site: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(place, "here", lambda: site)
    assert status.main(["--profile", "sandbox", "--json"]) == status.CANNOT_LOOK
    said = json.loads(capsys.readouterr().out)
    assert said["status"] == "cannot look"
    assert "no stack of profile sandbox in us-east-1" in said["why"]
    assert "cdk deploy --all -c profile=sandbox" in said["why"]


def test_a_profile_that_cannot_be_one_is_refused(site: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "here", lambda: site)
    assert status.main(["--profile", "Sand box"]) == status.CANNOT_LOOK


def test_a_missing_stack_is_said_with_the_command_that_deploys_it(site: Place) -> None:
    with pytest.raises(NothingToSeeError, match="cdk deploy --all -c profile=sandbox"):
        loop.runs(any_deployment(site))


def test_a_stack_that_failed_is_bad(site: Place) -> None:
    seen = any_deployment(site)
    broken = Stack(name="mlref-sandbox-base", id="any", status="UPDATE_ROLLBACK_FAILED", is_protected=False)
    found = loop.the_stacks(
        Deployment(place=site, names=seen.names, stacks=[*seen.stacks, broken], outputs={}, at=NOW)
    )
    assert [each for each in found.bad if "mlref-sandbox-base is UPDATE_ROLLBACK_FAILED" in each]
    assert dict(found.rows)["operations"] == "not deployed"


# -- data


def test_newest_event_day_is_that_of_the_folders(site: Place) -> None:
    s3, glue = site.client("s3"), site.client("glue")
    s3.create_bucket(Bucket="raw")
    for key in ("raw/visits/dt=2013-06-01/a", "raw/visits/dt=2013-05-30/b", "raw/visitors/dt=2013-07-01/c"):
        s3.put_object(Bucket="raw", Key=key, Body=b"")
    glue.create_database(DatabaseInput={"Name": "lake"})
    for table in ("visits", "visitors"):
        glue.create_table(DatabaseName="lake", TableInput={"Name": table})
    glue.create_partition(DatabaseName="lake", TableName="visits", PartitionInput={"Values": ["2013-04"]})
    glue.create_partition(DatabaseName="lake", TableName="visits", PartitionInput={"Values": ["2013-05"]})
    found = data.lag(any_deployment(site, RawBucketName="raw", DatabaseName="lake"))
    assert found.facts["tables"] == {
        "visits": {"arrived": "2013-06-01", "published": "2013-05"},
        "visitors": {"arrived": "2013-07-01", "published": None},
    }
    rows = dict(found.rows)
    assert rows["visits"] == "newest event day 2013-06-01, 14 days ago; published up to 2013-05"
    assert "nothing published yet" in rows["visitors"]


def test_what_was_set_aside_is_counted_by_table(site: Place) -> None:
    s3 = site.client("s3")
    s3.create_bucket(Bucket="raw")
    for key, size in (
        ("quarantine/visits/dt=1/a", 2_048),
        ("quarantine/visits/files/b", 1_024),
        ("errors/x/c", 1),
    ):
        s3.put_object(Bucket="raw", Key=key, Body=b"x" * size)
    found = data.set_aside(any_deployment(site, RawBucketName="raw"))
    assert found.facts["quarantine/visits"] == {"objects": 2, "bytes": 3_072}
    assert dict(found.rows)["quarantine/visits"] == "refused records: 2 objects, 3.0 KB"
    assert found.facts["errors/x"]["objects"] == 1
    assert found.bad == ()


# -- cost


def costs(amounts: dict[str, str]) -> dict[str, Any]:
    groups = [
        {"Keys": [name], "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}}}
        for name, amount in amounts.items()
    ]
    period = {"Start": "2013-06-01", "End": "2013-06-16"}
    return {"ResultsByTime": [{"TimePeriod": period, "Groups": groups}]}


class Explorer:
    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer, self.asked = answer, {}

    def get_cost_and_usage(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        return self.answer


def priced(site: Place, monkeypatch: pytest.MonkeyPatch, amounts: dict[str, str]) -> tuple[Section, Explorer]:
    explorer = Explorer(costs(amounts))
    monkeypatch.setattr(site.session, "client", lambda *_, **__: explorer)
    return cost.month_to_date(any_deployment(site)), explorer


def test_cost_is_summed_by_service_from_the_first_of_the_month(
    site: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, explorer = priced(
        site, monkeypatch, {"AWS Glue": "1.25", "Amazon SageMaker": "12.5", "Tax": "0.001"}
    )
    assert [text for _, text in found.rows] == [
        "13.75 USD, as far as AWS has counted",
        "12.50 USD",
        "1.25 USD",
    ]
    assert explorer.asked["TimePeriod"] == {"Start": "2013-06-01", "End": "2013-06-16"}
    tags = [each["Tags"] for each in explorer.asked["Filter"]["And"]]
    assert tags == [{"Key": "project", "Values": ["mlref"]}, {"Key": "profile", "Values": ["sandbox"]}]


def test_no_cost_under_the_tags_says_how_to_activate_them(
    site: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = priced(site, monkeypatch, {})
    assert "update-cost-allocation-tags-status" in dict(found.rows)["since 2013-06-01"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(59, "59 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 days"), (-3, "0 s")],
)
def test_ages_are_in_the_unit_that_a_person_would_use(seconds: int, expected: str) -> None:
    assert view.spell(seconds) == expected
    assert view.ago(NOW - timedelta(seconds=seconds), NOW) == f"{expected} ago"
