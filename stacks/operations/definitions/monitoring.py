"""The Monitor state machine: compare what the models answered with what happened, and say so in metrics."""

from __future__ import annotations

from stacks.operations.definitions import ending
from stacks.operations.definitions.parts import Functions, Report, Request
from stacks.operations.definitions.states import FAILED, State, call, machine, succeed, task

COMMENT = "One look at the endpoint: captured answers, the labels that came in since, drift; then metrics."


def monitoring(functions: Functions, request: Request, report: Report, *, job_seconds: int) -> State:
    return machine(
        COMMENT,
        "Plan",
        call(
            "Plan",
            functions.plan_run,
            {
                "event.$": "$",
                "execution": {"id.$": "$$.Execution.Id", "started_at.$": "$$.Execution.StartTime"},
            },
            then="Monitor",
            keep={"plan.$": "$.Payload"},
            into="$",
            failing="CannotPlan",
        ),
        task(
            "Monitor",
            "sagemaker:createProcessingJob.sync",
            request,
            then="PublishMetrics",
            seconds=job_seconds + 900,
        ),
        call("PublishMetrics", functions.publish_metrics, {"plan.$": "$.plan"}, then=ending.DONE),
        succeed(ending.DONE),
        ending.cannot_plan(then="Explain"),
        ending.failure(FAILED, then="Explain"),
        ending.explain("Explain", functions.explain_failure, "$.plan.run_id", then="NotifyFailure"),
        ending.stop(report),
        seconds=2 * job_seconds + 3_600,
    )
