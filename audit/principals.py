"""Who is let in by policies of resources, keys and roles: everyone, other accounts, services for anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from audit.conditions import clauses
from audit.findings import Finding, Severity, few
from audit.policies import Statement, matches, statements
from audit.rules.events import says_no_source
from audit.rules.identities import WITHOUT_SOURCE
from audit.templates import Templates

# Conditions that say whose request it is; without one of them a principal "*" is anyone.
_WHOSE = (
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorg",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorg",
    "aws:sourcevpc",
    "aws:sourceip",
    "aws:userid",
    "kms:calleraccount",
    "s3:dataaccesspointaccount",
)
# Those that say for whom a service asks.
_SOURCES = ("aws:sourceaccount", "aws:sourcearn", "aws:sourceorg", "kms:encryptioncontext:", "kms:viaservice")
_ACCOUNT_KEYS = ("aws:principalaccount", "aws:sourceaccount", "kms:calleraccount")
_ACCOUNT = re.compile(r"\d{12}")
_OWN = "<AccountId>"


def check(templates: Templates, allowed_principals: Sequence[str] = ()) -> list[Finding]:
    """`allowed_principals`: account ids, or patterns of ARNs, that policies may name besides this account."""
    found = [
        finding
        for statement in [*statements(templates), *_permissions(templates)]
        if statement.allows and statement.kind in ("resource", "trust", "key")
        for finding in _principals(statement, allowed_principals)
    ]
    return list({finding.key: finding for finding in found}.values())


def _permissions(templates: Templates) -> Iterator[Statement]:
    """Policies of functions and layers: in templates a resource for each statement."""
    for holder in templates.of("AWS::Lambda::Permission", "AWS::Lambda::LayerVersionPermission"):
        name = str(holder.get("Principal", default=""))
        kind = "Service" if name.endswith(".amazonaws.com") else "AWS"
        given = {
            "aws:SourceAccount": holder.get("SourceAccount"),
            "aws:SourceArn": holder.get("SourceArn"),
            "aws:PrincipalOrgID": holder.get("PrincipalOrgID") or holder.get("OrganizationId"),
        }
        raw = {
            "Effect": "Allow",
            "Action": holder.get("Action"),
            "Principal": {kind: name},
            "Condition": {"StringLike": {key: value for key, value in given.items() if value is not None}},
        }
        target = holder.get("FunctionName") or holder.get("LayerVersionArn") or holder.address
        yield Statement(kind="resource", holder=holder, raw=raw, index=0, targets=(str(target),))


def _principals(statement: Statement, allowed: Sequence[str]) -> Iterator[Finding]:
    if "NotPrincipal" in statement.raw:
        yield _principal(statement, "ESC-10", Severity.CRITICAL, "NotPrincipal", "everyone but a few")
        return
    for kind, value in statement.principals:
        name = str(value)
        if _is_allowed(name, allowed):
            continue
        if kind == "Service":
            says_nothing = says_no_source(statement.holder, name) or (
                statement.kind == "trust" and name in WITHOUT_SOURCE
            )
            if not says_nothing and not _is_limited(statement, _SOURCES):
                yield _principal(statement, "ESC-12", Severity.LOW, name, f"{name} for whoever asks it")
        elif kind == "Federated":
            if not statement.conditions:
                yield _principal(statement, "ESC-11", Severity.HIGH, name, f"whoever {name} knows")
        elif name == "*":
            yield from _anyone(statement, allowed)
        elif not _is_own(statement, name, kind):
            yield _principal(
                statement, "ESC-11", Severity.HIGH, name, f"{name}, not known as of this account"
            )


def _anyone(statement: Statement, allowed: Sequence[str]) -> Iterator[Finding]:
    """Principal "*": whoever the conditions let through."""
    if not _is_limited(statement, _WHOSE):
        yield _principal(statement, "ESC-10", Severity.CRITICAL, "*", "everyone")
        return
    for clause in clauses(statement):
        if not clause.is_required or clause.key.lower() not in _ACCOUNT_KEYS:
            continue
        for account in clause.values:
            if account != _OWN and not _is_allowed(account, allowed):
                who = f"everyone of account {account}"
                yield _principal(statement, "ESC-11", Severity.HIGH, account, who)


def _principal(statement: Statement, rule: str, severity: Severity, name: str, who: str) -> Finding:
    actions = [str(action) for action in statement.actions] or ["all but NotAction"]
    fixes = {
        "ESC-10": "name the principals, or their account or organisation in a condition",
        "ESC-11": "take it out, or put it on the list of allowed principals",
        "ESC-12": "add aws:SourceAccount, and aws:SourceArn where it is known",
    }
    return Finding(
        rule=rule,
        severity=severity,
        address=statement.holder.address,
        path=statement.holder.path,
        subject=f"{name}: {', '.join(actions)}",
        message=f"{who} -> {few(actions)} -> {few(map(str, statement.targets)) or 'the resource'}",
        fix=fixes[rule],
    )


def _is_allowed(name: str, allowed: Sequence[str]) -> bool:
    return any(name == each or _account(name) == each or matches(each, name) for each in allowed)


def _is_own(statement: Statement, name: str, kind: str) -> bool:
    """Of this account, or something that the templates make."""
    if kind == "CanonicalUser":
        return name.startswith("<")
    account = _account(name)
    own = {_OWN, *(_account(target) for target in statement.targets)} - {""}
    return account in own or (name.startswith("<") and "/" in name and "." in name)


def _account(name: str) -> str:
    """Account of an ARN, or the name itself where it is an account's id."""
    if name == _OWN or _ACCOUNT.fullmatch(name):
        return name
    parts = name.split(":", 5)
    return parts[4] if len(parts) == 6 else ""


def _is_limited(statement: Statement, beginnings: tuple[str, ...]) -> bool:
    return any(
        clause.is_required
        and clause.key.lower().startswith(beginnings)
        and not any(_is_anybodys(value) for value in clause.values)
        for clause in clauses(statement)
    )


def _is_anybodys(value: str) -> bool:
    """Everything, or an ARN of whatever account: anybody can give a role of their own such a name."""
    parts = value.split(":", 5)
    return not value.strip("*") or (len(parts) == 6 and bool(parts[4]) and not parts[4].strip("*?"))
