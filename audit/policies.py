"""Every policy statement of the templates: of identities, resources, trust, endpoints and boundaries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from weakref import WeakKeyDictionary

from audit.templates import Resource, Templates

Kind = Literal["identity", "trust", "resource", "endpoint", "key", "boundary"]

# Type -> property with the policy. IAM's own and keys have sections of their own.
RESOURCE_POLICIES: Mapping[str, str] = {
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
    "AWS::SecretsManager::ResourcePolicy": "ResourcePolicy",
    "AWS::Logs::ResourcePolicy": "PolicyDocument",
    "AWS::ECR::Repository": "RepositoryPolicyText",
    "AWS::Kinesis::ResourcePolicy": "ResourcePolicy",
    "AWS::DynamoDB::Table": "ResourcePolicy",
    "AWS::Events::EventBusPolicy": "Statement",
}
# What holds colons of its own: names that are not known, and variables.
_BRACKETS = re.compile(r"<(?:[^<>]|<[^<>]*>)*>|\$\{[^}]*\}")
# Type -> property with the name of the one identity that has the policy.
_INLINE: Mapping[str, str] = {
    "AWS::IAM::RolePolicy": "RoleName",
    "AWS::IAM::UserPolicy": "UserName",
    "AWS::IAM::GroupPolicy": "GroupName",
}


@dataclass(frozen=True, kw_only=True)
class Statement:
    """
    holder    the resource whose property this is
    identities  addresses of the roles (users, groups) that hold it, for kind identity and boundary
    targets   ARNs that a resource, key or endpoint policy protects; "*" for an endpoint
    """

    kind: Kind
    holder: Resource
    raw: Mapping[str, Any]
    index: int
    identities: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.holder.path} #{self.index}: {json.dumps(dict(self.raw), default=str)}"

    @property
    def allows(self) -> bool:
        return self.raw.get("Effect") == "Allow"

    @property
    def actions(self) -> list[str]:
        return listed(self.raw.get("Action"))

    @property
    def not_actions(self) -> list[str]:
        return listed(self.raw.get("NotAction"))

    @property
    def resources(self) -> list[str]:
        return [self._completed(each) for each in listed(self.raw.get("Resource"))]

    @property
    def not_resources(self) -> list[str]:
        return [self._completed(each) for each in listed(self.raw.get("NotResource"))]

    def _completed(self, resource: Any) -> Any:
        """An identity's policy may leave out the end of an ARN (IAM user guide, "IAM identifiers")."""
        if self.kind not in ("identity", "boundary") or not str(resource).startswith("arn:"):
            return resource
        parts = _BRACKETS.sub("", str(resource)).split(":")
        return resource if parts[-1].endswith("*") else str(resource) + ":*" * (6 - len(parts))

    @property
    def conditions(self) -> Mapping[str, Mapping[str, Any]]:
        given = self.raw.get("Condition")
        return given if isinstance(given, Mapping) else {}

    @property
    def principals(self) -> list[tuple[str, str]]:
        """(kind, value) pairs, for example ("Service", "glue.amazonaws.com") or ("AWS", "*")."""
        given = self.raw.get("Principal")
        if given is None:
            return []
        if isinstance(given, str):
            return [("AWS", given)]
        if not isinstance(given, Mapping):
            return []
        return [(kind, value) for kind, values in given.items() for value in listed(values)]


# Every check asks; templates do not change once they are read.
_KNOWN: WeakKeyDictionary[Templates, tuple[Statement, ...]] = WeakKeyDictionary()


def statements(templates: Templates) -> list[Statement]:
    if templates not in _KNOWN:
        _KNOWN[templates] = (
            *_identities(templates),
            *_trust(templates),
            *_keys(templates),
            *_endpoints(templates),
            *_resources(templates),
        )
    return list(_KNOWN[templates])


def listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def matches(pattern: str, text: str) -> bool:
    """IAM's wildcards. The case of actions does not count: the caller lowers both sides."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=65536)
def overlap(one: str, other: str) -> bool:
    """Whether some text matches both patterns."""
    # Row by row: which beginnings of `other` agree with the beginning of `one` so far.
    row = [True] + [False] * len(other)
    for at, char in enumerate(other):
        row[at + 1] = row[at] and char == "*"
    for mine in one:
        last, row = row, [mine == "*" and row[0]] + [False] * len(other)
        for at, char in enumerate(other):
            skips = (mine == "*" and (last[at + 1] or row[at])) or (char == "*" and (row[at] or last[at + 1]))
            row[at + 1] = skips or (last[at] and (mine == char or "?" in (mine, char)))
    return row[-1]


@lru_cache(maxsize=65536)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _document(document: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Statements with their place; what is no object (a parameter in its stead) cannot be read."""
    if isinstance(document, Mapping):
        # An endpoint's or a queue's policy may be a list, one statement, or a document.
        document = listed(document.get("Statement", document if "Effect" in document else []))
    for index, raw in enumerate(document if isinstance(document, list) else []):
        if isinstance(raw, Mapping):
            yield index, raw


def _identities(templates: Templates) -> Iterator[Statement]:
    boundaries = {
        str(role.get("PermissionsBoundary")) for role in templates.of("AWS::IAM::Role", "AWS::IAM::User")
    }
    attached: dict[str, list[str]] = {}
    for identity in templates.of("AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"):
        for arn in listed(identity.get("ManagedPolicyArns")):
            attached.setdefault(str(arn), []).append(identity.address)
        for inline in listed(identity.get("Policies")):
            document = inline.get("PolicyDocument") if isinstance(inline, Mapping) else None
            for index, raw in _document(document):
                yield Statement(
                    kind="identity", holder=identity, raw=raw, index=index, identities=(identity.address,)
                )
    for policy in templates.of("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", *_INLINE):
        arn = templates.arn(policy)
        names = [name for key in ("Roles", "Users", "Groups") for name in listed(policy.get(key))]
        names += listed(policy.get(_INLINE[policy.type])) if policy.type in _INLINE else []
        holders = [_by_name(templates, str(name)) for name in names] + attached.get(arn, [])
        held: dict[Kind, tuple[str, ...]] = {"identity": tuple(holders)}
        if arn in boundaries:
            # One policy may be the boundary of one role and attached to another.
            held = {kind: each for kind, each in held.items() if each}
            held["boundary"] = tuple(
                role.address
                for role in templates.of("AWS::IAM::Role", "AWS::IAM::User")
                if role.get("PermissionsBoundary") == arn
            )
        for kind, identities in held.items():
            for index, raw in _document(policy.get("PolicyDocument")):
                yield Statement(kind=kind, holder=policy, raw=raw, index=index, identities=identities)


def _by_name(templates: Templates, name: str) -> str:
    """A role's address from how a policy names it: `<stack/logical id>`, or its given name."""
    if name.startswith("<"):
        return name.strip("<>")
    for role in templates.of("AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"):
        if name in (role.get("RoleName"), role.get("UserName"), role.get("GroupName")):
            return role.address
    return name


def _trust(templates: Templates) -> Iterator[Statement]:
    for role in templates.of("AWS::IAM::Role"):
        for index, raw in _document(role.get("AssumeRolePolicyDocument")):
            yield Statement(kind="trust", holder=role, raw=raw, index=index, targets=(templates.arn(role),))


def _keys(templates: Templates) -> Iterator[Statement]:
    for key in templates.of("AWS::KMS::Key"):
        for index, raw in _document(key.get("KeyPolicy")):
            yield Statement(kind="key", holder=key, raw=raw, index=index, targets=(templates.arn(key),))


def _endpoints(templates: Templates) -> Iterator[Statement]:
    for endpoint in templates.of("AWS::EC2::VPCEndpoint"):
        for index, raw in _document(endpoint.get("PolicyDocument")):
            yield Statement(kind="endpoint", holder=endpoint, raw=raw, index=index, targets=("*",))


def _resources(templates: Templates) -> Iterator[Statement]:
    for holder in templates.of(*RESOURCE_POLICIES):
        document = holder.get(RESOURCE_POLICIES[holder.type])
        if isinstance(document, Mapping) and "PolicyDocument" in document:
            document = document["PolicyDocument"]
        for index, raw in _document(document):
            targets = tuple(str(each) for each in listed(raw.get("Resource"))) or (templates.arn(holder),)
            yield Statement(kind="resource", holder=holder, raw=raw, index=index, targets=targets)
