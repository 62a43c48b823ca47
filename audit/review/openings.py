"""Wider access beside policies: ways through the network, and protections that are taken away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit import encryption
from audit.policies import listed
from audit.review.difference import Change, Kind, at, is_true, shown
from audit.review.pairs import Pair
from audit.rules.definitions import requests
from audit.templates import Resource, Templates

# Resources whose being there opens a way to somewhere else.
WAYS: Mapping[str, str] = {
    "AWS::EC2::InternetGateway": "a way to and from the internet",
    "AWS::EC2::NatGateway": "a way out to the internet",
    "AWS::EC2::EgressOnlyInternetGateway": "a way out to the internet",
    "AWS::EC2::VPCPeeringConnection": "a way to another network",
    "AWS::EC2::TransitGatewayAttachment": "a way to other networks",
    "AWS::EC2::VPNConnection": "a way to another network",
    "AWS::EC2::EIP": "an address on the internet",
    "AWS::EC2::VPCEndpoint": "a way to another service",
    "AWS::Lambda::Url": "an address on the internet for a function",
    "AWS::ApiGateway::RestApi": "an interface that can be called",
    "AWS::ApiGatewayV2::Api": "an interface that can be called",
    "AWS::RAM::ResourceShare": "what is shared with other accounts",
}
_ANYWHERE = ("0.0.0.0/0", "::/0")
# Type -> properties that protect, and are gone or false when they do not; a dotted name goes down.
PROTECTIONS: Mapping[str, tuple[str, ...]] = {
    "AWS::S3::Bucket": (
        "PublicAccessBlockConfiguration.BlockPublicAcls",
        "PublicAccessBlockConfiguration.BlockPublicPolicy",
        "PublicAccessBlockConfiguration.IgnorePublicAcls",
        "PublicAccessBlockConfiguration.RestrictPublicBuckets",
        "LoggingConfiguration",
    ),
    "AWS::KMS::Key": ("EnableKeyRotation",),
    "AWS::Lambda::Function": ("VpcConfig", "CodeSigningConfigArn"),
    "AWS::Glue::Job": ("SecurityConfiguration", "Connections"),
    "AWS::SageMaker::Model": ("VpcConfig", "EnableNetworkIsolation"),
    "AWS::IAM::Role": ("PermissionsBoundary",),
    "AWS::IAM::User": ("PermissionsBoundary",),
    "AWS::EC2::VPCEndpoint": ("PolicyDocument",),
    "AWS::CloudTrail::Trail": ("IsLogging", "EnableLogFileValidation", "IsMultiRegionTrail"),
    "AWS::RDS::DBInstance": ("StorageEncrypted", "EnableIAMDatabaseAuthentication"),
    "AWS::Athena::WorkGroup": ("WorkGroupConfiguration.EnforceWorkGroupConfiguration",),
}
# Type -> properties that open when they are true.
OPEN_IF_TRUE: Mapping[str, tuple[str, ...]] = {
    "AWS::EC2::Subnet": ("MapPublicIpOnLaunch",),
    "AWS::RDS::DBInstance": ("PubliclyAccessible",),
    "AWS::SageMaker::NotebookInstance": ("DirectInternetAccess", "RootAccess"),
}
_REQUEST = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "VpcConfig")

Found = Iterator[tuple[Change, tuple[str, ...]]]


def openings(one: Pair) -> Found:
    """Changes, each with the properties that it speaks of."""
    if one.new is None:
        return
    if one.old is None:
        yield from _new_way(one.new)
        return
    for name in PROTECTIONS.get(one.new.type, ()):
        place = name.split(".")
        was, now = at(one.properties, *place), at(one.new.properties, *place)
        if _is_on(was) and not _is_on(now):
            yield _change(one.new, f"is no longer protected by {name}", shown(was), shown(now)), (place[0],)
    for name in OPEN_IF_TRUE.get(one.new.type, ()):
        was, now = one.properties.get(name), one.new.get(name)
        if _opens(now) and not _opens(was):
            yield _change(one.new, f"is opened by {name}", shown(was), shown(now)), (name,)


def _is_on(value: Any) -> bool:
    return value is not None and str(value).lower() != "false"


def _opens(value: Any) -> bool:
    return is_true(value) or value == "Enabled"


def _new_way(new: Resource) -> Found:
    if new.type == "AWS::EC2::Route":
        for name in ("DestinationCidrBlock", "DestinationIpv6CidrBlock"):
            if new.get(name) in _ANYWHERE:
                yield _change(new, "is a route to everywhere", "", shown(new.properties)), ("*",)
    elif new.type == "AWS::Lambda::Permission":
        who = f"{new.get('Principal')} may call {new.get('FunctionName')}"
        limits = [shown(new.get(name)) for name in ("SourceArn", "SourceAccount") if new.get(name)]
        limit = (
            f"only for {', '.join(limits)}"
            if limits
            else "for anybody's sake: no SourceArn, no SourceAccount"
        )
        yield _change(new, f"is new: {who}", "", limit), ("*",)
    elif new.type in WAYS:
        yield _change(new, f"is new: {WAYS[new.type]}", "", ""), ("*",)
    for name in OPEN_IF_TRUE.get(new.type, ()):
        if _opens(new.get(name)):
            yield _change(new, f"is new and opened by {name}", "", shown(new.get(name))), ()


# ---- security groups ----

Rule = tuple[str, str, str, str]  # group, direction, ports, peer


def firewall(base: Templates, new: Templates, names: Mapping[str, str]) -> Iterator[tuple[Change, str]]:
    """What security groups let through that they did not, with the address of the resource that says so."""
    before = {tuple(names.get(part, part) for part in rule) for rule, _ in _rules(base)}
    for rule, resource in _rules(new):
        if rule not in before:
            group, direction, ports, peer = rule
            holder = new.by_address.get(group)
            whose = holder.path if holder else group
            known = new.by_address.get(peer)
            where = known.path if known else peer
            way = f"from {where}" if direction == "in" else f"to {where}"
            yield (
                _change(resource, f"lets through {ports} {way}", "", f"of security group {whose}"),
                resource.address,
            )


def _rules(templates: Templates) -> Iterator[tuple[Rule, Resource]]:
    for group in templates.of("AWS::EC2::SecurityGroup"):
        for name, direction in (("SecurityGroupIngress", "in"), ("SecurityGroupEgress", "out")):
            for rule in listed(group.get(name)):
                if isinstance(rule, Mapping):
                    yield (group.address, direction, *_of(rule)), group
    for kind, direction in (
        ("AWS::EC2::SecurityGroupIngress", "in"),
        ("AWS::EC2::SecurityGroupEgress", "out"),
    ):
        for single in templates.of(kind):
            yield (_plain(single.get("GroupId")), direction, *_of(single.properties)), single


def _of(rule: Mapping[str, Any]) -> tuple[str, str]:
    protocol = str(rule.get("IpProtocol", "-1"))
    first, last = rule.get("FromPort"), rule.get("ToPort")
    ports = (
        "everything" if protocol == "-1" else f"{protocol} {first}" + ("" if first == last else f" to {last}")
    )
    peers = ("CidrIp", "CidrIpv6", "SourceSecurityGroupId", "DestinationSecurityGroupId")
    lists = ("SourcePrefixListId", "DestinationPrefixListId")
    return ports, next((_plain(rule[name]) for name in (*peers, *lists) if name in rule), "anything")


def _plain(value: Any) -> str:
    """The address of a group, without brackets and the attribute."""
    text = shown(value)
    return text.strip("<>").removesuffix(".GroupId") if text.startswith("<") else text


# ---- encryption, and what state machines ask for ----


def keys(base: Templates, new: Templates, renamed: Mapping[str, str]) -> Iterator[Change]:
    """Stores that lose the key of their own."""
    before = {
        (renamed.get(row.path, row.path), row.what): row
        for row in encryption.encryption_map(base)
        if isinstance(row, encryption.Store)
    }
    for row in encryption.encryption_map(new):
        if not isinstance(row, encryption.Store):
            continue
        was = before.get((row.path, row.what))
        if was is not None and was.keeper == "customer" and row.keeper != "customer":
            holder = new.by_address.get(row.address)
            if holder is not None:
                yield _change(holder, f"no key of ours protects its {row.what} any more", was.key, row.key)


def asked(base: Templates, new: Templates) -> Iterator[Change]:
    """Jobs that a state machine starts with less protection than before."""
    before = {(each.workflow.address, each.name): each.request for each in requests(base)}
    for each in requests(new):
        was = before.get((each.workflow.address, each.name))
        for name, value in _flags(each.request):
            old = dict(_flags(was)).get(name) if was is not None else None
            if _is_on(old) and not _is_on(value):
                what = f"step {each.name} asks for a job without {name}"
                yield _change(each.workflow, what, shown(old), shown(value))


def _flags(request: Any) -> Iterator[tuple[str, Any]]:
    """Protections of a job, wherever in the request its API has them."""
    for name in _REQUEST:
        places = (request, at(request, "NetworkConfig"), at(request, "TrainingJobDefinition"))
        yield name, next((at(place, name) for place in places if at(place, name) is not None), None)


def _change(resource: Resource, what: str, before: str, after: str) -> Change:
    return Change(
        kind=Kind.WIDER_ACCESS,
        stack=resource.stack,
        path=resource.path,
        type=resource.type,
        what=what,
        before=before,
        after=after,
    )
