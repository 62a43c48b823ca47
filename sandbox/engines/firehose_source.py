"""Reads a Kinesis stream for a delivery stream, as its role, through the API, from the oldest record on."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any

from sandbox import account, regions, work
from sandbox.engines import metrics
from sandbox.engines.firehose_delivery import Delivery
from sandbox.engines.firehose_settings import Source
from sandbox.engines.firehose_transform import Record

_PAGE = 10_000


class SourceError(RuntimeError):
    """The stream cannot be read; the message is the service's answer."""


class Reader:
    """One thread for all shards; its place in each shard is kept for as long as it lives."""

    def __init__(self, source: Source, delivery: Delivery) -> None:
        self.stream_arn = source.stream_arn
        self._role = source.role_arn
        self._delivery = delivery
        self._iterators: dict[str, str] = {}
        self._wake = threading.Event()
        self._stopped = False
        self._puts = 1  # puts announced; the first round finds what was there before
        self._seen = 0  # puts announced before the last round that found nothing more
        self._stalled = False

    def start(self) -> None:
        work.start(f"firehose {self._delivery.settings.name} source", self._run)

    def notify(self) -> None:
        self._puts += 1
        self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def busy(self) -> bool:
        return self._seen != self._puts and not self._stalled and not self._stopped

    def _run(self) -> None:
        while not self._stopped:
            try:
                more = self._round()
                self._stalled = False
            except Exception as error:
                if self._stopped:
                    return
                if not self._stalled:  # one entry per series of refusals
                    work.fail(f"firehose {self._delivery.settings.name} source {self.stream_arn}", error)
                self._stalled = True
                more = False
            if not more:
                with work.waiting("records"):
                    self._wake.wait(1 if self._stalled else 30)
                self._wake.clear()

    def _round(self) -> bool:
        if not self._iterators:
            self._open()
        announced = self._puts
        more = False
        for shard, iterator in list(self._iterators.items()):
            page = self._call("GetRecords", ShardIterator=iterator, Limit=_PAGE, StreamARN=self.stream_arn)
            self._iterators[shard] = page["NextShardIterator"]
            if page["Records"]:
                more = True
                self._take(shard, page["Records"])
        if not more:
            self._seen = announced
        return more

    def _open(self) -> None:
        self._call("DescribeStream", StreamARN=self.stream_arn)
        shards = self._call("ListShards", StreamARN=self.stream_arn)["Shards"]
        for shard in shards:
            answer = self._call(
                "GetShardIterator",
                StreamName=self.stream_arn.split("/")[-1],
                StreamARN=self.stream_arn,
                ShardId=shard["ShardId"],
                ShardIteratorType="TRIM_HORIZON",
            )
            self._iterators[shard["ShardId"]] = answer["ShardIterator"]

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """A request like an SDK's, without one: boto3 spends 25 us on each record of an answer."""
        credentials = self._delivery.roles.credentials(self._role)
        scope = f"{credentials.access_key}/20000101/{regions.current()}/kinesis/aws4_request"
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"Kinesis_20131202.{operation}",
            "X-Amz-Security-Token": credentials.token,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none",
        }
        connection = http.client.HTTPConnection("localhost", account.port(), timeout=60)
        try:
            connection.request("POST", "/", body=json.dumps(parameters), headers=headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise SourceError(f"{operation} on {self.stream_arn} as {self._role}: {body.decode()[:500]}")
        answer: dict[str, Any] = json.loads(body)
        return answer

    def _take(self, shard: str, records: list[dict[str, Any]]) -> None:
        # moto numbers each shard from one; ids have to be unique in the stream.
        number = int(shard.rsplit("-", 1)[1])
        taken = [
            Record(
                f"{number:06d}{int(record['SequenceNumber']):050d}000000",
                int(record["ApproximateArrivalTimestamp"] * 1000),
                record["Data"],
                (shard, record["PartitionKey"], f"{int(record['SequenceNumber']):056d}"),
            )
            for record in records
        ]
        size = sum(len(record["Data"]) for record in records) * 3 // 4
        for name, value in (("Records", len(records)), ("Bytes", size)):
            metrics.put(
                namespace="AWS/Firehose",
                name=f"DataReadFromKinesisStream.{name}",
                value=value,
                unit="Bytes" if name == "Bytes" else "Count",
                dimensions={"DeliveryStreamName": self._delivery.settings.name},
            )
        self._delivery.accept(taken)
