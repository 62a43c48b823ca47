"""Raw records to a curated table: typed, each key once, by local month. DataFrame in, DataFrame out."""

from typing import Any

from lake.months import ALL
from lake.schema import CORRUPT, INGESTED_AT, SOURCE
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

MONTH = "month"
REASON = "_reason"


def with_reason(raw: DataFrame, table: dict[str, Any]) -> DataFrame:
    """Adds why a row cannot be used; null for a good one. The door lets none in, but the lake is open."""
    reason = F.when(F.col(CORRUPT).isNotNull(), F.lit("not a JSON line of the contract's types"))
    for column, entry in table["columns"].items():
        if entry["required"]:
            reason = reason.when(F.col(column).isNull(), F.lit(f"missing {column}"))
    return raw.withColumn(REASON, reason)


def curated(rows: DataFrame, table: dict[str, Any], time_zone: str, months: list[str]) -> DataFrame:
    """The good rows of the local `months` (all of them in a dimension), the newest copy of each key.

    Delivery is at least once and late: of several copies the one ingested last wins; the source and then the
    content decide between copies of one moment, so that every run picks the same. Sorted by key.
    """
    key = table["primary_key"]
    placed = rows.where(F.col(REASON).isNull()).drop(REASON, CORRUPT)
    placed = placed.withColumn(MONTH, local_month(table, time_zone))
    if table["event_time"]:
        placed = placed.where(F.col(MONTH).isin(months))
    newest_first = Window.partitionBy(MONTH, *key).orderBy(
        F.col(INGESTED_AT).desc_nulls_last(),
        F.col(SOURCE).desc_nulls_last(),
        F.xxhash64(*table["columns"]).desc(),
    )
    # One shuffle by month serves the window and the files: a month comes out as one sorted file.
    return (
        placed.repartition(MONTH)
        .withColumn("_copy", F.row_number().over(newest_first))
        .where(F.col("_copy") == 1)
        .drop("_copy")
    )


def local_month(table: dict[str, Any], time_zone: str) -> Column:
    if table["event_time"] is None:
        return F.lit(ALL)
    return F.date_format(F.from_utc_timestamp(F.col(table["event_time"]), time_zone), "yyyy-MM")


def rejected(rows: DataFrame) -> DataFrame:
    """The rows that cannot be used, each with its reason and its content as JSON."""
    content = F.struct(*(column for column in rows.columns if column not in {REASON, CORRUPT}))
    return rows.where(F.col(REASON).isNotNull()).select(
        F.col(REASON).alias("reason"), F.coalesce(F.col(CORRUPT), F.to_json(content)).alias("record")
    )
