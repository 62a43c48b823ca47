"""What stands in the way of a deployment, each with the command that mends it; told the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """The worst first."""

    STOPS = 3  # the deployment fails
    LATER = 2  # a run fails, days after
    MAY = 1  # it can happen, or mends itself
    UNKNOWN = 0  # could not be looked at


@dataclass(frozen=True, kw_only=True)
class Problem:
    """
    area      which check found it: quotas, region, bootstrap, ...
    what      the quota, the name, the stack
    got       what was found, and what is needed
    command   mends it as it stands; "" where no command can, and `got` says what to do
    """

    area: str
    severity: Severity
    what: str
    got: str
    command: str = ""

    @property
    def is_serious(self) -> bool:
        return self.severity >= Severity.LATER


def worst_first(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda each: (-each.severity, each.area, each.what))


def told(problems: Sequence[Problem]) -> Iterator[str]:
    """A table, and below each row its command in a line of its own, to be copied."""
    found = worst_first(problems)
    if not found:
        return
    rows = [(each.severity.name.lower(), each.area, each.what) for each in found]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row, problem in zip(rows, found, strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"{cells}  {problem.got}"
        for line in problem.command.splitlines():
            yield f"{'':{widths[0]}}  fix: {line}"


def summary(problems: Sequence[Problem], resources: int) -> str:
    counts = {
        severity: sum(problem.severity is severity for problem in problems)
        for severity in sorted(Severity, reverse=True)
    }
    words = {
        Severity.STOPS: "of which the deployment fails",
        Severity.LATER: "of which a run fails later",
        Severity.MAY: "that may matter",
        Severity.UNKNOWN: "not looked at",
    }
    said = ", ".join(f"{number} {words[severity]}" for severity, number in counts.items() if number)
    return f"{resources} resources and what they need: {said or 'nothing is in the way'}"
