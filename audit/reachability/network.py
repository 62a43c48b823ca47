"""The VPCs of the templates: endpoints, subnets, routes, and what security groups let through."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from audit.policies import listed, statements
from audit.reachability.units import Unit
from audit.templates import Resource, Templates

ANYWHERE = ("0.0.0.0/0", "::/0")
HTTPS = 443
LETS_ALL_OUT = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}  # EC2's rule for a group that has none of its own


class Network:
    """The VPCs of the templates, asked by id as policies and properties spell it."""

    def __init__(self, templates: Templates) -> None:
        self.templates = templates
        self.endpoints = templates.of("AWS::EC2::VPCEndpoint")
        self.statements = statements(templates)

    @cached_property
    def subnets(self) -> dict[str, Resource]:
        return self._by_id("AWS::EC2::Subnet")

    @cached_property
    def groups(self) -> dict[str, Resource]:
        return {
            name: group
            for ref, group in self._by_id("AWS::EC2::SecurityGroup").items()
            for name in (ref, ref.replace(">", ".GroupId>"))
        }

    def _by_id(self, kind: str) -> dict[str, Resource]:
        return {f"<{resource.address}>": resource for resource in self.templates.of(kind)}

    def vpcs(self, unit: Unit) -> set[str]:
        """Ids of the VPCs of the unit's subnets and groups; empty where both are made elsewhere."""
        homes = [self.subnets.get(each) for each in unit.subnets]
        homes += [self.groups.get(each) for each in unit.groups]
        return {str(home.get("VpcId")) for home in homes if home is not None and home.get("VpcId")}

    def serving(self, service: str, vpcs: set[str]) -> list[Resource]:
        """Endpoints for the service, gateways last: an interface with a private name takes the calls."""
        found = [
            endpoint
            for endpoint in self.endpoints
            if str(endpoint.get("VpcId")) in vpcs
            and service_of(endpoint).removesuffix("-fips") == service.removesuffix("-fips")
        ]
        return sorted(found, key=is_gateway)

    def route_tables(self, subnet: str) -> set[str]:
        return {
            str(each.get("RouteTableId"))
            for each in self.templates.of("AWS::EC2::SubnetRouteTableAssociation")
            if each.get("SubnetId") == subnet
        }

    def way_out(self, subnets: tuple[str, ...]) -> Resource | None:
        """A default route of one of the subnets, to whatever it leads."""
        tables = {table for subnet in subnets for table in self.route_tables(subnet)}
        for route in self.templates.of("AWS::EC2::Route"):
            if str(route.get("RouteTableId")) in tables and is_default(route):
                return route
        return None

    def rules(self, group: str, direction: str) -> list[Mapping[str, Any]] | None:
        """Of a security group, written inside it or beside; None for a group made elsewhere."""
        home = self.groups.get(group)
        if home is None:
            return None
        inside = [each for each in listed(home.get(f"SecurityGroup{direction}")) if isinstance(each, Mapping)]
        if direction == "Egress" and not inside:
            return [LETS_ALL_OUT]
        beside = [
            each.properties
            for each in self.templates.of(f"AWS::EC2::SecurityGroup{direction}")
            if self.groups.get(str(each.get("GroupId"))) is home
        ]
        return [*inside, *beside]

    def ranges(self, subnets: list[str], vpcs: set[str]) -> set[str]:
        """Addresses of the subnets, and of their VPC."""
        given = {str(self.subnets[each].get("CidrBlock")) for each in subnets if each in self.subnets}
        for vpc in self.templates.of("AWS::EC2::VPC"):
            if f"<{vpc.address}>" in vpcs:
                given |= {str(vpc.get("CidrBlock")), f"<{vpc.address}.CidrBlock>"}
        return given


def service_of(endpoint: Resource) -> str:
    """`s3` of `com.amazonaws.<Region>.s3`; the whole name where it is spelled otherwise."""
    name = str(endpoint.get("ServiceName", default=""))
    _, found, rest = name.partition("com.amazonaws.")
    return rest.partition(".")[2] if found and "." in rest else name


def is_gateway(endpoint: Resource) -> bool:
    return str(endpoint.get("VpcEndpointType", default="Gateway")) == "Gateway"


def is_default(route: Resource) -> bool:
    return route.get("DestinationCidrBlock") in ANYWHERE or route.get("DestinationIpv6CidrBlock") in ANYWHERE


def goes_anywhere(rule: Any) -> bool:
    return isinstance(rule, Mapping) and (rule.get("CidrIp") in ANYWHERE or rule.get("CidrIpv6") in ANYWHERE)


def is_https(rule: Mapping[str, Any]) -> bool:
    protocol = str(rule.get("IpProtocol", "")).lower()
    if protocol == "-1":
        return True
    return protocol in ("tcp", "6") and _port(rule, "FromPort", 0) <= HTTPS <= _port(rule, "ToPort", 65535)


def _port(rule: Mapping[str, Any], name: str, default: int) -> int:
    given = str(rule.get(name, default))
    return int(given) if given.lstrip("-").isdigit() else default


def peer(rule: Mapping[str, Any]) -> str:
    return str(rule.get("DestinationSecurityGroupId") or rule.get("SourceSecurityGroupId") or "")


def covers(rule: Mapping[str, Any], ranges: set[str]) -> bool:
    cidr = str(rule.get("CidrIp", ""))
    return cidr in (*ANYWHERE, *ranges) or any(_holds(cidr, each) for each in ranges)


def _holds(wide: str, narrow: str) -> bool:
    try:
        outer, inner = ipaddress.ip_network(wide), ipaddress.ip_network(narrow)
    except ValueError:
        return False
    return (
        isinstance(outer, ipaddress.IPv4Network)
        and isinstance(inner, ipaddress.IPv4Network)
        and (inner.subnet_of(outer))
    )
