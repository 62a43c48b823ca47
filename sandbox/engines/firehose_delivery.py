"""One running delivery stream: transform in batches, buffer per partition, deliver to S3 as its role."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox import clock, faults, logs, work
from sandbox.engines import firehose_prefix, firehose_transform, metrics
from sandbox.engines.firehose_settings import Settings
from sandbox.engines.firehose_transform import Bad, Good, Record

if TYPE_CHECKING:
    from sandbox.iam.identity import Credentials

ACTIVE_PARTITIONS = 500
_WORKERS = 2
_MOST_PENDING = 4

_ERROR_TYPES = {
    "DynamicPartitioning.MetadataExtractionFailed": "partitioning-failed",
    "DynamicPartitioning.ActivePartitionLimitExceeded": "activePartitionExceeded",
}
Key = tuple[str, tuple[str, ...]]  # error type ("" = good data), values of the partition keys


@dataclass
class Buffer:
    key: Key
    keys: dict[str, str]
    oldest_ms: int
    chunks: list[bytes] = field(default_factory=list)
    size: int = 0
    timer: clock.Timer | None = None

    def add(self, data: bytes, arrival_ms: int) -> None:
        self.chunks.append(data)
        self.size += len(data)
        self.oldest_ms = min(self.oldest_ms, arrival_ms)


class Roles:
    """The roles of one delivery stream, each assumed once for it."""

    def __init__(self, source_arn: str) -> None:
        self._source_arn = source_arn
        self._known: dict[str, Credentials] = {}

    def credentials(self, role_arn: str) -> Credentials:
        from sandbox.iam import identity

        if role_arn not in self._known:
            self._known[role_arn] = identity.service_credentials(
                role_arn, "firehose.amazonaws.com", session="firehose", source_arn=self._source_arn
            )
        return self._known[role_arn]

    def client(self, role_arn: str, service: str) -> Any:
        return self.credentials(role_arn).client(service)


class Delivery:
    """Thread-safe."""

    def __init__(self, settings: Settings, roles: Roles) -> None:
        self.settings = settings
        self.roles = roles
        self._lock = threading.Condition(threading.RLock())
        self._waiting: list[Record] = []
        self._waiting_bytes = 0
        self._waiting_timer: clock.Timer | None = None
        self._buffers: dict[Key, Buffer] = {}
        self._pending = 0
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix=f"firehose-{settings.name}")
        self._names = firehose_prefix.partition_keys(settings.prefix) if settings.dynamic else ()

    # ------------------------------------------------------------------ in

    def accept(self, records: Sequence[Record]) -> None:
        """Takes records over; blocks while too many batches are under way."""
        self._count(IncomingRecords=len(records), IncomingBytes=sum(len(r.data) for r in records) * 3 // 4)
        transform = self.settings.transform
        if transform is None:
            self._submit(list(records))
            return
        with self._lock:
            for record in records:
                self._waiting.append(record)
                self._waiting_bytes += len(record.data) * 3 // 4
                if self._waiting_bytes >= transform.buffer_bytes:
                    self._submit_waiting()
            if self._waiting and self._waiting_timer is None:
                self._waiting_timer = clock.call_after(
                    timedelta(seconds=transform.buffer_seconds),
                    self._submit_waiting,
                    name=f"firehose {self.settings.name} transform buffer",
                )

    def _submit_waiting(self) -> None:
        with self._lock:
            batch, self._waiting, self._waiting_bytes = self._waiting, [], 0
            if self._waiting_timer:
                self._waiting_timer.cancel()
                self._waiting_timer = None
        if batch:
            self._submit(batch)

    def _submit(self, batch: list[Record]) -> None:
        with self._lock:
            while self._pending >= _MOST_PENDING:
                self._lock.wait(1)
            self._pending += 1
        self._pool.submit(self._work, self._process, batch)

    def _work(self, step: Callable[..., None], *args: Any) -> None:
        name = f"firehose {self.settings.name}"
        try:
            with work.doing(name):
                step(*args)
        except Exception as error:
            work.fail(name, error)
        finally:
            with self._lock:
                self._pending -= 1
                self._lock.notify_all()

    # ------------------------------------------------------------------ transform and partition

    def _process(self, batch: list[Record]) -> None:
        settings = self.settings
        if settings.transform is None:
            result = firehose_transform.plain(batch)
        else:
            started = clock.now()
            result = firehose_transform.run(
                batch,
                settings.transform,
                self.roles.client(settings.transform.role_arn, "lambda"),
                stream_arn=settings.arn,
                source_arn=settings.source.stream_arn if settings.source else None,
            )
            seconds = (clock.now() - started).total_seconds()
            self._count(**{
                "ExecuteProcessing.Success": 1 if result.invoked else 0,
                "ExecuteProcessing.Duration": seconds * 1000,
                "SucceedProcessing.Records": len(result.good),
            })  # fmt: skip
        full = self._route(result.good, result.bad)
        self._log_errors(result.bad)
        for buffer in full:
            self._deliver(buffer)

    def _route(self, good: Sequence[tuple[Record, Good]], bad: list[Bad]) -> list[Buffer]:
        full = []
        with self._lock:
            for record, item in good:
                buffer = self._partition(record, item, bad)
                if buffer is None:
                    continue
                buffer.add(item.data + b"\n" if self.settings.append_newline else item.data, item.arrival_ms)
                if buffer.size >= self.settings.buffer_bytes:
                    full.append(self._take(buffer.key))
            ended = int(clock.now().timestamp() * 1000)
            function = self.settings.transform.function_arn if self.settings.transform else None
            for failed in bad:
                buffer = self._buffer(
                    (_ERROR_TYPES.get(failed.code, "processing-failed"), ()), {}, failed.record
                )
                buffer.add(
                    firehose_transform.error_document(failed, ended, function), failed.record.arrival_ms
                )
                if buffer.size >= self.settings.buffer_bytes:
                    full.append(self._take(buffer.key))
        return full

    def _partition(self, record: Record, item: Good, bad: list[Bad]) -> Buffer | None:
        values = tuple([str(item.keys.get(name, "")) for name in self._names])
        if "" in values:
            bad.append(Bad(record, "DynamicPartitioning.MetadataExtractionFailed", 1))
            return None
        found = self._buffers.get(("", values))
        if found is not None:
            return found
        if self._names and sum(1 for key in self._buffers if not key[0]) >= ACTIVE_PARTITIONS:
            bad.append(Bad(record, "DynamicPartitioning.ActivePartitionLimitExceeded", 1))
            self._count(PartitionCountExceeded=1)
            return None
        return self._buffer(("", values), dict(zip(self._names, values, strict=True)), record)

    def _buffer(self, key: Key, keys: dict[str, str], record: Record) -> Buffer:
        buffer = self._buffers.get(key)
        if buffer is None:
            buffer = self._buffers[key] = Buffer(key=key, keys=keys, oldest_ms=record.arrival_ms)
            self._arm(buffer)
        return buffer

    def _arm(self, buffer: Buffer) -> None:
        def due() -> None:
            work.start(f"firehose {self.settings.name} delivery", self._deliver_key, buffer.key)

        delay = timedelta(seconds=self.settings.buffer_seconds)
        buffer.timer = clock.call_after(delay, due, name=f"firehose {self.settings.name} buffer")

    def _take(self, key: Key) -> Buffer:
        buffer = self._buffers.pop(key)
        if buffer.timer:
            buffer.timer.cancel()
        return buffer

    # ------------------------------------------------------------------ out

    def _deliver_key(self, key: Key) -> None:
        with self._lock:
            if key not in self._buffers:
                return
            buffer = self._take(key)
        self._deliver(buffer)

    def _deliver(self, buffer: Buffer) -> None:
        settings = self.settings
        body = b"".join(buffer.chunks)
        name = self._object_key(buffer)
        if settings.compression == "GZIP":
            body = gzip.compress(body, 6, mtime=0)
        extra: dict[str, str] = {}
        if settings.kms_key:
            extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.kms_key}
        try:
            if fault := faults.due("firehose", settings.name):
                raise RuntimeError(fault.detail or "fault ordered in the sandbox")
            self.roles.client(settings.role_arn, "s3").put_object(
                Bucket=settings.bucket, Key=name, Body=body, **extra
            )
        except Exception as error:
            # AWS keeps the data and tries again for a day; so here, at the next interval or flush.
            self._put_back(buffer)
            self._count(**{"DeliveryToS3.Success": 0})
            self._log(f'{{"errorCode":"S3.Error","message":"{str(error)[:300]}"}}')
            work.fail(f"firehose {settings.name} delivery to {settings.bucket}", error)
            return
        age = clock.now().timestamp() - buffer.oldest_ms / 1000
        self._count(**{
            "DeliveryToS3.Success": 1,
            "DeliveryToS3.Records": len(buffer.chunks),
            "DeliveryToS3.Bytes": len(body),
            "DeliveryToS3.DataFreshness": max(0.0, age),
        })  # fmt: skip

    def _object_key(self, buffer: Buffer) -> str:
        settings = self.settings
        error_type = buffer.key[0]
        arrival = datetime.fromtimestamp(buffer.oldest_ms / 1000, UTC).astimezone(settings.zone)
        prefix = settings.error_prefix if error_type else settings.prefix
        folder = firehose_prefix.folder(prefix, arrival, keys=buffer.keys, error_type=error_type)
        written = clock.now().astimezone(settings.zone)
        return folder + firehose_prefix.object_name(
            settings.name, settings.version, written, settings.extension
        )

    def _put_back(self, buffer: Buffer) -> None:
        with self._lock:
            newer = self._buffers.get(buffer.key)
            if newer is not None:
                buffer.chunks += newer.chunks
                buffer.size += newer.size
                if newer.timer:
                    newer.timer.cancel()
            self._buffers[buffer.key] = buffer
            self._arm(buffer)

    # ------------------------------------------------------------------ control

    def busy(self) -> bool:
        return self._pending > 0

    def flush(self) -> None:
        """Transforms and delivers everything accepted so far; returns when it lies in S3."""
        self._submit_waiting()
        with self._lock:
            while self._pending:
                self._lock.wait(1)
            buffers = [self._take(key) for key in list(self._buffers)]
            self._pending += len(buffers)
        for buffer in buffers:
            self._pool.submit(self._work, self._deliver, buffer)
        with self._lock:
            while self._pending:
                self._lock.wait(1)

    def stop(self) -> None:
        """Drops what is buffered."""
        with self._lock:
            for key in list(self._buffers):
                self._take(key)
            if self._waiting_timer:
                self._waiting_timer.cancel()
            self._waiting.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def state(self) -> dict[str, Any]:
        with self._lock:
            return {
                "waiting_for_transform": len(self._waiting),
                "batches_under_way": self._pending,
                "buffers": len(self._buffers),
                "buffered_bytes": sum(buffer.size for buffer in self._buffers.values()),
            }

    def _log_errors(self, bad: Sequence[Bad]) -> None:
        for code in dict.fromkeys(item.code for item in bad):
            records = sum(1 for item in bad if item.code == code)
            text = firehose_transform.message(code)
            self._log(
                f'{{"deliveryStreamARN":"{self.settings.arn}","destination":"arn:aws:s3:::{self.settings.bucket}",'
                f'"deliveryStreamVersionId":{self.settings.version},"message":"{text}","errorCode":"{code}",'
                f'"records":{records}}}'
            )

    def _log(self, line: str) -> None:
        if self.settings.log:
            group, stream = self.settings.log
            credentials = self.roles.credentials(self.settings.role_arn)
            logs.write(group, stream, [line], credentials, makes_stream=False)

    def _count(self, **values: float) -> None:
        for name, value in values.items():
            metrics.put(
                namespace="AWS/Firehose",
                name=name,
                value=value,
                unit=_unit(name),
                dimensions={"DeliveryStreamName": self.settings.name},
            )


def _unit(name: str) -> str:
    if name.endswith("DataFreshness"):
        return "Seconds"
    if name.endswith("Duration"):
        return "Milliseconds"
    return "Bytes" if name.endswith("Bytes") else "Count"
