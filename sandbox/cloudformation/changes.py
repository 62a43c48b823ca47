"""What a change set would do, told before it is done."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

from sandbox.cloudformation import schemas
from sandbox.cloudformation.engine import Target
from sandbox.cloudformation.errors import PropertyError
from sandbox.cloudformation.intrinsics import Unknown
from sandbox.cloudformation.model import Resource, Stack
from sandbox.cloudformation.resources import with_stack_tags


def changes(stack: Stack, target: Target) -> list[dict[str, Any]]:
    """The Changes of DescribeChangeSet, in the order in which they would be made."""
    found = []
    active = target.scope.active()
    for logical_id in target.template.ordered(active):
        body, resource = active[logical_id], stack.resources.get(logical_id)
        if resource is None:
            target.scope.resources[logical_id] = Unknown(logical_id)
            found.append(_change("Add", logical_id, body["Type"]))
            continue
        target.scope.resources[logical_id] = resource
        details = _details(resource, body, target)
        if not details:
            continue
        recreation = {detail["Target"]["RequiresRecreation"] for detail in details}
        replacement = (
            "True" if "Always" in recreation else "Conditional" if "Conditionally" in recreation else "False"
        )
        if replacement == "True":
            target.scope.resources[logical_id] = Unknown(logical_id)
        found.append(
            _change("Modify", logical_id, body["Type"], resource, Replacement=replacement, Details=details)
        )
    gone = [name for name in stack.resources if name not in active]
    return found + [
        _change("Remove", name, stack.resources[name].type, stack.resources[name]) for name in reversed(gone)
    ]


def _change(
    action: str, logical_id: str, kind: str, resource: Resource | None = None, **more: Any
) -> dict[str, Any]:
    change = {
        "Action": action,
        "LogicalResourceId": logical_id,
        "ResourceType": kind,
        "Scope": [],
        "Details": [],
    }
    if resource is not None:
        change["PhysicalResourceId"] = resource.physical_id
    if more.get("Details"):
        change["Scope"] = sorted({detail["Target"]["Attribute"] for detail in more["Details"]})
    return {"Type": "Resource", "ResourceChange": {**change, **more}}


def _details(resource: Resource, body: dict[str, Any], target: Target) -> list[dict[str, Any]]:
    kind, old = resource.type, resource.properties
    new = target.scope.resolve(copy.deepcopy(body.get("Properties") or {}))
    new = with_stack_tags(kind, new, target.tags)
    open_names = {name for name, value in new.items() if _has_unknown(value)}
    if not open_names and not schemas.is_custom(kind) and schemas.exists(kind):
        with suppress(PropertyError):  # executing will say so; here the values are compared as they are
            new = schemas.check(kind, new)
    known = {name: value for name, value in new.items() if name not in open_names}
    kept = {name: value for name, value in old.items() if name not in open_names}
    replacing = (
        {path.split("/")[0] for path in schemas.replacing(kind, kept, known)} if known != kept else set()
    )
    create_only = _create_only(kind)
    found = []
    for name in sorted(set(old) | set(new)):
        if name in open_names:
            recreation = "Conditionally" if name in create_only else "Never"
        elif old.get(name) != new.get(name):
            recreation = "Always" if name in replacing else "Never"
        else:
            continue
        found.append(_detail(name, recreation, dynamic=name in open_names))
    return found


def _detail(name: str, recreation: str, *, dynamic: bool) -> dict[str, Any]:
    attribute = "Tags" if name == "Tags" else "Properties"
    target = {"Attribute": attribute, "RequiresRecreation": recreation}
    if attribute == "Properties":
        target["Name"] = name
    return {
        "Target": target,
        "Evaluation": "Dynamic" if dynamic else "Static",
        "ChangeSource": "ResourceReference" if dynamic else "DirectModification",
    }


def _create_only(kind: str) -> set[str]:
    if schemas.is_custom(kind) or not schemas.exists(kind):
        return set()
    paths = schemas.schema(kind).get("createOnlyProperties", [])
    return {path.removeprefix("/properties/").split("/")[0] for path in paths}


def _has_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(_has_unknown, value))
    return isinstance(value, Unknown)
