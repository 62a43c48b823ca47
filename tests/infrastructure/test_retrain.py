"""Retrain: locks are released on every way out, the endpoint goes back to the champion, the gate decides."""

from __future__ import annotations

from typing import Any

import pytest

from stacks.operations.definitions.states import machine
from tests.definitions import Definition, definitions, following, reachable, targets, tasks


@pytest.fixture(scope="module")
def retrain(sandbox: Any) -> Definition:
    return definitions(sandbox)["retrain"]


def in_order(way: list[str], *names: str) -> bool:
    return [name for name in way if name in names] == list(names)


def test_a_refresh_ends_after_publishing_and_takes_no_model_lock(retrain: Definition) -> None:
    way = following(retrain, "Plan", "Clean", "Refreshed", "Done")
    assert in_order(
        way,
        "TakeDataLock",
        "PlanData",
        "Clean",
        "CheckQuality",
        "BuildFeatures",
        "Publish",
        "ReleaseDataLock",
        "Done",
    )
    assert "TakeModelLock" not in way
    assert "Notify" not in way


def test_without_news_no_job_starts_and_the_lake_is_listed_all_the_same(retrain: Definition) -> None:
    way = following(retrain, "Plan", "Publish", "Refreshed", "Done")
    assert in_order(way, "TakeDataLock", "PlanData", "AnythingNew", "Publish", "ReleaseDataLock", "Done")
    assert not {"Clean", "CheckQuality", "BuildFeatures"} & set(way)
    assert retrain["States"]["AnythingNew"]["Default"] == "Publish"


def test_a_candidate_is_trained_judged_and_promoted_in_this_order(retrain: Definition) -> None:
    choices = (
        "TakeModelLock",
        "Register",
        "Deployed",
        "CreateChampionConfig",
        "PromotionSettles",
    )
    way = following(retrain, "Plan", *choices)
    assert in_order(
        way,
        "TakeModelLock",
        "Learn",
        "RecordCandidates",
        "Evaluate",
        "Gate",
        "Register",
        "CreateModel",
        "DeployChallenger",
        "Settle",
        "LookAtAlarms",
        "Judge",
        "Promote",
        "PromotionAlarms",
        "WriteChampion",
        "Approve",
        "RecordRun",
        "ReleaseModelLock",
        "Notify",
        "Done",
    )
    [train] = [
        each for each in retrain["States"]["Learn"]["Branches"] if each["StartAt"] == "TrainCandidates"
    ]
    inside = following(train, "TrainCandidates", "Search", "SearchParameters")
    assert in_order(inside, "TrainCandidates", "Search", "Tune", "DescribeTrials", "RecordSearch", "Learned")


def test_nothing_is_published_before_quality_and_features_are_done(retrain: Definition) -> None:
    before = reachable(retrain, "TakeDataLock") - reachable(retrain, "Publish")
    assert {"Clean", "CheckQuality", "BuildFeatures"} <= before


def test_a_refused_candidate_never_reaches_the_registry(retrain: Definition) -> None:
    way = following(retrain, "MayChallenge")
    assert in_order(way, "MayChallenge", "Refused", "RecordRun", "ReleaseModelLock", "Notify")
    assert not {"Register", "CreateModel"} & set(way)


@pytest.mark.parametrize("lock", ["data", "model"])
def test_a_lock_is_taken_only_if_free_expired_or_ours_and_released_only_if_ours(
    retrain: Definition, lock: str
) -> None:
    locks = [
        state["Parameters"] for state in tasks(retrain).values() if f"lock#{lock}" in str(state["Parameters"])
    ]
    taking = [each for each in locks if "Item" in each]
    releasing = [each for each in locks if "Key" in each]
    assert len(taking) == {"data": 1, "model": 2}[lock], "the model's once more after a request was left"
    assert len(releasing) == 2, "on the good way out and on the failing one"
    for each in taking:
        assert "#expires < :now" in each["ConditionExpression"]
        assert each["Item"]["expires"] == {"N.$": f"$.plan.locks.{lock}_expires"}
    for each in releasing:
        assert "#owner = :owner" in each["ConditionExpression"]


def test_every_failure_after_the_plan_frees_both_locks_records_and_tells(retrain: Definition) -> None:
    for name, state in tasks(retrain).items():
        way_out = state["Catch"][-1]["Next"]
        if name == "Plan":
            assert reachable(retrain, way_out) >= {"NotifyFailure", "Stop"}
        elif way_out == "Failed":
            way = following(retrain, "Failed")
            assert in_order(way, "FreeData", "FreeModel", "RecordFailure", "NotifyFailure", "Stop"), name


def test_a_step_that_fails_on_the_way_out_does_not_stop_the_way_out(retrain: Definition) -> None:
    way_out = reachable(retrain, "Failed")
    for name in way_out & tasks(retrain).keys():
        for follower in targets(retrain["States"][name]):
            assert follower in way_out and follower != "Failed", f"{name} leads to {follower}"


def test_the_endpoint_is_restored_from_the_first_update_on_until_the_champion_is_written(
    retrain: Definition,
) -> None:
    states = retrain["States"]
    assert states["RestoreFromHere"]["Parameters"] == {"restore": True}
    assert states["RestoreFromHere"]["Next"] == "DeployChallenger"
    assert states["WriteChampion"]["ResultSelector"] == {"restore": False}
    way = following(retrain, "Failed", "Restore")
    assert in_order(way, "ChallengerMayServe", "Restore", "RestoreUpdate", "RejectFailed", "FreeData")
    update = states["RestoreUpdate"]["Parameters"]
    assert update["EndpointConfigName.$"] == "$.plan.champion.endpoint_config_name"
    assert "DeploymentConfig" not in update


def test_an_update_that_sagemaker_took_back_is_seen_by_the_configuration_in_service(
    retrain: Definition,
) -> None:
    for update in ("DeployChallenger", "Promote"):
        compare = retrain["States"][f"{update}Compare"]
        in_service = compare["Choices"][-1]["And"]
        assert {"Variable": "$.endpoint.status", "StringEquals": "InService"} in in_service
        assert any("StringEqualsPath" in condition for condition in in_service)
        assert retrain["States"][compare["Default"]]["Parameters"]["verdict"] == "roll_back"


def test_a_challenger_that_is_not_decided_in_time_goes(retrain: Definition) -> None:
    rules = retrain["States"]["Verdict"]["Choices"]
    limits = [
        condition["NumericLessThan"]
        for rule in rules
        for condition in rule.get("And", [])
        if "NumericLessThan" in condition
    ]
    assert limits == [45]
    assert retrain["States"]["Undecided"]["Parameters"]["verdict"] == "roll_back"


def test_no_update_that_changes_the_variants_asks_for_guardrails(retrain: Definition) -> None:
    """SageMaker refuses them unless old and new configuration have the same variants."""
    configs = [
        state for state in tasks(retrain).values() if state["Resource"].endswith(":createEndpointConfig")
    ]
    variants = [
        [each["VariantName"] for each in config["Parameters"]["ProductionVariants"]] for config in configs
    ]
    assert variants == [["champion", "challenger"], ["champion"]]
    updates = [state for state in tasks(retrain).values() if state["Resource"].endswith(":updateEndpoint")]
    assert len(updates) == 4
    for update in updates:
        assert "DeploymentConfig" not in update["Parameters"]
        assert [each["MaxAttempts"] for each in update["Retry"]] == [2], (
            "a refusal looks like a throttled call"
        )


def test_alarms_are_looked_at_soon_after_each_update_and_at_each_check(retrain: Definition) -> None:
    states = retrain["States"]
    for wait in ("Settle", "PromotionSettles"):
        assert states[wait]["Seconds"] == 300
        assert states[states[wait]["Next"]]["Resource"].endswith(":cloudwatch:describeAlarms")
    assert states["Bake"]["Next"] == "LookAtAlarms"
    assert states["LookAtAlarms"]["Next"] == "Judge"
    assert states["Judge"]["Parameters"]["Payload"]["alarms.$"] == "$.alarms"
    for look in ("LookAtAlarms", "PromotionAlarms"):
        assert len(states[look]["Parameters"]["AlarmNames"]) == 4


def test_a_promotion_under_alarm_goes_back_before_the_champion_is_written(retrain: Definition) -> None:
    [rule] = retrain["States"]["PromotionHolds"]["Choices"]
    assert {"Variable": "$.alarms.ringing", "BooleanEquals": True} in rule["And"]
    way = following(retrain, rule["Next"], "Reject")
    assert in_order(way, "PromotionRolledBack", "RollBack", "Reject")
    assert "WriteChampion" not in way


def test_alarms_may_be_read_by_the_run_and_by_the_model_and_no_others(sandbox: Any) -> None:
    statements = [
        statement
        for policy in sandbox.resources("AWS::IAM::ManagedPolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "cloudwatch:DescribeAlarms"
    ]
    assert len(statements) == 2, "the state machine's role, and the role with which SageMaker looks"
    for statement in statements:
        assert len(statement["Resource"]) == 4
        assert "*" not in str(statement["Resource"])


def test_schedules_pass_their_own_time_and_go_to_the_dead_letters_when_they_fail(sandbox: Any) -> None:
    schedules = sandbox.resources("AWS::Scheduler::Schedule")
    assert len(schedules) == 3
    for name, schedule in schedules.items():
        assert "<aws.scheduler.scheduled-time>" in schedule["Target"]["Input"], name
        assert "Arn" in schedule["Target"]["DeadLetterConfig"], name
        assert schedule["State"] == "ENABLED", name


def test_an_alarm_on_the_models_quality_starts_a_run(sandbox: Any) -> None:
    [rule] = [
        rule
        for rule in sandbox.resources("AWS::Events::Rule").values()
        if rule["EventPattern"].get("detail-type") == ["CloudWatch Alarm State Change"]
    ]
    assert len(rule["EventPattern"]["resources"]) == 3
    assert rule["EventPattern"]["detail"] == {"state": {"value": ["ALARM"]}}
    [target] = rule["Targets"]
    assert '"action": "retrain"' in target["InputTransformer"]["InputTemplate"]
    assert "DeadLetterConfig" in target


def test_the_ledger_outlives_a_mistake(production: Any) -> None:
    [table] = production.resources("AWS::DynamoDB::Table").values()
    assert table["DeletionProtectionEnabled"] is True
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"]["SSEType"] == "KMS"
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param({"Type": "Pass", "Next": "Elsewhere"}, id="next"),
        pytest.param({"Type": "Choice", "Choices": [{"Next": "Elsewhere"}]}, id="a choice"),
        pytest.param({"Type": "Task", "End": True, "Catch": [{"Next": "Elsewhere"}]}, id="a catcher"),
        pytest.param(
            {"Type": "Parallel", "End": True, "Branches": [{"States": {"In": {"Next": "Start"}}}]},
            id="a branch that leads out of it",
        ),
    ],
)
def test_a_state_that_leads_nowhere_is_refused_at_synthesis(lost: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="which is not beside it"):
        machine("any", "Start", {"Start": lost}, seconds=1)
