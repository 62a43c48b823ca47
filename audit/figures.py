"""What a new account has of each quota: figures with their source and date (quotas.yaml)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_TABLE = Path(__file__).with_name("quotas.yaml")


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What Service Quotas calls it, and what a new account has of it."""

    service: str
    name: str
    code: str
    default: float
    source: str
    date: str
    region: str = ""  # where alone it is shown and changed; "": in each

    @property
    def key(self) -> tuple[str, str]:
        return (self.service, self.name)


@cache
def table() -> dict[tuple[str, str], Quota]:
    """By service and name."""
    known: dict[str, Any] = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return {quota.key: quota for group in known["quotas"] for quota in _group(group, known["sources"])}


def _group(group: Mapping[str, Any], sources: Mapping[str, Any]) -> Iterator[Quota]:
    source = sources[group["source"]]
    for name, (code, default) in group["names"].items():
        yield Quota(
            service=group["service"],
            name=name,
            code=code,
            default=default,
            region=group.get("region", ""),
            source=source["what"],
            date=str(source["date"]),
        )
