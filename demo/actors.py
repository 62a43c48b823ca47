"""The people and programs around the system, each under its own synthesised role, by public AWS APIs only."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import boto3
from botocore.config import Config

RECORDS_PER_CALL = 500  # PutRecords takes no more
ROWS_PER_REQUEST = 500
REQUESTS = 120  # of a month, at least: what is compared between two variants is requests


class ActorError(Exception):
    """A call of the story did not do what the story needs; the text names the call and the answer."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where the account is and how to enter it: endpoint, Region and the person's own credentials."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str

    def client(self, service: str, role_arn: str | None = None) -> Any:
        keys = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        if role_arn:
            session = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="demo")["Credentials"]
            keys = {
                "aws_access_key_id": session["AccessKeyId"],
                "aws_secret_access_key": session["SecretAccessKey"],
                "aws_session_token": session["SessionToken"],
            }
        settings = Config(
            retries={"max_attempts": 2},
            read_timeout=120,
            s3={"addressing_style": "path"},
            inject_host_prefix=False,
        )
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=self.region, config=settings, **keys
        )


def batches(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch


class Producer:
    """Puts records on the stream; what Kinesis did not take is put again."""

    def __init__(self, site: Site, role_arn: str, stream: str, primary_keys: dict[str, list[str]]) -> None:
        self._kinesis = site.client("kinesis", role_arn)
        self._stream = stream
        self.keys = primary_keys

    def send(
        self, table: str, rows: Iterable[dict[str, Any]], on_sent: Callable[[int], None] = lambda _: None
    ) -> int:
        """Two calls are under way at a time: one is encoded here while the account works on the other."""
        sent = 0
        with ThreadPoolExecutor(2) as pool:
            for counts in batches(batches(rows, RECORDS_PER_CALL), 2):
                for count in pool.map(lambda batch: self._put(table, batch), counts):
                    sent += count
                    on_sent(count)
        return sent

    def send_raw(self, payloads: Sequence[bytes]) -> int:
        """Bytes as they are: what a broken producer would send."""
        return self._put_entries([{"Data": data, "PartitionKey": str(i)} for i, data in enumerate(payloads)])

    def _put(self, table: str, rows: list[dict[str, Any]]) -> int:
        key = self.keys[table]
        return self._put_entries(
            [
                {
                    "Data": json.dumps({"table": table, "record": row}, separators=(",", ":")).encode(),
                    "PartitionKey": "|".join(str(row.get(name)) for name in key)[:256],
                }
                for row in rows
            ]
        )

    def _put_entries(self, entries: list[dict[str, Any]]) -> int:
        total, attempt = len(entries), 0
        while entries:
            answer = self._kinesis.put_records(StreamName=self._stream, Records=entries)
            entries = [
                entry
                for entry, result in zip(entries, answer["Records"], strict=True)
                if result.get("ErrorCode")
            ]
            attempt += 1
            if entries and attempt == 10:
                raise ActorError(
                    f"{len(entries)} of {total} records were not taken by {self._stream} in 10 attempts"
                )
            if entries:
                time.sleep(min(0.1 * 2**attempt, 3))
        return total


class Uploader:
    """Drops files into the landing prefix."""

    def __init__(self, site: Site, role_arn: str, bucket: str) -> None:
        self._s3 = site.client("s3", role_arn)
        self._bucket = bucket

    def upload_csv(self, table: str, name: str, rows: Sequence[dict[str, Any]]) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return self.upload(
            table, f"{name}.csv.gz", gzip.compress(text.getvalue().encode(), compresslevel=5, mtime=0)
        )

    def upload(self, table: str, name: str, body: bytes) -> str:
        key = f"landing/{table}/{name}"
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)
        return key


@dataclass(frozen=True)
class Answer:
    """probabilities: of all classes in the contract's order, by name; None for a number."""

    key: str
    score: float
    variant: str
    probabilities: Mapping[str, float] | None = None

    @property
    def values(self) -> tuple[float, ...]:
        """All that was answered, in order."""
        return tuple(self.probabilities.values()) if self.probabilities else (self.score,)

    @classmethod
    def read(cls, line: Mapping[str, Any], variant: str = "") -> Answer:
        return cls(line["key"], float(line["score"]), variant, line.get("probabilities"))


class Client:
    """Asks the endpoint for predictions with signed requests, as an application would."""

    def __init__(self, site: Site, role_arn: str, endpoint: str) -> None:
        self._runtime = site.client("sagemaker-runtime", role_arn)
        self._endpoint = endpoint

    def predict(self, rows: Iterable[dict[str, Any]], *, on_answer: Callable[[int], None]) -> list[Answer]:
        """Rows are asked for in random order: a request goes to one variant as a whole, and in their own
        order a variant would get whole days, good ones or bad ones.
        """
        answers: list[Answer] = []
        given = sorted(rows, key=lambda row: hashlib.sha256(str(row["key"]).encode()).digest())
        size = max(1, min(ROWS_PER_REQUEST, len(given) // REQUESTS))
        for number, batch in enumerate(batches(given, size)):
            body = "\n".join(json.dumps(row, separators=(",", ":")) for row in batch)
            got = self.ask(body.encode(), "application/jsonlines", inference_id=f"request-{number}")
            lines = [json.loads(line) for line in got[0].splitlines() if line]
            if len(lines) != len(batch):
                raise ActorError(f"the endpoint answered {len(lines)} lines to {len(batch)} rows")
            answers += [Answer.read(line, got[1]) for line in lines]
            on_answer(len(batch))
        return answers

    def ask(self, body: bytes, content_type: str, inference_id: str | None = None) -> tuple[str, str]:
        """-> (answer, the variant that gave it)."""
        extra = {"InferenceId": inference_id} if inference_id else {}
        got = self._runtime.invoke_endpoint(
            EndpointName=self._endpoint,
            Body=body,
            ContentType=content_type,
            Accept="application/jsonlines",
            **extra,
        )
        return got["Body"].read().decode(), got["InvokedProductionVariant"]
