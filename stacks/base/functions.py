"""What Lambda itself needs to run a function: network interfaces in the VPC, traces."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from security.functions import FunctionPlatform
from security.logs import LogKeeping
from security.roles import arn
from settings import Settings
from stacks.base.keys import Keys
from stacks.base.network import Network


class Functions(Construct):
    """Two policies that all functions share (Lambda's needs, not theirs), and a queue for what they failed
    on.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        keys: Keys,
        network: Network,
        logs: LogKeeping,
    ) -> None:
        super().__init__(scope, construct_id)
        self.platform = FunctionPlatform(
            logs=logs,
            environment_key=keys.secrets,
            vpc=network.vpc,
            subnets=network.subnets,
            security_group=network.functions,
            networking=self._networking(network),
            tracing=self._tracing(),
            dead_letters=self._dead_letters(keys, settings.prefix),
            dead_letter_key=keys.messages,
            reserved_concurrency=settings.base.reserved_concurrency,
        )

    def _dead_letters(self, keys: Keys, prefix: str) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=keys.messages,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        queue.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sqs:SendMessage"],
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                resources=[queue.queue_arn],
                # The ARN holds the account; EventBridge is not sure to send that as a key of its own.
                conditions={"ArnLike": {"aws:SourceArn": arn("events", f"rule/{prefix}-*")}},
            )
        )
        return queue

    def _networking(self, network: Network) -> iam.ManagedPolicy:
        interfaces = arn("ec2", "network-interface/*")
        places = [arn("ec2", f"subnet/{subnet}") for subnet in network.subnet_ids]
        places.append(arn("ec2", f"security-group/{network.functions.security_group_id}"))
        attach = [
            "ec2:AssignPrivateIpAddresses",
            "ec2:DeleteNetworkInterface",
            "ec2:UnassignPrivateIpAddresses",
        ]
        describe = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
        return iam.ManagedPolicy(
            self,
            "Networking",
            description="For the Lambda service: network interfaces of functions in the VPC",
            statements=[
                iam.PolicyStatement(actions=["ec2:CreateNetworkInterface"], resources=[interfaces, *places]),
                iam.PolicyStatement(actions=attach, resources=[interfaces]),
                iam.PolicyStatement(actions=describe, resources=["*"]),
                # These are for the service. Calls from the code carry the function's ARN, and are denied.
                iam.PolicyStatement(
                    effect=iam.Effect.DENY,
                    actions=["ec2:CreateNetworkInterface", *attach, *describe],
                    resources=["*"],
                    conditions={"Null": {"lambda:SourceFunctionArn": "false"}},
                ),
            ],
        )

    def _tracing(self) -> iam.ManagedPolicy:
        return iam.ManagedPolicy(
            self,
            "Tracing",
            description="For the Lambda service: X-Ray traces",
            statements=[
                iam.PolicyStatement(
                    actions=["xray:PutTelemetryRecords", "xray:PutTraceSegments"], resources=["*"]
                )
            ],
        )
