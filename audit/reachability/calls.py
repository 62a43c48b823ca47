"""The calls that a unit's own code makes from its subnets, by its role, and the services that they go to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audit.policies import Statement, matches
from audit.reachability.outside import Call, reason
from audit.reachability.units import Unit

# Prefix of an action, or the action, to the endpoint services it needs. The more exact pattern comes first.
# Source: "AWS services that integrate with AWS PrivateLink" (VPC user guide), prefixes by the service
# authorization reference. A prefix that is not listed is taken for the endpoint's name.
ENDPOINT_SERVICES: Sequence[tuple[str, tuple[str, ...]]] = (
    ("ecr:getauthorizationtoken", ("ecr.api",)),
    ("ecr:*", ("ecr.api", "ecr.dkr")),
    ("sagemaker:invokeendpoint*", ("sagemaker.runtime",)),
    ("sagemaker:batchgetrecord", ("sagemaker.featurestore-runtime",)),
    ("sagemaker:getrecord", ("sagemaker.featurestore-runtime",)),
    ("sagemaker:putrecord", ("sagemaker.featurestore-runtime",)),
    ("sagemaker:deleterecord", ("sagemaker.featurestore-runtime",)),
    ("sagemaker:batchputmetrics", ("sagemaker.metrics",)),
    ("sagemaker:*", ("sagemaker.api",)),
    ("states:startsyncexecution", ("sync-states",)),
    ("bedrock:invokemodel*", ("bedrock-runtime",)),
    ("bedrock:*", ("bedrock",)),
    ("cloudwatch:*", ("monitoring",)),
    ("kinesis:*", ("kinesis-streams",)),
    ("firehose:*", ("kinesis-firehose",)),
    ("elasticmapreduce:*", ("elasticmapreduce",)),
    ("codecommit:*", ("codecommit",)),
    ("elasticfilesystem:client*", ()),  # NFS to a mount target in the VPC
    ("es:eshttp*", ()),  # a domain in the VPC
    ("rds-db:*", ()),  # a database in the VPC
    ("iam:passrole", ()),  # checked when another call is made; no call itself
)

# Where an image's layers are read from, by addresses that ECR signs: ECR user guide, "interface endpoints".
LAYERS = "arn:aws:s3:::prod-<Region>-starport-layer-bucket/*"


@dataclass(frozen=True, kw_only=True)
class Outside:
    """A granted call that does not come from the unit's subnets, and why."""

    unit: str
    action: str
    resource: str
    reason: str


def calls_of(unit: Unit, every: Sequence[Statement]) -> tuple[list[Call], list[Outside]]:
    """What the unit's own code calls from inside the VPC, and what is called from elsewhere."""
    inside: list[Call] = []
    outside: list[Outside] = []
    for call in _granted(unit, every):
        why = reason(unit, call)
        if why is not None:
            outside.append(Outside(unit=unit.path, action=call.action, resource=call.resource, reason=why))
        elif call.services:
            inside.append(call)
    if any(matches(call.action.lower(), "ecr:getdownloadurlforlayer") for call in inside):
        inside.append(Call(action="s3:GetObject", resource=LAYERS, services=("s3",)))
    return inside, list(dict.fromkeys(outside))


def services_of(action: str) -> tuple[str, ...]:
    """Endpoint services of an action or a pattern of actions; ("*",) for a pattern over all services."""
    wanted = action.lower()
    prefix, colon, _ = wanted.partition(":")
    if not colon or "*" in prefix:
        return ("*",)
    for pattern, services in ENDPOINT_SERVICES:
        if matches(pattern, wanted):
            return services
    return (prefix,)


def _granted(unit: Unit, every: Sequence[Statement]) -> Iterator[Call]:
    if unit.role is None:
        return
    for statement in every:
        if statement.kind != "identity" or unit.role.address not in statement.identities:
            continue
        if statement.allows:
            yield from _calls(statement)


def _calls(statement: Statement) -> Iterator[Call]:
    # An Allow with NotAction leaves open what is called.
    actions = [str(action) for action in statement.actions] or ["*"]
    for action in actions:
        for resource in statement.resources or ["*"]:
            yield Call(
                action=action,
                resource=str(resource),
                services=services_of(action),
                conditions=statement.conditions,
            )
