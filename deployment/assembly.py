"""A synthesised cloud assembly as a deployment reads it: which stacks, in which order, what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployment.errors import RefusedError
from deployment.names import Names
from deployment.place import Place

STACK = "aws:cloudformation:stack"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A stack as it is to be."""

    name: str
    id: str  # what the CDK CLI selects by
    template: Mapping[str, Any]
    bootstrap: int  # the oldest version of the bootstrap that serves it
    bootstrap_parameter: str
    region: str = ""  # "": the one that is deployed to

    @property
    def resources(self) -> Mapping[str, Any]:
        """By logical id, but for what the CDK notes down for itself."""
        found: Mapping[str, Any] = self.template["Resources"]
        return {name: body for name, body in found.items() if body["Type"] != "AWS::CDK::Metadata"}


def wanted(folder: Path, names: Names) -> list[Wanted]:
    """Each stack after those that it depends on; refuses what is no assembly of this profile."""
    artifacts = artifacts_of(folder)
    found = [_wanted(folder, each, artifacts[each]) for each in ordered(artifacts)]
    strange = [stack.name for stack in found if not names.begins(stack.name)]
    if strange or not found:
        raise RefusedError(
            f"{folder} is not of profile {names.profile}: got {strange[0] if strange else 'no stack'}, "
            f"allowed: stacks named {names.prefix}-*; fix: give the profile that it was synthesised for, "
            "or no --app"
        )
    return found


def artifacts_of(folder: Path) -> dict[str, Any]:
    manifest = folder / "manifest.json"
    if not manifest.exists():
        raise RefusedError(
            f"{folder} is no cloud assembly: it has no manifest.json; allowed: what `cdk synth` wrote"
        )
    found: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))["artifacts"]
    return found


def lookup_role(folder: Path, place: Place) -> str:
    """ARN of the bootstrap's role that reads, as the stacks of the assembly name it."""
    for artifact in artifacts_of(folder).values():
        arn = artifact.get("properties", {}).get("lookupRole", {}).get("arn", "")
        if arn:
            return _filled(str(arn), place)
    raise RefusedError(
        f"{folder} names no role of the bootstrap that reads; allowed: one of the CDK's own synthesizer"
    )


def _filled(arn: str, place: Place) -> str:
    known = {"Partition": place.partition, "AccountId": place.account, "Region": place.region}
    for name, value in known.items():
        arn = arn.replace(f"${{AWS::{name}}}", value)
    return arn


def warnings(folder: Path) -> list[str]:
    """What synthesis had to say of the stacks, in the words of their constructs."""
    found = []
    for artifact in artifacts_of(folder).values():
        entries = dict(artifact.get("metadata", {}))
        if file := artifact.get("additionalMetadataFile"):
            entries |= json.loads((folder / file).read_text(encoding="utf-8"))
        found += [
            str(entry["data"]).partition(" [ack: ")[0]
            for some in entries.values()
            for entry in some
            if entry["type"] == "aws:cdk:warning"
        ]
    return found


def ordered(artifacts: Mapping[str, Any]) -> list[str]:
    """The stacks, each after its dependencies; of those that do not need each other, as they are written."""
    done: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> Iterator[str]:
        if name in path:
            raise RefusedError(f"the stacks depend on each other in a circle: {' -> '.join((*path, name))}")
        if name in done or name not in artifacts:
            return
        for need in artifacts[name].get("dependencies", []):
            yield from visit(need, (*path, name))
        done.append(name)
        yield name

    return [n for name in artifacts for n in visit(name, ()) if artifacts[n]["type"] == STACK]


def _wanted(folder: Path, identifier: str, artifact: Mapping[str, Any]) -> Wanted:
    properties = artifact["properties"]
    template = json.loads((folder / properties["templateFile"]).read_text(encoding="utf-8"))
    region = artifact.get("environment", "aws://unknown-account/unknown-region").rsplit("/", 1)[-1]
    return Wanted(
        name=properties.get("stackName", identifier),
        id=identifier,
        template=template,
        region="" if region == "unknown-region" else region,
        bootstrap=int(properties.get("requiresBootstrapStackVersion", 0)),
        bootstrap_parameter=properties.get("bootstrapStackVersionSsmParameter", ""),
    )
