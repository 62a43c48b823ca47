"""Granted versus exercised: what roles may do, against what they did in a recorded run.

A permission that nothing uses is either needed on a path that the run does not take, which an entry of the
explanations says with its source, or it should go.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from audit.findings import Finding, Severity
from audit.policies import statements
from audit.templates import InputError, Templates

UNUSED, STALE, DENIED, UNGRANTED = (f"USE-0{number}" for number in range(1, 5))


@dataclass(frozen=True, kw_only=True)
class Call:
    """Times that a role (<stack>/<logical id>) was let through with an action, or refused."""

    role: str
    action: str
    allowed: int
    denied: int
    meant: bool  # the refusal was tried on purpose


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why roles keep actions that the run does not show.

    roles   construct paths, or patterns of them (`*` also crosses slashes)
    source  where AWS says so, or the code that takes the path
    """

    roles: tuple[str, ...]
    actions: tuple[str, ...]
    reason: str
    source: str

    def covers(self, path: str, action: str) -> bool:
        is_role = any(fnmatchcase(path, role) for role in self.roles)
        return is_role and action.lower() in {one.lower() for one in self.actions}


@dataclass(frozen=True, kw_only=True)
class Grant:
    """An action of a role, how often the run used it, and the explanation if it did not."""

    role: str
    path: str
    action: str
    used: int
    explanation: Explanation | None

    @property
    def verdict(self) -> str:
        if self.used:
            return "used"
        return "unused, explained" if self.explanation else "unused"


def read_calls(path: Path) -> list[Call]:
    """exercised.json, as the demo leaves it; InputError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [Call(**entry) for entry in content["calls"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: no record of calls ({error!r}); `make demo` writes one") from error


def read_explanations(path: Path | None) -> list[Explanation]:
    """A YAML list of {roles, actions, reason, source}; InputError."""
    if path is None:
        return []
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [_explanation(path, number, entry) for number, entry in enumerate(content or [], start=1)]
    except (OSError, yaml.YAMLError, TypeError) as error:
        raise InputError(f"{path}: the explanations cannot be read ({error})") from error


def _explanation(path: Path, number: int, entry: Any) -> Explanation:
    wanted = {"roles", "actions", "reason", "source"}
    given = set(entry) if isinstance(entry, dict) else set()
    if given != wanted:
        raise InputError(
            f"{path}: entry {number} has {', '.join(sorted(map(str, given))) or 'nothing'}, "
            f"it must have exactly {', '.join(sorted(wanted))}"
        )
    actions = tuple(str(action) for action in entry["actions"])
    return Explanation(
        roles=tuple(str(role) for role in entry["roles"]),
        actions=actions,
        reason=str(entry["reason"]),
        source=str(entry["source"]),
    )


def compare(templates: Templates, calls: Sequence[Call], explanations: Sequence[Explanation]) -> list[Grant]:
    """Every granted action of every role, by construct path and action."""
    used: dict[tuple[str, str], int] = defaultdict(int)
    for call in calls:
        used[call.role, call.action.lower()] += call.allowed
    grants = {}
    for role, action in _granted(templates):
        path = templates.by_address[role].path
        grants[path, action.lower()] = Grant(
            role=role,
            path=path,
            action=action,
            used=used[role, action.lower()],
            explanation=next((one for one in explanations if one.covers(path, action)), None),
        )
    return [grants[key] for key in sorted(grants)]


def check(templates: Templates, calls: Sequence[Call], explanations: Sequence[Explanation]) -> list[Finding]:
    grants = compare(templates, calls, explanations)
    findings = [
        _finding(UNUSED, grant.role, grant.path, grant.action, "granted, and never used in the recorded run")
        for grant in grants
        if grant.verdict == "unused"
    ]
    findings += [
        _finding(STALE, ", ".join(one.roles), ", ".join(one.roles), action, "explained, but no role has it")
        for one in explanations
        for action in one.actions
        # One that is used in this run is no fault: a longer run uses more.
        if not any(one.covers(grant.path, grant.action) and grant.action == action for grant in grants)
    ]
    granted = {(grant.role, grant.action.lower()) for grant in grants}
    for call in calls:
        resource = templates.by_address.get(call.role)
        path = resource.path if resource else call.role
        if call.denied and not call.meant:
            findings.append(
                _finding(DENIED, call.role, path, call.action, f"refused {call.denied} times in the run")
            )
        if call.allowed and resource and (call.role, call.action.lower()) not in granted:
            what = (
                "used in the run, and not granted by a policy of the role: these templates are not what ran"
            )
            findings.append(_finding(UNGRANTED, call.role, path, call.action, what))
    return findings


def _granted(templates: Templates) -> set[tuple[str, str]]:
    roles = {resource.address for resource in templates.of("AWS::IAM::Role")}
    return {
        (identity, action)
        for statement in statements(templates)
        if statement.kind == "identity" and statement.allows
        for identity in statement.identities
        if identity in roles
        for action in statement.actions
    }


def _finding(rule: str, address: str, path: str, action: str, what: str) -> Finding:
    fixes = {
        UNUSED: "Remove the permission, or say in the explanations why AWS needs it, with the source.",
        STALE: "Remove the action from the explanations.",
        DENIED: "Grant it, or take the call out; a refusal that a test means says so in the record.",
        UNGRANTED: "Synthesise the templates that were deployed, and audit those.",
    }
    return Finding(
        rule=rule,
        severity=Severity.MEDIUM,
        address=address,
        path=path,
        subject=action,
        message=f"{action} is {what}" if rule != DENIED else f"{action} was {what}",
        fix=fixes[rule],
    )
