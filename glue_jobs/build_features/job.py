"""Glue job: curated months into the feature table, below a folder of this run; its rules must hold.

Beside it, in the run's folder, entities.json: the values of histories as of the day after, for look-ups.
"""

import sys
from typing import Any

from awsglue.context import GlueContext
from awsglue.utils import getResolvedOptions
from lake import months, schema, session, storage
from lake.quality import check
from lake.tables import Partitions, read_table, written_by
from pyspark.context import SparkContext
from pyspark.sql import SparkSession

from build_features.entities import newest
from build_features.transform import daily_labels, features, lookback_days

ARGUMENTS = ["run_id", "contract_uri", "partitions_uri", "features_bucket", "models_bucket"]


def main() -> None:
    arguments = getResolvedOptions(sys.argv, ARGUMENTS)
    spark = session.configure(GlueContext(SparkContext.getOrCreate()).spark_session)
    partitions = storage.read_json(arguments["partitions_uri"])
    run(
        spark,
        storage.read_json(arguments["contract_uri"]),
        run_id=arguments["run_id"],
        wanted=written_by(arguments["run_id"], partitions["features"]),
        partitions=partitions["curated"],
        features_uri=f"s3://{arguments['features_bucket']}",
        models_uri=f"s3://{arguments['models_bucket']}",
    )


def run(
    spark: SparkSession,
    contract: dict[str, Any],
    *,
    run_id: str,
    wanted: list[str],
    partitions: Partitions,
    features_uri: str,
    models_uri: str,
) -> None:
    """Writes the feature rows of the `wanted` months, then checks what was written."""
    if not wanted:
        print("no feature months: nothing to do")
        return
    reached = months.looking_back(wanted, max(1, lookback_days(contract)))
    tables = {name: read_table(spark, contract, partitions, name, reached) for name in contract["tables"]}
    uri = f"{features_uri}/features/run={run_id}"
    daily = daily_labels(contract, tables, wanted)
    features(contract, tables, wanted, daily).write.mode("overwrite").partitionBy("month").parquet(uri)
    values = newest(contract, daily)
    spark.catalog.clearCache()
    written = [f"{uri}/{folder}" for folder in storage.folders(f"{uri}/")]
    if not written:
        print(f"no events in {', '.join(wanted)}: no feature rows")
        return
    rows = spark.read.schema(schema.features(contract)).parquet(*written)
    report = check({"features": rows}, {"features": contract["quality"]["features"]})
    storage.write_json(f"{models_uri}/runs/{run_id}/features_quality.json", report.content())
    report.require()
    # Behind the check: what is looked up is no better than the table whose labels it is made of.
    if values is not None:
        storage.write_json(f"{models_uri}/runs/{run_id}/entities.json", values.content())


if __name__ == "__main__":
    main()
