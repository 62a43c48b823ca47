"""Decides one request against its policies by the rules of the IAM documentation; pure, no account needed.

Explicit deny first; then the VPC endpoint policy; then what the resource's policy grants; then boundary,
session policy and identity policies must all allow. Key policies and trust policies are authoritative:
without a word from them nothing is allowed, not even to root.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sandbox.iam.conditions import Condition, compile_conditions, meets
from sandbox.iam.patterns import ArnPattern, Context, Pattern

_ACCOUNT_ID = re.compile(r"\d{12}")


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who calls. `arn` is the session, user, root or service; `role_arn` only for role sessions."""

    kind: str  # role | user | root | service | anonymous
    arn: str
    account: str = ""
    role_arn: str = ""

    @property
    def label(self) -> str:
        return self.role_arn or self.arn


@dataclass(frozen=True, kw_only=True)
class Request:
    principal: Principal
    action: str
    resource: str
    context: Context = field(default_factory=dict)  # lower-case condition keys


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`layer`, `policy`, `statement`: what decided; `missing`: the condition keys that were not there."""

    allowed: bool
    reason: str
    layer: str = ""
    policy: str = ""
    statement: str = ""
    missing: tuple[str, ...] = ()
    via: tuple[str, ...] = ()  # the statements of the other layers that allowed, as layer:policy#statement


@dataclass(frozen=True, kw_only=True)
class Statement:
    label: str
    allow: bool
    actions: tuple[Pattern, ...]
    not_actions: tuple[Pattern, ...]
    resources: tuple[ArnPattern, ...] | None  # None: the statement names no resource (trust policies)
    not_resources: tuple[ArnPattern, ...]
    principals: Mapping[str, tuple[str, ...]] | None
    not_principals: Mapping[str, tuple[str, ...]] | None
    conditions: tuple[Condition, ...]


class Policy:
    """One policy document, compiled once; statements are looked up by action."""

    def __init__(self, name: str, document: Mapping[str, Any]) -> None:
        self.name = name
        variables = document.get("Version") == "2012-10-17"
        statements = as_list(document.get("Statement"))
        self.statements = tuple(_compile(index, item, variables) for index, item in enumerate(statements))
        self._by_action: dict[str, tuple[Statement, ...]] = {}

    def keys(self, action: str) -> frozenset[str]:
        """Condition keys, in lower case, that statements about the action ask for."""
        return frozenset(c.lower for statement in self.about(action) for c in statement.conditions)

    def about(self, action: str) -> tuple[Statement, ...]:
        found = self._by_action.get(action)
        if found is None:
            found = tuple(s for s in self.statements if _names_action(s, action))
            self._by_action[action] = found
        return found


@dataclass(frozen=True, kw_only=True)
class Policies:
    """All policies that take part in one request. `authoritative`: without the resource's policy, nothing."""

    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session: Policy | None = None
    resource: Policy | None = None
    endpoint: Policy | None = None
    authoritative: bool = False


@dataclass(frozen=True)
class _Found:
    """What one layer says: a denial, or the most specific grant (its grade) and where it stands."""

    deny: tuple[str, str] | None = None
    grade: str = ""  # "" | identity | account | public | role | user | exact
    where: tuple[str, str] = ("", "")


_GRADES = ("", "identity", "account", "public", "role", "user", "exact")


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def decide(request: Request, policies: Policies) -> Decision:
    missing: list[str] = []
    layers = _scan_layers(request, policies, missing)
    unmet = tuple(dict.fromkeys(missing))
    for layer, found in layers.items():
        if found.deny:
            policy, statement = found.deny
            return Decision(
                allowed=False,
                reason=f"explicit-deny-{layer}",
                layer=layer,
                policy=policy,
                statement=statement,
                missing=unmet,
            )
    refused = _first_refusal(request, policies, layers)
    if refused:
        return Decision(allowed=False, reason=refused, missing=unmet)
    return _allowed(request, layers, unmet)


def _scan_layers(request: Request, policies: Policies, missing: list[str]) -> dict[str, _Found]:
    layers = {"identity": _scan(policies.identity, request, missing)}
    for layer in ("resource", "boundary", "session", "endpoint"):
        policy = getattr(policies, layer)
        if policy is not None:
            layers[layer] = _scan(
                (policy,), request, missing, has_principal=layer in ("resource", "endpoint")
            )
    return layers


def _first_refusal(request: Request, policies: Policies, layers: dict[str, _Found]) -> str:
    principal = request.principal
    if "endpoint" in layers and not layers["endpoint"].grade:
        return "implicit-deny-endpoint"
    granted = layers["resource"].grade if "resource" in layers else ""
    if policies.authoritative and not granted:
        return "implicit-deny-resource"
    if principal.kind in ("service", "anonymous"):
        return "" if granted in ("public", "exact") else "implicit-deny-resource"
    if principal.kind == "root" or granted in ("exact", "user"):
        return ""
    # A role ARN, and "*", in a resource policy replace the identity policy, not the limits around it.
    for limit in ("boundary", "session"):
        if limit in layers and not layers[limit].grade:
            return f"implicit-deny-{limit}"
    if granted in ("role", "public") or layers["identity"].grade:
        return ""
    return "implicit-deny-identity"


def _allowed(request: Request, layers: dict[str, _Found], missing: tuple[str, ...]) -> Decision:
    granting = {layer: found for layer, found in layers.items() if found.grade}
    resource = granting.get("resource")
    if "identity" in granting:
        layer = "identity"
    elif resource and (resource.grade != "account" or request.principal.kind == "root"):
        layer = "resource"
    else:
        layer = "root"
    policy, statement = granting[layer].where if layer in granting else ("", "")
    via = tuple(
        f"{name}:{found.where[0]}#{found.where[1]}" for name, found in granting.items() if name != layer
    )
    return Decision(
        allowed=True, reason=layer, layer=layer, policy=policy, statement=statement, missing=missing, via=via
    )


def _scan(
    policies: tuple[Policy, ...], request: Request, missing: list[str], has_principal: bool = False
) -> _Found:
    grade, where = "", ("", "")
    for policy in policies:
        for statement in policy.about(request.action):
            kind = _principal_grade(statement, request.principal) if has_principal else "identity"
            if not kind or not _names_resource(statement, request):
                continue
            if not meets(statement.conditions, request.context, missing):
                continue
            if not statement.allow:
                return _Found(deny=(policy.name, statement.label))
            if _GRADES.index(kind) > _GRADES.index(grade):
                grade, where = kind, (policy.name, statement.label)
    return _Found(grade=grade, where=where)


def _compile(index: int, item: Mapping[str, Any], variables: bool) -> Statement:
    resources = [ArnPattern(str(r), variables) for r in as_list(item.get("Resource"))]
    return Statement(
        label=f"{index}:{item['Sid']}" if item.get("Sid") else str(index),
        allow=item.get("Effect") == "Allow",
        actions=tuple(Pattern(str(a), fold=True) for a in as_list(item.get("Action"))),
        not_actions=tuple(Pattern(str(a), fold=True) for a in as_list(item.get("NotAction"))),
        resources=tuple(resources) if "Resource" in item or "NotResource" in item else None,
        not_resources=tuple(ArnPattern(str(r), variables) for r in as_list(item.get("NotResource"))),
        principals=_principals(item.get("Principal")),
        not_principals=_principals(item.get("NotPrincipal")),
        conditions=compile_conditions(item.get("Condition") or {}, variables),
    )


def _principals(element: Any) -> Mapping[str, tuple[str, ...]] | None:
    if element is None:
        return None
    if element == "*":
        return {"*": ("*",)}
    return {kind: tuple(str(v) for v in as_list(values)) for kind, values in element.items()}


def _names_action(statement: Statement, action: str) -> bool:
    if statement.not_actions:
        return not any(p.matches(action) for p in statement.not_actions)
    return any(p.matches(action) for p in statement.actions)


def _names_resource(statement: Statement, request: Request) -> bool:
    if statement.resources is None:
        return True
    if statement.not_resources:
        return not any(p.matches(request.resource, request.context) for p in statement.not_resources)
    return any(p.matches(request.resource, request.context) for p in statement.resources)


def _principal_grade(statement: Statement, principal: Principal) -> str:
    if statement.not_principals is not None:
        if statement.allow:
            return "" if _listed(statement.not_principals, principal) else "public"
        return "" if _spared(statement.not_principals, principal) else "public"
    if statement.principals is None:
        return ""
    return _listed(statement.principals, principal)


def _listed(element: Mapping[str, tuple[str, ...]], principal: Principal) -> str:
    """How directly the element names the principal: exact > user > role > public > account > not at all."""
    if "*" in element or "*" in element.get("AWS", ()):
        return "public"
    if principal.kind == "service":
        return "exact" if principal.arn in element.get("Service", ()) else ""
    named = element.get("AWS", ())
    if principal.kind in ("role", "user") and principal.arn in named:
        return "user" if principal.kind == "user" else "exact"
    if principal.role_arn and principal.role_arn in named:
        return "role"
    return "account" if any(_is_account(v, principal.account) for v in named) else ""


def _spared(element: Mapping[str, tuple[str, ...]], principal: Principal) -> bool:
    """A Deny with NotPrincipal spares a caller only if account, role and session are all listed."""
    if principal.kind == "service":
        return principal.arn in element.get("Service", ())
    named = element.get("AWS", ())
    forms = [f for f in (principal.arn, principal.role_arn) if f and principal.kind != "root"]
    return any(_is_account(v, principal.account) for v in named) and all(f in named for f in forms)


@lru_cache(4096)
def _is_account(value: str, account: str) -> bool:
    if not account:
        return False
    if _ACCOUNT_ID.fullmatch(value):
        return value == account
    return value.startswith("arn:") and value.endswith(f":iam::{account}:root")
