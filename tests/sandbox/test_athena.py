"""A query of a workgroup runs over the catalogue's tables, with the rights of whoever asks."""

from __future__ import annotations

import json

import pyarrow
import pyarrow.parquet
import pytest

from sandbox import account
from sandbox.engines.athena_run import references
from tests.sandbox.compute_account import allow, any_bucket, any_key, any_role, put, read, wait_for

_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}


@pytest.fixture(scope="module")
def place():
    with account.Account():
        bucket, key = any_bucket("query-data"), any_key()
        glue = account.client("glue")
        glue.create_database(DatabaseInput={"Name": "lake"})
        columns = [{"Name": "key", "Type": "string"}, {"Name": "n", "Type": "int"}]
        glue.create_table(
            DatabaseName="lake",
            TableInput={
                "Name": "rows",
                "PartitionKeys": [{"Name": "month", "Type": "string"}],
                "StorageDescriptor": {"Columns": columns, "Location": f"s3://{bucket}/rows/", **_PARQUET},
            },
        )
        for run, month, numbers in (("r1", "2013-01", [1, 2]), ("r2", "2013-02", [3, None])):
            sink = pyarrow.BufferOutputStream()
            table = pyarrow.table({"key": ["a", 'b"c'], "n": pyarrow.array(numbers, pyarrow.int32())})
            pyarrow.parquet.write_table(table, sink)
            put(bucket, f"rows/run={run}/part.parquet", sink.getvalue().to_pybytes())
            descriptor = {"Columns": columns, "Location": f"s3://{bucket}/rows/run={run}/", **_PARQUET}
            glue.create_partition(
                DatabaseName="lake",
                TableName="rows",
                PartitionInput={"Values": [month], "StorageDescriptor": descriptor},
            )
        encryption = {"EncryptionOption": "SSE_KMS", "KmsKey": key}
        account.client("athena").create_work_group(
            Name="people",
            Configuration={
                "EnforceWorkGroupConfiguration": True,
                "BytesScannedCutoffPerQuery": 10_000_000,
                "ResultConfiguration": {
                    "OutputLocation": f"s3://{bucket}/results/",
                    "EncryptionConfiguration": encryption,
                },
            },
        )
        arn = f"arn:aws:s3:::{bucket}"
        ask = allow("athena:* glue:Get*")
        via = {"ForAnyValue:StringEquals": {"aws:CalledVia": "athena.amazonaws.com"}}
        reading = allow("s3:GetObject s3:ListBucket s3:PutObject", [arn, f"{arn}/*"]) | {"Condition": via}
        any_role("asker", "ec2.amazonaws.com", ask, reading, allow("kms:GenerateDataKey kms:Decrypt", key))
        any_role("stranger", "ec2.amazonaws.com", ask)
        yield bucket, key


def _as(role):
    """The Athena client of a session of the role."""
    from sandbox.iam.identity import service_credentials

    arn = f"arn:aws:iam::{account.ACCOUNT}:role/{role}"
    return service_credentials(arn, "ec2.amazonaws.com", session="person").client("athena")


def _query(athena, text):
    query_id = athena.start_query_execution(
        QueryString=text, WorkGroup="people", QueryExecutionContext={"Database": "lake"}
    )["QueryExecutionId"]

    def look():
        found = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        return found if found["Status"]["State"] in ("SUCCEEDED", "FAILED") else None

    return wait_for(look, 120)


def test_select_reads_partitions_where_the_catalogue_points(place):
    bucket, key = place
    athena = _as("asker")
    query = _query(
        athena,
        'SELECT "month", count(*) AS total, sum(n) AS n FROM "lake"."rows" GROUP BY month ORDER BY month',
    )
    assert query["Status"]["State"] == "SUCCEEDED", query["Status"].get("StateChangeReason")
    assert query["Statistics"]["DataScannedInBytes"] > 0
    where = query["ResultConfiguration"]["OutputLocation"]
    name = where.removeprefix(f"s3://{bucket}/")
    assert read(bucket, name) == b'"month","total","n"\n"2013-01","2","3"\n"2013-02","2","3"\n'
    assert account.client("s3").head_object(Bucket=bucket, Key=name)["SSEKMSKeyId"] == key
    result = athena.get_query_results(QueryExecutionId=query["QueryExecutionId"])["ResultSet"]
    assert [one["VarCharValue"] for one in result["Rows"][1]["Data"]] == ["2013-01", "2", "3"]
    assert [one["Type"] for one in result["ResultSetMetadata"]["ColumnInfo"]] == [
        "varchar",
        "bigint",
        "bigint",
    ]


def test_hidden_path_column_names_the_files(place):
    bucket, _ = place
    query = _query(
        _as("asker"), 'SELECT month, "$path" AS file FROM rows GROUP BY month, "$path" ORDER BY month'
    )
    assert query["Status"]["State"] == "SUCCEEDED", query["Status"].get("StateChangeReason")
    text = read(
        bucket, query["ResultConfiguration"]["OutputLocation"].removeprefix(f"s3://{bucket}/")
    ).decode()
    assert f"s3://{bucket}/rows/run=r1/part.parquet" in text


def test_nulls_and_quotes_survive(place):
    bucket, _ = place
    query = _query(_as("asker"), "SELECT key, n FROM rows WHERE month = '2013-02' ORDER BY key")
    name = query["ResultConfiguration"]["OutputLocation"].removeprefix(f"s3://{bucket}/")
    assert read(bucket, name) == b'"key","n"\n"a","3"\n"b""c",\n'


@pytest.mark.parametrize(
    ("role", "text", "word"),
    [
        pytest.param("stranger", "SELECT * FROM rows", "403", id="asker may not read"),
        pytest.param("asker", "SELECT * FROM nowhere", "TABLE_NOT_FOUND", id="no such table"),
        pytest.param("asker", "SELECT nothing FROM rows", "nothing", id="no such column"),
    ],
)
def test_query_fails_for_its_reason(place, role, text, word):
    query = _query(_as(role), text)
    assert query["Status"]["State"] == "FAILED"
    assert word in query["Status"]["StateChangeReason"]


def test_other_statements_are_refused(place):
    athena = _as("asker")
    with pytest.raises(athena.exceptions.InvalidRequestException, match="SELECT and WITH"):
        _query(athena, "DROP TABLE rows")


def test_tables_are_found_in_the_statement():
    text = 'WITH part AS (SELECT * FROM "a"."b") SELECT * FROM part JOIN c ON true'
    assert references(text) == {("a", "b"), (None, "c")}
    assert json.dumps(sorted(references('select 1 from "x"'), key=str)) == '[[null, "x"]]'
