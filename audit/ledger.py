"""The ledger: one reviewed file with every finding that is accepted, by whom it is bounded and until when.

A row answers one finding on one construct, in all packs that make it. It has to be specific, in date, and in
use: a row that answers nothing, or has expired, is a finding itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from audit.findings import Finding, Severity
from audit.templates import InputError

LONGEST = timedelta(days=366)  # a year: as long as the audits that ask for it are apart
SHORTEST_REASON = 40  # characters
UNUSED, EXPIRED, SHARED, WIDE, TOO_FAR = (f"LEDGER-0{number}" for number in range(1, 6))


@dataclass(frozen=True, kw_only=True)
class Row:
    """
    rule       as findings name it, without the pack: IAM5, LambdaConcurrency, ML-SFN-01
    finding    the exact subject; "" where the rule has none
    path       construct path of one construct
    reason     what bounds the risk
    proof      what shows it: a test, a proof of audit/wildcards.py, a page of the documentation
    review_by  the last day on which the row counts
    """

    rule: str
    finding: str
    path: str
    reason: str
    proof: str
    review_by: date

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.rule, self.finding, self.path)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """open: findings without a row, and what is wrong with the rows; answered: finding and its row."""

    open: tuple[Finding, ...]
    answered: tuple[tuple[Finding, Row], ...]


def read(path: Path | None) -> list[Row]:
    """The rows of a YAML list; InputError for one that is incomplete. No file: no row."""
    if path is None:
        return []
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{path}: the ledger cannot be read ({error})") from error
    if not isinstance(content, list):
        raise InputError(f"{path}: the ledger is {type(content).__name__}, it must be a list of rows")
    return [_row(path, number, entry) for number, entry in enumerate(content, start=1)]


def _row(path: Path, number: int, entry: Any) -> Row:
    names = [field.name for field in fields(Row)]
    given = set(entry) if isinstance(entry, Mapping) else set()
    if given != set(names):
        raise InputError(
            f"{path}: row {number} has {', '.join(sorted(map(str, given))) or 'nothing'}, "
            f"it must have exactly {', '.join(names)}"
        )
    if not isinstance(entry["review_by"], date):
        raise InputError(f"{path}: row {number}: review_by is {entry['review_by']!r}, allowed: a date")
    if len(str(entry["reason"]).strip()) < SHORTEST_REASON:
        raise InputError(
            f"{path}: row {number}: the reason is too short ({entry['reason']!r}): name what bounds the risk "
            f"in {SHORTEST_REASON} characters or more"
        )
    return Row(**{name: entry[name] for name in names})


def judge(findings: Sequence[Finding], rows: Sequence[Row], today: date) -> Verdict:
    """Which findings the rows answer; everything else is open, faults of the ledger too."""
    by_key = {row.key: row for row in rows if row.review_by >= today}
    answered = tuple((one, by_key[one.key]) for one in findings if one.key in by_key)
    used = {row.key for _, row in answered}
    unanswered = [one for one in findings if one.key not in used]
    return Verdict(open=(*unanswered, *_faults(rows, used, today)), answered=answered)


def _faults(rows: Sequence[Row], used: set[tuple[str, str, str]], today: date) -> list[Finding]:
    faults = []
    rules_of: dict[str, set[str]] = {}
    for row in rows:
        rules_of.setdefault(row.reason.strip(), set()).add(row.rule)
    for row in rows:
        if row.review_by < today:
            faults.append(
                _fault(EXPIRED, row, f"expired on {row.review_by}", "Review it, or mend the finding.")
            )
        elif row.key not in used:
            faults.append(
                _fault(UNUSED, row, "answers no finding", "Remove the row: what it accepted is gone.")
            )
        if row.review_by > today + LONGEST:
            faults.append(
                _fault(TOO_FAR, row, f"is good until {row.review_by}", "At most a year from today.")
            )
        if len(rules_of[row.reason.strip()]) > 1:
            others = ", ".join(sorted(rules_of[row.reason.strip()] - {row.rule}))
            faults.append(
                _fault(
                    SHARED,
                    row,
                    f"shares its reason with {others}",
                    "Say what bounds this risk, of this rule.",
                )
            )
        if "/" not in row.path or any(mark in row.path for mark in "*?["):
            faults.append(_fault(WIDE, row, "covers more than one construct", "Name one construct path."))
    return faults


def _fault(rule: str, row: Row, what: str, fix: str) -> Finding:
    subject = f"{row.rule}[{row.finding}]" if row.finding else row.rule
    return Finding(
        rule=rule,
        severity=Severity.MEDIUM,
        address=row.path,
        path=row.path,
        subject=subject,
        message=f"the ledger's row for {subject} on {row.path} {what}",
        fix=fix,
    )
