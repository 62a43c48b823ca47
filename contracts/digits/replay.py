"""The scans as records: one every two hours from 2024 on, times that the source does not have."""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TABLES = ("scans", "verdicts")
FIRST = datetime(2024, 1, 1, 1, tzinfo=UTC)
BETWEEN = timedelta(hours=2)
# What a demonstration plays: the first months arrive at once, the others are lived through.
PLAYED: dict[str, Any] = {
    "start": date(2024, 1, 1),
    "end": date(2024, 6, 1),
    "history_months": 3,
    "expects": ("promotion",),
}
POINTS = [f"p{row}{column}" for row in range(8) for column in range(8)]


def records(table: str, start: date | None = None, end: date | None = None) -> Iterator[dict[str, Any]]:
    """The records of `table` scanned in [start, end)."""
    if table not in TABLES:
        raise ValueError(f"unknown table {table!r}: choose one of {', '.join(TABLES)}")
    for number, values in enumerate(_rows()):
        scanned_at = FIRST + number * BETWEEN
        if (start and scanned_at.date() < start) or (end and scanned_at.date() >= end):
            continue
        row: dict[str, Any] = {
            "scan": f"S{number + 1:05d}",
            "scanned_at": scanned_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        points, digit = values[:-1], values[-1]
        yield row | (dict(zip(POINTS, points, strict=True)) if table == "scans" else {"digit": digit})


def _rows() -> Iterator[list[int]]:
    # Found, not imported: importing scikit-learn takes seconds.
    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("scikit-learn is not installed: run make setup")
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            yield [int(float(value)) for value in row]
