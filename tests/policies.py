"""The policies of a synthesised profile, as the audit reads them; intrinsics of properties as text."""

from __future__ import annotations

import json
from typing import Any

from audit.policies import Kind, Statement, statements
from audit.templates import Templates
from tests.conftest import Assembly


def identity_statements(assembly: Assembly, *, with_boundary: bool = False) -> list[Statement]:
    return _of(assembly, "identity", "boundary") if with_boundary else _of(assembly, "identity")


def boundary_statements(assembly: Assembly) -> list[Statement]:
    return _of(assembly, "boundary")


def resource_statements(assembly: Assembly, kind: str) -> list[Statement]:
    """Of what has a policy of its own, by the type that holds it."""
    found = [each for each in _of(assembly, "resource", "endpoint", "key") if each.holder.type == kind]
    assert found, f"no policy of a {kind}: the test would pass on empty templates"
    return found


def trust_statements(assembly: Assembly) -> list[Statement]:
    return _of(assembly, "trust")


def text(value: Any) -> str:
    """An ARN with its intrinsics spelled out, for a reader and for substring checks."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(text(part) for part in parts)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::ImportValue": name}:
            return f"<{text(name)}>"
        case {"Fn::Sub": body}:
            return body if isinstance(body, str) else body[0]
        case str():
            return value
    return json.dumps(value)


def _of(assembly: Assembly, *kinds: Kind) -> list[Statement]:
    documents = {
        stack: (assembly.directory / f"{stack}.template.json", template)
        for stack, template in assembly.templates.items()
    }
    found = [each for each in statements(Templates(documents)) if each.kind in kinds]
    assert found, f"no statement of kind {' or '.join(kinds)}: the test would pass on empty templates"
    return found
