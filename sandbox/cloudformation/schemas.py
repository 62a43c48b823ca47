"""What AWS says about a resource type: its properties, and which of them force a replacement.

From the registry schemas that cfn-lint carries, so nothing of this is our opinion.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from sandbox.cloudformation.errors import PropertyError

_CUSTOM = ("Custom::", "AWS::CloudFormation::CustomResource")


def is_custom(kind: str) -> bool:
    return kind.startswith(_CUSTOM)


@cache
def schema(kind: str) -> dict[str, Any]:
    """The schema of a resource type; KeyError if AWS has no such type."""
    root = files("cfnlint") / "data" / "schemas"
    found: dict[str, Any] = json.loads((root / "resources" / f"{_index()[kind]}.json").read_text())
    return found


@cache
def _index() -> dict[str, str]:
    root = files("cfnlint") / "data" / "schemas" / "providers"
    found: dict[str, str] = json.loads((root / "us-east-1.json").read_text())
    return found


def exists(kind: str) -> bool:
    return kind in _index()


def replacing(kind: str, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Paths of the properties whose change means a new physical resource."""
    if is_custom(kind):
        return [p for p in ("ServiceToken",) if old.get(p) != new.get(p)]
    paths = [path.removeprefix("/properties/") for path in schema(kind).get("createOnlyProperties", [])]
    return [path for path in paths if _at(old, path) != _at(new, path)]


def name_property(kind: str) -> str | None:
    """The property that gives the resource its physical name, if it is one that a template can set."""
    if is_custom(kind):
        return None
    definition = schema(kind)
    identifier = definition.get("primaryIdentifier", [])
    read_only = definition.get("readOnlyProperties", [])
    if len(identifier) != 1 or identifier[0] in read_only:
        return None
    name = str(identifier[0]).removeprefix("/properties/")
    return name if "string" in _types(definition["properties"].get(name, {})) else None


def tag_property(kind: str) -> tuple[str, bool] | None:
    """(property, whether it is a map) if stack tags reach the resource."""
    if is_custom(kind):
        return None
    definition = schema(kind)
    tagging = definition.get("tagging", {})
    if not tagging.get("taggable", False) or not tagging.get("tagOnCreate", True):
        return None
    name = str(tagging.get("tagProperty", "/properties/Tags")).removeprefix("/properties/")
    if name not in definition["properties"]:
        return None
    return name, "object" in _types(_follow(definition["properties"][name], definition))


def check(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    """The properties with the types that the schema asks for; PropertyError for what AWS would refuse."""
    if is_custom(kind):
        return properties
    definition = schema(kind)
    for path in definition.get("readOnlyProperties", []):
        name = path.removeprefix("/properties/")
        if "/" not in name and name in properties:
            raise PropertyError(f"{kind}: {name} is read-only and cannot be set")
    checked: dict[str, Any] = _value(properties, definition, definition, "#")
    return checked


def _value(value: Any, node: dict[str, Any], root: dict[str, Any], place: str) -> Any:
    node = _follow(node, root)
    types = _types(node)
    if isinstance(value, dict) and ("properties" in node or "patternProperties" in node):
        value = _object(value, node, root, place)
    elif isinstance(value, list) and "items" in node:
        items = node["items"]
        value = [_value(item, items, root, f"{place}/{number}") for number, item in enumerate(value)]
    elif types and not _is_type(value, types):
        value = _converted(value, types, place)
    _constraints(value, node, place)
    return value


def _object(value: dict[str, Any], node: dict[str, Any], root: dict[str, Any], place: str) -> dict[str, Any]:
    known = node.get("properties", {})
    patterns = node.get("patternProperties", {})
    found = {}
    for name, item in value.items():
        if name in known:
            found[name] = _value(item, known[name], root, f"{place}/{name}")
        elif sub := next((s for p, s in patterns.items() if _matches(p, name)), None):
            found[name] = _value(item, sub, root, f"{place}/{name}")
        elif node.get("additionalProperties") is False and (known or patterns):
            allowed = sorted(known) or list(patterns)
            raise PropertyError(f"{place}: extraneous key [{name}] is not permitted; allowed: {allowed}")
        else:
            found[name] = item
    if missing := [name for name in node.get("required", []) if name not in value]:
        raise PropertyError(f"{place}: required key {missing} not found")
    return found


def _follow(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = root
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = {**target, **{k: v for k, v in node.items() if k != "$ref"}}
    return node


def _types(node: dict[str, Any]) -> list[str]:
    types = node.get("type", [])
    return [types] if isinstance(types, str) else list(types)


def _is_type(value: Any, types: list[str]) -> bool:
    return any(
        (name == "string" and isinstance(value, str))
        or (name == "boolean" and isinstance(value, bool))
        or (name == "integer" and isinstance(value, int) and not isinstance(value, bool))
        or (name == "number" and isinstance(value, int | float) and not isinstance(value, bool))
        or (name == "object" and isinstance(value, dict))
        or (name == "array" and isinstance(value, list))
        for name in types
    )


def _converted(value: Any, types: list[str], place: str) -> Any:
    """CloudFormation converts between scalars: "300" is a number where one is wanted, and true is "true"."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, str | int | float):
        if "boolean" in types and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if "integer" in types and re.fullmatch(r"-?\d+(\.0+)?", text):
            return int(float(text))
        if "number" in types and re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", text):
            return float(text)
        if "string" in types:
            return text
        if types == ["object"] and text.lstrip().startswith("{"):
            return json.loads(text)
    raise PropertyError(
        f"{place}: expected type {' or '.join(types)}, found {type(value).__name__} ({text[:60]})"
    )


def _constraints(value: Any, node: dict[str, Any], place: str) -> None:
    if "enum" in node and value not in node["enum"]:
        raise PropertyError(f"{place}: {value!r} is not a valid enum value; allowed: {node['enum']}")
    if isinstance(value, str):
        if "pattern" in node and not _matches(node["pattern"], value):
            raise PropertyError(f"{place}: {value[:80]!r} does not match pattern {node['pattern']}")
        _bounds(len(value), node, "minLength", "maxLength", place, "length")
    elif isinstance(value, list):
        _bounds(len(value), node, "minItems", "maxItems", place, "number of items")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _bounds(value, node, "minimum", "maximum", place, "value")


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:  # a few schemas use expressions that only Java or JavaScript knows
        return True


def _bounds(size: float, node: dict[str, Any], low: str, high: str, place: str, what: str) -> None:
    if (low in node and size < node[low]) or (high in node and size > node[high]):
        raise PropertyError(
            f"{place}: {what} is {size}, allowed: {node.get(low, 'any')} to {node.get(high, 'any')}"
        )


def _at(value: Any, path: str) -> Any:
    for part in path.split("/"):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value
