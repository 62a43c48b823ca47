"""Reads the policies of templates: who is allowed or denied what, under which condition."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.conftest import Assembly

IDENTITY_POLICIES = ("AWS::IAM::ManagedPolicy",)  # no role has another: test_least_privilege.py
RESOURCE_POLICIES = {
    "AWS::EC2::VPCEndpoint": "PolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
}


@dataclass(frozen=True, kw_only=True)
class Statement:
    owner: str  # <stack>/<logical id> of the policy, or of the resource that holds it
    raw: dict[str, Any]

    @property
    def is_allow(self) -> bool:
        return bool(self.raw["Effect"] == "Allow")

    @property
    def actions(self) -> list[str]:
        return listed(self.raw["Action"])

    @property
    def resources(self) -> list[Any]:
        return listed(self.raw.get("Resource", []))

    @property
    def conditions(self) -> dict[str, dict[str, Any]]:
        conditions: dict[str, dict[str, Any]] = self.raw.get("Condition", {})
        return conditions

    def __str__(self) -> str:
        return f"{self.owner}: {json.dumps(self.raw)}"


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def identity_statements(assembly: Assembly, *, with_boundary: bool = False) -> list[Statement]:
    return [
        statement
        for kind in IDENTITY_POLICIES
        for statement in _statements(assembly, kind, "PolicyDocument")
        if with_boundary or not is_boundary(statement.owner)
    ]


def resource_statements(assembly: Assembly, kind: str) -> list[Statement]:
    return list(_statements(assembly, kind, RESOURCE_POLICIES[kind]))


def trust_statements(assembly: Assembly) -> list[Statement]:
    return list(_statements(assembly, "AWS::IAM::Role", "AssumeRolePolicyDocument"))


def is_boundary(owner: str) -> bool:
    return owner.startswith("Base/Boundary")


def text(value: Any) -> str:
    """An ARN with its intrinsics spelled out, for a reader and for substring checks."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(text(part) for part in parts)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::ImportValue": name}:
            return f"<{text(name)}>"
        case {"Fn::Sub": body}:
            return body if isinstance(body, str) else body[0]
        case str():
            return value
    return json.dumps(value)


def _statements(assembly: Assembly, kind: str, document: str) -> Iterator[Statement]:
    for owner, properties in assembly.resources(kind).items():
        for raw in listed(properties[document]["Statement"]):
            yield Statement(owner=owner, raw=raw)
