"""Which services each unit of work in a subnet calls, and whether every hop on the way there is open.

A call passes, in this order: an endpoint for the service in the VPC, the rules of the unit's security groups,
those of the endpoint's, or a route for a gateway, the endpoint's policy, the policy of what is called. One
that is missing shows at run time as a timeout or a refusal; here it is named beforehand.

What is not judged is said in a hop's notes: groups and subnets made elsewhere, conditions of other kinds.
Network ACLs and DNS settings of the VPC are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from audit.findings import Finding, Severity
from audit.policies import statements
from audit.reachability.calls import Outside, calls_of
from audit.reachability.doors import unused, ways_out
from audit.reachability.hop import Hop
from audit.reachability.network import Network
from audit.reachability.outside import Call
from audit.reachability.steps import steps
from audit.reachability.units import Unit, units
from audit.templates import Resource, Templates

__all__ = ["Hop", "check", "hops", "outside_calls", "to_lines"]

OVER_THE_INTERNET = "a default route leads its calls over the internet instead"

FIXES: Mapping[str, str] = {
    "NET-01": "add a VPC endpoint for {service} to the VPC, or take the grant away if nothing calls it",
    "NET-02": "add an egress rule, tcp 443, to the endpoint's security group (the prefix list for a gateway)",
    "NET-03": "add an ingress rule, tcp 443, from the unit's security group to the endpoint's",
    "NET-04": "associate the gateway endpoint with the route table of each of the unit's subnets",
    "NET-05": "let the endpoint's policy allow what the role is granted, or narrow the grant",
    "NET-06": "name the VPC endpoint in the condition of the denying statement, or call from elsewhere",
}


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
        *unused(templates, found),
        *ways_out(Network(templates)),
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


def _through(network: Network, unit: Unit, endpoint: Resource, blank: Hop, calls: list[Call]) -> Hop:
    hop = replace(blank, endpoint=endpoint.path, passed=("endpoint",))
    for step in steps(network, unit, endpoint, calls):
        hop = replace(hop, notes=(*hop.notes, *step.notes))
        if step.missing:
            return replace(hop, rule=step.rule, missing=step.missing)
        hop = replace(hop, passed=(*hop.passed, step.name))
    return hop
