"""Objects to files and files to objects, as the services move them, with the credentials of a role."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

_THREADS = 4


class TransferError(RuntimeError):
    """Data cannot be read or written; the message names the place and the reason."""


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of s3://bucket/key."""
    if not uri.startswith("s3://"):
        raise TransferError(f"not an S3 address: got {uri!r}, allowed s3://bucket/key")
    bucket, _, key = uri[5:].partition("/")
    return bucket, key


def read_object(s3: Any, uri: str) -> bytes:
    bucket, key = split(uri)
    try:
        return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except ClientError as error:
        raise TransferError(f"cannot read {uri}: {_reason(error)}") from error


def download_object(s3: Any, uri: str, folder: Path) -> Path:
    """The object as a file of its own name in the folder."""
    target = folder / uri.rpartition("/")[2]
    folder.mkdir(parents=True, exist_ok=True)
    target.write_bytes(read_object(s3, uri))
    return target


def download_prefix(s3: Any, uri: str, folder: Path) -> int:
    """Every object below the prefix (or the one object that it names), paths kept; how many there were."""
    bucket, prefix = split(uri)
    pairs = [(f"s3://{bucket}/{key}", relative(key, prefix)) for key in keys(s3, uri)]
    return _download(s3, pairs, folder)


def download_manifest(s3: Any, uri: str, folder: Path) -> int:
    """Every object of a SageMaker manifest: [{"prefix": "s3://bucket/some/"}, "relative/key", ...]."""
    return _download(s3, manifest(s3, uri), folder)


def manifest(s3: Any, uri: str) -> list[tuple[str, str]]:
    """Address and relative name of every object that the manifest lists."""
    content = json.loads(read_object(s3, uri))
    if not content or not isinstance(content[0], dict) or "prefix" not in content[0]:
        raise TransferError(f'{uri} is not a manifest: its first element must be {{"prefix": "s3://..."}}')
    return [(content[0]["prefix"] + entry, entry) for entry in content[1:]]


def keys(s3: Any, uri: str) -> Iterator[str]:
    """Keys that begin with the prefix, in order; folder markers left out."""
    bucket, prefix = split(uri)
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                if not found["Key"].endswith("/"):
                    yield found["Key"]
    except ClientError as error:
        raise TransferError(f"cannot list {uri}: {_reason(error)}") from error


def upload_folder(s3: Any, folder: Path, uri: str, encryption: Mapping[str, str]) -> int:
    """Every file below the folder, paths kept; how many there were."""
    bucket, prefix = split(uri)
    start = f"{prefix.rstrip('/')}/" if prefix else ""
    files = sorted(path for path in folder.rglob("*") if path.is_file())

    def put(path: Path) -> None:
        upload(
            s3, f"s3://{bucket}/{start}{path.relative_to(folder).as_posix()}", path.read_bytes(), encryption
        )

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(put, files))
    return len(files)


def upload(s3: Any, uri: str, body: bytes, encryption: Mapping[str, str]) -> None:
    bucket, key = split(uri)
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=body, **encryption)
    except ClientError as error:
        raise TransferError(f"cannot write {uri}: {_reason(error)}") from error


def encrypted_with(key: str | None) -> dict[str, str]:
    """Parameters of an upload by SageMaker: with the given key, else with the account's own for S3."""
    return {"ServerSideEncryption": "aws:kms"} | ({"SSEKMSKeyId": key} if key else {})


def _download(s3: Any, pairs: list[tuple[str, str]], folder: Path) -> int:
    root = folder.resolve()

    def get(pair: tuple[str, str]) -> None:
        uri, name = pair
        target = (root / name).resolve()
        if not target.is_relative_to(root):
            raise TransferError(f"{uri} would leave the folder of its input: {name!r}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(read_object(s3, uri))

    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(get, pairs))
    return len(pairs)


def relative(key: str, prefix: str) -> str:
    """What follows the prefix, if that is a folder; else what follows the folder that the prefix lies in."""
    if key.startswith(prefix if prefix.endswith("/") or not prefix else f"{prefix}/"):
        return key[len(prefix) :].lstrip("/")
    return key[len(prefix.rpartition("/")[0]) :].lstrip("/")


def _reason(error: ClientError) -> str:
    detail = error.response["Error"]
    return f"{detail.get('Code')}: {detail.get('Message')}"
