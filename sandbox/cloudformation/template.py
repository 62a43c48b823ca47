"""A CloudFormation template: read from JSON or YAML, its sections checked, its resources put in order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from sandbox.cloudformation.errors import TemplateError, UnsupportedError, ValidationError

_SECTIONS = {
    "AWSTemplateFormatVersion", "Conditions", "Description", "Mappings", "Metadata", "Outputs", "Parameters",
    "Resources", "Rules",
}  # fmt: skip
_ATTRIBUTES = {
    "Condition", "CreationPolicy", "DeletionPolicy", "DependsOn", "Metadata", "Properties", "Type",
    "UpdatePolicy", "UpdateReplacePolicy",
}  # fmt: skip
_POLICIES = {"Delete", "Retain", "RetainExceptOnCreate", "Snapshot"}
# ${Name} and ${Name.Attribute}; ${!Literal} is text.
VARIABLE = re.compile(r"\$\{([^!{}][^{}]*)\}")


@dataclass(frozen=True)
class Template:
    """What was sent (`body`, kept for GetTemplate) and what it says (`content`)."""

    body: str
    content: dict[str, Any] = field(compare=False)

    @classmethod
    def parse(cls, body: str) -> Template:
        content = _load(body)
        if not isinstance(content, dict):
            raise ValidationError("template is not an object with a Resources section")
        template = cls(body, content)
        template._check()
        return template

    def section(self, name: str) -> dict[str, Any]:
        return self.content.get(name) or {}

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        return self.section("Resources")

    def _check(self) -> None:
        if "Transform" in self.content:
            raise UnsupportedError(
                f"template has Transform {self.content['Transform']}: macros are not run here"
            )
        if unknown := set(self.content) - _SECTIONS:
            raise ValidationError(f"invalid template property or properties {sorted(unknown)}")
        if not self.resources:
            raise ValidationError("at least one Resources member must be defined")
        for name, body in self.resources.items():
            _check_resource(name, body)
        for name, needs in self.dependencies.items():
            if missing := needs - set(self.resources):
                raise ValidationError(f"resource {name} depends on unknown resources {sorted(missing)}")
        known = set(self.resources) | set(self.section("Parameters"))
        for place in ("Resources", "Outputs"):
            used = {target for target in references(self.section(place)) if not target.startswith("AWS::")}
            if missing := used - known:
                raise ValidationError(
                    f"unresolved resource dependencies {sorted(missing)} in the {place} block of the template"
                )

    @cached_property
    def dependencies(self) -> dict[str, set[str]]:
        """For each resource those that have to exist before it, whether or not their conditions hold."""
        names = set(self.resources)
        found = {}
        for name, body in self.resources.items():
            explicit = body.get("DependsOn") or []
            explicit = {explicit} if isinstance(explicit, str) else set(explicit)
            found[name] = explicit | (set(references(body.get("Properties"))) & names)
        return found

    def ordered(self, names: Mapping[str, Any] | set[str]) -> list[str]:
        """These resources, each after all that it needs; in the template's order where that is free."""
        done: dict[str, bool] = {}  # False while it is being visited

        def visit(name: str, path: tuple[str, ...]) -> None:
            if done.get(name):
                return
            if name in done:
                raise ValidationError(f"circular dependency between resources: {' -> '.join((*path, name))}")
            done[name] = False
            for need in self.resources:
                if need in self.dependencies[name]:
                    visit(need, (*path, name))
            del done[name]
            done[name] = True  # reinserted, so that the dict is in the order of completion

        for name in self.resources:
            visit(name, ())
        return [name for name in done if name in names]


def _check_resource(name: str, body: Any) -> None:
    if not isinstance(body, dict) or not isinstance(body.get("Type"), str):
        raise ValidationError(f"resource {name} has no Type")
    if unknown := set(body) - _ATTRIBUTES:
        raise ValidationError(f"resource {name} has unknown attributes {sorted(unknown)}")
    for attribute in ("DeletionPolicy", "UpdateReplacePolicy"):
        if (policy := body.get(attribute, "Delete")) not in _POLICIES:
            raise ValidationError(f"resource {name}: {attribute} is {policy}, allowed: {sorted(_POLICIES)}")
    if "CreationPolicy" in body or "UpdatePolicy" in body:
        raise UnsupportedError(f"resource {name}: CreationPolicy and UpdatePolicy are not followed here")


def references(node: Any) -> Iterator[str]:
    """Logical names that a value refers to by Ref, Fn::GetAtt or Fn::Sub."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref" and isinstance(value, str):
                yield value
            elif key == "Fn::GetAtt":
                yield value[0] if isinstance(value, list) else value.split(".")[0]
            elif key == "Fn::Sub":
                text, values = value if isinstance(value, list) else (value, {})
                yield from (n for n in (m.split(".")[0] for m in VARIABLE.findall(text)) if n not in values)
                yield from references(values)
            else:
                yield from references(value)


def _load(body: str) -> Any:
    try:
        if body.lstrip().startswith("{"):
            return json.loads(body)
        return yaml.load(body, Loader=_Loader)  # noqa: S506 a SafeLoader with CloudFormation's tags
    except (ValueError, yaml.YAMLError) as error:
        raise ValidationError(f"template format error: {error}") from None


class _Loader(yaml.SafeLoader):
    """Short forms such as !Ref; dates stay text, as in AWSTemplateFormatVersion."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _short_form(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise TemplateError(f"unknown YAML node behind !{name}")
    if name in ("Ref", "Condition"):
        return {name: value}
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _short_form)
