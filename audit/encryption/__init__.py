"""What encrypts every store and every hop from source to prediction: whose key, which protocol.

Whose key: ours ("customer"), one that AWS keeps in the account ("aws managed": nobody can limit or switch it
off), one that AWS keeps for itself ("aws owned"), or none. What absent properties mean is from the services'
own guides, "encryption at rest".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from audit.encryption.rows import STAGES, Hop, Store
from audit.encryption.stores import stores
from audit.encryption.transit import hops
from audit.encryption.world import World, is_on
from audit.findings import Finding, Severity
from audit.templates import Templates

__all__ = ["Hop", "Store", "check", "encryption_map", "to_lines"]


def encryption_map(templates: Templates) -> list[Store | Hop]:
    """Stores and hops in the order the data travels."""
    world = World(templates)
    rows: list[Store | Hop] = [*stores(world), *hops(world)]
    return sorted(rows, key=lambda row: (STAGES.index(row.stage), row.path, row.what))


def check(templates: Templates) -> list[Finding]:
    found = [_finding(row) for row in encryption_map(templates) if row.is_fault]
    return [*found, *_unrotated(templates)]


def to_lines(rows: Iterable[Store | Hop]) -> list[str]:
    """One a line: stage, path, what; then the key of a store, the protocol of a hop and what enforces it."""
    return [f"{row.stage} | {row.path} | {row.what} | {_ending(row)}" for row in rows]


def _ending(row: Store | Hop) -> str:
    if isinstance(row, Store):
        return f"key {row.key}" + (f" ({row.note})" if row.note else "")
    return f"{row.protocol}, enforced by {row.by}" if row.by else f"{row.protocol}, enforced by nothing"


def _finding(row: Store | Hop) -> Finding:
    severity = row.severity or Severity.LOW
    if isinstance(row, Hop):
        return Finding(
            rule="ENC-02",
            severity=severity,
            address=row.address,
            path=row.path,
            subject=row.what,
            message=f"{row.what}: {row.protocol} is let through",
            fix=_FIXES.get(row.what, "let TLS through only"),
            controls=row.controls,
        )
    said = "not encrypted" if row.keeper == "none" else f"the key is {row.keeper}, none of this account's own"
    return Finding(
        rule="ENC-01",
        severity=severity,
        address=row.address,
        path=row.path,
        subject=row.what,
        message=f"{row.what}: {said}" + (f" ({row.note})" if row.note else ""),
        fix="name a KMS key of this account, whose policy says who may decrypt",
        controls=row.controls,
    )


_FIXES: Mapping[str, str] = {
    "requests": "deny everybody every action on the one condition Bool aws:SecureTransport false",
    "traffic between containers": "set EnableInterContainerTrafficEncryption to true",
    "connection to a source": "set the connection's property for TLS to true",
    "subscription": "deliver to an https address, or to a queue",
    "listener": "listen with HTTPS, or redirect to it",
}


def _unrotated(templates: Templates) -> Iterator[Finding]:
    """Keys that AWS can rotate: symmetric, with material that KMS made."""
    for key in templates.of("AWS::KMS::Key"):
        can = (
            key.get("KeySpec", default="SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
            and key.get("Origin", default="AWS_KMS") == "AWS_KMS"
        )
        if can and not is_on(key.get("EnableKeyRotation")):
            yield Finding(
                rule="ENC-03",
                severity=Severity.MEDIUM,
                address=key.address,
                path=key.path,
                subject="EnableKeyRotation",
                message="the key is never rotated: what it has encrypted shares one key for good",
                fix="set EnableKeyRotation to true",
                controls=("Security Hub KMS.4",),
            )
