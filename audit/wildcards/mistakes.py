"""Actions and condition keys that the reference does not know: what they say never happens, or always."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audit import authorization
from audit.conditions import clauses
from audit.findings import Finding, Severity, few
from audit.policies import Statement

_EDITION = authorization.edition()


def unknown_actions(statement: Statement) -> Iterator[Finding]:
    for name in map(str, [*statement.actions, *statement.not_actions]):
        if "<" in name or authorization.action(name) or authorization.expand(name):
            continue
        near = authorization.similar(name)
        effect = "allows" if statement.allows else "denies"
        yield Finding(
            rule="WILD-06",
            severity=Severity.MEDIUM if statement.allows else Severity.HIGH,
            address=statement.holder.address,
            path=statement.holder.path,
            subject=name,
            message=f"{name} is no action that {_EDITION} knows: it {effect} nothing",
            fix=f"write {near}" if near else "write an action of the service authorization reference",
        )


def unknown_keys(statement: Statement) -> Iterator[Finding]:
    """Conditions that no request for the action can meet, or that every request meets."""
    if statement.kind == "trust":
        return
    known = [action for name in map(str, statement.actions) if (action := authorization.action(name))]
    for clause in clauses(statement):
        key, strangers = clause.key, [action.name for action in known if not action.knows(clause.key)]
        if not strangers or clause.operator.endswith("IfExists"):
            continue
        severity, effect = _EFFECTS[statement.allows, clause.is_met_without]
        yield Finding(
            rule="WILD-05",
            severity=severity,
            address=statement.holder.address,
            path=statement.holder.path,
            subject=f"{key} with {', '.join(strangers)}",
            message=f"no request for {few(strangers, limit=4)} carries {key} ({_EDITION}): {effect}",
            fix="give these actions a statement of their own, with a key that they carry",
        )


# (allows, condition met by a request without the key) -> what becomes of it
_EFFECTS: Mapping[tuple[bool, bool], tuple[Severity, str]] = {
    (True, False): (Severity.MEDIUM, "it is never allowed"),
    (True, True): (Severity.HIGH, "it is allowed without the limit"),
    (False, False): (Severity.HIGH, "it is never denied"),
    (False, True): (Severity.MEDIUM, "it is always denied"),
}
