"""Refused records go back on the stream, and move away only when all of them were taken."""

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from ingest_records.records import Batch
from moto import mock_aws
from redrive_records import handler as module
from redrive_records.records import stream_record
from redrive_records.stream import ATTEMPTS, REQUEST_RECORDS, put_all
from shared.rules import InvalidRecordError

import contracts
from tests.any_door import any_door, any_tokens

TOKENS = any_tokens()
DOOR = any_door(contracts.load("flights"))


class Context:
    def __init__(self, milliseconds: int = 900_000) -> None:
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


class Stream:
    """PutRecords that takes what it is told to take."""

    def __init__(self, *, refuse: int = 0) -> None:
        self.refuse = refuse
        self.taken: list[bytes] = []
        self.sizes: list[int] = []

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: ARG002
        self.sizes.append(len(Records))
        results = []
        for entry in Records:
            if self.refuse:
                self.refuse -= 1
                results.append({"ErrorCode": "ProvisionedThroughputExceededException"})
            else:
                self.taken.append(entry["Data"])
                results.append({"SequenceNumber": "1"})
        failed = sum("ErrorCode" in result for result in results)
        return {"FailedRecordCount": failed, "Records": results}


@pytest.fixture
def account(monkeypatch) -> Iterator[dict[str, Any]]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("RAW_BUCKET", "raw")
    monkeypatch.setenv("STREAM_NAME", "events")
    with mock_aws():
        clients: dict[str, Any] = {"s3": boto3.client("s3"), "kinesis": Stream()}
        clients["s3"].create_bucket(Bucket="raw")
        monkeypatch.setattr(module, "client", lambda service: clients[service])
        yield clients


def quarantined(record: dict[str, Any], table: str = "weather") -> dict[str, Any]:
    with pytest.raises(InvalidRecordError) as caught:
        DOOR[table].read(record, epoch="2013")
    violations = caught.value.violations
    return DOOR[table].quarantined(
        record, violations, source="s3://landing/x.csv", at="2013-01-02T00:00:00.000Z", epoch="2013"
    )


WEATHER = {"origin": "EWR", "time_hour": "2013-01-01T06:00:00Z", "wind_speed": 1048.0}
PLANE = {"tailnum": "N1", "seats": 5000}


def put(account: Any, key: str, entries: list[Any], pack: Any = gzip.compress) -> None:
    body = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
    account["s3"].put_object(Bucket="raw", Key=key, Body=pack(body))


def keys(account: Any) -> list[str]:
    return [entry["Key"] for entry in account["s3"].list_objects_v2(Bucket="raw").get("Contents", [])]


def test_quarantined_records_pass_the_mended_door_with_their_tokens(account) -> None:
    put(account, "quarantine/planes/dt=2013-01-02/a.ndjson.gz", [quarantined(PLANE, "planes")])
    result = module.handler({"prefix": "quarantine/planes/"}, Context())
    assert result == {"objects": 1, "records": 1, "kept": 0, "refused": 0, "left": 0, "more": 0}
    assert keys(account) == ["redriven/quarantine/planes/dt=2013-01-02/a.ndjson.gz"]

    mended = contracts.load("flights")
    mended["tables"]["planes"]["columns"]["seats"]["maximum"] = 9000
    data = base64.b64encode(account["kinesis"].taken[0]).decode()
    record = {"recordId": "1", "approximateArrivalTimestamp": 1_357_000_000_000, "data": data}
    answer = Batch(any_door(mended)).transform(record)
    assert answer["metadata"]["partitionKeys"]["zone"] == "raw"
    assert json.loads(base64.b64decode(answer["data"]))["tailnum"] == TOKENS.token("2013", "aircraft", "N1")


def test_errors_of_firehose_go_back_byte_by_byte(account) -> None:
    entry = {"errorCode": "x", "rawData": base64.b64encode(b"\xffbroken").decode(), "attemptsMade": 4}
    put(account, "errors/processing-failed/2013/01/02/a", [entry], pack=bytes)
    assert module.handler({"prefix": "errors/"}, Context())["records"] == 1
    assert account["kinesis"].taken == [b"\xffbroken"]


def test_object_stays_when_the_stream_refuses_some(account, monkeypatch) -> None:
    monkeypatch.setattr("redrive_records.stream.time.sleep", lambda _: None)
    monkeypatch.setattr("redrive_records.stream.put_all.__kwdefaults__", {"sleep": lambda _: None})
    account["kinesis"].refuse = 10**6
    put(account, "quarantine/weather/dt=2013-01-02/a.ndjson.gz", [quarantined(WEATHER)])
    result = module.handler({"prefix": "quarantine/"}, Context())
    assert (result["records"], result["refused"], result["objects"]) == (0, 1, 0)
    assert keys(account) == ["quarantine/weather/dt=2013-01-02/a.ndjson.gz"]


def test_records_that_only_their_source_can_mend_are_kept(account) -> None:
    hopeless = quarantined({"tailnum": "N" * 99}, "planes")
    put(account, "quarantine/planes/dt=2013-01-02/a.ndjson.gz", [quarantined(PLANE, "planes"), hopeless])
    result = module.handler({"prefix": "quarantine/"}, Context())
    assert (result["records"], result["kept"], result["objects"]) == (1, 1, 1)
    kept = "quarantine/planes/dt=2013-01-02/a-kept.ndjson.gz"
    assert kept in keys(account)
    body = account["s3"].get_object(Bucket="raw", Key=kept)["Body"].read()
    assert json.loads(gzip.decompress(body)) == hopeless
    assert module.handler({"prefix": "quarantine/"}, Context())["left"] == 1


def test_notes_of_refused_files_are_left(account) -> None:
    account["s3"].put_object(Bucket="raw", Key="quarantine/weather/files/a.json", Body=b"{}")
    result = module.handler({"prefix": "quarantine/weather/"}, Context())
    assert (result["left"], result["objects"]) == (1, 0)


def test_no_object_is_begun_when_time_is_short(account) -> None:
    put(account, "quarantine/weather/dt=2013-01-02/a.ndjson.gz", [quarantined(WEATHER)])
    assert module.handler({"prefix": "quarantine/"}, Context(1_000))["more"] == 1
    assert len(keys(account)) == 1


@pytest.mark.parametrize("prefix", ["", "raw/", "redriven/"])
def test_prefix_outside_of_the_refused_is_refused(account, prefix: str) -> None:
    with pytest.raises(module.PrefixError, match="allowed: what starts with quarantine/ or errors/"):
        module.handler({"prefix": prefix}, Context())


def test_partly_refused_request_is_repeated_for_the_rest_only() -> None:
    stream, pauses = Stream(refuse=3), []
    assert put_all(stream, "events", [b"%d" % number for number in range(5)], sleep=pauses.append) == 0
    assert sorted(stream.taken) == [b"0", b"1", b"2", b"3", b"4"]
    assert (stream.sizes, len(pauses)) == ([5, 3], 1)


def test_refusals_end_after_all_attempts() -> None:
    stream, pauses = Stream(refuse=10**6), []
    assert put_all(stream, "events", [b"1", b"2"], sleep=pauses.append) == 2
    assert len(stream.sizes) == ATTEMPTS
    assert pauses == sorted(pauses)


def test_requests_keep_the_limits_of_kinesis() -> None:
    stream = Stream()
    put_all(stream, "events", [b"x"] * (REQUEST_RECORDS + 1))
    put_all(stream, "events", [b"x" * 900_000] * 6)
    assert stream.sizes == [500, 1, 4, 2]


def test_record_too_large_for_the_stream_is_kept() -> None:
    entry = {"rawData": base64.b64encode(b"x" * 1_000_001).decode()}
    assert stream_record(json.dumps(entry).encode()) is None
