"""One column of a contract: reads a JSON value, or refuses it with what is allowed. Fast on good values."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from math import isfinite
from typing import Any

Read = Callable[[Any], Any]
REMEMBERED = 20_000
WHOLE_NUMBER = re.compile(r"[+-]?\d{1,19}(?:\.0*)?")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
MISSING = {"", "NA"}
# Characters of a date or of a moment that are left of it.
TRUNCATED = {"hour": 13, "day": 10, "month": 7, "year": 4}
LARGEST = 2**63 - 1  # what the lake's bigint holds


class Refused(ValueError):
    """A value that the contract does not allow."""

    def __init__(self, reason: str, allowed: str) -> None:
        self.reason, self.allowed = reason, allowed
        super().__init__(f"{reason}, allowed: {allowed}")


def reader(column: dict[str, Any]) -> Read:
    """The function that reads a value that is not missing."""
    return {"string": _string, "integer": _integer, "number": _number}.get(column["type"], _simple)(column)


def from_text(column: dict[str, Any], text: str) -> Any:
    """The JSON value that a CSV field stands for; what cannot be one stays text, and is refused as such."""
    if text in MISSING:
        return None
    kind = column["type"]
    if kind == "integer" and WHOLE_NUMBER.fullmatch(text):
        return int(text.split(".")[0])
    if kind == "number" and NUMBER.fullmatch(text):
        return float(text)
    if kind == "boolean":
        return BOOLEANS.get(text.lower(), text)
    return text


def generaliser(column: dict[str, Any]) -> Read:
    """The function that makes a quasi-identifier coarser; doing it twice changes nothing.

    prefix    the first characters of a code
    truncate  a moment in UTC, or a date, to its hour, day, month or year
    bin       a number to the lower end of its bin; then bottom and top: what lies beyond them becomes them
    """
    rule = column["generalise"]
    if "prefix" in rule:
        return lambda value: value[: rule["prefix"]]
    if "truncate" in rule:
        kept = TRUNCATED[rule["truncate"]]
        rest = "0000-01-01T00:00:00Z"[kept : None if column["type"] == "timestamp" else len("2013-01-31")]
        return lambda value: value[:kept] + rest
    size, low, high = rule.get("bin"), rule.get("bottom"), rule.get("top")

    def coarser(value: Any) -> Any:
        if size is not None:
            value = value // size * size
        if low is not None and value < low:
            return low
        return high if high is not None and value > high else value

    return coarser


def _string(column: dict[str, Any]) -> Read:
    pattern = re.compile(column["pattern"]) if "pattern" in column else None
    enum, longest = column.get("enum"), column.get("max_length")
    accepted: set[str] = set()

    def read(value: Any) -> str:
        if type(value) is not str:
            raise Refused("not a string", "string")
        if value in accepted:
            return value
        if not value:
            raise Refused("empty", "text, or null when it is missing")
        if enum is not None and value not in enum:
            raise Refused("not one of the known values", f"one of {', '.join(enum)}")
        if longest is not None and len(value) > longest:
            raise Refused("too long", f"at most {longest} characters, got {len(value)}")
        if pattern is not None and not pattern.fullmatch(value):
            raise Refused("does not match the pattern", pattern.pattern)
        if len(accepted) < REMEMBERED and len(value) < 100:
            accepted.add(value)
        return value

    return read


def _integer(column: dict[str, Any]) -> Read:
    low, high, enum = column.get("minimum", -LARGEST), column.get("maximum", LARGEST), column.get("enum")

    def read(value: Any) -> int:
        if type(value) is not int:
            if type(value) is not float or not value.is_integer():
                raise Refused("not a whole number", "integer")
            value = int(value)
        if not low <= value <= high:
            raise Refused("out of range", f"{low} to {high}")
        if enum is not None and value not in enum:
            raise Refused("not one of the known values", f"one of {', '.join(map(str, enum))}")
        return value  # type: ignore[no-any-return]

    return read


def _number(column: dict[str, Any]) -> Read:
    low, high = column.get("minimum", float("-inf")), column.get("maximum", float("inf"))
    enum = column.get("enum")

    def read(value: Any) -> float:
        if type(value) is not float:
            if type(value) is not int or abs(value) > LARGEST:
                raise Refused("not a number", "number")
            value = float(value)
        if not low <= value <= high:
            raise Refused("out of range", f"{low} to {high}")
        if not isfinite(value):
            raise Refused("not finite", "a finite number")
        if enum is not None and value not in enum:
            raise Refused("not one of the known values", f"one of {', '.join(map(str, enum))}")
        return value

    return read


def _simple(column: dict[str, Any]) -> Read:
    return {"boolean": _boolean, "timestamp": _timestamp, "date": _date}[column["type"]]


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise Refused("not a boolean", "true or false")
    return value


def _timestamp(value: Any) -> str:
    if type(value) is not str:
        raise Refused("not a timestamp", "ISO 8601 text with a time zone")
    return _canonical_timestamp(value)


@lru_cache(maxsize=REMEMBERED)
def _canonical_timestamp(text: str) -> str:
    """The moment in UTC: one spelling, so that the date is its first ten characters."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise Refused("a timestamp without time zone", "ISO 8601 with Z or an offset such as -05:00")
        utc = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused("not a timestamp", "ISO 8601 with a time zone, such as 2013-01-31T18:00:00Z") from error
    return utc.isoformat(timespec="microseconds" if utc.microsecond else "seconds").replace("+00:00", "Z")


def _date(value: Any) -> str:
    if type(value) is not str:
        raise Refused("not a date", "text such as 2013-01-31")
    return _canonical_date(value)


@lru_cache(maxsize=REMEMBERED)
def _canonical_date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise Refused("not a date", "such as 2013-01-31") from error
