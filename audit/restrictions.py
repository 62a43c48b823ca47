"""Conditions of policy statements: decided where the request's side is known, said in words where it is not.

Truth is three-valued: True and False are certain, None depends on the request (or on a name that only
CloudFormation knows).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from audit.policies import listed, matches

Truth = bool | None
# Context keys in lower case -> value; None for a key that such a request does not carry.
Known = Mapping[str, str | None]

_NUMBER = re.compile(r"\b\d{12}\b")
_TOKEN = re.compile(r"<[^<>]*>")
_SEGMENTS = re.compile(r"([^:/]+)")
_WORDS = {
    "aws:sourcevpce": "from endpoint",
    "aws:sourcevpc": "from VPC",
    "aws:sourceip": "from address",
    "aws:sourcearn": "for",
    "aws:sourceaccount": "for account",
    "aws:calledvia": "called via",
    "kms:viaservice": "via",
    "s3:prefix": "prefix",
    "s3:tlsversion": "TLS version",
    "s3:x-amz-server-side-encryption": "encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "encryption key",
    "s3:x-amz-server-side-encryption-customer-algorithm": "customer's key",
}
# Without "is": the word is a verb or a preposition.
_PREPOSITIONS = ("from ", "for", "called via", "via")
_COMPARED = {"LessThan": "<", "LessThanEquals": "<=", "GreaterThan": ">", "GreaterThanEquals": ">="}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_COMPARISON = re.compile(r"(?:Numeric|Date)((?:Less|Greater)Than(?:Equals)?)")


def covers(pattern: str, text: str) -> Truth:
    """Whether a pattern of a policy covers an ARN; None where that hangs on a name that is made up later."""
    if matches(pattern, text):
        return True
    if "<" not in text or not ("*" in pattern or "?" in pattern):
        return False
    tokens = dict.fromkeys([*_TOKEN.findall(text), *_TOKEN.findall(pattern)])
    numbers = {token: chr(0xE000 + number) for number, token in enumerate(tokens)}
    plain = _TOKEN.sub(lambda match: numbers[match[0]], text)
    relaxed = _relaxed(_TOKEN.sub(lambda match: numbers[match[0]], pattern))
    return None if relaxed.fullmatch(plain) else False


@lru_cache(maxsize=65536)
def _relaxed(pattern: str) -> re.Pattern[str]:
    """A segment with a wildcard (`team-*`) may also stand for a name that is made up."""

    def part(segment: str) -> str:
        exact = re.escape(segment).replace(r"\*", ".*").replace(r"\?", ".")
        if not set(segment) & {"*", "?"}:
            return exact
        return f"(?:{exact}|[\ue000-\uf8ff]{'.*' if '*' in segment else ''})"

    return re.compile("".join(map(part, _SEGMENTS.split(pattern))), re.DOTALL)


@dataclass(frozen=True)
class Clause:
    """One key of one operator: `values` are alternatives."""

    operator: str
    key: str
    values: tuple[str, ...]

    @property
    def base(self) -> str:
        return self.operator.rpartition(":")[2].removesuffix("IfExists")

    @property
    def is_negative(self) -> bool:
        return "Not" in self.base

    def truth(self, known: Known) -> Truth:
        key = self.key.lower()
        if key not in known:
            return None
        value = known[key]
        if self.base == "Null":
            return (value is None) == self._says_true
        if value is None:
            is_lenient = self.is_negative or self.operator.endswith("IfExists") or "ForAll" in self.operator
            return is_lenient and "ForAny" not in self.operator
        found = self._any(value)
        return found if found is None or not self.is_negative else not found

    def _any(self, value: str) -> Truth:
        if not self.base.startswith(("String", "Arn", "Bool")):
            return None
        truths = [self._one(self._folded(each), self._folded(value)) for each in self.values]
        return True if True in truths else None if None in truths else False

    def _one(self, given: str, value: str) -> Truth:
        is_exact = self.base.startswith(("StringEquals", "StringNotEquals"))
        found = given == value if is_exact else covers(given, value)
        # A given number may be that of this account, which the template then does not know.
        numberless = _NUMBER.sub("<AccountId>", given)
        hangs = found is False and numberless != given and self._one(numberless, value) is not False
        return None if hangs else found

    @property
    def _says_true(self) -> bool:
        return bool(self.values) and self.values[0].lower() == "true"

    def _folded(self, text: str) -> str:
        return text.lower() if self.base == "Bool" or "IgnoreCase" in self.base else text

    def words(self, *, negated: bool = False) -> str:
        if self.key.lower() == "aws:securetransport":
            return "TLS" if self._says_true != negated else "no TLS"
        name = _WORDS.get(self.key.lower(), self.key)
        if self.base == "Null":
            return f"{name} {'absent' if (self.values == ('true',)) != negated else 'given'}"
        return self._compared(name, negated=negated) or self._equal(name, negated=negated)

    def _compared(self, name: str, *, negated: bool) -> str:
        found = _COMPARISON.fullmatch(self.base)
        if not found:
            return ""
        sign = _COMPARED[found[1]]
        return f"{name} {_OPPOSITE[sign] if negated else sign} {self._values()}"

    def _equal(self, name: str, *, negated: bool) -> str:
        says_no = self.is_negative != negated
        if name.startswith(_PREPOSITIONS):
            said = f"{'not ' if says_no else ''}{name} {self._values()}"
        else:
            said = f"{name} {'is not' if says_no else 'is'} {self._values()}"
        if ":" in self.operator:
            said = f"{'every' if ('ForAll' in self.operator) != negated else 'some'} {said}"
        if self.operator.endswith("IfExists"):
            said += " and given" if negated else " if given"
        return said

    def _values(self) -> str:
        return ", ".join(re.sub(r"(\.<Region>)?\.amazonaws\.com$", "", value) for value in self.values)


def clauses(conditions: Mapping[str, Any]) -> Iterator[Clause]:
    """Joined by AND. What is no object of objects says nothing that could be read, and counts as unknown."""
    for operator, block in conditions.items():
        if not isinstance(block, Mapping):
            yield Clause(str(operator), "condition", (_plain(block),))
            continue
        for key, values in block.items():
            yield Clause(str(operator), str(key), tuple(_plain(value) for value in listed(values)))


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def undecided(conditions: Any, known: Known) -> list[Clause] | None:
    """What must hold beside what is known to; None where something known makes it impossible."""
    if not isinstance(conditions, Mapping):
        return [Clause("StringEquals", "condition", (_plain(conditions),))]
    left: list[Clause] = []
    for clause in clauses(conditions):
        truth = clause.truth(known)
        if truth is False:
            return None
        if truth is None:
            left.append(clause)
    return left


def requirements(left: list[Clause]) -> tuple[str, ...]:
    """What a conditional Allow asks for, all of it."""
    return tuple(clause.words() for clause in left)


def escape(left: list[Clause]) -> str:
    """What keeps a request out of a conditional Deny: any of these."""
    return " or ".join(clause.words(negated=True) for clause in left)
