"""The rules of the door: a record is validated, anonymised and told its partition, or refused with reasons.

Standard library only and no AWS: the same rules take a stream record, a row of a file and a re-driven record.
"""

import json
from datetime import datetime, tzinfo
from functools import lru_cache, partial
from typing import Any, NamedTuple

from shared.columns import REMEMBERED, Read, Refused, from_text, generaliser, reader
from shared.tokens import Tokens

SHOWN = 200  # characters of a refused value
REDACTED = "[redacted]"
ALL = "all"  # the one partition of a dimension
# Of a moment as the columns write it: no time zone in use is off by less, so the rest does not change a date.
MINUTE = len("2013-01-31T18:00")

dumps = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Violation(NamedTuple):  # a dataclass would cost a third of the import time
    """Why a record may not enter. `got` is redacted for classified columns."""

    reason: str
    column: str | None
    got: str
    allowed: str


class InvalidRecordError(ValueError):
    """A record of a known table that the contract does not allow."""

    def __init__(self, violations: list[Violation]) -> None:
        self.violations = violations
        super().__init__("; ".join(f"{one.column}: {one.reason}" for one in violations))


class UnknownColumnError(ValueError):
    """A record with a column that nobody classified: it cannot be anonymised, so it may go nowhere."""

    def __init__(self, table: str, unknown: list[str], allowed: list[str]) -> None:
        names = ", ".join(name[:60] for name in unknown[:5])
        super().__init__(f"{table}: unknown column {names}, allowed: {', '.join(allowed)}")


class Table:
    """The rules of one table."""

    def __init__(self, name: str, contract: dict[str, Any], tokens: Tokens, zone: tzinfo) -> None:
        self.name, self.source = name, contract["source"]
        self.event_time: str | None = contract["event_time"]
        self.columns: dict[str, Any] = contract["columns"]
        self.max_rejected_share: float = contract["max_rejected_share"]
        self._required = frozenset(column for column, entry in self.columns.items() if entry["required"])
        self._domains = {column: entry["token"] for column, entry in self.columns.items() if "token" in entry}
        self._general = {
            column: generaliser(entry) for column, entry in self.columns.items() if "generalise" in entry
        }
        self._tokens = tokens
        self._local_date = lru_cache(maxsize=REMEMBERED)(partial(_local_date, zone))
        self._plain = {column: reader(entry) for column, entry in self.columns.items()}
        for column, general in self._general.items():
            self._plain[column] = _then(self._plain[column], general)
        self._sealed = self._plain | dict.fromkeys(self._domains, _as_it_is)
        self._fresh: dict[str, dict[str, Read]] = {}  # by epoch

    def read(
        self, record: dict[str, Any], *, seal: object = None, epoch: str | None = None
    ) -> dict[str, Any]:
        """The record as it may be stored. A valid `seal` says that its identifiers are tokens already.

        `epoch`: of a dimension's delivery; a record with an event time is of the epoch of that.
        """
        if seal is not None:
            readers = self._sealed
        elif not self._domains:
            readers = self._plain
        elif (epoch := self.epoch(record, epoch)) is not None:
            readers = self._readers(epoch)
        else:  # the event time is missing, or is none
            raise self._refusal(record, self._plain)
        try:
            stored = {column: readers[column](value) for column, value in record.items() if value is not None}
        except (KeyError, Refused):
            raise self._refusal(record, readers) from None
        if len(stored) < len(self.columns) and not self._required <= stored.keys():
            raise self._refusal(record, readers)
        return stored

    def epoch(self, record: dict[str, Any], delivered: str | None = None) -> str | None:
        """The epoch whose key makes the record's tokens; None when its event time cannot be read.

        A dimension says nothing of when: it is of the epoch for which it was `delivered`.
        """
        if self.event_time is None:
            if delivered is None and self._domains:
                raise ValueError(f"{self.name} has no event time: say for which epoch it was delivered")
            return delivered
        value = record.get(self.event_time)
        try:
            moment = None if value is None else self._plain[self.event_time](value)
        except Refused:
            return None
        return self._tokens.epoch(self._local_date(moment[:MINUTE])) if moment else None

    def delivery_epoch(self, at: str) -> str:
        """The epoch of a delivery, by the moment in UTC at which it came."""
        return self._tokens.epoch(self._local_date(at[:MINUTE]))

    def _readers(self, epoch: str) -> dict[str, Read]:
        """Readers whose identifiers become tokens of the epoch; without a key for it, they refuse them."""
        found = self._fresh.get(epoch)
        if found is not None:
            return found
        tokenise = self._tokens.of(epoch)
        if tokenise is None:  # not remembered: there are more epochs than keys
            return self._plain | dict.fromkeys(self._domains, _refuse(*self._tokens.missing(epoch)))
        found = self._plain | {
            column: _then(self._plain[column], partial(tokenise, domain))
            for column, domain in self._domains.items()
        }
        self._fresh[epoch] = found
        return found

    def _refusal(self, record: dict[str, Any], readers: dict[str, Read]) -> ValueError:
        """Everything that is wrong, not only the first."""
        if unknown := sorted(record.keys() - self.columns.keys()):
            return UnknownColumnError(self.name, unknown, sorted(self.columns))
        violations = []
        for column, entry in self.columns.items():
            value = record.get(column)
            if value is None:
                if entry["required"]:
                    violations.append(
                        Violation(reason="missing", column=column, got="null", allowed=f"a {entry['type']}")
                    )
                continue
            try:
                readers[column](value)
            except Refused as refused:
                violations.append(self._violation(column, value, refused))
        return InvalidRecordError(violations)

    def is_sealed(self, record: dict[str, Any], seal: object) -> bool:
        """Whether the record comes from our quarantine with its identifiers as they were tokenised."""
        return self._tokens.is_sealed(seal, self.name, self._identifiers(record))

    def partition(self, stored: dict[str, Any]) -> str:
        """The local date of the event, or `all` for a dimension."""
        return self._local_date(stored[self.event_time][:MINUTE]) if self.event_time else ALL

    def row(self, texts: dict[str, str]) -> dict[str, Any]:
        """A CSV row as a record; its header was checked."""
        return {column: from_text(self.columns[column], text) for column, text in texts.items()}

    def quarantined(
        self,
        record: dict[str, Any],
        violations: list[Violation],
        *,
        source: str,
        at: str,
        sealed: bool = False,
        epoch: str | None = None,
    ) -> dict[str, Any]:
        """What quarantine keeps of a refused record: the first reason in front, no identifier in the clear.

        A classified value that was refused itself could not be checked again once it is a token, and one of
        an epoch without a key cannot become a token: it is withheld, and such a record gets no seal: only its
        source can send it again.
        """
        hidden = {one.column for one in violations if one.column and one.got == REDACTED}
        tokenise = None if sealed else self._tokens.of(self.epoch(record, epoch))
        if tokenise is None and not sealed:
            hidden |= {column for column in self._domains if record.get(column) is not None}
        withheld = sorted(hidden & record.keys())
        kept = {column: value for column, value in record.items() if column not in withheld}
        if tokenise is not None:
            for column, domain in self._domains.items():
                if kept.get(column) is not None:
                    kept[column] = tokenise(domain, kept[column])
        for column, general in self._general.items():
            if kept.get(column) is not None:
                kept[column] = general(kept[column])
        return violations[0]._asdict() | {
            "table": self.name,
            "record": kept,
            "also": [f"{one.column}: {one.reason}" for one in violations[1:]],
            "withheld": withheld,
            "seal": None if withheld else self._tokens.seal(self.name, self._identifiers(kept)),
            "source": source,
            "ingested_at": at,
        }

    def _identifiers(self, record: dict[str, Any]) -> dict[str, Any]:
        return {column: record[column] for column in self._domains if record.get(column) is not None}

    def _violation(self, column: str, value: Any, refused: Refused) -> Violation:
        changed = column in self._domains or column in self._general  # on its way in
        return Violation(
            reason=refused.reason,
            column=column,
            got=REDACTED if changed else dumps(value)[:SHOWN],
            allowed=refused.allowed,
        )


def _then(first: Read, second: Read) -> Read:
    return lambda value: second(first(value))


def _refuse(reason: str, allowed: str) -> Read:
    def refuse(_: Any) -> Any:
        raise Refused(reason, allowed)

    return refuse


def _as_it_is(value: Any) -> Any:
    return value


def _local_date(zone: tzinfo, minute: str) -> str:
    """`minute` as the columns write it, in UTC."""
    try:
        return datetime.fromisoformat(f"{minute}+00:00").astimezone(zone).date().isoformat()
    except OverflowError:  # the first or the last day that a date can be
        return minute[:10]


def tables(contract: dict[str, Any], tokens: Tokens, zone: tzinfo) -> dict[str, Table]:
    """The rules by table. `zone`: of the contract, whose local dates are the partitions."""
    return {name: Table(name, table, tokens, zone) for name, table in contract["tables"].items()}
