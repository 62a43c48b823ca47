"""The bill for people and for tools: text, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from audit.bill.invoice import Bill, by_group
from audit.bill.quantities import Item, total

WIDTH = 96
ONLY_BY_USE = "taxes, support, free tiers, traffic to the internet and other Regions' prices are not in it"


def text(bill: Bill, *, title: str, is_brief: bool = False) -> Iterator[str]:
    """`is_brief`: what is always on, and nothing of its use."""
    yield f"{title}: USD a month, {bill.prices.region}, prices as of {bill.prices.as_of}"
    yield from _section("always on", bill.always)
    yield _row("  together", bill.idle, f"{bill.idle_day:.2f} a day")
    if not is_brief:
        yield from _section("by use", bill.use)
        yield from _runs(bill)
        yield _row("a month with this use", bill.month)
    if bill.unknown:
        yield "not in these figures, so they are the least that it can be:"
        yield from (f"  {each.what}: {each.why}" for each in bill.unknown)
    yield f"({ONLY_BY_USE})"


def _section(name: str, items: Sequence[Item]) -> Iterator[str]:
    yield f"{name}:"
    for group, usd in by_group(items).items():
        yield _row(f"  {group}", usd)
        for (what, price), some in _same(each for each in items if each.group == group).items():
            amount = sum(each.amount for each in some)
            unit = f"{_figure(amount)} x {some[0].usd_per_unit:.10g} per {some[0].unit}"
            yield _row(f"    {what}", total(some), f"{unit} [{price}]")


def _same(items: Iterable[Item]) -> dict[tuple[str, str], list[Item]]:
    """Alarms by the dozen are one line."""
    found: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        is_many = item.group in ("alarms", "keys")
        key = ("all of them" if is_many else item.what, item.price)
        found.setdefault(key, []).append(item)
    return found


def _runs(bill: Bill) -> Iterator[str]:
    yield "runs:"
    for run in bill.runs:
        yield _row(f"  {run.kind}", run.usd, f"each; {_figure(run.times)} a month: {run.usd * run.times:.2f}")
        for group, usd in by_group(run.items).items():
            yield _row(f"    {group}", usd)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 or value == int(value) else f"{value:.4g}"


def _row(label: str, usd: float, more: str = "") -> str:
    return f"{label[:66]:<66} {usd:>10,.2f}  {more}".rstrip()


def as_json(bill: Bill) -> dict[str, Any]:
    return {
        "as_of": bill.prices.as_of.isoformat(),
        "region": bill.prices.region,
        "currency": "USD",
        "usage": asdict(bill.usage),
        "always_on": {
            "month": bill.idle,
            "day": bill.idle_day,
            "items": [_item(each) for each in bill.always],
        },
        "by_use": {"month": total(bill.use), "items": [_item(each) for each in bill.use]},
        "runs": [
            {
                "kind": run.kind,
                "machine": run.machine,
                "usd": run.usd,
                "times_a_month": run.times,
                "items": [_item(each) for each in run.items],
            }
            for run in bill.runs
        ],
        "month": bill.month,
        "unknown": [asdict(each) for each in bill.unknown],
    }


def _item(item: Item) -> dict[str, Any]:
    return {**asdict(item), "usd": item.usd}
