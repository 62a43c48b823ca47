"""Definitions of workflows, taken apart: every task of a state machine, also inside of Map and Parallel, and
every step of a SageMaker pipeline that makes a request of the same form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from audit.rules.rule import mappings
from audit.templates import Resource, Templates

MACHINE, PIPELINE = "AWS::StepFunctions::StateMachine", "AWS::SageMaker::Pipeline"
_INTEGRATION = re.compile(r":states:[^:]*:[^:]*:(?:aws-sdk:)?(?P<service>[^:]+):(?P<action>[A-Za-z0-9]+)")
# Type of a pipeline's step -> the request that its arguments are.
_STEPS: Mapping[str, str] = {
    "Training": "sagemaker:createTrainingJob",
    "Tuning": "sagemaker:createHyperParameterTuningJob",
    "Processing": "sagemaker:createProcessingJob",
    "Transform": "sagemaker:createTransformJob",
    "Model": "sagemaker:createModel",
}
# What a request holds where the value comes in at run time.
AT_RUN_TIME = "<run time>"


@dataclass(frozen=True, kw_only=True)
class Task:
    """
    workflow  the state machine or pipeline
    name      with the states around it, for example Score/ScoreOne
    around    the Map and Parallel states that it is in, the outermost first
    branches  of each Parallel state around it: its name, and which of its branches it is in
    action    for example sagemaker:createTrainingJob, of both kinds of integration; "" for anything else
    request   parameters (JSONPath) or arguments (JSONata); empty where an expression makes all of them
    """

    workflow: Resource
    name: str
    state: Mapping[str, Any]
    around: tuple[Mapping[str, Any], ...]
    action: str
    request: Mapping[str, Any]
    branches: tuple[tuple[str, int], ...] = ()

    def get(self, *names: str) -> Any:
        """A field of the request; AT_RUN_TIME where it, or what it is in, comes in at run time; or None."""
        value: Any = self.request
        for name in names:
            if is_expression(value):
                return AT_RUN_TIME
            if not isinstance(value, Mapping):
                return AT_RUN_TIME if isinstance(value, str) else None
            value = AT_RUN_TIME if f"{name}.$" in value else value.get(name)
        return AT_RUN_TIME if is_expression(value) else value

    def has(self, *names: str) -> bool:
        return bool(self.get(*names))

    @property
    def is_readable(self) -> bool:
        return bool(self.request)


def is_expression(value: Any) -> bool:
    """JSONata, or a pipeline's reference to a parameter, to another step or to what it joins of them."""
    if isinstance(value, Mapping):
        return len(value) == 1 and str(next(iter(value))).startswith(("Get", "Std:"))
    return isinstance(value, str) and value.strip().startswith("{%")


def definition_of(machine: Resource) -> Mapping[str, Any] | None:
    """None where the template does not hold it (DefinitionS3Location), or not as a JSON object."""
    for key in ("DefinitionString", "Definition", "DefinitionBody"):
        given = machine.get(key)
        if given is None:
            continue
        text = given if isinstance(given, str) else json.dumps(given)
        return _parsed(_substituted(text, machine.get("DefinitionSubstitutions")))
    return None


def _parsed(text: Any) -> Mapping[str, Any] | None:
    try:
        parsed = json.loads(str(text))
    except ValueError:
        return None
    return parsed if isinstance(parsed, Mapping) else None


def _substituted(text: str, values: Any) -> str:
    for name, value in values.items() if isinstance(values, Mapping) else ():
        text = text.replace(f"${{{name}}}", json.dumps(str(value))[1:-1])
    return text


def requests(templates: Templates) -> Iterator[Task]:
    """Everything that a workflow asks of a service."""
    yield from tasks(templates)
    for pipeline in templates.of(PIPELINE):
        given = pipeline.get("PipelineDefinition", "PipelineDefinitionBody")
        definition = _parsed(given) or {}
        yield from _steps(pipeline, definition.get("Steps"), "")


def _steps(pipeline: Resource, steps: Any, prefix: str) -> Iterator[Task]:
    for step in mappings(steps):
        name, arguments = f"{prefix}{step.get('Name', '?')}", step.get("Arguments")
        request = arguments if isinstance(arguments, Mapping) else {}
        action = _STEPS.get(str(step.get("Type")), "")
        yield Task(workflow=pipeline, name=name, state=step, around=(), action=action, request=request)
        # A condition holds the steps of both of its ways.
        for way in ("IfSteps", "ElseSteps"):
            yield from _steps(pipeline, request.get(way), f"{name}/")


# Every rule asks; templates do not change once they are read.
_KNOWN: WeakKeyDictionary[Templates, tuple[Task, ...]] = WeakKeyDictionary()


def tasks(templates: Templates) -> Iterator[Task]:
    if templates not in _KNOWN:
        _KNOWN[templates] = tuple(
            task
            for machine in templates.of(MACHINE)
            if (definition := definition_of(machine)) is not None
            for task in _tasks(machine, definition, (), (), "")
        )
    yield from _KNOWN[templates]


def _tasks(
    machine: Resource,
    definition: Mapping[str, Any],
    around: tuple[Mapping[str, Any], ...],
    branches: tuple[tuple[str, int], ...],
    prefix: str,
) -> Iterator[Task]:
    states = definition.get("States")
    for name, state in states.items() if isinstance(states, Mapping) else ():
        if not isinstance(state, Mapping):
            continue
        if state.get("Type") == "Task":
            yield _task(machine, f"{prefix}{name}", state, around, branches)
        inside, below = (*around, state), f"{prefix}{name}/"
        for each in mappings([state.get("ItemProcessor"), state.get("Iterator")]):
            yield from _tasks(machine, each, inside, branches, below)
        for number, each in enumerate(mappings(state.get("Branches"))):
            yield from _tasks(machine, each, inside, (*branches, (below, number)), below)


def _task(
    machine: Resource,
    name: str,
    state: Mapping[str, Any],
    around: tuple[Mapping[str, Any], ...],
    branches: tuple[tuple[str, int], ...],
) -> Task:
    found = _INTEGRATION.search(str(state.get("Resource", "")))
    request = state.get("Arguments", state.get("Parameters"))
    return Task(
        workflow=machine,
        name=name,
        state=state,
        around=around,
        action=f"{found['service'].lower()}:{found['action']}" if found else "",
        request=request if isinstance(request, Mapping) else {},
        branches=branches,
    )
