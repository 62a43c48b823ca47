"""A look at the run's data beside the training; what becomes of it never stops the run.

A failure is put into words and kept in the ledger as `exploration#<run>`, beside the run's own row.
"""

from __future__ import annotations

from stacks.operations.definitions import ending, ledger
from stacks.operations.definitions.parts import Functions, Request
from stacks.operations.definitions.states import States, task


def exploring(
    functions: Functions, request: Request, table: str, *, seconds: int, start: str, then: str
) -> States:
    """`seconds`: the longest that the job may run."""
    return {
        **task(
            start,
            "sagemaker:createProcessingJob.sync",
            request,
            then=then,
            seconds=seconds + 900,
            failing="ExplorationFailed",
        ),
        **ending.failure("ExplorationFailed", state=f"'{start}'", then="ExplainExploration"),
        **ending.explain(
            "ExplainExploration", functions.explain_failure, ledger.RUN, then="RecordExploration"
        ),
        **task(
            "RecordExploration",
            "dynamodb:putItem",
            {
                "TableName": table,
                "Item": {
                    "id": {"S.$": f"States.Format('exploration#{{}}', {ledger.RUN})"},
                    "run_id": {"S.$": ledger.RUN},
                    "outcome": {"S": "failed"},
                    "error": {"S.$": "$.fault.error"},
                    "reason": {"S.$": "$.fault.reason"},
                    "more": {"S.$": "$.fault.more"},
                    "ended_at": {"S.$": "$$.State.EnteredTime"},
                },
            },
            then=then,
            seconds=60,
            failing=then,
        ),
    }
