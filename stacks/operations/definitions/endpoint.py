"""Moving the endpoint from one configuration to another, and knowing on which one it ended.

SageMaker starts new instances, moves the traffic to them at once, and goes back by itself when they do not
start: then the endpoint is in service again, on the configuration it had before. So every update ends in a
comparison of names, not in a status.

No update of the loop has a DeploymentConfig: each one adds or removes the variant `challenger`, and
guardrails want the same variants before and after (docs/decisions/0033). The run looks at the alarms instead.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def update(
    name: str,
    endpoint: str,
    config: str,
    *,
    then: str,
    otherwise: str,
    failing: str = FAILED,
) -> States:
    """Four states: update, wait, look, compare.

    config     path of the configuration's name
    otherwise  where to go when the endpoint came to rest on another configuration
    """
    pause, look, compare = f"{name}Moves", f"{name}Look", f"{name}Compare"
    return {
        **task(
            name,
            "aws-sdk:sagemaker:updateEndpoint",
            {"EndpointName": endpoint, "EndpointConfigName.$": config},
            then=pause,
            seconds=120,
            failing=failing,
            # A refusal has the name of a throttled call, SageMaker.SageMakerException: it is repeated too.
            attempts=2,
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
    """Wait until the endpoint rests, then put it on `config`, unless it is there.

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


def look_at_alarms(name: str, alarms: Sequence[str], *, then: str) -> States:
    """Names and states of the endpoint's alarms, in the same order, and whether one of them rings."""
    return task(
        name,
        "aws-sdk:cloudwatch:describeAlarms",
        {"AlarmNames": list(alarms), "AlarmTypes": ["MetricAlarm"]},
        then=then,
        seconds=60,
        keep={
            "names.$": "$.MetricAlarms[*].AlarmName",
            "states.$": "$.MetricAlarms[*].StateValue",
            "ringing.$": "States.ArrayContains($.MetricAlarms[*].StateValue, 'ALARM')",
        },
        into="$.alarms",
    )
