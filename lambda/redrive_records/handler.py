"""Called by a person with {"prefix": "quarantine/<table>/"} or "errors/": a second try at the door.

An object moves to redriven/ only when the stream took all of its records; a crash before that repeats
records, and the primary key removes the copies.
"""

import gzip
import json
import os
from collections import Counter
from functools import cache
from typing import Any

from redrive_records.records import lines, stream_record
from redrive_records.stream import put_all

PREFIXES = ("quarantine/", "errors/")
KEPT = "-kept.ndjson.gz"  # what no re-drive can help
ENOUGH_MILLISECONDS = 60_000


class PrefixError(ValueError):
    """A prefix outside of what may be re-driven."""


@cache
def client(service: str) -> Any:
    import boto3  # noqa: PLC0415  # see shared/environment.py

    return boto3.client(service)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    prefix = str(event.get("prefix", ""))
    if not prefix.startswith(PREFIXES):
        raise PrefixError(f"prefix: got {prefix!r}, allowed: what starts with {' or '.join(PREFIXES)}")
    counts: Counter[str] = Counter()
    for key in _keys(prefix):
        if key.endswith(KEPT) or "/files/" in key:
            counts["left"] += 1  # upload the file again: nothing of it was stored
        elif context.get_remaining_time_in_millis() < ENOUGH_MILLISECONDS:
            counts["more"] = 1
            break
        else:
            counts.update(_redrive(key))
    result = {name: counts[name] for name in ("objects", "records", "kept", "refused", "left", "more")}
    print(json.dumps({"prefix": prefix} | result))
    return result


def _keys(prefix: str) -> Any:
    pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=_bucket(), Prefix=prefix)
    return (entry["Key"] for page in pages for entry in page.get("Contents", []))


def _redrive(key: str) -> dict[str, int]:
    content = client("s3").get_object(Bucket=_bucket(), Key=key)["Body"].read()
    records, kept = [], []
    for line in lines(content):
        record = stream_record(line)
        kept.append(line) if record is None else records.append(record)
    refused = put_all(client("kinesis"), os.environ["STREAM_NAME"], records)
    counts = {"records": len(records) - refused, "kept": len(kept), "refused": refused}
    if refused:
        return counts
    if kept:
        left = gzip.compress(b"\n".join(kept) + b"\n", mtime=0)
        client("s3").put_object(Bucket=_bucket(), Key=key.removesuffix(".ndjson.gz") + KEPT, Body=left)
    source = {"Bucket": _bucket(), "Key": key}
    client("s3").copy_object(Bucket=_bucket(), Key=f"redriven/{key}", CopySource=source)
    client("s3").delete_object(Bucket=_bucket(), Key=key)
    return counts | {"objects": 1}


def _bucket() -> str:
    return os.environ["RAW_BUCKET"]
