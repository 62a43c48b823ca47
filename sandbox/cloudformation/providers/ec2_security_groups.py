"""AWS::EC2: security groups and their rules."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from typing import Any

from sandbox.cloudformation.errors import UnsupportedError
from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Properties, ReplacementError

_EVERYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
_RULES = {"SecurityGroupIngress": "Ingress", "SecurityGroupEgress": "Egress"}


def _permission(rule: Properties) -> dict[str, Any]:
    """A rule in the shape of the API's IpPermissions."""
    made: dict[str, Any] = {"IpProtocol": str(rule["IpProtocol"])}
    for name in ("FromPort", "ToPort"):
        if name in rule:
            made[name] = int(rule[name])
    note = {"Description": rule["Description"]} if rule.get("Description") else {}
    group = rule.get("SourceSecurityGroupId") or rule.get("DestinationSecurityGroupId")
    prefix_list = rule.get("SourcePrefixListId") or rule.get("DestinationPrefixListId")
    if "CidrIp" in rule:
        made["IpRanges"] = [{"CidrIp": rule["CidrIp"], **note}]
    if "CidrIpv6" in rule:
        made["Ipv6Ranges"] = [{"CidrIpv6": rule["CidrIpv6"], **note}]
    if group:
        owner = (
            {"UserId": rule["SourceSecurityGroupOwnerId"]} if rule.get("SourceSecurityGroupOwnerId") else {}
        )
        made["UserIdGroupPairs"] = [{"GroupId": group, **owner, **note}]
    if prefix_list:
        made["PrefixListIds"] = [{"PrefixListId": prefix_list, **note}]
    if rule.get("GroupName") or rule.get("SourceSecurityGroupName"):
        raise UnsupportedError("security group rules by name (EC2-Classic) are not supported by the sandbox")
    return made


def _change(
    context: Context, verb: str, direction: str, group: str, permission: dict[str, Any]
) -> dict[str, Any]:
    operation = f"{verb}SecurityGroup{direction}"
    return context.call("ec2", operation, {"GroupId": group, "IpPermissions": [permission]})


class SecurityGroup:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        parameters = {
            "GroupName": properties.get("GroupName") or context.name(255),
            "Description": properties["GroupDescription"],
            **tagging.at_creation("ec2", properties.get("Tags"), "security-group"),
        }
        if "VpcId" in properties:
            parameters["VpcId"] = properties["VpcId"]
        group = context.call("ec2", "CreateSecurityGroup", parameters)["GroupId"]
        context.begun(group)
        if properties.get("SecurityGroupEgress"):  # else AWS leaves its "everywhere" in place
            _change(context, "Revoke", "Egress", group, _EVERYWHERE)
        self._rules(context, group, {}, properties)
        return group, {"GroupId": group, "Id": group, "VpcId": properties.get("VpcId", "")}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        for name in ("GroupName", "GroupDescription", "VpcId"):
            new.get(name)
        self._rules(context, ref, old, new)
        before, after = bool(old.get("SecurityGroupEgress")), bool(new.get("SecurityGroupEgress"))
        if before != after:
            _change(context, "Revoke" if after else "Authorize", "Egress", ref, _EVERYWHERE)
        tagging.retag(context, "ec2", [ref], old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("ec2", "DeleteSecurityGroup", {"GroupId": ref})

    def _rules(self, context: Context, group: str, old: Properties, new: Properties) -> None:
        for name, direction in _RULES.items():
            before = [_permission(rule) for rule in old.get(name) or []]
            after = [_permission(rule) for rule in new.get(name) or []]
            for permission in before:
                if permission not in after:
                    _change(context, "Revoke", direction, group, permission)
            for permission in after:
                if permission not in before:
                    _change(context, "Authorize", direction, group, permission)


class Rule:
    """A rule outside its group, as the CDK writes them where two groups point at each other."""

    def __init__(self, direction: str) -> None:
        self.direction = direction

    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        rule = properties.all()
        answer = _change(context, "Authorize", self.direction, rule["GroupId"], _permission(rule))
        found = answer.get("SecurityGroupRules") or [{}]
        ref = found[0].get("SecurityGroupRuleId") or context.name()
        return ref, {"Id": ref}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        raise ReplacementError  # only the description could change in place, and moto cannot do that

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        rule = dict(properties)
        _change(context, "Revoke", self.direction, rule["GroupId"], _permission(rule))


PROVIDERS = {
    "AWS::EC2::SecurityGroup": SecurityGroup(),
    "AWS::EC2::SecurityGroupIngress": Rule("Ingress"),
    "AWS::EC2::SecurityGroupEgress": Rule("Egress"),
}
