"""Where in the ARN of a resource type the first wildcard of a pattern falls."""

from __future__ import annotations

import re
from dataclasses import dataclass

from audit.rights import PLACEHOLDER, WILDCARD, flat, has_wildcard, overlap

_TOKEN = re.compile(r"([^$]*)\$\{(\w+)\}|([^$]+)")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a type's ARN the first wildcard of a pattern falls.

    at       the variable; "" where it falls behind all of them
    parent   what is named in the variables before
    own      what of the variable itself is named
    is_here  account and Region are named, as far as the type has them
    """

    type: str
    service: str
    at: str
    parent: str
    own: str
    is_here: bool


def place_of(kind: str, arn: str, pattern: str) -> Place | None:
    """None where no resource of the type matches the pattern."""
    given = PLACEHOLDER.sub(flat, pattern)
    known = arn.split(":", 5)
    parts = given.split(":", 5)
    # Shorter than an ARN: the wildcard stands for everything that follows.
    parts += ["*"] * (6 - len(parts))
    if len(known) < 6 or not all(overlap(_globbed(one), two) for one, two in zip(known, parts, strict=True)):
        return None
    prefix = WILDCARD.split(parts[5])[0]
    at, parent, own = _walk(known[5], prefix)
    where = zip(known[3:5], parts[3:5], strict=True)
    return Place(
        type=kind,
        service=known[2],
        at=at,
        parent=_spelled(parent, pattern),
        own=_spelled(own, pattern),
        is_here=not any("${" in wanted and has_wildcard(got) for wanted, got in where),
    )


def _walk(template: str, prefix: str) -> tuple[str, str, str]:
    """(variable where `prefix` ends, texts of the variables before, text of that variable)."""
    tokens = [(match[1] or match[3] or "", match[2] or "") for match in _TOKEN.finditer(template)]
    named: list[str] = []
    for index, (fixed, variable) in enumerate(tokens):
        if not prefix.startswith(fixed) or not variable:
            return variable, "/".join(named), ""
        prefix = prefix[len(fixed) :]
        following = tokens[index + 1][0] if index + 1 < len(tokens) else ""
        end = prefix.find(following[0]) if following else -1
        if end < 0:
            return variable, "/".join(named), prefix
        named.append(prefix[:end])
        prefix = prefix[end:]
    return "", "/".join(named), ""


def _globbed(arn: str) -> str:
    return re.sub(r"\$\{\w+\}", "*", arn)


def _spelled(text: str, pattern: str) -> str:
    """The placeholders as they were in the pattern."""
    for match in PLACEHOLDER.finditer(pattern):
        text = text.replace(flat(match), match[0])
    return text
