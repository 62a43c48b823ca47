"""Features: each row sees only what was known before its event, and always the same."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from shared.rules import InvalidRecordError

import contracts
from contracts.diabetes import replay as diabetes
from contracts.digits import replay as digits
from contracts.flights import replay as flights
from contracts.weather import replay as weather
from tests.any_door import any_door

ZONE = "America/New_York"
CONTRACT: dict[str, Any] = {
    "time_zone": ZONE,
    "tables": {
        "visits": {
            "primary_key": ["id"],
            "event_time": "at",
            "columns": {
                "id": {"type": "integer"},
                "at": {"type": "timestamp"},
                "place": {"type": "string"},
                "person": {"type": "string"},
            },
        },
        "results": {
            "primary_key": ["id"],
            "event_time": "at",
            "columns": {
                "id": {"type": "integer"},
                "at": {"type": "timestamp"},
                "outcome": {"type": "number"},
            },
        },
        "weather": {
            "primary_key": ["place", "hour"],
            "event_time": "hour",
            "columns": {
                "place": {"type": "string"},
                "hour": {"type": "timestamp"},
                "rain": {"type": "number"},
            },
        },
        "people": {
            "primary_key": ["person"],
            "event_time": None,
            "columns": {"person": {"type": "string"}, "born": {"type": "integer"}},
        },
    },
    "features": {
        "base": "visits",
        "joins": [
            {
                "table": "results",
                "on": {"id": "id"},
                "as_of": None,
                "columns": {"outcome": "outcome"},
                "role": "label",
            },
            {
                "table": "weather",
                "on": {"place": "place"},
                "columns": {"rain": "rain"},
                "role": "feature",
                "as_of": {"base": "at", "other": "hour", "offset_hours": -1},
            },
            {
                "table": "people",
                "on": {"person": "person"},
                "as_of": None,
                "columns": {"born": "born"},
                "role": "feature",
            },
        ],
        "derived": [{"name": "age", "type": "double", "sql": "CAST(year(local_date) - born AS DOUBLE)"}],
        "history": [{"name": "rate", "group": ["place"], "days": 2, "minimum_count": 1}],
        "label": {"sql": "CAST(outcome > 15 AS DOUBLE)"},
        "columns": {"rain": "double", "age": "double", "rate": "double", "place": "string"},
    },
    "model": {"problem": "binary"},
    "quality": {"features": ['IsUnique "key"']},
}


def utc(text: str) -> datetime:
    """A local time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).astimezone(ZoneInfo("UTC"))


def build(
    spark: Any, months: list[str] | None = None, contract: dict[str, Any] = CONTRACT, **rows: Any
) -> dict[str, Any]:
    """Feature rows by key."""
    from build_features.transform import features
    from lake import schema

    frames = {}
    for name, table in contract["tables"].items():
        filled = [(*row, None, None) for row in rows.get(name, [])]
        frames[name] = spark.createDataFrame(filled, schema.curated(table))
    found = features(contract, frames, months or ["2024-03"]).collect()
    assert len({row["key"] for row in found}) == len(found)
    return {row["key"]: row for row in found}


def test_row_carries_key_moment_local_date_and_label(spark) -> None:
    at = utc("2024-03-09T23:30")
    row = build(spark, visits=[(1, at, "A", "p")], results=[(1, at, 20.0)])["1"]
    assert (row["key"], row["event_date"], row["label"], row["month"]) == ("1", "2024-03-09", 1.0, "2024-03")
    assert row["event_time"].astimezone(ZoneInfo("UTC")) == at


@pytest.mark.parametrize("outcome", [None, "absent"])
def test_unknown_label_is_null(spark, outcome: Any) -> None:
    at = utc("2024-03-09T12:00")
    results = [] if outcome == "absent" else [(1, at, None)]
    assert build(spark, visits=[(1, at, "A", "p")], results=results)["1"]["label"] is None


def test_history_is_the_mean_of_previous_local_days_only(spark) -> None:
    days = [utc(f"2024-03-{day:02}T12:00") for day in (5, 6, 7, 8)]
    visits = [(number, at, "A", "p") for number, at in enumerate(days)]
    outcomes = (20.0, 0.0, 20.0, 0.0)
    results = [(number, at, outcome) for (number, at, *_), outcome in zip(visits, outcomes, strict=True)]
    found = build(spark, visits=visits, results=results)
    assert [found[str(number)]["rate"] for number in range(4)] == [None, 1.0, 0.5, 0.5]


def test_same_day_labels_never_enter_a_history(spark) -> None:
    morning, evening = utc("2024-03-06T06:00"), utc("2024-03-06T22:30")
    yesterday = utc("2024-03-05T12:00")
    visits = [(1, yesterday, "A", "p"), (2, morning, "A", "p"), (3, evening, "A", "p")]
    plain = build(spark, visits=visits, results=[(1, yesterday, 0.0), (2, morning, 0.0), (3, evening, 0.0)])
    leaky = build(spark, visits=visits, results=[(1, yesterday, 0.0), (2, morning, 99.0), (3, evening, 99.0)])
    for key in ("2", "3"):
        assert plain[key]["rate"] == leaky[key]["rate"] == 0.0


def test_previous_utc_day_of_an_evening_is_still_today(spark) -> None:
    # 22:30 in New York is tomorrow in UTC: over UTC days the noon of the same day would count as yesterday.
    noon, evening = utc("2024-03-06T12:00"), utc("2024-03-06T22:30")
    assert noon.date() < evening.date()
    found = build(spark, visits=[(1, noon, "A", "p"), (2, evening, "A", "p")], results=[(1, noon, 99.0)])
    assert found["2"]["rate"] is None


def test_history_reaches_into_the_month_before(spark) -> None:
    before, first = utc("2024-02-29T12:00"), utc("2024-03-01T12:00")
    found = build(spark, visits=[(1, before, "A", "p"), (2, first, "A", "p")], results=[(1, before, 20.0)])
    assert set(found) == {"2"}
    assert found["2"]["rate"] == 1.0


def test_history_needs_its_minimum_of_known_labels(spark) -> None:
    one, two = utc("2024-03-05T12:00"), utc("2024-03-06T12:00")
    found = build(spark, visits=[(1, one, "A", "p"), (2, two, "A", "p")], results=[(1, one, None)])
    assert found["2"]["rate"] is None


def test_history_of_a_measured_label_is_its_mean(spark) -> None:
    contract = CONTRACT | {
        "model": {"problem": "regression"},
        "features": CONTRACT["features"] | {"label": {"sql": "outcome"}},
    }
    one, two = utc("2024-03-05T12:00"), utc("2024-03-06T12:00")
    visits = [(1, one, "A", "p"), (2, one, "A", "p"), (3, two, "A", "p")]
    found = build(spark, contract=contract, visits=visits, results=[(1, one, 0.1), (2, one, 0.2)])
    assert found["3"]["rate"] == pytest.approx(0.15)
    assert found["1"]["label"] == 0.1


def test_history_of_a_class_is_its_share(spark) -> None:
    contract = CONTRACT | {
        "model": {"problem": "multiclass"},
        "features": CONTRACT["features"]
        | {
            "label": {"sql": "outcome"},
            "history": [step | {"class": 2} for step in CONTRACT["features"]["history"]],
        },
    }
    one, two = utc("2024-03-05T12:00"), utc("2024-03-06T12:00")
    visits = [(number, one, "A", "p") for number in range(4)] + [(9, two, "A", "p")]
    results = [(0, one, 2.0), (1, one, 0.0), (2, one, 2.0), (3, one, 1.0)]
    found = build(spark, contract=contract, visits=visits, results=results)
    assert found["9"]["rate"] == 0.5
    assert found["0"]["label"] == 2.0


@pytest.mark.parametrize("problem", ["regression", "forecasting"])
def test_sums_of_a_measured_label_are_exact(spark, problem: str) -> None:
    contract = CONTRACT | {
        "model": {"problem": problem},
        "features": CONTRACT["features"] | {"label": {"sql": "outcome"}},
    }
    one, two = utc("2024-03-05T12:00"), utc("2024-03-06T12:00")
    visits = [(number, one, "A", "p") for number in range(3)] + [(9, two, "A", "p")]
    results = [(number, one, value) for number, value in enumerate((0.1, 0.2, 0.3))]
    # Of floats, 0.1 + 0.2 + 0.3 would be 0.6000000000000001.
    assert build(spark, contract=contract, visits=visits, results=results)["9"]["rate"] * 3 == 0.6


def test_weather_is_that_of_one_hour_before(spark) -> None:
    at = utc("2024-03-06T12:00")
    hours = [(("A"), at + timedelta(hours=shift), float(shift)) for shift in (-2, -1, 0, 1)]
    assert build(spark, visits=[(1, at, "A", "p")], weather=hours)["1"]["rain"] == -1.0


def test_nothing_after_an_event_changes_its_features(spark) -> None:
    at, later = utc("2024-03-06T12:00"), utc("2024-03-07T12:00")
    visits = [(1, at, "A", "p"), (2, later, "A", "p")]
    past = [("A", at - timedelta(hours=1), 0.5)]
    future = [("A", at + timedelta(hours=hours), 9.0) for hours in range(5)]
    plain = build(spark, visits=visits, weather=past)
    changed = build(spark, visits=visits, weather=past + future, results=[(1, at, 99.0), (2, later, 99.0)])
    names = list(CONTRACT["features"]["columns"])
    assert [plain["1"][name] for name in names] == [changed["1"][name] for name in names]


def test_hour_that_comes_twice_joins_its_own_weather(spark) -> None:
    # The clocks of New York go back on 2024-11-03: 01:00 comes twice, one hour apart.
    first = datetime(2024, 11, 3, 5, tzinfo=ZoneInfo("UTC"))
    second = first + timedelta(hours=1)
    weather = [("A", first - timedelta(hours=1), 1.0), ("A", first, 2.0)]
    found = build(spark, ["2024-11"], visits=[(1, first, "A", "p"), (2, second, "A", "p")], weather=weather)
    assert (found["1"]["rain"], found["2"]["rain"]) == (1.0, 2.0)
    assert found["1"]["event_date"] == found["2"]["event_date"] == "2024-11-03"


def test_missing_rows_of_joined_tables_leave_nulls(spark) -> None:
    row = build(spark, visits=[(1, utc("2024-03-06T12:00"), "A", None)])["1"]
    assert (row["rain"], row["age"], row["rate"], row["place"]) == (None, None, None, "A")


def test_dimension_brings_its_columns(spark) -> None:
    row = build(spark, visits=[(1, utc("2024-03-06T12:00"), "A", "p")], people=[("p", 2000)])["1"]
    assert row["age"] == 24.0


def test_only_the_asked_months_come_out(spark) -> None:
    visits = [(month, utc(f"2024-{month:02}-15T12:00"), "A", "p") for month in range(1, 7)]
    assert set(build(spark, ["2024-02", "2024-05"], visits=visits)) == {"2", "5"}


def run_job(spark: Any, folder: Path, contract: dict[str, Any], wanted: list[str]) -> dict[str, bytes]:
    """Features of what lies in the curated zone; file contents by month."""
    from build_features import job

    found = {
        name: {
            path.name.removeprefix("month="): f"file://{path}"
            for path in (folder / "curated" / name / "run=r1").glob("month=*")
        }
        for name in contract["tables"]
    }
    found["visits"] = found.get("visits", {}) | {"1999-01": f"file://{folder}/nowhere"}
    uri = f"file://{folder}"
    job.run(spark, contract, run_id="r1", wanted=wanted, partitions=found, features_uri=uri, models_uri=uri)
    files = (folder / "features" / "run=r1").glob("month=*/*.parquet")
    return {file.parent.name: file.read_bytes() for file in files}


@pytest.mark.parametrize("wanted", [[], ["2024-03"]])
def test_job_without_any_data_writes_nothing(spark, tmp_path: Path, wanted: list[str]) -> None:
    assert run_job(spark, tmp_path, CONTRACT, wanted) == {}


@pytest.fixture(scope="module")
def real(spark, tmp_path_factory) -> Path:
    """Two real days around a change of the clocks, through the door and the clean job."""
    from clean_events import job

    folder: Path = tmp_path_factory.mktemp("real")
    days = (date(2013, 3, 9), date(2013, 3, 12))
    land(folder, "flights", flights, days)
    uri = f"file://{folder}"
    contract = contracts.load("flights")
    wanted = whole(contract, ["2013-03"])
    job.run(spark, contract, run_id="r1", wanted=wanted, raw_uri=uri, curated_uri=uri)
    return folder


def whole(contract: dict[str, Any], months: list[str]) -> dict[str, list[str]]:
    """These months of every table, and dimensions whole."""
    return {name: months if table["event_time"] else ["all"] for name, table in contract["tables"].items()}


def land(folder: Path, name: str, replay: Any, days: tuple[date | None, date | None]) -> None:
    """The raw zone as the door writes it."""
    import json

    door = any_door(contracts.load(name))
    for table in replay.TABLES:
        for record in replay.records(table, *days):
            try:
                stored = door[table].read(record, epoch=None if door[table].event_time else "2013")
            except InvalidRecordError:
                continue
            path = folder / "raw" / table / f"dt={door[table].partition(stored)}"
            path.mkdir(parents=True, exist_ok=True)
            stamp = {"_ingested_at": "2014-01-01T00:00:00.000Z", "_source": "test"}
            with (path / "part.ndjson").open("a") as file:
                file.write(json.dumps(stored | stamp) + "\n")


def test_real_flights_become_features_that_keep_their_rules(spark, real: Path) -> None:
    contract = contracts.load("flights")
    run_job(spark, real, contract, ["2013-03"])
    found = spark.read.parquet(f"file://{real}/features/run=r1").collect()
    asked = list(flights.records("flights", date(2013, 3, 9), date(2013, 3, 12)))
    assert len(found) == len(asked)
    assert [name for name in found[0].asDict() if name != "month"] == [
        "key",
        "event_time",
        "event_date",
        *contract["features"]["columns"],
        "label",
    ]
    first = next(row for row in found if row["key"] == "2013-03-10|EV|5716|JFK|IAD|600")
    assert (first["minute_of_day"], first["weekday"], first["origin"]) == (360.0, 6.0, "JFK")
    known = [row for row in found if row["label"] is not None]
    assert 0.1 < sum(row["label"] for row in known) / len(known) < 0.5
    matched = [row for row in found if row["seats"] is not None]
    assert len(matched) > 0.75 * len(found), "the token of the aircraft no longer joins"
    first_day = [row for row in found if row["event_date"] == "2013-03-09"]
    assert all(row["carrier_rate"] is None for row in first_day)
    assert sum(row["temp"] is not None for row in found) > 0.95 * len(found)


def test_same_inputs_give_the_same_files(spark, real: Path) -> None:
    contract = contracts.load("flights")
    assert run_job(spark, real, contract, ["2013-03"]) == run_job(spark, real, contract, ["2013-03"])


def test_second_contract_runs_through_the_same_code(spark, tmp_path: Path) -> None:
    from clean_events import job

    contract = contracts.load("diabetes")
    land(tmp_path, "diabetes", diabetes, (None, None))
    uri = f"file://{tmp_path}"
    wanted = ["2024-01", "2024-02"]
    job.run(spark, contract, run_id="r1", wanted=whole(contract, wanted), raw_uri=uri, curated_uri=uri)
    assert set(run_job(spark, tmp_path, contract, wanted)) == {"month=2024-01", "month=2024-02"}
    found = spark.read.parquet(f"file://{tmp_path}/features/run=r1").collect()
    assert len(found) == 72
    assert all(row["key"].startswith("tok_") and row["label"] > 0 and row["age"] % 5 == 0 for row in found)


@pytest.mark.parametrize(
    ("name", "replayed", "days", "windows"),
    [
        pytest.param(
            "digits",
            digits,
            (date(2024, 1, 1), date(2024, 5, 1)),
            ("2024-01-01", "2024-03-15", "2024-04-08", "2024-05-01"),
            id="classes",
        ),
        pytest.param(
            "weather",
            weather,
            (date(2013, 1, 1), date(2013, 10, 1)),
            ("2013-01-01", "2013-08-21", "2013-09-04", "2013-10-01"),
            id="forecast",
        ),
    ],
)
def test_another_problem_is_learned_from_its_folder_alone(
    spark, tmp_path: Path, name: str, replayed: Any, days: tuple[date, date], windows: tuple[str, ...]
) -> None:
    """Door, clean job, feature job and training: the model beats the contract's rule on later days."""
    import train
    from clean_events import job
    from tabular import contract as contract_module
    from tabular import frame, metrics, models, rules, split

    contract = contracts.load(name)
    agreed = contract_module.parse(contract)
    land(tmp_path, name, replayed, days)
    uri = f"file://{tmp_path}"
    months = [f"{days[0].year}-{number:02d}" for number in range(days[0].month, days[1].month)]
    job.run(spark, contract, run_id="r1", wanted=whole(contract, months), raw_uri=uri, curated_uri=uri)
    run_job(spark, tmp_path, contract, months)

    named = dict(zip(split.Windows.names(), windows, strict=True))
    places = train.Places(
        features=tmp_path / "features",
        champion=tmp_path / "champion",
        model=tmp_path / "model",
        output=tmp_path / "output",
        checkpoints=tmp_path / "checkpoints",
    )
    arguments = [f"--{key}={value}" for key, value in named.items()]
    train.run(agreed, train.parse_arguments(arguments, agreed), places, nthread=1)
    rows = frame.read(tmp_path / "features", agreed.kinds)
    later = split.split(rows, split.Windows(**named)).holdout
    both = (models.load(tmp_path / "model"), models.RuleModel(content=rules.rule_model(contract)))
    ours, simple = (metrics.row_loss(agreed.problem, later.label, one.scores(later)).mean() for one in both)
    assert ours < 0.9 * simple


@pytest.mark.parametrize("name", ["flights", "diabetes", "digits", "weather"])
def test_expressions_of_shipped_contracts_parse_in_spark(spark, name: str) -> None:
    features = contracts.load(name)["features"]
    parser = spark._jsparkSession.sessionState().sqlParser()
    for sql in [features["label"]["sql"], *(step["sql"] for step in features["derived"])]:
        parser.parseExpression(sql)
