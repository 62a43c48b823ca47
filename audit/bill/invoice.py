"""The bill: items that are always on, items by use, runs, and what it does not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.bill import free, using
from audit.bill.prices import Prices
from audit.bill.quantities import Item, Quantity, Unknown, priced, total
from audit.bill.runs import runs
from audit.bill.standing import READERS, standing
from audit.bill.usage import DAYS, Usage
from audit.templates import Templates


@dataclass(frozen=True, kw_only=True)
class PricedRun:
    """`usd` of one run, of which there are `times` a month."""

    kind: str
    machine: str
    times: float
    items: Sequence[Item]

    @property
    def usd(self) -> float:
        return total(self.items)


@dataclass(frozen=True, kw_only=True)
class Bill:
    """USD a month, in the Region of the prices, without taxes, support and free tiers."""

    prices: Prices
    usage: Usage
    always: Sequence[Item]
    use: Sequence[Item]
    runs: Sequence[PricedRun]
    unknown: Sequence[Unknown]

    @property
    def idle(self) -> float:
        """A month, used or not."""
        return total(self.always)

    @property
    def idle_day(self) -> float:
        return self.idle / DAYS

    @property
    def used(self) -> float:
        return total(self.use) + sum(run.usd * run.times for run in self.runs)

    @property
    def month(self) -> float:
        return self.idle + self.used


def make(templates: Templates, usage: Usage, prices: Prices) -> Bill:
    always, unknown = _priced(standing(templates), prices)
    use, more = _priced(using.using(templates, usage), prices)
    unknown += more
    made = []
    for run in runs(templates, usage):
        items, more = _priced(run.contents, prices)
        made.append(PricedRun(kind=run.kind, machine=run.machine, times=run.times, items=items))
        unknown += more
    return Bill(
        prices=prices,
        usage=usage,
        always=always,
        use=use,
        runs=made,
        unknown=sorted({*unknown, *_types(templates)}, key=lambda each: (each.what, each.why)),
    )


def _priced(found: Iterable[Quantity | Unknown], prices: Prices) -> tuple[list[Item], list[Unknown]]:
    every = list(found)
    items, unknown = priced([each for each in every if isinstance(each, Quantity)], prices)
    return items, [*(each for each in every if isinstance(each, Unknown)), *unknown]


def _types(templates: Templates) -> list[Unknown]:
    """Types that are neither priced nor listed as free."""
    counted = Counter(
        resource.type
        for resource in templates.resources
        if resource.type not in READERS
        and resource.type not in using.PRICED
        and not free.is_free(resource.type)
    )
    return [
        Unknown(what=kind, why=f"a type that the bill does not know: {count} of it")
        for kind, count in counted.items()
    ]


def by_group(items: Iterable[Item]) -> dict[str, float]:
    """USD by group, the dearest first."""
    sums: dict[str, float] = {}
    for item in items:
        sums[item.group] = sums.get(item.group, 0.0) + item.usd
    return dict(sorted(sums.items(), key=lambda entry: -entry[1]))
