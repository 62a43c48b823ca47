"""When a schedule starts next: the cron expressions of EventBridge Scheduler, minute by minute.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
LONGEST_LOOK = timedelta(days=5 * 366)
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")


def next_run(expression: str, zone: str, after: datetime) -> datetime | None:
    """UTC. None: never again, a rate (counted from when the schedule was made), or the letters L, W and #."""
    found = _CRON.fullmatch(expression)
    if found is None:
        return None
    try:
        minutes, hours = _numbers(found[1], 0, 59), _numbers(found[2], 0, 23)
        days, months = _numbers(found[3], 1, 31), _numbers(found[4], 1, 12, MONTHS)
        weekdays, years = _numbers(found[5], 1, 7, DAYS), _numbers(found[6], 1970, 2199)
    except ValueError:
        return None
    place = ZoneInfo(zone)
    for day in _dates(after.astimezone(place).date()):
        if day.month in months and day.year in years and day.day in days and _weekday(day) in weekdays:
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    moment = datetime.combine(day, time(hour, minute), place).astimezone(UTC)
                    if moment > after:
                        return moment
    return None


def _dates(first: date) -> Iterator[date]:
    for number in range(LONGEST_LOOK.days):
        yield first + timedelta(days=number)


def _weekday(day: date) -> int:
    """1 is Sunday."""
    return day.isoweekday() % 7 + 1


def _numbers(field: str, low: int, high: int, names: tuple[str, ...] = ()) -> set[int]:
    """Raises ValueError for what it does not know."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span in ("*", "?"):
            first, last = low, high
        else:
            begin, _, end = span.partition("-")
            first = _number(begin, low, names)
            last = _number(end, low, names) if end else (high if step else first)
        if not low <= first <= last <= high:
            raise ValueError(f"{field} is outside {low} to {high}")
        found.update(range(first, last + 1, int(step or 1)))
    return found


def _number(text: str, low: int, names: tuple[str, ...]) -> int:
    return names.index(text.upper()) + low if text.upper() in names else int(text)
