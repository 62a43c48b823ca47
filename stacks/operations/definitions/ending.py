"""How a run ends: its outcome in the ledger, a message to people, its locks released.

A failed run leaves champion and data as they were: the endpoint goes back to the champion's configuration if
the challenger may be on it, and what the run has written of data was never published. Each step of this path
goes on with the next one when it fails itself, so that locks are released and people told whatever happens.
"""

from __future__ import annotations

from stacks.operations.definitions import endpoint, ledger
from stacks.operations.definitions.parts import Release, Report
from stacks.operations.definitions.states import (
    FAILED,
    States,
    choose,
    equals,
    fail,
    is_true,
    note,
    present,
    succeed,
    task,
)

DONE = "Done"


def outcome(name: str, outcome: str, reason: str) -> States:
    """A state that says how the run ended, and leads to the ledger. `reason` is a path."""
    return note(name, {"name": outcome, "reason.$": reason}, into="$.outcome", then="RecordRun")


def ending(report: Report) -> States:
    """Every good end: promoted, rolled back, refused, busy, refreshed."""
    said = {"outcome": {"S.$": "$.outcome.name"}, "reason": {"S.$": "$.outcome.reason"}}
    text = (
        f"States.Format('{report.workflow} run {{}} ({{}}, data before {{}}): {{}}. {{}}. Execution {{}}', "
        "$.plan.run_id, $.plan.trigger, $.plan.through, $.outcome.name, $.outcome.reason, $$.Execution.Id)"
    )
    return {
        **ledger.record_run("RecordRun", report.table, said, then="ReleaseModelLock"),
        **ledger.release_lock("ReleaseModelLock", report.table, "model", then="Routine"),
        # A refresh that went well is no news.
        **choose("Routine", (equals("$.outcome.name", "refreshed"), DONE), otherwise="Notify"),
        **publish("Notify", report, f"{report.workflow} ended", text, then=DONE, failing=DONE),
        **succeed(DONE),
    }


def failing(report: Report, release: Release) -> States:
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
                "ApprovalDescription.$": "States.Format('the run failed in {}', $.failure.state)",
            },
            then="FreeData",
            seconds=60,
            failing="FreeData",
        ),
        **ledger.release_lock("FreeData", table, "data", then="FreeModel", failing="FreeModel"),
        **ledger.release_lock("FreeModel", table, "model", then="RecordFailure", failing="RecordFailure"),
        **ledger.record_run(
            "RecordFailure",
            table,
            {
                "outcome": {"S": "failed"},
                "state": {"S.$": "$.failure.state"},
                "error": {"S.$": "$.failure.error"},
                "reason": {"S.$": "$.failure.cause"},
            },
            then="NotifyFailure",
            failing="NotifyFailure",
        ),
        **stop(report),
    }


def failure(name: str, *, then: str) -> States:
    values = {"state.$": "$failed_state", "error.$": "$.failure.Error", "cause.$": "$.failure.Cause"}
    return note(name, values, into="$.failure", then=then)


def stop(report: Report) -> States:
    """Tell people, then end as failed, so that the alarm on failed executions rings too."""
    text = (
        f"States.Format('{report.workflow} run {{}} failed in {{}}: {{}}. {{}}. Execution {{}}', "
        "$.plan.run_id, $.failure.state, $.failure.error, $.failure.cause, $$.Execution.Id)"
    )
    return {
        **publish("NotifyFailure", report, f"{report.workflow} failed", text, then="Stop", failing="Stop"),
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
    return task(
        name,
        "sns:publish",
        {"TopicArn": report.topic, "Subject": subject, "Message.$": message},
        then=then,
        seconds=60,
        failing=failing,
    )
