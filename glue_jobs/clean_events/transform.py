"""Raw records to a curated table: typed, each key once, by local month. DataFrame in, DataFrame out."""

from typing import Any

from lake.months import ALL
from lake.schema import CORRUPT, INGESTED_AT, SOURCE
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

MONTH = "month"
REASON = "_reason"


def with_reason(raw: DataFrame, table: dict[str, Any], time_zone: str, months: list[str]) -> DataFrame:
    """Adds the local month of each row, and why it cannot be used; null for a good one.

    The door lets none in, but the lake is open. A row of a folder of `months` that belongs to another month
    would be in two of them or in none: whoever filed it took another time zone, or other rules of this one.
    """
    reason = F.when(F.col(CORRUPT).isNotNull(), F.lit("not a JSON line of the contract's types"))
    for column, entry in table["columns"].items():
        if entry["required"]:
            reason = reason.when(F.col(column).isNull(), F.lit(f"missing {column}"))
    placed = raw.withColumn(MONTH, local_month(table, time_zone))
    astray = F.concat(F.lit("filed under another month than its own, "), F.col(MONTH))
    return placed.withColumn(REASON, reason.when(~F.col(MONTH).isin(months), astray))


def curated(rows: DataFrame, table: dict[str, Any]) -> DataFrame:
    """The good rows, the newest copy of each key, by local month.

    Delivery is at least once and late: of several copies the one ingested last wins; the source and then the
    content decide between copies of one moment, so that every run picks the same. Sorted by key.
    """
    key = table["primary_key"]
    placed = rows.where(F.col(REASON).isNull()).drop(REASON, CORRUPT)
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


def anonymous(rows: DataFrame, table: dict[str, Any]) -> DataFrame:
    """Quasi-identifiers that describe fewer than k subjects alike are left out; the rows stay.

    Alike within what is published together, a month or a dimension, and within an epoch: in another one the
    same subject has another token, and would be counted twice. Sorted by key as before.
    """
    wish = table.get("anonymity")
    if wish is None or wish["below"] != "suppress":
        return rows
    subject, quasi = F.col(wish["subject"]), wish["quasi_identifiers"]
    epoch = F.substring_index(subject, "_", 2)  # of tok_<epoch>_<digest>
    alike = [F.col(MONTH), epoch, *map(F.col, quasi)]
    once = F.row_number().over(Window.partitionBy(*alike, subject).orderBy(*table["primary_key"])) == 1
    first = F.when(once & subject.isNotNull(), F.lit(1)).otherwise(F.lit(0))
    counted = rows.withColumn("_first", first).withColumn(
        "_alike", F.sum("_first").over(Window.partitionBy(*alike))
    )
    kept = {name: F.when(F.col("_alike") >= wish["k"], F.col(name)) for name in quasi}
    told = [kept.get(name, F.col(name)).alias(name) for name in rows.columns]
    return counted.select(*told).sortWithinPartitions(MONTH, *table["primary_key"])


def local_month(table: dict[str, Any], time_zone: str) -> Column:
    if table["event_time"] is None:
        return F.lit(ALL)
    return F.date_format(F.from_utc_timestamp(F.col(table["event_time"]), time_zone), "yyyy-MM")


def rejected(rows: DataFrame) -> DataFrame:
    """The rows that cannot be used, each with its reason and its content as JSON."""
    content = F.struct(*(column for column in rows.columns if column not in {REASON, CORRUPT, MONTH}))
    return rows.where(F.col(REASON).isNotNull()).select(
        F.col(REASON).alias("reason"), F.coalesce(F.col(CORRUPT), F.to_json(content)).alias("record")
    )
