"""The condition operators of IAM, with IfExists, ForAllValues, ForAnyValue and Null."""

import base64
import datetime as dt
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.iam.patterns import ArnPattern, Context, Pattern

Test = Callable[[str, Context], bool]


class PolicyError(Exception):
    """A policy says something that IAM does not know."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    key: str  # as written, for the record
    lower: str
    operator: str
    quantifier: str  # "" | ForAllValues | ForAnyValue
    if_exists: bool
    negated: bool
    tests: tuple[Test, ...]
    absent: bool = False  # operator Null: True when the key must be absent


def compile_conditions(element: Mapping[str, Any], variables: bool) -> tuple[Condition, ...]:
    found = []
    for written, keys in element.items():
        quantifier, _, operator = written.rpartition(":")
        if_exists = operator.endswith("IfExists")
        operator = operator.removesuffix("IfExists")
        for key, wanted in keys.items():
            values = [_text(v) for v in (wanted if isinstance(wanted, list) else [wanted])]
            found.append(_condition(key, operator, quantifier, if_exists, values, variables))
    return tuple(found)


def meets(conditions: tuple[Condition, ...], context: Context, missing: list[str]) -> bool:
    """All conditions hold. Keys that were asked for and not there are added to `missing`."""
    return all(_holds(condition, context, missing) for condition in conditions)


def _holds(condition: Condition, context: Context, missing: list[str]) -> bool:
    value = context.get(condition.lower)
    values = [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
    if condition.operator == "Null":
        return (not values) == condition.absent
    if not values:
        missing.append(condition.key)
        if condition.if_exists or condition.quantifier == "ForAllValues":
            return True
        return condition.negated and condition.quantifier != "ForAnyValue"
    results = [_one(condition, _text(v), context) for v in values]
    if condition.quantifier == "ForAllValues" or (condition.negated and not condition.quantifier):
        return all(results)
    return any(results)


def _one(condition: Condition, value: str, context: Context) -> bool:
    return any(test(value, context) for test in condition.tests) != condition.negated


def _condition(
    key: str, operator: str, quantifier: str, if_exists: bool, values: list[str], variables: bool
) -> Condition:
    if operator == "Null":
        return Condition(
            key=key,
            lower=key.lower(),
            operator="Null",
            quantifier=quantifier,
            if_exists=False,
            negated=False,
            tests=(),
            absent=values[0].lower() == "true",
        )
    positive = _POSITIVE.get(operator, operator)
    make = _TESTS.get(positive)
    if make is None or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        written = f"{quantifier}:{operator}" if quantifier else operator
        raise PolicyError(
            f"condition operator {written!r} does not exist; allowed: {', '.join(sorted(_TESTS))}"
        )
    return Condition(
        key=key,
        lower=key.lower(),
        operator=operator,
        quantifier=quantifier,
        if_exists=if_exists,
        negated=operator in _POSITIVE,
        tests=tuple(make(v, variables) for v in values),
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _equals(value: str, variables: bool) -> Test:
    return Pattern(value, variables).equals


def _equals_folded(value: str, variables: bool) -> Test:
    return Pattern(value, variables, fold=True).equals


def _like(value: str, variables: bool) -> Test:
    return Pattern(value, variables).matches


def _arn(value: str, variables: bool) -> Test:
    return ArnPattern(value, variables).matches


def _bool(value: str, _: bool) -> Test:
    return lambda got, _context: got.lower() == value.lower()


def _binary(value: str, _: bool) -> Test:
    def test(got: str, _context: Context) -> bool:
        try:
            return base64.b64decode(got, validate=True) == base64.b64decode(value, validate=True)
        except ValueError:
            return False

    return test


def _address(value: str, _: bool) -> Test:
    network = ipaddress.ip_network(value, strict=False)

    def test(got: str, _context: Context) -> bool:
        try:
            return ipaddress.ip_address(got) in network
        except ValueError:
            return False

    return test


def _ordered(parse: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Callable[[str, bool], Test]:
    def make(value: str, _: bool) -> Test:
        wanted = parse(value)

        def test(got: str, _context: Context) -> bool:
            try:
                return compare(parse(got), wanted)
            except ValueError:
                return False

        return test

    return make


def _date(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda a, b: a == b,
    "LessThan": lambda a, b: a < b,
    "LessThanEquals": lambda a, b: a <= b,
    "GreaterThan": lambda a, b: a > b,
    "GreaterThanEquals": lambda a, b: a >= b,
}
_TESTS: dict[str, Callable[[str, bool], Test]] = {
    "StringEquals": _equals,
    "StringEqualsIgnoreCase": _equals_folded,
    "StringLike": _like,
    "ArnEquals": _arn,
    "ArnLike": _arn,
    "Bool": _bool,
    "BinaryEquals": _binary,
    "IpAddress": _address,
    **{f"Numeric{name}": _ordered(float, compare) for name, compare in _COMPARE.items()},
    **{f"Date{name}": _ordered(_date, compare) for name, compare in _COMPARE.items()},
}
_POSITIVE = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}
