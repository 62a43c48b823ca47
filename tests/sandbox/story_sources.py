"""A story in an account of its own; and other data for it: repeated months, and wrong labels."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

import contracts
from demo import deploying
from demo.account import Account
from demo.source import Row, Source, local_month
from demo.story import Plot, Story
from settings import PROFILES
from tests.conftest import synthesise_settings

WEEK = timedelta(days=7)
LAST = "2024-03"


@contextmanager
def told(folder: Path, name: str, plot: Plot, source: type[Source] = Source) -> Iterator[Story]:
    """The story of a data set, with its stacks deployed as `make demo` does, told to its end."""
    app = synthesise_settings(folder / "app", PROFILES["sandbox"], name).directory
    contract = contracts.load(name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    console = Console(highlight=False, width=160)
    with Account(port, folder / "account.log") as account:
        deploying.deploy(account, folder, console, app=app)
        data = source(contract, plot.start, plot.end)
        story = Story(account, contract, deploying.outputs(account), plot, console, source=data)
        story.tell()
        yield story


class Repeated(Source):
    """Without drift: each month after March has its scans again, under new numbers and whole weeks later."""

    NUMBERS = 10_000  # apart, from month to month

    def __init__(self, contract: dict[str, Any], start: date, end: date) -> None:
        super().__init__(contract, start, end)
        self._zone = ZoneInfo(contract["time_zone"])
        self._kept: dict[str, list[Row]] = {}

    def month(self, table: str, month: str) -> list[Row]:
        if month <= LAST:
            rows = super().month(table, month)
            if month == LAST:
                self._kept[table] = rows
            return rows
        apart = date.fromisoformat(f"{month}-01") - date.fromisoformat(f"{LAST}-01")
        columns = self.tables[table]["columns"]
        shift = apart // WEEK * WEEK
        moved = [
            {name: _later(value, columns[name]["type"], shift) for name, value in row.items()}
            for row in self._kept[table]
        ]
        # By every column with a date: across a change of the clocks a row's moment and its date move apart.
        number = (apart.days // 28) * self.NUMBERS
        moved = [{**row, "scan": f"S{int(row['scan'][1:]) + number:05d}"} for row in moved]
        dated = [name for name, column in columns.items() if column["type"] in ("date", "timestamp")]
        months = [local_month(name, self._zone) for name in dated]
        return [row for row in moved if all(month_of(row) == month for month_of in months)]


def _later(value: Any, kind: str, shift: timedelta) -> Any:
    if value is None or kind not in ("date", "timestamp"):
        return value
    if kind == "date":
        return (date.fromisoformat(value) + shift).isoformat()
    return (datetime.fromisoformat(value) + shift).isoformat()


class Poisoned(Source):
    """Until March each digit was read as the one after it."""

    def month(self, table: str, month: str) -> list[Row]:
        rows = super().month(table, month)
        if table != "verdicts" or month > LAST:
            return rows
        return [{**row, "digit": (row["digit"] + 1) % 10} for row in rows]
