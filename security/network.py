"""Parts of a network without internet: what may leave a group, and a log of what passes."""

from __future__ import annotations

from typing import cast

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from security import grants
from security.logs import LogKeeping, PrivateLogGroup
from security.roles import ServiceRole, arn


def flow_logs(scope: Construct, vpc: ec2.IVpc, logs: LogKeeping) -> None:
    """All traffic of the VPC, taken and refused, in a log group of its own."""
    group = PrivateLogGroup(scope, "FlowLogs", keeping=logs)
    role = ServiceRole(scope, "FlowLogRole", service="vpc-flow-logs", source_arn=arn("ec2", "vpc-flow-log/*"))
    grants.allow(
        role,
        ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
        [group.log_group_arn],
    )
    log = ec2.CfnFlowLog(
        scope,
        "FlowLog",
        resource_id=vpc.vpc_id,
        resource_type="VPC",
        traffic_type="ALL",
        deliver_logs_permission_arn=role.role_arn,
        log_destination_type="cloud-watch-logs",
        log_group_name=group.log_group_name,
        max_aggregation_interval=600,
    )
    log.node.add_dependency(role)


def security_group(
    scope: Construct,
    construct_id: str,
    *,
    vpc: ec2.IVpc,
    description: str,
    egress: list[ec2.CfnSecurityGroup.EgressProperty],
) -> ec2.SecurityGroup:
    group = ec2.SecurityGroup(scope, construct_id, vpc=vpc, allow_all_outbound=False, description=description)
    # Inside the group: the L2 makes resources of their own for rules to prefix lists and leaves the
    # group without a rule, for which EC2 adds one that lets everything out.
    cast(ec2.CfnSecurityGroup, group.node.default_child).security_group_egress = [*egress]
    return group


def to_list(prefix_list: str, description: str) -> ec2.CfnSecurityGroup.EgressProperty:
    return ec2.CfnSecurityGroup.EgressProperty(
        ip_protocol="tcp",
        from_port=443,
        to_port=443,
        destination_prefix_list_id=prefix_list,
        description=description,
    )


def nothing() -> ec2.CfnSecurityGroup.EgressProperty:
    """A rule that lets nothing out: EC2 gives a group without any rule one that lets everything out."""
    return ec2.CfnSecurityGroup.EgressProperty(
        ip_protocol="icmp", from_port=252, to_port=86, cidr_ip="255.255.255.255/32", description="Nothing"
    )
