"""The score as a committed page: one section for templates, one for code, each rewritten by its own run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from audit.mutation.survivors import SAME, Verdict

HEAD = """# Mutation score

One property at a time is broken, in the synthesised templates and in the code that makes them, and a check
has to notice. This page is written by the commands below; what survives, and why, is reviewed in
[security/surviving_mutants.yaml](../security/surviving_mutants.yaml). Equivalent mutants weaken nothing and
do not count.
"""
TITLES = {"templates": "Templates", "code": "Code"}


def write(page: Path, of: str, verdict: Verdict, command: str, today: date) -> None:
    """Replaces the section of this kind of run; the other one stays as it is."""
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    sections = {name: _section(old, title) for name, title in TITLES.items()}
    sections[of] = "\n".join(_lines(of, verdict, command, today))
    text = "\n".join([HEAD, *(section.strip() + "\n" for section in sections.values() if section)])
    page.write_text(text, encoding="utf-8")


def _section(text: str, title: str) -> str:
    found = re.search(rf"^## {title}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[0] if found else ""


def _lines(of: str, verdict: Verdict, command: str, today: date) -> Iterator[str]:
    yield f"## {TITLES[of]}"
    yield ""
    yield f"{today}, `{command}`: {said(verdict)}"
    yield ""
    yield "| What is broken | Mutants | Killed | Equivalent | Survive |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    totals = Counter(result.kind for result in verdict.results)
    killed = Counter(result.kind for result in verdict.results if result.is_killed)
    same = Counter(result.kind for result, reason in verdict.explained if reason.is_equivalent)
    same.update(result.kind for result in verdict.results if result.by == SAME)
    for kind, total in sorted(totals.items()):
        left = total - killed[kind] - same[kind]
        yield f"| {kind} | {total} | {killed[kind]} | {same[kind]} | {left} |"
    yield ""
    yield "Killed by:"
    yield ""
    yield "| Check | Mutants |"
    yield "| --- | ---: |"
    for name, number in Counter(result.by for result in verdict.results if result.is_killed).most_common():
        yield f"| {name} | {number} |"
    yield ""
    yield from _survivors(verdict)


def _survivors(verdict: Verdict) -> Iterator[str]:
    yield "Not killed:"
    yield ""
    yield "| What is broken | Where | Property | Mutants | Weaker? | Why |"
    yield "| --- | --- | --- | ---: | --- | --- |"
    numbers = Counter(reason for _, reason in verdict.explained)
    for reason, number in numbers.items():
        is_weaker = "no" if reason.is_equivalent else "yes"
        cells = (reason.kind, _cell(reason.path), _cell(reason.subject), number, is_weaker, reason.reason)
        yield f"| {' | '.join(map(str, cells))} |"
    for result in verdict.unexplained:
        yield f"| {result.kind} | {_cell(result.path)} | {_cell(result.subject)} | 1 | not judged | |"


def _cell(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def said(verdict: Verdict) -> str:
    """The result in a line."""
    return (
        f"{verdict.killed} of {verdict.counted} mutants killed, {verdict.score:.1%}; "
        f"{verdict.equivalent} more are equivalent"
    )
