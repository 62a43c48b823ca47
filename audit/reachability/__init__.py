"""Which services each unit of work in a subnet calls, and whether every hop on the way there is open.

A call passes, in this order: an endpoint for the service in the VPC, the rules of the unit's security groups,
those of the endpoint's, or a route for a gateway, the endpoint's policy, the policy of what is called. One
that is missing shows at run time as a timeout or a refusal; here it is named beforehand.

What is not judged is said in a hop's notes: groups and subnets made elsewhere, conditions of other kinds.
Network ACLs and DNS settings of the VPC are not looked at.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from audit.findings import Finding, Severity
from audit.policies import Statement, listed, statements
from audit.reachability.calls import Call, Outside, Unit, calls_of, units
from audit.reachability.passage import Attempt, denied, is_let_through
from audit.templates import Resource, Templates

ANYWHERE = ("0.0.0.0/0", "::/0")
HTTPS = 443
OVER_THE_INTERNET = "a default route leads its calls over the internet instead"
LETS_ALL_OUT = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}  # EC2's rule for a group that has none of its own


@dataclass(frozen=True, kw_only=True)
class Hop:
    """
    unit      construct path of what calls; <machine>/<state> for a request in a state machine
    address   of the resource that the finding is about
    service   as endpoint services are called, for example s3 or sagemaker.api
    endpoint  construct path, None where there is none
    passed    steps that are open: endpoint, name, egress, ingress, route, endpoint policy, resource policy
    missing   the step that is closed, in words; "" when the service is reached
    rule      of the missing step; "" when the service is reached
    notes     what could not be judged
    """

    unit: str
    address: str
    service: str
    actions: tuple[str, ...] = ()
    endpoint: str | None = None
    passed: tuple[str, ...] = ()
    missing: str = ""
    rule: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return not self.rule


FIXES: Mapping[str, str] = {
    "NET-01": "add a VPC endpoint for {service} to the VPC, or take the grant away if nothing calls it",
    "NET-02": "add an egress rule, tcp 443, to the endpoint's security group (the prefix list for a gateway)",
    "NET-03": "add an ingress rule, tcp 443, from the unit's security group to the endpoint's",
    "NET-04": "associate the gateway endpoint with the route table of each of the unit's subnets",
    "NET-05": "let the endpoint's policy allow what the role is granted, or narrow the grant",
    "NET-06": "name the VPC endpoint in the condition of the denying statement, or call from elsewhere",
}


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
            if str(route.get("RouteTableId")) in tables and _is_default(route):
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


def hops(templates: Templates) -> list[Hop]:
    """One per unit and service that its own code calls."""
    network = Network(templates)
    found = []
    for unit in units(templates):
        inside, _ = calls_of(unit, network.statements)
        services = sorted({service for call in inside for service in call.services})
        found += [
            _hop(network, unit, service, [call for call in inside if service in call.services])
            for service in services
        ]
    return found


def outside_calls(templates: Templates) -> list[Outside]:
    """What roles of units are granted for calls that their services make from elsewhere, each with why."""
    every = statements(templates)
    return [each for unit in units(templates) for each in calls_of(unit, every)[1]]


def check(templates: Templates) -> list[Finding]:
    found = hops(templates)
    return [
        *(_finding(hop) for hop in found if hop.rule),
        *_unused(templates, found),
        *_ways_out(Network(templates)),
    ]


def to_lines(found: Iterable[Hop]) -> list[str]:
    """One a line: unit, service, endpoint, and whether it is reached; with what could not be judged."""
    return [
        f"{hop.unit} | {hop.service} | {hop.endpoint or 'no endpoint'} | "
        + (hop.missing or (f"reached: {', '.join(hop.passed)}" if hop.passed else "not judged"))
        + "".join(f" | {note}" for note in hop.notes)
        for hop in found
    ]


def _finding(hop: Hop) -> Finding:
    goes_out = OVER_THE_INTERNET in hop.notes
    said = "reached over the internet" if goes_out else "not reached"
    return Finding(
        rule=hop.rule,
        severity=Severity.MEDIUM if goes_out else Severity.HIGH,
        address=hop.address,
        path=hop.unit,
        subject=hop.service,
        message=f"{hop.service} is {said}: {hop.missing}",
        fix=FIXES[hop.rule].format(service=hop.service),
        details={"actions": ", ".join(hop.actions), "passed": ", ".join(hop.passed)},
    )


def service_of(endpoint: Resource) -> str:
    """`s3` of `com.amazonaws.<Region>.s3`; the whole name where it is spelled otherwise."""
    name = str(endpoint.get("ServiceName", default=""))
    _, found, rest = name.partition("com.amazonaws.")
    return rest.partition(".")[2] if found and "." in rest else name


def is_gateway(endpoint: Resource) -> bool:
    return str(endpoint.get("VpcEndpointType", default="Gateway")) == "Gateway"


def _hop(network: Network, unit: Unit, service: str, calls: list[Call]) -> Hop:
    blank = Hop(
        unit=unit.path,
        address=unit.address,
        service=service,
        actions=tuple(sorted({call.action for call in calls})),
    )
    vpcs = network.vpcs(unit)
    if not vpcs:
        return replace(blank, notes=("its subnets and security groups are made elsewhere: not judged",))
    if service == "*":
        return replace(blank, notes=("the role may do everything: which services it calls cannot be told",))
    serving = network.serving(service, vpcs)
    if not serving and (said := _unknown_place(network, unit, vpcs)):
        return replace(blank, notes=(said,))
    if not serving:
        return _without_endpoint(network, unit, blank)
    tried = [_through(network, unit, endpoint, blank, calls) for endpoint in serving]
    return next((hop for hop in tried if hop.is_open), tried[0])


def _unknown_place(network: Network, unit: Unit, vpcs: set[str]) -> str:
    """Why an endpoint, or a way out, may be there all the same; "" when the templates would show it."""
    made_here = {str(endpoint.get("VpcId")) for endpoint in network.endpoints}
    made_here |= {f"<{vpc.address}>" for vpc in network.templates.of("AWS::EC2::VPC")}
    if not vpcs & made_here:
        return "its VPC is made elsewhere, its endpoints may be too: not judged"
    if not any(subnet in network.subnets for subnet in unit.subnets):
        return "its subnets are made elsewhere, or not named: whether they have a way out is not known"
    return ""


def _without_endpoint(network: Network, unit: Unit, blank: Hop) -> Hop:
    missing = f"the VPC has no endpoint for {blank.service}, which {', '.join(blank.actions)} needs"
    if (route := network.way_out(unit.subnets)) is not None:
        return replace(
            blank, rule="NET-01", missing=f"{missing}; {route.path} leads out", notes=(OVER_THE_INTERNET,)
        )
    return replace(blank, rule="NET-01", missing=f"{missing}, and its subnets have no way out")


@dataclass(frozen=True)
class _Step:
    """`missing` in words; "" when the step is open."""

    rule: str
    name: str
    missing: str = ""
    notes: tuple[str, ...] = ()


def _through(network: Network, unit: Unit, endpoint: Resource, blank: Hop, calls: list[Call]) -> Hop:
    hop = replace(blank, endpoint=endpoint.path, passed=("endpoint",))
    for step in _steps(network, unit, endpoint, calls):
        hop = replace(hop, notes=(*hop.notes, *step.notes))
        if step.missing:
            return replace(hop, rule=step.rule, missing=step.missing)
        hop = replace(hop, passed=(*hop.passed, step.name))
    return hop


def _steps(network: Network, unit: Unit, endpoint: Resource, calls: list[Call]) -> Iterator[_Step]:
    if is_gateway(endpoint):
        yield _egress_to_gateway(network, unit, endpoint)
        yield _route(network, unit, endpoint)
    else:
        yield _name(endpoint)
        yield _egress_to_interface(network, unit, endpoint)
        yield _ingress(network, unit, endpoint)
    yield _endpoint_policy(network, unit, endpoint, calls)
    yield _resource_policies(network, unit, endpoint, calls)


def _name(endpoint: Resource) -> _Step:
    """CloudFormation's default is off: the service's usual name then leads to its public addresses."""
    is_on = str(endpoint.get("PrivateDnsEnabled", default=False)).lower() == "true"
    missing = f"{endpoint.path} has PrivateDnsEnabled off, so the service's usual name leads past it"
    return _Step("NET-01", "name", "" if is_on else missing)


def _egress_to_interface(network: Network, unit: Unit, endpoint: Resource) -> _Step:
    groups = tuple(str(group) for group in listed(endpoint.get("SecurityGroupIds")))
    subnets = [str(subnet) for subnet in listed(endpoint.get("SubnetIds"))]
    ranges = network.ranges(subnets, {str(endpoint.get("VpcId"))})
    missing = (
        f"no rule of {_names(network, unit.groups)} lets tcp 443 out to {_names(network, groups)} "
        f"of {endpoint.path}"
    )
    return _rule_step(network, unit.groups, "Egress", set(groups), ranges, ("NET-02", "egress", missing))


def _ingress(network: Network, unit: Unit, endpoint: Resource) -> _Step:
    groups = tuple(str(group) for group in listed(endpoint.get("SecurityGroupIds")))
    if not groups:
        missing = (
            f"{endpoint.path} names no security group: it wears the VPC's default one, which lets in only "
            "its own members"
        )
        return _Step("NET-03", "ingress", missing)
    ranges = network.ranges(list(unit.subnets), {str(endpoint.get("VpcId"))})
    missing = (
        f"no rule of {_names(network, groups)} of {endpoint.path} lets tcp 443 in from "
        f"{_names(network, unit.groups)}"
    )
    return _rule_step(network, groups, "Ingress", set(unit.groups), ranges, ("NET-03", "ingress", missing))


def _rule_step(
    network: Network,
    wearers: tuple[str, ...],
    direction: str,
    peers: set[str],
    ranges: set[str],
    said: tuple[str, str, str],
) -> _Step:
    """Open as soon as one group of the wearer has a rule: rules of several groups add up."""
    rule, name, missing = said
    given = [network.rules(group, direction) for group in wearers]
    open_ones = [each for rules in given if rules for each in rules if _is_https(each)]
    if any(_peer(each) in peers or _covers(each, ranges) for each in open_ones):
        return _Step(rule, name)
    if not given or None in given:
        return _Step(
            rule, name, notes=(f"{name}: a security group is made elsewhere, its rules are unknown",)
        )
    return _Step(rule, name, missing)


def _egress_to_gateway(network: Network, unit: Unit, endpoint: Resource) -> _Step:
    """Traffic to a gateway leaves for the service's public addresses: its prefix list, or anywhere."""
    service = service_of(endpoint)
    given = [network.rules(group, "Egress") for group in unit.groups]
    open_ones = [each for rules in given if rules for each in rules if _is_https(each)]
    lists = [str(each["DestinationPrefixListId"]) for each in open_ones if "DestinationPrefixListId" in each]
    if any(_goes_anywhere(each) for each in open_ones) or any(_is_list_of(each, service) for each in lists):
        return _Step("NET-02", "egress")
    if any(each.startswith("pl-") for each in lists):
        note = (
            f"egress: whether prefix list {', '.join(lists)} is that of {service} cannot be told from its id"
        )
        return _Step("NET-02", "egress", notes=(note,))
    if not given or None in given:
        return _Step("NET-02", "egress", notes=("egress: a security group is made elsewhere, unknown",))
    missing = f"no rule of {_names(network, unit.groups)} lets tcp 443 out to the prefix list of {service}"
    return _Step("NET-02", "egress", missing)


def _is_list_of(prefix_list: str, service: str) -> bool:
    """Of a mapping's entry or a parameter that speaks of the service: `<Lists:<Region>,s3>`."""
    words = prefix_list.lower().strip("<>").replace(",", " ").replace("/", " ").replace(":", " ").split()
    return not prefix_list.startswith("pl-") and any(service in word for word in words)


def _route(network: Network, unit: Unit, endpoint: Resource) -> _Step:
    tables = {str(table) for table in listed(endpoint.get("RouteTableIds"))}
    notes: list[str] = []
    for subnet in unit.subnets:
        own = network.route_tables(subnet)
        if not own:
            notes.append(f"route: the route table of {_bare(network, subnet)} is not in the templates")
        elif not own & tables:
            where = f"the route table of subnet {_bare(network, subnet)}"
            return _Step("NET-04", "route", f"{where} has no route to {endpoint.path}")
    return _Step("NET-04", "route", notes=tuple(notes))


def _endpoint_policy(network: Network, unit: Unit, endpoint: Resource, calls: list[Call]) -> _Step:
    own = [each for each in network.statements if each.holder is endpoint]
    if endpoint.get("PolicyDocument") is None:
        return _Step("NET-05", "endpoint policy")
    notes: list[str] = []
    for call in calls:
        is_open, said = is_let_through(own, _attempt(network, unit, endpoint, call))
        notes += [f"endpoint policy: {each}" for each in said]
        if not is_open:
            missing = f"the policy of {endpoint.path} does not allow {call.action} on {call.resource}"
            return _Step("NET-05", "endpoint policy", missing, tuple(dict.fromkeys(notes)))
    return _Step("NET-05", "endpoint policy", notes=tuple(dict.fromkeys(notes)))


def _resource_policies(network: Network, unit: Unit, endpoint: Resource, calls: list[Call]) -> _Step:
    """Only statements that ask where a call comes from: others are no matter of the network."""
    denying = [
        each
        for each in network.statements
        if each.kind in ("resource", "key") and not each.allows and _asks_for_the_way(each)
    ]
    notes: list[str] = []
    for call in calls:
        for statement in denying:
            is_denied, said = denied(statement, _attempt(network, unit, endpoint, call))
            notes += [f"resource policy: {each}" for each in said]
            if is_denied:
                missing = (
                    f"{statement.holder.path} denies {call.action} on {call.resource} by {endpoint.path}"
                )
                return _Step("NET-06", "resource policy", missing, tuple(dict.fromkeys(notes)))
    return _Step("NET-06", "resource policy", notes=tuple(dict.fromkeys(notes)))


def _asks_for_the_way(statement: Statement) -> bool:
    asked = json.dumps(statement.conditions, default=str).lower()
    return any(key in asked for key in ("aws:sourcevpc", "aws:sourceip", "aws:vpcsourceip"))


def _attempt(network: Network, unit: Unit, endpoint: Resource, call: Call) -> Attempt:
    return Attempt(
        action=call.action,
        resource=call.resource,
        role_arn=unit.role_arn,
        endpoint=f"<{endpoint.address}>",
        vpc=str(endpoint.get("VpcId")),
        templates=network.templates,
    )


def _unused(templates: Templates, found: list[Hop]) -> Iterator[Finding]:
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


GATEWAYS: Mapping[str, str] = {
    "AWS::EC2::InternetGateway": "an internet gateway",
    "AWS::EC2::NatGateway": "a NAT gateway",
    "AWS::EC2::EgressOnlyInternetGateway": "an egress-only internet gateway",
    "AWS::EC2::VPNGateway": "a VPN gateway",
}


def _ways_out(network: Network) -> Iterator[Finding]:
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
        case "AWS::EC2::Route" if _is_default(resource):
            yield "route", "a default route leads out of the subnet"
        case "AWS::EC2::SecurityGroup":
            rules = network.rules(f"<{resource.address}>", "Egress") or []
            if LETS_ALL_OUT in rules and not resource.get("SecurityGroupEgress"):
                yield "egress", "a group without an egress rule gets EC2's, which lets everything out"
            elif any(map(_goes_anywhere, listed(resource.get("SecurityGroupEgress")))):
                yield "egress", "a rule lets traffic out to every address"
        case "AWS::EC2::SecurityGroupEgress" if _goes_anywhere(resource.properties):
            yield "egress", "a rule lets traffic out to every address"


def _is_default(route: Resource) -> bool:
    return route.get("DestinationCidrBlock") in ANYWHERE or route.get("DestinationIpv6CidrBlock") in ANYWHERE


def _goes_anywhere(rule: Any) -> bool:
    return isinstance(rule, Mapping) and (rule.get("CidrIp") in ANYWHERE or rule.get("CidrIpv6") in ANYWHERE)


def _is_https(rule: Mapping[str, Any]) -> bool:
    protocol = str(rule.get("IpProtocol", "")).lower()
    if protocol == "-1":
        return True
    return protocol in ("tcp", "6") and _port(rule, "FromPort", 0) <= HTTPS <= _port(rule, "ToPort", 65535)


def _port(rule: Mapping[str, Any], name: str, default: int) -> int:
    given = str(rule.get(name, default))
    return int(given) if given.lstrip("-").isdigit() else default


def _peer(rule: Mapping[str, Any]) -> str:
    return str(rule.get("DestinationSecurityGroupId") or rule.get("SourceSecurityGroupId") or "")


def _covers(rule: Mapping[str, Any], ranges: set[str]) -> bool:
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


def _names(network: Network, groups: tuple[str, ...]) -> str:
    return ", ".join(_bare(network, group) for group in groups) or "a security group (none is named)"


def _bare(network: Network, given: str) -> str:
    known = network.groups.get(given) or network.subnets.get(given)
    return known.path if known is not None else given
