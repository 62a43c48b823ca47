"""Glue job: what this run wrote keeps the contract's rules, or the run stops and publishes nothing."""

import sys
from typing import Any

from awsglue.context import GlueContext
from awsglue.utils import getResolvedOptions
from lake import months, session, storage
from lake.quality import check
from lake.tables import Partitions, read_table
from pyspark.context import SparkContext
from pyspark.sql import SparkSession

ARGUMENTS = ["run_id", "contract_uri", "partitions_uri", "months", "models_bucket"]


def main() -> None:
    arguments = getResolvedOptions(sys.argv, ARGUMENTS)
    spark = session.configure(GlueContext(SparkContext.getOrCreate()).spark_session)
    run(
        spark,
        storage.read_json(arguments["contract_uri"]),
        run_id=arguments["run_id"],
        wanted=months.parse(arguments["months"]),
        partitions=storage.read_json(arguments["partitions_uri"])["curated"],
        models_uri=f"s3://{arguments['models_bucket']}",
    )


def run(
    spark: SparkSession,
    contract: dict[str, Any],
    *,
    run_id: str,
    wanted: list[str],
    partitions: Partitions,
    models_uri: str,
) -> None:
    """Checks the `wanted` months of each table and whole dimensions; quality.json says what was measured."""
    tables = {name: read_table(spark, contract, partitions, name, wanted) for name in contract["tables"]}
    report = check(tables, contract["quality"])
    storage.write_json(f"{models_uri}/runs/{run_id}/quality.json", report.content())
    report.require()


if __name__ == "__main__":
    main()
