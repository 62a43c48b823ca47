"""One landed file judged as a whole: what of it goes where, or why none of it may enter."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from shared.rules import InvalidRecordError, Table, UnknownColumnError, Violation, dumps

from ingest_file.source import FileRefusedError, Row
from ingest_file.spool import Spool

EXAMPLES = 20


class Intake:
    """Takes the rows of one file. `source` names it, `at` is when it landed: the same on every attempt.

    `epoch`: for which a dimension is delivered; None for a table whose rows say when they are of.
    """

    def __init__(self, table: Table, spool: Spool, *, source: str, at: str, epoch: str | None = None) -> None:
        self._table, self._spool, self._epoch = table, spool, epoch
        self._source, self._at = source, at
        self._stamp = f',"_ingested_at":{dumps(at)},"_source":{dumps(source)}}}\n'
        self.counts: Counter[str] = Counter()
        self.examples: list[dict[str, Any]] = []

    def take(self, rows: Iterable[Row]) -> None:
        """Refuses the whole file when it has an unknown column, or too many bad rows."""
        for row in rows:
            self.counts["rows"] += 1
            if row.record is None:
                self._refuse_line(row)
            else:
                self._take_record(row.line, row.record)
        share = self._table.max_rejected_share
        if self.counts["refused"] > share * self.counts["rows"]:
            got = f"{self.counts['refused']} of {self.counts['rows']} rows refused"
            raise FileRefusedError("too many bad rows", got, f"at most {share:.0%}")

    def _take_record(self, line: int, record: dict[str, Any]) -> None:
        table = self._table
        try:
            stored = table.read(record, epoch=self._epoch)
        except UnknownColumnError as error:
            raise FileRefusedError("unknown column", f"line {line}", str(error)) from error
        except InvalidRecordError as invalid:
            entry = table.quarantined(
                record, invalid.violations, source=self._source, at=self._at, epoch=self._epoch
            )
            self._refuse(line, entry)
        else:
            self.counts["accepted"] += 1
            text = dumps(stored)[:-1] + self._stamp
            self._spool.add(f"raw/{table.name}/dt={table.partition(stored)}", text.encode())

    def _refuse_line(self, row: Row) -> None:
        """What cannot be taken apart cannot be anonymised: quarantine says where it stands, not what."""
        violation = Violation(
            reason="unreadable line", column=None, got=f"line {row.line}", allowed=row.problem
        )
        entry = self._table.quarantined({}, [violation], source=self._source, at=self._at, epoch=self._epoch)
        self._refuse(row.line, entry | {"record": None, "seal": None})

    def _refuse(self, line: int, entry: dict[str, Any]) -> None:
        self.counts["refused"] += 1
        if len(self.examples) < EXAMPLES:
            known = {key: entry[key] for key in ("reason", "column", "got", "allowed")}
            self.examples.append({"line": line} | known)
        folder = f"quarantine/{self._table.name}/dt={self._at[:10]}"
        self._spool.add(folder, (dumps(entry | {"line": line}) + "\n").encode())
