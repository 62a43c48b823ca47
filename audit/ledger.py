"""The ledger: one reviewed file with every finding that is accepted, what bounds it and until when.

A row is one decision: it lists each finding that it answers, exactly, and answers it in all packs that make
it. It has to be specific, in date, and in use: a row that answers nothing, or has expired, is a finding
itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from audit.findings import Finding, Severity
from audit.templates import InputError

LONGEST = timedelta(days=366)  # a year: as long as the audits that ask for it are apart
SHORTEST_REASON = 40  # characters
UNUSED, EXPIRED, SHARED, WIDE, TOO_FAR = (f"LEDGER-0{number}" for number in range(1, 6))
NEEDED = ("rules", "findings", "reason", "proof", "review_by")
PROFILE = "<profile>"
_PLACE = re.compile(r"(\S+?)(?: \[(.+)\])?")


@dataclass(frozen=True, kw_only=True)
class Row:
    """
    rules      the same demand as findings name it, without the pack: IAM5; SQS3 and SQSRedrivePolicy
    places     construct path and exact subject of each finding; "" where the rule has no subject
    reason     what bounds the risk
    proof      what shows it: a test, a check, a decision
    review_by  the last day on which the row counts
    profile    the only profile whose templates it is about; "" for all
    module     the optional stack that it is about, by its id: without that stack the row is left out
    is_optional  it is about a part that a profile or a contract may lack, and counts only where that is there
    """

    rules: tuple[str, ...]
    places: tuple[tuple[str, str], ...]
    reason: str
    proof: str
    review_by: date
    profile: str = ""
    module: str = ""
    is_optional: bool = False

    @property
    def keys(self) -> set[tuple[str, str, str]]:
        return {(rule, subject, path) for rule in self.rules for path, subject in self.places}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """open: findings without a row, and what is wrong with the rows; answered: finding and its row."""

    open: tuple[Finding, ...]
    answered: tuple[tuple[Finding, Row], ...]


def read(path: Path | None, profile: str = "") -> list[Row]:
    """The rows for one profile, all rows without one; InputError for one that is incomplete.

    In what a row lists, `<profile>` stands for the profile's name. No file: no row.
    """
    if path is None:
        return []
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{path}: the ledger cannot be read ({error})") from error
    if not isinstance(content, list):
        raise InputError(f"{path}: the ledger is {type(content).__name__}, it must be a list of rows")
    rows = [_row(f"{path}: row {number}", entry, profile) for number, entry in enumerate(content, start=1)]
    return [row for row in rows if not profile or row.profile in ("", profile)]


def about(rows: Sequence[Row], stacks: Collection[str]) -> list[Row]:
    """Without the rows of optional stacks that are not among these."""
    return [row for row in rows if not row.module or row.module in stacks]


def _row(where: str, entry: Any, profile: str) -> Row:
    given = set(entry) if isinstance(entry, Mapping) else set()
    if given - {"module", "profile", "optional"} != set(NEEDED):
        raise InputError(
            f"{where} has {', '.join(sorted(map(str, given))) or 'nothing'}, "
            f"it must have exactly {', '.join(NEEDED)}; profile, if it is for one only; module, if for that; "
            "optional, for a part that may lack"
        )
    if not isinstance(entry["review_by"], date):
        raise InputError(f"{where}: review_by is {entry['review_by']!r}, allowed: a date")
    reason = " ".join(str(entry["reason"]).split())
    if len(reason) < SHORTEST_REASON:
        raise InputError(
            f"{where}: the reason is too short ({reason!r}): name what bounds the risk "
            f"in {SHORTEST_REASON} characters or more"
        )
    return Row(
        rules=tuple(_texts(where, entry, "rules")),
        places=tuple(_place(where, text, profile) for text in _texts(where, entry, "findings")),
        reason=reason,
        proof=str(entry["proof"]),
        review_by=entry["review_by"],
        profile=str(entry.get("profile") or ""),
        module=str(entry.get("module") or ""),
        is_optional=entry.get("optional") is True,
    )


def _texts(where: str, entry: Mapping[str, Any], name: str) -> list[str]:
    value = entry[name]
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise InputError(f"{where}: {name} is {value!r}, allowed: a list of texts, one or more")
    return value


def _place(where: str, text: str, profile: str) -> tuple[str, str]:
    match = _PLACE.fullmatch(text.replace(PROFILE, profile) if profile else text)
    if match is None:
        raise InputError(f"{where}: {text!r} is no finding: write <construct path> or <path> [<subject>]")
    return match[1], match[2] or ""


def judge(findings: Sequence[Finding], rows: Sequence[Row], today: date) -> Verdict:
    """Which findings the rows answer; everything else is open, faults of the ledger too."""
    by_key = {key: row for row in rows if row.review_by >= today for key in row.keys}
    answered = tuple((one, by_key[one.key]) for one in findings if one.key in by_key)
    used = {one.key for one, _ in answered}
    unanswered = [one for one in findings if one.key not in used]
    return Verdict(open=(*unanswered, *_faults(rows, used, today)), answered=answered)


def _faults(rows: Sequence[Row], used: set[tuple[str, str, str]], today: date) -> list[Finding]:
    faults = []
    rules_of: dict[str, set[str]] = {}
    for row in rows:
        rules_of.setdefault(row.reason, set()).add(" and ".join(row.rules))
    for row in rows:
        if row.review_by < today:
            faults.append(_fault(EXPIRED, row, f"expired on {row.review_by}", "Review it, or mend it."))
        else:
            faults += _unused(row, used)
        if row.review_by > today + LONGEST:
            faults.append(
                _fault(TOO_FAR, row, f"is good until {row.review_by}", "At most a year from today.")
            )
        others = rules_of[row.reason] - {" and ".join(row.rules)}
        if others:
            faults.append(
                _fault(
                    SHARED,
                    row,
                    f"shares its reason with {', '.join(sorted(others))}",
                    "Say what bounds this risk, of this rule.",
                )
            )
        faults += [
            _fault(WIDE, row, "covers more than one construct", "Name one construct path.", place)
            for place in row.places
            if "/" not in place[0] or any(mark in place[0] for mark in "*?[")
        ]
    return faults


def _unused(row: Row, used: set[tuple[str, str, str]]) -> list[Finding]:
    """A place answers something when one of the rules is found there; a rule, when it is found somewhere.

    A part that lacks has none of its findings; where one is found, all of its row have to be.
    """
    if row.is_optional and not row.keys & used:
        return []
    places = [
        _fault(UNUSED, row, "answers no finding", "Remove it: what it accepted is gone.", (path, subject))
        for path, subject in row.places
        if not any((rule, subject, path) in used for rule in row.rules)
    ]
    idle = [rule for rule in row.rules if not any((rule, *place[::-1]) in used for place in row.places)]
    if idle and len(places) < len(row.places):
        places.append(_fault(UNUSED, row, f"names {', '.join(idle)}, which nothing says", "Remove it."))
    return places


def _fault(rule: str, row: Row, what: str, fix: str, place: tuple[str, str] | None = None) -> Finding:
    path, subject = place or row.places[0]
    names = " and ".join(row.rules)
    about = f"{names}[{subject}]" if subject else names
    return Finding(
        rule=rule,
        severity=Severity.MEDIUM,
        address=path,
        path=path,
        subject=about,
        message=f"the ledger's row for {about} on {path} {what}",
        fix=fix,
    )
