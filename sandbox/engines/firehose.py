"""Firehose: every delivery stream that exists runs; puts and Kinesis sources end up in S3 as on AWS."""

from __future__ import annotations

import base64
import itertools
import threading
from typing import Any

from sandbox import clock, control, work
from sandbox.engines import firehose_settings, moto_speed
from sandbox.engines.backends import backend
from sandbox.engines.firehose_delivery import Delivery, Roles
from sandbox.engines.firehose_source import Reader
from sandbox.engines.firehose_transform import Record

_MAX_RECORDS = 500
_MAX_BATCH_BYTES = 4 * 1024 * 1024
_MAX_RECORD_BYTES = 1000 * 1024

_lock = threading.RLock()
_running: dict[str, tuple[Delivery, Reader | None]] = {}
_record_numbers = itertools.count(1)


def _start(name: str) -> None:
    """Raises UnsupportedStreamError or identity.TrustDenied before anything runs."""
    settings = firehose_settings.read(backend("firehose").delivery_streams[name])
    roles = Roles(settings.arn)
    for user in (settings, settings.transform, settings.source):
        if user is not None:
            roles.credentials(user.role_arn)
    delivery = Delivery(settings, roles)
    reader = Reader(settings.source, delivery) if settings.source else None
    with _lock:
        _running[name] = (delivery, reader)
    if reader:
        reader.start()


def _stop(name: str) -> None:
    with _lock:
        entry = _running.pop(name, None)
    if entry:
        delivery, reader = entry
        if reader:
            reader.stop()
        delivery.stop()


def flush(name: str | None = None) -> dict[str, Any]:
    """Reads what the sources hold, transforms and delivers it, whatever the buffers' limits."""
    with _lock:
        entries = {key: entry for key, entry in _running.items() if name in (None, key)}
    if name is not None and not entries:
        raise control.ControlError(f"no delivery stream {name!r}; there are: {', '.join(_running) or 'none'}")
    for delivery, reader in entries.values():
        if reader:
            reader.notify()
            _drain(reader)
        delivery.flush()
    return {key: delivery.state() for key, (delivery, _) in entries.items()}


def _drain(reader: Reader) -> None:
    waiting = threading.Event()
    while reader.busy():
        waiting.wait(0.02)


def put(name: str, records: list[dict[str, Any]]) -> dict[str, Any]:
    """PutRecordBatch; data arrive base64 from the API parser, raw from other services of moto."""
    from moto.firehose.exceptions import InvalidArgumentException, ResourceNotFoundException

    if name not in backend("firehose").delivery_streams:
        raise ResourceNotFoundException(
            f"Firehose {name} under account {backend('firehose').account_id} not found."
        )
    delivery, reader = _running[name]
    if reader is not None:
        raise InvalidArgumentException(
            "This operation is not permitted on KinesisStreamAsSource delivery stream type."
        )
    if len(records) > _MAX_RECORDS:
        raise InvalidArgumentException(f"{len(records)} records in one batch, allowed at most {_MAX_RECORDS}")
    shaped = [_base64(record["Data"]) for record in records]
    sizes = [len(data) * 3 // 4 for data in shaped]
    if sum(sizes) > _MAX_BATCH_BYTES or max(sizes, default=0) > _MAX_RECORD_BYTES:
        raise InvalidArgumentException(
            f"batch of {sum(sizes)} bytes with a record of {max(sizes)}: allowed {_MAX_BATCH_BYTES} a batch "
            f"and {_MAX_RECORD_BYTES} a record"
        )
    now = int(clock.now().timestamp() * 1000)
    taken = [Record(f"{next(_record_numbers):056d}000000", now, data) for data in shaped]
    delivery.accept(taken)
    responses = [{"RecordId": record.record_id} for record in taken]
    return {"FailedPutCount": 0, "Encrypted": False, "RequestResponses": responses}


def _base64(data: Any) -> str:
    if isinstance(data, bytes):
        return base64.b64encode(data).decode()
    return str(data)


def _refuse(name: str, error: Exception) -> None:
    from moto.firehose.exceptions import InvalidArgumentException

    backend("firehose").delivery_streams.pop(name, None)
    raise InvalidArgumentException(f"delivery stream {name}: {error}") from error


def _put_record_batch(_: Any, delivery_stream_name: str, records: Any) -> dict[str, Any]:
    return put(delivery_stream_name, records)


def _put_s3_records(
    _: Any, delivery_stream_name: str, *args: Any, records: Any = None
) -> list[dict[str, str]]:
    """moto's way in for log subscription filters."""
    given = records if records is not None else args[-1]
    answer: list[dict[str, str]] = put(delivery_stream_name, given)["RequestResponses"]
    return answer


def install() -> None:
    from moto.firehose.models import FirehoseBackend

    from sandbox.iam import identity

    original_create = FirehoseBackend.create_delivery_stream
    original_update = FirehoseBackend.update_destination
    original_delete = FirehoseBackend.delete_delivery_stream

    def create_delivery_stream(self: Any, *args: Any, **kwargs: Any) -> str:
        arn: str = original_create(self, *args, **kwargs)
        name = arn.split("/")[-1]
        try:
            _start(name)
        except (firehose_settings.UnsupportedStreamError, identity.TrustDenied) as error:
            _refuse(name, error)
        return arn

    def update_destination(self: Any, delivery_stream_name: str, *args: Any, **kwargs: Any) -> None:
        original_update(self, delivery_stream_name, *args, **kwargs)
        if delivery_stream_name in _running:
            delivery, reader = _running[delivery_stream_name]
            delivery.flush()  # what is buffered goes where it was meant to go
            delivery.settings = firehose_settings.read(self.delivery_streams[delivery_stream_name])
            if reader:
                reader.notify()

    def delete_delivery_stream(self: Any, delivery_stream_name: str) -> None:
        original_delete(self, delivery_stream_name)
        _stop(delivery_stream_name)

    FirehoseBackend.create_delivery_stream = create_delivery_stream
    FirehoseBackend.update_destination = update_destination
    FirehoseBackend.delete_delivery_stream = delete_delivery_stream
    FirehoseBackend.put_record_batch = _put_record_batch
    FirehoseBackend.put_s3_records = _put_s3_records
    moto_speed.install(_notify)
    control.route("flush", lambda request: flush(request.get("name")))
    control.route("firehose", lambda _: {name: entry[0].state() for name, entry in _running.items()})
    work.probe("firehose", _busy)


def _notify(stream_name: str) -> None:
    for _, reader in list(_running.values()):
        if reader and reader.stream_arn.endswith(f":stream/{stream_name}"):
            reader.notify()


def _busy() -> bool:
    entries = list(_running.values())
    return any(delivery.busy() or (reader is not None and reader.busy()) for delivery, reader in entries)


def reset() -> None:
    for name in list(_running):
        _stop(name)


def self_test() -> None:
    from sandbox.selftest import check

    models = "moto.firehose.models:FirehoseBackend"
    check(f"{models}.create_delivery_stream")
    check(f"{models}.update_destination")
    check(f"{models}.delete_delivery_stream", "self", "delivery_stream_name")
    check(f"{models}.put_record_batch", "self", "delivery_stream_name", "records")
    check(
        f"{models}.put_s3_records", "self", "delivery_stream_name", "version_id", "s3_destination", "records"
    )
    moto_speed.self_test()
