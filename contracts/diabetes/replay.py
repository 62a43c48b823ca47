"""The examinations as records: one every 20 hours from 2024 on, dates that the source does not have."""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TABLES = ("examinations",)
FIRST = datetime(2024, 1, 1, 8, tzinfo=UTC)
BETWEEN = timedelta(hours=20)
# What a demonstration plays: the first months arrive at once, the others are lived through.
PLAYED: dict[str, Any] = {
    "start": date(2024, 1, 1),
    "end": date(2025, 1, 1),
    "history_months": 9,
    "expects": (),
}
COLUMNS = ("age", "sex", "bmi", "blood_pressure", "s1", "s2", "s3", "s4", "s5", "s6")
SEXES = {1: "a", 2: "b"}


def records(table: str, start: date | None = None, end: date | None = None) -> Iterator[dict[str, Any]]:
    """The examinations with a date in [start, end)."""
    if table not in TABLES:
        raise ValueError(f"unknown table {table!r}: choose one of {', '.join(TABLES)}")
    for number, (row, target) in enumerate(
        zip(_rows("diabetes_data_raw.csv.gz"), _rows("diabetes_target.csv.gz"), strict=True)
    ):
        examined_at = FIRST + number * BETWEEN
        if (start and examined_at.date() < start) or (end and examined_at.date() >= end):
            continue
        values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
        yield {
            "patient": f"P{number + 1:04d}",
            "examined_at": examined_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            **values,
            "age": int(values["age"]),
            "sex": SEXES[int(values["sex"])],
            "progression": target[0],
        }


def _rows(name: str) -> Iterator[list[float]]:
    # Found, not imported: importing scikit-learn takes seconds.
    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("scikit-learn is not installed: run make setup")
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / name
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.reader(file, delimiter=" "):
            yield [float(value) for value in row if value]
