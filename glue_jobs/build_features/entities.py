"""Values of histories for the day after the newest known label: what a look-up tomorrow has to find.

DataFrame in, plain records out. The same sums, counts and minimum as in the feature table, so that a row of
that day carries, once it is built, the value that was looked up.
"""

from datetime import date, timedelta
from typing import Any, NamedTuple

from lake import months as calendar
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from build_features.transform import LOCAL_DATE, sum_column

Record = dict[str, Any]


class Newest(NamedTuple):
    """
    day        the local day for which the values hold
    event_time when it begins, ISO 8601 in UTC
    records    entity -> its records: the group's columns as text, a number or null for each feature
    """

    day: date
    event_time: str
    records: dict[str, list[Record]]

    def content(self) -> dict[str, Any]:
        return {
            "format": 1,
            "day": self.day.isoformat(),
            "event_time": self.event_time,
            "records": self.records,
        }


def newest(contract: dict[str, Any], daily: DataFrame) -> Newest | None:
    """None if no label is known in the window, or nothing is looked up.

    daily  transform.daily_labels
    """
    entities = contract["features"].get("entities", [])
    if not entities:
        return None
    last = daily.where(F.col("_count") > 0).agg(F.max(LOCAL_DATE)).head()[0]
    if last is None:
        return None
    day = last + timedelta(days=1)
    steps = {step["name"]: step for step in contract["features"]["history"]}
    moment = calendar.midnight(day, contract["time_zone"]).strftime("%Y-%m-%dT%H:%M:%SZ")
    records = {
        entity["name"]: _records(daily, entity, [steps[name] for name in entity["features"]], day)
        for entity in entities
    }
    return Newest(day, moment, records)


def _records(
    daily: DataFrame, entity: dict[str, Any], steps: list[dict[str, Any]], day: date
) -> list[Record]:
    group = entity["columns"]
    known = daily.select(*group).dropna().distinct()  # a record needs its identifier
    for step in steps:
        known = known.join(_value(daily, step, day), group, "left")
    found = known.select(*(F.col(name).cast("string").alias(name) for name in group), *entity["features"])
    return [row.asDict() for row in found.orderBy(*group).collect()]


def _value(daily: DataFrame, step: dict[str, Any], day: date) -> DataFrame:
    """Mean label of each group in the `days` local days before `day`, null below its minimum of labels."""
    first, past = F.lit(day - timedelta(days=step["days"])), F.lit(day)
    within = daily.where((F.col(LOCAL_DATE) >= first) & (F.col(LOCAL_DATE) < past))
    sums = within.groupBy(*step["group"]).agg(
        F.sum(sum_column(step)).alias("_sum"), F.sum("_count").alias("_count")
    )
    mean = F.col("_sum").cast("double") / F.col("_count")
    return sums.select(
        *step["group"], F.when(F.col("_count") >= step["minimum_count"], mean).alias(step["name"])
    )
