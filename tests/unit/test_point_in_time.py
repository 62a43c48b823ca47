"""The point-in-time join against an independent one: pandas, per row, late and deleted records planted."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from stacks.data.point_in_time import ALWAYS, AS_SERVED, point_in_time

ENTITY = {"name": "place", "columns": ["place"], "features": ["rate"]}
START = datetime(2024, 3, 1)
LATE = timedelta(days=4)


def rows() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events at odd hours; records of midnights, some put days later, twice, deleted, or ahead of all."""
    events = [
        (f"{place}{number}", START + timedelta(hours=7 * number), float(number % 2), place)
        for place in ("A", "B", "C")
        for number in range(40)
    ]
    records = []
    for place in ("A", "B"):
        for day in range(-1, 12):
            at = START + timedelta(days=day)
            wait = LATE if day % 3 == 1 else timedelta(minutes=5)
            is_deleted = place == "B" and day % 5 == 2
            rate = None if is_deleted else round(0.01 * (day + 2) + (place == "B"), 4)
            records.append((place, at, rate, at + wait, is_deleted))
            if day == 6:  # corrected, with the same event time
                records.append((place, at, 0.99, at + timedelta(hours=30), False))
    stored = pd.DataFrame(records, columns=["entity", "at", "rate", "write_time", "is_deleted"])
    return pd.DataFrame(events, columns=["key", "event_time", "label", "place"]), stored


def expected(events: pd.DataFrame, stored: pd.DataFrame, known: Any) -> dict[str, float | None]:
    """pandas.merge_asof, one event at a time where what is known depends on it."""
    found = {}
    for event in events.itertuples():
        seen = stored[(stored.write_time <= known(event)) & (stored.entity == event.place)]
        seen = seen.sort_values(["at", "write_time"]).drop_duplicates("at", keep="last")
        left = pd.DataFrame({"at": [event.event_time]}).astype({"at": "datetime64[ns]"})
        right = seen[["at", "rate", "is_deleted"]].astype({"at": "datetime64[ns]"})
        joined = pd.merge_asof(left, right, on="at").iloc[0]
        is_missing = pd.isna(joined["rate"]) or bool(joined["is_deleted"])
        found[event.key] = None if is_missing else float(joined["rate"])
    return found


@pytest.fixture(scope="module")
def joined(spark):
    """Runs the statement on the planted rows."""
    events, stored = rows()
    spark.createDataFrame(events).createOrReplaceTempView("features")
    text = stored.assign(
        event_time=stored["at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"), api_invocation_time=stored["write_time"]
    ).drop(columns="at")
    text["rate"] = text["rate"].astype(object).where(text["rate"].notna(), None)
    schema = (
        "entity string, rate double, write_time timestamp, is_deleted boolean, event_time string, "
        "api_invocation_time timestamp"
    )
    spark.createDataFrame(text, schema=schema).createOrReplaceTempView("store_place")

    def run(written_by: str = ALWAYS) -> list[Any]:
        statement = point_in_time(ENTITY, "store_place", written_by=written_by)
        return spark.sql(statement.replace('"', "`")).collect()

    return run


def test_each_event_sees_the_last_record_before_it(joined) -> None:
    events, stored = rows()
    found = joined()
    assert len(found) == len(events)
    wanted = expected(events, stored, lambda _: stored.write_time.max())
    assert {row["key"]: row["rate"] for row in found} == wanted
    assert any(wanted[key] is None for key in wanted if key.startswith("B")), "no deleted record is planted"
    assert 0.99 in wanted.values(), "no corrected record is planted"
    assert {row["key"]: row["label"] for row in found} == dict(zip(events.key, events.label, strict=True))


def test_as_served_leaves_out_what_came_late(joined) -> None:
    events, stored = rows()
    served = {row["key"]: row["rate"] for row in joined(AS_SERVED)}
    assert served == expected(events, stored, lambda event: event.event_time)
    assert served != {row["key"]: row["rate"] for row in joined()}, "no late record is planted"


def test_time_travel_sees_the_store_as_it_was(joined) -> None:
    events, stored = rows()
    then = START + timedelta(days=5)
    found = {row["key"]: row["rate"] for row in joined(f"TIMESTAMP '{then:%Y-%m-%d %H:%M:%S}'")}
    assert found == expected(events, stored, lambda _: then)
    assert found != {row["key"]: row["rate"] for row in joined()}
