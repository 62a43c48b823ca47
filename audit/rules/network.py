"""VPC endpoints and their policies; security groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from audit.findings import Severity
from audit.policies import listed
from audit.rules.rule import Find, Hit, Rule, is_open_statement, lacking, mappings, names, policies
from audit.templates import Resource, Templates

ENDPOINT, GROUP = "AWS::EC2::VPCEndpoint", "AWS::EC2::SecurityGroup"
WORLD = ("0.0.0.0/0", "::/0")


def _has_policy(endpoint: Resource) -> bool:
    """A Gateway Load Balancer's endpoint is a route: it takes no policy."""
    return bool(endpoint.get("PolicyDocument")) or endpoint.get("VpcEndpointType") == "GatewayLoadBalancer"


def _full_access(templates: Templates) -> Iterator[Hit]:
    for statement in policies(templates, "endpoint"):
        allows_all = "*" in statement.actions and "*" in statement.resources
        if allows_all and is_open_statement(statement):
            yield Hit(
                resource=statement.holder,
                message=f"statement {statement.index} allows everything to everybody, as the default "
                "policy does; "
                "name actions and resources, and add aws:PrincipalAccount and aws:ResourceAccount",
                subject=f"statement {statement.index}",
            )


def _rules(templates: Templates, direction: str) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    """Entries of groups, and those that are resources of their own. direction: Ingress or Egress."""
    for group in templates.of(GROUP):
        for rule in mappings(listed(group.get(f"SecurityGroup{direction}"))):
            yield group, rule
    for resource in templates.of(f"AWS::EC2::SecurityGroup{direction}"):
        yield resource, resource.properties


def _world(direction: str, says: Callable[[str], str]) -> Find:
    def find(templates: Templates) -> Iterator[Hit]:
        for resource, rule in _rules(templates, direction):
            for range_ in (rule.get("CidrIp"), rule.get("CidrIpv6")):
                if range_ in WORLD:
                    ports = f"{rule.get('FromPort', '*')}-{rule.get('ToPort', '*')}"
                    what = f"{range_} {rule.get('IpProtocol', '-1')} {ports}"
                    yield Hit(resource=resource, message=says(what), subject=what)

    return find


def _unlogged_flows(templates: Templates) -> Iterator[Hit]:
    logged = {
        str(log.get("ResourceId"))
        for log in templates.of("AWS::EC2::FlowLog")
        if log.get("TrafficType", default="ALL") == "ALL"  # absent only where a transit gateway is logged
    }
    for vpc in templates.of("AWS::EC2::VPC"):
        if not names(templates, vpc) & logged:
            yield Hit(resource=vpc, message="no flow log of all its traffic; add one with TrafficType ALL")


ENDPOINT_POLICY = Rule(
    id="ML-NET-01",
    title="VPC endpoints have a policy",
    severity=Severity.HIGH,
    rationale="Without one an endpoint (interface or gateway) carries data of the VPC to any account: "
    "the default "
    "policy allows everything.",
    fix="Give the endpoint a PolicyDocument.",
    controls=("NIST AC-4", "NIST SC-7", "MLSEC03-BP02"),
    find=lacking(
        ENDPOINT, has=_has_policy, says="no policy, so everything is allowed; give a PolicyDocument"
    ),
)
ENDPOINT_NARROW = Rule(
    id="ML-NET-02",
    title="Policies of VPC endpoints narrow something",
    severity=Severity.HIGH,
    rationale="A policy that allows * on * to * is the default, written out: a stolen key of another "
    "account works "
    "through it, and carries data out.",
    fix="Name actions and resources, and tie principals and resources to the account.",
    controls=("NIST AC-4", "NIST SC-7", "MLSEC03-BP02"),
    find=_full_access,
)
INGRESS = Rule(
    id="ML-NET-03",
    title="Security groups let nobody in from everywhere",
    severity=Severity.HIGH,
    rationale="Every address of the internet may try, the day that a route exists.",
    fix="Name the security group or the range that calls.",
    controls=("FSBP EC2.18", "FSBP EC2.19", "NIST SC-7", "NIST AC-4"),
    find=_world("Ingress", lambda what: f"lets in {what}; name the group or range that calls"),
)
EGRESS = Rule(
    id="ML-NET-04",
    title="Security groups let nothing out to everywhere",
    severity=Severity.MEDIUM,
    rationale="What runs in the group can send data to any address that a route leads to.",
    fix="Name the endpoints' groups and the prefix lists of gateway endpoints.",
    controls=("NIST SC-7", "NIST AC-4"),
    find=_world("Egress", lambda what: f"lets out to {what}; name groups or prefix lists"),
)
EGRESS_DEFAULT = Rule(
    id="ML-NET-05",
    title="Security groups say what may go out",
    severity=Severity.MEDIUM,
    rationale="A group without an egress entry of its own gets one from EC2 that allows everything; "
    "rules that are "
    "separate resources do not take it away.",
    fix="Give SecurityGroupEgress in the group; one entry to 255.255.255.255/32 stands for nothing at all.",
    controls=("NIST SC-7", "NIST AC-4"),
    find=lacking(
        GROUP,
        has=lambda group: bool(group.get("SecurityGroupEgress")),
        says="no SecurityGroupEgress, so everything may go out; say what may",
    ),
)
FLOWS_LOGGED = Rule(
    id="ML-NET-07",
    title="Every VPC logs its flows, refused ones too",
    severity=Severity.MEDIUM,
    rationale="What was refused shows who tries, what was let through where data went; a log of one is half "
    "an "
    "answer.",
    fix="Give the VPC a flow log with TrafficType ALL.",
    controls=("FSBP EC2.6", "NIST AU-12", "NIST SI-4"),
    find=_unlogged_flows,
)
