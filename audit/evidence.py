"""Everything that the checks say about a set of templates, gathered once for every report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from audit import (
    agreement,
    diagram,
    encryption,
    escalation,
    exercised,
    grounds,
    ledger,
    opinions,
    packs,
    reachability,
    rules,
    sections,
    unseen,
    wildcards,
)
from audit.findings import Finding
from audit.templates import Templates

Check = Callable[[Templates], list[Finding]]
# Our own; those of the packs and of other engines come beside them.
CHECKS: tuple[Check, ...] = (
    rules.check,
    wildcards.check,
    escalation.check,
    reachability.check,
    encryption.check,
    unseen.check,
)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """
    files     the template of each stack
    verdict   open findings, the worst first, and answered ones with their rows of the ledger
    seconded  key of a finding -> rules of other engines that say the same
    opinions  of other engines, those that did not run too
    sections  title -> lines of a table whose first line is its head
    drawing   who reads and writes what, as SVG; "" where nobody does
    sources   what the checks know the world from, with versions
    """

    folder: Path
    files: dict[str, Path]
    today: date
    stacks: tuple[str, ...]
    resources: int
    verdict: ledger.Verdict
    seconded: Mapping[tuple[str, str, str], tuple[str, ...]]
    opinions: tuple[opinions.Opinion, ...]
    sections: dict[str, list[tuple[str, ...]]]
    drawing: str
    sources: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Known:
    """
    What is known beside the templates.

    calls    of a recorded run, None where there is no record
    engines  folder of the virtual environment that other engines are installed in
    """

    rows: Sequence[ledger.Row] = ()
    engines: Path = opinions.HOME
    calls: Sequence[exercised.Call] | None = None
    explanations: Sequence[exercised.Explanation] = ()


def gather(folder: Path, known: Known, today: date) -> Evidence:
    began = time.monotonic()
    templates = Templates.read(folder)
    rows = ledger.about(known.rows, templates.stacks)
    # Other engines are processes of their own: they work while we do.
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(ask, templates, known.engines) for ask in opinions.ENGINES]
        by_packs = packs.check(templates)
        own = [one for check in CHECKS for one in check(templates)]
        own += grounds.check(templates, rows)
        heard = tuple(each.result() for each in asked)
    grants = []
    if known.calls is not None:
        own += exercised.check(templates, known.calls, known.explanations)
        grants = exercised.compare(templates, known.calls, known.explanations)
    agreed = agreement.compare(by_packs, own, heard)
    verdict = ledger.judge([*by_packs, *own, *agreed.alone], rows_for(heard, rows), today)
    worst_first = sorted(verdict.open, key=lambda one: (-one.severity, one.rule, one.path, one.subject))
    return Evidence(
        folder=folder,
        files=templates.files,
        today=today,
        stacks=tuple(templates.stacks),
        resources=len(templates.resources),
        verdict=ledger.Verdict(open=tuple(worst_first), answered=verdict.answered),
        seconded=agreed.seconded,
        opinions=heard,
        sections=sections.tables(templates, grants, heard, agreed),
        drawing=diagram.draw(templates),
        sources=sources(heard),
        seconds=time.monotonic() - began,
    )


def rows_for(heard: Sequence[opinions.Opinion], rows: Sequence[ledger.Row]) -> list[ledger.Row]:
    """Without the rules of engines that did not run: those answer nothing, and the row is not to blame."""
    silent = {one.engine for one in heard if one.why_not}
    kept = [
        replace(row, rules=tuple(rule for rule in row.rules if opinions.engine_of(rule) not in silent))
        for row in rows
    ]
    return [row for row in kept if row.rules]


def sources(heard: Sequence[opinions.Opinion]) -> tuple[str, ...]:
    """What the checks know the world from, with versions; engines that did not run are named as that."""
    return (
        f"{len(rules.RULES)} rules of our own",
        packs.versions(),
        wildcards.source(),
        *(one.version or f"{one.engine}: not run" for one in heard),
    )


def to_json(evidence: Evidence) -> dict[str, Any]:
    return {
        "folder": evidence.folder.name,
        "date": evidence.today.isoformat(),
        "stacks": list(evidence.stacks),
        "resources": evidence.resources,
        "sources": list(evidence.sources),
        "opinions": [
            {
                "engine": one.engine,
                "version": one.version,
                "why_not": one.why_not,
                "looked_at": len(one.looked),
                "checks": one.checks,
                "found": len(one.findings),
                "advice": one.advice,
            }
            for one in evidence.opinions
        ],
        "open": [_finding(evidence, one) for one in evidence.verdict.open],
        "answered": [
            {
                **_finding(evidence, one),
                "reason": row.reason,
                "proof": row.proof,
                "review_by": row.review_by.isoformat(),
            }
            for one, row in evidence.verdict.answered
        ],
        "sections": {title: [list(line) for line in lines] for title, lines in evidence.sections.items()},
    }


def _finding(evidence: Evidence, one: Finding) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "severity": one.severity.name,
        "subject": one.subject,
        "path": one.path,
        "address": one.address,
        "message": one.message,
        "fix": one.fix,
        "controls": list(one.controls),
        "seconded_by": list(evidence.seconded.get(one.key, ())),
    }
