"""Roles of SageMaker jobs and models: what running a container in our VPC needs, and no data yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Aws
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from security import grants
from security.nag import acknowledge, acknowledge_wildcard
from security.roles import ServiceRole, arn

NAMESPACES = "/aws/sagemaker/*"


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
        source_arn: str | None,
        network: JobNetwork,
        image_repository_arn: str,
        volume_key: kms.IKey,
        log_groups: Sequence[str],
        path: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id, service="sagemaker", source_arn=source_arn, path=path)
        self._pull(image_repository_arn)
        self._join(network)
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
        acknowledge(
            self,
            "IAM5[Resource::*]",
            reason="ecr:GetAuthorizationToken, ec2:Describe* and cloudwatch:PutMetricData know no resources; "
            "the first two only read, the last is limited to SageMaker's namespaces.",
        )

    def _pull(self, repository_arn: str) -> None:
        grants.allow(self, ["ecr:GetAuthorizationToken"], ["*"])
        grants.allow(
            self,
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            [repository_arn],
        )

    def _join(self, network: JobNetwork) -> None:
        """SageMaker makes the container's network interfaces with this role, in our subnets and group."""
        interfaces = arn("ec2", "network-interface/*")
        places = [arn("ec2", f"subnet/{subnet}") for subnet in network.subnet_ids]
        places.append(arn("ec2", f"security-group/{network.security_group.security_group_id}"))
        ours = {"ArnEquals": {"ec2:Vpc": arn("ec2", f"vpc/{network.vpc.vpc_id}")}}
        grants.allow(self, ["ec2:CreateNetworkInterface"], [interfaces, *places])
        grants.allow(
            self,
            [
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
            ],
            [interfaces],
            conditions=ours,
        )
        grants.allow(
            self,
            [
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
            ],
            ["*"],
        )
        acknowledge_wildcard(
            self,
            interfaces,
            reason="SageMaker names its network interfaces itself; only in our VPC and subnets.",
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
            acknowledge_wildcard(
                self, streams, reason=f"SageMaker names one log stream per job; limited to the group {group}."
            )
        grants.allow(
            self,
            ["cloudwatch:PutMetricData"],
            ["*"],
            conditions={"StringLike": {"cloudwatch:namespace": NAMESPACES}},
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
