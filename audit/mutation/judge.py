"""Which check notices a mutant: the audit's own ones, the access matrix, the rule packs last.

The packs need a Node process and a quarter of a second, so they are asked only of what nothing else has seen,
and only over the stacks that changed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from audit import encryption, escalation, matrix, packs, reachability, rules, wildcards
from audit.findings import Finding
from audit.mutation.mutant import Documents
from audit.templates import InputError, Templates

Keys = frozenset[tuple[str, str, str]]
CHECKS: tuple[tuple[str, Callable[[Templates], list[Finding]]], ...] = (
    ("rules", rules.check),
    ("encryption", encryption.check),
    ("wildcards", wildcards.check),
    ("escalation", escalation.check),
    ("reachability", reachability.check),
)
MATRIX, PACKS = "access matrix", "rule packs"


@dataclass(kw_only=True)
class Baseline:
    """What the checks say of the unbroken templates; the packs are asked of a stack when it is needed."""

    documents: Documents
    found: dict[str, Keys]
    access: tuple[str, ...]
    packs: dict[str, Keys] = field(default_factory=dict)

    def of_packs(self, stack: str) -> Keys:
        if stack not in self.packs:
            self.packs[stack] = _by_packs(self.documents, stack)
        return self.packs[stack]


def baseline(documents: Documents) -> Baseline:
    templates = Templates(documents)
    return Baseline(
        documents=documents,
        found={name: frozenset(one.key for one in check(templates)) for name, check in CHECKS},
        access=tuple(matrix.to_lines(matrix.matrix(templates))),
    )


def killer(documents: Documents, before: Baseline, changed: Collection[str]) -> str:
    """`<check>: <rule>` of the first that finds more than before, or another access; "" when none does."""
    try:
        return _killer(documents, before, changed)
    except InputError:
        return "refused as input"


def _killer(documents: Documents, before: Baseline, changed: Collection[str]) -> str:
    templates = Templates(documents)
    for name, check in CHECKS:
        fresh = sorted({one.key for one in check(templates)} - before.found[name])
        if fresh:
            return f"{name}: {fresh[0][0]}"
    if tuple(matrix.to_lines(matrix.matrix(templates))) != before.access:
        return MATRIX
    for stack in sorted(changed):
        fresh = sorted(_by_packs(documents, stack) - before.of_packs(stack))
        if fresh:
            return f"{PACKS}: {fresh[0][0]}"
    return ""


def _by_packs(documents: Documents, stack: str) -> Keys:
    """The stack is read alone: its imports stay names, before as after."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        file = Path(folder) / f"{stack}.template.json"
        document = documents[stack][1]
        file.write_text(json.dumps(document), encoding="utf-8")
        return frozenset(one.key for one in packs.check(Templates({stack: (file, document)})))
