"""Values to look up: tomorrow's histories, equal to those that the feature table will hold for that day."""

from datetime import date, datetime
from typing import Any

import pytest

import contracts
from tests.unit.test_build_features import CONTRACT, utc

ENTITIES = [{"name": "place", "columns": ["place"], "features": ["rate"]}]


def looked_up(contract: dict[str, Any]) -> dict[str, Any]:
    return {**contract, "features": {**contract["features"], "entities": ENTITIES}}


def frames(spark: Any, **rows: Any) -> dict[str, Any]:
    from lake import schema

    return {
        name: spark.createDataFrame([(*row, None, None) for row in rows.get(name, [])], schema.curated(table))
        for name, table in CONTRACT["tables"].items()
    }


def newest(spark: Any, months: list[str], **rows: Any) -> Any:
    from build_features import entities
    from build_features.transform import daily_labels

    contract = looked_up(CONTRACT)
    return entities.newest(contract, daily_labels(contract, frames(spark, **rows), months))


def events(*found: tuple[int, str, str, float | None]) -> dict[str, Any]:
    return {
        "visits": [(number, utc(at), place, "p") for number, at, place, _ in found],
        "results": [(number, utc(at), outcome) for number, at, _, outcome in found if outcome is not None],
    }


def test_values_equal_the_feature_table_of_the_day_after(spark) -> None:
    from build_features.transform import features

    days = [
        (1, "2024-02-27T12:00", "A", 20.0),
        (2, "2024-02-28T12:00", "A", 0.0),
        (3, "2024-02-29T12:00", "A", 20.0),
        (4, "2024-02-29T13:00", "B", 0.0),
        (5, "2024-02-29T13:30", "A", 20.0),
    ]
    before = newest(spark, ["2024-02"], **events(*days))
    tomorrow = [(6, "2024-03-01T09:00", "A", 20.0), (7, "2024-03-01T10:00", "B", 20.0)]
    later = frames(spark, **events(*days, *tomorrow))
    rows = features(CONTRACT, later, ["2024-03"]).collect()
    assert before.day == date(2024, 3, 1)
    table = {row["place"]: row["rate"] for row in rows if row["event_date"] == "2024-03-01"}
    assert {record["place"]: record["rate"] for record in before.records["place"]} == table
    assert table == {"A": pytest.approx(2 / 3), "B": 0.0}


def test_record_holds_from_the_beginning_of_its_local_day(spark) -> None:
    found = newest(spark, ["2024-03"], **events((1, "2024-03-09T23:30", "A", 20.0)))
    assert found.event_time == "2024-03-10T05:00:00Z"
    assert datetime.fromisoformat(found.event_time) == utc("2024-03-10T00:00")


def test_days_without_a_known_label_do_not_move_it(spark) -> None:
    rows = events((1, "2024-03-05T12:00", "A", 20.0), (2, "2024-03-20T12:00", "B", None))
    found = newest(spark, ["2024-03"], **rows)
    assert found.day == date(2024, 3, 6)
    assert found.records["place"] == [{"place": "A", "rate": 1.0}, {"place": "B", "rate": None}]


def test_event_without_a_group_is_no_record(spark) -> None:
    rows = events((1, "2024-03-05T12:00", "A", 20.0)) | {}
    rows["visits"].append((2, utc("2024-03-05T12:00"), None, "p"))
    assert [record["place"] for record in newest(spark, ["2024-03"], **rows).records["place"]] == ["A"]


def test_without_labels_there_is_nothing_to_look_up(spark) -> None:
    assert newest(spark, ["2024-03"], **events((1, "2024-03-05T12:00", "A", None))) is None


def test_entities_are_the_groups_of_the_model_s_histories() -> None:
    assert contracts.load("flights")["features"]["entities"] == [
        {"name": "carrier", "columns": ["carrier"], "features": ["carrier_rate", "carrier_yesterday"]},
        {"name": "origin", "columns": ["origin"], "features": ["origin_rate"]},
        {"name": "dest", "columns": ["dest"], "features": ["dest_rate", "dest_fortnight"]},
    ]
    assert contracts.load("diabetes")["features"]["entities"] == []
