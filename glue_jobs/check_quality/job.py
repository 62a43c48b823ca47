"""Glue job: what this run wrote keeps the contract's rules, or the run stops and publishes nothing."""

import sys
from typing import Any

from awsglue.context import GlueContext
from awsglue.utils import getResolvedOptions
from lake import session, storage
from lake.quality import check
from lake.tables import Partitions, read_table, written_by
from pyspark.context import SparkContext
from pyspark.sql import SparkSession

ARGUMENTS = ["run_id", "contract_uri", "partitions_uri", "models_bucket"]


def main() -> None:
    arguments = getResolvedOptions(sys.argv, ARGUMENTS)
    spark = session.configure(GlueContext(SparkContext.getOrCreate()).spark_session)
    run(
        spark,
        storage.read_json(arguments["contract_uri"]),
        run_id=arguments["run_id"],
        partitions=storage.read_json(arguments["partitions_uri"])["curated"],
        models_uri=f"s3://{arguments['models_bucket']}",
    )


def run(
    spark: SparkSession,
    contract: dict[str, Any],
    *,
    run_id: str,
    partitions: Partitions,
    models_uri: str,
) -> None:
    """Checks what this run wrote of each table; quality.json says what was measured."""
    wanted = {name: written_by(run_id, partitions.get(name, {})) for name in contract["tables"]}
    tables = {
        name: read_table(spark, contract, partitions, name, months)
        for name, months in wanted.items()
        if months
    }
    report = check(tables, contract["quality"])
    storage.write_json(f"{models_uri}/runs/{run_id}/quality.json", report.content())
    report.require()


if __name__ == "__main__":
    main()
