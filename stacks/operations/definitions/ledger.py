"""The ledger's rows as tasks: locks with an owner and an end, runs with their outcome, the last refresh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stacks.operations.definitions.states import FAILED, LOCK_IS_TAKEN, States, retry, task

RUN = "$.plan.run_id"
WAIT_FOR_LOCK_SECONDS = 60


def take_lock(
    name: str,
    table: str,
    lock: str,
    *,
    then: str,
    when_taken: str | None = None,
    patience: int = 0,
    into: str | None = None,
) -> States:
    """Put the lock's row if nobody owns it, if its end has passed, or if it is ours already (a retried call).

    patience    how often to come back, a minute apart, while another run owns it
    when_taken  where to go when it is still owned; `None`: a failure
    into        where to note that it is held, for the end of the run

    The clock is the plan's: `$.plan.locks.now` is earlier than the true time, so no end is seen too early.
    """
    retries = []
    if patience:
        retries = [retry([LOCK_IS_TAKEN], attempts=patience, seconds=WAIT_FOR_LOCK_SECONDS, backoff=1.0)]
    return task(
        name,
        "dynamodb:putItem",
        {
            "TableName": table,
            "Item": {
                "id": {"S": f"lock#{lock}"},
                "owner": {"S.$": RUN},
                "execution": {"S.$": "$$.Execution.Id"},
                "taken_at": {"S.$": "$$.State.EnteredTime"},
                "expires": {"N.$": f"$.plan.locks.{lock}_expires"},
            },
            "ConditionExpression": "attribute_not_exists(id) OR #expires < :now OR #owner = :owner",
            "ExpressionAttributeNames": {"#expires": "expires", "#owner": "owner"},
            "ExpressionAttributeValues": {":now": {"N.$": "$.plan.locks.now"}, ":owner": {"S.$": RUN}},
        },
        then=then,
        seconds=60,
        keep={"held": True, "run_started_at.$": "$$.Execution.StartTime"} if into else None,
        into=into,
        retries=retries,
        caught={LOCK_IS_TAKEN: when_taken} if when_taken else None,
    )


def release_lock(name: str, table: str, lock: str, *, then: str, failing: str | None = None) -> States:
    """Delete the row if it is ours; if it is not, there is nothing to release."""
    return task(
        name,
        "dynamodb:deleteItem",
        {
            "TableName": table,
            "Key": {"id": {"S": f"lock#{lock}"}},
            "ConditionExpression": "attribute_not_exists(id) OR #owner = :owner",
            "ExpressionAttributeNames": {"#owner": "owner"},
            "ExpressionAttributeValues": {":owner": {"S.$": RUN}},
        },
        then=then,
        seconds=60,
        caught={LOCK_IS_TAKEN: then},
        failing=failing or FAILED,
    )


def record_refresh(name: str, table: str, *, then: str) -> States:
    """What the next plan compares the raw zone with: objects that came after this run began are new to it."""
    return task(
        name,
        "dynamodb:putItem",
        {
            "TableName": table,
            "Item": {
                "id": {"S": "refresh#last"},
                "run_id": {"S.$": RUN},
                "started_at": {"S.$": "$$.Execution.StartTime"},
                "through": {"S.$": "$.plan.through"},
                "months": {"S.$": "$.plan.months"},
            },
        },
        then=then,
        seconds=60,
    )


def record_search(name: str, table: str, *, then: str) -> States:
    """What the next search may go on from: `like` says which searches are comparable with it.

    Without the row the next one goes on from an earlier search, which is no reason to lose this run.
    """
    return task(
        name,
        "dynamodb:putItem",
        {
            "TableName": table,
            "Item": {
                "id": {"S": "tuning#last"},
                "run_id": {"S.$": RUN},
                "job": {"S.$": "$.search.job"},
                "like": {"S.$": "$.plan.tuning.like"},
            },
        },
        then=then,
        seconds=60,
        failing=then,
    )


def record_run(
    name: str, table: str, outcome: Mapping[str, Any], *, then: str, failing: str = FAILED
) -> States:
    """One row per run: what started it and how it ended. `outcome` holds attribute values."""
    item = {
        "id": {"S.$": f"States.Format('run#{{}}', {RUN})"},
        "run_id": {"S.$": RUN},
        "action": {"S.$": "$.plan.action"},
        "trigger": {"S.$": "$.plan.trigger"},
        "through": {"S.$": "$.plan.through"},
        "execution": {"S.$": "$$.Execution.Id"},
        "started_at": {"S.$": "$$.Execution.StartTime"},
        "ended_at": {"S.$": "$$.State.EnteredTime"},
        **outcome,
    }
    put = {"TableName": table, "Item": item}
    return task(name, "dynamodb:putItem", put, then=then, seconds=60, failing=failing)
