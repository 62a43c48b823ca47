"""Doors that stand open beside the calls: endpoints that nobody uses, ways out of the VPC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audit.findings import Finding, Severity
from audit.policies import listed
from audit.reachability.hop import Hop
from audit.reachability.network import (
    LETS_ALL_OUT,
    Network,
    goes_anywhere,
    is_default,
    is_gateway,
    service_of,
)
from audit.reachability.units import units
from audit.templates import Resource, Templates

GATEWAYS: Mapping[str, str] = {
    "AWS::EC2::InternetGateway": "an internet gateway",
    "AWS::EC2::NatGateway": "a NAT gateway",
    "AWS::EC2::EgressOnlyInternetGateway": "an egress-only internet gateway",
    "AWS::EC2::VPNGateway": "a VPN gateway",
}


def unused(templates: Templates, found: list[Hop]) -> Iterator[Finding]:
    """Silent in a VPC with something whose calls are not known: it may be what uses the endpoint."""
    network = Network(templates)
    every = units(templates)
    used = {hop.endpoint for hop in found}
    unknown = {
        vpc
        for unit in every
        if unit.role is None or any(hop.service == "*" and hop.unit == unit.path for hop in found)
        for vpc in network.vpcs(unit)
    }
    lived_in = {vpc for unit in every for vpc in network.vpcs(unit)}
    for endpoint in network.endpoints:
        vpc = str(endpoint.get("VpcId"))
        if endpoint.path not in used and vpc in lived_in and vpc not in unknown:
            yield Finding(
                rule="NET-07",
                severity=Severity.LOW,
                address=endpoint.address,
                path=endpoint.path,
                subject=service_of(endpoint),
                message=f"no unit in the VPC calls {service_of(endpoint)} from inside: a door nobody uses"
                + ("" if is_gateway(endpoint) else ", paid per zone and hour"),
                fix="remove the endpoint, or grant the unit that needs it the actions it calls",
            )


def ways_out(network: Network) -> Iterator[Finding]:
    for resource in network.templates.resources:
        for subject, message in _ways_of(resource, network):
            yield Finding(
                rule="NET-08",
                severity=Severity.MEDIUM,
                address=resource.address,
                path=resource.path,
                subject=subject,
                message=f"{message}: code in the VPC can send data anywhere",
                fix="isolated subnets, an endpoint per service, rules to groups and prefix lists",
            )


def _ways_of(resource: Resource, network: Network) -> Iterator[tuple[str, str]]:
    match resource.type:
        case kind if kind in GATEWAYS:
            yield kind, f"{GATEWAYS[kind]} leads out of the VPC"
        case "AWS::EC2::Subnet" if str(resource.get("MapPublicIpOnLaunch")).lower() == "true":
            yield "MapPublicIpOnLaunch", "the subnet gives public addresses"
        case "AWS::EC2::Route" if is_default(resource):
            yield "route", "a default route leads out of the subnet"
        case "AWS::EC2::SecurityGroup":
            rules = network.rules(f"<{resource.address}>", "Egress") or []
            if LETS_ALL_OUT in rules and not resource.get("SecurityGroupEgress"):
                yield "egress", "a group without an egress rule gets EC2's, which lets everything out"
            elif any(map(goes_anywhere, listed(resource.get("SecurityGroupEgress")))):
                yield "egress", "a rule lets traffic out to every address"
        case "AWS::EC2::SecurityGroupEgress" if goes_anywhere(resource.properties):
            yield "egress", "a rule lets traffic out to every address"
