"""Rows of a landed file: CSV or NDJSON, plain or gzip, read in chunks so that memory stays small."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from shared.rules import Table
from shared.strict import NotJsonError, json_value

FORMATS = (".csv", ".ndjson", ".csv.gz", ".ndjson.gz")
LONGEST_LINE = 1_000_000
LARGEST_FILE = 2 * 1024**3  # unpacked; more than one function can read in its time


class FileRefusedError(ValueError):
    """A file of which no row may enter."""

    def __init__(self, reason: str, got: str, allowed: str) -> None:
        self.reason, self.got, self.allowed = reason, got, allowed
        super().__init__(f"{reason}: got {got}, allowed: {allowed}")


class Row(NamedTuple):
    """`record` is None when the line could not be taken apart; `problem` then says why."""

    line: int
    record: dict[str, Any] | None
    problem: str = ""


def rows(name: str, body: BinaryIO, table: Table) -> Iterator[Row]:
    """The rows of the file `name`; raises FileRefusedError as soon as it is sure."""
    if not name.endswith(FORMATS):
        raise FileRefusedError("unknown format", name[-80:], ", ".join(FORMATS))
    unpacked: Any = gzip.GzipFile(fileobj=body) if name.endswith(".gz") else body
    text = io.TextIOWrapper(_Limited(unpacked), encoding="utf-8-sig", newline="")
    read = _csv_rows if ".csv" in name[-7:] else _ndjson_rows
    try:
        yield from read(text, table)
    except UnicodeDecodeError as error:
        raise FileRefusedError("unreadable", f"a byte that is not UTF-8 ({error.reason})", "UTF-8") from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise FileRefusedError("unreadable", str(error)[:200], "a complete gzip file") from error
    except csv.Error as error:
        raise FileRefusedError("unreadable", str(error)[:200], "CSV as in RFC 4180") from error


class _Limited(io.BufferedIOBase):
    """Counts what was unpacked: a small gzip file can hold any number of bytes."""

    def __init__(self, body: Any) -> None:
        self._body, self._left = body, LARGEST_FILE

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        content: bytes = self._body.read(1 << 20 if size is None or size < 0 else size)
        self._left -= len(content)
        if self._left < 0:
            raise FileRefusedError("too large", f"more than {LARGEST_FILE} bytes", "less: split the file")
        return content

    read1 = read


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    number = 0
    while line := text.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise FileRefusedError("line too long", f"line {number}", f"at most {LONGEST_LINE} characters")
        yield line


def _csv_rows(text: io.TextIOWrapper, table: Table) -> Iterator[Row]:
    reader = csv.reader(_lines(text), strict=True)
    header = next(reader, None)
    if header is None:
        return
    check_header(header, table)
    for fields in reader:
        if not fields:
            continue
        if len(fields) != len(header):
            yield Row(reader.line_num, None, f"{len(fields)} fields, allowed: {len(header)} as in the header")
        else:
            yield Row(reader.line_num, table.row(dict(zip(header, fields, strict=True))))


def check_header(header: list[str], table: Table) -> None:
    """Refuse a file with a column that nobody classified, or without one that is required."""
    known = ", ".join(table.columns)
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise FileRefusedError("repeated column", ", ".join(repeated)[:200], "each column once")
    if unknown := [name for name in header if name not in table.columns]:
        raise FileRefusedError("unknown column", ", ".join(unknown)[:200], known)
    required = {name for name, column in table.columns.items() if column["required"]}
    if missing := sorted(required - set(header)):
        raise FileRefusedError("missing column", f"no {', '.join(missing)}", known)


def _ndjson_rows(text: io.TextIOWrapper, _table: Table) -> Iterator[Row]:
    for number, line in enumerate(_lines(text), start=1):
        content = line.strip()
        if not content:
            continue
        try:
            record = json_value(content)
        except NotJsonError as error:
            yield Row(number, None, str(error))
            continue
        if type(record) is dict:
            yield Row(number, record)
        else:
            yield Row(number, None, "not an object, allowed: one JSON object for each line")
