"""The Retrain state machine: plan, refresh the data, train, gate, challenge, bake, promote or roll back."""

from __future__ import annotations

from stacks.operations.definitions import ending
from stacks.operations.definitions.parts import Functions, Jobs, Release, Report, Requests
from stacks.operations.definitions.refresh import plan, refresh
from stacks.operations.definitions.release import bake, challenge, promote, roll_back
from stacks.operations.definitions.states import FAILED, State, choose, equals, machine, name_failed, note
from stacks.operations.definitions.training import training

COMMENT = "One run: fresh data and, if asked for, a candidate that has to prove itself beside the champion."


def retraining(
    functions: Functions,
    jobs: Jobs,
    requests: Requests,
    release: Release,
    report: Report,
    machine_arn: str,
    *,
    seconds: int,
    data_lock_seconds: int,
) -> State:
    lock_seconds = {"data": data_lock_seconds, "model": seconds}
    return machine(
        COMMENT,
        "Plan",
        plan("Plan", functions, "names", "$", lock_seconds, then="TakeDataLock", failing="CannotPlan"),
        refresh(
            functions, jobs, report.table, lock_seconds=lock_seconds, start="TakeDataLock", then="TrainToo"
        ),
        choose("TrainToo", (equals("$.plan.action", "retrain"), "TakeModelLock"), otherwise="Refreshed"),
        training(
            functions,
            requests,
            report.table,
            start="TakeModelLock",
            promoted="Register",
            refused="Refused",
            busy="Busy",
        ),
        challenge(release, start="Register", then="StartBaking", rolled_back="DeploymentRolledBack"),
        bake(functions, release, start="StartBaking", promote="CreateChampionConfig", roll_back="RollBack"),
        promote(release, start="CreateChampionConfig", then="Promoted", rolled_back="PromotionRolledBack"),
        roll_back(release, start="RollBack", then="RolledBack", failing="NotRolledBack"),
        note(
            "NotRolledBack",
            {
                "Error": "RollBackIncomplete",
                "Cause.$": "States.Format('the endpoint rests as {} on {}, not on the champion', "
                "$.endpoint.status, $.endpoint.config)",
            },
            into="$.failure",
            then="NameRollBack",
        ),
        name_failed("NameRollBack", "RollBack", then=FAILED),
        note(
            "Refreshed",
            {"name": "refreshed", "reason.$": "States.Format('months rebuilt: {}', $.plan.months)"},
            into="$.outcome",
            then="RecordRun",
        ),
        note(
            "Busy",
            {
                "name": "skipped",
                "reason": "another run holds the model lock, its challenger is still judged; "
                "this one starts again when that one ends, unless that one is promoted",
            },
            into="$.outcome",
            then="RecordRun",
        ),
        ending.outcome("Refused", "refused", "$.decision.reason"),
        ending.outcome("Promoted", "promoted", "$.judgement.reason"),
        ending.outcome("RolledBack", "rolled back", "$.judgement.reason"),
        ending.ending(report, machine_arn),
        ending.cannot_plan(then=f"NothingRequested{ending.AFTER_FAILURE}"),
        ending.failing(report, release, functions.explain_failure, machine_arn),
        seconds=seconds,
    )
