"""Roles of SageMaker jobs and models: what running a container in our VPC needs, and no data yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Aws
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from security import grants
from security.roles import ServiceRole, arn

NAMESPACES = "/aws/sagemaker/*"
DESCRIBE = [
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
]
ATTACH = [
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
]


@dataclass(frozen=True, kw_only=True)
class JobNetwork:
    """Subnets without a way to the internet, and the group that containers wear there."""

    vpc: ec2.IVpc
    subnet_ids: Sequence[str]
    security_group: ec2.ISecurityGroup

    @property
    def config(self) -> dict[str, list[str]]:
        """VpcConfig of the API."""
        return {
            "Subnets": list(self.subnet_ids),
            "SecurityGroupIds": [self.security_group.security_group_id],
        }


@dataclass(frozen=True, kw_only=True)
class ContainerNetwork(JobNetwork):
    """Where SageMaker runs containers.

    running  what it needs to do so, with whichever role it was given
    """

    running: iam.IManagedPolicy


class ContainerPolicy(iam.ManagedPolicy):
    """For SageMaker, shared by all roles that it runs containers with in one place: it makes the network
    interfaces, asks for a token to pull the image, and writes metrics."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        subnet_ids: Sequence[str],
        group: ec2.ISecurityGroup,
    ) -> None:
        interfaces = arn("ec2", "network-interface/*")
        places = [arn("ec2", f"subnet/{subnet}") for subnet in subnet_ids]
        places.append(arn("ec2", f"security-group/{group.security_group_id}"))
        super().__init__(
            scope,
            construct_id,
            description="For the SageMaker service: containers in the VPC",
            statements=[
                iam.PolicyStatement(actions=["ecr:GetAuthorizationToken", *DESCRIBE], resources=["*"]),
                iam.PolicyStatement(actions=["ec2:CreateNetworkInterface"], resources=[interfaces, *places]),
                iam.PolicyStatement(
                    actions=ATTACH,
                    resources=[interfaces],
                    conditions={"ArnEquals": {"ec2:Vpc": arn("ec2", f"vpc/{vpc.vpc_id}")}},
                ),
                iam.PolicyStatement(
                    actions=["cloudwatch:PutMetricData"],
                    resources=["*"],
                    conditions={"StringLike": {"cloudwatch:namespace": NAMESPACES}},
                ),
            ],
        )


class JobRole(ServiceRole):
    """Pulls the image, joins the VPC, logs, and encrypts its volume. Data access is granted on top.

    log_groups  where SageMaker writes for this kind of work; the names are SageMaker's
    source_arn  the jobs (ARN patterns) for which SageMaker may take the role on
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        source_arn: str | Sequence[str] | None,
        network: ContainerNetwork,
        image_repository_arn: str,
        volume_key: kms.IKey,
        log_groups: Sequence[str],
        path: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id, service="sagemaker", source_arn=source_arn, path=path)
        self.add_managed_policy(network.running)
        self._pull(image_repository_arn)
        self._log(log_groups)
        # SageMaker attaches the encrypted volume in its own account, by a grant that ends with the work.
        grants.allow(
            self,
            ["kms:CreateGrant"],
            [volume_key.key_arn],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        )
        grants.use_key(
            self, volume_key, ["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKey"], through="s3"
        )

    def _pull(self, repository_arn: str) -> None:
        grants.allow(
            self,
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            [repository_arn],
        )

    def _log(self, groups: Sequence[str]) -> None:
        for group in groups:
            streams = arn("logs", f"log-group:{group}:*")
            grants.allow(
                self,
                [
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                [arn("logs", f"log-group:{group}"), streams],
            )

    def read_file(self, asset: s3_assets.Asset) -> None:
        """One published file as input: SageMaker lists its key like a prefix before it reads it."""
        grants.read_asset(self, asset)
        grants.allow(
            self,
            ["s3:ListBucket"],
            [asset.bucket.bucket_arn],
            conditions={"StringEquals": {"s3:prefix": asset.s3_object_key}},
        )


def image_arn(account: str, repository: str) -> str:
    return f"arn:{Aws.PARTITION}:ecr:{Aws.REGION}:{account}:repository/{repository}"
