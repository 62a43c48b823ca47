"""The data set as it would have arrived: month by month, read once."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]


def months_between(start: date, end: date) -> list[str]:
    """Months "YYYY-MM" that [start, end) touches."""
    found, at = [], start.replace(day=1)
    while at < end:
        found.append(f"{at:%Y-%m}")
        at = next_month(at)
    return found


def next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def local_month(column: str, zone: ZoneInfo) -> Callable[[Row], str]:
    """-> a function from a row to the month of its event time in `zone`; dates have no zone."""

    def month(row: Row) -> str:
        text = str(row[column])
        return (
            text[:7]
            if len(text) == len("2013-01-31")
            else f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m}"
        )

    return month


class Source:
    """Rows of a contract's tables by month of the local event date; months must be asked for in order."""

    def __init__(self, contract: dict[str, Any], start: date, end: date) -> None:
        replay = importlib.import_module(f"contracts.{contract['name']}.replay")
        self.months = months_between(start, end)
        self.tables = contract["tables"]
        self._groups: dict[str, Iterator[tuple[str, Iterator[Row]]]] = {}
        self._at: dict[str, tuple[str, list[Row]] | None] = {}
        self._coming: dict[str, Future[tuple[str, list[Row]] | None]] = {}
        # Reads the next month of each table while the account works on this one.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="source")
        self._dimensions: dict[str, list[Row]] = {}
        for name, table in self.tables.items():
            if table["event_time"] is None:
                self._dimensions[name] = list(replay.records(name))
            else:
                rows = replay.records(name, start, end)
                month_of = local_month(table["event_time"], ZoneInfo(contract["time_zone"]))
                self._groups[name] = groupby(rows, key=month_of)
                self._coming[name] = self._reader.submit(self._read, name)

    @property
    def streamed(self) -> list[str]:
        return [name for name, table in self.tables.items() if table["source"] == "stream"]

    @property
    def landed(self) -> list[str]:
        return [name for name in self._groups if self.tables[name]["source"] == "batch"]

    @property
    def dimensions(self) -> dict[str, list[Row]]:
        return self._dimensions

    def month(self, table: str, month: str) -> list[Row]:
        """The rows of one month; none when the table has none."""
        at = self._at.get(table)
        while at is None or at[0] < month:
            at = self._coming[table].result()
            if at is None:
                return []
            self._at[table] = at
            self._coming[table] = self._reader.submit(self._read, table)
        return at[1] if at[0] == month else []

    def _read(self, table: str) -> tuple[str, list[Row]] | None:
        """The next month that has rows."""
        following = next(self._groups[table], None)
        return following and (following[0], list(following[1]))
