"""What a run rebuilds: the months of each table with something new, and what it leaves for later. Pure."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from plan_run.calendar_months import first_day, month_of
from plan_run.lake import ALL, Days, Raw


def to_rebuild(
    raw: Raw, agreed: Mapping[str, Any], through: date, asked: Collection[str] | None
) -> dict[str, set[str]]:
    """Table -> months with new records that begin before `through` and have rows of the base table.

    asked  exactly these months of every table, new or not, and dimensions whole
    """
    known = {month_of(day) for day in raw.dates(agreed["features"]["base"])}
    possible = {month for month in known if first_day(month) < through} & set(asked or known)
    wanted = {}
    for table, spec in agreed["tables"].items():
        days = raw.days[table] if asked else raw.fresh[table]
        months = {ALL} & days if spec["event_time"] is None else possible & _months(days)
        wanted[table] = months
    return wanted


def left(raw: Raw, wanted: Mapping[str, set[str]]) -> Days:
    """Days that are new and belong to months that this run does not rebuild."""
    return {
        table: {day for day in days if not _months({day}) <= wanted[table]}
        for table, days in raw.fresh.items()
    }


def _months(days: Collection[str]) -> set[str]:
    return {day if day == ALL else day[:7] for day in days}
