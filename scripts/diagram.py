"""Draws docs/architecture.md from the templates: who may read and write what, and the retraining run.

`python scripts/diagram.py` synthesises and rewrites what stands between the markers; with a folder it reads
the assembly that is there. A test compares, so the document cannot fall behind the stacks.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs/architecture.md"
PROFILE = "production"
STAGES = ("ingest", "lake", "transform", "explore", "train", "evaluate", "deploy", "monitor", "retrain")

READS = {
    "athena:StartQueryExecution",
    "dynamodb:GetItem",
    "glue:GetPartitions",
    "kinesis:GetRecords",
    "s3:GetObject",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
}
WRITES = {
    "dynamodb:PutItem",
    "glue:BatchUpdatePartition",
    "kinesis:PutRecords",
    "s3:PutObject",
    "sagemaker:CreateModelPackage",
    "sagemaker:InvokeEndpoint",
    "sagemaker:UpdateEndpoint",
    "sns:Publish",
    "ssm:PutParameter",
}
STARTS = {"glue:StartJobRun", "iam:PassRole", "lambda:InvokeFunction", "states:StartExecution"}

# What holds or passes on data, with its shape in mermaid.
STORES = {
    "AWS::DynamoDB::Table": "[({})]",
    "AWS::Glue::Database": "[({})]",
    "AWS::Kinesis::Stream": "[/{}/]",
    "AWS::S3::Bucket": "[({})]",
    "AWS::SNS::Topic": "[/{}/]",
    "AWS::SSM::Parameter": "[({})]",
    "AWS::SageMaker::Endpoint": "{{{{{}}}}}",
    "AWS::SageMaker::ModelPackageGroup": "[({})]",
    "AWS::SecretsManager::Secret": "[({})]",
}
KIND_WORDS = {
    "AWS::DynamoDB::Table": "",
    "AWS::Glue::Database": "catalogue",
    "AWS::Kinesis::Stream": "stream",
    "AWS::S3::Bucket": "bucket",
    "AWS::SNS::Topic": "topic",
    "AWS::SSM::Parameter": "parameter",
    "AWS::SageMaker::Endpoint": "endpoint",
    "AWS::SageMaker::ModelPackageGroup": "model registry",
    "AWS::SecretsManager::Secret": "secret",
}
# Names under which policies speak of a resource that they do not refer to.
NAMED_BY = ("EndpointName", "ModelPackageGroupName", "Name", "StateMachineName")

# States that only wait for an update of the endpoint: drawn as part of the state that they are named after.
POLLING = re.compile(r"(?<=[a-z])(Moves|Look|Compare|Await|Resting|Update)$")


@dataclass(frozen=True, kw_only=True, order=True)
class Resource:
    stack: str
    logical_id: str


@dataclass(frozen=True, kw_only=True)
class Grant:
    unit: str
    verb: str  # reads, writes, starts
    target: Resource
    folder: str  # of a bucket; else empty


class Assembly:
    """The templates of a cloud assembly, with the references between the stacks resolved."""

    def __init__(self, folder: Path) -> None:
        self.templates: dict[str, Any] = {}
        self.paths: dict[Resource, tuple[str, ...]] = {}
        for path in sorted(folder.glob("*.template.json")):
            stack = path.name.removesuffix(".template.json")
            self.templates[stack] = _json(path)
            for place, entries in _json(folder / f"{stack}.metadata.json").items():
                for entry in entries:
                    if entry["type"] == "aws:cdk:logicalId":
                        resource = Resource(stack=stack, logical_id=entry["data"])
                        self.paths[resource] = tuple(place.strip("/").split("/")[1:])
        if not self.templates:
            raise FileNotFoundError(f"no *.template.json in {folder}: give a folder that `cdk synth` wrote")

    @cached_property
    def resources(self) -> dict[Resource, Mapping[str, Any]]:
        return {
            Resource(stack=stack, logical_id=logical_id): resource
            for stack, template in self.templates.items()
            for logical_id, resource in template["Resources"].items()
        }

    @cached_property
    def exports(self) -> dict[str, Resource]:
        return {
            output["Export"]["Name"]: next(self.references(stack, output["Value"]))
            for stack, template in self.templates.items()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }

    @cached_property
    def named(self) -> dict[str, Resource]:
        found = {}
        for resource, body in self.resources.items():
            properties = body.get("Properties", {})
            for place in (properties, properties.get("DatabaseInput", {})):
                found |= {place[key]: resource for key in NAMED_BY if isinstance(place.get(key), str)}
        return found

    def kind(self, resource: Resource) -> str:
        return str(self.resources[resource]["Type"])

    def of_kind(self, kind: str) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
        for resource, body in self.resources.items():
            if body["Type"] == kind:
                yield resource, body["Properties"]

    def references(self, stack: str, value: Any) -> Iterator[Resource]:
        """Every resource that the value refers to, in its stack or by an import."""
        match value:
            case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
                resource = Resource(stack=stack, logical_id=name)
                if resource in self.resources:
                    yield resource
            case {"Fn::ImportValue": str(name)}:
                yield self.exports[name]
            case dict():
                for part in value.values():
                    yield from self.references(stack, part)
            case list():
                for part in value:
                    yield from self.references(stack, part)

    def unit(self, role: Resource) -> str:
        """The unit of work that wears the role: `Ingest/CheckFile`."""
        parts = [part.removesuffix("Role") for part in self.paths[role] if part != "Resource"]
        return "/".join([part for part in parts if part][:2])

    @cached_property
    def wearers(self) -> dict[Resource, str]:
        return {role: self.unit(role) for role, _ in self.of_kind("AWS::IAM::Role") if role.stack != "Base"}

    @cached_property
    def stages(self) -> dict[str, str]:
        """By unit: its first word where that is a stage, else the tag of its role."""
        found = {}
        for role, unit in self.wearers.items():
            first = unit.split("/")[0].lower()
            found[unit] = first if first in STAGES else self.tag(role)
        return found

    def tag(self, resource: Resource) -> str:
        """The stage that the resource is tagged with."""
        tags = {tag["Key"]: tag["Value"] for tag in self.resources[resource]["Properties"].get("Tags", [])}
        return str(tags["stage"])

    @cached_property
    def people(self) -> set[str]:
        """Units whose role is for somebody of this account, and not for a service."""
        return {
            self.wearers[role]
            for role, properties in self.of_kind("AWS::IAM::Role")
            if role in self.wearers
            and any(
                "AWS" in each["Principal"] for each in properties["AssumeRolePolicyDocument"]["Statement"]
            )
        }

    def grants(self) -> Iterator[Grant]:
        for policy, properties in self.of_kind("AWS::IAM::ManagedPolicy"):
            roles = [
                role
                for role in self.references(policy.stack, properties.get("Roles", []))
                if role in self.wearers
            ]
            for role in roles:
                for statement in properties["PolicyDocument"]["Statement"]:
                    if statement["Effect"] == "Allow":
                        yield from self._granted(self.wearers[role], policy.stack, statement)

    def _granted(self, unit: str, stack: str, statement: Mapping[str, Any]) -> Iterator[Grant]:
        actions = set(_listed(statement["Action"]))
        for verb, known in (("reads", READS), ("writes", WRITES), ("starts", STARTS)):
            if not actions & known:
                continue
            for resource in _listed(statement["Resource"]):
                for target in self._targets(stack, resource):
                    yield Grant(unit=unit, verb=verb, target=target, folder=_folder(resource))

    def _targets(self, stack: str, resource: Any) -> Iterator[Resource]:
        found = list(self.references(stack, resource))
        words = re.split(r"[:/]", "".join(_strings(resource)))
        yield from found or [self.named[word] for word in words if word in self.named]

    def worker(self, resource: Resource) -> str | None:
        """The unit that does the work of a function, a job, a state machine or a role."""
        if resource in self.wearers:
            return self.wearers[resource]
        properties = self.resources[resource].get("Properties", {})
        role = properties.get("Role", properties.get("RoleArn"))
        return (
            next((self.wearers[each] for each in self.references(resource.stack, role)), None)
            if role
            else None
        )

    def store_name(self, resource: Resource) -> str:
        kind = self.kind(resource)
        place = [part for part in self.paths[resource] if part not in ("Resource", "Table", "Topic", "Group")]
        word = KIND_WORDS[kind]
        own = words(place[-1]).lower()
        return (
            own
            if not word or own == word
            else word
            if word in ("catalogue", "model registry")
            else f"{own} {word}"
        )


def words(name: str) -> str:
    """`CheckFile` as `Check file`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def flow(assembly: Assembly) -> str:
    """Stages and people as nodes, what they may read and write as edges."""
    ways: dict[tuple[str, Resource], set[str]] = defaultdict(set)
    starts: dict[tuple[str, str], None] = {}
    for grant in assembly.grants():
        node = grant.unit if grant.unit in assembly.people else assembly.stages[grant.unit]
        if assembly.kind(grant.target) in STORES:
            ways[node, grant.target].add(grant.verb)
        elif grant.verb == "starts" and (worker := assembly.worker(grant.target)):
            other = assembly.stages[worker]
            if other != node:
                starts[node, other] = None
    for source, target in _alarms(assembly):
        starts[source, target] = None
    lines = ["flowchart LR"]
    lines += [f'  {stage}["{stage}"]:::stage' for stage in STAGES if stage != "lake"]
    lines += [f'  {_id(unit)}(["{words(unit.split("/")[-1]).lower()}"])' for unit in sorted(assembly.people)]
    stores = sorted({store for _, store in ways}, key=lambda store: assembly.paths[store])
    lake = [store for store in stores if assembly.paths[store][0] == "Lake"]
    lines += ["  subgraph lake", *(f"  {_store(assembly, store)}" for store in lake), "  end"]
    lines += [_store(assembly, store) for store in stores if store not in lake]
    for (node, store), verbs in sorted(ways.items(), key=lambda way: (_rank(way[0][0]), way[0][1])):
        one, two = _id(node), _store_id(assembly, store)
        if verbs == {"reads"}:
            lines.append(f"  {two} --> {one}")
        else:
            lines.append(f"  {one} {'<-->' if 'reads' in verbs else '-->'} {two}")
    lines += [f"  {one} -. starts .-> {two}" for one, two in sorted(starts)]
    lines.append("  classDef stage stroke-width:3px")
    return _mermaid(lines)


def _store(assembly: Assembly, store: Resource) -> str:
    shape = STORES[assembly.kind(store)].format(f'"{assembly.store_name(store)}"')
    return f"  {_store_id(assembly, store)}{shape}"


def _store_id(assembly: Assembly, store: Resource) -> str:
    return _id("_".join(part for part in assembly.paths[store] if part != "Resource"))


def _alarms(assembly: Assembly) -> Iterator[tuple[str, str]]:
    """Rules that start something when an alarm of another stage changes its state."""
    for rule, properties in assembly.of_kind("AWS::Events::Rule"):
        for alarm in assembly.references(rule.stack, properties["EventPattern"].get("resources", [])):
            for role in assembly.references(
                rule.stack, [each.get("RoleArn", {}) for each in properties["Targets"]]
            ):
                if assembly.kind(alarm) == "AWS::CloudWatch::Alarm" and role in assembly.wearers:
                    yield assembly.tag(alarm), assembly.stages[assembly.wearers[role]]


def access(assembly: Assembly) -> str:
    """The same for each unit of work, with the folders."""
    table: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for grant in assembly.grants():
        if assembly.kind(grant.target) in STORES:
            name = assembly.store_name(grant.target)
            told = f"{name.removesuffix(' bucket')}: `{grant.folder}`" if grant.folder else name
            table[grant.unit][grant.verb].add(told)
        elif grant.verb == "starts" and (worker := assembly.worker(grant.target)):
            table[grant.unit]["starts"].add(worker)
    lines = ["| Stage | Unit of work | Reads | Writes | Starts |", "| --- | --- | --- | --- | --- |"]
    for unit in sorted(table, key=lambda unit: (_rank(assembly.stages[unit]), unit)):
        cells = [", ".join(sorted(table[unit][verb])) for verb in ("reads", "writes", "starts")]
        lines.append(f"| {assembly.stages[unit]} | {unit} | {' | '.join(cells)} |")
    return "\n".join(lines)


def crossings(assembly: Assembly) -> str:
    """What each stack imports from another."""
    table: dict[tuple[str, str], set[str]] = defaultdict(set)
    for stack, template in assembly.templates.items():
        for export in re.findall(r'"Fn::ImportValue": "([^"]+)"', json.dumps(template)):
            source = assembly.exports[export]
            place = [part for part in assembly.paths[source] if part != "Resource"]
            table[source.stack, stack].add("/".join(place))
    order = list(assembly.templates)
    lines = ["| From | To | What |", "| --- | --- | --- |"]
    for source, stack in sorted(table, key=lambda pair: (order.index(pair[0]), order.index(pair[1]))):
        lines.append(f"| {source} | {stack} | {', '.join(sorted(table[source, stack]))} |")
    return "\n".join(lines)


def machine(assembly: Assembly) -> str:
    """The retraining run; states that only pass data on become the words on an edge."""
    states = _retraining(assembly)["States"]
    way_out = _behind(states, "Failed")[0]
    lines = ["flowchart TD", "  any([any task that fails after the plan])", *_drawn_states(states)]
    lines.append(f"  any -.-> {way_out}")
    return _mermaid(lines)


def _drawn_states(states: Mapping[str, Any]) -> list[str]:
    """Nodes and edges of one scope; a Parallel state is a frame around its branches."""
    edges = _edges(states)
    lines = []
    for name in dict.fromkeys(node for edge in edges for node in edge[:2]):
        if states[name]["Type"] != "Parallel":
            lines.append(f"  {name}{_shape(states[name]['Type'], name)}")
            continue
        lines.append(f'  subgraph {name}["{words(name)}"]')
        for branch in states[name]["Branches"]:
            lines += [f"  {line}" for line in _drawn_states(branch["States"])]
        lines.append("  end")
    return lines + [f"  {one} -->{f'|{label}|' if label else ''} {two}" for one, two, label in edges]


def _edges(states: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    edges: dict[tuple[str, str, str], None] = {}
    for name, state in states.items():
        if state["Type"] == "Pass":
            continue
        for target, caught in _followers(state):
            end, passed = _behind(states, target)
            if caught and (target == "Failed" or (_base(name), _base(end)) in {edge[:2] for edge in edges}):
                continue
            one, two = _base(name), _base(end)
            branches = caught or state["Type"] == "Choice"
            if one != two and two:
                edges.setdefault((one, two, passed if branches else ""), None)
    return list(edges)


def _retraining(assembly: Assembly) -> Any:
    for _, properties in assembly.of_kind("AWS::StepFunctions::StateMachine"):
        if properties["StateMachineName"].endswith("-retrain"):
            return json.loads("".join(_strings(properties["DefinitionString"])))
    raise LookupError("no state machine whose name ends in -retrain: give an assembly of this project")


def _followers(state: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """States that can follow; True for those after an error."""
    yield from ((state[key], False) for key in ("Next", "Default") if key in state)
    yield from ((choice["Next"], False) for choice in state.get("Choices", []))
    yield from ((catch["Next"], True) for catch in state.get("Catch", []))


def _behind(states: Mapping[str, Any], name: str) -> tuple[str, str]:
    """The first state from here on that does something, and the first that was passed on the way.

    The former is empty where a branch ends.
    """
    passed = ""
    while name and states[name]["Type"] == "Pass":
        passed = passed or words(name).lower()
        name = states[name].get("Next", "")
    return name, passed


def _base(name: str) -> str:
    while (shorter := POLLING.sub("", name)) != name:
        name = shorter
    return name


def _shape(kind: str, name: str) -> str:
    text = f'"{words(name)}"'
    return {
        "Choice": f"{{{text}}}",
        "Wait": f"([{text}])",
        "Succeed": f"(({text}))",
        "Fail": f"(({text}))",
    }.get(kind, f"[{text}]")


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case {"Fn::Join": [separator, parts]}:
            yield str(separator).join("".join(_strings(part)) for part in parts)
        case dict():
            yield "x"


def _folder(resource: Any) -> str:
    """`raw/` of `<bucket>/raw/*`; only references to a bucket have one."""
    match resource:
        case {"Fn::Join": ["", [dict(), str(tail)]]} if tail.startswith("/"):
            return tail.strip("/*").split("/")[0] + "/"
    return ""


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _id(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _rank(stage: str) -> tuple[int, str]:
    return (STAGES.index(stage) if stage in STAGES else -1, stage)


def _mermaid(lines: list[str]) -> str:
    return "\n".join(["```mermaid", *lines, "```"])


def drawn(text: str, assembly: Assembly) -> str:
    """The document with each generated part made anew."""
    for part in (flow, access, crossings, machine):
        start, end = f"<!-- generated: {part.__name__} -->", "<!-- end of generated -->"
        if text.count(start) != 1:
            raise ValueError(f"{DOCUMENT.name} must hold the marker {start} once, got {text.count(start)}")
        before, rest = text.split(start)
        text = f"{before}{start}\n\n{part(assembly)}\n\n{end}{rest.split(end, 1)[1]}"
    return text


def synthesise(folder: Path, profile: str = PROFILE, *, is_paused: bool = False) -> Path:
    sys.path.insert(0, str(ROOT))
    # The Node beside this Python, and not one that the CDK warns about.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    import app as project
    import contracts
    from settings import settings_for

    app = project.start(outdir=str(folder))
    settings = settings_for(profile)
    chosen = settings.paused() if is_paused else settings
    project.build(app, chosen, contracts.load("flights")).synth()
    return folder


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(sys.argv[1]) if len(sys.argv) > 1 else synthesise(Path(folder))
        text = drawn(DOCUMENT.read_text(encoding="utf-8"), Assembly(made))
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
