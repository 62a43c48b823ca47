"""Network of the standby: subnets without internet, and S3 through its gateway, which costs nothing.

Model containers are isolated and SageMaker pulls the image and writes the logs from outside, so no interface
endpoint is needed.
"""

from __future__ import annotations

from aws_cdk import Aws, CfnMapping
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from security.endpoints import asset_bucket, buckets_of, only_ours
from security.jobs import ContainerNetwork, ContainerPolicy
from security.logs import LogKeeping
from security.network import flow_logs, security_group, to_list
from security.regions import prefix_lists


class Network(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cidr: str,
        zones: int,
        region: str,
        stack_name: str,
        logs: LogKeeping,
    ) -> None:
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            max_azs=zones,
            create_internet_gateway=False,
            nat_gateways=0,
            restrict_default_security_group=False,  # needs a custom resource
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24
                )
            ],
        )
        flow_logs(self, self.vpc, logs)
        lists = CfnMapping(self, "PrefixLists", mapping=prefix_lists())
        group = security_group(
            self,
            "Serving",
            vpc=self.vpc,
            description="SageMaker model containers",
            egress=[to_list(lists.find_in_map(Aws.REGION, "s3"), "S3 through its gateway")],
        )
        self.s3 = ec2.GatewayVpcEndpoint(
            self,
            "S3",
            vpc=self.vpc,
            service=ec2.GatewayVpcEndpointAwsService.S3,
            subnets=[ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)],
        )
        reading = ["s3:GetObject", "s3:ListBucket"]
        self.s3.add_to_policy(
            only_ours([*reading, "s3:AbortMultipartUpload", "s3:PutObject"], buckets_of(stack_name))
        )
        self.s3.add_to_policy(only_ours(reading, asset_bucket(region)))
        subnets = [subnet.subnet_id for subnet in self.vpc.isolated_subnets]
        self.for_serving = ContainerNetwork(
            vpc=self.vpc,
            subnet_ids=subnets,
            security_group=group,
            running=ContainerPolicy(self, "RunningServing", vpc=self.vpc, subnet_ids=subnets, group=group),
        )
