"""Small files and folder lists by URI: s3:// in the lake, file:// on a laptop. Spark itself reads tables."""

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@cache
def _s3() -> Any:
    import boto3  # noqa: PLC0415  # only where there is a bucket

    return boto3.client("s3")


def _place(uri: str) -> tuple[str, str]:
    """Bucket and key; the bucket of a local file is empty."""
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        return parts.netloc, parts.path.lstrip("/")
    if parts.scheme == "file":
        return "", parts.path
    raise ValueError(f"cannot read {uri!r}, allowed: s3://bucket/key or file:///path")


def read_json(uri: str) -> Any:
    bucket, key = _place(uri)
    if not bucket:
        return json.loads(Path(key).read_text(encoding="utf-8"))
    return json.loads(_s3().get_object(Bucket=bucket, Key=key)["Body"].read())


def write_json(uri: str, content: Any) -> None:
    text = json.dumps(content, indent=1, sort_keys=True)
    bucket, key = _place(uri)
    if bucket:
        _s3().put_object(Bucket=bucket, Key=key, Body=text.encode())
    else:
        Path(key).parent.mkdir(parents=True, exist_ok=True)
        Path(key).write_text(text, encoding="utf-8")


def folders(uri: str) -> list[str]:
    """The names of the folders directly below `uri`, which ends with a slash."""
    bucket, key = _place(uri)
    if not bucket:
        return sorted(path.name for path in Path(key).glob("*") if path.is_dir())
    pages = _s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key, Delimiter="/")
    prefixes = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
    return sorted(prefix.removeprefix(key).rstrip("/") for prefix in prefixes)


def has_objects(uri: str) -> bool:
    """Whether anything lies below the folder `uri`."""
    bucket, key = _place(uri.rstrip("/") + "/")
    if not bucket:
        return any(Path(key).glob("*"))
    return bool(_s3().list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)["KeyCount"])
