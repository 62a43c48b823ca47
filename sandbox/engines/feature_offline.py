"""The offline half of feature groups: Parquet by hour of the event, and the catalogue's table of it."""

from __future__ import annotations

import contextlib
import io
import secrets
import string
import threading
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sandbox import account, clock, control, work
from sandbox.engines import transfer
from sandbox.engines.backends import backend
from sandbox.engines.feature_records import Group, Written
from sandbox.iam import identity

SERVICE = "sagemaker.amazonaws.com"
_SECONDS_BETWEEN = 2.0  # real ones; AWS delivers within 15 minutes
_PARTITIONS = ("year", "month", "day", "hour")
_TYPES = {"String": "string", "Integral": "bigint", "Fractional": "double"}
_OWN = {"write_time": "timestamp", "api_invocation_time": "timestamp", "is_deleted": "boolean"}
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"

_lock = threading.Lock()
_waiting: dict[str, tuple[Group, list[Written]]] = {}
_ticker: threading.Thread | None = None


def place(group: Group) -> str:
    """ResolvedOutputS3Uri."""
    given = group.request["OfflineStoreConfig"]["S3StorageConfig"]["S3Uri"].rstrip("/")
    folder = f"{group.name}-{int(group.created.timestamp())}"
    return f"{given}/{account.ACCOUNT}/sagemaker/{account.REGION}/offline-store/{folder}/data"


def credentials(group: Group) -> Any:
    return identity.service_credentials(
        group.request["RoleArn"], SERVICE, session="SageMaker-FeatureStore", source_arn=group.arn
    )


def open_table(group: Group) -> None:
    """The table that Feature Store makes, where the request did not forbid it."""
    config = group.request["OfflineStoreConfig"]
    if config.get("DisableGlueTableCreation"):
        return
    catalog = config["DataCatalogConfig"]
    features = {name: _TYPES[kind] for name, kind in group.types.items()}
    backend("glue").create_table(
        catalog["Database"],
        catalog["TableName"],
        {
            "Name": catalog["TableName"],
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": name, "Type": "string"} for name in _PARTITIONS],
            "StorageDescriptor": _storage(features | _OWN, place(group)),
        },
    )


def _storage(columns: dict[str, str], location: str) -> dict[str, Any]:
    return {
        "Columns": [{"Name": name, "Type": kind} for name, kind in columns.items()],
        "Location": location,
        "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
        "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
        "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
    }


def add(group: Group, row: Written) -> None:
    """Kept until the next delivery."""
    with _lock:
        _waiting.setdefault(group.name, (group, []))[1].append(row)
    _tick()


def forget(group: Group) -> None:
    """A group that is deleted still delivers what it took; its files and its table stay."""
    flush(group.name)


def flush(name: str | None = None) -> int:
    """Writes what waits, of one group or of all; how many rows that were."""
    with _lock:
        names = [one for one in _waiting if name in (None, one)]
        taken = [_waiting.pop(one) for one in names]
    for group, rows in taken:
        try:
            _write(group, rows)
        except (transfer.TransferError, identity.Denied) as error:  # as on AWS: the online half goes on
            work.fail(f"offline store of {group.name}", error)
    return sum(len(rows) for _, rows in taken)


def _write(group: Group, rows: Iterable[Written]) -> None:
    hours: dict[tuple[str, ...], list[Written]] = defaultdict(list)
    for row in rows:
        hours[tuple(row.at.strftime("%Y %m %d %H").split())].append(row)
    storage = group.request["OfflineStoreConfig"]["S3StorageConfig"]
    s3 = credentials(group).client("s3")
    now = clock.now()
    for hour, part in hours.items():
        folder = "/".join(f"{name}={value}" for name, value in zip(_PARTITIONS, hour, strict=True))
        newest = max(row.at for row in part).strftime("%Y%m%dT%H%M%SZ")
        letters = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(16))
        uri = f"{place(group)}/{folder}/{newest}_{letters}.parquet"
        options = {"ACL": "bucket-owner-full-control", **transfer.encrypted_with(storage.get("KmsKeyId"))}
        transfer.upload(s3, uri, parquet(group, part, now), options)
        _publish(group, hour, uri.rpartition("/")[0])


def parquet(group: Group, rows: list[Written], written: datetime) -> bytes:
    """One file; the times are the account's, in milliseconds."""
    import pyarrow as pa
    import pyarrow.parquet

    kinds = {"String": pa.string(), "Integral": pa.int64(), "Fractional": pa.float64()}
    read = {"String": str, "Integral": int, "Fractional": float}
    columns: dict[str, Any] = {}
    for name, kind in group.types.items():
        found = [row.values.get(name) for row in rows]
        columns[name] = pa.array([None if one is None else read[kind](one) for one in found], kinds[kind])
    moment = pa.timestamp("ms", tz="UTC")
    columns["write_time"] = pa.array([written.astimezone(UTC)] * len(rows), moment)
    columns["api_invocation_time"] = pa.array([row.invoked.astimezone(UTC) for row in rows], moment)
    columns["is_deleted"] = pa.array([row.deleted for row in rows], pa.bool_())
    target = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), target)
    return target.getvalue()


def _publish(group: Group, hour: tuple[str, ...], location: str) -> None:
    from moto.glue.exceptions import PartitionAlreadyExistsException

    config = group.request["OfflineStoreConfig"]
    if config.get("DisableGlueTableCreation"):
        return
    catalog = config["DataCatalogConfig"]
    tables = backend("glue").get_database(catalog["Database"]).tables
    if catalog["TableName"] not in tables:
        return
    columns = {name: _TYPES[kind] for name, kind in group.types.items()} | _OWN
    partition = {"Values": list(hour), "StorageDescriptor": _storage(columns, location)}
    with contextlib.suppress(PartitionAlreadyExistsException):
        backend("glue").create_partition(catalog["Database"], catalog["TableName"], partition)


def _tick() -> None:
    global _ticker
    with _lock:
        if _ticker is None or not _ticker.is_alive():
            _ticker = threading.Thread(target=_flush_later, name="feature store", daemon=True)
            _ticker.start()


def _flush_later() -> None:
    while busy():
        threading.Event().wait(_SECONDS_BETWEEN)
        flush()


def busy() -> bool:
    with _lock:
        return bool(_waiting)


def _on_move(_old: datetime, _new: datetime) -> None:
    flush()


def install() -> None:
    control.route("flush-feature-store", lambda request: {"rows": flush(request.get("group"))})
    clock.on_move(_on_move)
    work.probe("feature store", busy)


def reset() -> None:
    with _lock:
        _waiting.clear()
