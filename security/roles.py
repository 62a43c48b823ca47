"""Roles that one service may take on, for resources of this account only.

The permissions boundary (security/boundary.py) is put on every role of a stack by the stack, not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

# Asked for once: each is a call to the CDK's Node process, and arn() is used in hundreds of places.
PARTITION, REGION, ACCOUNT = Aws.PARTITION, Aws.REGION, Aws.ACCOUNT_ID
ROLE_ARN = f"arn:{PARTITION}:iam::{ACCOUNT}:role"
BUDGETS = f"arn:{PARTITION}:budgets::{ACCOUNT}:*"  # the source that AWS Budgets sends; they have no Region


class ServiceRole(iam.Role):
    """May do nothing until granted something.

    source_arn  narrows the trust to these resources (ARN patterns, one or more); leave it out only where
                naming the resource would close a circle in the template
    path        for roles that a bucket policy must name before they exist
    name        for roles that another Region's stack must name: no export crosses Regions
    sends_source  False for a service that takes on roles without saying for which account and resource:
                a condition on them would keep it out
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        service: str,
        source_arn: str | Sequence[str] | None = None,
        path: str | None = None,
        name: str | None = None,
        sends_source: bool = True,
    ) -> None:
        conditions: dict[str, Any] = {"StringEquals": {"aws:SourceAccount": ACCOUNT}} if sends_source else {}
        if source_arn is not None:
            patterns = [source_arn] if isinstance(source_arn, str) else list(source_arn)
            conditions["ArnLike"] = {"aws:SourceArn": patterns[0] if len(patterns) == 1 else patterns}
        super().__init__(
            scope,
            construct_id,
            assumed_by=iam.ServicePrincipal(f"{service}.amazonaws.com", conditions=conditions),
            path=path,
            role_name=name,
        )


class PersonRole(iam.Role):
    """For people and programs of this account whose own policy lets them take it on."""

    def __init__(self, scope: Construct, construct_id: str, *, path: str, name: str | None = None) -> None:
        super().__init__(
            scope, construct_id, assumed_by=iam.AccountRootPrincipal(), path=path, role_name=name
        )


def roles_below(prefix: str, folder: str) -> str:
    """ARN pattern of the roles with the path `/<prefix>/<folder>/`."""
    return f"{ROLE_ARN}/{prefix}/{folder}/*"


def arn(service: str, resource: str) -> str:
    """ARN of a resource of this account and Region."""
    return f"arn:{PARTITION}:{service}:{REGION}:{ACCOUNT}:{resource}"
