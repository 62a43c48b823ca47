"""EventBridge calls this when an object was created in the landing bucket.

All rows of the file are judged before the first is stored, and nothing stored is overwritten: the same event
again, or a run that died half-way, changes nothing.
"""

import hashlib
import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from shared.environment import door
from shared.rules import Table

from ingest_file.intake import Intake
from ingest_file.source import FileRefusedError, rows
from ingest_file.spool import Spool

LANDING = "landing/<table>/<file>, of a dimension also landing/<table>/epoch=<epoch>/<file>"
EPOCH = "epoch="


@cache
def s3() -> Any:
    import boto3  # noqa: PLC0415  # see shared/environment.py

    return boto3.client("s3")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    bucket, landed = event["detail"]["bucket"]["name"], event["detail"]["object"]
    key, etag = landed["key"], landed["etag"]
    try:
        found = s3().get_object(Bucket=bucket, Key=key, IfMatch=etag)
    except s3().exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in {"PreconditionFailed", "412", "NoSuchKey"}:
            raise
        # Replaced or removed since: a replacement has an event of its own.
        return _told({"status": "superseded", "source": f"s3://{bucket}/{key}", "etag": etag})
    source = {"source": f"s3://{bucket}/{key}", "etag": etag, "version_id": found.get("VersionId")}
    at = found["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z")
    name = _name(key, etag)
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(Path(directory))
        table_name, intake = "unknown", None
        try:
            table, epoch = _table(key)
            table_name = table.name
            if table.event_time is None:
                epoch = epoch or table.delivery_epoch(at)
                name = _name(key, etag, epoch)  # the same file in another epoch has other tokens
            intake = Intake(table, spool, source=source["source"], at=at, epoch=epoch)
            intake.take(rows(key, found["Body"], table))
        except FileRefusedError as refused:
            return _told(_refuse(refused, table_name, name, intake, source | {"ingested_at": at}))
        written = sum(
            _store(f"{folder}/{name}.ndjson.gz", path.read_bytes()) for folder, path in spool.files()
        )
    counts = {count: intake.counts[count] for count in ("rows", "accepted", "refused")}
    status = "ingested" if counts["rows"] else "empty"
    return _told({"status": status, "table": table_name} | source | counts | {"written": written})


def _name(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _table(key: str) -> tuple[Table, str | None]:
    """The table of the file, and the epoch that its folder names."""
    place, _, file = key.rpartition("/")
    parts = [*place.split("/"), ""]
    epoch = parts[2].removeprefix(EPOCH) if parts[2].startswith(EPOCH) else None
    if parts[0] != "landing" or not file or len(parts) != (3 if epoch is None else 4):
        raise FileRefusedError("unknown place", key[:200], LANDING)
    if parts[1] not in door():
        raise FileRefusedError("unknown table", parts[1][:80], ", ".join(sorted(door())))
    table = door()[parts[1]]
    if epoch is not None and table.event_time is not None:
        raise FileRefusedError("an epoch for a table with an event time", key[:200], LANDING)
    return table, epoch


def _refuse(
    refused: FileRefusedError, table: str, name: str, intake: Intake | None, source: dict[str, Any]
) -> dict[str, Any]:
    """The file stays where it landed; quarantine says which and why. A copy here would be in the clear."""
    reason = {"reason": refused.reason, "got": refused.got, "allowed": refused.allowed, "table": table}
    examples = {"examples": intake.examples if intake else []}
    _store(f"quarantine/{table}/files/{name}.json", json.dumps(reason | source | examples, indent=1).encode())
    return {"status": "quarantined"} | reason | source


def _store(key: str, content: bytes) -> bool:
    """False when the object is there already: it was made from the same file."""
    try:
        s3().put_object(Bucket=os.environ["RAW_BUCKET"], Key=key, Body=content, IfNoneMatch="*")
    except s3().exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in {"PreconditionFailed", "412"}:
            raise
        return False
    return True


def _told(result: dict[str, Any]) -> dict[str, Any]:
    print(json.dumps(result))
    return result
