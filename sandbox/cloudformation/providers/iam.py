"""AWS::IAM: roles, inline policies, managed policies and providers of identities."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sandbox.cloudformation.providers import tagging
from sandbox.cloudformation.providers.provider import Attributes, Context, Placed, Plain, Properties, text

_PRINCIPALS = ("Role", "User", "Group")


class Role:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("RoleName") or context.name(64)
        names = (
            "AssumeRolePolicyDocument",
            "Description",
            "MaxSessionDuration",
            "Path",
            "PermissionsBoundary",
        )
        parameters = {key: properties[key] for key in names if key in properties}
        parameters |= tagging.at_creation("iam", properties.get("Tags"))
        role = context.call("iam", "CreateRole", {**parameters, "RoleName": name})["Role"]
        context.begun(name)
        self._policies(context, name, {}, properties)
        return name, {"Arn": role["Arn"], "RoleId": role["RoleId"]}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("RoleName"), new.get("Path")  # a change of these replaces the role
        role = {"RoleName": ref}
        if old["AssumeRolePolicyDocument"] != new["AssumeRolePolicyDocument"]:
            policy = {"PolicyDocument": text(new["AssumeRolePolicyDocument"])}
            context.call("iam", "UpdateAssumeRolePolicy", {**role, **policy})
        if any(old.get(name) != new.get(name) for name in ("Description", "MaxSessionDuration")):
            details = {
                "Description": new.get("Description", ""),
                "MaxSessionDuration": new.get("MaxSessionDuration", 3600),
            }
            context.call("iam", "UpdateRole", {**role, **details})
        if old.get("PermissionsBoundary") != (boundary := new.get("PermissionsBoundary")):
            if boundary:
                context.call("iam", "PutRolePermissionsBoundary", {**role, "PermissionsBoundary": boundary})
            else:
                context.call("iam", "DeleteRolePermissionsBoundary", role)
        self._policies(context, ref, old, new)
        tagging.retag(context, "iam", ref, old.get("Tags"), new.get("Tags"))
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        self._policies(context, ref, properties, {})
        context.call("iam", "DeleteRole", {"RoleName": ref})

    def _policies(self, context: Context, name: str, old: Properties, new: Properties) -> None:
        before, after = old.get("ManagedPolicyArns") or [], new.get("ManagedPolicyArns") or []
        _attach(context, "Role", {"RoleName": name}, before, after)
        inline = {p["PolicyName"]: p["PolicyDocument"] for p in new.get("Policies") or []}
        for policy in old.get("Policies") or []:
            if policy["PolicyName"] not in inline:
                gone = {"RoleName": name, "PolicyName": policy["PolicyName"]}
                _take_off(context, "DeleteRolePolicy", gone)
        was = {p["PolicyName"]: p["PolicyDocument"] for p in old.get("Policies") or []}
        for policy_name, document in inline.items():
            if was.get(policy_name) != document:
                put = {"RoleName": name, "PolicyName": policy_name, "PolicyDocument": document}
                context.call("iam", "PutRolePolicy", put)


class Policy(Placed):
    """An inline policy of several roles, users and groups."""

    def put(self, context: Context, old: Properties, new: Properties) -> None:
        before, after = _holders(old), _holders(new)
        document = new.get("PolicyDocument")
        for kind, name, policy in after:
            if (kind, name, policy) not in before or document != old.get("PolicyDocument"):
                put = {f"{kind}Name": name, "PolicyName": policy, "PolicyDocument": document}
                context.call("iam", f"Put{kind}Policy", put)
        for kind, name, policy in before:
            if (kind, name, policy) not in after:
                context.call("iam", f"Delete{kind}Policy", {f"{kind}Name": name, "PolicyName": policy})


class ManagedPolicy:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        name = properties.get("ManagedPolicyName") or context.name(128)
        parameters = {key: properties[key] for key in ("Path", "Description") if key in properties}
        parameters |= {"PolicyName": name, "PolicyDocument": properties["PolicyDocument"]}
        policy = context.call("iam", "CreatePolicy", parameters)["Policy"]
        context.begun(policy["Arn"])
        self._attachments(context, policy["Arn"], {}, properties)
        return policy["Arn"], {"PolicyArn": policy["Arn"], "PolicyId": policy["PolicyId"]}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        for name in ("ManagedPolicyName", "Path", "Description"):
            new.get(name)  # a change of these replaces the policy
        if old["PolicyDocument"] != new["PolicyDocument"]:
            versions = context.call("iam", "ListPolicyVersions", {"PolicyArn": ref})["Versions"]
            if len(versions) >= 5:  # the most that IAM keeps
                oldest = min(
                    (v for v in versions if not v["IsDefaultVersion"]), key=lambda v: v["CreateDate"]
                )
                gone = {"PolicyArn": ref, "VersionId": oldest["VersionId"]}
                context.call("iam", "DeletePolicyVersion", gone)
            version = {"PolicyArn": ref, "PolicyDocument": new["PolicyDocument"], "SetAsDefault": True}
            context.call("iam", "CreatePolicyVersion", version)
        self._attachments(context, ref, old, new)
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        self._attachments(context, ref, properties, {})
        for version in context.call("iam", "ListPolicyVersions", {"PolicyArn": ref})["Versions"]:
            if not version["IsDefaultVersion"]:
                gone = {"PolicyArn": ref, "VersionId": version["VersionId"]}
                context.call("iam", "DeletePolicyVersion", gone)
        context.call("iam", "DeletePolicy", {"PolicyArn": ref})

    def _attachments(self, context: Context, arn: str, old: Properties, new: Properties) -> None:
        for kind in _PRINCIPALS:
            before, after = old.get(f"{kind}s") or [], new.get(f"{kind}s") or []
            for name in before:
                if name not in after:
                    _take_off(context, f"Detach{kind}Policy", {f"{kind}Name": name, "PolicyArn": arn})
            for name in after:
                if name not in before:
                    context.call("iam", f"Attach{kind}Policy", {f"{kind}Name": name, "PolicyArn": arn})


class OidcProvider:
    """Who signs identities from outside. Without a thumbprint IAM looks the authority up by itself."""

    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        parameters = {
            "Url": properties["Url"],
            "ClientIDList": properties.get("ClientIdList") or [],
            "ThumbprintList": properties.get("ThumbprintList") or [],
        }
        parameters |= tagging.at_creation("iam", properties.get("Tags"))
        made = context.call("iam", "CreateOpenIDConnectProvider", parameters)
        arn = made["OpenIDConnectProviderArn"]
        context.begun(arn)
        return arn, {"Arn": arn}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        new.get("Url")  # a change of it replaces the provider
        provider = {"OpenIDConnectProviderArn": ref}
        before, after = set(old.get("ClientIdList") or []), set(new.get("ClientIdList") or [])
        for client in sorted(after - before):
            context.call("iam", "AddClientIDToOpenIDConnectProvider", {**provider, "ClientID": client})
        for client in sorted(before - after):
            context.call("iam", "RemoveClientIDFromOpenIDConnectProvider", {**provider, "ClientID": client})
        if old.get("ThumbprintList") != (prints := new.get("ThumbprintList")):
            thumbs = {**provider, "ThumbprintList": prints or []}
            context.call("iam", "UpdateOpenIDConnectProviderThumbprint", thumbs)
        if old.get("Tags") != new.get("Tags"):
            keys = [tag["Key"] for tag in old.get("Tags") or []]
            context.call("iam", "UntagOpenIDConnectProvider", {**provider, "TagKeys": keys})
            tags = {**provider, "Tags": new.get("Tags") or []}
            context.call("iam", "TagOpenIDConnectProvider", tags)
        return ref, {"Arn": ref}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("iam", "DeleteOpenIDConnectProvider", {"OpenIDConnectProviderArn": ref})


def _holders(properties: Properties) -> list[tuple[str, str, Any]]:
    policy = properties.get("PolicyName")
    return [(kind, name, policy) for kind in _PRINCIPALS for name in properties.get(f"{kind}s") or []]


def _take_off(context: Context, operation: str, parameters: Properties) -> None:
    """What is off already, after a deletion that failed half-way, does not mean that its holder is gone."""
    try:
        context.call("iam", operation, parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise


def _attach(context: Context, kind: str, key: Properties, before: list[str], after: list[str]) -> None:
    for arn in before:
        if arn not in after:
            _take_off(context, f"Detach{kind}Policy", {**key, "PolicyArn": arn})
    for arn in after:
        if arn not in before:
            context.call("iam", f"Attach{kind}Policy", {**key, "PolicyArn": arn})


PROVIDERS = {
    "AWS::IAM::Role": Role(),
    "AWS::IAM::Policy": Policy(),
    "AWS::IAM::ManagedPolicy": ManagedPolicy(),
    "AWS::IAM::OIDCProvider": OidcProvider(),
    "AWS::IAM::RolePolicy": Plain(
        service="iam",
        create_operation="PutRolePolicy",
        update_operation="PutRolePolicy",
        delete_operation="DeleteRolePolicy",
        key="PolicyName",
        ref="PolicyName",
        delete_extra=("RoleName",),
    ),
}
