"""Object keys of Firehose: prefix expressions, checked when a stream is created, evaluated per object."""

from __future__ import annotations

import re
import secrets
import string
import uuid
from collections.abc import Mapping
from datetime import datetime

_EXPRESSION = re.compile(r"!\{([^{}]*)\}")
_DATE = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "DDD": "%j"}
_DATE_PART = re.compile(r"'[^']*'|([a-zA-Z])\1*|[^a-zA-Z']+")
_DEFAULT_DATE = "!{timestamp:yyyy/MM/dd/HH}/"


class PrefixError(ValueError):
    """A prefix that AWS would refuse."""


def check(prefix: str, error_prefix: str, *, dynamic: bool) -> None:
    """AWS's rules for the two prefixes of one destination."""
    for name, text in (("Prefix", prefix), ("ErrorOutputPrefix", error_prefix)):
        if text.replace("!{", "").count("!{") or "!{" in _EXPRESSION.sub("", text):
            raise PrefixError(
                f"{name} {text!r} has an expression that is not closed: write !{{namespace:value}}"
            )
        for namespace, value in _expressions(text):
            _check_expression(name, namespace, value)
    if _expressions(prefix) and "error-output-type" not in error_prefix:
        raise PrefixError(
            f"ErrorOutputPrefix is {error_prefix!r}: must contain !{{firehose:error-output-type}} "
            "when Prefix contains expressions"
        )
    keyed = any(namespace.startswith("partitionKey") for namespace, _ in _expressions(prefix))
    if keyed != dynamic:
        raise PrefixError(
            f"Prefix {prefix!r} {'uses' if keyed else 'uses no'} partition keys "
            f"but dynamic partitioning is {'on' if dynamic else 'off'}"
        )
    if any(namespace.startswith("partitionKey") for namespace, _ in _expressions(error_prefix)):
        raise PrefixError(f"ErrorOutputPrefix {error_prefix!r} must not use partition keys")


def partition_keys(prefix: str) -> tuple[str, ...]:
    """Keys that the transform function has to give, in the order of the prefix."""
    return tuple(dict.fromkeys(v for n, v in _expressions(prefix) if n == "partitionKeyFromLambda"))


def folder(prefix: str, arrival: datetime, *, keys: Mapping[str, str], error_type: str = "") -> str:
    """The evaluated prefix; arrival is of the object's oldest record, in the stream's time zone."""
    used = {namespace for namespace, _ in _expressions(prefix)}
    if error_type and "error-output-type" not in prefix:
        prefix += f"{error_type}/"
    if "timestamp" not in used and "partitionKeyFromLambda" not in used:
        prefix += _DEFAULT_DATE

    def value(match: re.Match[str]) -> str:
        namespace, _, argument = match[1].partition(":")
        if namespace == "timestamp":
            return _date(arrival, argument)
        if namespace == "partitionKeyFromLambda":
            return keys[argument]
        if argument == "error-output-type":
            return error_type
        return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(11))

    return _EXPRESSION.sub(value, prefix)


def object_name(stream: str, version: str, written: datetime, extension: str) -> str:
    return f"{stream}-{version}-{written:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}{extension}"


def _expressions(prefix: str) -> list[tuple[str, str]]:
    found = []
    for match in _EXPRESSION.finditer(prefix):
        namespace, _, argument = match[1].partition(":")
        found.append((namespace, argument))
    return found


def _check_expression(name: str, namespace: str, value: str) -> None:
    if namespace == "timestamp":
        _date(datetime(2000, 1, 1), value)  # noqa: DTZ001 - only the pattern is tried
    elif namespace == "firehose":
        allowed = ("error-output-type", "random-string")
        if value not in allowed:
            raise PrefixError(f"{name} has firehose:{value}; allowed: {', '.join(allowed)}")
        if value == "error-output-type" and name == "Prefix":
            raise PrefixError("Prefix must not contain !{firehose:error-output-type}")
    elif namespace == "partitionKeyFromQuery":
        raise PrefixError(
            f"{name} uses partitionKeyFromQuery, which the sandbox does not implement: use a function"
        )
    elif namespace != "partitionKeyFromLambda":
        raise PrefixError(
            f"{name} has the namespace {namespace!r}; allowed: timestamp, firehose, partitionKeyFromLambda"
        )


def _date(moment: datetime, pattern: str) -> str:
    parts = []
    for match in _DATE_PART.finditer(pattern):
        text = match[0]
        if text.startswith("'"):
            parts.append(text.strip("'"))
        elif text[0].isalpha():
            if text not in _DATE:
                raise PrefixError(f"timestamp pattern {text!r} is not one of {', '.join(_DATE)}")
            parts.append(moment.strftime(_DATE[text]))
        else:
            parts.append(text)
    return "".join(parts)
