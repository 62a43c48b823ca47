"""The only door to cdk-nag acknowledgements.

Call `acknowledge` beside the resource that needs it. tests/security/test_nag.py keeps the whole list in
tests/snapshots/nag_acknowledgements.json, where review sees it change, and refuses one that answers no
finding.
"""

from __future__ import annotations

from typing import Any, cast

from aws_cdk import Acknowledgment, CfnResource, Stack, Validations
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

MIN_REASON_LENGTH = 40


def acknowledge(construct: IConstruct, rule: str, *, reason: str, pack: str = "AwsSolutions") -> None:
    """Accept one finding on one construct, for example `IAM5[Resource::*]`. `reason` says what bounds the
    risk.
    """
    finding = f"{pack}::{pack}-{rule}"
    if len(reason.strip()) < MIN_REASON_LENGTH:
        raise ValueError(
            f"{construct.node.path}: the reason for {finding} is too short ({reason!r}): "
            f"name what bounds the risk in {MIN_REASON_LENGTH} characters or more, "
            "for example the prefix, tag or network it is limited to"
        )
    _record(construct, finding, reason)


def _record(construct: IConstruct, finding: str, reason: str) -> None:
    Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=reason))


def acknowledge_wildcard(construct: IConstruct, arn: str, *, reason: str) -> None:
    """Accept an ARN with a wildcard, made of literals, pseudo parameters and resources of the same stack."""
    acknowledge(construct, f"IAM5[Resource::{_flat(Stack.of(construct).resolve(arn))}]", reason=reason)


def acknowledge_objects(construct: IConstruct, bucket: s3.IBucket, pattern: str, *, reason: str) -> None:
    """Accept `pattern` (a wildcard) in `bucket`, which may belong to another stack.

    cdk-nag names a bucket as the policy renders it: by its logical id within a stack, by the export's name
    across stacks. Exports appear only while synthesising, when it is too late to acknowledge, so it is
    asked for here.
    """
    owner = Stack.of(bucket)
    if owner is Stack.of(construct):
        arn = f"<{owner.get_logical_id(cast(CfnResource, bucket.node.default_child))}.Arn>"
    else:
        arn = owner.resolve(owner.export_value(bucket.bucket_arn))["Fn::ImportValue"]
    acknowledge(construct, f"IAM5[Resource::{arn}/{pattern}]", reason=reason)


def _flat(value: Any) -> str:
    """An intrinsic as cdk-nag prints it."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_flat(part) for part in parts)
    raise ValueError(
        f"cannot name {value!r} in an acknowledgement: use literals, Ref, Fn::GetAtt or Fn::Join"
    )
