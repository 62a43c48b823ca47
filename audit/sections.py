"""The tables of the evidence: what is there, beside what is wrong. The first line of each is its head."""

from __future__ import annotations

from audit import encryption, exercised, matrix, reachability, wildcards
from audit.templates import Templates

Lines = list[tuple[str, ...]]


def tables(templates: Templates, grants: list[exercised.Grant]) -> dict[str, Lines]:
    """`grants`: of a recorded run; none where there is no record."""
    found = {
        "Who can do what": access(templates),
        "Wildcards and why they stand": proofs(templates),
        "Granted and exercised": [_GRANTS, *(_grant(one) for one in grants)],
        "Who reaches what": hops(templates),
        "What is encrypted how": keys(templates),
    }
    return {title: lines for title, lines in found.items() if len(lines) > 1}


def access(templates: Templates) -> Lines:
    head = ("Principal", "Capability", "Target", "Actions", "Only if")
    rows = (
        (
            row.principal,
            row.capability,
            f"{row.target} {row.scope}".strip(),
            " ".join(row.actions),
            row.condition,
        )
        for row in matrix.matrix(templates)
    )
    return [head, *rows]


def proofs(templates: Templates) -> Lines:
    head = ("Verdict", "Policy", "Pattern", "Actions", "Because")
    # What is worst comes first: nobody reads to the end for it.
    order = ("open", "narrowable", "bounded", "unavoidable")
    found = sorted(wildcards.proofs(templates), key=lambda one: (order.index(one.verdict), one.path))
    rows = ((one.verdict, one.path, one.pattern, " ".join(one.actions), one.reason) for one in found)
    return [head, *rows]


def hops(templates: Templates) -> Lines:
    head = ("Unit", "Service", "Through", "Missing", "Not judged")
    rows = (
        (hop.unit, hop.service, hop.endpoint or "nothing", hop.missing or "nothing", "; ".join(hop.notes))
        for hop in reachability.hops(templates)
    )
    return [head, *rows]


def keys(templates: Templates) -> Lines:
    head = ("Stage", "Where", "What", "Key or protocol", "Note")
    lines: Lines = [head]
    for row in encryption.encryption_map(templates):
        if isinstance(row, encryption.Store):
            lines.append((row.stage, row.path, row.what, f"key {row.key}", row.note))
        else:
            lines.append((row.stage, row.path, row.what, row.protocol, f"enforced by {row.by or 'nothing'}"))
    return lines


_GRANTS = ("Role", "Action", "Used", "Why it stays", "Source")


def _grant(one: exercised.Grant) -> tuple[str, ...]:
    why = one.explanation
    return (one.path, one.action, str(one.used), why.reason if why else "", why.source if why else "")
