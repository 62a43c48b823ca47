"""Values that stacks hand to each other; one in use can neither change nor go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox import regions
from sandbox.cloudformation.errors import TemplateError
from sandbox.cloudformation.intrinsics import Scope
from sandbox.cloudformation.model import Output, Stack

_stacks: dict[str, Stack] = {}


def bind(stacks: dict[str, Stack]) -> None:
    """Tell where the account's stacks are kept (id -> stack)."""
    global _stacks
    _stacks = stacks


def all_exports() -> dict[str, tuple[str, Stack]]:
    """Name -> value and the stack that exports it."""
    return {name: (value, stack) for stack in _living() for name, value in stack.exports.items()}


def value(name: str) -> str:
    found = all_exports().get(name)
    if found is None:
        raise TemplateError(f"No export named {name} found.")
    return found[0]


def importers(name: str) -> list[str]:
    return sorted(stack.name for stack in _living() if name in stack.imports)


def check_new(stack: Stack, outputs: Iterable[Output]) -> None:
    """An export's name is unique in the account and Region."""
    taken = {name: owner for name, (_, owner) in all_exports().items() if owner.id != stack.id}
    for output in outputs:
        if output.export in taken:
            owner = taken[output.export].name
            raise TemplateError(f"Export with name {output.export} is already exported by stack {owner}.")


def check_kept(stack: Stack, outputs: Iterable[Output]) -> None:
    """Refuse to change or drop an export that another stack imports."""
    new = {output.export: output.value for output in outputs if output.export}
    for name, old in stack.exports.items():
        users = importers(name)
        if users and name not in new:
            raise TemplateError(f"Export {name} cannot be deleted as it is in use by {', '.join(users)}")
        if users and new[name] != old:
            raise TemplateError(f"Export {name} cannot be updated as it is in use by {', '.join(users)}")


def in_use(stack: Stack) -> str | None:
    """Why the stack cannot be deleted, if other stacks import from it."""
    for name in stack.exports:
        if users := importers(name):
            return f"Export {name} cannot be deleted as it is in use by {', '.join(users)}"
    return None


def imported(scope: Scope) -> set[str]:
    """Names of the exports that a template imports, wherever its conditions hold."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                walk(item)
        elif isinstance(node, dict):
            for key, item in node.items():
                if key == "Fn::ImportValue":
                    found.add(scope.resolve(item))
                elif key == "Fn::If":
                    walk(item[1] if scope.condition(item[0]) else item[2])
                else:
                    walk(item)

    walk([body.get("Properties") for body in scope.active().values()])
    walk([body for body in scope.template.section("Outputs").values() if scope.holds(body)])
    return found


def _living() -> list[Stack]:
    """An export is one Region's, as its stack is."""
    here = regions.current()
    return [stack for stack in _stacks.values() if stack.deleted is None and stack.region == here]
