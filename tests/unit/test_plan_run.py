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


def settings_of(found: dict[str, Any], name: str = "boosted") -> dict[str, str]:
    """The hyperparameters that a candidate trains with."""
    [candidate] = [each for each in found["candidates"] if each["name"] == name]
    return dict(candidate["hyperparameters"])


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
    [candidate] = found["candidates"]
    assert (candidate["name"], candidate["family"]) == ("boosted", "xgboost")
    assert candidate["hyperparameters"] == {
        "run_id": run,
        "candidate": "boosted",
        "train_start": "2024-01-02",
        "train_end": "2024-03-01",
        "validation_end": "2024-03-15",
        "holdout_end": "2024-04-12",
        "start_from": "nothing",
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
    assert "tuning" not in found
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


def refreshed(account: Account, found: dict[str, Any]) -> None:
    """The run published what it planned, and the ledger says so."""
    partitions = account.get(found["partitions_uri"])
    for table, months in {**partitions["curated"], "features": partitions["features"]}.items():
        for month, uri in months.items():
            if f"run={found['run_id']}" in uri and month not in account.locations(table):
                account.publish(table, month, f"{uri}/")
    item = {"id": {"S": "refresh#last"}, "run_id": {"S": found["run_id"]}, "started_at": {"S": "x"}}
    account.dynamodb.put_item(TableName="ledger", Item=item)


def later(number: int, **event: Any) -> dict[str, Any]:
    execution = {**EXECUTION, "id": f"later {number}"}
    return handler.handler(
        {"event": {"action": "refresh", "through": "2024-04-12", **event}, "execution": execution}, None
    )


def own(account: Account, found: dict[str, Any]) -> dict[str, list[str]]:
    """What the run writes, by table."""
    partitions = account.get(found["partitions_uri"])
    tables = {**partitions["curated"], "features": partitions["features"]}
    chosen = {
        table: sorted(month for month, uri in months.items() if f"run={found['run_id']}" in uri)
        for table, months in tables.items()
    }
    return {table: months for table, months in chosen.items() if months}


def test_only_what_has_new_records_is_rebuilt(account: Account) -> None:
    fill_raw(account)
    account.put("RAW", "raw/sites/dt=all/sites.ndjson.gz")
    first = plan(action="refresh", through="2024-04-12")
    refreshed(account, first)
    account.put("RAW", "raw/visits/dt=2024-02-10/late.ndjson.gz")
    found = later(1)
    assert (found["months"], found["has_new_data"]) == ("2024-02", True)
    # What changed in February reaches into the features of March.
    assert own(account, found) == {"visits": ["2024-02"], "features": ["2024-02", "2024-03"]}
    partitions = account.get(found["partitions_uri"])
    assert f"run={first['run_id']}" in partitions["curated"]["visits"]["2024-01"]
    assert f"run={first['run_id']}" in partitions["curated"]["sites"]["all"]
    assert found["train_start"] == ""


def test_a_new_dimension_alone_moves_no_month(account: Account) -> None:
    fill_raw(account)
    refreshed(account, plan(action="refresh", through="2024-04-12"))
    account.put("RAW", "raw/sites/dt=all/sites.ndjson.gz")
    found = later(1)
    assert own(account, found) == {"sites": ["all"]}
    assert (found["has_new_data"], found["months"], found["feature_months"]) == (True, "none", "none")


def test_a_lake_without_news_gives_no_work_and_a_whole_plan(account: Account) -> None:
    fill_raw(account)
    first = plan(action="refresh", through="2024-04-12")
    refreshed(account, first)
    found = later(1, action="retrain")
    assert (found["has_new_data"], own(account, found)) == (False, {})
    assert (found["train_start"], found["holdout_end"]) == ("2024-01-02", "2024-04-12")
    # And the next run still knows what was there.
    refreshed(account, found)
    assert later(2)["has_new_data"] is False


def test_an_object_that_shows_up_late_or_again_is_new(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_raw(account)
    refreshed(account, plan(action="refresh", through="2024-04-12"))
    account.put("RAW", "raw/visits/dt=2024-02-10/slow.ndjson.gz")
    account.put("RAW", "raw/visits/dt=2024-03-10/a.ndjson.gz", "changed")
    real, shift = lake.objects, {"slow": timedelta(minutes=-50), "dt=2024-03-10": timedelta(seconds=30)}

    def moved(bucket: str, prefix: str) -> Any:
        """An upload that began long before the last look, and an object that was written again."""
        for entry in real(bucket, prefix):
            move = sum((by for name, by in shift.items() if name in entry["Key"]), timedelta())
            yield {**entry, "LastModified": entry["LastModified"] + move}

    monkeypatch.setattr(lake, "objects", moved)
    assert later(1)["months"] == "2024-02,2024-03"


def test_news_that_a_run_leaves_aside_stay_news(account: Account) -> None:
    fill_raw(account)
    some = plan(action="refresh", through="2024-04-12", months=["2024-02"])
    assert own(account, some) == {"visits": ["2024-02"], "features": ["2024-02"]}
    refreshed(account, some)
    early = later(1, through="2024-03-15")
    assert early["months"] == "2024-01,2024-03"
    refreshed(account, early)
    rest = later(2)
    assert rest["months"] == "2024-04"
    refreshed(account, rest)
    assert later(3)["has_new_data"] is False


def test_a_training_starts_from_nothing_or_from_the_champion(account: Account) -> None:
    fill_raw(account)
    account.set_champion(json.dumps(CHAMPION))
    cold = plan(through="2024-04-12")
    assert settings_of(cold)["start_from"] == "nothing"
    # A list that lists itself: SageMaker refuses an empty one.
    own = f"runs/{cold['run_id']}/start.manifest"
    assert cold["start_manifest"] == f"s3://models-bucket/{own}"
    assert account.get(cold["start_manifest"]) == [{"prefix": "s3://models-bucket/"}, own]

    warm = plan(through="2024-04-12", hyperparameters={"start_from": "champion", "max_depth": 3})
    assert settings_of(warm)["start_from"] == "champion"
    assert settings_of(warm)["max_depth"] == "3"
    model = "runs/r20240301-aaaaaaaa/model/model.tar.gz"
    assert account.get(warm["start_manifest"]) == [{"prefix": "s3://models-bucket/"}, model]


@pytest.mark.parametrize(
    ("start", "champion", "algorithm", "says"),
    [
        pytest.param("best", CHAMPION, "script", "got 'best', allowed: nothing, champion", id="unknown"),
        pytest.param("champion", None, "script", "a rule has no trees to go on from", id="the rule serves"),
        pytest.param("champion", CHAMPION, "builtin", "the built-in algorithm cannot go on", id="built-in"),
    ],
)
def test_says_why_a_training_cannot_start_from_the_champion(
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    start: str,
    champion: Any,
    algorithm: str,
    says: str,
) -> None:
    fill_raw(account)
    monkeypatch.setenv("ALGORITHM", algorithm)
    if champion:
        account.set_champion(json.dumps(champion))
    with pytest.raises(request.HyperparameterError, match=says):
        plan(through="2024-04-12", hyperparameters={"start_from": start})


def test_the_first_step_names_the_run_and_looks_at_no_data(account: Account) -> None:
    asked = {"action": "retrain", "through": "2024-04-12"}
    named = handler.handler({"step": "names", "event": asked, "execution": EXECUTION}, None)
    assert named["request"] == asked
    assert "months" not in named
    fill_raw(account)
    whole = handler.handler({"step": "data", "event": named["request"], "execution": EXECUTION}, None)
    assert named.items() <= whole.items()


def test_months_without_records_are_named(account: Account) -> None:
    fill_raw(account)
    with pytest.raises(
        handler.NoDataError, match="months: got 2025-01, .* records of visits in 2024-01, 2024-02"
    ):
        plan(action="refresh", through="2024-04-12", months=["2025-01"])


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
    assert settings_of(found)["eta"] == "0.9"
    assert settings_of(found)["max_depth"] == "3"


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
    assert found["champion_uri"] == CHAMPION["model_data_url"]
    assert found["report_uri"] == "s3://models-bucket/monitor/2024-04-12/report.json"


def test_watching_an_unused_endpoint_gives_manifests_that_list_themselves(account: Account) -> None:
    found = plan(action="monitor", through="2024-04-12")["monitor"]
    for name in ("captures", "features"):
        own = f"monitor/2024-04-12/{name}.manifest"
        assert account.get(found[f"{name}_manifest"]) == [{"prefix": "s3://models-bucket/"}, own]
    assert found["baseline_uri"] == "s3://models-bucket/monitor/2024-04-12/"
    assert found["champion_uri"] == found["baseline_uri"]


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
