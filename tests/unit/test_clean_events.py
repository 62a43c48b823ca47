"""Cleaning: typed, each key once, by local month; what cannot be used is kept with its reason."""

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from lake import months

CONTRACT: dict[str, Any] = {
    "time_zone": "America/New_York",
    "tables": {
        "visits": {
            "primary_key": ["id"],
            "event_time": "at",
            "columns": {
                "id": {"type": "integer", "required": True},
                "at": {"type": "timestamp", "required": True},
                "day": {"type": "date", "required": False},
                "score": {"type": "number", "required": False},
            },
        },
        "places": {
            "primary_key": ["code"],
            "event_time": None,
            "columns": {
                "code": {"type": "string", "required": True},
                "name": {"type": "string", "required": False},
            },
        },
    },
}


def visit(
    number: Any, at: str, score: float | None = 1.0, ingested: str = "2024-01-01T00:00:00.000Z"
) -> dict[str, Any]:
    return {"id": number, "at": at, "score": score, "_ingested_at": ingested, "_source": "stream"}


def land(folder: Path, table: str, day: str, *rows: Any) -> None:
    path = folder / "raw" / table / f"dt={day}"
    path.mkdir(parents=True, exist_ok=True)
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    (path / f"{len(list(path.iterdir()))}.ndjson.gz").write_bytes(gzip.compress(text.encode()))


def clean(spark: Any, folder: Path, wanted: str, run_id: str = "r1") -> None:
    from clean_events import job

    uri = f"file://{folder}"
    chosen = wanted.split(",") if wanted else []
    job.run(
        spark,
        CONTRACT,
        run_id=run_id,
        wanted={"visits": chosen, "places": [months.ALL]},
        raw_uri=uri,
        curated_uri=uri,
    )


def curated(spark: Any, folder: Path, table: str = "visits", run_id: str = "r1") -> list[Any]:
    path = folder / "curated" / table / f"run={run_id}"
    return sorted(spark.read.parquet(f"file://{path}").collect()) if path.exists() else []


def partitions(folder: Path, table: str = "visits", run_id: str = "r1") -> list[str]:
    return sorted(path.name for path in (folder / "curated" / table / f"run={run_id}").glob("month=*"))


def rejected(folder: Path, table: str = "visits") -> list[dict[str, Any]]:
    files = (folder / "rejected" / table / "run=r1").glob("*.json.gz")
    return [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]


PEOPLE: dict[str, Any] = {
    "primary_key": ["person"],
    "event_time": None,
    "anonymity": {"k": 2, "subject": "person", "below": "suppress", "quasi_identifiers": ["age", "town"]},
    "columns": {
        "person": {"type": "string", "required": True},
        "age": {"type": "integer", "required": False},
        "town": {"type": "string", "required": False},
        "score": {"type": "number", "required": False},
    },
}


def person(token: str, age: int | None, town: str | None) -> dict[str, Any]:
    stamp = {"_ingested_at": "2024-01-01T00:00:00.000Z", "_source": "test"}
    return {"person": token, "age": age, "town": town, "score": 1.0} | stamp


def clean_people(spark: Any, folder: Path, table: dict[str, Any], *rows: dict[str, Any]) -> list[Any]:
    from clean_events import job

    contract, uri = {"time_zone": "UTC", "tables": {"people": table}}, f"file://{folder}"
    land(folder, "people", "all", *rows)
    job.run(spark, contract, run_id="r1", wanted={"people": ["all"]}, raw_uri=uri, curated_uri=uri)
    found = spark.read.parquet(f"{uri}/curated/people/run=r1").collect()
    return [(row["person"], row["age"], row["town"], row["score"]) for row in found]


def test_what_describes_fewer_than_k_subjects_is_left_out_and_no_row_is(spark, tmp_path: Path) -> None:
    found = clean_people(
        spark, tmp_path, PEOPLE,
        person("tok_2024_d", 30, "york"), person("tok_2024_a", 30, "york"),
        person("tok_2024_b", 90, "york"), person("tok_2024_c", None, "hull"),
        person("tok_2024_e", None, "hull"),
    )  # fmt: skip
    assert found == [
        ("tok_2024_a", 30, "york", 1.0),
        ("tok_2024_b", None, None, 1.0),
        ("tok_2024_c", None, "hull", 1.0),
        ("tok_2024_d", 30, "york", 1.0),
        ("tok_2024_e", None, "hull", 1.0),
    ]


def test_subject_is_counted_once_and_within_its_epoch(spark, tmp_path: Path) -> None:
    table = PEOPLE | {"primary_key": ["person", "score"]}
    twice = [person("tok_2024_a", 30, "york"), person("tok_2024_a", 30, "york") | {"score": 2.0}]
    found = clean_people(spark, tmp_path, table, *twice, person("tok_2025_x", 30, "york"))
    assert [row[1:3] for row in found] == [(None, None)] * 3


def test_contract_may_only_tell_of_small_classes(spark, tmp_path: Path) -> None:
    table = PEOPLE | {"anonymity": PEOPLE["anonymity"] | {"below": "tell"}}
    assert clean_people(spark, tmp_path, table, person("tok_2024_a", 90, "york")) == [
        ("tok_2024_a", 90, "york", 1.0)
    ]


def test_newest_copy_of_a_key_wins(spark, tmp_path: Path) -> None:
    at = "2024-01-15T12:00:00Z"
    land(tmp_path, "visits", "2024-01-15", visit(1, at, 1.0, "2024-01-16T00:00:00.000Z"))
    land(tmp_path, "visits", "2024-01-15", visit(1, at, 3.0, "2024-01-18T00:00:00.000Z"), visit(2, at))
    land(tmp_path, "visits", "2024-01-15", visit(1, at, 2.0, "2024-01-17T00:00:00.000Z"))
    clean(spark, tmp_path, "2024-01")
    assert [(row["id"], row["score"]) for row in curated(spark, tmp_path)] == [(1, 3.0), (2, 1.0)]


def test_copies_of_one_moment_are_decided_the_same_each_time(spark, tmp_path: Path) -> None:
    at = "2024-01-15T12:00:00Z"
    scores = [float(score) for score in range(20)]
    for name, order in (("one", scores), ("two", scores[::-1])):
        for score in order:
            land(tmp_path / name, "visits", "2024-01-15", visit(1, at, score))
        clean(spark, tmp_path / name, "2024-01")
    assert curated(spark, tmp_path / "one") == curated(spark, tmp_path / "two")


def test_month_is_local_like_the_folder(spark, tmp_path: Path) -> None:
    land(tmp_path, "visits", "2024-01-31", visit(1, "2024-02-01T04:59:59Z"))
    land(tmp_path, "visits", "2024-02-01", visit(2, "2024-02-01T05:00:00Z"))
    clean(spark, tmp_path, "2024-01")
    assert [row["id"] for row in curated(spark, tmp_path)] == [1]
    assert rejected(tmp_path) == []


def test_row_in_a_folder_of_another_month_is_kept_aside(spark, tmp_path: Path) -> None:
    """Filed by UTC, for example: it must not be missing from both months without a word."""
    land(tmp_path, "visits", "2024-02-01", visit(1, "2024-02-01T04:59:59Z"), visit(2, "2024-02-01T05:00:00Z"))
    clean(spark, tmp_path, "2024-02")
    assert [row["id"] for row in curated(spark, tmp_path)] == [2]
    ((reason, record),) = [(entry["reason"], json.loads(entry["record"])) for entry in rejected(tmp_path)]
    assert reason == "filed under another month than its own, 2024-01"
    assert record["id"] == 1


def test_late_rows_are_found_when_their_month_is_built_again(spark, tmp_path: Path) -> None:
    land(tmp_path, "visits", "2024-01-15", visit(1, "2024-01-15T12:00:00Z"))
    clean(spark, tmp_path, "2024-01", "r1")
    land(
        tmp_path,
        "visits",
        "2024-01-15",
        visit(2, "2024-01-15T12:00:00Z", ingested="2024-03-01T00:00:00.000Z"),
    )
    clean(spark, tmp_path, "2024-01", "r2")
    assert len(curated(spark, tmp_path, run_id="r1")) == 1
    assert len(curated(spark, tmp_path, run_id="r2")) == 2


def test_only_the_asked_months_are_built(spark, tmp_path: Path) -> None:
    for month in ("2024-01", "2024-02", "2024-03"):
        land(tmp_path, "visits", f"{month}-10", visit(1, f"{month}-10T12:00:00Z"))
    clean(spark, tmp_path, "2024-01,2024-03")
    assert partitions(tmp_path) == ["month=2024-01", "month=2024-03"]


def test_empty_month_and_empty_lake_are_no_error(spark, tmp_path: Path, capsys) -> None:
    clean(spark, tmp_path, "2024-01")
    land(tmp_path, "visits", "2024-02-01", visit(1, "2024-02-01T12:00:00Z"))
    clean(spark, tmp_path, "2024-01")
    clean(spark, tmp_path, "")
    assert partitions(tmp_path) == []
    assert "visits: nothing in the raw zone for 2024-01" in capsys.readouterr().out


def test_dimension_is_built_whole_whatever_the_months(spark, tmp_path: Path) -> None:
    old = {"code": "A", "name": "old", "_ingested_at": "2020-01-01T00:00:00.000Z", "_source": "x"}
    land(tmp_path, "places", "all", old, old | {"name": "new", "_ingested_at": "2021-01-01T00:00:00.000Z"})
    clean(spark, tmp_path, "")
    assert partitions(tmp_path, "places") == ["month=all"]
    assert [(row["code"], row["name"]) for row in curated(spark, tmp_path, "places")] == [("A", "new")]


def test_rows_that_cannot_be_used_are_kept_with_their_reason(spark, tmp_path: Path) -> None:
    good = visit(1, "2024-01-15T12:00:00Z")
    torn = '{"id": 2, "at": "2024-01-15T12'
    land(
        tmp_path,
        "visits",
        "2024-01-15",
        good,
        torn,
        visit("three", good["at"]),
        {**good, "id": None},
        {"id": 5},
    )
    clean(spark, tmp_path, "2024-01")
    assert [row["id"] for row in curated(spark, tmp_path)] == [1]
    found = rejected(tmp_path)
    assert sorted(entry["reason"] for entry in found) == [
        "missing at",
        "missing id",
        "not a JSON line of the contract's types",
        "not a JSON line of the contract's types",
    ]
    assert torn in [entry["record"] for entry in found]


def test_month_in_which_no_row_can_be_used_keeps_them_all(spark, tmp_path: Path) -> None:
    land(tmp_path, "visits", "2024-01-15", "torn", "torn again")
    clean(spark, tmp_path, "2024-01")
    assert partitions(tmp_path) == []
    assert len(rejected(tmp_path)) == 2


def test_missing_optional_column_is_null_and_missing_required_one_rejects(spark, tmp_path: Path) -> None:
    row = visit(1, "2024-01-15T12:00:00Z")
    del row["score"]
    land(tmp_path, "visits", "2024-01-15", row)
    clean(spark, tmp_path, "2024-01")
    (found,) = curated(spark, tmp_path)
    assert (found["score"], found["day"]) == (None, None)


def test_same_run_again_gives_the_same_files(spark, tmp_path: Path) -> None:
    for number in range(50):
        land(tmp_path, "visits", "2024-01-15", visit(number % 30, "2024-01-15T12:00:00Z", float(number)))
    contents = []
    for _ in range(2):
        clean(spark, tmp_path, "2024-01")
        files = sorted((tmp_path / "curated/visits/run=r1/month=2024-01").glob("*.parquet"))
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1]
    assert len(contents[0]) == 1


def test_types_are_those_of_the_contract(spark, tmp_path: Path) -> None:
    row = visit(1, "2024-01-15T12:00:00.250000Z") | {"day": "2024-01-15"}
    land(tmp_path, "visits", "2024-01-15", row)
    clean(spark, tmp_path, "2024-01")
    path = tmp_path / "curated" / "visits" / "run=r1"
    types = dict(spark.read.parquet(f"file://{path}").dtypes)
    assert {name: types[name] for name in ("id", "at", "day", "score")} == {
        "id": "bigint",
        "at": "timestamp",
        "day": "date",
        "score": "double",
    }
    assert curated(spark, tmp_path)[0]["day"] == date(2024, 1, 15)


@pytest.mark.parametrize("text", ["2024", "2024-13", "2024-1", "all", "2024-01-01"])
def test_month_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(months.MonthError, match="allowed: for example 2013-01"):
        months.first_day(text)


def test_days_before_a_month_reach_into_earlier_ones() -> None:
    assert months.looking_back(["2013-03"], 8) == ["2013-02", "2013-03"]
    assert months.looking_back(["2013-01"], 40) == ["2012-11", "2012-12", "2013-01"]
    assert months.spans(["2013-01", "2013-02", "2013-05"], 2) == [
        (date(2012, 12, 30), date(2013, 3, 1)),
        (date(2013, 4, 29), date(2013, 6, 1)),
    ]
