"""The look at a deployment that has no data yet, and at one where something rings, failed or is closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from deployment import place, rightsizing, status, view
from deployment.view import Section, Unread
from sandbox import account, clock, deploy, work
from sandbox.engines import metrics
from tests.conftest import Assembly
from tests.sandbox import flow_account

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def running(sandbox: Assembly) -> Iterator[account.Account]:
    with account.Account() as started:
        deploy.deploy(sandbox.directory)
        yield started


@pytest.fixture
def here(running: account.Account, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in deploy.environment().items():
        monkeypatch.setenv(name, value)


def look(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    code = status.main(["--profile", "sandbox", "--json", *more])
    return code, json.loads(capsys.readouterr().out)


def records_came() -> None:
    """As Kinesis measures it."""
    [stream] = account.client("kinesis").list_streams()["StreamNames"]
    metrics.put(namespace="AWS/Kinesis", name="IncomingRecords", value=5, dimensions={"StreamName": stream})


def the_model_fails() -> None:
    """As SageMaker measures it: one answer of the champion with a status of 500."""
    of = {"EndpointName": "mlref-sandbox-endpoint", "VariantName": "champion"}
    metrics.put(namespace="AWS/SageMaker", name="Invocation5XXErrors", value=1, dimensions=of)


def test_without_data_everything_is_read_and_says_that_there_is_none(
    here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    _, said = look(capsys)
    assert said["unread"] == {}
    assert list(said["sections"]) == [title for title, _ in status.EYES]
    sections = said["sections"]
    assert sections["runs"]["runs"] == []
    assert sections["models"]["endpoint"]["status"] == "InService"
    assert sections["models"]["champion"] == {"run_id": "baseline"}
    assert sections["models"]["challenger"] == {"run_id": None}
    assert {each["published"] for each in sections["data"]["tables"].values()} == {None}
    assert set(sections["data"]["tables"]) > {"features"}
    assert sections["data"]["stream_seconds"] is None
    assert list(sections["dead letters"].values()) == [0]
    assert sections["set aside"] == {}
    assert len(sections["schedules"]["schedules"]) == 3
    assert all(each["on"] and each["next"] for each in sections["schedules"]["schedules"].values())
    assert sections["schedules"]["on_drift"] == ["ENABLED"]


def test_quiet_is_quiet_and_an_alarm_that_rings_is_told_with_its_line_in_the_book(
    here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = look(capsys)
    # The one thing that is wrong with a deployment that never got a record.
    assert code == status.RINGS
    assert said["bad"] == ["alarm ingest: no record for a day"]
    records_came()
    flow_account.eventually(lambda: look(capsys)[0] == status.QUIET)
    the_model_fails()
    flow_account.eventually(lambda: look(capsys)[0] == status.RINGS)
    assert status.main(["--profile", "sandbox"]) == status.RINGS
    page = capsys.readouterr().out
    assert "1 to look at:\n  alarm deploy: champion answers with errors" in page
    assert "`deploy: champion answers with errors`" in page
    assert max(map(len, page.splitlines())) <= status.WIDTH


def test_a_dead_letter_and_a_neighbours_alarm(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    account.client("cloudwatch").put_metric_alarm(
        AlarmName="mlref-sandbox-2 ingest: any",
        Namespace="any",
        MetricName="any",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Period=60,
        Statistic="Sum",
        Threshold=0,
    )
    account.client("cloudwatch").set_alarm_state(
        AlarmName="mlref-sandbox-2 ingest: any", StateValue="ALARM", StateReason="tried"
    )
    [url] = account.client("sqs").list_queues(QueueNamePrefix="mlref-sandbox")["QueueUrls"]
    account.client("sqs").send_message(QueueUrl=url, MessageBody="an event")
    code, said = look(capsys)
    account.client("sqs").purge_queue(QueueUrl=url)
    assert code == status.RINGS
    assert [line for line in said["bad"] if line.startswith("alarm") and "-2" in line] == []
    assert [line for line in said["bad"] if line.startswith("1 dead letters in ")]


def test_who_may_see_only_the_stacks_is_told_what_is_closed(
    here: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    role = flow_account.any_role("onlooker", "ec2.amazonaws.com", "cloudformation:*", "ssm:GetParameter")
    trust = {"Effect": "Allow", "Principal": {"AWS": account.ACCOUNT}, "Action": "sts:AssumeRole"}
    account.client("iam").update_assume_role_policy(
        RoleName="onlooker", PolicyDocument=flow_account._policy(trust)
    )
    given = account.client("sts").assume_role(RoleArn=role, RoleSessionName="any")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", given["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", given["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", given["SessionToken"])
    found = status.gather(view.deployed(place.here(), "sandbox", None), without=set())
    read = {each.title for each in found if isinstance(each, Section)}
    closed = {each.title: each.why for each in found if isinstance(each, Unread)}
    assert "stacks" in read
    assert {"alarms", "runs", "models", "data", "dead letters"} <= set(closed)
    assert all("fix: " in why for why in closed.values()), closed
    assert status.verdict(found) == status.CANNOT_LOOK


def test_rightsizing_reads_every_size_and_says_what_to_change(
    here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    of = {"EndpointName": "mlref-sandbox-endpoint", "VariantName": "champion"}
    for hours in range(40):
        for name, value in (("CPUUtilization", 30.0), ("MemoryUtilization", 93.0)):
            at = clock.now() - timedelta(hours=hours + 1)
            space = "/aws/sagemaker/Endpoints"
            metrics.put(namespace=space, name=name, value=value, dimensions=of, at=at)
    code = rightsizing.main(["--profile", "sandbox", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert code == rightsizing.TO_CHANGE
    assert said["unread"] == {}
    change = {
        each["resource"]: (each["verdict"], each["change"]) for each in said["advice"] if each["change"]
    }
    assert change == {
        "endpoint variant champion (1 x ml.m5.large)": ("too small", 'deploy.instance_type="ml.m5.xlarge"')
    }
    read = {each["resource"].split()[0] for each in said["advice"]}
    assert {"endpoint", "stream", "function", "Glue", "delivery", "table"} <= read


def test_alarms_near_a_quota_ring_until_there_is_more_of_it(
    here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Last, as what it measures stays. A new account has 1,000 functions at once, 10,000 uses of keys a
    second."""
    keys = {"Service": "KMS", "Type": "API", "Resource": "CryptographicOperationsSymmetric", "Class": "None"}
    [stream] = account.client("kinesis").list_streams()["StreamNames"]
    measured = {
        "functions": ("AWS/Lambda", "ConcurrentExecutions", {}, 790, 810),
        "keys": ("AWS/Usage", "CallCount", keys, 474_000, 486_000),
        "stream": ("AWS/Kinesis", "IncomingRecords", {"StreamName": stream}, 47_000, 49_000),
    }
    near = {
        "functions": "alarm ingest: functions near the quota",
        "keys": "alarm ingest: keys near the quota",
        "stream": "alarm ingest: stream is nearly full",
    }

    def rings() -> set[str]:
        return {line for line in look(capsys)[1]["bad"] if line in near.values()}

    def pass_minutes(place: int) -> None:
        """Five of them, each with the lower or the higher value."""
        for _ in range(5):
            clock.advance(timedelta(minutes=1))
            for namespace, name, of, *values in measured.values():
                metrics.put(namespace=namespace, name=name, value=values[place], dimensions=of)
        assert work.idle(20)

    clock.advance(timedelta(minutes=10))
    pass_minutes(0)
    assert rings() == set()
    pass_minutes(1)
    assert rings() == set(near.values())
    quotas = account.client("service-quotas")
    for service, code, wanted in (("lambda", "L-B99A9384", 2_000), ("kms", "L-6E3AF000", 20_000)):
        quotas.request_service_quota_increase(ServiceCode=service, QuotaCode=code, DesiredValue=wanted)
    pass_minutes(1)
    assert rings() == {near["stream"]}, "no quota of Service Quotas: more shards"
