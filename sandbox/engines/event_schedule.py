"""Schedule expressions of EventBridge: rate, at and AWS's own cron, in a time zone."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_RATE = re.compile(r"rate\((\d+) (minute|minutes|hour|hours|day|days)\)\Z")
_AT = re.compile(r"at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)\Z")
_CRON = re.compile(r"cron\(([^()]+)\)\Z")
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
_LAST_YEAR = 2199


class ScheduleError(ValueError):
    """Not a schedule expression of EventBridge."""


@dataclass(frozen=True, kw_only=True)
class Cron:
    minutes: frozenset[int]
    hours: frozenset[int]
    day_of_month: str
    months: frozenset[int]
    day_of_week: str
    years: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Exactly one of rate, at and cron is set."""

    rate: timedelta | None = None
    at: datetime | None = None
    cron: Cron | None = None
    zone: ZoneInfo

    def after(self, moment: datetime, *, anchor: datetime) -> datetime | None:
        """The first time later than moment, in UTC; rates count from the anchor. None = never again."""
        if self.rate is not None:
            passed = max(0, (moment - anchor) // self.rate) if moment >= anchor else -1
            return anchor + (passed + 1) * self.rate
        if self.at is not None:
            due = self.at.replace(tzinfo=self.zone).astimezone(UTC)
            return due if due > moment else None
        return _next(self.cron, moment, self.zone) if self.cron else None


def parse(expression: str, zone: str = "UTC") -> Schedule:
    where = ZoneInfo(zone)
    if match := _RATE.match(expression):
        value, unit = int(match[1]), match[2]
        if value == 0 or (value == 1) == unit.endswith("s"):
            raise ScheduleError(f"{expression!r}: a value of 1 takes the singular unit, others the plural")
        return Schedule(rate=timedelta(**{unit.rstrip("s") + "s": value}), zone=where)
    if match := _AT.match(expression):
        return Schedule(at=datetime.fromisoformat(match[1]), zone=where)
    if match := _CRON.match(expression):
        return Schedule(cron=_cron(match[1], expression), zone=where)
    raise ScheduleError(
        f"{expression!r} is no schedule; allowed: rate(5 minutes), at(yyyy-mm-ddThh:mm:ss), cron(...)"
    )


def _cron(text: str, expression: str) -> Cron:
    fields = text.split()
    if len(fields) != 6:
        raise ScheduleError(
            f"{expression!r} has {len(fields)} fields, allowed are 6: minutes hours day month weekday year"
        )
    minutes, hours, day, month, weekday, year = fields
    if (day == "?") == (weekday == "?"):
        raise ScheduleError(f"{expression!r}: exactly one of day of month and day of week has to be ?")
    try:
        cron = Cron(
            minutes=_numbers(minutes, 0, 59),
            hours=_numbers(hours, 0, 23),
            day_of_month=day,
            months=_numbers(month, 1, 12, _MONTHS),
            day_of_week=weekday,
            years=_numbers(year, 1970, _LAST_YEAR),
        )
        _day_matches(cron, date(2000, 1, 1))
    except (ValueError, KeyError) as error:
        raise ScheduleError(f"{expression!r}: {error}") from error
    return cron


def _numbers(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = (_number(end, names) for end in span.split("-"))
        else:
            first = _number(span, names)
            last = high if step else first
        if not low <= first <= last <= high:
            raise ValueError(f"{part} is not within {low} to {high}")
        found.update(range(first, last + 1, int(step) if step else 1))
    return frozenset(found)


def _number(text: str, names: dict[str, int] | None) -> int:
    if names and text.upper() in names:
        return names[text.upper()]
    return int(text)


def _next(cron: Cron, moment: datetime, zone: ZoneInfo) -> datetime | None:
    local = moment.astimezone(zone)
    day = local.date()
    while day.year <= min(_LAST_YEAR, max(cron.years)):
        if day.year in cron.years and day.month in cron.months and _day_matches(cron, day):
            for hour in sorted(cron.hours):
                for minute in sorted(cron.minutes):
                    due = _instant(day, hour, minute, zone)
                    if due is not None and due > moment:
                        return due
        day = _following(cron, day)
    return None


def _following(cron: Cron, day: date) -> date:
    if day.month not in cron.months or day.year not in cron.years:
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)  # nothing left in this month
    return day + timedelta(days=1)


def _instant(day: date, hour: int, minute: int, zone: ZoneInfo) -> datetime | None:
    """None for a local time that the clocks skip; of one that they repeat, the first."""
    local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
    due = local.astimezone(UTC)
    return due if due.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None) else None


def _day_matches(cron: Cron, day: date) -> bool:
    if cron.day_of_week == "?":
        return any(_in_month(part, day) for part in cron.day_of_month.split(","))
    return any(_in_week(part, day) for part in cron.day_of_week.split(","))


def _in_month(part: str, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if part == "L":
        return day.day == last
    if part.endswith("W"):
        return day.day == _nearest_weekday(day.year, day.month, last if part == "LW" else int(part[:-1]))
    return day.day in _numbers(part, 1, 31)


def _nearest_weekday(year: int, month: int, wanted: int) -> int:
    last = calendar.monthrange(year, month)[1]
    wanted = min(wanted, last)
    weekday = date(year, month, wanted).weekday()
    if weekday == calendar.SATURDAY:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == calendar.SUNDAY:
        return wanted + 1 if wanted < last else wanted - 2
    return wanted


def _in_week(part: str, day: date) -> bool:
    today = day.isoweekday() % 7 + 1  # AWS counts from Sunday = 1
    if "#" in part:
        weekday, _, nth = part.partition("#")
        return today == _number(weekday, _DAYS) and (day.day - 1) // 7 + 1 == int(nth)
    if part.endswith("L") and part != "L":
        last = calendar.monthrange(day.year, day.month)[1]
        return today == _number(part[:-1], _DAYS) and day.day + 7 > last
    return today in ({7} if part == "L" else _numbers(part, 1, 7, _DAYS))
