"""Requests that state machines make of AWS: a training job, say, is a resource that no template lists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audit.templates import Resource, Templates

# "arn:aws:states:::sagemaker:createTrainingJob.sync" and "arn:aws:states:::aws-sdk:sagemaker:createModel".
_TASK = re.compile(r"arn:[^:]+:states:::(?:aws-sdk:)?([a-z0-9-]+):([A-Za-z0-9]+)")
_SUBSTITUTION = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """
    action      `service:operation` as the definition spells it, for example sagemaker:createTrainingJob
    parameters  the request; the name of a value that is known at run time only ends with ".$"
    """

    machine: Resource
    state: str
    action: str
    parameters: Mapping[str, Any]

    @property
    def path(self) -> str:
        return f"{self.machine.path}/{self.state}"


def requests(templates: Templates) -> list[Request]:
    """Of every state of every state machine, states inside parallel and map states included."""
    return [
        request
        for machine in templates.of("AWS::StepFunctions::StateMachine")
        for request in _requests(machine, definition(machine))
    ]


def definition(machine: Resource) -> Mapping[str, Any]:
    """Empty where the template does not hold it (it lies in a bucket) or it is no JSON object."""
    given = machine.get("DefinitionString", default=machine.get("Definition"))
    if isinstance(given, str):
        values = machine.get("DefinitionSubstitutions", default={})
        text = _SUBSTITUTION.sub(lambda match: str(values.get(match[1], match[0])), given)
        try:
            given = json.loads(text)
        except ValueError:
            return {}
    return given if isinstance(given, Mapping) else {}


def _requests(machine: Resource, part: Mapping[str, Any]) -> Iterator[Request]:
    states = part.get("States")
    for name, state in (states if isinstance(states, Mapping) else {}).items():
        if not isinstance(state, Mapping):
            continue
        task = _TASK.match(str(state.get("Resource")))
        given = state.get("Parameters") or state.get("Arguments") or {}
        if task is not None:
            yield Request(
                machine=machine,
                state=name,
                action=f"{task[1]}:{task[2]}",
                parameters=given if isinstance(given, Mapping) else {},
            )
        branches = state.get("Branches") or []
        for inner in [*branches, state.get("ItemProcessor"), state.get("Iterator")]:
            if isinstance(inner, Mapping):
                yield from _requests(machine, inner)
