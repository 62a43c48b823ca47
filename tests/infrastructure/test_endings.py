"""How runs end: a failure is told in words, after the endpoint is safe; a skipped run starts again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.definitions import Definition, definitions, reachable, targets, tasks

PENDING = {"id": {"S": "retrain#pending"}}


@pytest.fixture(scope="module")
def machines(sandbox: Any) -> dict[str, Definition]:
    return definitions(sandbox)


@pytest.fixture(scope="module")
def retrain(machines: dict[str, Definition]) -> Definition:
    return machines["retrain"]


@pytest.fixture(params=["retrain", "monitor", "bulk-score"])
def machine(machines: dict[str, Definition], request: pytest.FixtureRequest) -> Definition:
    return machines[request.param]


def leading_to(definition: Definition, name: str) -> set[str]:
    return {each for each, state in definition["States"].items() if name in targets(state)}


def test_every_failure_is_explained_before_it_is_told(machine: Definition) -> None:
    states = machine["States"]
    explain = states["Explain"]
    assert explain["Next"] == explain["Catch"][-1]["Next"], "without an answer it goes on as well"
    assert explain["ResultPath"] == "$.fault"
    for name in ("Failed", "NoPlan"):
        if name in states:
            assert "Explain" in reachable(machine, name)
    assert leading_to(machine, "Stop") <= {"NotifyFailure", "Explain"}
    if "NotifyFailure" in states:
        assert leading_to(machine, "NotifyFailure") <= {"RecordFailure", "Explain"}


def test_what_is_told_survives_a_step_of_the_way_out_that_fails(machine: Definition) -> None:
    """A catcher overwrites `$.failure`; the rest of the way reads `$.fault`."""
    states = machine["States"]
    assert states["Failed"]["QueryLanguage"] == "JSONata"
    for name in reachable(machine, states["Failed"]["Next"]):
        own = {key: value for key, value in states[name].items() if key != "Catch"}
        assert "$.failure" not in str(own), name


def test_a_state_that_timed_out_without_a_cause_is_told_too(machine: Definition) -> None:
    output = machine["States"]["Failed"]["Output"]
    assert "$exists($states.input.failure.Cause) ? $states.input.failure.Cause : ''" in output
    assert "$substring($cause, 0, 600)" in output


def test_the_endpoint_and_the_locks_do_not_wait_for_a_sentence(retrain: Definition) -> None:
    after = reachable(retrain, "Explain")
    assert after == {"Explain", "RecordFailure", "NotifyFailure", "Stop"}


def test_message_subject_ledger_and_cause_say_where_and_why(retrain: Definition) -> None:
    states = retrain["States"]
    told = states["NotifyFailure"]["Parameters"]
    parts = (
        "$.fault.state",
        "$.fault.error",
        "$.fault.reason",
        "$.fault.more",
        "$$.Execution.Id",
        "$.next.text",
    )
    assert all(part in told["Message.$"] for part in parts)
    assert told["Subject.$"] == "States.Format('Retraining failed in {}', $.fault.state)"
    longest = max(retrain["States"], key=len)
    assert len(f"Retraining failed in {longest}") <= 100, "SNS takes no more"
    row = states["RecordFailure"]["Parameters"]["Item"]
    assert (row["state"], row["error"], row["reason"]) == (
        {"S.$": "$.fault.state"},
        {"S.$": "$.fault.error"},
        {"S.$": "$.fault.reason"},
    )
    assert states["Stop"]["CausePath"].endswith("$.fault.state, $.fault.error, $.fault.reason)")


def test_a_skipped_run_leaves_its_request_before_it_tries_the_lock_once_more(retrain: Definition) -> None:
    states = retrain["States"]
    assert states["TakeModelLock"]["Catch"][0]["Next"] == "WhatWasAsked"
    assert states["WhatWasAsked"]["Next"] == "LeaveRequest"
    assert states["LeaveRequest"]["Next"] == "TakeModelLockAgain"
    again = states["TakeModelLockAgain"]
    assert again["Catch"][0]["ErrorEquals"] == ["DynamoDB.ConditionalCheckFailedException"]
    assert again["Catch"][0]["Next"] == "Busy"
    assert again["Next"] == "WithdrawRequest"
    assert states["WithdrawRequest"]["Next"] == states["TakeModelLock"]["Next"]
    assert "ConditionExpression" not in states["LeaveRequest"]["Parameters"], "the newest wins"
    assert states["LeaveRequest"]["Parameters"]["Item"] == {
        **PENDING,
        "run_id": {"S.$": "$.plan.run_id"},
        "trigger": {"S.$": "$.asked.by"},
        "through": {"S.$": "$.plan.through"},
        "hyperparameters": {"S.$": "$.asked.hyperparameters"},
        "execution": {"S.$": "$$.Execution.Id"},
        "asked_at": {"S.$": "$$.State.EnteredTime"},
        "expires": {"N.$": "$.plan.locks.model_expires"},
    }


@pytest.mark.parametrize("suffix", ["", "AfterFailure"])
def test_only_who_held_the_lock_answers_and_after_it_was_released(retrain: Definition, suffix: str) -> None:
    """A skipped run that answered would start itself, for ever."""
    states = retrain["States"]
    [asks] = leading_to(retrain, f"LookForRequest{suffix}")
    assert states[asks]["Choices"][0]["And"][1] == {"Variable": "$.model_lock.held", "BooleanEquals": True}
    assert leading_to(retrain, asks) == {"FreeModel" if suffix else "ReleaseModelLock"}
    noting = {name for name, state in tasks(retrain).items() if state["ResultPath"] == "$.model_lock"}
    assert noting == {"TakeModelLock", "TakeModelLockAgain"}
    for name in noting:
        assert states[name]["ResultSelector"] == {
            "held": True,
            "run_started_at.$": "$$.Execution.StartTime",
        }


@pytest.mark.parametrize("suffix", ["", "AfterFailure"])
def test_a_request_older_than_the_run_starts_nothing(retrain: Definition, suffix: str) -> None:
    [rule] = retrain["States"][f"IsRequested{suffix}"]["Choices"]
    assert rule["And"] == [
        {"Variable": "$.pending.Item", "IsPresent": True},
        {"Variable": "$.pending.Item.asked_at.S", "StringGreaterThanPath": "$.model_lock.run_started_at"},
    ]
    assert retrain["States"][f"IsRequested{suffix}"]["Default"] == f"NothingRequested{suffix}"


@pytest.mark.parametrize("suffix", ["", "AfterFailure"])
def test_the_start_is_named_after_the_skipped_run_and_comes_before_its_row_goes(
    retrain: Definition, suffix: str
) -> None:
    states = retrain["States"]
    start = states[f"StartDeferred{suffix}"]
    assert start["Parameters"]["Name.$"] == "States.Format('deferred-{}', $.pending.Item.run_id.S)"
    assert start["Parameters"]["StateMachineArn"].endswith(":stateMachine:mlref-sandbox-retrain")
    assert start["Parameters"]["Input"]["trigger"] == "deferred"
    assert start["Catch"][0]["ErrorEquals"] == ["StepFunctions.ExecutionAlreadyExistsException"]
    assert start["Catch"][0]["Next"] == start["Next"] == f"DeferredStarted{suffix}"
    assert states[f"DeferredStarted{suffix}"]["Next"] == f"TakeRequestAway{suffix}"
    away = states[f"TakeRequestAway{suffix}"]["Parameters"]
    assert away["Key"] == PENDING
    assert away["ConditionExpression"] == "#run = :run", "a newer request stays"
    assert away["ExpressionAttributeValues"] == {":run": {"S.$": "$.pending.Item.run_id.S"}}
    # What goes wrong here becomes a sentence of the message; the row stays.
    way_out = "Explain" if suffix else "Routine"
    for name in (f"LookForRequest{suffix}", f"StartDeferred{suffix}"):
        assert states[name]["Catch"][-1]["Next"] == f"RequestUnanswered{suffix}"
    assert states[f"RequestUnanswered{suffix}"]["Next"] == way_out
    assert states[f"TakeRequestAway{suffix}"]["Catch"][-1]["Next"] == way_out


def test_a_promotion_makes_the_request_moot(retrain: Definition) -> None:
    [rule, _] = retrain["States"]["IsRequestMoot"]["Choices"]
    assert (rule["Variable"], rule["StringEquals"]) == ("$.outcome.name", "promoted")
    moot = retrain["States"][rule["Next"]]
    assert moot["Next"] == "TakeRequestAway"
    assert "StartDeferred" not in reachable(retrain, rule["Next"])


def test_a_refusal_on_the_same_data_answers_what_asked_for_no_other_settings(retrain: Definition) -> None:
    _, rule = retrain["States"]["IsRequestMoot"]["Choices"]
    assert rule["And"] == [
        {"Variable": "$.outcome.name", "StringEquals": "refused"},
        {"Variable": "$.pending.Item.through.S", "IsPresent": True},
        {"Variable": "$.pending.Item.through.S", "StringEqualsPath": "$.plan.through"},
        {"Variable": "$.pending.Item.hyperparameters.S", "StringEquals": "{}"},
        {"Variable": "$.plan.request.hyperparameters", "IsPresent": False},
    ]
    assert "StartDeferred" not in reachable(retrain, rule["Next"])
    assert retrain["States"]["IsRequestMoot"]["Default"] == "StartDeferred"


def test_the_machine_may_start_itself_and_nothing_else(sandbox: Any) -> None:
    machines = sandbox.resources("AWS::StepFunctions::StateMachine")
    roles = {properties["RoleArn"]["Fn::GetAtt"][0] for properties in machines.values()}
    starting = {}
    for policy in sandbox.resources("AWS::IAM::ManagedPolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            for role in policy.get("Roles", []):
                if statement["Action"] == "states:StartExecution" and role.get("Ref") in roles:
                    starting[role["Ref"]] = str(statement["Resource"])
    [(role, resource)] = starting.items()
    assert "Retrain" in role
    assert ":stateMachine:mlref-sandbox-retrain" in resource
    assert "*" not in resource


def test_who_explains_reads_checkpoints_and_nothing_else_of_the_buckets(sandbox: Any) -> None:
    [policy] = [
        policy
        for name, policy in sandbox.resources("AWS::IAM::ManagedPolicy").items()
        if "StepsExplainFailureRole" in name
    ]
    s3 = [
        statement for statement in policy["PolicyDocument"]["Statement"] if "s3:" in str(statement["Action"])
    ]
    assert sorted(statement["Action"] for statement in s3) == ["s3:GetObject", "s3:ListBucket"]
    for statement in s3:
        assert "checkpoints" in str(statement["Resource"]) + str(statement.get("Condition"))
