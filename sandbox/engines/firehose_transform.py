"""The transform function of a delivery stream: its request, its answer checked as AWS checks it."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from sandbox import regions
from sandbox.engines.firehose_settings import Transform

_MESSAGES = {
    "Lambda.ProcessingFailedStatus": "ProcessingFailed status set for record",
    "Lambda.MissingRecordId": "One or more record Ids were not returned. Ensure that the Lambda function "
    "returns all received record Ids.",
    "Lambda.DuplicatedRecordId": "Multiple records were returned with the same record Id. "
    "Ensure that the Lambda function returns unique record Ids for each record.",
    "Lambda.JsonProcessingException": "There was an error parsing returned records from the Lambda function. "
    "Ensure that the returned records follow the status model required by Amazon Data Firehose.",
    "Lambda.FunctionError": "The Lambda function was successfully invoked but it returned an error result.",
    "Lambda.FunctionTimedOut": "The Lambda function timed out.",
    "Lambda.InvokeLimitExceeded": "Lambda function limit exceeded. You have exceeded the concurrency limit.",
    "Lambda.InvokeAccessDenied": "Access was denied. Ensure that the access policy allows access to the "
    "Lambda function.",
    "Lambda.ResourceNotFound": "The Lambda function does not exist.",
    "Lambda.RequestTooLarge": "The request to the function is larger than 6 MB. Lower BufferSizeInMBs.",
    "DynamicPartitioning.MetadataExtractionFailed": "Partition keys that the prefix needs were not "
    "returned for the record.",
    "DynamicPartitioning.ActivePartitionLimitExceeded": "The number of active partitions exceeded its limit.",
}


class Record(NamedTuple):  # tuples: hundreds of thousands are made in one replay
    """One source record; data is base64, as both its source and the function hold it."""

    record_id: str
    arrival_ms: int
    data: str
    kinesis: tuple[str, str, str] | None = None  # shard, partition key, sequence number


class Good(NamedTuple):
    arrival_ms: int
    data: bytes
    keys: dict[str, str]


@dataclass(frozen=True, slots=True)
class Bad:
    record: Record
    code: str
    attempts: int


@dataclass(slots=True)
class Result:
    good: list[tuple[Record, Good]] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    dropped: int = 0
    invoked: bool = False  # True when the function ran without error


def message(code: str) -> str:
    return _MESSAGES.get(code, code)


def request(records: Sequence[Record], stream_arn: str, source_arn: str | None) -> bytes:
    """Built as text: base64 needs no escaping, and this is the hottest loop of the stream."""
    parts = []
    for record in records:
        text = (
            f'{{"recordId":"{record.record_id}","approximateArrivalTimestamp":{record.arrival_ms},'
            f'"data":"{record.data}"'
        )
        if record.kinesis:
            shard, key, number = record.kinesis
            quoted = f'"{key}"' if key.isalnum() and key.isascii() else json.dumps(key)
            text += (
                f',"kinesisRecordMetadata":{{"sequenceNumber":"{number}","subsequenceNumber":0,'
                f'"partitionKey":{quoted},"shardId":"{shard}",'
                f'"approximateArrivalTimestamp":{record.arrival_ms}}}'
            )
        parts.append(text + "}")
    head = {"invocationId": str(uuid.uuid4()), "deliveryStreamArn": stream_arn, "region": regions.current()}
    if source_arn:
        head["sourceKinesisStreamArn"] = source_arn
    return (json.dumps(head)[:-1] + ',"records":[' + ",".join(parts) + "]}").encode()


def run(
    records: Sequence[Record], transform: Transform, client: Any, *, stream_arn: str, source_arn: str | None
) -> Result:
    """Invokes the function with retries; whatever remains without an answer is Bad."""
    payload = request(records, stream_arn, source_arn)
    code = ""
    for attempt in range(1, transform.retries + 2):
        try:
            answer = client.invoke(FunctionName=transform.function_arn, Payload=payload)
        except ClientError as error:
            code = _refusal(error)
            if code in ("Lambda.InvokeAccessDenied", "Lambda.ResourceNotFound", "Lambda.RequestTooLarge"):
                break
            continue
        body = answer["Payload"].read()
        if "FunctionError" not in answer:
            return check(records, body, attempt)
        timed_out = b"Task timed out" in body
        code = "Lambda.FunctionTimedOut" if timed_out else "Lambda.FunctionError"
    return Result(bad=[Bad(record, code, attempt) for record in records])


def check(records: Sequence[Record], body: bytes, attempts: int = 1) -> Result:
    """Matches the function's answer with what was asked."""
    try:
        returned = json.loads(body)["records"]
        by_id = {item["recordId"]: item for item in returned}
    except (ValueError, KeyError, TypeError):
        return Result(bad=[Bad(record, "Lambda.JsonProcessingException", attempts) for record in records])
    if len(by_id) != len(returned):
        return Result(bad=[Bad(record, "Lambda.DuplicatedRecordId", attempts) for record in records])
    result = Result(invoked=True)
    for record in records:
        item = by_id.get(record.record_id)
        status = item.get("result") if item is not None else None
        if item is None:
            result.bad.append(Bad(record, "Lambda.MissingRecordId", attempts))
        elif status == "Ok":
            _take(result, record, item, attempts)
        elif status == "Dropped":
            result.dropped += 1
        elif status == "ProcessingFailed":
            result.bad.append(Bad(record, "Lambda.ProcessingFailedStatus", attempts))
        else:
            result.bad.append(Bad(record, "Lambda.JsonProcessingException", attempts))
    return result


def _take(result: Result, record: Record, item: dict[str, Any], attempts: int) -> None:
    try:
        data = binascii.a2b_base64(item["data"], strict_mode=True)
        keys = (item.get("metadata") or {}).get("partitionKeys") or {}
        result.good.append((record, Good(record.arrival_ms, data, keys)))
    except (KeyError, TypeError, AttributeError, binascii.Error):
        result.bad.append(Bad(record, "Lambda.JsonProcessingException", attempts))


def plain(records: Sequence[Record]) -> Result:
    """Without a function the records go on as they came."""
    return Result(good=[(r, Good(r.arrival_ms, base64.b64decode(r.data), {})) for r in records], invoked=True)


def _refusal(error: ClientError) -> str:
    code = error.response["Error"]["Code"]
    return {
        "AccessDeniedException": "Lambda.InvokeAccessDenied",
        "AccessDenied": "Lambda.InvokeAccessDenied",
        "ResourceNotFoundException": "Lambda.ResourceNotFound",
        "TooManyRequestsException": "Lambda.InvokeLimitExceeded",
        "RequestTooLargeException": "Lambda.RequestTooLarge",
    }.get(code, "Lambda.FunctionError")


def error_document(bad: Bad, ended_ms: int, function_arn: str | None) -> bytes:
    """One line of an object under the error prefix, as AWS writes it."""
    document = {
        "attemptsMade": bad.attempts,
        "arrivalTimestamp": bad.record.arrival_ms,
        "errorCode": bad.code,
        "errorMessage": message(bad.code),
        "attemptEndingTimestamp": ended_ms,
        "rawData": bad.record.data,
    }
    if function_arn and bad.code.startswith("Lambda."):
        document["lambdaArn"] = function_arn
    return json.dumps(document).encode() + b"\n"
