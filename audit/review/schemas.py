"""Which property change replaces a resource, by AWS's registry schemas, which cfn-lint carries.

Beside the CDK's diff: it sees properties below others, and works without Node.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from audit.review.difference import at

_CUSTOM = ("Custom::", "AWS::CloudFormation::CustomResource")
_ROOT = "/properties/"


@cache
def create_only(kind: str) -> tuple[tuple[str, ...], ...]:
    """Places of the properties that only creation can set; none for a type that is not known."""
    if kind.startswith(_CUSTOM):
        return (("ServiceToken",),)
    name = _index().get(kind)
    if name is None:
        return ()
    text = (files("cfnlint") / "data" / "schemas" / "resources" / f"{name}.json").read_text(encoding="utf-8")
    listed = json.loads(text).get("createOnlyProperties", [])
    return tuple(tuple(each.removeprefix(_ROOT).split("/")) for each in listed)


@cache
def _index() -> Mapping[str, str]:
    path = files("cfnlint") / "data" / "schemas" / "providers" / "us-east-1.json"
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def replacing(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Properties whose change means another physical resource, as dotted names."""
    return [".".join(place) for place in create_only(kind) if at(old, *place) != at(new, *place)]
