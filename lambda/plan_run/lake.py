"""What is in the lake: raw days with the time of their newest object, published months, the last refresh."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from shared.aws import client, objects, partitions, read_json

DAY = re.compile(r"raw/([^/]+)/dt=(\d{4}-\d{2}-\d{2}|all)/")
ALL = "all"  # the one partition of a dimension


@dataclass(frozen=True, kw_only=True)
class Raw:
    """newest[table][UTC day]: when the newest object of the day came; a dimension's only day is "all"."""

    newest: Mapping[str, Mapping[str, datetime]]

    @property
    def seen(self) -> datetime | None:
        return max((time for days in self.newest.values() for time in days.values()), default=None)

    def days(self, table: str) -> list[date]:
        return sorted(date.fromisoformat(day) for day in self.newest.get(table, {}) if day != ALL)

    def fresh_days(self, since: datetime | None) -> set[date]:
        """Days with an object that is not older than `since`; all days without one."""
        return {
            date.fromisoformat(day)
            for days in self.newest.values()
            for day, time in days.items()
            if day != ALL and (since is None or time >= since)
        }


def raw(tables: Mapping[str, Any]) -> Raw:
    """Of the contract's tables only."""
    newest: dict[str, dict[str, datetime]] = {}
    for table in tables:
        for entry in objects(os.environ["RAW_BUCKET"], f"raw/{table}/"):
            match = DAY.match(entry["Key"])
            if match:
                days = newest.setdefault(table, {})
                day, time = match.group(2), entry["LastModified"]
                days[day] = max(time, days.get(day, time))
    return Raw(newest=newest)


def catalogue(tables: Mapping[str, Any]) -> dict[str, Any]:
    """{"curated": {table: {month: uri}}, "features": {month: uri}} as published."""
    database = os.environ["DATABASE"]
    return {
        "curated": {table: partitions(database, table) for table in tables},
        "features": partitions(database, "features"),
    }


def last_refresh() -> datetime | None:
    """The newest raw object that the last refresh knew of.

    Its manifest says so in the time of S3 itself; the start of its execution is a stand-in.
    """
    answer = client("dynamodb").get_item(
        TableName=os.environ["LEDGER_TABLE"], Key={"id": {"S": "refresh#last"}}, ConsistentRead=True
    )
    item = answer.get("Item")
    if item is None:
        return None
    try:
        manifest = read_json(os.environ["MODELS_BUCKET"], f"runs/{item['run_id']['S']}/manifest.json")
    except client("s3").exceptions.NoSuchKey:
        return datetime.fromisoformat(item["started_at"]["S"]).astimezone(UTC)
    return datetime.fromisoformat(manifest["raw_seen"])
