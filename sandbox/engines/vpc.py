"""A job's or model's place in a VPC: network interfaces made and removed with the permissions of its role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sandbox import selftest, work
from sandbox.iam.network import Network

# What the services themselves ask for, in the role's name, before a unit may use a VPC.
SAGEMAKER = ("describe_vpcs", "describe_dhcp_options", "create_network_interface_permission")
GLUE = ("describe_vpc_endpoints", "describe_route_tables")


class AttachmentError(RuntimeError):
    """The VPC, a subnet or a security group is not there, or the role may not use it."""


@contextmanager
def attached(
    credentials: Any,
    *,
    subnets: Sequence[str],
    security_groups: Sequence[str],
    steps: Sequence[str],
    name: str,
) -> Iterator[Network]:
    """The network of a unit for as long as it runs; `steps` are the calls that only this service makes."""
    network, interfaces = attach(
        credentials, subnets=subnets, security_groups=security_groups, steps=steps, name=name
    )
    try:
        yield network
    finally:
        detach(credentials, interfaces, steps=steps)


def attach(
    credentials: Any,
    *,
    subnets: Sequence[str],
    security_groups: Sequence[str],
    steps: Sequence[str],
    name: str,
) -> tuple[Network, tuple[str, ...]]:
    """Network and ids of the interfaces; the caller detaches them."""
    ec2 = credentials.client("ec2")
    try:
        vpc_id = _vpc(ec2, subnets, security_groups)
        for step in (step for step in steps if step.startswith("describe")):
            getattr(ec2, step)()
        interfaces = []
        for subnet in subnets:
            made = ec2.create_network_interface(
                SubnetId=subnet, Groups=list(security_groups), Description=f"interface of {name}"
            )
            interfaces.append(made["NetworkInterface"]["NetworkInterfaceId"])
        if "create_network_interface_permission" in steps:
            for interface in interfaces:
                ec2.create_network_interface_permission(
                    NetworkInterfaceId=interface,
                    Permission="INSTANCE-ATTACH",
                    AwsService="sagemaker.amazonaws.com",
                )
        ec2.describe_network_interfaces(NetworkInterfaceIds=interfaces)
    except ec2.exceptions.ClientError as error:
        raise AttachmentError(f"cannot use the VPC as the role: {error}") from error
    network = Network(vpc_id=vpc_id, subnet_ids=tuple(subnets), security_group_ids=tuple(security_groups))
    return network, tuple(interfaces)


def detach(credentials: Any, interfaces: Sequence[str], *, steps: Sequence[str]) -> None:
    """Removes the interfaces; a refusal is kept as a failure, because AWS would leave them behind too."""
    ec2 = credentials.client("ec2")
    for interface in interfaces:
        try:
            if "create_network_interface_permission" in steps:
                ec2.delete_network_interface_permission(NetworkInterfacePermissionId=_permission(interface))
            ec2.delete_network_interface(NetworkInterfaceId=interface)
        except ec2.exceptions.ClientError as error:
            work.fail(f"network interface {interface}", error)


def _vpc(ec2: Any, subnets: Sequence[str], security_groups: Sequence[str]) -> str:
    found = ec2.describe_subnets(SubnetIds=list(subnets))["Subnets"]
    groups = ec2.describe_security_groups(GroupIds=list(security_groups))["SecurityGroups"]
    vpcs = {one["VpcId"] for one in found} | {one["VpcId"] for one in groups}
    if len(vpcs) != 1:
        raise AttachmentError(
            f"subnets and security groups lie in {len(vpcs)} VPCs: {sorted(vpcs)}; allowed: one"
        )
    return vpcs.pop()


def _permission(interface: str) -> str:
    return interface.replace("eni-", "eni-perm-")


def _create_permission(self: Any) -> Any:
    from moto.core.responses import ActionResult

    interface = self._get_param("NetworkInterfaceId")
    self.ec2_backend.get_all_network_interfaces([interface])
    permission = {
        "NetworkInterfacePermissionId": _permission(interface),
        "NetworkInterfaceId": interface,
        "AwsService": self._get_param("AwsService"),
        "Permission": self._get_param("Permission"),
        "PermissionState": {"State": "GRANTED"},
    }
    return ActionResult({"InterfacePermission": permission})


def _delete_permission(self: Any) -> Any:  # noqa: ARG001 the signature is moto's
    from moto.core.responses import ActionResult

    return ActionResult({"Return": True})


def install() -> None:
    """moto has no interface permissions; SageMaker needs one for each interface it makes."""
    from moto.ec2.responses import EC2Response

    EC2Response.create_network_interface_permission = _create_permission
    EC2Response.delete_network_interface_permission = _delete_permission


def self_test() -> None:
    selftest.check("moto.ec2.responses:EC2Response.create_network_interface", "self")
    selftest.check("moto.core.responses:ActionResult")
