"""Content as the text that is in it: gzip, zip, tar, Parquet and base64 unpacked, one in the other."""

from __future__ import annotations

import binascii
import gzip
import io
import string
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"PAR1")  # how packed contents begin; a tar has its sign further in
_DEEPEST = 6
_SMALLEST_PARQUET = 12  # its sign twice, and the length of what it says of itself
_BASE64 = (string.ascii_letters + string.digits + "+/").encode()
_SIGN, _OTHER = b"A", b"."
_LONG = _SIGN * 24  # as many of base64's signs as a word seldom has
_SIGNS = b"".join(_SIGN if code in _BASE64 else _OTHER for code in range(256))


def texts(content: bytes, depth: int = 0) -> Iterator[bytes]:
    """The content itself, and that of everything packed in it."""
    if depth > _DEEPEST:
        raise ValueError(f"packed more than {_DEEPEST} times: nobody looks into that")
    inner = _inner(content)
    if inner is None:
        yield content
        for encoded in _encoded(content):
            if decoded := _decoded(encoded):
                yield from texts(decoded, depth + 1)
        return
    for part in inner:
        yield from texts(part, depth + 1)


def _encoded(content: bytes) -> Iterator[bytes]:
    """Runs of base64's signs that are long enough to be looked into, with the filling at their end."""
    if len(content) < len(_LONG):
        return
    # Told apart once: that a run begins is then found many bytes at a time.
    signs = content.translate(_SIGNS)
    end = 0
    while (begin := signs.find(_LONG, end)) >= 0:
        end = signs.find(_OTHER, begin)
        end = len(content) if end < 0 else end
        filling = content[end : end + 2]
        yield content[begin : end + len(filling) - len(filling.lstrip(b"="))]


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
        if types.is_nested(kind):
            raise ValueError(f"column {name} is nested: nobody looks into that")
        values = pc.unique(column).drop_null().to_pylist()
        if types.is_string(kind) or types.is_large_string(kind):
            yield "\n".join(values).encode()
        elif types.is_binary(kind):
            yield b"\n".join(values)
        elif types.is_integer(kind) or types.is_floating(kind):
            yield repr(values).encode()  # as str() of each, without a call of each
        else:
            yield "\n".join(map(str, values)).encode()


def _decoded(encoded: bytes) -> bytes | None:
    """Of base64 the text or the packed content that it stands for; None for numbers and names like it."""
    if len(encoded) % 4:
        return None
    try:
        content = binascii.a2b_base64(encoded, strict_mode=True)
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
