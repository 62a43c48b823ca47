"""Epochs: stretches of time within which a person keeps one token, named by the local date of the event."""

from datetime import date, timedelta

GRAINS = ("year", "quarter", "month")


def epoch_of(day: str, grain: str) -> str:
    """The epoch of a date such as 2013-05-31: 2013, 2013-Q2 or 2013-05."""
    if grain == "year":
        return day[:4]
    return day[:7] if grain == "month" else f"{day[:4]}-Q{(int(day[5:7]) + 2) // 3}"


def following(epoch: str) -> str:
    """The epoch after this one."""
    return epoch_of((last_day(epoch) + timedelta(days=1)).isoformat(), grain_of(epoch))


def last_day(epoch: str) -> date:
    year, month = int(epoch[:4]), 12
    if len(epoch) > 4:
        month = int(epoch[-1]) * 3 if "Q" in epoch else int(epoch[-2:])
    return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)


def grain_of(epoch: str) -> str:
    if len(epoch) == 4:
        return "year"
    return "quarter" if "Q" in epoch else "month"
