"""Evidence for people: a summary on the terminal, and one HTML page that an auditor can take away."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from rich.console import Console

from audit.evidence import Evidence, to_json
from audit.findings import Finding, Severity
from audit.ledger import Row
from audit.sarif import to_sarif

FOLDER = Path(__file__).parent
_BREAKS = re.compile(r"(?<=[/:|])(?=[\w<])|(?<=[.,])(?=[a-zA-Z<])")
_LAST = re.compile(r"(?<=_)(?=\w)|(?<=[a-z])(?=[A-Z])")
LONG_WORD = 24  # characters: as wide as the narrowest columns are
COLOURS = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "dim",
}


def write(evidence: Evidence, folder: Path) -> Path:
    """Writes index.html, audit.json and audit.sarif; the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("audit.json", to_json(evidence)), ("audit.sarif", to_sarif(evidence))):
        text = json.dumps(content, indent=1, sort_keys=True)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    page = folder / "index.html"
    page.write_text(render(evidence), encoding="utf-8")
    return page


def render(evidence: Evidence) -> str:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    return environment.get_template("report.html.j2").render(
        evidence=evidence,
        counts=counts(evidence),
        by_rule=by_rule(evidence.verdict.open),
        by_row=by_row(evidence.verdict.answered),
    )


def breakable(text: str) -> Markup:
    """Escaped, with places where a long name may go on in the next line."""
    return Markup("").join(_breakable(word) for word in re.split(r"(?<=\s)", text))


def _breakable(word: str) -> Markup:
    parts = _BREAKS.split(word)
    short = [piece for part in parts for piece in ([part] if len(part) <= LONG_WORD else _LAST.split(part))]
    return Markup("<wbr>").join(short)


def counts(evidence: Evidence) -> list[tuple[str, int]]:
    """Open findings by severity, the worst first; then the answered ones."""
    found = Counter(one.severity for one in evidence.verdict.open)
    by_severity = [(severity.name.lower(), found[severity]) for severity in sorted(Severity, reverse=True)]
    return [*by_severity, ("accepted in the ledger", len(evidence.verdict.answered))]


def tell(evidence: Evidence, console: Console) -> None:
    """The summary, the worst first."""
    console.print(
        f"{evidence.resources} resources of {', '.join(evidence.stacks)}; {'; '.join(evidence.sources)}"
    )
    for one in evidence.opinions:
        if one.why_not:
            console.print(f"{one.engine} did not run: {one.why_not}", style="yellow")
    console.print(", ".join(f"{number} {name}" for name, number in counts(evidence)))
    if evidence.verdict.open:
        _tell_open(evidence.verdict.open, console)


def _tell_open(findings: Sequence[Finding], console: Console) -> None:
    """A line for each rule, cut where the terminal ends."""
    groups = by_rule(findings)
    broad = max(len(found[0].rule) for found in groups)
    for found in groups:
        first = found[0]
        times = f"{len(found)} x" if len(found) > 1 else ""
        line = f"{first.severity.name.lower():8}  {first.rule:{broad}}  {times:>5}  {first.path}: "
        line += " ".join(first.subject.split() or first.message.split())
        if len(line) > console.width:
            line = f"{line[: console.width - 1]}…"
        console.print(line, style=COLOURS[first.severity], markup=False, soft_wrap=True)


def by_rule(findings: Sequence[Finding]) -> list[list[Finding]]:
    """In the order of the findings, which is the worst first."""
    groups: dict[tuple[Severity, str], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.severity, one.rule), []).append(one)
    return list(groups.values())


def by_row(answered: Sequence[tuple[Finding, Row]]) -> list[tuple[Row, list[Finding]]]:
    """In the order of the findings, which is that of the checks."""
    groups: dict[Row, list[Finding]] = {}
    for one, row in answered:
        groups.setdefault(row, []).append(one)
    return list(groups.items())
