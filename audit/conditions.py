"""Conditions of policy statements: decided as far as the request is known, and kept where it is not.

As the IAM user guide says under "condition operators", "multivalued context keys" and "variables". What is
not decided is None: it depends on the request, or on a name that only CloudFormation or AWS knows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.names import NUMBER, VARIABLE, Truth, any_of, covers, is_open, negated
from audit.policies import Statement, listed

# Accounts whose number a template may write out without knowing that it is this one, or ECR's.
_NUMBERLESS = ("<AccountId>", "<ECR>")
# AWS makes up their values: one that is written out may be that of what the templates make.
_IDS = ("aws:sourcevpce", "aws:sourcevpc")
UNREAD = "condition"


@dataclass(frozen=True, kw_only=True)
class Known:
    """
    What is known of a request, or of all requests of a kind.

    carried  condition keys in lower case -> value; None for a key that it does not carry; not in it: unknown
    made     addresses of the resources that the templates make
    """

    carried: Mapping[str, str | None]
    made: Collection[str] = field(default=(), repr=False)

    def filled(self, variable: re.Match[str]) -> str:
        """The value of a policy variable, `${aws:PrincipalAccount}`; the variable where it is not known."""
        return self.carried.get(variable[0][2:-1].lower()) or variable[0]


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

    @property
    def is_required(self) -> bool:
        """Only a request that has the key, with one of the values, passes."""
        return self.is_read and not (self.is_negative or self._is_met_without_key or self.base == "Null")

    @property
    def is_read(self) -> bool:
        """Not so where a parameter stands in the place of the condition."""
        return self.key != UNREAD

    @property
    def _is_met_without_key(self) -> bool:
        if self.operator.endswith("IfExists"):
            return True
        is_any = self.operator.startswith("ForAnyValue:")
        return not is_any and (self.is_negative or self.operator.startswith("ForAllValues:"))

    @property
    def is_met_without(self) -> bool:
        """By a request that does not carry the key."""
        return self.says_true if self.base == "Null" else self._is_met_without_key

    @property
    def says_true(self) -> bool:
        return bool(self.values) and self.values[0].lower() == "true"

    def truth(self, known: Known) -> Truth:
        key = self.key.lower()
        if key not in known.carried:
            return None
        value = known.carried[key]
        if value is None:
            return self.is_met_without
        if self.base == "Null":
            return not self.says_true
        found = self._any(value, known)
        return negated(found) if self.is_negative else found

    def _any(self, value: str, known: Known) -> Truth:
        if not self.base.startswith(("String", "Arn", "Bool")):
            return None
        return any_of(self._one(each, value, known) for each in self.values)

    def _one(self, given: str, value: str, known: Known) -> Truth:
        wanted = VARIABLE.sub(known.filled, given)
        if (found := self._same(wanted, value)) is not False:
            return found
        is_any_id = self.key.lower() in _IDS and "<" not in wanted
        if is_any_id or is_open(wanted, known.made) or is_open(value, known.made):
            return None
        accounts = {NUMBER.sub(account, wanted) for account in _NUMBERLESS} - {wanted}
        return None if any(self._same(each, value) is not False for each in accounts) else False

    def _same(self, wanted: str, value: str) -> Truth:
        if self.base == "Bool" or "IgnoreCase" in self.base:
            wanted, value = wanted.lower(), value.lower()
        is_exact = self.base.startswith(("StringEquals", "StringNotEquals"))
        # A variable that is left is one whose value is not known.
        return wanted == value if is_exact and not VARIABLE.search(wanted) else covers(wanted, value)


def clauses(statement: Statement) -> list[Clause]:
    return list(read(statement.raw.get("Condition")))


def read(conditions: Any) -> Iterator[Clause]:
    """Joined by AND. What is no object of objects says nothing that could be read, and counts as unknown."""
    if conditions and not isinstance(conditions, Mapping):
        yield Clause("StringEquals", UNREAD, (_plain(conditions),))
        return
    for operator, block in (conditions or {}).items():
        if not isinstance(block, Mapping):
            yield Clause(str(operator), UNREAD, (_plain(block),))
            continue
        for key, values in block.items():
            yield Clause(str(operator), str(key), tuple(_plain(value) for value in listed(values)))


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def undecided(conditions: list[Clause], known: Known) -> list[Clause] | None:
    """What must hold beside what is known to; None where something known makes it impossible."""
    truths = [(clause, clause.truth(known)) for clause in conditions]
    if any(truth is False for _, truth in truths):
        return None
    return [clause for clause, truth in truths if truth is None]
