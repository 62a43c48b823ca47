"""The state of an alarm from its datapoints, as CloudWatch decides it; pure."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Points = Sequence[float | None]  # newest last; None = no data in that period

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Pow: operator.pow}
_TESTS: dict[type, Callable[[float, float], bool]] = {
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip


class UnsupportedAlarmError(ValueError):
    """The sandbox cannot evaluate such an alarm."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One value, or a set of them that was put as statistics."""

    at: float  # seconds since the epoch
    total: float
    count: float
    low: float
    high: float
    values: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Judgement:
    state: str | None  # None = leave it as it is
    reason: str


def judge(
    points: Points, *, comparison: str, threshold: float, needed: int, missing: str | None
) -> Judgement:
    """needed = datapoints to alarm; missing = TreatMissingData."""
    if comparison not in _COMPARE:
        raise UnsupportedAlarmError(f"comparison {comparison} is not implemented by the sandbox")
    breaches = _COMPARE[comparison]
    real = [point for point in points if point is not None]
    breaching = sum(1 for point in real if breaches(point, threshold))
    gaps = len(points) - len(real)
    if missing == "breaching":
        breaching += gaps
        gaps = 0
    elif missing == "notBreaching":
        gaps = 0
    shown = [_short(point) for point in real]
    words = f"{breaching} of the last {len(points)} datapoints {shown} were breaching {threshold:g}"
    if breaching >= needed:
        return Judgement(state="ALARM", reason=f"Threshold Crossed: {words} (minimum {needed} for ALARM).")
    if missing in ("breaching", "notBreaching"):
        return Judgement(state="OK", reason=f"Threshold not crossed: {words}.")
    if not real:
        state = None if missing == "ignore" else "INSUFFICIENT_DATA"
        return Judgement(state=state, reason=f"Insufficient Data: {len(points)} datapoints were unknown.")
    if len(real) < needed and breaching == len(real):
        # Fewer datapoints than asked for, all of them breaching: CloudWatch does not wait for the rest.
        state = None if missing == "ignore" else "ALARM"
        return Judgement(state=state, reason=f"Threshold Crossed: {words}, the others are missing.")
    return Judgement(state="OK", reason=f"Threshold not crossed: {words}.")


def statistic(name: str, samples: Sequence[Sample]) -> float | None:
    """Sum, Average, Minimum, Maximum, SampleCount or a percentile (p99) of one period."""
    if not samples:
        return None
    if name.startswith("p") and name[1:].replace(".", "", 1).isdigit():
        return _percentile(
            float(name[1:]), [value for s in samples for value in (s.values or (s.total / s.count,))]
        )
    total, count = sum(s.total for s in samples), sum(s.count for s in samples)
    known = {
        "Sum": total,
        "Average": total / count if count else 0.0,
        "Minimum": min(s.low for s in samples),
        "Maximum": max(s.high for s in samples),
        "SampleCount": count,
    }
    if name not in known:
        raise UnsupportedAlarmError(
            f"statistic {name} is not implemented by the sandbox; allowed: {', '.join(known)}, pNN"
        )
    return known[name]


def _percentile(percent: float, values: list[float]) -> float:
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def series(expression: str, known: Mapping[str, Points]) -> Points:
    """Metric math over series of equal length."""
    length = max((len(points) for points in known.values()), default=0)
    tree = ast.parse(expression.strip(), mode="eval").body
    return [
        _value(tree, {key: points[index] for key, points in known.items()}, known) for index in range(length)
    ]


def _value(node: ast.expr, at: Mapping[str, float | None], known: Mapping[str, Points]) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name) and node.id in at:
        return at[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _value(node.operand, at, known)
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp):
        return _binary(node, _value(node.left, at, known), _value(node.right, at, known))
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _TESTS:
        left, right = _value(node.left, at, known), _value(node.comparators[0], at, known)
        return None if left is None or right is None else float(_TESTS[type(node.ops[0])](left, right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(node.func.id, node.args, at, known)
    raise UnsupportedAlarmError(f"metric math {ast.unparse(node)!r} is not implemented by the sandbox")


def _binary(node: ast.BinOp, left: float | None, right: float | None) -> float | None:
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Div):
        return left / right if right else None
    if type(node.op) not in _ARITHMETIC:
        raise UnsupportedAlarmError(f"metric math {ast.unparse(node)!r} is not implemented by the sandbox")
    result: float = _ARITHMETIC[type(node.op)](left, right)
    return result


def _call(
    name: str, arguments: list[ast.expr], at: Mapping[str, float | None], known: Mapping[str, Points]
) -> float | None:
    values = [_value(argument, at, known) for argument in _flat(arguments)] if name != "FILL" else []
    if name == "FILL":
        found = _value(arguments[0], at, known)
        filler = arguments[1]
        if isinstance(filler, ast.Name) and filler.id == "REPEAT":
            raise UnsupportedAlarmError("FILL with REPEAT is not implemented by the sandbox")
        return found if found is not None else _value(filler, at, known)
    if name == "IF":
        condition, *branches = values
        chosen = 0 if condition else 1
        return branches[chosen] if condition is not None and chosen < len(branches) else None
    real = [value for value in values if value is not None]
    if not real:
        return None
    functions: dict[str, Callable[[list[float]], float]] = {
        "SUM": sum,
        "AVG": lambda found: sum(found) / len(found),
        "MIN": min,
        "MAX": max,
        "ABS": lambda found: abs(found[0]),
        "CEIL": lambda found: float(math.ceil(found[0])),
        "FLOOR": lambda found: float(math.floor(found[0])),
    }
    if name not in functions:
        raise UnsupportedAlarmError(f"metric math function {name} is not implemented by the sandbox")
    return functions[name](real)


def _flat(arguments: list[ast.expr]) -> list[ast.expr]:
    return [item for a in arguments for item in (a.elts if isinstance(a, ast.List) else [a])]


def composite(rule: str, state_of: Callable[[str], str]) -> bool:
    """A composite alarm's rule; state_of(name or ARN) gives the state of the alarms in it."""
    text = re.sub(r"\bAND\b", " and ", rule)
    text = re.sub(r"\bOR\b", " or ", text)
    text = re.sub(r"\bNOT\b", " not ", text)
    text = re.sub(r"\bTRUE\b", "True", re.sub(r"\bFALSE\b", "False", text))
    text = re.sub(r"\b(ALARM|OK|INSUFFICIENT_DATA)\(\s*([^\"')]+?)\s*\)", r'\1("\2")', text)
    return _truth(ast.parse(" ".join(text.split()), mode="eval").body, state_of)


def _truth(node: Any, state_of: Callable[[str], str]) -> bool:
    if isinstance(node, ast.BoolOp):
        parts = [_truth(part, state_of) for part in node.values]
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not _truth(node.operand, state_of)
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return node.value
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and isinstance(node.args[0], ast.Constant)
    ):
        return state_of(str(node.args[0].value)) == node.func.id
    raise UnsupportedAlarmError(f"alarm rule part {ast.unparse(node)!r} is not implemented by the sandbox")


def _short(point: float) -> float:
    return round(point, 6)
