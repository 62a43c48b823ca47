"""Records of a feature group: the newest event time wins online, and every write goes on to the offline half.

State and rules only; requests come from feature_store.py, files are written by feature_offline.py.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
_SECONDS = {"Seconds": 1, "Minutes": 60, "Hours": 3_600, "Days": 86_400, "Weeks": 604_800}
STORES = ("OnlineStore", "OfflineStore")


class RecordError(ValueError):
    """The record or request does not fit the group; answered as 400 ValidationError."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What stands online for one identifier; after a soft deletion without values."""

    values: Mapping[str, str]
    at: datetime
    expires: datetime | None
    deleted: bool = False


@dataclass(frozen=True, kw_only=True)
class Written:
    """A row on its way to the offline half."""

    values: Mapping[str, str]
    at: datetime
    invoked: datetime
    deleted: bool


@dataclass(kw_only=True)
class Group:
    """A feature group as its request described it; `online` by identifier."""

    request: dict[str, Any]
    arn: str
    created: datetime
    modified: datetime | None = None
    tags: list[dict[str, str]] = field(default_factory=list)
    online: dict[str, Kept] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        return str(self.request["FeatureGroupName"])

    @property
    def types(self) -> dict[str, str]:
        return {one["FeatureName"]: one["FeatureType"] for one in self.request["FeatureDefinitions"]}

    @property
    def identifier(self) -> str:
        return str(self.request["RecordIdentifierFeatureName"])

    @property
    def event_time(self) -> str:
        return str(self.request["EventTimeFeatureName"])

    @property
    def stores(self) -> tuple[str, ...]:
        online = (self.request.get("OnlineStoreConfig") or {}).get("EnableOnlineStore", False)
        offline = bool(self.request.get("OfflineStoreConfig"))
        return tuple(store for store, there in zip(STORES, (online, offline), strict=True) if there)

    def targets(self, named: list[str] | None) -> tuple[str, ...]:
        """The stores that a request writes to."""
        if missing := sorted(set(named or ()) - set(self.stores)):
            raise RecordError(f"{self.name} has no {missing[0]}; it has: {', '.join(self.stores)}")
        return tuple(named) if named else self.stores

    def put(
        self,
        record: list[dict[str, Any]],
        *,
        now: datetime,
        stores: list[str] | None = None,
        ttl: Mapping[str, Any] | None = None,
    ) -> Written | None:
        """What goes to the offline half, None if nothing. What is not newer changes nothing online."""
        targets = self.targets(stores)
        values = self._values(record)
        at = self.moment(values[self.event_time])
        ttl = ttl or (self.request.get("OnlineStoreConfig") or {}).get("TtlDuration")
        if "OnlineStore" in targets:
            with self.lock:
                before = self._standing(values[self.identifier], now)
                if before is None or at > before.at:
                    expires = at + lifetime(ttl) if ttl else None
                    self.online[values[self.identifier]] = Kept(values=values, at=at, expires=expires)
        return self._offline(targets, values, at, now, deleted=False)

    def delete(
        self, identifier: str, event_time: str, *, now: datetime, stores: list[str] | None, mode: str
    ) -> Written | None:
        """A marker for the offline half. A soft deletion that comes late marks and changes nothing online."""
        targets = self.targets(stores)
        at = self.moment(event_time)
        if "OnlineStore" in targets:
            with self.lock:
                before = self._standing(identifier, now)
                is_late = before is not None and at <= before.at
                if is_late and mode == "HardDelete":
                    raise RecordError(f"EventTime {event_time} is not later than that of the record")
                if mode == "HardDelete":
                    self.online.pop(identifier, None)
                elif not is_late:
                    self.online[identifier] = Kept(values={}, at=at, expires=None, deleted=True)
        values = {self.identifier: identifier, self.event_time: event_time}
        return self._offline(targets, values, at, now, deleted=True)

    def get(self, identifier: str, names: list[str] | None, now: datetime) -> Kept | None:
        """None where there is none, it was deleted, or its time is over."""
        if "OnlineStore" not in self.stores:
            raise RecordError(f"{self.name} has no OnlineStore")
        if unknown := sorted(set(names or ()) - set(self.types)):
            raise RecordError(f"{self.name} has no feature {unknown[0]}")
        with self.lock:
            found = self._standing(identifier, now)
        if found is None or found.deleted:
            return None
        wanted = names or list(self.types)
        values = {name: found.values[name] for name in wanted if name in found.values}
        return Kept(values=values, at=found.at, expires=found.expires)

    def moment(self, text: str) -> datetime:
        """An event time: ISO 8601 in UTC for text, seconds since 1970 for a number."""
        if self.types[self.event_time] == "String":
            if not _ISO.fullmatch(text):
                raise RecordError(
                    f"event time {text!r} is not of the form 2024-01-31T12:00:00Z, with or without .000"
                )
            return datetime.fromisoformat(text)
        return datetime.fromtimestamp(_number(self.event_time, text), UTC)

    def _standing(self, identifier: str, now: datetime) -> Kept | None:
        found = self.online.get(identifier)
        if found is not None and found.expires is not None and found.expires <= now:
            del self.online[identifier]
            return None
        return found

    def _offline(
        self,
        targets: tuple[str, ...],
        values: Mapping[str, str],
        at: datetime,
        now: datetime,
        *,
        deleted: bool,
    ) -> Written | None:
        if "OfflineStore" not in targets:
            return None
        return Written(values=values, at=at, invoked=now, deleted=deleted)

    def _values(self, record: list[dict[str, Any]]) -> dict[str, str]:
        values: dict[str, str] = {}
        for one in record:
            name = one["FeatureName"]
            if "ValueAsStringList" in one:
                raise RecordError("ValueAsStringList is not in the sandbox: collections are not")
            if name not in self.types:
                raise RecordError(f"feature {name} is not of {self.name}; there are: {', '.join(self.types)}")
            if name in values:
                raise RecordError(f"feature {name} is given twice")
            value = one.get("ValueAsString")
            if value is None:
                continue
            if self.types[name] != "String":
                _number(name, value, whole=self.types[name] == "Integral")
            values[name] = value
        for name in (self.identifier, self.event_time):
            if not values.get(name):
                raise RecordError(f"the record has no {name}, which every record of {self.name} needs")
        return values


def lifetime(ttl: Mapping[str, Any]) -> timedelta:
    return timedelta(seconds=_SECONDS[ttl["Unit"]] * int(ttl["Value"]))


def _number(name: str, text: str, *, whole: bool = False) -> float:
    try:
        value = float(int(text)) if whole else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RecordError(f"feature {name} is not {'a whole' if whole else 'a'} number")
    return value
