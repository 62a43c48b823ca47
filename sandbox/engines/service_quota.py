"""SERVICE_QUOTA in metric math: what the account has of the quota that a usage metric is measured against.

Of AWS's usage metrics those that are listed here; another one is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.engines.alarm_state import UnsupportedAlarmError

_CALL = re.compile(r"\bSERVICE_QUOTA\(\s*(\w+)\s*\)")


@dataclass(frozen=True, kw_only=True)
class Usage:
    """A metric, as a query of metric math asks for it."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    seconds: int


# By namespace, name and dimensions: service and quota as Service Quotas has them, and whether it is so many a
# second, which counts for as many seconds as the metric's period has.
_KNOWN: Mapping[tuple[str, str, frozenset[tuple[str, str]]], tuple[str, str, bool]] = {
    ("AWS/Lambda", "ConcurrentExecutions", frozenset()): ("lambda", "Concurrent executions", False),
    (
        "AWS/Usage",
        "CallCount",
        frozenset(
            {
                ("Class", "None"),
                ("Resource", "CryptographicOperationsSymmetric"),
                ("Service", "KMS"),
                ("Type", "API"),
            }
        ),
    ): ("kms", "Cryptographic operations (symmetric) request rate", True),
}


def applied(expression: str, usages: Mapping[str, Usage]) -> str:
    """The expression with figures in place of SERVICE_QUOTA; `usages` by the ids of its queries."""

    def figure(call: re.Match[str]) -> str:
        if call[1] not in usages:
            raise UnsupportedAlarmError(
                f"{call[0]}: got {call[1]}, allowed: the id of a metric, here {', '.join(usages) or 'none'}"
            )
        return repr(_quota(usages[call[1]]))

    return _CALL.sub(figure, expression)


def _quota(usage: Usage) -> float:
    from sandbox import gaps

    known = _KNOWN.get((usage.namespace, usage.name, frozenset(usage.dimensions.items())))
    if known is None:
        raise UnsupportedAlarmError(
            f"SERVICE_QUOTA of {usage.namespace} {usage.name} {dict(usage.dimensions)} is not implemented by "
            f"the sandbox; there are: {', '.join(name for _, name, _ in _KNOWN.values())}"
        )
    service, name, is_rate = known
    return gaps.quota(service, name) * (usage.seconds if is_rate else 1)
