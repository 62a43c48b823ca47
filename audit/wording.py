"""Conditions that hang on the request, said in words: what must hold."""

from __future__ import annotations

import re

from audit.conditions import Clause

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


def requirements(left: list[Clause]) -> tuple[str, ...]:
    """What a conditional Allow asks for, all of it."""
    return tuple(_words(clause) for clause in left)


def escape(left: list[Clause]) -> str:
    """What keeps a request out of a conditional Deny: any of these."""
    return " or ".join(_words(clause, is_opposite=True) for clause in left)


def _words(clause: Clause, *, is_opposite: bool = False) -> str:
    if clause.key.lower() == "aws:securetransport":
        return "TLS" if clause.says_true != is_opposite else "no TLS"
    name = _WORDS.get(clause.key.lower(), clause.key)
    if clause.base == "Null":
        return f"{name} {'absent' if clause.says_true != is_opposite else 'given'}"
    if found := _COMPARISON.fullmatch(clause.base):
        sign = _COMPARED[found[1]]
        return f"{name} {_OPPOSITE[sign] if is_opposite else sign} {_values(clause)}"
    return _equal(clause, name, is_opposite=is_opposite)


def _equal(clause: Clause, name: str, *, is_opposite: bool) -> str:
    says_no = clause.is_negative != is_opposite
    if name.startswith(_PREPOSITIONS):
        said = f"{'not ' if says_no else ''}{name} {_values(clause)}"
    else:
        said = f"{name} {'is not' if says_no else 'is'} {_values(clause)}"
    if ":" in clause.operator:
        said = f"{'every' if ('ForAll' in clause.operator) != is_opposite else 'some'} {said}"
    if clause.operator.endswith("IfExists"):
        said += " and given" if is_opposite else " if given"
    return said


def _values(clause: Clause) -> str:
    return ", ".join(re.sub(r"(\.<Region>)?\.amazonaws\.com$", "", value) for value in clause.values)
