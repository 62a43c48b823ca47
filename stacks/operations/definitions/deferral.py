"""A run that finds the model lock taken leaves a request; the run that held the lock answers it at its end.

One row of the ledger, the newest wins: whoever asks, a later training has the data of all. The answer comes
after the lock was released, in this order: start, then take the row away. Whatever is repeated in between
starts nothing twice, because the execution is named after the run that asked
(docs/decisions/0037-deferred-runs.md).

A request that is older than the run that reads it is none: that run has trained on later data itself.
"""

from __future__ import annotations

from stacks.operations.definitions import ledger
from stacks.operations.definitions.parts import Report
from stacks.operations.definitions.states import (
    FAILED,
    LOCK_IS_TAKEN,
    States,
    all_of,
    choose,
    compute,
    equals,
    equals_path,
    is_true,
    note,
    present,
    task,
)

PENDING = "retrain#pending"
HELD = "$.model_lock"
STARTED_ALREADY = "StepFunctions.ExecutionAlreadyExistsException"


def ask(table: str, *, start: str, granted: str, refused: str) -> States:
    """Leave the request, then try the lock once more.

    Whoever still holds it after the row was written sees the row at its end. If it became free in between,
    nobody would: then this run goes on itself.
    """
    # A deferred run that is skipped again asks for the one that asked first. Months and dates of the input
    # are of its time; hyperparameters are what a person wanted to try.
    asked = (
        "{'by': $exists($given.asked_by) ? $given.asked_by : $states.input.plan.trigger, "
        "'hyperparameters': $exists($given.hyperparameters) ? $string($given.hyperparameters) : '{}'}"
    )
    return {
        **compute(
            start, f"$given := $states.context.Execution.Input; {asked}", into="asked", then="LeaveRequest"
        ),
        **task(
            "LeaveRequest",
            "dynamodb:putItem",
            {
                "TableName": table,
                "Item": {
                    "id": {"S": PENDING},
                    "run_id": {"S.$": ledger.RUN},
                    "trigger": {"S.$": "$.asked.by"},
                    "through": {"S.$": "$.plan.through"},
                    "hyperparameters": {"S.$": "$.asked.hyperparameters"},
                    "execution": {"S.$": "$$.Execution.Id"},
                    "asked_at": {"S.$": "$$.State.EnteredTime"},
                    # No run lasts longer, so nobody is left to answer it.
                    "expires": {"N.$": "$.plan.locks.model_expires"},
                },
            },
            then="TakeModelLockAgain",
            seconds=60,
        ),
        **ledger.take_lock(
            "TakeModelLockAgain", table, "model", then="WithdrawRequest", when_taken=refused, into=HELD
        ),
        **_take_away("WithdrawRequest", table, ledger.RUN, then=granted),
    }


def answer(
    report: Report, arn: str, *, start: str, then: str, suffix: str = "", may_promote: bool = False
) -> States:
    """What a run that held the model lock does about a request; a text for its message below `$.next`.

    Nothing of it may spoil the run's own end: what goes wrong becomes a sentence, and the row stays.
    """
    look, known, which, begin, begun, moot, judged, drop, nothing, unclear = (
        f"{name}{suffix}"
        for name in (
            "LookForRequest",
            "IsRequested",
            "IsRequestMoot",
            "StartDeferred",
            "DeferredStarted",
            "RequestIsMoot",
            "RequestIsJudged",
            "TakeRequestAway",
            "NothingRequested",
            "RequestUnanswered",
        )
    )
    row = "$.pending.Item"
    who = f"{row}.run_id.S, {row}.trigger.S"
    states = {
        **choose(start, (is_true(f"{HELD}.held"), look), otherwise=nothing),
        **task(
            look,
            "dynamodb:getItem",
            {"TableName": report.table, "Key": {"id": {"S": PENDING}}, "ConsistentRead": True},
            then=known,
            seconds=60,
            into="$.pending",
            failing=unclear,
        ),
        **choose(
            known,
            (
                all_of(
                    present(row),
                    {"Variable": f"{row}.asked_at.S", "StringGreaterThanPath": f"{HELD}.run_started_at"},
                ),
                which if may_promote else begin,
            ),
            otherwise=nothing,
        ),
        **task(
            begin,
            "states:startExecution",
            {
                "StateMachineArn": arn,
                "Name.$": f"States.Format('deferred-{{}}', {row}.run_id.S)",
                "Input": {
                    "trigger": "deferred",
                    "action": "retrain",
                    "time.$": "$$.State.EnteredTime",
                    "hyperparameters.$": f"States.StringToJson({row}.hyperparameters.S)",
                    "asked_by.$": f"{row}.trigger.S",
                    "skipped.$": f"{row}.run_id.S",
                    "after.$": ledger.RUN,
                    "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$": "$$.Execution.Id",
                },
            },
            then=begun,
            seconds=60,
            caught={STARTED_ALREADY: begun},
            failing=unclear,
        ),
        **_say(
            begun,
            "States.Format('. Run {} (asked for by: {}) was skipped meanwhile and starts again as execution "
            f"deferred-{{}}', {who}, {row}.run_id.S)",
            then=drop,
        ),
        **_take_away(drop, report.table, f"{row}.run_id.S", then=then, failing=then),
        **note(nothing, {"text": ""}, into="$.next", then=then),
        **note(
            unclear,
            {"text": f". Whether a skipped run waits is not known: look at the row {PENDING} of the ledger"},
            into="$.next",
            then=then,
        ),
    }
    if may_promote:
        # Two alarms of one report start two runs: the second one would train the same model on the same data.
        same = all_of(
            equals("$.outcome.name", "refused"),
            present(f"{row}.through.S"),
            equals_path(f"{row}.through.S", "$.plan.through"),
            equals(f"{row}.hyperparameters.S", "{}"),
            {"Variable": "$.plan.request.hyperparameters", "IsPresent": False},
        )
        promoted = equals("$.outcome.name", "promoted")
        states |= choose(which, (promoted, moot), (same, judged), otherwise=begin)
        states |= _say(
            moot,
            "States.Format('. Run {} (asked for by: {}) was skipped meanwhile; its request is moot, as it "
            f"was about the model before this one', {who})",
            then=drop,
        )
        states |= _say(
            judged,
            "States.Format('. Run {} (asked for by: {}) was skipped meanwhile; its request is answered, as "
            f"it was about the same data', {who})",
            then=drop,
        )
    return states


def _say(name: str, text: str, *, then: str) -> States:
    return note(name, {"text.$": text}, into="$.next", then=then)


def _take_away(name: str, table: str, run: str, *, then: str, failing: str = FAILED) -> States:
    """Only the request of that run: a newer one stays for whoever holds the lock now."""
    return task(
        name,
        "dynamodb:deleteItem",
        {
            "TableName": table,
            "Key": {"id": {"S": PENDING}},
            "ConditionExpression": "#run = :run",
            "ExpressionAttributeNames": {"#run": "run_id"},
            "ExpressionAttributeValues": {":run": {"S.$": run}},
        },
        then=then,
        seconds=60,
        caught={LOCK_IS_TAKEN: then},
        failing=failing,
    )
