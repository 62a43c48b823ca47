"""Everything that the checks say about a set of templates, gathered once for every report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from audit import (
    encryption,
    escalation,
    exercised,
    grounds,
    ledger,
    packs,
    reachability,
    rules,
    sections,
    wildcards,
)
from audit.findings import Finding
from audit.templates import Templates

Check = Callable[[Templates], list[Finding]]
CHECKS: tuple[tuple[str, Check], ...] = (
    ("rule packs", packs.check),
    ("own rules", rules.check),
    ("wildcards", wildcards.check),
    ("privilege escalation", escalation.check),
    ("reachability", reachability.check),
    ("encryption", encryption.check),
)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """
    files     the template of each stack
    verdict   open findings, the worst first, and answered ones with their rows of the ledger
    sections  title -> lines of a table whose first line is its head
    sources   what the checks know the world from, with versions
    """

    folder: Path
    files: dict[str, Path]
    today: date
    stacks: tuple[str, ...]
    resources: int
    verdict: ledger.Verdict
    sections: dict[str, list[tuple[str, ...]]]
    sources: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known beside the templates. `calls`: of a recorded run, None where there is no record."""

    rows: Sequence[ledger.Row] = ()
    calls: Sequence[exercised.Call] | None = None
    explanations: Sequence[exercised.Explanation] = ()


def gather(folder: Path, known: Known, today: date) -> Evidence:
    began = time.monotonic()
    templates = Templates.read(folder)
    findings = [one for _, check in CHECKS for one in check(templates)]
    findings += grounds.check(templates, known.rows)
    grants = []
    if known.calls is not None:
        findings += exercised.check(templates, known.calls, known.explanations)
        grants = exercised.compare(templates, known.calls, known.explanations)
    verdict = ledger.judge(findings, known.rows, today)
    worst_first = sorted(verdict.open, key=lambda one: (-one.severity, one.rule, one.path, one.subject))
    return Evidence(
        folder=folder,
        files=templates.files,
        today=today,
        stacks=tuple(templates.stacks),
        resources=len(templates.resources),
        verdict=ledger.Verdict(open=tuple(worst_first), answered=verdict.answered),
        sections=sections.tables(templates, grants),
        sources=(packs.versions(), wildcards.source()),
        seconds=time.monotonic() - began,
    )


def to_json(evidence: Evidence) -> dict[str, Any]:
    return {
        "folder": evidence.folder.name,
        "date": evidence.today.isoformat(),
        "stacks": list(evidence.stacks),
        "resources": evidence.resources,
        "sources": list(evidence.sources),
        "open": [_finding(one) for one in evidence.verdict.open],
        "answered": [
            {
                **_finding(one),
                "reason": row.reason,
                "proof": row.proof,
                "review_by": row.review_by.isoformat(),
            }
            for one, row in evidence.verdict.answered
        ],
        "sections": {title: [list(line) for line in lines] for title, lines in evidence.sections.items()},
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "severity": one.severity.name,
        "subject": one.subject,
        "path": one.path,
        "address": one.address,
        "message": one.message,
        "fix": one.fix,
        "controls": list(one.controls),
    }
