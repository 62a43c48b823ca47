"""The part of Glue's Data Quality Definition Language that contracts may use: text in, checked rule out.

The same text can be given to a Glue ruleset; here it is read so that any Spark can check it, in one pass.
"""

import re
from dataclasses import dataclass
from typing import Any

# name: (fewest columns, most columns, takes a condition)
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
WITH_WHERE = {"IsComplete", "Completeness", "ColumnValues", "Mean"}
NUMBERS_ONLY = {"RowCount", "Completeness", "Uniqueness", "Mean"}
COMPARISONS = ("<", "<=", ">", ">=", "=", "!=")
TOKEN = re.compile(
    r'\s*(?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z]+)|(?P<sign><=|>=|!=|[<>=\[\],]))'
)
Token = tuple[str, Any]


class DqdlError(ValueError):
    """A rule outside of the part that is read here."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """`operator` is one of < <= > >= = != between in; `between` excludes both ends, as in Glue."""

    operator: str
    values: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`where` is SQL that picks the rows to which the rule applies; None means all of them."""

    text: str
    kind: str
    columns: tuple[str, ...]
    condition: Condition | None
    where: str | None = None


def parse_rule(text: str) -> Rule:
    """One rule, for example `ColumnValues "distance" between 0 and 5000`."""
    tokens = _tokens(text)
    if not tokens or tokens[0][0] != "word" or tokens[0][1] not in KINDS:
        raise DqdlError(f"unknown rule in {text!r}, allowed: {', '.join(KINDS)}")
    kind = str(tokens.pop(0)[1])
    columns = []
    while tokens and tokens[0][0] == "text":
        columns.append(str(tokens.pop(0)[1]))
    fewest, most, takes_condition = KINDS[kind]
    if len(columns) < fewest or (most is not None and len(columns) > most):
        allowed = f"{fewest}" if fewest == most else f"{fewest} or more"
        raise DqdlError(f"{kind} takes {allowed} quoted columns, got {len(columns)} in {text!r}")
    where = _where(text, kind, tokens)
    if bool(tokens) != takes_condition:
        raise DqdlError(f"{kind} takes {'a' if takes_condition else 'no'} condition, got {text!r}")
    condition = _condition(text, tokens) if tokens else None
    if condition and kind in NUMBERS_ONLY and not all(isinstance(v, int | float) for v in condition.values):
        raise DqdlError(f"{kind} compares with numbers, got {text!r}")
    return Rule(text=text, kind=kind, columns=tuple(columns), condition=condition, where=where)


def _tokens(text: str) -> list[Token]:
    if not isinstance(text, str):
        raise DqdlError(f"a rule is text, got {text!r}")
    tokens: list[Token] = []
    position, text = 0, text.rstrip()
    while position < len(text):
        found = TOKEN.match(text, position)
        if not found:
            raise DqdlError(
                f'cannot read {text[position:]!r} in {text!r}, allowed: for example IsComplete "id"'
            )
        kind = str(found.lastgroup)
        value: Any = found[kind]
        if kind == "text":
            value = re.sub(r"\\(.)", r"\1", value)
        elif kind == "number":
            value = float(value) if "." in value else int(value)
        tokens.append((kind, value))
        position = found.end()
    return tokens


def _where(text: str, kind: str, tokens: list[Token]) -> str | None:
    """Takes a trailing `where "<sql>"` off the tokens."""
    if len(tokens) < 2 or tokens[-2] != ("word", "where") or tokens[-1][0] != "text":
        return None
    if kind not in WITH_WHERE:
        raise DqdlError(f"where is read with {', '.join(sorted(WITH_WHERE))} only, got {text!r}")
    where = str(tokens.pop()[1])
    tokens.pop()
    return where


def _condition(text: str, tokens: list[Token]) -> Condition:
    kinds = [kind for kind, _ in tokens]
    values = [value for _, value in tokens]
    if len(tokens) == 2 and values[0] in COMPARISONS and kinds[1] in {"number", "text"}:
        return Condition(operator=values[0], values=(values[1],))
    if kinds == ["word", "number", "word", "number"] and (values[0], values[2]) == ("between", "and"):
        if values[1] >= values[3]:
            raise DqdlError(f"between needs the lower number first, got {text!r}")
        return Condition(operator="between", values=(values[1], values[3]))
    if values[:2] == ["in", "["] and values[-1] == "]" and len(tokens) % 2 == 0:
        inner, commas = tokens[2:-1:2], values[3:-1:2]
        if all(kind in {"text", "number"} for kind, _ in inner) and set(commas) <= {","}:
            return Condition(operator="in", values=tuple(value for _, value in inner))
    raise DqdlError(
        f"cannot read the condition of {text!r}, allowed: {' '.join(COMPARISONS)} and a value, "
        'between 1 and 2, in ["a", "b"]'
    )
