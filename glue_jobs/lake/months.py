"""Months of local dates, as text "2013-01", and the days around them."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ALL = "all"  # the one partition of a dimension


class MonthError(ValueError):
    """A month that is none."""


def first_day(month: str) -> date:
    try:
        if len(month) != 7:
            raise ValueError(month)
        return date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise MonthError(f"cannot read the month {month!r}, allowed: for example 2013-01") from error


def after(month: str) -> date:
    """The first day that no longer belongs to the month."""
    return (first_day(month) + timedelta(days=31)).replace(day=1)


def of(day: date) -> str:
    return day.isoformat()[:7]


def dates(months: list[str]) -> set[str]:
    """The days of these months."""
    found = set()
    for month in months:
        day = first_day(month)
        while day < after(month):
            found.add(day.isoformat())
            day += timedelta(days=1)
    return found


def looking_back(months: list[str], days: int) -> list[str]:
    """The months themselves, and those that the `days` before each of them fall into."""
    wanted = set(months)
    for month in months:
        day = first_day(month) - timedelta(days=days)
        while day < first_day(month):
            wanted.add(of(day))
            day = after(of(day))
    return sorted(wanted)


def spans(months: list[str], days_before: int) -> list[tuple[date, date]]:
    """The half-open spans of days that the months and the days before each cover, joined where they touch."""
    joined: list[tuple[date, date]] = []
    for month in sorted(months):
        start, end = first_day(month) - timedelta(days=days_before), after(month)
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def midnight(day: date, time_zone: str) -> datetime:
    """When the local day begins."""
    return datetime.combine(day, time(), ZoneInfo(time_zone)).astimezone(UTC)
