"""What a rule is, and the questions that many rules ask of a property."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audit.conditions import clauses
from audit.findings import Finding, Severity
from audit.policies import Kind, Statement, listed, statements
from audit.templates import Resource, Templates

# A condition on one of these ties a service's call to the account or resource that caused it.
SOURCE_KEYS = frozenset({"aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths"})
_TLS = "aws:securetransport"


@dataclass(frozen=True, kw_only=True)
class Hit:
    """Where a rule does not hold. `subject` tells several hits in one resource apart, stable over runs."""

    resource: Resource
    message: str
    subject: str = ""


Find = Callable[[Templates], Iterator[Hit]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """
    rationale  what goes wrong without it
    fix        what to change
    controls   ids of the same demand elsewhere, of the catalogues in audit/rules/frameworks.py: `FSBP` (AWS
               Foundational Security Best Practices), `Security Hub` (its controls outside of FSBP), `NIST`
               (800-53 r5), `ML...` (Well-Architected ML lens)
    find       yields where the rule does not hold
    """

    id: str
    title: str
    severity: Severity
    rationale: str
    fix: str
    find: Find
    controls: tuple[str, ...] = ()

    def check(self, templates: Templates) -> Iterator[Finding]:
        for hit in self.find(templates):
            yield Finding(
                rule=self.id,
                severity=self.severity,
                address=hit.resource.address,
                path=hit.resource.path,
                message=hit.message,
                subject=hit.subject,
                fix=self.fix,
                controls=self.controls,
            )


def lacking(*types: str, has: Callable[[Resource], bool], says: str) -> Find:
    """Every resource of these types that has not got it."""

    def find(templates: Templates) -> Iterator[Hit]:
        for resource in templates.of(*types):
            if not has(resource):
                yield Hit(resource=resource, message=says)

    return find


def is_on(value: Any) -> bool:
    """True, "true", or what is known at deployment only and so gets the benefit of the doubt."""
    return value is True or (isinstance(value, str) and (value.lower() == "true" or is_open(value)))


def is_open(value: Any) -> bool:
    """Known at deployment only: a parameter without a default, an attribute."""
    return isinstance(value, str) and value.startswith("<")


def is_own_key(value: Any) -> bool:
    """A key of the customer: AWS's own ones have an alias below `alias/aws/`."""
    return bool(value) and "alias/aws/" not in str(value)


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, or of a value alone; anything else in it cannot be looked into."""
    return [each for each in listed(value) if isinstance(each, Mapping)]


def reference(templates: Templates, resource: Resource) -> str:
    """What `Ref` says of the resource in these templates."""
    return str(templates.resolve(resource.stack, {"Ref": resource.logical_id}))


def names(templates: Templates, resource: Resource) -> set[str]:
    """All by which other resources may refer to this one."""
    return {reference(templates, resource), templates.arn(resource), resource.logical_id}


def policies(templates: Templates, *kinds: Kind) -> Iterator[Statement]:
    for statement in statements(templates):
        if statement.kind in kinds:
            yield statement


def principals(statement: Statement) -> list[tuple[str, str]]:
    """(kind, value) pairs as text, whatever stands in the template."""
    return [(str(kind), str(value)) for kind, value in statement.principals]


def narrowing_keys(statement: Statement) -> set[str]:
    """
    Keys, in lower case as IAM compares them, of conditions that only some can meet. Left out is what holds
    without the key (IfExists, ForAllValues, Null), for all but some (Not), for everything (*), or for
    everybody who uses TLS.
    """
    return {
        clause.key.lower()
        for clause in clauses(statement)
        if clause.is_required and clause.key.lower() != _TLS and "*" not in clause.values
    }


def denies_plain_transport(statement: Statement) -> bool:
    """Everybody's, with no other condition beside it that would narrow the denial."""
    asked = [(each.base, each.key.lower(), each.values) for each in clauses(statement)]
    is_denial = statement.raw.get("Effect") == "Deny" and is_everybody(statement)
    return is_denial and asked == [("Bool", _TLS, ("false",))]


def is_everybody(statement: Statement) -> bool:
    return any(value == "*" for _, value in principals(statement))


def is_open_statement(statement: Statement) -> bool:
    """Allows everybody, or all but some, with no condition that narrows it."""
    is_wide = is_everybody(statement) or "NotPrincipal" in statement.raw
    return statement.allows and is_wide and not narrowing_keys(statement)


def without_transport_deny(type_: str, policy_type: str, attached: str, says: str) -> Find:
    """Resources of `type_` that no policy of `policy_type`, attached by its property, protects."""

    def find(templates: Templates) -> Iterator[Hit]:
        protected = {
            str(each)
            for statement in policies(templates, "resource")
            if statement.holder.type == policy_type and denies_plain_transport(statement)
            for each in listed(statement.holder.get(attached))
        }
        for resource in templates.of(type_):
            if not names(templates, resource) & protected:
                yield Hit(resource=resource, message=says)

    return find


def open_to_everybody(*holder_types: str) -> Find:
    """Statements of resource policies that let anybody in, with nothing that narrows it."""

    def find(templates: Templates) -> Iterator[Hit]:
        for statement in policies(templates, "resource"):
            if statement.holder.type in holder_types and is_open_statement(statement):
                actions = ", ".join(map(str, statement.actions))
                yield Hit(
                    resource=statement.holder,
                    message=f"statement {statement.index} allows {actions} to every principal without a "
                    "condition; name principals, or add a condition",
                    subject=f"statement {statement.index}",
                )

    return find
