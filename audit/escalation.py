"""Ways from what an identity may do to what it may not: over all its policies, denials and its boundary.

What counts, decided simply: a way is reported when every call on it is allowed. A denial counts where it has
no condition; a condition on an Allow counts only where it is the one that AWS made for the purpose
(`iam:PassedToService`, `iam:PermissionsBoundary`, the grant keys of KMS). Passing a role is reported when it
is any role of a pattern, to any service, or a role that has such a way itself; changing code, when it runs
with another role than the caller's. What users have through a group is reported at the group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from audit import principals
from audit.findings import Finding, Severity, few
from audit.policies import Statement, listed, matches, statements
from audit.powers import (
    ADMINISTRATOR_POLICIES,
    BOUNDARY_CHANGES,
    CODE_CHANGES,
    CREDENTIALS,
    GRANT_KEYS,
    POLICY_CHANGES,
    RESOURCE_POLICY_CHANGES,
    RUNS_AS,
)
from audit.rights import Grant, Rights, has_wildcard, overlap
from audit.templates import Resource, Templates

# What a pattern for every role of the account matches.
_ANY_ROLE = "arn:aws:iam::<AccountId>:role/any/role"
IDENTITIES = ("AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group")


def _holds_boundary(rights: Rights, grant: Grant) -> bool:
    """What it makes or changes keeps a permissions boundary, by the grant or by a denial."""
    return not grant.action.startswith("iam:Delete") and (
        grant.limited_by("iam:permissionsboundary") or rights.keeps_boundary(grant.action)
    )


def _is_its_own(_rights: Rights, grant: Grant) -> bool:
    """A user renews its own credentials."""
    return "${aws:username}" in grant.pattern


def _is_for_service(_rights: Rights, grant: Grant) -> bool:
    return grant.action == "kms:CreateGrant" and grant.limited_by(*GRANT_KEYS)


@dataclass(frozen=True, kw_only=True)
class Way:
    """Actions that lead further in one call, unless `is_bounded`."""

    rule: str
    severity: Severity
    actions: tuple[str, ...]
    gets: str
    fix: str
    is_bounded: Callable[[Rights, Grant], bool]


WAYS = (
    Way(
        rule="ESC-02",
        severity=Severity.CRITICAL,
        actions=POLICY_CHANGES,
        gets="whatever policy it writes there",
        fix="leave policies to the deployment, or demand a boundary with iam:PermissionsBoundary",
        is_bounded=_holds_boundary,
    ),
    Way(
        rule="ESC-03",
        severity=Severity.CRITICAL,
        actions=CREDENTIALS,
        gets="credentials of these users, and what they may",
        fix="limit it to arn:aws:iam::<account>:user/${aws:username}",
        is_bounded=_is_its_own,
    ),
    Way(
        rule="ESC-07",
        severity=Severity.HIGH,
        actions=BOUNDARY_CHANGES,
        gets="their policies without the ceiling",
        fix="deny the removal of boundaries; let them be set to one boundary only",
        is_bounded=_holds_boundary,
    ),
    Way(
        rule="ESC-08",
        severity=Severity.HIGH,
        actions=RESOURCE_POLICY_CHANGES,
        gets="itself or others let in, whatever it was granted",
        fix="leave resource policies to the deployment; grants only with kms:GrantIsForAWSResource",
        is_bounded=_is_for_service,
    ),
)


def check(templates: Templates, allowed_principals: Sequence[str] = ()) -> list[Finding]:
    """`allowed_principals`: account ids, or patterns of ARNs, that policies may name besides this account."""
    world = _World(templates)
    found = [finding for rights in world.rights for finding in _direct(rights, world)]
    found += _indirect(world, found)
    found += principals.check(templates, allowed_principals)
    return list({finding.key: finding for finding in found}.values())


class _World:
    """All identities with their rights; roles by ARN."""

    def __init__(self, templates: Templates) -> None:
        self.templates = templates
        held: dict[str, list[Statement]] = {}
        for statement in statements(templates):
            for address in statement.identities:
                held.setdefault(address, []).append(statement)
        self.rights = [Rights(each, held.get(each.address, [])) for each in templates.of(*IDENTITIES)]
        self.roles = {templates.arn(role): role for role in templates.of("AWS::IAM::Role")}

    def roles_of(self, pattern: str) -> list[Resource]:
        return [role for arn, role in self.roles.items() if matches(pattern, arn)]


def _direct(rights: Rights, world: _World) -> Iterator[Finding]:
    """Ways of one step. An administrator needs none: the rest is not listed."""
    if admin := _administrator(rights):
        yield admin
        return
    yield from _single_calls(rights)
    yield from _passes(rights, world)
    yield from _code_changes(rights, world)
    yield from _assumes(rights)


def _administrator(rights: Rights) -> Finding | None:
    managed = [str(arn) for arn in listed(rights.identity.get("ManagedPolicyArns"))]
    names = [arn.rpartition("/")[2] for arn in managed if ":iam::aws:policy/" in arn]
    policies = [name for name in names if name in ADMINISTRATOR_POLICIES]
    if rights.is_administrator:
        what = "every action on every resource"
    elif policies and not rights.identity.get("PermissionsBoundary"):
        what = f"AWS's policy {policies[0]}"
    else:
        return None
    return _finding(
        rights,
        "ESC-01",
        Severity.CRITICAL,
        subject="administrator",
        way=f"{what}: an administrator",
        fix="grant the actions that are called, on the resources that they are called for",
    )


def _single_calls(rights: Rights) -> Iterator[Finding]:
    """One finding for each way and pattern, whatever number of actions leads there."""
    for way in WAYS:
        reached: dict[str, list[str]] = {}
        for action in way.actions:
            for grant in rights.grants(action):
                if not way.is_bounded(rights, grant) and action not in reached.get(grant.pattern, ()):
                    reached.setdefault(grant.pattern, []).append(action)
        for pattern, actions in reached.items():
            yield _finding(
                rights,
                way.rule,
                way.severity,
                subject=f"{', '.join(actions)} on {pattern}",
                way=f"{few(actions)} on {_text(pattern)} -> {way.gets}",
                fix=way.fix,
            )


def _passes(rights: Rights, world: _World) -> Iterator[Finding]:
    for grant in rights.grants("iam:PassRole"):
        services = grant.values("iam:PassedToService")
        if not has_wildcard(grant.pattern) and services:
            continue
        runners = _runners(rights, services)
        why = "any role of a pattern" if has_wildcard(grant.pattern) else "to any service"
        reached = world.roles_of(grant.pattern)
        gets = f"the rights of {few([role.address for role in reached])}" if reached else "the role's rights"
        yield _finding(
            rights,
            "ESC-04",
            _pass_severity(grant, runners),
            subject=f"iam:PassRole on {grant.pattern}",
            way=f"iam:PassRole on {_text(grant.pattern)} ({why}) -> "
            + (f"{few(runners)} -> {gets}" if runners else "no action yet that would run code with it"),
            fix="name the role, and the service with iam:PassedToService",
        )


def _pass_severity(grant: Grant, runners: Sequence[str]) -> Severity:
    if not runners:
        return Severity.MEDIUM
    is_any = matches(grant.pattern, _ANY_ROLE)
    return Severity.CRITICAL if is_any else Severity.HIGH


def _runners(rights: Rights, services: Sequence[str]) -> list[str]:
    return [
        action
        for action, service in RUNS_AS.items()
        if (not services or any(matches(wanted, service) for wanted in services)) and rights.grants(action)
    ]


def _code_changes(rights: Rights, world: _World) -> Iterator[Finding]:
    for action, (kind, role_property) in CODE_CHANGES.items():
        for grant in rights.grants(action):
            targets = _targets(world, kind, grant.pattern)
            gains = [
                target
                for target in targets
                if world.templates.arn(rights.identity) != str(target.get(role_property))
            ]
            # What lies outside the templates may run with any role.
            if targets and not gains:
                continue
            what = few([target.address for target in gains]) if gains else "what is not in the templates"
            yield _finding(
                rights,
                "ESC-05",
                Severity.HIGH,
                subject=f"{action} on {grant.pattern}",
                way=f"{action} on {_text(grant.pattern)} -> own code with the role of {what}",
                fix="leave code to the deployment",
            )


def _targets(world: _World, kind: str, pattern: str) -> list[Resource]:
    return [each for each in world.templates.of(kind) if overlap(pattern, world.templates.arn(each))]


def _assumes(rights: Rights) -> Iterator[Finding]:
    for grant in rights.grants("sts:AssumeRole"):
        if not has_wildcard(grant.pattern):
            continue
        is_any = matches(grant.pattern, _ANY_ROLE)
        yield _finding(
            rights,
            "ESC-06",
            Severity.HIGH if is_any else Severity.MEDIUM,
            subject=f"sts:AssumeRole on {grant.pattern}",
            way=f"sts:AssumeRole on {_text(grant.pattern)} -> every such role that trusts the account",
            fix="name the roles",
        )


def _indirect(world: _World, direct: Sequence[Finding]) -> list[Finding]:
    """Roles that are passed or taken on by name, and have a way themselves; and so on through them."""
    gains = {finding.address for finding in direct if finding.severity >= Severity.HIGH}
    found: list[Finding] = []
    while True:
        new = [
            finding
            for rights in world.rights
            if rights.identity.address not in gains
            for finding in _through(rights, world, gains)
        ]
        if not new:
            return found
        found += new
        gains |= {finding.address for finding in new}


def _through(rights: Rights, world: _World, gains: set[str]) -> Iterator[Finding]:
    for action in ("iam:PassRole", "sts:AssumeRole"):
        for grant in rights.grants(action):
            runners = _runners(rights, grant.values("iam:PassedToService"))
            if action == "iam:PassRole" and not runners:
                continue
            by = f" -> {few(runners)}" if action == "iam:PassRole" else ""
            for role in world.roles_of(grant.pattern):
                if role.address in gains and role.address != rights.identity.address:
                    yield _finding(
                        rights,
                        "ESC-09",
                        Severity.HIGH,
                        subject=f"{action} of {role.address}",
                        way=f"{action} on {_text(grant.pattern)}{by} -> {role.address}, which gains more",
                        fix="mend the findings of that role, or do not hand it out",
                    )


def _finding(rights: Rights, rule: str, severity: Severity, *, subject: str, way: str, fix: str) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        address=rights.identity.address,
        path=rights.identity.path,
        subject=subject,
        message=f"{rights.identity.address} -> {way}",
        fix=fix,
    )


def _text(pattern: str) -> str:
    return "everything" if pattern == "*" else pattern
