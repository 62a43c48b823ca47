"""What is in the lake: raw days, which of them have something new, and the published months."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from shared.aws import client, objects, partitions, read_json

DAY = re.compile(r"raw/([^/]+)/dt=(\d{4}-\d{2}-\d{2}|all)/")
ALL = "all"  # the one partition of a dimension
# S3 dates an object by the start of its upload and shows it at the end: one may appear that is older than the
# newest of the last look. So the objects of the last hour are remembered by name, not only by their time.
OVERLAP = timedelta(hours=1)

Days = Mapping[str, set[str]]  # table -> local days as text; a dimension's only day is "all"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a refresh knew of the raw zone, and what it left for a later one.

    until   when the newest object came; None: nothing is known
    recent  key -> time, of the objects that came within OVERLAP before that
    left    days that were new but not among the months of that run
    """

    until: datetime | None = None
    recent: Mapping[str, str]
    left: Days

    def knows(self, key: str, time: datetime) -> bool:
        if self.until is None:
            return False
        return time <= self.until - OVERLAP or self.recent.get(key) == time.isoformat()

    def to_json(self) -> dict[str, Any]:
        until = self.until.isoformat() if self.until else None
        left = {table: sorted(days) for table, days in self.left.items() if days}
        return {"until": until, "recent": dict(self.recent), "left": left}

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Seen":
        until = datetime.fromisoformat(content["until"]) if content["until"] else None
        left = {table: set(days) for table, days in content["left"].items()}
        return cls(until=until, recent=content["recent"], left=left)


NOTHING = Seen(recent={}, left={})


@dataclass(frozen=True, kw_only=True)
class Raw:
    """days: all that have objects; fresh: those with an object that the last refresh did not use."""

    days: Days
    fresh: Days
    until: datetime | None
    recent: Mapping[str, str]

    def dates(self, table: str) -> list[date]:
        return sorted(date.fromisoformat(day) for day in self.days.get(table, set()) if day != ALL)


def raw(tables: Mapping[str, Any], seen: Seen) -> Raw:
    """Of the contract's tables only."""
    days: dict[str, set[str]] = {table: set() for table in tables}
    fresh: dict[str, set[str]] = {table: set(seen.left.get(table, ())) for table in tables}
    times: dict[str, datetime] = {}
    until = seen.until
    for table, day, key, time in _raw_objects(tables):
        days[table].add(day)
        if not seen.knows(key, time):
            fresh[table].add(day)
        if until is None or time > until - OVERLAP:
            times[key] = time
            until = max(until or time, time)
    recent = {key: time.isoformat() for key, time in times.items() if until and time > until - OVERLAP}
    return Raw(days=days, fresh=fresh, until=until, recent=recent)


def _raw_objects(tables: Mapping[str, Any]) -> Iterator[tuple[str, str, str, datetime]]:
    for table in tables:
        for entry in objects(os.environ["RAW_BUCKET"], f"raw/{table}/"):
            match = DAY.match(entry["Key"])
            if match:
                yield table, match.group(2), entry["Key"], entry["LastModified"]


def catalogue(tables: Mapping[str, Any]) -> dict[str, Any]:
    """{"curated": {table: {month: uri}}, "features": {month: uri}} as published."""
    database = os.environ["DATABASE"]
    return {
        "curated": {table: partitions(database, table) for table in tables},
        "features": partitions(database, "features"),
    }


def last_seen() -> Seen:
    """What the last refresh knew; nothing before the first one, or when its notes are gone."""
    answer = client("dynamodb").get_item(
        TableName=os.environ["LEDGER_TABLE"], Key={"id": {"S": "refresh#last"}}, ConsistentRead=True
    )
    item = answer.get("Item")
    if item is None:
        return NOTHING
    try:
        content = read_json(os.environ["MODELS_BUCKET"], f"runs/{item['run_id']['S']}/raw_seen.json")
    except client("s3").exceptions.NoSuchKey:
        return NOTHING
    return Seen.of(content)
