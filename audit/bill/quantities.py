"""A quantity of something that has a price; times that price it is an item of the bill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from audit.bill.prices import Prices
from audit.templates import InputError


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """
    group   the line of a summary that it goes into
    what    which resource, or which part of its use
    price   its name in the table; amount: in the price's unit, a month (or a run)
    """

    group: str
    what: str
    price: str
    amount: float


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """What the bill leaves out, and why."""

    what: str
    why: str


def guarded(what: str, read: Callable[[], Iterable[Quantity | Unknown]]) -> list[Quantity | Unknown]:
    """Others' templates hold what no reader expects: it is then not known, and the rest of a bill stands."""
    try:
        return list(read())
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return [Unknown(what=what, why=f"its properties cannot be read ({type(error).__name__}: {error})")]


@dataclass(frozen=True, kw_only=True)
class Item:
    group: str
    what: str
    price: str
    amount: float
    unit: str
    usd_per_unit: float

    @property
    def usd(self) -> float:
        return self.amount * self.usd_per_unit


def priced(quantities: Iterable[Quantity], prices: Prices) -> tuple[list[Item], list[Unknown]]:
    items, unknown = [], []
    for each in quantities:
        price = prices.get(each.price)
        if price is None:
            unknown.append(Unknown(what=each.what, why=f"no price {each.price} in the table"))
            continue
        items.append(
            Item(
                group=each.group,
                what=each.what,
                price=each.price,
                amount=each.amount,
                unit=price.unit,
                usd_per_unit=price.usd,
            )
        )
    return items, unknown


def total(items: Sequence[Item]) -> float:
    return sum(each.usd for each in items)
