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

LANDING = "landing/<table>/<file>"


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
    name = hashlib.sha256(f"{key}\0{etag}".encode()).hexdigest()[:20]
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool(Path(directory))
        table_name, intake = "unknown", None
        try:
            table = _table(key)
            table_name = table.name
            intake = Intake(table, spool, source=source["source"], at=at)
            intake.take(rows(key, found["Body"], table))
        except FileRefusedError as refused:
            return _told(_refuse(refused, table_name, name, intake, source | {"ingested_at": at}))
        written = sum(
            _store(f"{folder}/{name}.ndjson.gz", path.read_bytes()) for folder, path in spool.files()
        )
    counts = {count: intake.counts[count] for count in ("rows", "accepted", "refused")}
    status = "ingested" if counts["rows"] else "empty"
    return _told({"status": status, "table": table_name} | source | counts | {"written": written})


def _table(key: str) -> Table:
    parts = key.split("/")
    if len(parts) != 3 or parts[0] != "landing" or not parts[2]:
        raise FileRefusedError("unknown place", key[:200], LANDING)
    if parts[1] not in door():
        raise FileRefusedError("unknown table", parts[1][:80], ", ".join(sorted(door())))
    return door()[parts[1]]


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
