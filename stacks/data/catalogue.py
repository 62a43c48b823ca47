"""Catalogue: a Glue table for each table of the contract, and one for the features; partitions by month."""

from __future__ import annotations

from typing import Any

from aws_cdk import RemovalPolicy
from aws_cdk import aws_glue as glue
from aws_cdk import aws_s3 as s3
from constructs import Construct

FEATURES = "features"
PARTITION = "month"  # "YYYY-MM" of the local date; "all" for tables without an event time

_TYPES = {
    "string": glue.Schema.STRING,
    "integer": glue.Schema.BIG_INT,
    "number": glue.Schema.DOUBLE,
    "double": glue.Schema.DOUBLE,
    "boolean": glue.Schema.BOOLEAN,
    "timestamp": glue.Schema.TIMESTAMP,
    "date": glue.Schema.DATE,
}


class Catalogue(Construct):
    """Tables bear the contract's names, and the database the profile's: queries and the publishing job use
    them.

    A new table has no partition. The publishing function adds one per month, pointing at a run's folder.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        contract: dict[str, Any],
        database_name: str,
        curated: s3.IBucket,
        features: s3.IBucket,
    ) -> None:
        super().__init__(scope, construct_id)
        self.database = glue.Database(
            self, "Database", database_name=database_name, description=f"Contract {contract['name']}"
        )
        # The L2 retains it. Its tables go with the stack, and an empty database of that name would be in the
        # way of the next deployment.
        self.database.apply_removal_policy(RemovalPolicy.DESTROY)
        self.tables = {
            name: self._table(
                name,
                table["description"],
                curated_columns(table),
                curated,
                f"curated/{name}/",
            )
            for name, table in contract["tables"].items()
        }
        self.tables[FEATURES] = self._table(
            FEATURES,
            "What models learn from and are asked with",
            feature_columns(contract),
            features,
            "features/",
        )

    def _table(
        self, name: str, description: str, columns: dict[str, str], bucket: s3.IBucket, prefix: str
    ) -> glue.S3Table:
        return glue.S3Table(
            self,
            _pascal(name),
            database=self.database,
            table_name=name,
            description=description,
            storage=glue.S3TableStorage.from_bucket(bucket),
            s3_prefix=prefix,
            data_format=glue.DataFormat.PARQUET,
            columns=[glue.Column(name=column, type=_TYPES[kind]) for column, kind in columns.items()],
            partition_keys=[glue.Column(name=PARTITION, type=glue.Schema.STRING)],
        )


def curated_columns(table: dict[str, Any]) -> dict[str, str]:
    """The contract's, and what the way in adds; as glue_jobs/lake/schema.py writes them."""
    return {
        **{column: spec["type"] for column, spec in table["columns"].items()},
        "_ingested_at": "timestamp",
        "_source": "string",
    }


def feature_columns(contract: dict[str, Any]) -> dict[str, str]:
    return {
        "key": "string",
        "event_time": "timestamp",
        "event_date": "string",
        **contract["features"]["columns"],
        "label": "double",
    }


def _pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
