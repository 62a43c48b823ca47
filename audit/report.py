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
from rich.table import Table

from audit.evidence import Evidence, to_json
from audit.findings import Finding, Severity
from audit.sarif import to_sarif

FOLDER = Path(__file__).parent
_BREAKS = re.compile(r"(?<=[/:.,_|])(?=[\w<*])|(?<=[a-z])(?=[A-Z])")
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
    environment.tests["number_like"] = str.isdigit
    return environment.get_template("report.html.j2").render(
        evidence=evidence, counts=counts(evidence), by_rule=by_rule(evidence.verdict.open)
    )


def breakable(text: str) -> Markup:
    """Escaped, with places where a long name may go on in the next line."""
    return Markup("<wbr>").join(_BREAKS.split(text))


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
    console.print(", ".join(f"{number} {name}" for name, number in counts(evidence)))
    if evidence.verdict.open:
        table = Table(show_edge=False, header_style="bold")
        for title in ("severity", "rule", "times", "first"):
            table.add_column(title, overflow="fold", no_wrap=title != "first")
        for found in by_rule(evidence.verdict.open):
            first = found[0]
            what = " ".join(part for part in (f"{first.path}:", first.subject, first.message) if part)
            style = COLOURS[first.severity]
            table.add_row(first.severity.name.lower(), first.rule, str(len(found)), what[:160], style=style)
        console.print(table)


def by_rule(findings: Sequence[Finding]) -> list[list[Finding]]:
    """In the order of the findings, which is the worst first."""
    groups: dict[tuple[Severity, str], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.severity, one.rule), []).append(one)
    return list(groups.values())
