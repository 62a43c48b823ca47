"""Our own rules, for what no cdk-nag pack sees, over any templates. One module per area."""

from __future__ import annotations

from audit.findings import Finding
from audit.rules import (
    alarms,
    boundaries,
    delivery,
    events,
    glue,
    identities,
    keeping,
    keys,
    logs,
    messages,
    network,
    perimeters,
    sagemaker,
    secrets,
    stores,
    streams,
    trails,
    workflows,
)
from audit.rules.rule import Rule
from audit.templates import Templates

__all__ = ["RULES", "Rule", "check"]

_AREAS = (
    workflows,
    sagemaker,
    glue,
    streams,
    network,
    identities,
    perimeters,
    boundaries,
    keys,
    logs,
    messages,
    stores,
    keeping,
    secrets,
    events,
    alarms,
    trails,
    delivery,
)
RULES: tuple[Rule, ...] = tuple(
    value for area in _AREAS for value in vars(area).values() if isinstance(value, Rule)
)


def check(templates: Templates) -> list[Finding]:
    """What all rules find, the worst first, then by place."""
    found = [finding for rule in RULES for finding in rule.check(templates)]
    return sorted(found, key=lambda each: (-each.severity, each.rule, each.path, each.subject))
