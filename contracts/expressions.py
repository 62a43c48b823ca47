"""SQL expressions of a contract, checked without Spark: complete, made of known columns and functions.

The tests give every shipped expression to Spark's own parser as well.
"""

import re
from collections.abc import Set

from contracts.errors import ContractError, one_of

TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<number>\d+(?:\.\d*)?|\.\d+)|(?P<quoted>`[^`]+`)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<sign><=>|<>|!=|<=|>=|\|\||[-+*/%<>=(),]))"
)
KEYWORDS = {
    "and", "as", "between", "case", "cast", "div", "double", "else", "end", "false", "in", "int",
    "integer", "is", "like", "not", "null", "or", "string", "then", "true", "when", "bigint", "date",
    "boolean", "timestamp", "decimal",
}  # fmt: skip
NEVER_FIRST = {"", ")", ",", "*", "/", "%", "=", "<", ">", "<=", ">="}
# Functions of one row only: an aggregate or a clock would make a run unrepeatable.
FUNCTIONS = {
    "abs", "ceil", "coalesce", "concat", "cos", "date_add", "date_diff", "datediff", "day", "dayofmonth",
    "dayofweek", "dayofyear", "exp", "floor", "greatest", "hour", "if", "ifnull", "isnull", "least",
    "length", "ln", "log", "lower", "minute", "mod", "month", "nullif", "nvl", "pi", "pmod", "pow",
    "power", "quarter", "round", "sin", "sign", "sqrt", "substr", "substring", "tan", "trim",
    "unix_timestamp", "upper", "weekday", "weekofyear", "year",
}  # fmt: skip


def check_expression(place: str, sql: str, *, allowed: Set[str], leaks: Set[str] = frozenset()) -> None:
    """Refuse an expression that Spark could not evaluate, or that reads a leak column."""
    tokens = _tokens(place, sql)
    for index, (kind, value) in enumerate(tokens):
        following = tokens[index + 1][1] if index + 1 < len(tokens) else ""
        if kind == "word" and following == "(" and value.lower() not in KEYWORDS:
            one_of(f"{place}: {sql}", value.lower(), FUNCTIONS, "use these row-wise functions")
        elif kind == "quoted" or (kind == "word" and value.lower() not in KEYWORDS):
            name = value.strip("`")
            if name in leaks:
                raise ContractError(
                    f"{place}: {sql}",
                    name,
                    "what is known before the event",
                    f"{name} is a leak column: remove it",
                )
            one_of(f"{place}: {sql}", name, allowed, "name a column of the base table or of a feature join")
    _balanced(
        place, sql, [value for kind, value in tokens if kind == "sign" or value.lower() in {"case", "end"}]
    )
    _complete(place, sql, tokens)


def _tokens(place: str, sql: str) -> list[tuple[str, str]]:
    tokens, position, text = [], 0, sql.strip()
    while position < len(text):
        found = TOKEN.match(text, position)
        if not found:
            raise ContractError(
                place, sql, "a Spark SQL expression", f"cannot read it from {text[position:][:30]!r} on"
            )
        tokens.append((str(found.lastgroup), str(found[str(found.lastgroup)])))
        position = found.end()
    if not tokens:
        raise ContractError(place, sql, "a Spark SQL expression", "write one")
    return tokens


def _balanced(place: str, sql: str, marks: list[str]) -> None:
    closing = {")": "(", "end": "case"}
    open_marks: list[str] = []
    for mark in (mark.lower() for mark in marks):
        if mark in closing.values():
            open_marks.append(mark)
        elif mark in closing and (not open_marks or open_marks.pop() != closing[mark]):
            raise ContractError(place, sql, "a Spark SQL expression", f"{mark} closes nothing")
    if open_marks:
        raise ContractError(place, sql, "a Spark SQL expression", f"close the {open_marks[-1]}")


def _complete(place: str, sql: str, tokens: list[tuple[str, str]]) -> None:
    """Two operands without an operator, or an operator without its operand."""
    operand = {"text", "number", "quoted"}
    for (kind, value), (next_kind, next_value) in zip(tokens, [*tokens[1:], ("sign", "")], strict=True):
        is_column = kind in operand or (kind == "word" and value.lower() not in KEYWORDS) or value == ")"
        next_is_column = next_kind in operand or (next_kind == "word" and next_value.lower() not in KEYWORDS)
        if is_column and next_is_column:
            raise ContractError(
                place, sql, "a Spark SQL expression", f"an operator is missing before {next_value}"
            )
        no_arguments = (value, next_value) == ("(", ")")  # pi()
        if kind == "sign" and value != ")" and next_value in NEVER_FIRST and not no_arguments:
            raise ContractError(place, sql, "a Spark SQL expression", f"an operand is missing after {value}")
