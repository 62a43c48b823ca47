"""Templates as a graph: every resource of every stack, its intrinsics spelled out across the stacks.

A value that only AWS knows stays readable: `<AccountId>`, `<Region>`, `<Partition>`, `<Data/LakeRaw1A2B>` for
the name that CloudFormation will give a resource, `<Data/Stream.Arn>` for an attribute of a type whose ARN is
not known here. Policies and properties then compare as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from audit.arns import ARNS, PSEUDO, REF_IS_ARN

Json = Any
_SUB = re.compile(r"\$\{([^!}][^}]*)\}")


class InputError(ValueError):
    """The folder or a file cannot be audited; the message names it and says why."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """`properties` with intrinsics spelled out; `address` is <stack>/<logical id>; `path` the construct's."""

    stack: str
    logical_id: str
    type: str
    properties: Mapping[str, Json]
    path: str
    file: Path
    raw: Mapping[str, Json] = field(repr=False)

    @property
    def address(self) -> str:
        return f"{self.stack}/{self.logical_id}"

    def get(self, *names: str, default: Json = None) -> Json:
        """A property below properties; the default where a step is missing."""
        value: Json = self.properties
        for name in names:
            if not isinstance(value, Mapping) or name not in value:
                return default
            value = value[name]
        return value


class Templates:
    """All stacks of one deployment, read together: one stack's import is another one's export."""

    def __init__(self, documents: Mapping[str, tuple[Path, Mapping[str, Json]]]) -> None:
        self._documents = documents
        self._exports = self._read_exports()

    def only(self, stacks: Collection[str]) -> Templates:
        """Some of the stacks by themselves, for example those of one Region."""
        return Templates({name: body for name, body in self._documents.items() if name in stacks})

    @classmethod
    def read(cls, folder: Path) -> Templates:
        """Every template below an assembly or any folder (*.template.json, *.json, *.yaml); InputError."""
        if not folder.exists():
            raise InputError(
                f"{folder}: no such file or folder; give the folder of `cdk synth`, or a template"
            )
        documents: dict[str, tuple[Path, Mapping[str, Json]]] = {}
        for path in _candidates(folder):
            document = _parse(path)
            if document is None:
                continue
            name = path.name.split(".")[0]
            if name in documents:
                name = str(path.relative_to(folder).parent / name).replace("/", ".")
            documents[name] = (path, document)
        if not documents:
            raise InputError(
                f"{folder}: no CloudFormation template in it (a JSON or YAML object with `Resources`); "
                "run `cdk synth` first, or give the folder that holds the templates"
            )
        return cls(documents)

    @cached_property
    def resources(self) -> list[Resource]:
        return [
            Resource(
                stack=stack,
                logical_id=logical_id,
                type=str(entry.get("Type", "")),
                properties=self.resolve(stack, entry.get("Properties") or {}) or {},
                path=str(
                    (entry.get("Metadata") or {}).get("aws:cdk:path")
                    or paths.get(logical_id)
                    or f"{stack}/{logical_id}"
                ).removesuffix("/Resource"),
                file=file,
                raw=entry,
            )
            for stack, (file, document) in self._documents.items()
            for paths in [_paths_beside(file)]
            for logical_id, entry in document["Resources"].items()
        ]

    @cached_property
    def by_address(self) -> dict[str, Resource]:
        return {resource.address: resource for resource in self.resources}

    @property
    def stacks(self) -> list[str]:
        return list(self._documents)

    @property
    def documents(self) -> dict[str, tuple[Path, Json]]:
        """File and content of each stack's template, as they were read."""
        return dict(self._documents)

    @property
    def files(self) -> dict[str, Path]:
        """By stack."""
        return {stack: file for stack, (file, _) in self._documents.items()}

    @cached_property
    def exports(self) -> dict[str, Json]:
        """Name of an export -> its value, spelled out."""
        return {name: self.resolve(home, value) for name, (home, value) in self._exports.items()}

    def of(self, *types: str) -> list[Resource]:
        return [resource for resource in self.resources if resource.type in types]

    def arn(self, resource: Resource) -> str:
        """As policies of these templates name it; `<address.Arn>` for a type that ARNS does not know."""
        return self._arn(resource.stack, resource.logical_id)

    def resolve(self, stack: str, value: Json) -> Json:
        """Intrinsics spelled out, as far as the templates say; None for AWS::NoValue."""
        match value:
            case dict() if len(value) == 1 and (name := next(iter(value))) in self._intrinsics:
                return self._spelled(stack, name, value[name])
            case dict():
                resolved = {key: self.resolve(stack, entry) for key, entry in value.items()}
                return {key: entry for key, entry in resolved.items() if entry is not None}
            case list():
                return [entry for entry in (self.resolve(stack, each) for each in value) if entry is not None]
        return value

    def _spelled(self, stack: str, name: str, given: Json) -> Json:
        try:
            return self._intrinsics[name](stack, given)
        except InputError:
            raise
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{self._documents[stack][0]}: {name} cannot be read, got {_text(given)[:200]}; "
                "CloudFormation would refuse it too: write the function as its reference says"
            ) from error

    @cached_property
    def _intrinsics(self) -> Mapping[str, Callable[[str, Json], Json]]:
        return {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::ImportValue": self._import,
            "Fn::Join": self._join,
            "Fn::Sub": self._sub,
            "Fn::Select": self._select,
            "Fn::Split": lambda stack, given: _text(self.resolve(stack, given[1])).split(str(given[0])),
            "Fn::If": self._if,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAZs": lambda _stack, _given: [f"<Region>{letter}" for letter in "abc"],
            "Fn::Base64": self.resolve,
        }

    def _get_att(self, stack: str, target: Json) -> Json:
        logical_id, _, attribute = (
            target.partition(".") if isinstance(target, str) else (target[0], "", ".".join(target[1:]))
        )
        return self._attribute(stack, logical_id, attribute)

    def _join(self, stack: str, given: Json) -> str:
        if not isinstance(given, list):
            raise TypeError(type(given).__name__)
        parts = self.resolve(stack, given[1])
        return str(given[0]).join(map(_text, parts)) if isinstance(parts, list) else _text(parts)

    def _select(self, stack: str, given: Json) -> Json:
        index, parts = str(given[0]), self.resolve(stack, given[1])
        is_there = isinstance(parts, list) and index.isdigit() and int(index) < len(parts)
        return parts[int(index)] if is_there else f"<{_text(parts)}[{index}]>"

    def _if(self, stack: str, given: Json) -> Json:
        """What is on under some condition counts: an audit looks at everything that can be deployed."""
        chosen = self.resolve(stack, given[1])
        return chosen if chosen is not None else self.resolve(stack, given[2])

    def _find_in_map(self, stack: str, given: Json) -> str:
        keys = ",".join(_text(self.resolve(stack, key)) for key in given[1:])
        return f"<{_text(given[0])}:{keys}>"

    def _entry(self, stack: str, logical_id: str) -> Mapping[str, Json] | None:
        found: Mapping[str, Json] | None = self._documents[stack][1]["Resources"].get(logical_id)
        return found

    def _ref(self, stack: str, name: str) -> Json:
        if name in PSEUDO:
            return PSEUDO[name]
        entry = self._entry(stack, name)
        if entry is None:
            parameter = (self._documents[stack][1].get("Parameters") or {}).get(name) or {}
            return parameter.get("Default", f"<{stack}/{name}>")
        if entry.get("Type") in REF_IS_ARN:
            return self._arn(stack, name)
        return self._name(stack, name)

    def _name(self, stack: str, logical_id: str) -> str:
        entry = self._entry(stack, logical_id) or {}
        key = ARNS.get(str(entry.get("Type")), ("", ""))[0]
        if key == "DatabaseName":
            given = ((entry.get("Properties") or {}).get("DatabaseInput") or {}).get("Name")
        else:
            given = (entry.get("Properties") or {}).get(key) if key else None
        return _text(self.resolve(stack, given)) if given is not None else f"<{stack}/{logical_id}>"

    def _arn(self, stack: str, logical_id: str) -> str:
        entry = self._entry(stack, logical_id) or {}
        known = ARNS.get(str(entry.get("Type")))
        if known is None:
            return f"<{stack}/{logical_id}.Arn>"
        properties = entry.get("Properties") or {}
        path = properties.get("Path") or properties.get("ManagedPolicyPath") or "/"
        return known[1].format(name=self._name(stack, logical_id), path=_text(self.resolve(stack, path)))

    def _attribute(self, stack: str, logical_id: str, attribute: str) -> Json:
        if attribute == "Arn" or attribute.endswith("Arn"):
            entry = self._entry(stack, logical_id) or {}
            if str(entry.get("Type")) in ARNS:
                return self._arn(stack, logical_id)
        return f"<{stack}/{logical_id}.{attribute}>"

    def _sub(self, stack: str, body: Json) -> str:
        if not isinstance(body, str | list):  # filled in by a macro or another tool, which has not run yet
            return _text(self.resolve(stack, body))
        text, given = (body, {}) if isinstance(body, str) else (body[0], body[1] if len(body) > 1 else {})

        def value(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name in given:
                return _text(self.resolve(stack, given[name]))
            if "." in name and not name.startswith("AWS::"):
                logical_id, _, attribute = name.partition(".")
                return _text(self._attribute(stack, logical_id, attribute))
            return _text(self._ref(stack, name))

        return _SUB.sub(value, str(text)).replace("${!", "${")

    def _import(self, stack: str, name: Json) -> Json:
        wanted = _text(self.resolve(stack, name))
        if wanted not in self._exports:
            return f"<import {wanted}>"
        home, value = self._exports[wanted]
        return self.resolve(home, value)

    def _read_exports(self) -> dict[str, tuple[str, Json]]:
        return {
            _text(self.resolve(stack, output["Export"]["Name"])): (stack, output.get("Value"))
            for stack, (_, document) in self._documents.items()
            for output in (document.get("Outputs") or {}).values()
            if isinstance(output, Mapping) and "Export" in output
        }


def _candidates(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    assembly = sorted(folder.rglob("*.template.json"))
    if assembly:
        yield from assembly
        return
    # Of an asset's content nothing is a template, whatever it looks like.
    for path in sorted(folder.rglob("*")):
        inside_asset = any(
            part.startswith(("asset.", ".", "node_modules")) for part in path.relative_to(folder).parts
        )
        if path.suffix in {".json", ".yaml", ".yml", ".template"} and not inside_asset:
            yield path


def _paths_beside(template: Path) -> dict[str, str]:
    """Logical id -> construct path, for an assembly made without the paths in its templates (as tests do)."""
    beside = template.with_name(template.name.split(".")[0] + ".metadata.json")
    try:
        entries = json.loads(beside.read_text(encoding="utf-8")).items()
        return {
            str(entry["data"]): str(path).lstrip("/")
            for path, listed in entries
            for entry in listed
            if entry["type"] == "aws:cdk:logicalId"
        }
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}  # none, or something else of that name


def _parse(path: Path) -> Mapping[str, Json] | None:
    """None for a file that is something else; InputError for a template that cannot be read."""
    text = path.read_text(encoding="utf-8", errors="replace")
    is_named_so = path.name.endswith(".template.json")
    try:
        document = json.loads(text) if path.suffix == ".json" else _yaml(path)
    except ValueError as error:
        raise InputError(f"{path}: cannot be read as {path.suffix.lstrip('.')} ({error})") from error
    if not isinstance(document, Mapping) or not isinstance(document.get("Resources"), Mapping):
        if is_named_so:
            raise InputError(f"{path}: a template without `Resources`, which must be an object")
        return None
    wrong = [name for name, entry in document["Resources"].items() if not isinstance(entry, Mapping)]
    if wrong:
        raise InputError(f"{path}: resource {wrong[0]} is no object with a `Type`")
    return document


def _yaml(path: Path) -> Json:
    from cfnlint.decode import cfn_yaml  # knows the short forms (!Ref, !GetAtt)

    try:
        return json.loads(json.dumps(cfn_yaml.load(str(path)), default=str))
    except Exception as error:
        raise ValueError(str(error)) from error


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
