"""What one run of a workflow takes: the jobs and calls of a state machine's tasks, each counted once.

Upper bounds where the path is decided at run time: every task is counted, also those of the way out, and one
search for hyperparameters where a definition has two ways to it; a task inside of a Map counts once, but
for trainings: one for each of `candidates`. The day-long waits for a challenger's verdict are counted by
`challenge_days`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from audit.bill.quantities import Quantity, Unknown, guarded
from audit.bill.standing import HOST_VOLUME_GB, HOURS, Found, number
from audit.bill.usage import Usage
from audit.rules.definitions import AT_RUN_TIME, MACHINE, Task, definition_of, tasks
from audit.templates import Resource, Templates

TRAIN, PROCESS, TRANSFORM = (f"sagemaker:create{kind}Job" for kind in ("Training", "Processing", "Transform"))
TUNE = "sagemaker:createHyperParameterTuningJob"
GLUE, CALL = "glue:startJobRun", "lambda:invoke"
STATES_PER_CHECK = 5  # wait, look at the alarms, judge, choose, back
DPU = {"G.025X": 0.25, "Standard": 1, "G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8, "R.1X": 1, "R.2X": 2}
_WRITES = ("putItem", "updateItem", "deleteItem")
_REFRESHING = (GLUE, CALL)


@dataclass(frozen=True, kw_only=True)
class Run:
    """
    kind      retraining, refresh, monitoring, scoring, or the state machine's own path
    times     a month
    contents  of one run
    """

    kind: str
    machine: str
    times: float
    contents: Sequence[Quantity | Unknown]


def runs(templates: Templates, usage: Usage) -> Iterator[Run]:
    all_tasks = list(tasks(templates))
    for machine in templates.of(MACHINE):
        mine = [task for task in all_tasks if task.workflow is machine]
        if definition_of(machine) is None or machine.get("StateMachineType") == "EXPRESS":
            why = "its definition is not in the template, or it is an express workflow"
            yield Run(
                kind=machine.path,
                machine=machine.path,
                times=0,
                contents=[Unknown(what=machine.path, why=why)],
            )
            continue
        for kind, times, some in _kinds(machine, mine, usage):
            contents = [
                *_of_tasks(templates, some, usage),
                *guarded(machine.path, partial(_transitions, machine, some, usage)),
            ]
            yield Run(kind=kind, machine=machine.path, times=times, contents=contents)


def _kinds(
    machine: Resource, mine: Sequence[Task], usage: Usage
) -> Iterator[tuple[str, float, Sequence[Task]]]:
    """By the jobs that a machine starts; one that trains may also be asked to prepare the data only."""
    actions = {task.action for task in mine}
    if TRAIN in actions or TUNE in actions:
        yield "retraining", usage.retrainings_per_month, mine
        if GLUE in actions:
            some = [task for task in mine if task.action in _REFRESHING]
            yield "refresh", usage.refreshes_per_month, some
    elif TRANSFORM in actions:
        yield "scoring", usage.scorings_per_month, mine
    elif PROCESS in actions:
        yield "monitoring", usage.monitorings_per_month, mine
    else:
        yield machine.path, usage.other_runs_per_month, mine


def _of_tasks(templates: Templates, some: Sequence[Task], usage: Usage) -> Iterator[Quantity | Unknown]:
    tunings = [task for task in some if task.action == TUNE]
    for task in some:
        if task in tunings[1:]:  # another way to the same search
            continue
        if task.action in _READERS:
            yield from guarded(task.name, partial(_READERS[task.action], templates, task, usage))
        elif task.action.startswith("dynamodb:"):
            kind = "write" if task.action.endswith(_WRITES) else "read"
            yield _quantity("ledger and messages", task, f"dynamodb.{kind}", 1e-6)
        elif task.action == "sns:publish":
            yield _quantity("ledger and messages", task, "sns.email", 1e-5)


def _quantity(group: str, task: Task, price: str, amount: float, more: str = "") -> Quantity:
    return Quantity(group=group, what=f"{task.name}{more}", price=price, amount=amount)


def _transitions(machine: Resource, some: Sequence[Task], usage: Usage) -> Iterator[Quantity]:
    definition = definition_of(machine) or {}
    states = _states(definition)
    count = float(len(states)) if _trains(some) or not _has_training(definition) else 2.0 * len(some)
    if _trains(some):
        pause = max((s["Seconds"] for s in states if isinstance(s.get("Seconds"), int)), default=0)
        count += STATES_PER_CHECK * math.ceil(usage.challenge_days * 86_400 / pause) if pause else 0
    yield Quantity(
        group="transitions", what="state transitions", price="states.transitions", amount=count / 1_000
    )


def _trains(some: Sequence[Task]) -> bool:
    return any(task.action in (TRAIN, TUNE) for task in some)


def _has_training(definition: Mapping[str, Any]) -> bool:
    starts = ("createTrainingJob", "createHyperParameterTuningJob")
    resources = [str(state.get("Resource", "")) for state in _states(definition)]
    return any(start in resource for resource in resources for start in starts)


def _states(definition: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = []
    for state in (definition.get("States") or {}).values():
        found.append(state)
        for inner in (state.get("ItemProcessor"), state.get("Iterator"), *(state.get("Branches") or [])):
            found += _states(inner) if isinstance(inner, Mapping) else []
    return found


def _job(task: Task, where: tuple[str, ...], minutes: float, *, discount: float = 0.0) -> Found:
    """Instances by the hour, and their volumes; SageMaker bills from the start of the work to its end."""
    cluster = task.get(*where)
    kind, count = (task.get(*where, field) for field in ("InstanceType", "InstanceCount"))
    instances = number(count, 1)
    if not isinstance(cluster, Mapping) or kind in (None, AT_RUN_TIME) or instances is None:
        yield Unknown(what=task.name, why="its instances are said at run time")
        return
    hours = minutes / 60 * instances
    spot = f", Spot at {1 - discount:.0%} of the price" if discount else ""
    yield _quantity("SageMaker jobs", task, f"sagemaker.{kind}", hours * (1 - discount), spot)
    volume = number(task.get(*where, "VolumeSizeInGB"), 0) or 0
    if volume:
        yield _quantity("SageMaker jobs", task, "sagemaker.volume", volume * hours / HOURS, ", volume")


def _train(_: Templates, task: Task, usage: Usage) -> Found:
    times = usage.candidates if any(state.get("Type") == "Map" for state in task.around) else 1
    yield from _training(task, (), usage.training_minutes * times, usage)


def _tune(_: Templates, task: Task, usage: Usage) -> Found:
    """Every trial is a training; a grid counts its combinations itself."""
    limits = ("HyperParameterTuningJobConfig", "ResourceLimits", "MaxNumberOfTrainingJobs")
    given = task.get(*limits)
    trials = number(given, 1) if given is not None else _combinations(task)
    if trials is None:
        yield Unknown(what=task.name, why="its number of trials is said at run time")
        return
    yield from _training(task, ("TrainingJobDefinition",), usage.trial_minutes * trials, usage)


def _combinations(task: Task) -> float | None:
    found = task.get("HyperParameterTuningJobConfig", "ParameterRanges", "CategoricalParameterRanges")
    if not isinstance(found, list):
        return None
    return float(math.prod(len(each.get("Values") or ()) for each in found if isinstance(each, Mapping)))


def _training(task: Task, below: tuple[str, ...], minutes: float, usage: Usage) -> Found:
    is_spot = str(task.get(*below, "EnableManagedSpotTraining")).lower() == "true"
    discount = usage.spot_discount if is_spot else 0.0
    yield from _job(task, (*below, "ResourceConfig"), minutes, discount=discount)


def _process(_: Templates, task: Task, usage: Usage) -> Found:
    yield from _job(task, ("ProcessingResources", "ClusterConfig"), usage.processing_minutes)


def _transform(_: Templates, task: Task, usage: Usage) -> Found:
    yield from _job(task, ("TransformResources",), usage.transform_minutes)


def _glue(templates: Templates, task: Task, usage: Usage) -> Found:
    job = named(templates, "AWS::Glue::Job", task.get("JobName"))
    if job is None:
        yield Unknown(what=task.name, why=f"its job is not in the templates: {task.get('JobName')}")
        return
    worker = job.get("WorkerType", default="Standard")
    workers = number(job.get("NumberOfWorkers"), 2)
    if worker not in DPU or workers is None:
        yield Unknown(what=task.name, why=f"its size is not known: {workers} of {worker}")
        return
    if job.get("ExecutionClass") == "FLEX":
        price = "glue.dpu-flex"
    else:
        price = "glue.dpu-6" if str(job.get("GlueVersion", default="")).startswith("6") else "glue.dpu"
    minutes = max(1.0, usage.glue_minutes) if usage.glue_minutes else 0.0  # one is the least that is billed
    yield _quantity("Glue jobs", task, price, minutes / 60 * workers * DPU[worker])


def _call(templates: Templates, task: Task, usage: Usage) -> Found:
    function = named(templates, "AWS::Lambda::Function", task.get("FunctionName"))
    if function is None:
        yield Unknown(what=task.name, why=f"its function is not in the templates: {task.get('FunctionName')}")
        return
    yield from calls(function, 1, usage, task.name)


def calls(function: Resource, count: float, usage: Usage, what: str) -> Iterator[Quantity]:
    memory = number(function.get("MemorySize"), 128) or 128
    price = "lambda.arm" if function.get("Architectures", default=[]) == ["arm64"] else "lambda.x86"
    gb_seconds = count * usage.function_seconds * memory / 1_024
    yield Quantity(group="functions", what=f"{what}, calls", price="lambda.requests", amount=count / 1e6)
    yield Quantity(group="functions", what=f"{what}, duration", price=price, amount=gb_seconds)


def _challenger(_: Templates, task: Task, usage: Usage) -> Found:
    """A configuration with a second variant: its instances run beside the first one's while it bakes."""
    variants = task.get("ProductionVariants")
    for variant in variants[1:] if isinstance(variants, list) else []:
        count = number(variant.get("InitialInstanceCount", AT_RUN_TIME), 1)
        if "InstanceType" not in variant or count is None:
            yield Unknown(what=task.name, why="a variant whose instances are said at run time")
            continue
        hours = usage.challenge_days * 24 * count
        more = f" {variant.get('VariantName', 'variant')}"
        group = "challenger's instances"
        yield _quantity(group, task, f"sagemaker.{variant['InstanceType']}", hours, more)
        volume = HOST_VOLUME_GB * hours / HOURS
        yield _quantity(group, task, "sagemaker.volume", volume, f"{more}, volume")


def named(templates: Templates, kind: str, given: Any) -> Resource | None:
    """The resource that a name or an ARN in the templates means."""
    for resource in templates.of(kind):
        if given in (f"<{resource.address}>", templates.arn(resource), resource.get("Name")):
            return resource
    return None


_READERS: Mapping[str, Callable[[Templates, Task, Usage], Found]] = {
    TRAIN: _train,
    TUNE: _tune,
    PROCESS: _process,
    TRANSFORM: _transform,
    GLUE: _glue,
    CALL: _call,
    "sagemaker:createEndpointConfig": _challenger,
}
