"""One Athena query as a Spark program: the tables of the request, the statement, its rows in a file."""

import functools
import json
import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession, functions

# Spark's type -> what GetQueryResults calls it.
_TYPES = {
    "string": "varchar",
    "int": "integer",
    "bigint": "bigint",
    "smallint": "smallint",
    "tinyint": "tinyint",
    "double": "double",
    "float": "float",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "binary": "varbinary",
}


def main(request_file, result_file):
    request = json.loads(Path(request_file).read_text())
    spark = SparkSession.builder.getOrCreate()
    for table in request["tables"]:
        define(spark, table, with_path='"$path"' in request["statement"])
    answer = spark.sql(request["statement"])
    rows = [[text(value) for value in row] for row in answer.collect()]
    columns = [{"Name": name, "Type": kind(data_type)} for name, data_type in answer.dtypes]
    scanned = spark.sparkContext._jsc.sc().statusStore().executorSummary("driver").totalInputBytes()
    result = {"columns": columns, "rows": rows, "scanned": scanned}
    Path(result_file).write_text(json.dumps(result))


def define(spark, table, with_path):
    """The table as the Glue catalogue describes it: every partition where the catalogue points."""
    schema = ", ".join(f"`{one['Name']}` {one['Type']}" for one in table["columns"])
    reader = spark.read.schema(schema).format(table["format"]).options(**table["options"])
    keys = table["keys"]
    whole = {"values": [], "location": table["location"]}
    parts = []
    for partition in table["partitions"] if keys else [whole]:
        part = reader.load(partition["location"])
        if with_path:
            part = part.withColumn("$path", functions.input_file_name())
        for key, value in zip(keys, partition["values"], strict=True):
            part = part.withColumn(key["Name"], functions.lit(value).cast(key["Type"]))
        parts.append(part)
    empty = ", ".join([schema, *(f"`{one['Name']}` {one['Type']}" for one in keys)])
    found = functools.reduce(DataFrame.unionAll, parts) if parts else spark.createDataFrame([], empty)
    found.createOrReplaceTempView(table["name"])


def kind(data_type):
    if data_type.startswith("decimal"):
        return "decimal"
    if data_type not in _TYPES:
        raise NotImplementedError(f"a result column of type {data_type} is not in the sandbox")
    return _TYPES[data_type]


def text(value):
    """As Athena writes it; None stays None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if hasattr(value, "hour"):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return str(value)


if __name__ == "__main__":
    main(*sys.argv[1:])
