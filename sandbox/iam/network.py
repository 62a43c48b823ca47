"""Where a caller stands in the network: which AWS services a VPC without internet reaches."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sandbox import regions
from sandbox.account import ACCOUNT

_HTTPS = 443
# Names of the endpoint services that are not the name that IAM gives the service.
_ENDPOINTS = {
    "cloudwatch": "monitoring",
    "ecr": "ecr.api",
    "firehose": "kinesis-firehose",
    "kinesis": "kinesis-streams",
    "sagemaker": "sagemaker.api",
    "sagemaker-featurestore-runtime": "sagemaker.featurestore-runtime",
    "sagemaker-runtime": "sagemaker.runtime",
}


class NoRoute(Exception):
    """The call would not reach its service; on AWS it would hang until its timeout."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """Subnets and security groups of a caller inside a VPC; None instead = not in a VPC."""

    vpc_id: str
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Path:
    """How a call gets to its service: the endpoint it passes and its policy; "" = the internet."""

    endpoint: str = ""
    policy: str = ""
    vpc: str = ""

    def context(self) -> dict[str, object]:
        if not self.endpoint:
            return {"aws:sourceip": "127.0.0.1"}
        # An address of the VPC, not of the internet: policies on aws:SourceIp do not match.
        return {"aws:sourcevpce": self.endpoint, "aws:sourcevpc": self.vpc, "aws:vpcsourceip": "10.0.0.1"}


def path(network: Network | None, service: str, prefix: str) -> Path:
    """The way from the caller to the service; NoRoute says what is missing on it."""
    if network is None:
        return Path()
    from moto.ec2.models import ec2_backends

    vpc = ec2_backends[ACCOUNT][regions.current()]
    name = _ENDPOINTS.get(service) or _ENDPOINTS.get(prefix) or prefix
    endpoints = [
        e
        for e in list(vpc.vpc_end_points.values())
        if e.vpc_id == network.vpc_id and e.service_name == f"com.amazonaws.{regions.current()}.{name}"
    ]
    reasons = []
    for endpoint in endpoints:
        reason = _obstacle(vpc, network, endpoint)
        if not reason:
            return Path(endpoint=endpoint.id, policy=_text(endpoint.policy_document), vpc=network.vpc_id)
        reasons.append(f"{endpoint.id}: {reason}")
    if _reaches_internet(vpc, network):
        return Path()
    if reasons:
        raise NoRoute(f"no route: VPC {network.vpc_id} has an endpoint for {name}, but {'; '.join(reasons)}")
    raise NoRoute(f"no route: VPC {network.vpc_id} has no endpoint for {name}")


def _obstacle(vpc: Any, network: Network, endpoint: Any) -> str:
    if (endpoint.vpc_endpoint_type or "Gateway") == "Gateway":
        return _gateway_obstacle(vpc, network, endpoint)
    if not _is_true(endpoint.private_dns_enabled):
        return "its private DNS is off, so the service's name still leads to the internet"
    blocks = [vpc.get_subnet(subnet).cidr_block for subnet in endpoint.subnet_ids or []]
    groups = tuple(endpoint.security_group_ids)
    if not any(_allows(_egress(vpc, network.security_group_ids), block, groups) for block in blocks):
        return f"{_names(network.security_group_ids)} let no port {_HTTPS} out to {_names(groups)}"
    callers = [vpc.get_subnet(subnet).cidr_block for subnet in network.subnet_ids]
    ingress = _ingress(vpc, groups)
    if not all(_allows(ingress, block, network.security_group_ids) for block in callers):
        return f"{_names(groups)} let no port {_HTTPS} in from {_names(network.security_group_ids)}"
    return ""


def _gateway_obstacle(vpc: Any, network: Network, endpoint: Any) -> str:
    for subnet in network.subnet_ids:
        table = _route_table(vpc, network.vpc_id, subnet)
        if table is None or table.id not in (endpoint.route_table_ids or []):
            return f"the route table of {subnet} does not lead to it"
    rules = _egress(vpc, network.security_group_ids)
    wanted = endpoint.destination_prefix_list_id
    if any(_on_port(r) and (_anywhere(r) or (wanted and r.prefix_list_id == wanted)) for r in rules):
        return ""
    return f"{_names(network.security_group_ids)} let no port {_HTTPS} out to its prefix list"


def _reaches_internet(vpc: Any, network: Network) -> bool:
    for subnet in network.subnet_ids:
        table = _route_table(vpc, network.vpc_id, subnet)
        routes = table.routes if table else []
        default = [r for r in routes if r.destination_cidr_block == "0.0.0.0/0"]
        if not any(getattr(r, "nat_gateway", None) or getattr(r, "gateway", None) for r in default):
            return False
    rules = _egress(vpc, network.security_group_ids)
    return any(_on_port(rule) and _anywhere(rule) for rule in rules)


def _route_table(vpc: Any, vpc_id: str, subnet: str) -> Any:
    tables = [t for t in list(vpc.route_tables.values()) if t.vpc_id == vpc_id]
    chosen = next((t for t in tables if subnet in t._associations.values()), None)
    return chosen or next((t for t in tables if t.main_association_id), None)


def _egress(vpc: Any, groups: Iterable[str]) -> list[Any]:
    return [rule for group in groups for rule in vpc.get_security_group_from_id(group).egress_rules]


def _ingress(vpc: Any, groups: Iterable[str]) -> list[Any]:
    return [rule for group in groups for rule in vpc.get_security_group_from_id(group).ingress_rules]


def _allows(rules: list[Any], subnet: str, groups: tuple[str, ...]) -> bool:
    """A rule that names one of the other side's groups, or covers its whole subnet."""
    other = ipaddress.ip_network(subnet)
    for rule in rules:
        if not _on_port(rule):
            continue
        if rule.source_group.get("GroupId") in groups:
            return True
        block = rule.ip_range.get("CidrIp")
        if block and other.subnet_of(ipaddress.ip_network(block, strict=False)):
            return True
    return False


def _on_port(rule: Any) -> bool:
    if str(rule.ip_protocol) == "-1":
        return True
    if str(rule.ip_protocol) not in ("tcp", "6"):
        return False
    return int(rule.from_port) <= _HTTPS <= int(rule.to_port)


def _anywhere(rule: Any) -> bool:
    return rule.ip_range.get("CidrIp") == "0.0.0.0/0"


def _names(groups: Iterable[str]) -> str:
    return ", ".join(groups) or "no security group"


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def _text(policy: Any) -> str:
    return policy if isinstance(policy, str) else json.dumps(policy)
