"""Reads request bodies into records, for the handler and for captured requests alike."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAXIMUM_ROWS = 100_000
JSON_LINES = ("application/jsonlines", "application/x-jsonlines", "application/jsonl")
PARQUET = ("application/x-parquet", "application/parquet")

Record = dict[str, Any]


class PayloadError(ValueError):
    """The client sent what cannot be scored; `status` is the HTTP answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Request:
    """Records as sent; is_list says whether the client sent several rows in one document."""

    records: Sequence[Record]
    is_list: bool


def parse(body: bytes | str, content_type: str | None, features: Mapping[str, str]) -> Request:
    """Checked records: `key` (text or None) and every feature as float, text or None.

    features  the model's features in order, each numeric, categorical or text
    """
    base = (content_type or "application/json").split(";")[0].strip().lower()
    reader = READERS.get(base)
    if reader is None:
        raise PayloadError(f"content type {content_type!r}, allowed are {', '.join(READERS)}", 415)
    request = reader(body, features)
    if not request.records:
        raise PayloadError("the payload holds no row, at least one is needed")
    if len(request.records) > MAXIMUM_ROWS:
        raise PayloadError(
            f"the payload holds {len(request.records)} rows, allowed are {MAXIMUM_ROWS}: send parts", 413
        )
    checked = [_checked(record, place, features) for place, record in enumerate(request.records, start=1)]
    return Request(records=checked, is_list=request.is_list)


def _checked(record: Any, place: int, features: Mapping[str, str]) -> Record:
    if type(record) is not dict:
        raise PayloadError(f"row {place} is {type(record).__name__}, allowed is an object of the features")
    result: Record = {"key": record.get("key")}
    for name, kind in features.items():
        try:
            value = record[name]
        except KeyError:
            raise PayloadError(_missing(record, place, features)) from None
        if value is None:
            result[name] = None
        elif kind == "numeric":
            if type(value) is not float and type(value) is not int:
                raise PayloadError(_wrong_type(place, name, value, "a number or null"))
            # NaN says missing; an infinite number is a fault of the client.
            if value - value != 0 and value == value:
                raise PayloadError(_wrong_type(place, name, value, "a finite number or null"))
            result[name] = value
        elif type(value) is str:
            result[name] = value
        else:
            raise PayloadError(_wrong_type(place, name, value, "text or null"))
    return result


def _missing(record: Mapping[str, Any], place: int, features: Mapping[str, str]) -> str:
    missing = [name for name in features if name not in record]
    unknown = [str(name) for name in record if name not in features and name != "key"]
    hint = f", not known are {', '.join(unknown[:10])}" if unknown else ""
    return (
        f"row {place} lacks {', '.join(missing[:10])}{hint}: "
        f"send every one of {', '.join(features)}, null where the value is not known"
    )


def _wrong_type(place: int, name: str, value: Any, allowed: str) -> str:
    # The value itself stays out: it may be personal, and error texts end up in logs.
    return f"row {place}: {name} is of type {type(value).__name__}, allowed is {allowed}"


def _text(body: bytes | str) -> str:
    if isinstance(body, str):
        return body
    try:
        return bytes(body).decode("utf-8")
    except UnicodeDecodeError as error:
        raise PayloadError(f"the payload is not UTF-8 text (byte {error.start}), allowed is UTF-8") from error


def _json(body: bytes | str, features: Mapping[str, str]) -> Request:  # noqa: ARG001  one signature for all readers
    try:
        content = json.loads(body)
    except ValueError as error:
        raise PayloadError(
            f"the payload is not JSON ({error}), allowed is one object or a list of instances"
        ) from error
    if isinstance(content, dict) and "instances" in content:
        content = content["instances"]
    if isinstance(content, dict):
        return Request(records=[content], is_list=False)
    if not isinstance(content, list):
        raise PayloadError(
            f"the payload is {type(content).__name__}, allowed is one object or a list of instances"
        )
    return Request(records=content, is_list=True)


def _json_lines(body: bytes | str, features: Mapping[str, str]) -> Request:  # noqa: ARG001
    records = []
    for place, line in enumerate(_text(body).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise PayloadError(
                f"line {place} is not JSON ({error}), allowed is one object per line"
            ) from error
    return Request(records=records, is_list=True)


def _csv(body: bytes | str, features: Mapping[str, str]) -> Request:
    records = []
    for place, line in enumerate(csv.reader(io.StringIO(_text(body))), start=1):
        if not line:
            continue
        if len(line) not in (len(features), len(features) + 1):
            raise PayloadError(
                f"line {place} has {len(line)} values, allowed are {len(features)} in the order "
                f"{', '.join(features)}, with the key before them or without it"
            )
        with_key = len(line) == len(features) + 1
        record: Record = {"key": line[0] if with_key else None}
        for (name, kind), text in zip(features.items(), line[with_key:], strict=True):
            record[name] = _cell(text.strip(), kind, place, name)
        records.append(record)
    return Request(records=records, is_list=True)


def _cell(text: str, kind: str, place: int, name: str) -> float | str | None:
    if text == "":
        return None
    if kind != "numeric":
        return text
    try:
        value = float(text)
    except ValueError:
        raise PayloadError(_wrong_type(place, name, text, "a number or nothing")) from None
    return None if math.isnan(value) else value


def _parquet(body: bytes | str, features: Mapping[str, str]) -> Request:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if isinstance(body, str):
        raise PayloadError("the payload is text, allowed is a Parquet file")
    try:
        table = pq.read_table(pa.BufferReader(bytes(body)))
    except (pa.ArrowException, OSError) as error:
        raise PayloadError(
            "the payload is not a Parquet file, allowed is one with the features as columns"
        ) from error
    wanted = [name for name in ("key", *features) if name in table.column_names]
    return Request(records=table.select(wanted).to_pylist(), is_list=True)


Reader = Callable[[bytes | str, Mapping[str, str]], Request]
READERS: dict[str, Reader] = {
    "application/json": _json,
    **dict.fromkeys(JSON_LINES, _json_lines),
    "text/csv": _csv,
    **dict.fromkeys(PARQUET, _parquet),
}
