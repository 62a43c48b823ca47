"""Wildcard patterns of IAM policies: `*` and `?`, policy variables, ARNs compared part by part."""

import re
from collections.abc import Mapping
from functools import lru_cache

Context = Mapping[str, object]  # lower-case condition key -> value or list of values

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_DEFAULT = re.compile(r"^\s*([^,]+?)\s*,\s*'(.*)'\s*$")
_LITERALS = {"*", "?", "$"}
_ARN_PARTS = 6


@lru_cache(16384)
def _regex(pattern: str, fold: bool) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(c) or re.escape(c) for c in pattern), re.S | (re.I if fold else 0))


class Pattern:
    """One value of a policy. Text that a variable brings in is compared literally, never as a wildcard."""

    __slots__ = ("_pieces", "fixed", "fold", "plain", "text")

    def __init__(self, text: str, variables: bool = False, fold: bool = False) -> None:
        self.text = text
        self.fold = fold
        self._pieces = _VARIABLE.split(text) if variables and "${" in text else None
        self.fixed = self._pieces is None
        self.plain = self.fixed and "*" not in text and "?" not in text

    def matches(self, value: str, context: Context | None = None) -> bool:
        if self.plain and not self.fold:
            return value == self.text
        if self.fixed:
            return _regex(self.text, self.fold).fullmatch(value) is not None
        regex = self._with_variables(context or {})
        return regex is not None and re.fullmatch(regex, value, re.S | (re.I if self.fold else 0)) is not None

    def equals(self, value: str, context: Context) -> bool:
        """Without wildcards, as the StringEquals family compares."""
        wanted = self.text if self.fixed else self.resolved(context)
        if wanted is None:
            return False
        return value.casefold() == wanted.casefold() if self.fold else value == wanted

    def resolved(self, context: Context) -> str | None:
        """The text with its variables filled in; None when one has no value in this request."""
        out = []
        for index, piece in enumerate(self._pieces or [self.text]):
            value = piece if index % 2 == 0 else _variable(piece, context)
            if value is None:
                return None
            out.append(value)
        return "".join(out)

    def _with_variables(self, context: Context) -> str | None:
        out = []
        for index, piece in enumerate(self._pieces or []):
            if index % 2 == 0:
                out.append(_regex(piece, False).pattern)
                continue
            value = _variable(piece, context)
            if value is None:
                return None
            out.append(re.escape(value))
        return "".join(out)


class ArnPattern:
    """An ARN pattern: its six parts are compared one by one: a `*` never reaches into the next."""

    __slots__ = ("_parts", "_seen", "text")

    def __init__(self, text: str, variables: bool = False) -> None:
        self.text = text
        parts = split_arn(text)
        self._parts = None if text == "*" else tuple(Pattern(p, variables) for p in parts)
        self._seen: dict[str, bool] = {}

    def matches(self, value: str, context: Context | None = None) -> bool:
        if self._parts is None:
            return True
        if all(p.fixed for p in self._parts):
            known = self._seen.get(value)
            if known is None:
                if len(self._seen) > 4096:
                    self._seen.clear()
                known = self._seen[value] = self._compare(value, None)
            return known
        return self._compare(value, context)

    def _compare(self, value: str, context: Context | None) -> bool:
        parts = split_arn(value)
        own = self._parts or ()
        return len(parts) == len(own) and all(p.matches(v, context) for p, v in zip(own, parts, strict=True))


def split_arn(text: str) -> list[str]:
    """Six parts; colons inside a policy variable (`${aws:username}`) do not separate."""
    if "${" not in text:
        return text.split(":", _ARN_PARTS - 1)
    parts, depth = [""], 0
    for char in text:
        depth += (char == "{") - (char == "}" and depth > 0)
        if char == ":" and depth == 0 and len(parts) < _ARN_PARTS:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _variable(name: str, context: Context) -> str | None:
    if name in _LITERALS:
        return name
    default = _DEFAULT.match(name)
    value = context.get((default[1] if default else name).lower())
    if isinstance(value, list | tuple):
        value = value[0] if len(value) == 1 else None
    if value is None:
        return default[2] if default else None
    return str(value)
