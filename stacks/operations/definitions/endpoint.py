"""Moving the endpoint from one configuration to another, and knowing on which one it ended.

SageMaker shifts the traffic to new instances (blue/green) and goes back by itself when an alarm rings: then
the endpoint is in service again, on the configuration it had before. So every update ends in a comparison of
names, not in a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stacks.operations.definitions.states import (
    FAILED,
    State,
    States,
    all_of,
    choose,
    equals,
    equals_path,
    task,
    wait,
)

POLL_SECONDS = 60
MOVING = ("Creating", "Updating", "RollingBack", "SystemUpdating")
# For guardrails the new configuration "must have the same variant name as the old" (AWS, deployment
# guardrails, exclusions). Ours has `champion` in both; should SageMaker mean the same set of variants, it
# refuses the call, and the same update goes out without the guardrail.
REFUSED = ("SageMaker.SageMakerException", "SageMaker.ValidationException")


def update(
    name: str,
    endpoint: str,
    config: str,
    *,
    guard: Mapping[str, Any] | None,
    then: str,
    otherwise: str,
    failing: str = FAILED,
) -> States:
    """Four states (five with a guard): update, wait, look, compare.

    config     path of the configuration's name
    guard      DeploymentConfig: how the traffic shifts and which alarms take it back
    otherwise  where to go when the endpoint came to rest on another configuration
    """
    target = {"EndpointName": endpoint, "EndpointConfigName.$": config}
    plainly, pause, look, compare = f"{name}Unguarded", f"{name}Moves", f"{name}Look", f"{name}Compare"
    states: States = {}
    if guard is not None:
        states |= task(
            name,
            "aws-sdk:sagemaker:updateEndpoint",
            {**target, "DeploymentConfig": dict(guard)},
            then=pause,
            seconds=120,
            caught=dict.fromkeys(REFUSED, plainly),
            failing=failing,
            attempts=2,
        )
    return {
        **states,
        **task(
            plainly if guard is not None else name,
            "aws-sdk:sagemaker:updateEndpoint",
            target,
            then=pause,
            seconds=120,
            failing=failing,
        ),
        **wait(pause, POLL_SECONDS, then=look),
        **look_at(look, endpoint, then=compare, failing=failing),
        **choose(
            compare,
            *((equals("$.endpoint.status", status), pause) for status in MOVING),
            (rests_on(config), then),
            otherwise=otherwise,
        ),
    }


def restore(name: str, endpoint: str, config: str, *, then: str, otherwise: str, failing: str) -> States:
    """Wait until the endpoint rests, then put it on `config`, at once and unguarded, unless it is there.

    SageMaker accepts no update while another one runs, and asks for a configuration new to the endpoint.
    """
    resting, pause = f"{name}Resting", f"{name}Await"
    return {
        **look_at(name, endpoint, then=resting, failing=failing),
        **choose(
            resting,
            *((equals("$.endpoint.status", status), pause) for status in MOVING),
            (rests_on(config), then),
            otherwise=f"{name}Update",
        ),
        **wait(pause, POLL_SECONDS, then=name),
        **update(
            f"{name}Update",
            endpoint,
            config,
            guard=None,
            then=then,
            otherwise=otherwise,
            failing=failing,
        ),
    }


def rests_on(config: str) -> State:
    return all_of(equals("$.endpoint.status", "InService"), equals_path("$.endpoint.config", config))


def look_at(
    name: str, endpoint: str, *, then: str, failing: str = FAILED, count_instances: bool = False
) -> States:
    """What the endpoint does, on which configuration; `count_instances` while `champion` is alone on it."""
    keep = {"status.$": "$.EndpointStatus", "config.$": "$.EndpointConfigName"}
    if count_instances:
        keep |= {"champion.$": "$.ProductionVariants[0]"}
    return task(
        name,
        "aws-sdk:sagemaker:describeEndpoint",
        {"EndpointName": endpoint},
        then=then,
        seconds=60,
        keep=keep,
        into="$.serving" if count_instances else "$.endpoint",
        failing=failing,
    )
