"""A Firehose batch in, a Firehose answer out: no record can fail the batch, and none is lost.

Ok, zone raw          valid and anonymised
Ok, zone quarantine   of a known table but refused, with the reasons; anonymised
ProcessingFailed      cannot be anonymised (not JSON, unknown table or column, too large): Firehose keeps it
                      below errors/ as it came, from where it can be re-driven
"""

from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64
from collections import Counter
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from shared.rules import InvalidRecordError, Table, Violation, dumps
from shared.strict import json_value

LARGEST_RECORD = 1_000_000
LARGEST_ANSWER = 5_500_000  # Lambda answers with 6 MB at most; the rest is for records that fail
PER_RECORD = 200  # bytes of an answer beside its data
ENVELOPE = {"table", "record", "seal"}
SOURCE = "stream"


class UndecodableError(ValueError):
    """Bytes that are no envelope: {"table": ..., "record": {...}}."""


class Batch:
    """Transforms the records of one invocation and counts what became of them."""

    def __init__(self, door: dict[str, Table]) -> None:
        self._door = door
        self._size = 0
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()

    def transform(self, record: dict[str, Any]) -> dict[str, Any]:
        """One record of the batch, answered."""
        try:
            text, keys = self._stored(record)
        except ValueError as error:  # whatever is wrong with one record must not fail the others
            return self._failed(record, str(error))
        data = b2a_base64(text.encode(), newline=False).decode()
        self._size += len(data) + PER_RECORD
        if self._size > LARGEST_ANSWER:
            return self._failed(
                record, "the answer would be larger than 6 MB: lower the buffer of the transform"
            )
        self.counts[keys["zone"]] += 1
        return {
            "recordId": record["recordId"],
            "result": "Ok",
            "data": data,
            "metadata": {"partitionKeys": keys},
        }

    def _stored(self, record: dict[str, Any]) -> tuple[str, dict[str, str]]:
        name, content, seal = envelope(record["data"])
        table = self._door.get(name)
        if table is None:
            raise UndecodableError(f"unknown table {name[:60]!r}, allowed: {', '.join(sorted(self._door))}")
        at = _iso(record["approximateArrivalTimestamp"])
        if seal is not None and not table.is_sealed(content, seal):
            raise UndecodableError(f"{name}: the seal is not ours: send the record without it")
        epoch = None if table.event_time else table.delivery_epoch(at)
        try:
            stored = table.read(content, seal=seal, epoch=epoch)
            if seal is None and table.source != SOURCE:
                raise InvalidRecordError([_batch_only(table)])
        except InvalidRecordError as invalid:
            for one in invalid.violations:
                self.reasons[f"{name}.{one.column}: {one.reason}"] += 1
            entry = table.quarantined(
                content, invalid.violations, source=SOURCE, at=at, sealed=seal is not None, epoch=epoch
            )
            return dumps(entry) + "\n", _keys("quarantine", name, at[:10])
        # Appended as text: the encoder's time is most of a record's time.
        text = f'{dumps(stored)[:-1]},"_ingested_at":"{at}","_source":"{SOURCE}"}}\n'
        return text, _keys("raw", name, table.partition(stored))

    def _failed(self, record: dict[str, Any], reason: str) -> dict[str, Any]:
        self.counts["failed"] += 1
        self.reasons[reason] += 1
        answer = {"recordId": record["recordId"], "result": "ProcessingFailed"}
        size = len(record["data"]) + PER_RECORD
        if self._size + size <= LARGEST_ANSWER:  # Firehose has its own copy
            self._size += size
            answer["data"] = record["data"]
        return answer


def envelope(data: str) -> tuple[str, dict[str, Any], object]:
    """Table, record and seal of a stream record."""
    if len(data) > LARGEST_RECORD * 4 // 3 + 4:
        raise UndecodableError(f"{len(data) * 3 // 4} bytes, allowed: {LARGEST_RECORD}: split the record")
    try:
        content = json_value(a2b_base64(data).decode().strip())
    except UnicodeDecodeError as error:
        raise UndecodableError("not UTF-8, allowed: JSON in UTF-8") from error
    except NotBase64 as error:
        raise UndecodableError("not base64, allowed: what Firehose hands over") from error
    if type(content) is not dict or not ENVELOPE.issuperset(content):
        raise UndecodableError('no envelope, allowed: {"table": "...", "record": {...}}')
    name, record = content.get("table"), content.get("record")
    if type(name) is not str or type(record) is not dict:
        raise UndecodableError('no envelope, allowed: {"table": "...", "record": {...}}')
    return name, record, content.get("seal")


def _batch_only(table: Table) -> Violation:
    return Violation(
        reason="the table comes as files, not on the stream",
        column=None,
        got="stream",
        allowed=f"landing/{table.name}/<file>",
    )


@cache
def _keys(zone: str, table: str, date: str) -> dict[str, str]:
    return {"zone": zone, "table": table, "date": date}


def _iso(milliseconds: int) -> str:
    """When the stream took the record: the same on every attempt, unlike the clock."""
    seconds, rest = divmod(int(milliseconds), 1000)
    return f"{_iso_second(seconds)}.{rest:03}Z"


@lru_cache(maxsize=1000)
def _iso_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
