"""Firehose: prefixes, what the function may answer, and a delivery from Kinesis to S3."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import clock, work
from sandbox.account import client
from sandbox.engines import firehose, firehose_delivery, firehose_prefix, firehose_transform
from sandbox.engines.firehose_transform import Record
from tests.sandbox.flow_account import ARN, account, any_function, any_role, fresh

__all__ = ["account", "fresh"]

MOMENT = datetime(2013, 2, 3, 4, 5, tzinfo=UTC)
CODE = """
import base64, json

def handler(event, context):
    out = []
    for record in event["records"]:
        text = base64.b64decode(record["data"]).decode()
        answer = {"recordId": record["recordId"], "result": "Ok", "data": record["data"]}
        if text == "drop":
            answer["result"] = "Dropped"
        elif text == "bad":
            answer["result"] = "ProcessingFailed"
        elif text != "no key":
            answer["metadata"] = {"partitionKeys": {"table": text.split("-")[0]}}
        out.append(answer)
    return {"records": out}
"""


@pytest.mark.parametrize(
    ("prefix", "error_type", "expected"),
    [
        pytest.param("raw/", "", "raw/2013/02/03/04/", id="date appended"),
        pytest.param("y=!{timestamp:yyyy}/d=!{timestamp:dd}/", "", "y=2013/d=03/", id="own date"),
        pytest.param("t=!{partitionKeyFromLambda:t}/", "", "t=x/", id="partition keys take no date"),
        pytest.param(
            "e/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/",
            "processing-failed",
            "e/processing-failed/2013/02/03/",
            id="error type",
        ),  # fmt: skip
        pytest.param(
            "e/", "processing-failed", "e/processing-failed/2013/02/03/04/", id="error type appended"
        ),
        pytest.param("!{timestamp:'day'-dd}/", "", "day-03/", id="quoted text"),
    ],
)
def test_prefix_is_evaluated_as_on_aws(prefix: str, error_type: str, expected: str) -> None:
    assert firehose_prefix.folder(prefix, MOMENT, keys={"t": "x"}, error_type=error_type) == expected


@pytest.mark.parametrize(
    ("prefix", "error_prefix", "dynamic", "words"),
    [
        pytest.param(
            "!{timestamp:yyyy}/", "", False, "error-output-type", id="expression without error prefix"
        ),
        pytest.param("!{nothing:x}/", "!{firehose:error-output-type}", False, "namespace", id="namespace"),
        pytest.param(
            "!{timestamp:QQ}/", "!{firehose:error-output-type}", False, "pattern", id="date pattern"
        ),
        pytest.param("a/", "", True, "uses no partition keys", id="dynamic without keys"),
        pytest.param(
            "!{partitionKeyFromLambda:t}/",
            "!{firehose:error-output-type}",
            False,
            "is off",
            id="keys, not dynamic",
        ),
    ],
)
def test_prefix_that_aws_refuses_is_refused(
    prefix: str, error_prefix: str, dynamic: bool, words: str
) -> None:
    with pytest.raises(firehose_prefix.PrefixError, match=words):
        firehose_prefix.check(prefix, error_prefix, dynamic=dynamic)


def records(*ids: str) -> list[Record]:
    return [Record(name, 1000, base64.b64encode(name.encode()).decode()) for name in ids]


def answer(*items: dict[str, Any]) -> bytes:
    return json.dumps({"records": list(items)}).encode()


OK = {"recordId": "a", "result": "Ok", "data": "eA=="}
FAILED = {"recordId": "a", "result": "ProcessingFailed"}
DROPPED = {"recordId": "b", "result": "Dropped"}
NO_DATA = {"recordId": "a", "result": "Ok", "data": "***"}
NO_RESULT = {"recordId": "b", "result": "What"}


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        pytest.param(answer(OK), ["Lambda.MissingRecordId"], id="one left out"),
        pytest.param(answer(OK, OK), ["Lambda.DuplicatedRecordId"] * 2, id="one twice"),
        pytest.param(b"nonsense", ["Lambda.JsonProcessingException"] * 2, id="no JSON"),
        pytest.param(answer(FAILED, DROPPED), ["Lambda.ProcessingFailedStatus"], id="failed and dropped"),
        pytest.param(answer(NO_DATA, NO_RESULT), ["Lambda.JsonProcessingException"] * 2, id="bad fields"),
    ],
)
def test_answer_of_the_function_is_checked(body: bytes, codes: list[str]) -> None:
    result = firehose_transform.check(records("a", "b"), body)
    assert [bad.code for bad in result.bad] == codes


def test_error_record_has_the_fields_of_aws() -> None:
    bad = firehose_transform.Bad(records("a")[0], "Lambda.FunctionError", 4)
    document = json.loads(firehose_transform.error_document(bad, 2000, "arn:f"))
    assert document == {
        "attemptsMade": 4,
        "arrivalTimestamp": 1000,
        "errorCode": "Lambda.FunctionError",
        "errorMessage": "The Lambda function was successfully invoked but it returned an error result.",
        "attemptEndingTimestamp": 2000,
        "rawData": base64.b64encode(b"a").decode(),
        "lambdaArn": "arn:f",
    }


@pytest.fixture(scope="module")
def delivery(account: Any) -> str:
    """A dynamic partitioned delivery stream that reads the stream `source`."""
    client("s3").create_bucket(Bucket="lake")
    client("logs").create_log_group(logGroupName="firehose")
    client("logs").create_log_stream(logGroupName="firehose", logStreamName="errors")
    function = any_function("transform", CODE)
    client("kinesis").create_stream(StreamName="source", ShardCount=2)
    grants = ("s3:PutObject", "lambda:InvokeFunction", "kinesis:*", "logs:*")
    role = any_role("delivery", "firehose.amazonaws.com", *grants)
    parameters = {"LambdaArn": function, "BufferSizeInMBs": "1", "BufferIntervalInSeconds": "60"}
    client("firehose").create_delivery_stream(
        DeliveryStreamName="delivery",
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={
            "KinesisStreamARN": f"arn:aws:kinesis:{ARN}:stream/source",
            "RoleARN": role,
        },
        ExtendedS3DestinationConfiguration={
            **destination(role),
            "Prefix": "raw/!{partitionKeyFromLambda:table}/",
            "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 300},
            "DynamicPartitioningConfiguration": {"Enabled": True},
            "CloudWatchLoggingOptions": {
                "Enabled": True,
                "LogGroupName": "firehose",
                "LogStreamName": "errors",
            },
            "ProcessingConfiguration": {
                "Enabled": True,
                "Processors": [
                    {
                        "Type": "Lambda",
                        "Parameters": [
                            {"ParameterName": key, "ParameterValue": value}
                            for key, value in parameters.items()
                        ],
                    }
                ],
            },
        },
    )
    return "delivery"


def destination(role: str) -> dict[str, Any]:
    return {"RoleARN": role, "BucketARN": "arn:aws:s3:::lake", "CompressionFormat": "GZIP"}


def put(*texts: str) -> None:
    entries = [{"Data": text.encode(), "PartitionKey": text} for text in texts]
    client("kinesis").put_records(StreamName="source", Records=entries)


def objects(prefix: str) -> dict[str, bytes]:
    s3 = client("s3")
    listed = s3.list_objects_v2(Bucket="lake", Prefix=prefix).get("Contents", [])
    found = {o["Key"]: s3.get_object(Bucket="lake", Key=o["Key"])["Body"].read() for o in listed}
    return {key: gzip.decompress(body) for key, body in found.items()}


@pytest.mark.usefixtures("fresh")
def test_records_travel_from_kinesis_through_the_function_to_their_partition(delivery: str) -> None:
    put("a-1", "a-2", "b-1", "drop", "bad", "no key")
    firehose.flush(delivery)
    found = objects("raw/")
    assert sorted(key.split("/")[1] for key in found) == ["a", "b"]
    assert sorted(b"".join(found.values()).decode()) == sorted("a-1a-2b-1")
    assert all(
        key.startswith(f"raw/{key.split('/')[1]}/delivery-1-") and key.endswith(".gz") for key in found
    )
    failed = {key.split("/")[1]: json.loads(body) for key, body in objects("errors/").items()}
    assert failed["processing-failed"]["errorCode"] == "Lambda.ProcessingFailedStatus"
    assert base64.b64decode(failed["processing-failed"]["rawData"]) == b"bad"
    assert failed["partitioning-failed"]["errorCode"] == "DynamicPartitioning.MetadataExtractionFailed"
    assert not work.failures()


@pytest.mark.usefixtures("fresh")
def test_buffer_is_delivered_when_its_interval_has_passed_on_the_clock(delivery: str) -> None:
    put("interval-1")
    assert work.idle(10)
    assert not objects("raw/interval/")
    clock.advance(timedelta(seconds=61))  # the function's buffer
    assert work.idle(10)
    assert not objects("raw/interval/")
    clock.advance(timedelta(seconds=301))  # the delivery's buffer
    assert work.idle(10)
    assert list(objects("raw/interval/").values()) == [b"interval-1"]


@pytest.mark.usefixtures("fresh")
def test_partitions_beyond_the_limit_go_to_the_error_prefix(
    delivery: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firehose_delivery, "ACTIVE_PARTITIONS", 2)
    put("p1-x", "p2-x", "p3-x")
    firehose.flush(delivery)
    failed = [json.loads(body) for body in objects("errors/activePartitionExceeded/").values()]
    assert [item["errorCode"] for item in failed] == ["DynamicPartitioning.ActivePartitionLimitExceeded"]


@pytest.mark.usefixtures("fresh")
def test_data_wait_when_delivery_is_refused_and_arrive_when_it_is_allowed(delivery: str) -> None:
    deny = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    client("iam").put_role_policy(RoleName="delivery", PolicyName="deny", PolicyDocument=policy)
    put("late-1")
    firehose.flush(delivery)
    assert any("s3:PutObject" in failure.message for failure in work.failures())
    client("iam").delete_role_policy(RoleName="delivery", PolicyName="deny")
    firehose.flush(delivery)
    assert list(objects("raw/late/").values()) == [b"late-1"]


@pytest.mark.usefixtures("fresh")
def test_failing_function_is_retried_then_the_records_are_kept_with_the_reason(delivery: str) -> None:
    client("lambda").put_function_concurrency(FunctionName="transform", ReservedConcurrentExecutions=0)
    put("throttled-1")
    firehose.flush(delivery)
    client("lambda").delete_function_concurrency(FunctionName="transform")
    codes = [
        json.loads(line)
        for body in objects("errors/processing-failed/").values()
        for line in body.splitlines()
    ]
    assert ("Lambda.InvokeLimitExceeded", 4) in [(c["errorCode"], c["attemptsMade"]) for c in codes]


@pytest.mark.usefixtures("fresh")
def test_direct_puts_are_delivered_without_a_function(account: Any, delivery: str) -> None:
    role = any_role("direct", "firehose.amazonaws.com", "s3:PutObject")
    client("firehose").create_delivery_stream(
        DeliveryStreamName="direct",
        ExtendedS3DestinationConfiguration={**destination(role), "Prefix": "direct/"},
    )
    client("firehose").put_record(DeliveryStreamName="direct", Record={"Data": b"one\n"})
    firehose.flush("direct")
    assert list(objects("direct/").values()) == [b"one\n"]
    with pytest.raises(ClientError, match="not permitted on KinesisStreamAsSource"):
        client("firehose").put_record(DeliveryStreamName=delivery, Record={"Data": b"x"})


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"CompressionFormat": "Snappy"}, "Snappy", id="compression"),
        pytest.param({"S3BackupMode": "Enabled"}, "S3BackupMode", id="backup"),
        pytest.param({"Prefix": "!{nothing:x}/"}, "namespace", id="prefix"),
    ],
)
def test_stream_that_cannot_run_is_refused_by_name(account: Any, changes: dict[str, Any], words: str) -> None:
    role = f"arn:aws:iam::{ARN.split(':')[1]}:role/delivery"
    with pytest.raises(ClientError, match=words):
        client("firehose").create_delivery_stream(
            DeliveryStreamName="refused", ExtendedS3DestinationConfiguration={**destination(role), **changes}
        )
    assert "refused" not in client("firehose").list_delivery_streams()["DeliveryStreamNames"]


@pytest.mark.usefixtures("fresh")
def test_role_that_does_not_trust_firehose_is_refused(account: Any) -> None:
    role = any_role("distrusts", "glue.amazonaws.com")
    with pytest.raises(ClientError, match="may not sts:AssumeRole"):
        client("firehose").create_delivery_stream(
            DeliveryStreamName="refused", ExtendedS3DestinationConfiguration=destination(role)
        )


@pytest.mark.usefixtures("fresh")
def test_delivery_is_measured(delivery: str) -> None:
    put("measured-1")
    firehose.flush(delivery)
    names = {
        metric["MetricName"]
        for metric in client("cloudwatch").list_metrics(Namespace="AWS/Firehose")["Metrics"]
    }
    wanted = {
        "IncomingRecords",
        "DeliveryToS3.Success",
        "DeliveryToS3.DataFreshness",
        "ExecuteProcessing.Success",
    }
    assert wanted <= names
