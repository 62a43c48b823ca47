"""What a synthesised assembly asks of the account and the Region that it is to be deployed to."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.templates import InputError, Templates

_STACK = "aws:cloudformation:stack"
_SERVICE_ROLE = re.compile(r"role/aws-service-role/([a-z0-9.-]+)/(\w+)")
# Type -> the property with a name that somebody else may have taken.
NAMES: Mapping[str, tuple[str, ...]] = {
    "AWS::Athena::WorkGroup": ("Name",),
    "AWS::CloudTrail::Trail": ("TrailName",),
    "AWS::CloudWatch::Alarm": ("AlarmName",),
    "AWS::CloudWatch::Dashboard": ("DashboardName",),
    "AWS::DynamoDB::Table": ("TableName",),
    "AWS::Glue::Database": ("DatabaseInput", "Name"),
    "AWS::Glue::SecurityConfiguration": ("Name",),
    "AWS::IAM::Role": ("RoleName",),
    "AWS::Kinesis::Stream": ("Name",),
    "AWS::Lambda::Function": ("FunctionName",),
    "AWS::Logs::LogGroup": ("LogGroupName",),
    "AWS::S3::Bucket": ("BucketName",),
    "AWS::SSM::Parameter": ("Name",),
    "AWS::SageMaker::Endpoint": ("EndpointName",),
    "AWS::SageMaker::FeatureGroup": ("FeatureGroupName",),
    "AWS::SageMaker::ModelPackageGroup": ("ModelPackageGroupName",),
    "AWS::Scheduler::ScheduleGroup": ("Name",),
    "AWS::StepFunctions::StateMachine": ("StateMachineName",),
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """
    templates   of all stacks
    stacks      their names, as CloudFormation will have them; none without a manifest
    bootstrap   parameter with the bootstrap's version -> the oldest version that serves; "" without the CDK's
                own synthesizer
    """

    templates: Templates
    bootstrap: Mapping[str, int] = field(default_factory=dict)
    stacks: tuple[str, ...] = ()

    @property
    def zones(self) -> int:
        """How many availability zones the subnets spread over."""
        subnets = self.templates.of("AWS::EC2::Subnet")
        return len({json.dumps(each.get("AvailabilityZone"), sort_keys=True) for each in subnets})

    @property
    def service_roles(self) -> dict[str, str]:
        """Service-linked roles that the templates name -> the service that they belong to."""
        found = {}
        for resource in self.templates.resources:
            for service, role in _SERVICE_ROLE.findall(json.dumps(resource.properties)):
                found[role] = service
        return found

    @property
    def has_catalogue(self) -> bool:
        return bool(self.templates.of("AWS::Glue::Database"))

    def names(self) -> Iterator[tuple[str, str]]:
        """Type and name of each resource that gets a name of the templates' own."""
        for resource in self.templates.resources:
            if resource.type in NAMES:
                name = resource.get(*NAMES[resource.type])
                if isinstance(name, str) and "<" not in name:
                    yield resource.type, name


def read(assembly: Path) -> Asked:
    """InputError for a folder that holds no templates."""
    found = _stacks(assembly)
    return Asked(
        templates=Templates.read(assembly), bootstrap=_bootstrap(found.values()), stacks=tuple(found)
    )


def by_region(assembly: Path) -> dict[str, Asked]:
    """The same for each Region that a stack is for; "" is the one that is deployed to, and the first."""
    whole, regions = read(assembly), _regions(assembly)
    if not regions:
        return {"": whole}
    found = {}
    for region in sorted(set(regions.values())):
        ids = [name for name, where in regions.items() if where == region]
        named = _stacks(assembly, ids)
        found[region] = Asked(
            templates=whole.templates.only(ids), bootstrap=_bootstrap(named.values()), stacks=tuple(named)
        )
    return found


def _regions(assembly: Path) -> dict[str, str]:
    """Stack's id -> Region; of the manifest."""
    manifest = assembly / "manifest.json"
    if not manifest.exists():
        return {}
    artifacts = json.loads(manifest.read_text(encoding="utf-8"))["artifacts"]
    where = {
        name: artifact.get("environment", "").rsplit("/", 1)[-1]
        for name, artifact in artifacts.items()
        if artifact["type"] == _STACK
    }
    return {name: "" if region == "unknown-region" else region for name, region in where.items()}


def _stacks(assembly: Path, ids: Collection[str] | None = None) -> dict[str, Mapping[str, Any]]:
    """By name, what the manifest says of each stack; nothing for a folder of templates alone."""
    manifest = assembly / "manifest.json"
    if not manifest.exists():
        return {}
    try:
        artifacts: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))["artifacts"]
    except (ValueError, KeyError) as error:
        raise InputError(f"{manifest}: no manifest of a cloud assembly ({error})") from error
    return {
        artifact["properties"].get("stackName", name): artifact["properties"]
        for name, artifact in artifacts.items()
        if artifact["type"] == _STACK and (ids is None or name in ids)
    }


def _bootstrap(stacks: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    needed: dict[str, int] = {}
    for properties in stacks:
        if parameter := properties.get("bootstrapStackVersionSsmParameter"):
            version = int(properties.get("requiresBootstrapStackVersion", 0))
            needed[parameter] = max(needed.get(parameter, 0), version)
    return needed
