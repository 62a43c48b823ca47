"""Log groups that are encrypted with our key and do not grow for ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class LogKeeping:
    """How this deployment keeps its logs; made once, in the base stack."""

    key: kms.IKey
    retention_days: int
    removal_policy: RemovalPolicy


class PrivateLogGroup(logs.LogGroup):
    """`name` only where AWS looks for the group by its name; else CloudFormation makes one up."""

    def __init__(
        self, scope: Construct, construct_id: str, *, keeping: LogKeeping, name: str | None = None
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            encryption_key=keeping.key,
            log_group_name=name,
            removal_policy=keeping.removal_policy,
        )
        cast(logs.CfnLogGroup, self.node.default_child).retention_in_days = keeping.retention_days
