"""Network isolation: a caller in a VPC reaches a service only by an endpoint that its groups open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from sandbox import account
from sandbox.iam import record
from sandbox.iam.network import Network
from tests.sandbox.iam_probe import (
    ACCOUNT,
    REGION,
    Probe,
    allow,
    any_bucket,
    any_key,
    document,
    encrypt_bucket,
)

BLOCK = "10.0.0.0/16"


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with account.Account():
        yield


@dataclass(frozen=True, kw_only=True)
class Vpc:
    """An isolated VPC with one subnet, one group for callers and one for endpoints, closed to each other."""

    id: str
    subnet: str
    table: str
    callers: str
    endpoints: str

    @property
    def network(self) -> Network:
        return Network(vpc_id=self.id, subnet_ids=(self.subnet,), security_group_ids=(self.callers,))

    def open(self, *, outward: bool = True, inward: bool = True, port: int = 443) -> None:
        ec2 = account.client("ec2")
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
        if outward:
            pair = [{"GroupId": self.endpoints}]
            ec2.authorize_security_group_egress(
                GroupId=self.callers, IpPermissions=[rule | {"UserIdGroupPairs": pair}]
            )
        if inward:
            pair = [{"GroupId": self.callers}]
            ec2.authorize_security_group_ingress(
                GroupId=self.endpoints, IpPermissions=[rule | {"UserIdGroupPairs": pair}]
            )

    def interface(self, service: str, *statements: dict[str, Any], private_dns: bool = True) -> str:
        policy = {"PolicyDocument": document(*statements)} if statements else {}
        made = account.client("ec2").create_vpc_endpoint(
            VpcEndpointType="Interface", VpcId=self.id, ServiceName=f"com.amazonaws.{REGION}.{service}",
            SubnetIds=[self.subnet], SecurityGroupIds=[self.endpoints], PrivateDnsEnabled=private_dns,
            **policy,
        )  # fmt: skip
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    def gateway(self, service: str, *statements: dict[str, Any], tables: tuple[str, ...]) -> str:
        policy = {"PolicyDocument": document(*statements)} if statements else {}
        made = account.client("ec2").create_vpc_endpoint(
            VpcEndpointType="Gateway", VpcId=self.id, ServiceName=f"com.amazonaws.{REGION}.{service}",
            RouteTableIds=list(tables), **policy,
        )  # fmt: skip
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    def open_to_anywhere(self) -> None:
        rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        account.client("ec2").authorize_security_group_egress(GroupId=self.callers, IpPermissions=[rule])


@pytest.fixture
def vpc() -> Vpc:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock=BLOCK)["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    groups = []
    for name in ("callers", "endpoints"):
        group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)
        groups.append(group)
    return Vpc(id=vpc, subnet=subnet, table=table, callers=groups[0], endpoints=groups[1])


def test_without_an_endpoint_there_is_no_route(vpc: Vpc) -> None:
    probe = Probe(allow("*"), network=vpc.network)
    message = probe.denied("kinesis", "list_streams")
    assert message == (
        f"no route: VPC {vpc.id} has no endpoint for kinesis-streams; calls of {probe.arn} would hang on AWS"
    )
    last = record.calls()[-1]
    assert (last.action, last.allowed, last.reason) == ("kinesis:ListStreams", False, "no-route")


def test_interface_endpoint_opens_the_way_and_names_itself(vpc: Vpc) -> None:
    vpc.open()
    endpoint = vpc.interface("kinesis-streams")
    only = {"StringEquals": {"aws:SourceVpce": endpoint, "aws:SourceVpc": vpc.id}}
    probe = Probe(allow("kinesis:ListStreams", Condition=only), network=vpc.network)
    probe.call("kinesis", "list_streams")
    assert record.calls()[-1].network == endpoint
    outside = Probe(allow("kinesis:ListStreams", Condition=only))
    assert "no identity-based policy" in outside.denied("kinesis", "list_streams")


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        pytest.param({"outward": False}, "out to", id="the caller's group lets nothing out"),
        pytest.param({"inward": False}, "in from", id="the endpoint's group lets nothing in"),
        pytest.param({"port": 80}, "out to", id="another port is open"),
    ],
)
def test_both_security_groups_must_open_the_port(vpc: Vpc, rules: dict[str, Any], text: str) -> None:
    vpc.open(**rules)
    vpc.interface("sqs")
    message = Probe(allow("*"), network=vpc.network).denied("sqs", "list_queues")
    assert "let no port 443" in message
    assert text in message


def test_rules_by_address_count_too(vpc: Vpc) -> None:
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": BLOCK}]}
    ec2 = account.client("ec2")
    ec2.authorize_security_group_egress(GroupId=vpc.callers, IpPermissions=[rule])
    ec2.authorize_security_group_ingress(GroupId=vpc.endpoints, IpPermissions=[rule])
    vpc.interface("sqs")
    Probe(allow("*"), network=vpc.network).call("sqs", "list_queues")


def test_endpoint_of_another_service_is_no_help(vpc: Vpc) -> None:
    vpc.open()
    vpc.interface("sqs")
    assert "no endpoint for sns" in Probe(allow("*"), network=vpc.network).denied("sns", "list_topics")


def test_runtime_and_api_of_sagemaker_are_two_endpoints(vpc: Vpc) -> None:
    vpc.open()
    vpc.interface("sagemaker.api")
    probe = Probe(allow("*"), network=vpc.network)
    probe.call("sagemaker", "list_models")
    message = probe.denied("sagemaker-runtime", "invoke_endpoint", EndpointName="e", Body=b"x")
    assert "no endpoint for sagemaker.runtime" in message


def test_endpoint_without_private_dns_is_not_found(vpc: Vpc) -> None:
    vpc.open()
    vpc.interface("sqs", private_dns=False)
    assert "private DNS" in Probe(allow("*"), network=vpc.network).denied("sqs", "list_queues")


def test_endpoint_policy_limits(vpc: Vpc) -> None:
    vpc.open()
    vpc.interface("sqs", allow("sqs:GetQueueUrl", Principal="*"))
    message = Probe(allow("*"), network=vpc.network).denied("sqs", "list_queues")
    assert message.endswith("because no VPC endpoint policy allows the sqs:ListQueues action")


def test_gateway_endpoint_needs_the_route_table_and_the_group(vpc: Vpc) -> None:
    bucket = any_bucket()
    other = account.client("ec2").create_route_table(VpcId=vpc.id)["RouteTable"]["RouteTableId"]
    vpc.gateway("s3", tables=(other,))
    probe = Probe(allow("s3:*"), network=vpc.network)
    call = ("s3", "put_object")
    assert f"the route table of {vpc.subnet} does not lead to it" in probe.denied(
        *call, Bucket=bucket, Key="a", Body=b"x"
    )
    vpc.gateway("s3", tables=(vpc.table,))
    assert "prefix list" in probe.denied(*call, Bucket=bucket, Key="a", Body=b"x")
    vpc.open_to_anywhere()
    probe.call(*call, Bucket=bucket, Key="a", Body=b"x")


def test_group_may_open_the_prefix_list_alone(vpc: Vpc) -> None:
    ec2 = account.client("ec2")
    lists = ec2.describe_managed_prefix_lists()["PrefixLists"]
    wanted = next(p["PrefixListId"] for p in lists if p["PrefixListName"] == f"com.amazonaws.{REGION}.s3")
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [{"PrefixListId": wanted}]}
    ec2.authorize_security_group_egress(GroupId=vpc.callers, IpPermissions=[rule])
    vpc.gateway("s3", tables=(vpc.table,))
    Probe(allow("s3:*"), network=vpc.network).call("s3", "list_buckets")


def test_bucket_for_one_endpoint_refuses_the_rest(vpc: Vpc) -> None:
    bucket = any_bucket()
    vpc.open_to_anywhere()
    endpoint = vpc.gateway("s3", tables=(vpc.table,))
    deny = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringNotEquals": {"aws:SourceVpce": endpoint}},
    }  # fmt: skip
    account.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [deny]}))
    put = {"Bucket": bucket, "Key": "a", "Body": b"x"}
    Probe(allow("s3:*"), network=vpc.network).call("s3", "put_object", **put)
    assert "explicit deny" in Probe(allow("s3:*")).denied("s3", "put_object", **put)


def test_key_used_on_the_caller_s_behalf_does_not_come_through_the_endpoint(vpc: Vpc) -> None:
    bucket, key = any_bucket(), any_key()
    encrypt_bucket(bucket, key)
    vpc.open_to_anywhere()
    endpoint = vpc.gateway("s3", tables=(vpc.table,))
    put = {"Bucket": bucket, "Key": "a", "Body": b"x"}
    by_endpoint = {"StringEquals": {"aws:SourceVpce": endpoint}}
    probe = Probe(allow("s3:*"), allow("kms:*", key, Condition=by_endpoint), network=vpc.network)
    assert "kms:GenerateDataKey" in probe.denied("s3", "put_object", **put)
    probe.grant(allow("s3:*"), allow("kms:*", key, Condition={"Null": {"aws:SourceVpce": "true"}}))
    probe.call("s3", "put_object", **put)


def test_interfaces_are_made_only_in_the_granted_places(vpc: Vpc) -> None:
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
    places = [
        f"{arn}:network-interface/*",
        f"{arn}:subnet/{vpc.subnet}",
        f"{arn}:security-group/{vpc.callers}",
    ]
    ours = {"ArnEquals": {"ec2:Vpc": f"{arn}:vpc/{vpc.id}"}}
    probe = Probe(
        allow("ec2:CreateNetworkInterface", places),
        allow("ec2:DeleteNetworkInterface", places[0], Condition=ours),
    )
    made = probe.call("ec2", "create_network_interface", SubnetId=vpc.subnet, Groups=[vpc.callers])
    interface = made["NetworkInterface"]["NetworkInterfaceId"]
    probe.call("ec2", "delete_network_interface", NetworkInterfaceId=interface)
    wrong = {"SubnetId": vpc.subnet, "Groups": [vpc.endpoints]}
    assert vpc.endpoints in probe.denied("ec2", "create_network_interface", **wrong)


def test_default_route_to_a_gateway_is_the_internet(vpc: Vpc) -> None:
    ec2 = account.client("ec2")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc.id)
    ec2.create_route(RouteTableId=vpc.table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    probe = Probe(allow("*"), network=vpc.network)
    probe.denied("sqs", "list_queues")  # the group is still closed
    vpc.open_to_anywhere()
    probe.call("sqs", "list_queues")


def test_every_subnet_must_have_the_route(vpc: Vpc) -> None:
    vpc.open_to_anywhere()
    vpc.gateway("s3", tables=(vpc.table,))
    second = account.client("ec2").create_subnet(VpcId=vpc.id, CidrBlock="10.0.2.0/24")["Subnet"]["SubnetId"]
    both = replace(vpc.network, subnet_ids=(vpc.subnet, second))
    assert second in Probe(allow("*"), network=both).denied("s3", "list_buckets")
