"""Spark schemas from the compiled contract: nothing is inferred from data."""

from typing import Any

from pyspark.sql.types import (
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

TYPES: dict[str, type[DataType]] = {
    "string": StringType,
    "integer": LongType,
    "number": DoubleType,
    "double": DoubleType,
    "boolean": BooleanType,
    "timestamp": TimestampType,
    "date": DateType,
}
INGESTED_AT = "_ingested_at"
SOURCE = "_source"
CORRUPT = "_corrupt"


def curated(table: dict[str, Any]) -> StructType:
    """A table as it lies in the curated zone."""
    fields = [StructField(name, TYPES[column["type"]]()) for name, column in table["columns"].items()]
    return StructType([*fields, StructField(INGESTED_AT, TimestampType()), StructField(SOURCE, StringType())])


def raw(table: dict[str, Any]) -> StructType:
    """A table as its JSON lines are read; a line that does not fit stands whole in the column for it."""
    return StructType([*curated(table).fields, StructField(CORRUPT, StringType())])


def features(contract: dict[str, Any]) -> StructType:
    """The feature table without its partition column."""
    columns = {"key": "string", "event_time": "timestamp", "event_date": "string"}
    columns |= contract["features"]["columns"] | {"label": "double"}
    return StructType([StructField(name, TYPES[kind]()) for name, kind in columns.items()])
