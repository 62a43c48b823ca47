"""Which quotas a deployment needs, from its templates.

A need is told in the words of Service Quotas: service and name, so that an account can be asked for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audit import fleets
from audit.figures import Quota as Quota
from audit.figures import table as table
from audit.templates import Resource, Templates

# Units of Glue's capacity in a worker (AWS Glue, worker types).
_DPUS = {"G.025X": 0.25, "G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8, "G.12X": 12, "G.16X": 16, "Standard": 1}
# Lambda keeps so many for functions without a reservation (Lambda Developer Guide, reserved concurrency).
UNRESERVED = 100
# Type -> the quota that each of its resources uses up.
_COUNTED = {
    "AWS::CloudFormation::Stack": ("cloudformation", "Stack count"),
    "AWS::DynamoDB::Table": ("dynamodb", "Maximum number of tables"),
    "AWS::EC2::SecurityGroup": ("vpc", "VPC security groups per Region"),
    "AWS::EC2::VPC": ("vpc", "VPCs per Region"),
    "AWS::Events::Rule": ("events", "Number of rules"),
    "AWS::Glue::Connection": ("glue", "Max connection per account"),
    "AWS::Glue::Database": ("glue", "Max databases per account"),
    "AWS::Glue::Job": ("glue", "Max jobs per account"),
    "AWS::Glue::SecurityConfiguration": ("glue", "Max security configurations per account"),
    "AWS::IAM::ManagedPolicy": ("iam", "Customer managed policies per account"),
    "AWS::IAM::Role": ("iam", "Roles per account"),
    "AWS::KMS::Key": ("kms", "Customer Master Keys (CMKs)"),
    "AWS::KinesisFirehose::DeliveryStream": ("firehose", "Delivery streams"),
    "AWS::Logs::LogGroup": ("logs", "Log groups"),
    "AWS::S3::Bucket": ("s3", "General purpose buckets"),
    "AWS::SNS::Topic": ("sns", "Topics per Account"),
    "AWS::SageMaker::ModelPackageGroup": (
        "sagemaker",
        "Maximum number of SageMaker Model Package Groups allowed per account",
    ),
    "AWS::Scheduler::ScheduleGroup": ("scheduler", "Number of schedule groups"),
    "AWS::StepFunctions::StateMachine": ("states", "Registered state machines"),
}


@dataclass(frozen=True, kw_only=True)
class Need:
    """
    first     what the deployment itself takes: with less, it fails
    amount    what the runs take too, all in all: with less, one of them fails
    ceiling   what scaling may come to take; 0 where nothing scales
    counts    type of the resources that use it up one by one; "" where the quota is no number of resources
    """

    service: str
    name: str
    first: float
    amount: float
    why: str
    ceiling: float = 0
    counts: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return (self.service, self.name)

    @property
    def most(self) -> float:
        return max(self.amount, self.ceiling)


def needs(templates: Templates) -> list[Need]:
    found = [
        *_fleets(templates),
        *_counted(templates),
        *_endpoints(templates),
        *_largest(templates),
        *_capacity(templates),
        *_builds(templates),
    ]
    return sorted(found, key=lambda need: need.key)


def instance_types(templates: Templates) -> set[str]:
    return {kind for use in fleets.uses(templates) for kind in use.amounts}


def _fleets(templates: Templates) -> Iterator[Need]:
    for use in fleets.uses(templates):
        parts = {f"{kind} for {use.quota} usage": use.of(kind) for kind in use.amounts}
        for name, (first, amount, ceiling) in {**parts, use.total: use.all()}.items():
            yield Need(
                service="sagemaker", name=name, first=first, amount=amount, ceiling=ceiling, why=use.why
            )
    if widest := fleets.widest_endpoint(templates):
        name = "Maximum number of instances per endpoint"
        first, amount, ceiling = widest
        yield Need(
            service="sagemaker",
            name=name,
            first=first,
            amount=amount,
            ceiling=ceiling,
            why="the largest configuration of an endpoint",
        )
    for name, size in fleets.longest_training(templates).items():
        yield Need(service="sagemaker", name=name, first=0, amount=size, why="training")


def _counted(templates: Templates) -> Iterator[Need]:
    counts = Counter(resource.type for resource in templates.resources)
    counts["AWS::CloudFormation::Stack"] += len(templates.stacks)
    for kind, (service, name) in _COUNTED.items():
        if counts[kind]:
            yield _at_once(service, name, counts[kind], f"{counts[kind]} {kind}", kind)


def _endpoints(templates: Templates) -> Iterator[Need]:
    found = templates.of("AWS::EC2::VPCEndpoint")
    by_type = Counter(str(endpoint.get("VpcEndpointType", default="Gateway")) for endpoint in found)
    for kind, name in {
        "Gateway": "Gateway VPC endpoints per Region",
        "Interface": "Interface VPC endpoints per VPC",
    }.items():
        if by_type[kind]:
            yield _at_once("vpc", name, by_type[kind], f"{by_type[kind]} {kind.lower()} endpoints")
    policies = {_size(each.get("PolicyDocument", default={})): each.address for each in found}
    if policies:
        size = max(policies)
        yield _at_once("vpc", "Characters per VPC endpoint policy", size, policies[size])


def _largest(templates: Templates) -> Iterator[Need]:
    """Quotas of one role, one security group: what the largest of them needs."""
    roles = templates.of("AWS::IAM::Role")
    measures: tuple[tuple[str, str, dict[str, float]], ...] = (
        ("iam", "Managed policies per role", _attached(templates, roles)),
        (
            "iam",
            "Role trust policy length",
            {role.address: _size(role.get("AssumeRolePolicyDocument", default={})) for role in roles},
        ),
        ("vpc", "Inbound or outbound rules per security group", _group_rules(templates)),
    )
    for service, name, sizes in measures:
        if sizes:
            where = max(sizes, key=lambda address: (sizes[address], address))
            yield _at_once(service, name, sizes[where], where)


def _attached(templates: Templates, roles: list[Resource]) -> dict[str, float]:
    """Policies of the role's own list, and those whose list names the role."""
    counts: Counter[str] = Counter()
    by_name = {str(role.get("RoleName", default=f"<{role.address}>")): role.address for role in roles}
    for role in roles:
        counts[role.address] += len(role.get("ManagedPolicyArns", default=[]))
    for policy in templates.of("AWS::IAM::ManagedPolicy"):
        for name in policy.get("Roles", default=[]):
            if str(name) in by_name:
                counts[by_name[str(name)]] += 1
    return {address: number for address, number in counts.items() if number}


def _group_rules(templates: Templates) -> dict[str, float]:
    """In the direction with more of them, rules that are resources of their own included."""
    counts: dict[str, Counter[str]] = {}
    ways = {"AWS::EC2::SecurityGroupIngress": "in", "AWS::EC2::SecurityGroupEgress": "out"}
    for group in templates.of("AWS::EC2::SecurityGroup"):
        found = counts.setdefault(group.address, Counter())
        found["in"] += len(group.get("SecurityGroupIngress", default=[]))
        found["out"] += len(group.get("SecurityGroupEgress", default=[]))
    for rule in templates.of(*ways):
        address = str(rule.get("GroupId", default="")).strip("<>").rpartition(".")[0]
        counts.setdefault(address, Counter())[ways[rule.type]] += 1
    return {address: max(found.values()) for address, found in counts.items() if found}


def _capacity(templates: Templates) -> Iterator[Need]:
    if shards := sum(int(each.get("ShardCount", default=0)) for each in templates.of("AWS::Kinesis::Stream")):
        yield _at_once("kinesis", "Shards per Region", shards, f"{shards} shards")
    functions = templates.of("AWS::Lambda::Function")
    if reserved := sum(int(each.get("ReservedConcurrentExecutions", default=0)) for each in functions):
        why = f"{reserved} reserved, and {UNRESERVED} that Lambda keeps unreserved"
        yield _at_once("lambda", "Concurrent executions", reserved + UNRESERVED, why)
    if sizes := [_dpus(job) for job in templates.of("AWS::Glue::Job")]:
        for name, one, every in (
            ("Max task DPUs per account", max(sizes), sum(sizes)),
            ("Max concurrent job runs per account", 1, len(sizes)),
        ):
            yield Need(
                service="glue",
                name=name,
                first=0,
                amount=one,
                ceiling=every,
                why="one job after the other; all of them at once",
            )


def _builds(templates: Templates) -> Iterator[Need]:
    """One at a time: CodeBuild lets further ones wait, five for each that may run."""
    sizes = {str(each.get("Environment", "ComputeType")) for each in templates.of("AWS::CodeBuild::Project")}
    for size in sorted(sizes):
        if size.startswith("BUILD_GENERAL1_"):
            name = size.removeprefix("BUILD_GENERAL1_").capitalize()
            yield Need(
                service="codebuild",
                name=f"Concurrently running builds for Linux/{name} environment",
                first=0,
                amount=1,
                why="builds of a pipeline, one after the other",
            )


def _at_once(service: str, name: str, amount: float, why: str, counts: str = "") -> Need:
    """What the deployment takes and nothing adds to later."""
    return Need(service=service, name=name, first=amount, amount=amount, why=why, counts=counts)


def _dpus(job: Resource) -> float:
    workers = float(job.get("NumberOfWorkers", default=job.get("MaxCapacity", default=10)))
    return workers * _DPUS.get(str(job.get("WorkerType", default="Standard")), 1)


def _size(policy: Mapping[str, Any]) -> int:
    """Characters, without spaces: AWS does not count those."""
    return len(json.dumps(policy, separators=(",", ":")))
