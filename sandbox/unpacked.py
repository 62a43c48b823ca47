"""Content as the text that is in it: gzip, zip, tar, Parquet and base64 unpacked, one in the other."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"PAR1")  # how packed contents begin; a tar has its sign further in
_DEEPEST = 6
_SMALLEST_PARQUET = 12  # its sign twice, and the length of what it says of itself
_ENCODED = re.compile(rb"[A-Za-z0-9+/]{24,}={0,2}")


def texts(content: bytes, depth: int = 0) -> Iterator[bytes]:
    """The content itself, and that of everything packed in it."""
    if depth > _DEEPEST:
        raise ValueError(f"packed more than {_DEEPEST} times: nobody looks into that")
    inner = _inner(content)
    if inner is None:
        yield content
        for encoded in _ENCODED.findall(content):
            if decoded := _decoded(encoded):
                yield from texts(decoded, depth + 1)
        return
    for part in inner:
        yield from texts(part, depth + 1)


def _inner(content: bytes) -> Iterator[bytes] | None:
    """The parts of a packed content; None when it is not packed."""
    if content[:2] == b"\x1f\x8b":
        try:
            return iter([gzip.decompress(content)])
        except (OSError, EOFError, zlib.error):
            return None  # begins like gzip, and is searched as it is
    if content[:4] == b"PK\x03\x04" and zipfile.is_zipfile(io.BytesIO(content)):
        return _zipped(content)
    if content[:4] == content[-4:] == b"PAR1" and len(content) > _SMALLEST_PARQUET:
        return _columns(content)
    if content[257:262] == b"ustar":
        return _archived(content)
    return None


def _zipped(content: bytes) -> Iterator[bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            yield name.encode()
            yield archive.read(name)


def _archived(content: bytes) -> Iterator[bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            yield member.name.encode()
            file = archive.extractfile(member)
            if file is not None:
                yield file.read()


def _columns(content: bytes) -> Iterator[bytes]:
    """Names and different values of the columns, numbers and times as text."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from pyarrow import types

    table = pq.read_table(io.BytesIO(content))
    yield "\n".join([*table.column_names, str(table.schema.metadata)]).encode()
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type.value_type if types.is_dictionary(column.type) else column.type
        if types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind):
            values = (value for value in pc.unique(column).to_pylist() if value is not None)
            yield b"\n".join(v if isinstance(v, bytes) else v.encode() for v in values)
        elif not types.is_nested(kind):
            yield "\n".join(str(v) for v in pc.unique(column).to_pylist() if v is not None).encode()
        else:
            raise ValueError(f"column {name} is nested: nobody looks into that")


def _decoded(encoded: bytes) -> bytes | None:
    """Of base64 the text or the packed content that it stands for; None for numbers and names like it."""
    if len(encoded) % 4:
        return None
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    if content[:2] == b"\x1f\x8b":
        return content
    return content if content.isascii() and content.decode().replace("\n", " ").isprintable() else None


def extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Files and folders only, none of them outside of `folder`; Python has a filter for it from 3.11.4 on."""
    for member in archive.getmembers():
        path = PurePosixPath(member.name)
        if not (member.isfile() or member.isdir()) or path.is_absolute() or ".." in path.parts:
            raise tarfile.ReadError(f"{member.name} is no file or folder below the place it is unpacked to")
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
    else:
        archive.extractall(folder)  # noqa: S202  looked at above
