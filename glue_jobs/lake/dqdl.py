"""The part of Glue's Data Quality Definition Language that contracts may use: text in, checked rule out.

The same text can be given to a Glue ruleset; here it is read so that it runs on any Spark, in one pass over the data.
"""

import re
from dataclasses import dataclass
from typing import Any

# name: (fewest columns, most columns, needs a condition)
KINDS: dict[str, tuple[int, int | None, bool]] = {
    "RowCount": (0, 0, True),
    "ColumnExists": (1, 1, False),
    "IsComplete": (1, 1, False),
    "Completeness": (1, 1, True),
    "IsUnique": (1, 1, False),
    "Uniqueness": (1, None, True),
    "IsPrimaryKey": (1, None, False),
    "ColumnValues": (1, 1, True),
    "Mean": (1, 1, True),
}
TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(-?\d+(?:\.\d+)?)|([A-Za-z]+)|(<=|>=|!=|[<>=\[\],]))')
COMPARISONS = {"<", "<=", ">", ">=", "=", "!="}
NUMBERS_ONLY = {"RowCount", "Completeness", "Uniqueness", "Mean"}


class DqdlError(ValueError):
    """A rule outside of the part that is read here."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """`operator` one of < <= > >= = != between in; `between` excludes both ends, as in Glue."""

    operator: str
    values: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    text: str
    kind: str
    columns: tuple[str, ...]
    condition: Condition | None


def parse_rule(text: str) -> Rule:
    """One rule, for example `ColumnValues "distance" between 0 and 5000`."""
    tokens = _tokens(text)
    if not tokens or tokens[0][0] != "word" or tokens[0][1] not in KINDS:
        raise DqdlError(f"unknown rule in {text!r}, allowed: {', '.join(KINDS)}")
    kind = str(tokens.pop(0)[1])
    columns = []
    while tokens and tokens[0][0] == "text":
        columns.append(str(tokens.pop(0)[1]))
    fewest, most, needs_condition = KINDS[kind]
    if len(columns) < fewest or (most is not None and len(columns) > most):
        allowed = f"{fewest}" if fewest == most else f"{fewest} or more"
        raise DqdlError(f"{kind} takes {allowed} quoted columns, got {len(columns)} in {text!r}")
    if bool(tokens) != needs_condition:
        raise DqdlError(f"{kind} takes {'a' if needs_condition else 'no'} condition, got {text!r}")
    condition = _condition(text, tokens) if tokens else None
    if (
        condition
        and kind in NUMBERS_ONLY
        and not all(isinstance(value, int | float) for value in condition.values)
    ):
        raise DqdlError(f"{kind} compares with numbers, got {text!r}")
    return Rule(text=text, kind=kind, columns=tuple(columns), condition=condition)


def _tokens(text: str) -> list[tuple[str, Any]]:
    tokens: list[tuple[str, Any]] = []
    position, text = 0, text.rstrip()
    while position < len(text):
        found = TOKEN.match(text, position)
        if not found:
            raise DqdlError(
                f'cannot read {text[position:]!r} in {text!r}, allowed: a rule such as IsComplete "key"'
            )
        quoted, number, word, sign = found.groups()
        if quoted is not None:
            tokens.append(("text", quoted.replace('\\"', '"').replace("\\\\", "\\")))
        elif number is not None:
            tokens.append(("number", float(number) if "." in number else int(number)))
        else:
            tokens.append(("word", word) if word else ("sign", sign))
        position = found.end()
    return tokens


def _condition(text: str, tokens: list[tuple[str, Any]]) -> Condition:
    kinds = [kind for kind, _ in tokens]
    values = [value for _, value in tokens]
    if len(tokens) == 2 and values[0] in COMPARISONS and kinds[1] in {"number", "text"}:
        return Condition(operator=values[0], values=(values[1],))
    if kinds == ["word", "number", "word", "number"] and (values[0], values[2]) == ("between", "and"):
        if values[1] >= values[3]:
            raise DqdlError(f"between needs a lower number first, got {text!r}")
        return Condition(operator="between", values=(values[1], values[3]))
    if values[:2] == ["in", "["] and values[-1] == "]" and len(tokens) > 3:
        inner, commas = tokens[2:-1:2], values[3:-1:2]
        if (
            all(kind in {"text", "number"} for kind, _ in inner)
            and set(commas) <= {","}
            and len(tokens) % 2 == 0
        ):
            return Condition(operator="in", values=tuple(value for _, value in inner))
    raise DqdlError(
        f"cannot read the condition of {text!r}, allowed: one of {' '.join(sorted(COMPARISONS))} and a value, "
        'between 1 and 2, in ["a", "b"]'
    )
