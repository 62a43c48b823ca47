"""Event patterns of EventBridge as AWS documents them; an unknown operator is refused."""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

_MISSING = object()
_COMPARE = {"<": operator.lt, "<=": operator.le, "=": operator.eq, ">=": operator.ge, ">": operator.gt}


class PatternError(ValueError):
    """The pattern is not one that EventBridge takes."""


def check(pattern: Any, path: str = "") -> None:
    """Raises PatternError naming the place."""
    if not isinstance(pattern, dict) or not pattern:
        raise PatternError(f"pattern at {path or 'the top'} is {pattern!r}, allowed is an object with fields")
    for key, value in pattern.items():
        place = f"{path}.{key}" if path else key
        if key == "$or":
            if not isinstance(value, list) or len(value) < 2:
                raise PatternError(f"{place} takes a list of two or more patterns")
            for part in value:
                check(part, path)
        elif isinstance(value, dict):
            check(value, place)
        elif isinstance(value, list) and value:
            for condition in value:
                _check_condition(condition, place)
        else:
            raise PatternError(f"{place} is {value!r}, allowed is an object or a list that is not empty")


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    """True if every field of the pattern matches."""
    for key, value in pattern.items():
        if key == "$or":
            if not any(matches(part, event) for part in value):
                return False
        elif isinstance(value, dict):
            found = event.get(key, _MISSING) if isinstance(event, dict) else _MISSING
            # Objects in a list: one of them has to match.
            candidates = found if isinstance(found, list) else [found if isinstance(found, dict) else {}]
            if not any(isinstance(item, dict) and matches(value, item) for item in candidates):
                return False
        elif not _field_matches(value, event.get(key, _MISSING)):
            return False
    return True


def _field_matches(conditions: list[Any], found: Any) -> bool:
    values = found if isinstance(found, list) else [found]
    return any(_condition_matches(condition, found, values) for condition in conditions)


def _condition_matches(condition: Any, found: Any, values: Iterable[Any]) -> bool:
    if not isinstance(condition, dict):
        return any(_same(condition, value) for value in values)
    ((name, argument),) = condition.items()
    if name == "exists":
        leaf = found is not _MISSING and not isinstance(found, dict)
        return leaf == argument
    return any(value is not _MISSING and _OPERATORS[name](argument, value) for value in values)


def _same(wanted: Any, value: Any) -> bool:
    # In JSON true is not 1, in Python it is.
    return value is not _MISSING and isinstance(wanted, bool) == isinstance(value, bool) and wanted == value


def _text(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def apply(argument: Any, value: Any) -> bool:
        if not isinstance(value, str):
            return False
        if isinstance(argument, dict):
            wanted = argument["equals-ignore-case"]
            return test(wanted.lower(), value.lower())
        return any(test(wanted, value) for wanted in (argument if isinstance(argument, list) else [argument]))

    return apply


def _anything_but(argument: Any, value: Any) -> bool:
    if isinstance(argument, dict):
        ((name, inner),) = argument.items()
        return not _OPERATORS[name](inner, value)
    return not any(
        _same(wanted, value) for wanted in (argument if isinstance(argument, list) else [argument])
    )


def _numeric(argument: list[Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return all(
        _COMPARE[sign](value, number) for sign, number in zip(argument[::2], argument[1::2], strict=True)
    )


def _cidr(argument: str, value: Any) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(argument)
    except ValueError:
        return False


def _wildcard(pattern: str, value: str) -> bool:
    parts = re.split(r"(\\\*|\\\\|\*)", pattern)
    expression = "".join(
        ".*" if part == "*" else re.escape(part[1:] if part in (r"\*", r"\\") else part) for part in parts
    )
    return re.fullmatch(expression, value, re.DOTALL) is not None


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "prefix": _text(lambda wanted, value: value.startswith(wanted)),
    "suffix": _text(lambda wanted, value: value.endswith(wanted)),
    "equals-ignore-case": _text(lambda wanted, value: value.lower() == wanted.lower()),
    "wildcard": _text(_wildcard),
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
}


def _check_condition(condition: Any, place: str) -> None:
    if not isinstance(condition, dict):
        if isinstance(condition, list):
            raise PatternError(f"{place} holds a list in a list")
        return
    names = list(condition)
    if len(names) != 1 or (names[0] not in _OPERATORS and names[0] != "exists"):
        raise PatternError(
            f"{place} has the operator {names}, allowed is one of exists, {', '.join(_OPERATORS)}"
        )
    argument = condition[names[0]]
    if names[0] == "exists" and not isinstance(argument, bool):
        raise PatternError(f"{place}: exists takes true or false, got {argument!r}")
    if names[0] == "numeric":
        signs = argument[::2] if isinstance(argument, list) else []
        if not signs or len(argument) % 2 or any(sign not in _COMPARE for sign in signs):
            raise PatternError(
                f"{place}: numeric takes pairs of {', '.join(_COMPARE)} and a number, got {argument!r}"
            )
    if names[0] == "anything-but" and isinstance(argument, dict) and set(argument) - {
        "prefix", "suffix", "equals-ignore-case", "wildcard",
    }:  # fmt: skip
        raise PatternError(f"{place}: anything-but takes no {list(argument)}")
