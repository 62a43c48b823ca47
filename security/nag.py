"""The only door to cdk-nag acknowledgements: rows of the ledger (security/ledger.yaml), one exact finding on
one construct each.

The code that makes a resource accepts nothing by itself: what is accepted, until when and why, is read in one
place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Protocol, cast

from aws_cdk import Acknowledgment, CfnResource, Stack, Validations
from aws_cdk import aws_s3 as s3
from constructs import IConstruct

PACKS = ("AwsSolutions", "NIST.800.53.R5", "HIPAA.Security", "PCI.DSS.321", "Serverless")
# AwsSolutions numbers its rules, the others name them.
_NUMBERED = re.compile(r"[A-Z]{1,4}[A-Z0-9]*\d+")
_BUCKET = re.compile(r"arn:aws:s3:::<([\w/]+)>")


class Accepted(Protocol):
    """A row of the ledger. `places`: construct path and exact subject, "" where the rule has none."""

    @property
    def rules(self) -> tuple[str, ...]: ...
    @property
    def places(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def reason(self) -> str: ...
    @property
    def is_optional(self) -> bool: ...


def acknowledge(app: IConstruct, rows: Iterable[Accepted]) -> None:
    """ValueError for a row on a construct that is not there, unless it is of a part that may lack.

    Rules that have a dash are of audit/, those with an underscore of checkov: both are answered there.
    """
    for row in rows:
        for rule in row.rules:
            if not set("-_") & set(rule):
                for path, subject in row.places:
                    if row.is_optional and not _is_there(app, path):
                        continue
                    _acknowledge(_at(app, path, rule), rule, subject, row.reason)


def _acknowledge(construct: IConstruct, rule: str, subject: str, reason: str) -> None:
    about = f"[{_as_nag_says(construct, subject)}]" if subject else ""
    packs = PACKS[:1] if _NUMBERED.fullmatch(rule) else PACKS[1:]
    for pack in packs:
        finding = f"{pack}::{pack}-{rule}{about}"
        Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=reason))


def _is_there(app: IConstruct, path: str) -> bool:
    construct: IConstruct | None = app
    for name in path.split("/"):
        construct = construct.node.try_find_child(name) if construct is not None else None
    return construct is not None


def _at(app: IConstruct, path: str, rule: str) -> IConstruct:
    construct = app
    for name in path.split("/"):
        below = construct.node.try_find_child(name)
        if below is None:
            raise ValueError(
                f"the ledger accepts {rule} on {path}, which has no {name!r}: remove the row, "
                "or name the construct as it is called now"
            )
        construct = below
    return construct


def _as_nag_says(construct: IConstruct, subject: str) -> str:
    """Pseudo parameters and buckets as cdk-nag prints them."""
    said = _BUCKET.sub(lambda match: _bucket(construct, match[1]), subject)
    for bucket, name in _named_buckets(construct) if "arn:aws:s3:::" in said else ():
        said = said.replace(f"arn:aws:s3:::{name}/", f"{_own(bucket)}/")
    said = said.replace("<Region>", "<AWS::Region>").replace("<AccountId>", "<AWS::AccountId>")
    return said.replace("arn:aws:", "arn:<AWS::Partition>:")


def _named_buckets(construct: IConstruct) -> Iterator[tuple[s3.CfnBucket, str]]:
    """Of its stack, with their names as the ledger writes them; cdk-nag says their logical ids."""
    stack = Stack.of(construct)
    for found in stack.node.find_all():
        name = stack.resolve(found.bucket_name) if isinstance(found, s3.CfnBucket) else None
        if name is not None:
            parts = [name] if isinstance(name, str) else name["Fn::Join"][1]
            yield (
                cast(s3.CfnBucket, found),
                "".join(p if isinstance(p, str) else f"<{p['Ref'].removeprefix('AWS::')}>" for p in parts),
            )


def _own(resource: CfnResource) -> str:
    return f"<{Stack.of(resource).get_logical_id(resource)}.Arn>"


def _bucket(construct: IConstruct, path: str) -> str:
    """By its logical id within its stack, by the export's name from another.

    Exports appear only while synthesising, when it is too late to acknowledge, so it is asked for here.
    """
    bucket = _at(construct.node.root, path, "a wildcard")
    if not isinstance(bucket, s3.Bucket):
        raise ValueError(f"the ledger names {path} as a bucket, it is {type(bucket).__name__}")
    owner = Stack.of(bucket)
    if owner is Stack.of(construct):
        return f"<{owner.get_logical_id(cast(CfnResource, bucket.node.default_child))}.Arn>"
    return str(owner.resolve(owner.export_value(bucket.bucket_arn))["Fn::ImportValue"])
