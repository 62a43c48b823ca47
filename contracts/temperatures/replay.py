"""The real observations as records, in the order of their hours."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from contracts.flights import replay

TABLES = ("observations",)
COLUMNS = {
    "origin": "station",
    "time_hour": "observed_at",
    "temp": "temperature",
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_speed": "wind",
    "pressure": "air_pressure",
}


def records(table: str, start: date | None = None, end: date | None = None) -> Iterator[dict[str, Any]]:
    """The observations with a local date in [start, end)."""
    if table not in TABLES:
        raise ValueError(f"unknown table {table!r}: choose one of {', '.join(TABLES)}")
    for record in replay.records("weather", start, end):
        yield {new: record[name] for name, new in COLUMNS.items()}
