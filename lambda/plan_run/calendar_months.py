"""Days, months and windows: which months a run rebuilds, which days it trains on. Pure."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date, timedelta

from plan_run.request import PlanError

DAY = timedelta(days=1)


class WindowError(PlanError):
    """There are fewer days of data than the split needs."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    train_start: date
    train_end: date
    validation_end: date
    holdout_end: date

    def to_json(self) -> dict[str, str]:
        return {name: day.isoformat() for name, day in vars(self).items()}


def month_of(day: date) -> str:
    return f"{day:%Y-%m}"


def first_day(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


def next_month(month: str) -> str:
    return month_of(first_day(month) + 31 * DAY)


def months_of(start: date, end: date) -> set[str]:
    """Months with a day in [start, end)."""
    found = set()
    while start < end:
        found.add(month_of(start))
        start = first_day(next_month(month_of(start)))
    return found


def with_followers(months: Set[str], available: Set[str]) -> set[str]:
    """Features look back over days, so what changed in one month reaches into the next."""
    return (months | {next_month(month) for month in months}) & available


def windows(first: date, through: date, split: Mapping[str, int]) -> Windows:
    """Hold-out and validation end the data, training has what lies before them."""
    holdout_start = through - split["holdout_days"] * DAY
    train_end = holdout_start - split["validation_days"] * DAY
    if train_end <= first:
        need = split["holdout_days"] + split["validation_days"] + 1
        raise WindowError(
            f"the data begin on {first} and end before {through}, which is {(through - first).days} days, "
            f"at least {need} are needed (1 to train, {split['validation_days']} to validate, "
            f"{split['holdout_days']} to hold out): the first possible `through` is {first + need * DAY}"
        )
    return Windows(train_start=first, train_end=train_end, validation_end=holdout_start, holdout_end=through)
