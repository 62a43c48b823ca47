"""Mutants that nothing kills, each with a reviewed reason, and what of it is left to explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from audit.templates import InputError

SHORTEST_REASON = 40  # characters
OF = ("templates", "code")
# Of code that was changed and makes the same templates: nothing is weaker.
SAME = "the templates are the same"


@dataclass(frozen=True, kw_only=True)
class Result:
    """`by`: the check that killed it; "" for a survivor. Of code, `path` is the file and what is in it."""

    kind: str
    path: str
    subject: str
    by: str

    @property
    def what(self) -> str:
        return f"{self.path} | {self.kind} | {self.subject}"

    @property
    def is_killed(self) -> bool:
        return bool(self.by) and self.by != SAME


@dataclass(frozen=True, kw_only=True)
class Reason:
    """
    of             templates or code
    kind           of the mutant
    path, subject  patterns (*, ?) of the construct path and of the property or statement
    is_equivalent  nothing is weaker: such a mutant does not count
    """

    of: str
    kind: str
    path: str
    subject: str
    is_equivalent: bool
    reason: str

    def answers(self, result: Result) -> bool:
        return (
            result.kind == self.kind
            and fnmatchcase(result.path, self.path)
            and fnmatchcase(result.subject, self.subject)
        )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """
    results      all of them, in their order
    explained    survivor and its reason
    unexplained  survivors without one
    unused       reasons that answer no survivor
    """

    results: tuple[Result, ...]
    explained: tuple[tuple[Result, Reason], ...]
    unexplained: tuple[Result, ...]
    unused: tuple[Reason, ...]

    @property
    def equivalent(self) -> int:
        same = sum(result.by == SAME for result in self.results)
        return same + sum(reason.is_equivalent for _, reason in self.explained)

    @property
    def killed(self) -> int:
        return sum(result.is_killed for result in self.results)

    @property
    def counted(self) -> int:
        return len(self.results) - self.equivalent

    @property
    def score(self) -> float:
        """Of those that are not equivalent; 1 where there are none."""
        return self.killed / self.counted if self.counted else 1.0


def judged(results: Sequence[Result], reasons: Sequence[Reason]) -> Verdict:
    survivors = [result for result in results if not result.by]
    explained = [
        (result, next(reason for reason in reasons if reason.answers(result)))
        for result in survivors
        if any(reason.answers(result) for reason in reasons)
    ]
    known = {result.what for result, _ in explained}
    used = {id(reason) for _, reason in explained}
    return Verdict(
        results=tuple(results),
        explained=tuple(explained),
        unexplained=tuple(result for result in survivors if result.what not in known),
        unused=tuple(reason for reason in reasons if id(reason) not in used),
    )


def read(path: Path, of: str) -> list[Reason]:
    """The rows of a YAML list for one kind of run; InputError for one that is incomplete."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{path}: the reasons cannot be read ({error})") from error
    if not isinstance(content, list):
        raise InputError(f"{path}: the reasons are {type(content).__name__}, they must be a list of rows")
    rows = [_row(path, number, entry) for number, entry in enumerate(content, start=1)]
    return [row for row in rows if row.of == of]


def _row(path: Path, number: int, entry: Any) -> Reason:
    names = [field.name for field in fields(Reason)]
    given = set(entry) if isinstance(entry, Mapping) else set()
    if given != set(names):
        raise InputError(
            f"{path}: row {number} has {', '.join(sorted(map(str, given))) or 'nothing'}, "
            f"it must have exactly {', '.join(names)}"
        )
    if entry["of"] not in OF or not isinstance(entry["is_equivalent"], bool):
        raise InputError(
            f"{path}: row {number}: of must be {' or '.join(OF)}, got {entry['of']!r}, and is_equivalent "
            "true "
            f"or false, got {entry['is_equivalent']!r}"
        )
    if len(str(entry["reason"]).strip()) < SHORTEST_REASON:
        raise InputError(
            f"{path}: row {number}: the reason is too short ({entry['reason']!r}): say in {SHORTEST_REASON} "
            "characters or more why nothing sees it, or why nothing is weaker"
        )
    return Reason(**{name: entry[name] for name in names})
