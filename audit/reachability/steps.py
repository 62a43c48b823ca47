"""The steps that a call takes from a unit to what it calls, each open or closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from audit.policies import Statement, listed
from audit.reachability.network import Network, covers, goes_anywhere, is_gateway, is_https, peer, service_of
from audit.reachability.outside import Call
from audit.reachability.passage import Attempt, denied, is_let_through
from audit.reachability.units import Unit
from audit.templates import Resource


@dataclass(frozen=True)
class Step:
    """`missing` in words; "" when the step is open."""

    rule: str
    name: str
    missing: str = ""
    notes: tuple[str, ...] = ()


def steps(network: Network, unit: Unit, endpoint: Resource, calls: list[Call]) -> Iterator[Step]:
    if is_gateway(endpoint):
        yield _egress_to_gateway(network, unit, endpoint)
        yield _route(network, unit, endpoint)
    else:
        yield _name(endpoint)
        yield _egress_to_interface(network, unit, endpoint)
        yield _ingress(network, unit, endpoint)
    yield _endpoint_policy(network, unit, endpoint, calls)
    yield _resource_policies(network, unit, endpoint, calls)


def _name(endpoint: Resource) -> Step:
    """CloudFormation's default is off: the service's usual name then leads to its public addresses."""
    is_on = str(endpoint.get("PrivateDnsEnabled", default=False)).lower() == "true"
    missing = f"{endpoint.path} has PrivateDnsEnabled off, so the service's usual name leads past it"
    return Step("NET-01", "name", "" if is_on else missing)


def _egress_to_interface(network: Network, unit: Unit, endpoint: Resource) -> Step:
    groups = tuple(str(group) for group in listed(endpoint.get("SecurityGroupIds")))
    subnets = [str(subnet) for subnet in listed(endpoint.get("SubnetIds"))]
    ranges = network.ranges(subnets, {str(endpoint.get("VpcId"))})
    missing = (
        f"no rule of {_names(network, unit.groups)} lets tcp 443 out to {_names(network, groups)} "
        f"of {endpoint.path}"
    )
    return _rule_step(network, unit.groups, "Egress", set(groups), ranges, ("NET-02", "egress", missing))


def _ingress(network: Network, unit: Unit, endpoint: Resource) -> Step:
    groups = tuple(str(group) for group in listed(endpoint.get("SecurityGroupIds")))
    if not groups:
        missing = (
            f"{endpoint.path} names no security group: it wears the VPC's default one, which lets in only "
            "its own members"
        )
        return Step("NET-03", "ingress", missing)
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
) -> Step:
    """Open as soon as one group of the wearer has a rule: rules of several groups add up."""
    rule, name, missing = said
    given = [network.rules(group, direction) for group in wearers]
    open_ones = [each for rules in given if rules for each in rules if is_https(each)]
    if any(peer(each) in peers or covers(each, ranges) for each in open_ones):
        return Step(rule, name)
    if not given or None in given:
        return Step(rule, name, notes=(f"{name}: a security group is made elsewhere, its rules are unknown",))
    return Step(rule, name, missing)


def _egress_to_gateway(network: Network, unit: Unit, endpoint: Resource) -> Step:
    """Traffic to a gateway leaves for the service's public addresses: its prefix list, or anywhere."""
    service = service_of(endpoint)
    given = [network.rules(group, "Egress") for group in unit.groups]
    open_ones = [each for rules in given if rules for each in rules if is_https(each)]
    lists = [str(each["DestinationPrefixListId"]) for each in open_ones if "DestinationPrefixListId" in each]
    if any(goes_anywhere(each) for each in open_ones) or any(_is_list_of(each, service) for each in lists):
        return Step("NET-02", "egress")
    if any(each.startswith("pl-") for each in lists):
        note = (
            f"egress: whether prefix list {', '.join(lists)} is that of {service} cannot be told from its id"
        )
        return Step("NET-02", "egress", notes=(note,))
    if not given or None in given:
        return Step("NET-02", "egress", notes=("egress: a security group is made elsewhere, unknown",))
    missing = f"no rule of {_names(network, unit.groups)} lets tcp 443 out to the prefix list of {service}"
    return Step("NET-02", "egress", missing)


def _is_list_of(prefix_list: str, service: str) -> bool:
    """Of a mapping's entry or a parameter that speaks of the service: `<Lists:<Region>,s3>`."""
    words = prefix_list.lower().strip("<>").replace(",", " ").replace("/", " ").replace(":", " ").split()
    return not prefix_list.startswith("pl-") and any(service in word for word in words)


def _route(network: Network, unit: Unit, endpoint: Resource) -> Step:
    tables = {str(table) for table in listed(endpoint.get("RouteTableIds"))}
    notes: list[str] = []
    for subnet in unit.subnets:
        own = network.route_tables(subnet)
        if not own:
            notes.append(f"route: the route table of {_bare(network, subnet)} is not in the templates")
        elif not own & tables:
            where = f"the route table of subnet {_bare(network, subnet)}"
            return Step("NET-04", "route", f"{where} has no route to {endpoint.path}")
    return Step("NET-04", "route", notes=tuple(notes))


def _endpoint_policy(network: Network, unit: Unit, endpoint: Resource, calls: list[Call]) -> Step:
    own = [each for each in network.statements if each.holder is endpoint]
    if endpoint.get("PolicyDocument") is None:
        return Step("NET-05", "endpoint policy")
    notes: list[str] = []
    for call in calls:
        is_open, said = is_let_through(own, _attempt(network, unit, endpoint, call))
        notes += [f"endpoint policy: {each}" for each in said]
        if not is_open:
            missing = f"the policy of {endpoint.path} does not allow {call.action} on {call.resource}"
            return Step("NET-05", "endpoint policy", missing, tuple(dict.fromkeys(notes)))
    return Step("NET-05", "endpoint policy", notes=tuple(dict.fromkeys(notes)))


def _resource_policies(network: Network, unit: Unit, endpoint: Resource, calls: list[Call]) -> Step:
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
                return Step("NET-06", "resource policy", missing, tuple(dict.fromkeys(notes)))
    return Step("NET-06", "resource policy", notes=tuple(dict.fromkeys(notes)))


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


def _names(network: Network, groups: tuple[str, ...]) -> str:
    return ", ".join(_bare(network, group) for group in groups) or "a security group (none is named)"


def _bare(network: Network, given: str) -> str:
    known = network.groups.get(given) or network.subnets.get(given)
    return known.path if known is not None else given
