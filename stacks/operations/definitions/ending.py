"""How a run ends: its outcome in the ledger, a message to people, its locks released.

A failed run leaves champion and data as they were: the endpoint goes back to the champion's configuration if
the challenger may be on it, and what the run has written of data was never published. Each step of this path
goes on with the next one when it fails itself, so that locks are released and people told whatever happens.
The failure is put into words last: the endpoint does not wait for a sentence.
"""

from __future__ import annotations

from stacks.operations.definitions import deferral, endpoint, ledger
from stacks.operations.definitions.parts import Release, Report
from stacks.operations.definitions.states import (
    FAILED,
    States,
    call,
    choose,
    compute,
    equals,
    fail,
    is_true,
    note,
    present,
    succeed,
    task,
)

DONE = "Done"
LONGEST_REASON = 600
RUNBOOK = "docs/operations.md, A run that failed"


AFTER_FAILURE = "AfterFailure"


def outcome(name: str, outcome: str, reason: str) -> States:
    """A state that says how the run ended, and leads to the ledger. `reason` is a path.

    What was lost on the way, and did not stop the run, is told behind the reason.
    """
    reason = f"States.Format('{{}}{{}}', {reason}, $.candidates.lost)"
    return note(name, {"name": outcome, "reason.$": reason}, into="$.outcome", then="RecordRun")


def ending(report: Report, machine_arn: str) -> States:
    """Every good end: promoted, rolled back, refused, skipped, refreshed. `machine_arn` is the run's own."""
    said = {"outcome": {"S.$": "$.outcome.name"}, "reason": {"S.$": "$.outcome.reason"}}
    text = (
        f"States.Format('{report.workflow} run {{}} ({{}}, data before {{}}): {{}}. {{}}. "
        "Execution {}{}', "
        "$.plan.run_id, $.plan.trigger, $.plan.through, $.outcome.name, $.outcome.reason, $$.Execution.Id, "
        "$.next.text)"
    )
    subject = f"States.Format('{report.workflow} ended: {{}}', $.outcome.name)"
    return {
        **ledger.record_run("RecordRun", report.table, said, then="ReleaseModelLock"),
        **ledger.release_lock("ReleaseModelLock", report.table, "model", then="HeldModel"),
        **deferral.answer(report, machine_arn, start="HeldModel", then="Routine", may_promote=True),
        # A refresh that went well is no news.
        **choose("Routine", (equals("$.outcome.name", "refreshed"), DONE), otherwise="Notify"),
        **publish("Notify", report, subject, text, then=DONE, failing=DONE),
        **succeed(DONE),
    }


def failing(report: Report, release: Release, explain_failure: str, machine_arn: str) -> States:
    """Entered by every catcher, with the error below `$.failure` and the state in `$failed_state`."""
    table = report.table
    return {
        **failure(FAILED, then="ChallengerMayServe"),
        **choose("ChallengerMayServe", (is_true("$.deployment.restore"), "Restore"), otherwise="FreeData"),
        **endpoint.restore(
            "Restore",
            release.endpoint,
            "$.plan.champion.endpoint_config_name",
            then="RejectFailed",
            otherwise="RejectFailed",
            failing="RejectFailed",
        ),
        **choose("RejectFailed", (present("$.package.arn"), "RejectPackage"), otherwise="FreeData"),
        **task(
            "RejectPackage",
            "aws-sdk:sagemaker:updateModelPackage",
            {
                "ModelPackageArn.$": "$.package.arn",
                "ModelApprovalStatus": "Rejected",
                "ApprovalDescription.$": "States.Format('the run failed in {}', $.fault.state)",
            },
            then="FreeData",
            seconds=60,
            failing="FreeData",
        ),
        **ledger.release_lock("FreeData", table, "data", then="FreeModel", failing="FreeModel"),
        **ledger.release_lock("FreeModel", table, "model", then="HeldModelToo", failing="HeldModelToo"),
        **deferral.answer(report, machine_arn, start="HeldModelToo", then="Explain", suffix=AFTER_FAILURE),
        **explain("Explain", explain_failure, ledger.RUN, then="RecordFailure"),
        **ledger.record_run(
            "RecordFailure",
            table,
            {
                "outcome": {"S": "failed"},
                "state": {"S.$": "$.fault.state"},
                "error": {"S.$": "$.fault.error"},
                "reason": {"S.$": "$.fault.reason"},
            },
            then="NotifyFailure",
            failing="NotifyFailure",
        ),
        **stop(report, also="$.next.text"),
    }


def failure(name: str, *, then: str, state: str = "$failed_state") -> States:
    """Below `$.fault` what is told if nobody explains it. A state that timed out leaves no cause.

    state  JSONata for the name of the state
    """
    values = (
        "$cause := $exists($states.input.failure.Cause) ? $states.input.failure.Cause : ''; "
        f"{{'state': {state}, 'error': $states.input.failure.Error, 'cause': $cause, "
        f"'reason': $substring($cause, 0, {LONGEST_REASON}), 'more': 'the history of the execution'}}"
    )
    return compute(name, values, into="fault", then=then)


def explain(name: str, function_arn: str, run_id: str, *, then: str) -> States:
    """The cause in a few words; without an answer its beginning has to do."""
    return call(
        name,
        function_arn,
        {
            "state.$": "$.fault.state",
            "error.$": "$.fault.error",
            "cause.$": "$.fault.cause",
            "run_id.$": run_id,
        },
        keep={
            "state.$": "$.Payload.state",
            "error.$": "$.Payload.error",
            "reason.$": "$.Payload.reason",
            "more.$": "$.Payload.more",
        },
        into="$.fault",
        then=then,
        failing=then,
        seconds=120,
    )


def stop(report: Report, also: str | None = None) -> States:
    """Tell people, then end as failed, so that the alarm on failed executions rings too. `also` is a path."""
    place = "{}" if also else ""
    text = (
        f"States.Format('{report.workflow} run {{}} ({{}}, data before {{}}) failed in {{}}: {{}}: {{}}. "
        f"Where to look: {{}}. What to do: {RUNBOOK}. Execution {{}}{place}', "
        "$.plan.run_id, $.plan.trigger, $.plan.through, $.fault.state, $.fault.error, $.fault.reason, "
        f"$.fault.more, $$.Execution.Id{f', {also}' if also else ''})"
    )
    subject = f"States.Format('{report.workflow} failed in {{}}', $.fault.state)"
    return {
        **publish("NotifyFailure", report, subject, text, then="Stop", failing="Stop"),
        **fail("Stop"),
    }


def cannot_plan(*, then: str) -> States:
    """Without a plan there is no run id yet: the execution's name stands for it."""
    plan = {"run_id.$": "$$.Execution.Name", "action": "unknown", "trigger": "unknown", "through": "unknown"}
    return {
        **note("CannotPlan", plan, into="$.plan", then="NoPlan"),
        **failure("NoPlan", then=then),
    }


def publish(name: str, report: Report, subject: str, message: str, *, then: str, failing: str) -> States:
    """Subject and message are intrinsic functions; SNS takes 100 characters of ASCII as a subject."""
    return task(
        name,
        "sns:publish",
        {"TopicArn": report.topic, "Subject.$": subject, "Message.$": message},
        then=then,
        seconds=60,
        failing=failing,
    )
