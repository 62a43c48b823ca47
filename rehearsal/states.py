"""The states that an attempt to deploy or to delete can leave an account in, and how each comes about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from deployment.assembly import Wanted
from sandbox.cloudformation.template import Template
from sandbox.faults import Fault

STEP = 10
MADE, REFUSED, STUCK, UNDELETED = (
    "is made and fails",
    "is refused",
    "fails, and so does the way back",
    "stays",
)


@dataclass(frozen=True, kw_only=True)
class State:
    """
    stack, logical_id  the resource at which it goes wrong
    place, of          which of the stack's resources that is, in the order of making
    how                one of the four above; UNDELETED: at the deletion of a whole deployment, more than once
    """

    stack: str
    logical_id: str
    place: int
    of: int
    how: str

    def __str__(self) -> str:
        return f"{self.stack} {self.place} of {self.of}: {self.logical_id} {self.how}"

    @property
    def faults(self) -> list[Fault]:
        target = f"{self.stack}/{self.logical_id}"
        if self.how == UNDELETED:
            # The command itself tries a second time.
            return [Fault(kind="cloudformation delete", target=target, times=2)]
        detail = "late" if self.how == MADE else ""
        failing = Fault(kind="cloudformation create", target=target, detail=detail)
        # The way back fails at the first resource that it takes away: of the last one made.
        back = Fault(kind="cloudformation delete", target=f"{self.stack}/*")
        return [failing, back] if self.how == STUCK else [failing]


def every(wanted: list[Wanted], step: int = STEP) -> Iterator[State]:
    """Each stack at its first resource, each `step`-th after that and its last: a creation that fails
    before the resource is made, and after it, by turns. At one of these the way back fails too; at the
    first, the middle and the last the deletion of a whole deployment does.
    """
    for stack in wanted:
        order = making(stack)
        places = sorted({*range(1, len(order) + 1, step), len(order)})
        for number, place in enumerate(places):
            yield _state(stack, order, place, MADE if number % 2 else REFUSED)
        middle = places[len(places) // 2]
        yield _state(stack, order, middle, STUCK)
        for place in sorted({places[0], middle, places[-1]}):
            yield _state(stack, order, place, UNDELETED)


def _state(stack: Wanted, order: list[str], place: int, how: str) -> State:
    return State(stack=stack.name, logical_id=order[place - 1], place=place, of=len(order), how=how)


def making(stack: Wanted) -> list[str]:
    """The resources in the order in which the embedded account makes them."""
    template = Template.parse(json.dumps(stack.template))
    return template.ordered(set(stack.template["Resources"]))
