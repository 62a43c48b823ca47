"""What the benchmarks found, each figure against what it may cost, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_ANSWERS = {True: "yes", False: "NO", None: ""}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The budget is `at_most` or `at_least`, in the value's unit; neither: measured for its own sake."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def within(self) -> bool | None:
        """None where there is no budget."""
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.at_least is not None:
            return self.value >= self.at_least
        return None

    @property
    def budget(self) -> str:
        if self.at_most is not None:
            return f"at most {self.at_most:,g}"
        return f"at least {self.at_least:,g}" if self.at_least is not None else ""


def table(figures: Sequence[Figure]) -> str:
    rows = [("measured", "figure", "", "budget", "within")]
    rows += [(f.what, number(f.value), f.unit, f.budget, _ANSWERS[f.within]) for f in figures]
    a, b, c, d, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join(
        f"{what:<{a}}  {value:>{b}} {unit:<{c}}  {budget:<{d}}  {within}".rstrip()
        for what, value, unit, budget, within in rows
    )


def number(value: float) -> str:
    """Three digits or all before the point: more says nothing on a machine with other work."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def verdict(figures: Sequence[Figure]) -> str:
    judged = [figure for figure in figures if figure.within is not None]
    over = [figure.what for figure in judged if not figure.within]
    if not judged:
        return "no figure with a budget was measured"
    if over:
        return f"{len(over)} of {len(judged)} figures are not within their budgets: {'; '.join(over)}"
    return f"all {len(judged)} figures with a budget are within it"
