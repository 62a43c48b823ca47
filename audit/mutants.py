"""Mutation testing of the posture: one property of the templates is broken, and a check has to notice.

    python -m audit.mutants <templates> [--list]

A mutant is killed by the first check that finds more than it found before, or by the access matrix when it
says something else. What survives is a property that nobody guards, or one that makes no difference.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from audit import encryption, escalation, matrix, reachability, rules, wildcards
from audit.findings import Finding
from audit.policies import RESOURCE_POLICIES
from audit.templates import InputError, Templates

Documents = dict[str, tuple[Path, Any]]
CHECKS: tuple[tuple[str, Callable[[Templates], list[Finding]]], ...] = (
    ("rules", rules.check),
    ("encryption", encryption.check),
    ("wildcards", wildcards.check),
    ("escalation", escalation.check),
    ("reachability", reachability.check),
)
POLICIES = {
    **RESOURCE_POLICIES,
    "AWS::IAM::Policy": "PolicyDocument",
    "AWS::IAM::ManagedPolicy": "PolicyDocument",
    "AWS::IAM::Role": "AssumeRolePolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::EC2::VPCEndpoint": "PolicyDocument",
}
# Type -> properties whose absence weakens it; a dotted name goes down.
TAKEN_AWAY: Mapping[str, tuple[str, ...]] = {
    "AWS::S3::Bucket": (
        "BucketEncryption",
        "PublicAccessBlockConfiguration",
        "VersioningConfiguration",
        "LoggingConfiguration",
    ),
    "AWS::Kinesis::Stream": ("StreamEncryption",),
    "AWS::KinesisFirehose::DeliveryStream": (
        "ExtendedS3DestinationConfiguration.EncryptionConfiguration",
        "ExtendedS3DestinationConfiguration.ErrorOutputPrefix",
        "ExtendedS3DestinationConfiguration.CloudWatchLoggingOptions",
    ),
    "AWS::KMS::Key": ("EnableKeyRotation",),
    "AWS::Logs::LogGroup": ("KmsKeyId", "RetentionInDays"),
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::DynamoDB::Table": ("SSESpecification", "PointInTimeRecoverySpecification"),
    "AWS::SecretsManager::Secret": ("KmsKeyId",),
    "AWS::SageMaker::Model": ("VpcConfig", "EnableNetworkIsolation"),
    "AWS::SageMaker::EndpointConfig": ("KmsKeyId", "DataCaptureConfig", "DataCaptureConfig.KmsKeyId"),
    "AWS::Glue::Job": ("SecurityConfiguration", "Connections", "Timeout"),
    "AWS::Glue::SecurityConfiguration": (
        "EncryptionConfiguration.S3Encryptions",
        "EncryptionConfiguration.CloudWatchEncryption",
        "EncryptionConfiguration.JobBookmarksEncryption",
    ),
    "AWS::Lambda::Function": ("KmsKeyArn", "DeadLetterConfig", "VpcConfig"),
    "AWS::StepFunctions::StateMachine": ("LoggingConfiguration", "EncryptionConfiguration"),
    "AWS::CloudTrail::Trail": ("KMSKeyId", "EnableLogFileValidation", "IsMultiRegionTrail"),
    "AWS::EC2::VPCEndpoint": ("PolicyDocument", "PrivateDnsEnabled", "SecurityGroupIds", "RouteTableIds"),
    "AWS::IAM::Role": ("PermissionsBoundary",),
    "AWS::Events::Rule": ("Targets.0.DeadLetterConfig",),
    "AWS::Scheduler::Schedule": ("Target.DeadLetterConfig",),
    "AWS::EC2::SecurityGroupEgress": ("*",),
    "AWS::EC2::SecurityGroupIngress": ("*",),
}
# Members of requests inside definitions; and of the states around them.
FROM_REQUESTS = (
    "VpcConfig",
    "NetworkConfig",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "VolumeKmsKeyId",
    "KmsKeyId",
    "StoppingCondition",
    "DataCaptureConfig",
)
FROM_STATES = ("Retry", "Catch", "TimeoutSeconds")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """`change` works on a copy of the documents."""

    what: str
    change: Callable[[Documents], None]


def mutants(documents: Documents) -> Iterator[Mutant]:
    """Every weakened variant, one property each, in a stable order."""
    for stack, (_, document) in sorted(documents.items()):
        for logical_id, entry in sorted(document["Resources"].items()):
            where, kind = (stack, logical_id), str(entry.get("Type"))
            for name in TAKEN_AWAY.get(kind, ()):
                yield from _without(where, entry, name)
            yield from _of_statements(where, entry, kind)
            if kind == "AWS::S3::Bucket":
                yield from _of_public_access(where, entry)
            if kind == "AWS::EC2::SecurityGroup":
                yield _set(where, ("SecurityGroupIngress",), [OPEN_DOOR], "lets everybody in")
            if kind == "AWS::StepFunctions::StateMachine":
                yield from _of_definition(where, entry)


OPEN_DOOR = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}


def _without(where: tuple[str, str], entry: Any, name: str) -> Iterator[Mutant]:
    """A resource without a property, or as a whole where the name is `*`."""
    if name == "*":
        yield Mutant(
            what=f"{'/'.join(where)} is gone",
            change=lambda documents: _resources(documents, where[0]).pop(where[1]),
        )
        return
    steps = _steps(name)
    if _at(entry.get("Properties") or {}, steps[:-1], steps[-1]) is None:
        return

    def change(documents: Documents) -> None:
        place = _down(_properties(documents, where), steps[:-1])
        del place[steps[-1]]

    yield Mutant(what=f"{'/'.join(where)} without {name}", change=change)


def _set(where: tuple[str, str], steps: tuple[Any, ...], value: Any, says: str) -> Mutant:
    def change(documents: Documents) -> None:
        _down(_properties(documents, where), steps[:-1])[steps[-1]] = copy.deepcopy(value)

    return Mutant(what=f"{'/'.join(where)} {says}", change=change)


def _of_public_access(where: tuple[str, str], entry: Any) -> Iterator[Mutant]:
    for name in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"):
        if (entry.get("Properties") or {}).get("PublicAccessBlockConfiguration", {}).get(name) is True:
            yield _set(where, ("PublicAccessBlockConfiguration", name), False, f"with {name} off")


def _of_statements(where: tuple[str, str], entry: Any, kind: str) -> Iterator[Mutant]:
    document = (entry.get("Properties") or {}).get(POLICIES.get(kind, ""))
    if not isinstance(document, Mapping) or not isinstance(document.get("Statement"), list):
        return
    for number, statement in enumerate(document["Statement"]):
        steps = (POLICIES[kind], "Statement", number)
        if statement.get("Effect") == "Deny":
            yield from _dropped(where, steps)
            continue
        if "Condition" in statement:
            yield from _unconditional(where, steps)
        if kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            if statement.get("Resource") != "*":  # else nothing would change
                yield _set(where, (*steps, "Resource"), "*", f"#{number} on every resource")
            service = str((statement.get("Action") or ["s3:"])[0]).partition(":")[0]
            wider = f"{service}:*" if isinstance(statement.get("Action"), list) else "*"
            yield _set(where, (*steps, "Action"), wider, f"#{number} with every action")
        elif kind != "AWS::KMS::Key":
            yield _set(where, (*steps, "Principal"), {"AWS": "*"}, f"#{number} for everybody")


def _dropped(where: tuple[str, str], steps: tuple[Any, ...]) -> Iterator[Mutant]:
    def change(documents: Documents) -> None:
        del _down(_properties(documents, where), steps[:-1])[steps[-1]]

    yield Mutant(what=f"{'/'.join(where)} without denial #{steps[-1]}", change=change)


def _unconditional(where: tuple[str, str], steps: tuple[Any, ...]) -> Iterator[Mutant]:
    def change(documents: Documents) -> None:
        del _down(_properties(documents, where), steps)["Condition"]

    yield Mutant(what=f"{'/'.join(where)} #{steps[-1]} without its condition", change=change)


def _of_definition(where: tuple[str, str], entry: Any) -> Iterator[Mutant]:
    """The definition is text in pieces, so what is taken away is renamed: nobody reads it then."""
    text = json.dumps(entry["Properties"].get("DefinitionString"))
    for name in (*FROM_REQUESTS, *FROM_STATES):
        quoted = json.dumps(json.dumps(name))[1:-1]
        for number in range(text.count(f"{quoted}:")):
            yield Mutant(
                what=f"{'/'.join(where)} without {name} (the {number + 1}.)",
                change=_renaming(where, f"{quoted}:", number),
            )


def _renaming(where: tuple[str, str], member: str, number: int) -> Callable[[Documents], None]:
    def change(documents: Documents) -> None:
        properties = _properties(documents, where)
        parts = json.dumps(properties["DefinitionString"]).split(member)
        hidden = member.replace('\\"', '\\"Not', 1)
        joined = member.join(parts[: number + 1]) + hidden + member.join(parts[number + 1 :])
        properties["DefinitionString"] = json.loads(joined)

    return change


def _resources(documents: Documents, stack: str) -> Any:
    return documents[stack][1]["Resources"]


def _properties(documents: Documents, where: tuple[str, str]) -> Any:
    return _resources(documents, where[0])[where[1]].setdefault("Properties", {})


def _steps(name: str) -> tuple[Any, ...]:
    return tuple(int(step) if step.isdigit() else step for step in name.split("."))


def _down(value: Any, steps: tuple[Any, ...]) -> Any:
    for step in steps:
        value = value[step]
    return value


def _at(value: Any, steps: tuple[Any, ...], last: Any) -> Any:
    try:
        return _down(value, (*steps, last))
    except (KeyError, IndexError, TypeError):
        return None


# -- judged


@dataclass(frozen=True, kw_only=True)
class Baseline:
    found: dict[str, frozenset[tuple[str, str, str]]]
    access: tuple[str, ...]


def baseline(templates: Templates) -> Baseline:
    found = {name: frozenset(one.key for one in check(templates)) for name, check in CHECKS}
    return Baseline(found=found, access=tuple(matrix.to_lines(matrix.matrix(templates))))


def killer(documents: Documents, before: Baseline) -> str:
    """The check that notices; "" when none does."""
    templates = Templates(documents)
    for name, check in CHECKS:
        fresh = sorted({one.key for one in check(templates)} - before.found[name])
        if fresh:
            return f"{name}: {fresh[0][0]}"
    if tuple(matrix.to_lines(matrix.matrix(templates))) != before.access:
        return "access matrix"
    return ""


_STATE: dict[str, Any] = {}


def _begin(folder: Path) -> None:
    documents = Templates.read(folder).documents
    _STATE.update(documents=documents, all=list(mutants(documents)), before=baseline(Templates(documents)))


def _judge(number: int) -> tuple[str, str]:
    mutant: Mutant = _STATE["all"][number]
    documents = copy.deepcopy(_STATE["documents"])
    mutant.change(documents)
    return mutant.what, killer(documents, _STATE["before"])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m audit.mutants", description=__doc__)
    parser.add_argument("templates", type=Path)
    parser.add_argument("--list", action="store_true", help="every mutant with what killed it")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    try:
        count = len(list(mutants(Templates.read(options.templates).documents)))
    except InputError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2
    with (
        ProcessPoolExecutor(initializer=_begin, initargs=(options.templates,)) as pool,
        Progress(console=console, transient=True) as progress,
    ):
        task = progress.add_task("mutants", total=count)
        results = []
        for result in pool.map(_judge, range(count), chunksize=8):
            results.append(result)
            progress.advance(task)
    survivors = [what for what, by in results if not by]
    for what, by in results if options.list else ():
        console.print(f"{by or 'SURVIVES':40} {what}", soft_wrap=True, markup=False)
    for name, number in Counter(by.partition(":")[0] for _, by in results if by).most_common():
        console.print(f"{number:5} killed by {name}")
    for what in survivors:
        console.print(f"survives: {what}", soft_wrap=True, markup=False)
    console.print(
        f"{count - len(survivors)} of {count} mutants killed, {1 - len(survivors) / max(count, 1):.1%}"
    )
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
