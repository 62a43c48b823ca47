"""The scanned digits as records: one every two hours from 2024 on, hours that the source does not have."""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TABLES = ("scans",)
FIRST = datetime(2024, 1, 1, 8, tzinfo=UTC)
BETWEEN = timedelta(hours=2)
POINTS = [f"row{row}_column{column}" for row in range(8) for column in range(8)]


def records(table: str, start: date | None = None, end: date | None = None) -> Iterator[dict[str, Any]]:
    """The scans with a date in [start, end)."""
    if table not in TABLES:
        raise ValueError(f"unknown table {table!r}: choose one of {', '.join(TABLES)}")
    for number, row in enumerate(_rows()):
        scanned_at = FIRST + number * BETWEEN
        if (start and scanned_at.date() < start) or (end and scanned_at.date() >= end):
            continue
        yield {
            "scan": number + 1,
            "scanned_at": scanned_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            **dict(zip(POINTS, row[:-1], strict=True)),
            "digit_read": row[-1],
        }


def _rows() -> Iterator[list[int]]:
    # Found, not imported: importing scikit-learn takes seconds.
    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("scikit-learn is not installed: run make setup")
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            yield [int(float(value)) for value in row]
