"""Values of a template: intrinsic functions, conditions, mappings, dynamic references; unknown ones fail."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.cloudformation.errors import TemplateError, UnsupportedError
from sandbox.cloudformation.template import VARIABLE, Template

NO_VALUE = object()
_DYNAMIC = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^}]*)\}\}")


@dataclass(frozen=True)
class Unknown:
    """The value of something that a change set would make or replace: known only after deployment."""

    name: str


@dataclass(kw_only=True)
class Scope:
    """Where names are looked up while a template is resolved."""

    template: Template
    parameters: Mapping[str, Any]
    pseudo: Mapping[str, Any]
    export: Callable[[str], str]
    dynamic: Callable[[str, str], str]  # service, rest of the reference
    zones: Callable[[], list[str]]
    resources: dict[str, Any] = field(default_factory=dict)  # logical id -> has .physical_id and .attributes
    _conditions: dict[str, bool] = field(default_factory=dict)

    def condition(self, name: str) -> bool:
        if name not in self._conditions:
            definitions = self.template.section("Conditions")
            if name not in definitions:
                raise TemplateError(f"condition {name} is not defined; there are: {sorted(definitions)}")
            self._conditions[name] = _boolean(self.resolve(definitions[name]), name)
        return self._conditions[name]

    def holds(self, body: Mapping[str, Any]) -> bool:
        """Whether a resource or output is to exist."""
        return "Condition" not in body or self.condition(body["Condition"])

    def active(self) -> dict[str, dict[str, Any]]:
        return {name: body for name, body in self.template.resources.items() if self.holds(body)}

    def resolve(self, node: Any) -> Any:
        """The value behind a node; entries that are AWS::NoValue are left out of lists and objects."""
        if isinstance(node, str):
            return self._dynamic(node)
        if isinstance(node, list):
            return [value for value in map(self.resolve, node) if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name == "Ref" and isinstance(argument, str):
                return self.ref(argument)
            if (
                name == "Condition"
                and isinstance(argument, str)
                and argument in self.template.section("Conditions")
            ):
                return self.condition(argument)
            if name.startswith("Fn::"):
                return self._function(name, argument)
        found = {key: self.resolve(value) for key, value in node.items()}
        return {key: value for key, value in found.items() if value is not NO_VALUE}

    def ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        for values in (self.pseudo, self.parameters):
            if name in values:
                return values[name]
        resource = self._resource(name)
        return resource if isinstance(resource, Unknown) else resource.physical_id

    def attribute(self, name: str, path: str) -> Any:
        resource = self._resource(name)
        if isinstance(resource, Unknown):
            return Unknown(f"{name}.{path}")
        if path in resource.attributes:
            return resource.attributes[path]
        raise TemplateError(
            f"Fn::GetAtt {name}.{path}: {resource.type} has no such attribute here; "
            f"there are: {sorted(resource.attributes)}"
        )

    def _resource(self, name: str) -> Any:
        if name not in self.resources:
            raise TemplateError(f"reference to {name}, which does not exist (is its condition false?)")
        return self.resources[name]

    def _function(self, name: str, argument: Any) -> Any:
        function = _FUNCTIONS.get(name)
        if function is None:
            raise UnsupportedError(
                f"intrinsic function {name} is not supported; there are: {sorted(_FUNCTIONS)}"
            )
        return function(self, argument)

    def _dynamic(self, text: str) -> str:
        """Dynamic references, also inside a longer text."""
        return (
            _DYNAMIC.sub(lambda match: self.dynamic(match[1], match[2]), text)
            if "{{resolve:" in text
            else text
        )


def _boolean(value: Any, place: str) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise TemplateError(f"condition {place} is {value!r}, allowed: true or false")


def _get_att(scope: Scope, argument: Any) -> Any:
    name, path = argument.split(".", 1) if isinstance(argument, str) else (argument[0], argument[1])
    return scope.attribute(name, scope.resolve(path))


def _sub(scope: Scope, argument: Any) -> Any:
    text, values = argument if isinstance(argument, list) else (argument, {})
    values = {key: scope.resolve(value) for key, value in values.items()}
    unknown: list[Unknown] = []

    def replace(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name in values:
            value = values[name]
        elif "." in name:
            value = scope.attribute(*name.split(".", 1))
        else:
            value = scope.ref(name)
        if isinstance(value, Unknown):
            unknown.append(value)
            return match[0]
        if isinstance(value, dict | list) or value is NO_VALUE:
            raise TemplateError(f"Fn::Sub: ${{{name}}} is {type(value).__name__}, allowed: a string")
        return _text(value)

    result = scope._dynamic(VARIABLE.sub(replace, text).replace("${!", "${"))
    return Unknown(text) if unknown else result


def _join(scope: Scope, argument: Any) -> Any:
    delimiter, items = argument[0], scope.resolve(argument[1])
    if isinstance(items, Unknown) or any(isinstance(item, Unknown) for item in items):
        return Unknown(json.dumps(argument, default=str))
    if not isinstance(items, list):
        raise TemplateError(f"Fn::Join: second argument is {items!r}, allowed: a list")
    return scope._dynamic(delimiter.join(_text(item) for item in items))


def _select(scope: Scope, argument: Any) -> Any:
    index, items = int(scope.resolve(argument[0])), scope.resolve(argument[1])
    if isinstance(items, Unknown):
        return items
    if not 0 <= index < len(items):
        raise TemplateError(f"Fn::Select: index {index}, allowed: 0 to {len(items) - 1}")
    return items[index]


def _split(scope: Scope, argument: Any) -> Any:
    text = scope.resolve(argument[1])
    return text if isinstance(text, Unknown) else text.split(argument[0])


def _find_in_map(scope: Scope, argument: Any) -> Any:
    name, first, second = (scope.resolve(part) for part in argument[:3])
    try:
        return scope.resolve(scope.template.section("Mappings")[name][first][second])
    except KeyError:
        if len(argument) > 3 and "DefaultValue" in argument[3]:
            return scope.resolve(argument[3]["DefaultValue"])
        raise TemplateError(f"Fn::FindInMap: no value at {name}.{first}.{second}") from None


def _if(scope: Scope, argument: Any) -> Any:
    return scope.resolve(argument[1] if scope.condition(argument[0]) else argument[2])


def _equals(scope: Scope, argument: Any) -> bool:
    left, right = scope.resolve(argument[0]), scope.resolve(argument[1])
    return left == right if isinstance(left, dict | list) else _text(left) == _text(right)


def _cidr(scope: Scope, argument: Any) -> list[str]:
    block, count = scope.resolve(argument[0]), int(scope.resolve(argument[1]))
    network = ipaddress.ip_network(block)
    bits = int(scope.resolve(argument[2])) if len(argument) > 2 else 64 if network.version == 6 else 8
    subnets = network.subnets(new_prefix=network.max_prefixlen - bits)
    found = [str(subnet) for subnet, _ in zip(subnets, range(count), strict=False)]
    if len(found) < count:
        raise TemplateError(f"Fn::Cidr: {block} holds {len(found)} blocks of {bits} bits, asked for {count}")
    return found


def _base64(scope: Scope, argument: Any) -> Any:
    text = scope.resolve(argument)
    return text if isinstance(text, Unknown) else base64.b64encode(text.encode()).decode()


def _import(scope: Scope, argument: Any) -> Any:
    return scope.export(scope.resolve(argument))


def _contains(scope: Scope, argument: Any) -> bool:
    return _text(scope.resolve(argument[1])) in [_text(item) for item in scope.resolve(argument[0])]


def _each_member_in(scope: Scope, argument: Any) -> bool:
    return set(map(_text, scope.resolve(argument[0]))) <= set(map(_text, scope.resolve(argument[1])))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_FUNCTIONS: dict[str, Callable[[Scope, Any], Any]] = {
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::FindInMap": _find_in_map,
    "Fn::If": _if,
    "Fn::GetAZs": lambda scope, _: scope.zones(),
    "Fn::Cidr": _cidr,
    "Fn::Base64": _base64,
    "Fn::ImportValue": _import,
    "Fn::Equals": _equals,
    "Fn::And": lambda scope, items: all(_boolean(scope.resolve(item), "in Fn::And") for item in items),
    "Fn::Or": lambda scope, items: any(_boolean(scope.resolve(item), "in Fn::Or") for item in items),
    "Fn::Not": lambda scope, items: not _boolean(scope.resolve(items[0]), "in Fn::Not"),
    # Only in the Rules section:
    "Fn::Contains": _contains,
    "Fn::EachMemberIn": _each_member_in,
    "Fn::EachMemberEquals": lambda scope, a: (
        {_text(i) for i in scope.resolve(a[0])} <= {_text(scope.resolve(a[1]))}
    ),
}
