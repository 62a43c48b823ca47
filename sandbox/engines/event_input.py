"""What a target receives: the event, a part of it, a constant, or a template filled from it."""

from __future__ import annotations

import json
import re
from typing import Any

_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.\-]+)>")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['([^']+)'\]")


class InputError(ValueError):
    """The target's input cannot be made from the event."""


def shape(target: dict[str, Any], event: dict[str, Any], *, rule_arn: str) -> str:
    """The target's input as JSON text."""
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath") is not None:
        return json.dumps(value_at(target["InputPath"], event))
    if transformer := target.get("InputTransformer"):
        return _transform(transformer, event, rule_arn)
    return json.dumps(event)


def value_at(path: str, document: Any) -> Any:
    """The value at a JSONPath like $.detail.items[0].id; None if there is none."""
    if path == "$":
        return document
    steps = _STEP.findall(path[1:])
    if not path.startswith("$") or "".join(_rebuilt(step) for step in steps) != path[1:]:
        raise InputError(f"path {path!r} is not known to the sandbox: allowed are $.a.b, $.a[0] and $['a']")
    for name, index, quoted in steps:
        try:
            document = document[int(index)] if index else document[name or quoted]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def _rebuilt(step: tuple[str, str, str]) -> str:
    name, index, quoted = step
    return f".{name}" if name else f"[{index}]" if index else f"['{quoted}']"


def _transform(transformer: dict[str, Any], event: dict[str, Any], rule_arn: str) -> str:
    values = {name: value_at(path, event) for name, path in transformer.get("InputPathsMap", {}).items()}
    values |= {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rsplit("/", 1)[-1],
        "aws.events.event.ingestion-time": event["time"],
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.event.json": event,
    }
    template = transformer["InputTemplate"]
    filled: list[str] = []
    end = 0
    for match in _PLACEHOLDER.finditer(template):
        filled.append(template[end : match.start()])
        end = match.end()
        if match[1] not in values:
            raise InputError(f"template uses <{match[1]}>, which InputPathsMap does not define")
        filled.append(_written(values[match[1]], inside_text="".join(filled).count('"') % 2 == 1))
    text = "".join([*filled, template[end:]])
    stripped = text.strip()
    if stripped.startswith(("{", "[")):
        try:
            json.loads(text)
        except ValueError as error:
            raise InputError(f"template gives no valid JSON: {error} in {text[:200]!r}") from error
    return text


def _written(value: Any, *, inside_text: bool) -> str:
    if inside_text:
        return value if isinstance(value, str) else "" if value is None else json.dumps(value)
    return json.dumps(value) if value is not None else '""'
