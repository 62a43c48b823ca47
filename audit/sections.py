"""The tables of the evidence: what is there, beside what is wrong. The first line of each is its head."""

from __future__ import annotations

import re
from collections.abc import Sequence

from audit import encryption, exercised, matrix, reachability, wildcards
from audit.agreement import ENGINES, OWN, PACKS, Agreement
from audit.bill import invoice, prices
from audit.bill.usage import IDLE
from audit.opinions import Opinion
from audit.templates import Templates

Lines = list[tuple[str, ...]]
_ADDRESS = re.compile(r"<([^<>/]+/[^<>./]+)(\.[^<>]+)?>")


def tables(
    templates: Templates,
    grants: Sequence[exercised.Grant],
    heard: Sequence[Opinion],
    agreed: Agreement,
) -> dict[str, Lines]:
    """`grants`: of a recorded run; none where there is no record."""
    found = {
        "Second opinions": engines(heard, agreed),
        "Which engine says what of what": resources(templates, heard, agreed),
        "Who can do what": access(templates),
        "Wildcards and why they stand": proofs(templates),
        "Granted and exercised": [_GRANTS, *(_grant(one) for one in grants)],
        "Who reaches what": hops(templates),
        "What is encrypted how": keys(templates),
        "What is always on, and costs": costs(templates),
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


def costs(templates: Templates) -> Lines:
    """Without use; what the bill does not know has no price."""
    head = ("Part", "What", "Quantity", "USD a month")
    bill = invoice.make(templates, IDLE, prices.read())
    rows = [
        (item.group, item.what, f"{item.amount:g} x {item.usd_per_unit:g} per {item.unit}", f"{item.usd:.2f}")
        for item in sorted(bill.always, key=lambda item: -item.usd)
        if item.usd
    ]
    unknown = [("not known", each.what, each.why, "?") for each in bill.unknown]
    together = [("together", "", f"prices as of {bill.prices.as_of}", f"{bill.idle:.2f}")] if rows else []
    return [head, *rows, *unknown, *together]


def proofs(templates: Templates) -> Lines:
    head = ("Verdict", "Policy", "Pattern", "Actions", "Because")
    # What is worst comes first: nobody reads to the end for it.
    order = ("open", "narrowable", "bounded", "unavoidable")
    found = sorted(wildcards.proofs(templates), key=lambda one: (order.index(one.verdict), one.path))
    rows = (
        (
            one.verdict,
            one.path,
            _in_paths(templates, one.pattern),
            " ".join(one.actions),
            _in_paths(templates, one.reason),
        )
        for one in found
    )
    return [head, *rows]


def _in_paths(templates: Templates, text: str) -> str:
    """With construct paths for logical ids, whose hashes nobody can read."""

    def path(match: re.Match[str]) -> str:
        resource = templates.by_address.get(match[1])
        return f"<{resource.path}{match[2] or ''}>" if resource else match[0]

    return _ADDRESS.sub(path, text)


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


def engines(heard: Sequence[Opinion], agreed: Agreement) -> Lines:
    head = ("Engine", "Looked at", "With checks", "Found", "Seen by ours too", "Alone", "Style only", "Ran")
    return [head, *(_engine(one, agreed) for one in heard)]


def _engine(one: Opinion, agreed: Agreement) -> tuple[str, ...]:
    if one.why_not:
        return (one.engine, *[""] * 6, f"not run: {one.why_not}")
    alone = sum(one.engine in each.controls for each in agreed.alone)
    numbers = (len(one.looked), one.checks, len(one.findings), agreed.shared[one.engine], alone, one.advice)
    return (one.version, *map(str, numbers), f"{one.seconds:.1f} s")


def resources(templates: Templates, heard: Sequence[Opinion], agreed: Agreement) -> Lines:
    """Of what some engine speaks; first where ours and the packs are silent: there a false green shows."""
    by_engine = {one.engine: one for one in heard}
    lines: Lines = [("Resource", *ENGINES)]
    for address, said in sorted(agreed.said.items(), key=lambda each: bool({OWN, PACKS} & set(each[1]))):
        resource = templates.by_address.get(address)
        cells = [
            " ".join(said.get(engine, ())) or _silence(by_engine.get(engine), address) for engine in ENGINES
        ]
        lines.append((resource.path if resource else address, *cells))
    return lines


def _silence(opinion: Opinion | None, address: str) -> str:
    if opinion is None:
        return "nothing"
    if opinion.why_not:
        return "not run"
    return "nothing" if address in opinion.looked else "has no check"
