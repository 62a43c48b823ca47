"""State machine definitions read back from templates, as data; references are words in <>."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Definition = Mapping[str, Any]


def definitions(assembly: Any) -> dict[str, Definition]:
    """By the state machine's name without the deployment's prefix: retrain, monitor, bulk-score."""
    machines = assembly.resources("AWS::StepFunctions::StateMachine")
    return {
        properties["StateMachineName"].split("-", 2)[2]: json.loads(flat(properties["DefinitionString"]))
        for properties in machines.values()
    }


def flat(value: Any) -> str:
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(flat(part) for part in parts)
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::ImportValue": name}:
            return f"<{str(name).split(':', 1)[1]}>"
        case {"Fn::FindInMap": [name, *_]}:
            return f"<{name}>"
        case {"Fn::Sub": text}:
            return str(text)
    raise ValueError(f"cannot flatten {value!r}: add its kind here")


def scopes(definition: Definition) -> Iterator[Definition]:
    """The definition, what its Map states run for each element, and the branches of its Parallel states."""
    yield definition
    for state in definition["States"].values():
        for inner in (
            *([state["ItemProcessor"]] if "ItemProcessor" in state else []),
            *state.get("Branches", []),
        ):
            yield from scopes(inner)


def every_state(definition: Definition) -> dict[str, dict[str, Any]]:
    """Of all scopes; a name stands for one state of them all, as the history tells names alone."""
    found: dict[str, dict[str, Any]] = {}
    for scope in scopes(definition):
        assert not found.keys() & scope["States"].keys()
        found |= scope["States"]
    return found


def tasks(definition: Definition) -> dict[str, dict[str, Any]]:
    found = {name: state for name, state in every_state(definition).items() if state["Type"] == "Task"}
    assert found
    return found


def targets(state: Mapping[str, Any]) -> Iterator[str]:
    """Every state that can follow."""
    for key in ("Next", "Default"):
        if key in state:
            yield state[key]
    for key in ("Catch", "Choices"):
        yield from (branch["Next"] for branch in state.get(key, []))


def reachable(definition: Definition, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += targets(definition["States"][name])
    return seen


def following(definition: Definition, start: str, *choices: str) -> list[str]:
    """The way from `start`; at each fork the first of `choices` that it offers, else its default."""
    way, name = [], start
    while name not in way:
        way.append(name)
        state = definition["States"][name]
        if state["Type"] in ("Succeed", "Fail") or state.get("End"):
            break
        offered = [branch["Next"] for branch in state.get("Choices", [])]
        taken = [choice for choice in choices if choice in offered]
        name = taken[0] if taken else state.get("Next") or state["Default"]
    return way
