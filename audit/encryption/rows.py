"""Rows of the encryption map: what is stored under whose key, what travels by which protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from audit.findings import Severity

Keeper = Literal["customer", "aws managed", "aws owned", "none", "run time"]


# The way of the data: the order of rows.
STAGES = ("ingest", "lake", "transform", "train", "deploy", "operate")


@dataclass(frozen=True, kw_only=True)
class Store:
    """
    what      of the resource is stored there, for example "objects" or "volume"
    key       construct path of the key; the keeper where it is not ours; an ARN or alias made elsewhere
    severity  of a store without a customer key; None where there is nothing to mend
    note      why there is nothing to mend, or what the key depends on
    """

    stage: str
    path: str
    address: str
    what: str
    key: str
    keeper: Keeper
    severity: Severity | None
    note: str = ""
    controls: tuple[str, ...] = ()

    @property
    def is_fault(self) -> bool:
        return self.severity is not None and self.keeper not in ("customer", "run time")


@dataclass(frozen=True, kw_only=True)
class Hop:
    """
    protocol  the weakest that is let through, for example "TLS 1.2" or "HTTP"
    by        what enforces it; "" where nothing does
    severity  of a hop that nothing enforces TLS on; None where nothing can be mended
    """

    stage: str
    path: str
    address: str
    what: str
    protocol: str
    by: str
    severity: Severity | None
    controls: tuple[str, ...] = ()

    @property
    def is_fault(self) -> bool:
        return self.severity is not None and not self.by
