"""Glue job: the raw zone of some months into the curated zone, below a folder of this run."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from awsglue.context import GlueContext
from awsglue.utils import getResolvedOptions
from lake import months, schema, session, storage
from lake.tables import written_by
from pyspark.context import SparkContext
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from clean_events.transform import REASON, anonymous, curated, rejected, with_reason

# Tables are many and mostly small: while one is planned or listed, another one has the executors.
TABLES_AT_A_TIME = 3
ARGUMENTS = ["run_id", "contract_uri", "partitions_uri", "raw_bucket", "curated_bucket"]


def main() -> None:
    arguments = getResolvedOptions(sys.argv, ARGUMENTS)
    spark = session.configure(GlueContext(SparkContext.getOrCreate()).spark_session)
    planned = storage.read_json(arguments["partitions_uri"])["curated"]
    run(
        spark,
        storage.read_json(arguments["contract_uri"]),
        run_id=arguments["run_id"],
        wanted={table: written_by(arguments["run_id"], places) for table, places in planned.items()},
        raw_uri=f"s3://{arguments['raw_bucket']}",
        curated_uri=f"s3://{arguments['curated_bucket']}",
    )


def run(
    spark: SparkSession,
    contract: dict[str, Any],
    *,
    run_id: str,
    wanted: dict[str, list[str]],
    raw_uri: str,
    curated_uri: str,
) -> None:
    """Writes the `wanted` months of each table; a dimension's only month is "all"."""

    def clean(name: str) -> str:
        raw, places = f"{raw_uri}/raw/{name}/", (curated_uri, f"{name}/run={run_id}")
        return clean_table(spark, contract, name, wanted.get(name, []), raw, places)

    with ThreadPoolExecutor(TABLES_AT_A_TIME) as pool:
        for said in pool.map(clean, contract["tables"]):
            print(said)


def clean_table(
    spark: SparkSession,
    contract: dict[str, Any],
    name: str,
    wanted: list[str],
    raw_uri: str,
    places: tuple[str, str],
) -> str:
    """Writes one table; `places` are the zone and the folder in it. The answer is a line for the log."""
    table, (zone, folder) = contract["tables"][name], places
    rows = read_raw(spark, table, raw_uri, wanted)
    if rows is None:
        return f"{name}: nothing in the raw zone for {', '.join(wanted) or 'no month'}"
    rows = with_reason(rows, table, contract["time_zone"], wanted)
    counted = Observation(name)
    observed = rows.observe(counted, F.count(F.lit(1)).alias("read"), F.count(REASON).alias("rejected"))
    uri = f"{zone}/curated/{folder}"
    published = anonymous(curated(observed, table), table)
    published.write.mode("overwrite").partitionBy("month").parquet(uri)
    # Reading raw lines is most of the cost: rejected rows get a pass of their own only if there are any.
    # Spark drops the counts of a plan that turned out empty, and would wait for them for ever.
    counts = counted.get if storage.folders(f"{uri}/") else {"read": "?", "rejected": "?"}
    if counts["rejected"]:
        aside = rejected(rows).coalesce(1).write.mode("overwrite")
        aside.json(f"{zone}/rejected/{folder}", compression="gzip")
    return f"{name}: {counts['read']} rows read, {counts['rejected']} rejected"


def read_raw(spark: SparkSession, table: dict[str, Any], uri: str, wanted: list[str]) -> DataFrame | None:
    """The raw rows of the days of the wanted months; None when there is no such day."""
    dates = months.dates(wanted) if table["event_time"] else set(wanted)
    present = [folder for folder in storage.folders(uri) if folder.removeprefix("dt=") in dates]
    if not present:
        return None
    reader = spark.read.schema(schema.raw(table)).option("columnNameOfCorruptRecord", schema.CORRUPT)
    # One pattern, not a list: Spark asks S3 three times for each path that it is given, whether it exists and
    # what it is; folders that a pattern found it lists once.
    chosen = ",".join(folder.removeprefix("dt=") for folder in present)
    return reader.json(f"{uri}dt={{{chosen}}}")


if __name__ == "__main__":
    main()
