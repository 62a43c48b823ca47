"""The keys of a deployment, one per kind of data; stacks/base/keys.py says who may use them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from aws_cdk import aws_kms as kms


@dataclass(frozen=True, kw_only=True)
class KeyRing:
    lake: kms.IKey
    models: kms.IKey
    stream: kms.IKey
    secrets: kms.IKey
    logs: kms.IKey
    messages: kms.IKey

    @property
    def all(self) -> tuple[kms.IKey, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))
