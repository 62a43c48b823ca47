"""Where a caller stands in the network: which AWS services a VPC without internet reaches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Network:
    """Subnets and security groups of a caller inside a VPC; None instead = not in a VPC."""

    vpc_id: str
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
