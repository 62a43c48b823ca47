"""The plan of a run: its data, its months, its names; decided by the input and the lake, never by a clock."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from plan_run import calendar_months, champion, handler, lake, request, watching

from tests.any_account import ENVIRONMENT, Account, any_account
from tests.any_model import SMALL, any_contract

EXECUTION = {
    "id": "arn:aws:states:us-east-1:123456789012:execution:x:1",
    "started_at": "2024-04-12T01:00:00Z",
}
CHAMPION = {
    "run_id": "r20240301-aaaaaaaa",
    "model_name": "mlref-sandbox-r20240301-aaaaaaaa",
    "model_data_url": "s3://models-bucket/runs/r20240301-aaaaaaaa/model/model.tar.gz",
    "model_package_arn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/m/1",
    "endpoint_config_name": "mlref-sandbox-r20240301-aaaaaaaa-champion",
    "baseline_uri": "s3://models-bucket/runs/r20240301-aaaaaaaa/baseline/",
}


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with any_account(any_contract(), tmp_path, monkeypatch) as found:
        yield found


def fill_raw(
    account: Account, start: str = "2024-01-02", end: str = "2024-04-12", table: str = "visits"
) -> None:
    day = date.fromisoformat(start)
    while day < date.fromisoformat(end):
        account.put("RAW", f"raw/{table}/dt={day}/a.ndjson.gz")
        day += timedelta(days=1)


def plan(**event: Any) -> dict[str, Any]:
    asked = {"event": event, "execution": EXECUTION, "lock_seconds": {"data": 60, "model": 600}}
    return handler.handler(asked, None)


def test_a_first_retraining_rebuilds_everything_and_splits_by_time(account: Account) -> None:
    fill_raw(account)
    account.put("RAW", "raw/sites/dt=all/sites.ndjson.gz")
    found = plan(action="retrain", through="2024-04-12", trigger="manual")

    assert found["months"] == "2024-01,2024-02,2024-03,2024-04"
    assert found["feature_months"] == found["months"]
    assert {name: found[name] for name in ("train_start", "train_end", "validation_end", "holdout_end")} == {
        "train_start": "2024-01-02",
        "train_end": "2024-03-01",
        "validation_end": "2024-03-15",
        "holdout_end": "2024-04-12",
    }
    run = found["run_id"]
    assert found["model_name"] == f"mlref-sandbox-{run}"
    assert found["challenger_config_name"] == f"mlref-sandbox-{run}-challenger"
    assert found["champion_config_name"] == f"mlref-sandbox-{run}-champion"
    assert len(found["challenger_config_name"]) <= 63
    assert found["hyperparameters"] == {
        "run_id": run,
        "train_start": "2024-01-02",
        "train_end": "2024-03-01",
        "validation_end": "2024-03-15",
        "holdout_end": "2024-04-12",
        **{name: str(value) for name, value in SMALL.items()},
    }
    started = int(datetime(2024, 4, 12, 1, tzinfo=UTC).timestamp())
    assert found["locks"] == {
        "now": str(started),
        "data_expires": str(started + 60),
        "model_expires": str(started + 600),
    }
    partitions = account.get(found["partitions_uri"])
    assert partitions["curated"]["sites"] == {"all": f"s3://curated-bucket/curated/sites/run={run}/month=all"}
    assert partitions["features"]["2024-02"] == f"s3://features-bucket/features/run={run}/month=2024-02"
    manifest = account.model_object(f"runs/{run}/manifest.json")
    assert manifest["plan"] == found
    assert found["champion"]["kind"] == "baseline"
    assert found["champion"]["endpoint_config_name"] == "BaselineConfig-1"


def test_a_repeated_call_gives_the_same_plan_and_another_execution_another_run(account: Account) -> None:
    fill_raw(account)
    first = plan(through="2024-04-12")
    assert plan(through="2024-04-12") == first
    other = {**EXECUTION, "id": "another"}
    second = handler.handler({"event": {"through": "2024-04-12"}, "execution": other}, None)
    assert second["run_id"] != first["run_id"]
    assert second["run_id"].startswith("r20240412-")


def test_only_months_with_new_records_and_late_days_are_rebuilt(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_raw(account)
    before = plan(action="refresh", through="2024-04-12")
    for month in before["months"].split(","):
        account.publish("visits", month, f"s3://curated-bucket/curated/visits/run=old/month={month}/")
        account.publish("features", month, f"s3://features-bucket/features/run=old/month={month}/")
    item = {"id": {"S": "refresh#last"}, "run_id": {"S": before["run_id"]}, "started_at": {"S": "x"}}
    account.dynamodb.put_item(TableName="ledger", Item=item)
    manifest = account.model_object(f"runs/{before['run_id']}/manifest.json")
    manifest["raw_seen"] = (datetime.fromisoformat(manifest["raw_seen"]) + timedelta(seconds=1)).isoformat()
    account.put("MODELS", f"runs/{before['run_id']}/manifest.json", manifest)
    real = lake.objects

    def with_a_late_one(bucket: str, prefix: str) -> Any:
        for entry in real(bucket, prefix):
            late = "dt=2024-02-10" in entry["Key"]
            yield {**entry, "LastModified": entry["LastModified"] + timedelta(minutes=late)}

    monkeypatch.setattr(lake, "objects", with_a_late_one)
    found = handler.handler(
        {"event": {"action": "refresh", "through": "2024-04-12"}, "execution": {**EXECUTION, "id": "2"}}, None
    )
    assert found["months"] == "2024-02,2024-04"
    # What changed in February reaches into the features of March.
    assert found["feature_months"] == "2024-02,2024-03,2024-04"
    partitions = account.get(found["partitions_uri"])
    assert (
        partitions["curated"]["visits"]["2024-01"]
        == "s3://curated-bucket/curated/visits/run=old/month=2024-01"
    )
    assert f"run={found['run_id']}" in partitions["curated"]["visits"]["2024-02"]
    assert "run=old" in partitions["curated"]["visits"]["2024-03"]
    assert f"run={found['run_id']}" in partitions["features"]["2024-03"]
    assert found["train_start"] == ""


def test_the_months_may_be_given(account: Account) -> None:
    fill_raw(account)
    assert plan(action="refresh", through="2024-04-12", months=["2024-02"])["months"] == "2024-02"


def test_the_scheduled_time_says_which_data_are_used(account: Account) -> None:
    fill_raw(account)
    assert plan(action="refresh", time="2024-03-01T00:00:00Z")["through"] == "2024-03-01"
    assert plan(action="refresh")["through"] == "2024-04-12"


def test_the_promoted_model_is_the_champion(account: Account) -> None:
    fill_raw(account)
    account.set_champion(json.dumps(CHAMPION))
    assert plan(through="2024-04-12")["champion"] == {"kind": "model", **CHAMPION}


@pytest.mark.parametrize(
    ("event", "error", "says"),
    [
        pytest.param(
            {"through": "1 May"},
            request.RequestError,
            "through: got '1 May', allowed: a date like",
            id="no date",
        ),
        pytest.param(
            {"through": "2024-02-30"}, request.RequestError, "which is no day of the calendar", id="no day"
        ),
        pytest.param({"through": 20240501}, request.RequestError, "through: got 20240501", id="a number"),
        pytest.param({"time": "noon"}, request.RequestError, "time: got 'noon', allowed", id="no time"),
        pytest.param(
            {"action": "train"},
            request.RequestError,
            "action: got 'train', allowed: refresh",
            id="unknown action",
        ),
        pytest.param({"months": "2024-13"}, request.RequestError, "months: got '2024-13'", id="no month"),
        pytest.param(
            {"hyperparameters": {"depth": 3}},
            request.HyperparameterError,
            "got depth, allowed: num_round",
            id="unknown hyperparameter",
        ),
        pytest.param(
            {"hyperparameters": {"eta": "fast"}},
            request.HyperparameterError,
            "eta: got 'fast', allowed: a number",
            id="text for a number",
        ),
        pytest.param(
            {"through": "2024-02-10"},
            calendar_months.WindowError,
            "at least 43 are needed .* is 2024-02-14",
            id="too short for the split",
        ),
        pytest.param(
            {"through": "2023-12-01"},
            handler.NoDataError,
            "no raw object of visits before 2023-12-01",
            id="before all data",
        ),
    ],
)
def test_refuses_what_cannot_be_planned(
    account: Account, event: dict[str, Any], error: type[Exception], says: str
) -> None:
    fill_raw(account)
    with pytest.raises(error, match=says):
        plan(**event)


def test_an_empty_lake_is_named(account: Account) -> None:
    with pytest.raises(handler.NoDataError, match="looked below s3://raw-bucket/raw/visits/"):
        plan(through="2024-04-12")


def test_overridden_hyperparameters_reach_the_training(account: Account) -> None:
    fill_raw(account)
    found = plan(through="2024-04-12", hyperparameters={"eta": 0.9})
    assert found["hyperparameters"]["eta"] == "0.9"
    assert found["hyperparameters"]["max_depth"] == "3"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param("{", "is not JSON", id="no json"),
        pytest.param("[]", "is list, allowed", id="no object"),
        pytest.param('{"run_id": "r1"}', "lacks model_name, model_data_url", id="incomplete"),
    ],
)
def test_a_champion_parameter_that_cannot_be_read_is_named(value: str, says: str) -> None:
    with pytest.raises(champion.ChampionError, match=says):
        champion.champion(value, ENVIRONMENT)


def test_watching_reads_captures_of_its_window_and_labels_as_published(account: Account) -> None:
    folder = "captures/mlref-sandbox-endpoint"
    for day in ("2024/03/20", "2024/04/03", "2024/04/12", "2024/04/14"):
        account.put("CAPTURES", f"{folder}/champion/{day}/05/a.jsonl")
    account.put("CAPTURES", f"{folder}/challenger/2024/04/11/05/b.jsonl")
    account.put("CAPTURES", "captures/another-endpoint/champion/2024/04/11/05/c.jsonl")
    account.put("MODELS", "monitor/2024-04-05/report.json", {})
    account.put("FEATURES", "features/run=r1/month=2024-04/part.parquet")
    account.put("FEATURES", "features/run=r1/month=2024-04/_SUCCESS")
    account.publish("features", "2024-04", "s3://features-bucket/features/run=r1/month=2024-04/")
    account.set_champion(json.dumps(CHAMPION))

    found = plan(action="monitor", time="2024-04-12T06:00:00Z")["monitor"]

    assert (found["start"], found["end"], found["captures"]) == ("2024-04-02", "2024-04-12", 3)
    assert account.get(found["captures_manifest"]) == [
        {"prefix": "s3://captures-bucket/"},
        f"{folder}/challenger/2024/04/11/05/b.jsonl",
        f"{folder}/champion/2024/04/03/05/a.jsonl",
        f"{folder}/champion/2024/04/12/05/a.jsonl",
    ]
    assert account.get(found["features_manifest"]) == [
        {"prefix": "s3://features-bucket/"},
        "features/run=r1/month=2024-04/part.parquet",
    ]
    assert found["baseline_uri"] == CHAMPION["baseline_uri"]
    assert found["report_uri"] == "s3://models-bucket/monitor/2024-04-12/report.json"


def test_watching_an_unused_endpoint_gives_manifests_that_list_themselves(account: Account) -> None:
    found = plan(action="monitor", through="2024-04-12")["monitor"]
    for name in ("captures", "features"):
        own = f"monitor/2024-04-12/{name}.manifest"
        assert account.get(found[f"{name}_manifest"]) == [{"prefix": "s3://models-bucket/"}, own]
    assert found["baseline_uri"] == "s3://models-bucket/monitor/2024-04-12/"


@pytest.mark.parametrize(
    ("last", "start"),
    [
        pytest.param(None, date(2024, 3, 12), id="first look"),
        pytest.param(date(2024, 4, 11), date(2024, 4, 5), id="a day ago: a week"),
        pytest.param(date(2024, 3, 12), date(2024, 3, 9), id="a month ago: since then, and late labels"),
    ],
)
def test_the_window_starts_where_the_last_look_ended(last: date | None, start: date) -> None:
    assert watching.window_start(date(2024, 4, 12), last, 3) == start


@pytest.mark.parametrize(
    ("zone", "months"),
    [
        pytest.param("America/New_York", {"2024-01", "2024-02"}, id="behind: the evening before"),
        pytest.param("Asia/Tokyo", {"2024-02"}, id="ahead: the day itself or the next"),
        pytest.param("UTC", {"2024-02"}, id="the same"),
        pytest.param("Nowhere/Land", {"2024-01", "2024-02"}, id="unknown: both neighbours"),
    ],
)
def test_a_utc_day_may_belong_to_two_local_months(zone: str, months: set[str]) -> None:
    assert calendar_months.local_months(date(2024, 2, 1), zone) == months


def test_a_quiet_lake_rebuilds_its_last_month() -> None:
    found = calendar_months.months_to_rebuild([], {"2024-01", "2024-02"}, date(2024, 6, 1), 3, "UTC")
    assert found == {"2024-02"}
