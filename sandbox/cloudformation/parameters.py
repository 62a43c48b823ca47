"""Parameters of a stack: what was given, checked as the template demands; SSM types are looked up."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.cloudformation.errors import ValidationError
from sandbox.cloudformation.template import Template

_SSM = re.compile(r"AWS::SSM::Parameter::Value<(.+)>$")
_PLAIN = re.compile(r"(String|Number|CommaDelimitedList|List<.+>|AWS::[A-Za-z0-9]+::[A-Za-z0-9:]+)$")


def given(
    template: Template, parameters: list[dict[str, Any]], previous: Mapping[str, str], *, keep: bool
) -> dict[str, str]:
    """Name -> text of every parameter of the template; defaults filled in, SSM names not yet looked up.

    previous holds what the stack has; keep says that the template is the previous one, too.
    """
    definitions = template.section("Parameters")
    values = {name: str(body["Default"]) for name, body in definitions.items() if "Default" in body}
    for parameter in parameters:
        name = parameter["ParameterKey"]
        if name not in definitions:
            raise ValidationError(f"parameters: [{name}] do not exist in the template")
        if parameter.get("UsePreviousValue"):
            if name not in previous:
                raise ValidationError(f"parameter {name} has no previous value; give ParameterValue")
            values[name] = previous[name]
        else:
            values[name] = str(parameter.get("ParameterValue", ""))
    if keep:
        values = {
            **values,
            **{k: v for k, v in previous.items() if k in definitions and k not in _named(parameters)},
        }
    if missing := set(definitions) - set(values):
        raise ValidationError(f"parameters: [{', '.join(sorted(missing))}] must have values")
    for name, value in values.items():
        _check(name, definitions[name], value)
    return values


def resolved(template: Template, values: Mapping[str, str], ssm: Callable[[str], str]) -> dict[str, Any]:
    """Name -> what Ref gives: text, or a list for the list types."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        kind = template.section("Parameters")[name]["Type"]
        if match := _SSM.match(kind):
            value, kind = ssm(value), match[1]
        is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
        found[name] = [part.strip() for part in value.split(",")] if is_list else value
    return found


def is_ssm(definition: Mapping[str, Any]) -> bool:
    return bool(_SSM.match(definition.get("Type", "")))


def _named(parameters: list[dict[str, Any]]) -> set[str]:
    return {parameter["ParameterKey"] for parameter in parameters}


def _check(name: str, definition: Mapping[str, Any], value: str) -> None:
    kind = definition.get("Type", "")
    if not (_SSM.match(kind) or _PLAIN.match(kind)):
        raise ValidationError(f"parameter {name} has unknown type {kind!r}")
    if _SSM.match(kind):
        return
    hint = definition.get("ConstraintDescription", "")
    items = value.split(",") if kind == "CommaDelimitedList" or kind.startswith("List<") else [value]
    allowed = [str(item) for item in definition.get("AllowedValues", [])]
    for item in items:
        if allowed and item.strip() not in allowed:
            raise ValidationError(f"parameter {name} is {item!r}, allowed: {allowed} {hint}".strip())
        if (pattern := definition.get("AllowedPattern")) and not re.fullmatch(pattern, item):
            raise ValidationError(f"parameter {name} must match pattern {pattern} {hint}".strip())
        _check_size(name, definition, item, number=kind in ("Number", "List<Number>"))


def _check_size(name: str, definition: Mapping[str, Any], value: str, *, number: bool) -> None:
    try:
        size = float(value) if number else len(value)
    except ValueError:
        raise ValidationError(f"parameter {name} is {value!r}, allowed: a number") from None
    low, high = ("MinValue", "MaxValue") if number else ("MinLength", "MaxLength")
    if size < float(definition.get(low, "-inf")) or size > float(definition.get(high, "inf")):
        raise ValidationError(
            f"parameter {name} is {value!r}, allowed: {low} {definition.get(low, 'none')}, "
            f"{high} {definition.get(high, 'none')}"
        )
