"""Glue job: the raw zone of some months into the curated zone, below a folder of this run."""

import sys
from typing import Any

from awsglue.context import GlueContext
from awsglue.utils import getResolvedOptions
from lake import months, schema, session, storage
from pyspark.context import SparkContext
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from clean_events.transform import REASON, curated, rejected, with_reason

ARGUMENTS = ["run_id", "contract_uri", "months", "raw_bucket", "curated_bucket"]


def main() -> None:
    arguments = getResolvedOptions(sys.argv, ARGUMENTS)
    spark = session.configure(GlueContext(SparkContext.getOrCreate()).spark_session)
    run(
        spark,
        storage.read_json(arguments["contract_uri"]),
        run_id=arguments["run_id"],
        wanted=months.parse(arguments["months"]),
        raw_uri=f"s3://{arguments['raw_bucket']}",
        curated_uri=f"s3://{arguments['curated_bucket']}",
    )


def run(
    spark: SparkSession,
    contract: dict[str, Any],
    *,
    run_id: str,
    wanted: list[str],
    raw_uri: str,
    curated_uri: str,
) -> None:
    """Dimensions are always rebuilt; of the other tables the months that are `wanted`."""
    for name, table in contract["tables"].items():
        rows = read_raw(spark, table, f"{raw_uri}/raw/{name}/", wanted)
        if rows is None:
            print(f"{name}: nothing in the raw zone for {', '.join(wanted) or 'no month'}")
            continue
        rows = with_reason(rows, table)
        counted = Observation(name)
        observed = rows.observe(counted, F.count(F.lit(1)).alias("read"), F.count(REASON).alias("rejected"))
        uri = f"{curated_uri}/curated/{name}/run={run_id}"
        result = curated(observed, table, contract["time_zone"], wanted)
        result.write.mode("overwrite").partitionBy("month").parquet(uri)
        # Reading raw lines is most of the cost: rejected rows get a pass of their own only if there are any.
        # Spark drops the counts of a plan that turned out empty, and would wait for them for ever.
        counts = counted.get if storage.folders(f"{uri}/") else {"read": "?", "rejected": "?"}
        print(f"{name}: {counts['read']} rows read, {counts['rejected']} rejected")
        if counts["rejected"]:
            rejected(rows).coalesce(1).write.mode("overwrite").json(
                f"{curated_uri}/rejected/{name}/run={run_id}", compression="gzip"
            )


def read_raw(spark: SparkSession, table: dict[str, Any], uri: str, wanted: list[str]) -> DataFrame | None:
    """The raw rows of the dates that the wanted months can touch; None when there is no such date."""
    dates = months.utc_dates(wanted) if table["event_time"] else {months.ALL}
    present = [folder for folder in storage.folders(uri) if folder.removeprefix("dt=") in dates]
    if not present:
        return None
    reader = spark.read.schema(schema.raw(table)).option("columnNameOfCorruptRecord", schema.CORRUPT)
    return reader.json([f"{uri}{folder}/" for folder in present])


if __name__ == "__main__":
    main()
