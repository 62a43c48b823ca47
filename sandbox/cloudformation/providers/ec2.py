"""AWS::EC2: networks, endpoints and flow logs (security groups have a file of their own)."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from typing import Any

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Plain, Properties, text


class Vpc:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        names = ("CidrBlock", "InstanceTenancy")
        parameters = {name: properties[name] for name in names if name in properties}
        parameters |= tagging.at_creation("ec2", properties.get("Tags"), "vpc")
        vpc = context.call("ec2", "CreateVpc", parameters)["Vpc"]
        context.begun(vpc["VpcId"])
        self._dns(context, vpc["VpcId"], {}, properties)
        only = {"Filters": [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]}
        groups = context.call("ec2", "DescribeSecurityGroups", only)["SecurityGroups"]
        acls = context.call("ec2", "DescribeNetworkAcls", only)["NetworkAcls"]
        return vpc["VpcId"], {
            "VpcId": vpc["VpcId"],
            "CidrBlock": vpc["CidrBlock"],
            "CidrBlockAssociations": [a["AssociationId"] for a in vpc.get("CidrBlockAssociationSet", [])],
            "DefaultNetworkAcl": acls[0]["NetworkAclId"],
            "DefaultSecurityGroup": groups[0]["GroupId"],
            "Ipv6CidrBlocks": [],
        }

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("CidrBlock")
        if old.get("InstanceTenancy", "default") != new.get("InstanceTenancy", "default"):
            tenancy = new.get("InstanceTenancy", "default")
            context.call("ec2", "ModifyVpcTenancy", {"VpcId": ref, "InstanceTenancy": tenancy})
        self._dns(context, ref, old, new)
        tagging.retag(context, "ec2", [ref], old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("ec2", "DeleteVpc", {"VpcId": ref})

    def _dns(self, context: Context, ref: str, old: Properties, new: Properties) -> None:
        defaults = {"EnableDnsSupport": True, "EnableDnsHostnames": False}
        for name, default in defaults.items():
            value = new.get(name, default)
            if value != old.get(name, default):
                context.call("ec2", "ModifyVpcAttribute", {"VpcId": ref, name: {"Value": value}})


class Subnet:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        names = ("VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId")
        parameters = {name: properties[name] for name in names if name in properties}
        parameters |= tagging.at_creation("ec2", properties.get("Tags"), "subnet")
        subnet = context.call("ec2", "CreateSubnet", parameters)["Subnet"]
        context.begun(subnet["SubnetId"])
        self._public_ip(context, subnet["SubnetId"], {}, properties)
        only = {"Filters": [{"Name": "association.subnet-id", "Values": [subnet["SubnetId"]]}]}
        acls = context.call("ec2", "DescribeNetworkAcls", only)["NetworkAcls"]
        associations = [a for acl in acls for a in acl["Associations"] if a["SubnetId"] == subnet["SubnetId"]]
        return subnet["SubnetId"], {
            "SubnetId": subnet["SubnetId"],
            "VpcId": subnet["VpcId"],
            "CidrBlock": subnet["CidrBlock"],
            "AvailabilityZone": subnet["AvailabilityZone"],
            "AvailabilityZoneId": subnet.get("AvailabilityZoneId", ""),
            "NetworkAclAssociationId": associations[0]["NetworkAclAssociationId"] if associations else "",
            "Ipv6CidrBlocks": [],
        }

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        for name in ("VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId"):
            new.get(name)
        self._public_ip(context, ref, old, new)
        tagging.retag(context, "ec2", [ref], old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("ec2", "DeleteSubnet", {"SubnetId": ref})

    def _public_ip(self, context: Context, ref: str, old: Properties, new: Properties) -> None:
        value = new.get("MapPublicIpOnLaunch", False)
        if value != old.get("MapPublicIpOnLaunch", False):
            switch = {"SubnetId": ref, "MapPublicIpOnLaunch": {"Value": value}}
            context.call("ec2", "ModifySubnetAttribute", switch)


class VpcEndpoint:
    _LISTS = {
        "RouteTableIds": "RouteTableIds",
        "SubnetIds": "SubnetIds",
        "SecurityGroupIds": "SecurityGroupIds",
    }

    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        names = (
            "VpcId", "ServiceName", "VpcEndpointType", "PolicyDocument", "PrivateDnsEnabled", "IpAddressType",
            "DnsOptions", *self._LISTS,
        )  # fmt: skip
        parameters = {name: properties[name] for name in names if name in properties}
        parameters |= tagging.at_creation("ec2", properties.get("Tags"), "vpc-endpoint")
        endpoint = context.call("ec2", "CreateVpcEndpoint", parameters)["VpcEndpoint"]
        entries = [f"{e.get('HostedZoneId', '')}:{e['DnsName']}" for e in endpoint.get("DnsEntries", [])]
        return endpoint["VpcEndpointId"], {
            "Id": endpoint["VpcEndpointId"],
            "CreationTimestamp": str(endpoint.get("CreationTimestamp", "")),
            "DnsEntries": entries,
            "NetworkInterfaceIds": endpoint.get("NetworkInterfaceIds", []),
        }

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        for name in ("VpcId", "ServiceName", "VpcEndpointType"):
            new.get(name)
        changes: dict[str, Any] = {}
        if old.get("PolicyDocument") != (policy := new.get("PolicyDocument")):
            changes |= {"PolicyDocument": text(policy)} if policy else {"ResetPolicy": True}
        for name in ("PrivateDnsEnabled", "IpAddressType", "DnsOptions"):
            if old.get(name) != new.get(name):
                changes[name] = new[name]
        for name, api in self._LISTS.items():
            before, after = set(old.get(name) or []), set(new.get(name) or [])
            changes |= {f"Add{api}": sorted(after - before)} if after - before else {}
            changes |= {f"Remove{api}": sorted(before - after)} if before - after else {}
        if changes:
            context.call("ec2", "ModifyVpcEndpoint", {"VpcEndpointId": ref, **changes})
        tagging.retag(context, "ec2", [ref], old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        failed = context.call("ec2", "DeleteVpcEndpoints", {"VpcEndpointIds": [ref]}).get("Unsuccessful", [])
        if failed:
            raise RuntimeError(str(failed[0]["Error"]))


def _flow_log(properties: Properties) -> Properties:
    kept = {key: value for key, value in properties.items() if key != "ResourceId"}
    return {**kept, "ResourceIds": [properties["ResourceId"]]}


class FlowLog(Plain):
    """Its operations take and give lists, and report failure without failing."""

    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        parameters = self._with_tags(properties, self._parameters(properties))
        answer = context.call("ec2", "CreateFlowLogs", parameters)
        if failed := answer.get("Unsuccessful"):
            raise RuntimeError(str(failed[0]["Error"]))
        ref = str(answer["FlowLogIds"][0])
        return ref, {"Id": ref}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("ec2", "DeleteFlowLogs", {"FlowLogIds": [ref]})


PROVIDERS = {
    "AWS::EC2::VPC": Vpc(),
    "AWS::EC2::Subnet": Subnet(),
    "AWS::EC2::RouteTable": Plain(
        service="ec2",
        create_operation="CreateRouteTable",
        delete_operation="DeleteRouteTable",
        key="RouteTableId",
        ref=".RouteTable.RouteTableId",
        attributes={"RouteTableId": ".RouteTable.RouteTableId"},
        tags=lambda ref: [ref],
        tag_resource_type="route-table",
    ),
    "AWS::EC2::SubnetRouteTableAssociation": Plain(
        service="ec2",
        create_operation="AssociateRouteTable",
        delete_operation="DisassociateRouteTable",
        key="AssociationId",
        ref=".AssociationId",
        attributes={"Id": ".AssociationId"},
    ),
    "AWS::EC2::VPCEndpoint": VpcEndpoint(),
    "AWS::EC2::FlowLog": FlowLog(
        service="ec2",
        create_operation="CreateFlowLogs",
        ref="",
        shape=_flow_log,
        tags=lambda ref: [ref],
        tag_resource_type="vpc-flow-log",
    ),
}
