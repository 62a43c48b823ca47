"""The table of prices, each with its unit, its page and the date on which it was looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from audit.templates import InputError

TABLE = Path(__file__).with_name("prices.yaml")


@dataclass(frozen=True, kw_only=True)
class Price:
    """`usd` for one `unit`; `checked` against the copy of the price list that `against` names."""

    usd: float
    unit: str
    page: str
    checked: date
    against: str


@dataclass(frozen=True, kw_only=True)
class Prices:
    as_of: date
    region: str
    hours_a_month: int
    prices: Mapping[str, Price]

    def get(self, name: str) -> Price | None:
        return self.prices.get(name)


def read(path: Path = TABLE) -> Prices:
    """InputError for a table that lacks a field, or a price whose page is not listed."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        pages = content["pages"]
        return Prices(
            as_of=content["as_of"],
            region=content["region"],
            hours_a_month=content["hours_a_month"],
            prices={
                name: Price(**(fields | {"page": pages[fields["page"]]}))
                for name, fields in content["prices"].items()
            },
        )
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: no table of prices ({type(error).__name__}: {error}); "
            "allowed: the fields of audit/bill/prices.yaml"
        ) from error
