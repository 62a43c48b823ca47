"""Practice: what no audit pack sees, the requests inside state machine definitions. See docs/security.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.definitions import definitions, every_state, reachable, scopes, tasks

PROFILES = ("sandbox", "production")


@pytest.fixture(params=PROFILES)
def assembly(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def calls(assembly: Any, api: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(state, parameters) of every task of an API, for example `createTrainingJob`."""
    found = [
        (f"{machine}/{name}", state["Parameters"])
        for machine, definition in definitions(assembly).items()
        for name, state in tasks(definition).items()
        if state["Resource"].split(":")[-1].removesuffix(".sync") == api
    ]
    assert found, f"no task calls {api}"
    yield from found


def test_training_runs_isolated_in_our_subnets_encrypted_and_not_for_ever(assembly: Any) -> None:
    for state, request in calls(assembly, "createTrainingJob"):
        assert request["EnableNetworkIsolation"] is True, state
        assert request["EnableInterContainerTrafficEncryption"] is True, state
        assert request["VpcConfig"]["Subnets"] and request["VpcConfig"]["SecurityGroupIds"], state
        assert "KeysModels" in request["ResourceConfig"]["VolumeKmsKeyId"], state
        assert "KeysModels" in request["OutputDataConfig"]["KmsKeyId"], state
        assert request["StoppingCondition"]["MaxRuntimeInSeconds"] > 0, state


def test_a_search_runs_isolated_in_our_subnets_encrypted_and_not_for_ever(assembly: Any) -> None:
    for state, request in calls(assembly, "createHyperParameterTuningJob"):
        trial = request["TrainingJobDefinition"]
        assert trial["EnableNetworkIsolation"] is True, state
        assert trial["EnableInterContainerTrafficEncryption"] is True, state
        assert trial["VpcConfig"]["Subnets"] and trial["VpcConfig"]["SecurityGroupIds"], state
        assert "KeysModels" in trial["ResourceConfig"]["VolumeKmsKeyId"], state
        assert "KeysModels" in trial["OutputDataConfig"]["KmsKeyId"], state
        assert 0 < trial["StoppingCondition"]["MaxRuntimeInSeconds"] <= 3_600, state
        limits = request["HyperParameterTuningJobConfig"]["ResourceLimits"]
        assert 120 <= limits["MaxRuntimeInSeconds"] <= 15_768_000, state


def test_processing_runs_isolated_in_our_subnets_encrypted_and_not_for_ever(assembly: Any) -> None:
    for state, request in calls(assembly, "createProcessingJob"):
        network = request["NetworkConfig"]
        assert network["EnableNetworkIsolation"] is True, state
        assert network["EnableInterContainerTrafficEncryption"] is True, state
        assert network["VpcConfig"]["Subnets"] and network["VpcConfig"]["SecurityGroupIds"], state
        assert "KeysModels" in request["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"], state
        assert "KeysModels" in request["ProcessingOutputConfig"]["KmsKeyId"], state
        assert request["StoppingCondition"]["MaxRuntimeInSeconds"] > 0, state


def test_models_are_isolated_in_our_subnets(assembly: Any) -> None:
    for state, request in calls(assembly, "createModel"):
        assert request["EnableNetworkIsolation"] is True, state
        assert request["VpcConfig"]["Subnets"] and request["VpcConfig"]["SecurityGroupIds"], state


def test_endpoint_configurations_encrypt_volumes_and_captures(assembly: Any) -> None:
    for state, request in calls(assembly, "createEndpointConfig"):
        assert "KeysModels" in request["KmsKeyId"], state
        assert "KeysModels" in request["DataCaptureConfig"]["KmsKeyId"], state


def test_bulk_scores_are_encrypted_on_the_volume_and_in_the_bucket(assembly: Any) -> None:
    for state, request in calls(assembly, "createTransformJob"):
        assert "KeysModels" in request["TransformResources"]["VolumeKmsKeyId"], state
        assert "KeysLake" in request["TransformOutput"]["KmsKeyId"], state


def test_whatever_a_run_makes_carries_the_tags_of_its_stage(assembly: Any) -> None:
    for api in (
        "createTrainingJob",
        "createHyperParameterTuningJob",
        "createProcessingJob",
        "createModel",
        "createEndpointConfig",
    ):
        for state, request in calls(assembly, api):
            assert {tag["Key"] for tag in request["Tags"]} == {"project", "profile", "stage"}, state


def test_every_role_that_is_passed_may_be_passed_and_only_to_sagemaker(assembly: Any) -> None:
    statements = [
        statement
        for policy in assembly.resources("AWS::IAM::ManagedPolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "iam:PassRole"
    ]
    assert statements
    for statement in statements:
        assert statement["Effect"] == "Allow"
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
        assert "*" not in str(statement["Resource"])


def test_every_task_ends_retries_what_may_pass_and_hands_on_the_rest(assembly: Any) -> None:
    for machine, definition in definitions(assembly).items():
        assert definition["TimeoutSeconds"] > 0, machine
        for name, state in tasks(definition).items():
            where = f"{machine}/{name}"
            assert 0 < state["TimeoutSeconds"] < definition["TimeoutSeconds"], where
            assert state["Retry"], where
            for each in state["Retry"]:
                assert each["ErrorEquals"] and "States.ALL" not in each["ErrorEquals"], where
                assert each["JitterStrategy"] == "FULL" and each["BackoffRate"] >= 1, where
            last = state["Catch"][-1]
            assert last["ErrorEquals"] == ["States.ALL"], where
            # Inside of a Map it is the Map's own, whose scope may have no variable of the same name.
            is_inner = name not in definition["States"]
            assert last.get("Assign") == (None if is_inner else {"failed_state": name}), where


def test_an_answer_is_kept_below_a_path_of_its_own_or_dropped(assembly: Any) -> None:
    """The CDK leaves nulls out of definitions, and then an answer would replace the whole state."""
    for machine, definition in definitions(assembly).items():
        for name, state in tasks(definition).items():
            assert "ResultPath" in state, f"{machine}/{name}"
            if state["ResultPath"] == "$":
                assert name in {"Plan", "PlanData"}, f"{machine}/{name}"


def test_every_state_can_be_reached_and_leads_to_an_end(assembly: Any) -> None:
    for machine, definition in definitions(assembly).items():
        for scope in scopes(definition):
            states = scope["States"]
            assert reachable(scope, scope["StartAt"]) == set(states), machine
            ends = {
                name
                for name, state in states.items()
                if state["Type"] in ("Succeed", "Fail") or state.get("End") is True
            }
            for name in states:
                assert reachable(scope, name) & ends, f"{machine}/{name}"


def test_only_the_machine_itself_assigns_variables(assembly: Any) -> None:
    """An inner scope may not assign a variable that an outer one has: AWS refuses such a definition."""
    for machine, definition in definitions(assembly).items():
        inner = every_state(definition).keys() - definition["States"].keys()
        for name in inner:
            assert "Assign" not in str(every_state(definition)[name]), f"{machine}/{name}"


def test_definition_history_and_log_are_encrypted_and_the_log_holds_no_payload(assembly: Any) -> None:
    for name, machine in assembly.resources("AWS::StepFunctions::StateMachine").items():
        assert machine["EncryptionConfiguration"]["Type"] == "CUSTOMER_MANAGED_KMS_KEY", name
        assert machine["LoggingConfiguration"]["Level"] == "ALL", name
        assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False, name
        assert machine["TracingConfiguration"] == {"Enabled": True}, name
        assert len(str(machine["DefinitionString"])) < 1_000_000, name
