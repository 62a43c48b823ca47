"""What a check found, in one shape for every report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Severity(IntEnum):
    """The worst first: how a report sorts."""

    CRITICAL = 4  # open to the world, or to become administrator
    HIGH = 3
    MEDIUM = 2
    LOW = 1


@dataclass(frozen=True, kw_only=True)
class Finding:
    """
    rule      id of the rule, for example ML-SM-01 or AwsSolutions-IAM5
    subject   what exactly, stable over runs: an action, a pattern, a property; "" where the rule says all
    address   <stack>/<logical id>
    path      construct path; the address in templates that the CDK did not make
    message   what was found and what is wanted
    fix       what to change
    controls  other names of the same demand, for example FSBP S3.5
    """

    rule: str
    severity: Severity
    address: str
    path: str
    message: str
    subject: str = ""
    fix: str = ""
    controls: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.rule, self.subject, self.path)


def few(names: Iterable[str], limit: int = 3) -> str:
    """The first of them, and how many there are beside: for a message that is read on one line."""
    every = list(names)
    rest = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + rest
