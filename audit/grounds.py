"""Reasons that the ledger has from a proof: what was proved of a wildcard is why the finding is accepted.

    python -m audit.grounds <templates> [--profile NAME]

prints the rows of the ledger for all wildcards that the packs find, grouped by their reason.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import yaml

from audit import packs, wildcards
from audit.findings import Finding, Severity
from audit.ledger import PROFILE, Row
from audit.templates import InputError, Templates

RULE = "IAM5"
PROOF = "audit/wildcards/__init__.py"
OTHER = "LEDGER-06"
HALF_A_YEAR = timedelta(days=183)


def reasons(templates: Templates) -> dict[tuple[str, str], str]:
    """Construct path and subject of each wildcard, as the packs name it -> why it stands."""
    grounds: dict[tuple[str, str], dict[str, None]] = {}
    for proof in wildcards.proofs(templates):
        if proof.verdict in ("bounded", "unavoidable"):
            stack = proof.owner.partition("/")[0]
            kind = "Action" if proof.is_action else "Resource"
            subject = f"{kind}::{packs.readable(templates, stack, proof.pattern)}"
            grounds.setdefault((proof.path, subject), {})[proof.ground] = None
    return {key: _sentence(found) for key, found in grounds.items()}


def _sentence(grounds: Mapping[str, None]) -> str:
    text = "; ".join(sorted({clause for ground in grounds for clause in ground.split("; ")}))
    return f"{text[:1].upper()}{text[1:]}."


def check(templates: Templates, rows: Sequence[Row]) -> list[Finding]:
    """Rows that name this proof, and say something else than it does of one of their places."""
    proved = reasons(templates)
    return [
        Finding(
            rule=OTHER,
            severity=Severity.MEDIUM,
            address=path,
            path=path,
            subject=subject,
            message=f"the ledger says {row.reason!r}, the proof: {proved.get((path, subject), 'nothing')!r}",
            fix="Write what the proof says (python -m audit.grounds), or name another proof.",
        )
        for row in rows
        if row.proof == PROOF and not (row.is_optional and not any(place in proved for place in row.places))
        for path, subject in row.places
        if proved.get((path, subject)) != row.reason
    ]


def proposed(templates: Templates, profile: str, today: date) -> list[dict[str, object]]:
    """Rows for the wildcards that the packs find and a proof accepts."""
    proved, groups = reasons(templates), dict[str, list[str]]()
    for one in packs.check(templates):
        if one.rule == RULE and (reason := proved.get((one.path, one.subject))):
            subject = one.subject.replace(f"-{profile}-", f"-{PROFILE}-") if profile else one.subject
            groups.setdefault(reason, []).append(f"{one.path} [{subject}]")
    return [
        {
            "rules": [RULE],
            "findings": sorted(places),
            "reason": reason,
            "proof": PROOF,
            "review_by": today + HALF_A_YEAR,
        }
        for reason, places in sorted(groups.items())
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m audit.grounds", description=__doc__)
    parser.add_argument("templates", type=Path)
    parser.add_argument("--profile", default="", help="its name stands as <profile> in what is listed")
    options = parser.parse_args(arguments)
    try:
        rows = proposed(Templates.read(options.templates), options.profile, date.today())
    except InputError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2
    print(yaml.safe_dump(rows, sort_keys=False, width=108), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
