"""Gives the embedded account, which begins as a new one, the quotas that an assembly needs."""

from __future__ import annotations

import math
from pathlib import Path

from audit import quotas
from audit.templates import Templates
from sandbox import account


def granted(assembly: Path) -> None:
    """As somebody has who asked for them before; those that a new account has enough of stay as they are."""
    for need in quotas.needs(Templates.read(assembly)):
        known = quotas.table().get(need.key)
        if known is not None and known.default < need.most:
            account.client("service-quotas").request_service_quota_increase(
                ServiceCode=need.service, QuotaCode=known.code, DesiredValue=math.ceil(need.most)
            )
