"""Curated tables by month, through the list of partitions of a run."""

from typing import Any

from pyspark.sql import DataFrame, SparkSession

from lake import schema, storage
from lake.months import ALL

Partitions = dict[str, dict[str, str]]


def written_by(run_id: str, months: dict[str, str]) -> list[str]:
    """Of a table's months those whose folder is the run's own: what it writes, or has written."""
    return sorted(month for month, uri in months.items() if f"/run={run_id}/" in uri)


def read_table(
    spark: SparkSession, contract: dict[str, Any], partitions: Partitions, name: str, months: list[str]
) -> DataFrame:
    """The months of a curated table that exist, or the whole dimension; empty, typed, if none does.

    The newest data may have no outcomes yet, and a dimension may not have come at all: nulls follow.
    """
    table = contract["tables"][name]
    wanted = months if table["event_time"] else [ALL]
    listed = [partitions.get(name, {})[month] for month in wanted if month in partitions.get(name, {})]
    present = [uri for uri in listed if storage.has_objects(uri)]
    if not present:
        return spark.createDataFrame([], schema.curated(table))
    return spark.read.schema(schema.curated(table)).parquet(*present)
