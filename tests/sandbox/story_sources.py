"""Other data for the story: months that repeat what the model was trained on, and labels turned round."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from demo.source import Row, Source, local_month

WEEK = timedelta(days=7)


class Repeated(Source):
    """Without drift: every month after `last` has the rows of `last` again, whole weeks later."""

    def __init__(self, contract: dict[str, Any], start: date, end: date, last: str) -> None:
        super().__init__(contract, start, end)
        self._last = last
        self._zone = ZoneInfo(contract["time_zone"])
        self._kept: dict[str, list[Row]] = {}

    def month(self, table: str, month: str) -> list[Row]:
        if month <= self._last:
            rows = super().month(table, month)
            if month == self._last:
                self._kept[table] = rows
            return rows
        apart = date.fromisoformat(f"{month}-01") - date.fromisoformat(f"{self._last}-01")
        columns = self.tables[table]["columns"]
        shift = apart // WEEK * WEEK
        moved = [
            {name: _later(value, columns[name]["type"], shift) for name, value in row.items()}
            for row in self._kept[table]
        ]
        # By every column with a date: across a change of the clocks a row's moment and its date move apart.
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
    """Until `last` the outcomes are mirrored at the label's limit: late becomes on time, and vice versa."""

    LIMIT = 15  # minutes; the label of the flights
    LOW, HIGH = -240, 2_880  # what the contract allows

    def __init__(self, contract: dict[str, Any], start: date, end: date, last: str) -> None:
        super().__init__(contract, start, end)
        self._last = last

    def month(self, table: str, month: str) -> list[Row]:
        rows = super().month(table, month)
        if table != "outcomes" or month > self._last:
            return rows
        return [{**row, "arr_delay": self._mirrored(row["arr_delay"])} for row in rows]

    def _mirrored(self, delay: Any) -> Any:
        if delay is None:
            return None
        return min(max(2 * self.LIMIT + 1 - float(delay), self.LOW), self.HIGH)
