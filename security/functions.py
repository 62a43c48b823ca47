"""Functions with their own role, their own log group, only their own code, and a place for what failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from security import grants
from security.logs import LogKeeping, PrivateLogGroup
from security.roles import ServiceRole

# AwsSolutions-L1 asks for the newest runtime that the CDK knows; the tests run lambda/ on this version's
# syntax.
RUNTIME = lambda_.Runtime.PYTHON_3_14


@dataclass(frozen=True, kw_only=True)
class FunctionPlatform:
    """What every function of this deployment stands on; made once, in the base stack."""

    logs: LogKeeping
    environment_key: kms.IKey
    vpc: ec2.IVpc
    subnets: ec2.SubnetSelection
    security_group: ec2.ISecurityGroup
    networking: (
        iam.IManagedPolicy
    )  # what Lambda needs to put a function into the VPC; denied to the code itself
    tracing: iam.IManagedPolicy
    dead_letters: sqs.IQueue  # events that a function failed on, after Lambda's retries
    dead_letter_key: kms.IKey
    reserved_concurrency: int | None  # of a function that asks for no number of its own


class ScopedFunction(lambda_.Function):
    """Runs `<package>/handler.py` of `bundle`. May do nothing but log until granted more: see
    `scoped_role`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        platform: FunctionPlatform,
        bundle: Path,
        package: str,
        environment: Mapping[str, str],
        timeout: Duration,
        memory_mb: int = 256,
        in_vpc: bool = True,
        reserved_concurrency: int | None = None,
    ) -> None:
        log_group = PrivateLogGroup(scope, f"{construct_id}Logs", keeping=platform.logs)
        # Without a role of ours the CDK attaches AWSLambdaBasicExecutionRole: write to every log group
        # there is.
        self.scoped_role = ServiceRole(scope, f"{construct_id}Role", service="lambda")
        self.scoped_role.add_managed_policy(platform.tracing)
        if in_vpc:
            self.scoped_role.add_managed_policy(platform.networking)
        super().__init__(
            scope,
            construct_id,
            code=lambda_.Code.from_asset(str(bundle)),
            environment=dict(environment),
            environment_encryption=platform.environment_key,
            handler=f"{package}.handler.handler",
            log_group=log_group,
            memory_size=memory_mb,
            reserved_concurrent_executions=reserved_concurrency or platform.reserved_concurrency,
            role=self.scoped_role,
            runtime=RUNTIME,
            timeout=timeout,
            vpc=platform.vpc if in_vpc else None,
            vpc_subnets=platform.subnets if in_vpc else None,
            security_groups=[platform.security_group] if in_vpc else None,
        )
        # As properties of the resource: the L2 adds statements of its own, on "*" and with wildcard actions.
        resource = cast(lambda_.CfnFunction, self.node.default_child)
        resource.tracing_config = lambda_.CfnFunction.TracingConfigProperty(mode="Active")
        resource.dead_letter_config = lambda_.CfnFunction.DeadLetterConfigProperty(
            target_arn=platform.dead_letters.queue_arn
        )
        grants.send_messages(self.scoped_role, platform.dead_letters, platform.dead_letter_key)
        grants.allow(
            self.scoped_role, ["logs:CreateLogStream", "logs:PutLogEvents"], [log_group.log_group_arn]
        )
        grants.use_key(self.scoped_role, platform.environment_key, ["kms:Decrypt"], through="lambda")
