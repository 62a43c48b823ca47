"""Building blocks of the state machines: every task times out, retries what may pass, hands on what does not.

A definition is a plain dictionary in the Amazon States Language (JSONPath). The state travels as one
document: `plan` (what this execution does), `publication`, `learned`, `candidates`, `decision`, `package`,
`endpoint`, `judgement`; a task adds its own part with `into` and leaves the others alone. Two variables stand
beside it: `$failed_state`, set by the catcher that leaves a state, since the next one cannot know where it
came from; and `$card`, the model card between gate and registry, too large to travel with every state.

A catcher leaves the error below `$.failure`; the way out keeps what it tells people below `$.fault`, since a
state of the way out that fails itself overwrites the former.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

State = dict[str, Any]
States = dict[str, State]

# What may pass when it is tried again, by service: throttling and faults of the service itself.
TRANSIENT: Mapping[str, tuple[str, ...]] = {
    "cloudwatch": ("CloudWatch.CloudWatchException",),
    "lambda": (
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
    ),
    "glue": (
        "Glue.ConcurrentRunsExceededException",
        "Glue.InternalServiceException",
        "Glue.OperationTimeoutException",
        "Glue.ResourceNumberLimitExceededException",
        "Glue.AWSGlueException",
    ),
    "sagemaker": (
        "SageMaker.AmazonSageMakerException",
        "SageMaker.ResourceLimitExceededException",
        "SageMaker.SageMakerException",
        "SageMaker.ThrottlingException",
    ),
    "dynamodb": (
        "DynamoDB.InternalServerErrorException",
        "DynamoDB.ProvisionedThroughputExceededException",
        "DynamoDB.RequestLimitExceededException",
        "DynamoDB.ThrottlingException",
    ),
    "sns": ("SNS.InternalErrorException", "SNS.KMSThrottlingException", "SNS.ThrottledException"),
    "states": (
        "StepFunctions.ExecutionLimitExceeded",
        "StepFunctions.ExecutionLimitExceededException",
        "StepFunctions.AWSStepFunctionsException",
    ),
    "ssm": ("Ssm.InternalServerErrorException", "Ssm.ThrottlingException", "Ssm.TooManyUpdatesException"),
}
LOCK_IS_TAKEN = "DynamoDB.ConditionalCheckFailedException"
FAILED = "Failed"


def retry(errors: Sequence[str], *, attempts: int, seconds: int = 2, backoff: float = 2.0) -> State:
    """Full jitter, so that executions that were throttled together do not come back together."""
    return {
        "ErrorEquals": list(errors),
        "IntervalSeconds": seconds,
        "MaxAttempts": attempts,
        "BackoffRate": backoff,
        "MaxDelaySeconds": max(seconds, 120),
        "JitterStrategy": "FULL",
    }


def go_on_with(state: str, next_state: str, errors: Sequence[str] = ("States.ALL",)) -> State:
    """The catcher of `state`: remembers where and why, then goes to `next_state`."""
    return {
        "ErrorEquals": list(errors),
        "Assign": {"failed_state": state},
        "ResultPath": "$.failure",
        "Next": next_state,
    }


def task(
    name: str,
    resource: str,
    parameters: Mapping[str, Any],
    *,
    then: str,
    seconds: int,
    keep: Mapping[str, Any] | None = None,
    into: str | None = None,
    retries: Sequence[State] = (),
    caught: Mapping[str, str] | None = None,
    failing: str = FAILED,
    attempts: int = 5,
    assign: Mapping[str, Any] | None = None,
) -> States:
    """One call of a service, for example `task("Train", "sagemaker:createTrainingJob.sync", ...)`.

    keep     what stays of the answer (ResultSelector); into: where it goes, `None` drops it
    seconds  how long the task may take, a waiting task (.sync) with its job
    caught   error -> state, for errors that are an answer and not a failure
    failing  where everything else goes
    assign   variables; a path reads the whole answer, before `keep`
    """
    service = resource.split(":")[1] if resource.startswith("aws-sdk:") else resource.split(":")[0]
    state: State = {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{resource}",
        "Parameters": dict(parameters),
        "ResultPath": into,
        "TimeoutSeconds": seconds,
        "Retry": [*retries, retry(TRANSIENT[service], attempts=attempts)],
        "Catch": [
            *(go_on_with(name, target, (error,)) for error, target in (caught or {}).items()),
            go_on_with(name, failing),
        ],
        "Next": then,
    }
    if keep is not None:
        state["ResultSelector"] = dict(keep)
    if assign is not None:
        state["Assign"] = dict(assign)
    return {name: state}


def call(
    name: str,
    function_arn: str,
    payload: Mapping[str, Any],
    *,
    then: str,
    keep: Mapping[str, Any] | None = None,
    into: str | None = None,
    failing: str = FAILED,
    seconds: int = 900,
    assign: Mapping[str, Any] | None = None,
) -> States:
    """A function; `keep` selects below `$.Payload`."""
    return task(
        name,
        "lambda:invoke",
        {"FunctionName": function_arn, "Payload": dict(payload)},
        then=then,
        seconds=seconds,
        keep=keep,
        into=into,
        failing=failing,
        assign=assign,
    )


def note(name: str, values: Mapping[str, Any], *, into: str, then: str) -> States:
    return {name: {"Type": "Pass", "Parameters": dict(values), "ResultPath": into, "Next": then}}


def compute(name: str, expression: str, *, into: str, then: str) -> States:
    """What JSONPath cannot: defaults for what is missing, parts of a text. The expression is JSONata.

    into  a name at the top of the state, which the value is written to
    """
    output = f"{{% $merge([$states.input, {{'{into}': ({expression})}}]) %}}"
    return {name: {"Type": "Pass", "QueryLanguage": "JSONata", "Output": output, "Next": then}}


def count(name: str, path: str, *, then: str) -> States:
    """Adds one to the number at `path`."""
    counted = {"value.$": f"States.MathAdd({path}.value, 1)"}
    return {name: {"Type": "Pass", "Parameters": counted, "ResultPath": path, "Next": then}}


def name_failed(name: str, state: str, *, then: str) -> States:
    """For a failure that no catcher saw: the state that it happened in."""
    return {name: {"Type": "Pass", "Assign": {"failed_state": state}, "Next": then}}


def for_each(
    name: str,
    items: str,
    item: str,
    hands_on: Sequence[str],
    start: str,
    *parts: States,
    at_once: int,
    into: str,
    then: str,
    failing: str = FAILED,
) -> States:
    """A Map: `parts`, from `start` on, for each element of the list at `items`, which is `item` of its state.

    hands_on  what of the outer state the inner ones see too, by its name at the top
    """
    states = _inner(parts)
    return {
        name: {
            "Type": "Map",
            "ItemsPath": items,
            "ItemSelector": {
                **{f"{each}.$": f"$.{each}" for each in hands_on},
                f"{item}.$": "$$.Map.Item.Value",
            },
            "MaxConcurrency": at_once,
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": start, "States": states},
            "ResultPath": into,
            "Catch": [go_on_with(name, failing)],
            "Next": then,
        }
    }


def together(
    name: str, *branches: tuple[str, Sequence[States]], into: str, then: str, failing: str = FAILED
) -> States:
    """A Parallel: branches that run at the same time, each a first state and its parts.

    Their outputs are a list, in this order. A branch that fails has the others stopped: one that may not do
    that ends well, and hands over what went wrong.
    """
    return {
        name: {
            "Type": "Parallel",
            "Branches": [{"StartAt": start, "States": _inner(parts)} for start, parts in branches],
            "ResultPath": into,
            "Catch": [go_on_with(name, failing)],
            "Next": then,
        }
    }


def _inner(parts: Sequence[States]) -> States:
    """States of a Map or a branch: a catcher there assigns nothing.

    `$failed_state` belongs to the machine, and no inner state may have a variable of that name.
    """
    states: States = {}
    for part in parts:
        for name, state in part.items():
            catchers = [
                {key: value for key, value in catcher.items() if key != "Assign"}
                for catcher in state.get("Catch", [])
            ]
            states[name] = {**state, "Catch": catchers} if catchers else state
    return states


def hand_over(name: str, *parts: str) -> States:
    """The end of a branch, and what of its state goes on."""
    return {name: {"Type": "Pass", "Parameters": {f"{part}.$": f"$.{part}" for part in parts}, "End": True}}


def result(name: str, expression: str) -> States:
    """The end of an element of a Map, and what is kept of it. The expression is JSONata."""
    output = f"{{% {expression} %}}"
    return {name: {"Type": "Pass", "QueryLanguage": "JSONata", "Output": output, "End": True}}


def wait(name: str, seconds: int, *, then: str) -> States:
    return {name: {"Type": "Wait", "Seconds": seconds, "Next": then}}


def choose(name: str, *rules: tuple[Mapping[str, Any], str], otherwise: str) -> States:
    """The first rule that holds decides; a rule is a condition and the state to go to."""
    choices = [{**condition, "Next": target} for condition, target in rules]
    return {name: {"Type": "Choice", "Choices": choices, "Default": otherwise}}


def succeed(name: str) -> States:
    return {name: {"Type": "Succeed"}}


def fail(name: str) -> States:
    """An error name of our own, as `States.` begins the service's; the true one is in the cause."""
    cause = "States.Format('{}: {}: {}', $.fault.state, $.fault.error, $.fault.reason)"
    return {name: {"Type": "Fail", "Error": "RunFailed", "CausePath": cause}}


def equals(path: str, value: str) -> State:
    return {"Variable": path, "StringEquals": value}


def equals_path(path: str, other: str) -> State:
    return {"Variable": path, "StringEqualsPath": other}


def present(path: str) -> State:
    return {"Variable": path, "IsPresent": True}


def is_true(path: str) -> State:
    """Also false when nothing is there."""
    return {"And": [present(path), {"Variable": path, "BooleanEquals": True}]}


def all_of(*conditions: State) -> State:
    return {"And": list(conditions)}


def machine(comment: str, start: str, *parts: States, seconds: int) -> State:
    """The whole definition; a state's name may appear once, and what follows a state is in its scope."""
    states: States = {}
    for part in parts:
        twice = states.keys() & part.keys()
        if twice:
            raise ValueError(f"{start}: the states {sorted(twice)} are defined twice: rename one of them")
        states |= part
    _check_scope(states)
    return {
        "Comment": comment,
        "QueryLanguage": "JSONPath",
        "StartAt": start,
        "TimeoutSeconds": seconds,
        "States": states,
    }


def _check_scope(states: States) -> None:
    """A Map and each branch of a Parallel are scopes of their own, which nothing leads out of."""
    for name, state in states.items():
        ways = [state, *state.get("Choices", []), *state.get("Catch", [])]
        followers = {way[key] for way in ways for key in ("Next", "Default") if key in way}
        if lost := sorted(followers - states.keys()):
            raise ValueError(
                f"{name} leads to {', '.join(lost)}, which is not beside it: states there are "
                f"{', '.join(sorted(states))}"
            )
        for inner in (state.get("ItemProcessor"), *state.get("Branches", [])):
            _check_scope(inner["States"] if inner else {})
