"""Findings as SARIF 2.1.0 (OASIS), for code scanning: open ones as results, accepted ones as suppressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from audit.evidence import Evidence
from audit.findings import Finding, Severity
from audit.ledger import Row

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
}


def to_sarif(evidence: Evidence) -> dict[str, Any]:
    """A place is the line on which the resource's name stands in the template."""
    files = evidence.files
    lines = {stack: path.read_text(encoding="utf-8").splitlines() for stack, path in files.items()}
    findings = [*evidence.verdict.open, *(one for one, _ in evidence.verdict.answered)]
    rules = {one.rule: one for one in reversed(findings)}
    results = [_result(one, None, evidence, lines) for one in evidence.verdict.open]
    results += [_result(one, row, evidence, lines) for one, row in evidence.verdict.answered]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "audit",
                        "version": "1.0.0",
                        "rules": [
                            {
                                "id": name,
                                "shortDescription": {"text": rules[name].message},
                                "help": {"text": rules[name].fix or rules[name].message},
                                "properties": {"tags": list(rules[name].controls)},
                            }
                            for name in sorted(rules)
                        ],
                    },
                    "extensions": [
                        {"name": one.engine, "fullName": one.version}
                        for one in evidence.opinions
                        if not one.why_not
                    ],
                },
                "results": results,
                "columnKind": "unicodeCodePoints",
            }
        ],
    }


def _result(one: Finding, row: Row | None, evidence: Evidence, lines: dict[str, list[str]]) -> dict[str, Any]:
    subject = f" [{one.subject}]" if one.subject else ""
    result: dict[str, Any] = {
        "ruleId": one.rule,
        "level": LEVELS[one.severity],
        "message": {"text": f"{one.path}{subject}: {one.message}"},
        "locations": [_location(one, evidence, lines)],
        "partialFingerprints": {"finding/v1": "|".join(one.key)},
    }
    if seconded := evidence.seconded.get(one.key):
        result["properties"] = {"secondedBy": list(seconded)}
    if row is not None:
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": f"{row.reason} ({row.proof})"}
        ]
    return result


def _location(one: Finding, evidence: Evidence, lines: dict[str, list[str]]) -> dict[str, Any]:
    stack, _, logical_id = one.address.partition("/")
    logical = {"fullyQualifiedName": one.path}
    if stack not in evidence.files:
        return {"logicalLocations": [logical]}
    named = (f'"{logical_id}"', f"{logical_id}:")
    number = next((at for at, text in enumerate(lines[stack], start=1) if text.strip().startswith(named)), 1)
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(evidence.files[stack], evidence.folder)},
            "region": {"startLine": number},
        },
        "logicalLocations": [logical],
    }


def _uri(file: Path, folder: Path) -> str:
    """From the folder that was audited: what is in it is what the reader has."""
    return quote(file.relative_to(folder).as_posix() if file != folder else file.name)
