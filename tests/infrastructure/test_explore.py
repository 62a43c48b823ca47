"""Explore: looks at the data of a run before a model does, may do nothing else, and never stops the run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.definitions import Definition, definitions, following, reachable, tasks


@pytest.fixture(scope="module")
def retrain(sandbox: Any) -> Definition:
    return definitions(sandbox)["retrain"]


@pytest.fixture(scope="module")
def statements(sandbox: Any) -> list[dict[str, Any]]:
    policies = sandbox.resources("AWS::IAM::ManagedPolicy")
    [policy] = [each for name, each in policies.items() if name.startswith("Model/ExploreRole")]
    return list(policy["PolicyDocument"]["Statement"])


def test_features_are_its_only_input_and_its_own_folder_the_only_output(retrain: Definition) -> None:
    request = tasks(retrain)["Explore"]["Parameters"]
    inputs = {each["InputName"]: each["S3Input"] for each in request["ProcessingInputs"]}
    assert set(inputs) == {"code", "features"}
    assert inputs["features"]["S3DataType"] == "ManifestFile"
    [output] = request["ProcessingOutputConfig"]["Outputs"]
    assert "runs/{}/explore'" in output["S3Output"]["S3Uri.$"]
    assert output["S3Output"]["LocalPath"] == "/opt/ml/processing/output/explore"
    arguments = request["AppSpecification"]["ContainerArguments.$"]
    assert arguments.startswith("States.Array('explore', '--run_id', $.plan.run_id")
    assert request["NetworkConfig"]["EnableNetworkIsolation"] is True


def branches(retrain: Definition) -> dict[str, Definition]:
    return {branch["StartAt"]: branch for branch in retrain["States"]["Learn"]["Branches"]}


def test_it_runs_beside_the_training_under_the_model_lock(retrain: Definition) -> None:
    assert set(branches(retrain)) == {"TrainCandidates", "Explore"}
    assert "Learn" in reachable(retrain, "TakeModelLock")
    assert "TakeModelLock" not in reachable(retrain, "Learn")


def test_a_failure_is_explained_recorded_and_does_not_stop_the_run(retrain: Definition) -> None:
    """No state of its branch fails: a branch that did would stop the other."""
    branch = branches(retrain)["Explore"]
    states = branch["States"]
    assert reachable(branch, "Explore") == set(states)
    assert {state["Type"] for state in states.values()} <= {"Task", "Pass"}
    assert states["Explore"]["Next"] == "Looked"
    way = ["Explore"]
    while way[-1] != "Looked":
        state = states[way[-1]]
        failed = {catcher["Next"] for catcher in state.get("Catch", [])} or {state["Next"]}
        way.append(failed.pop() if way[-1] == "Explore" else state["Next"])
    assert way[1:-1] == ["ExplorationFailed", "ExplainExploration", "RecordExploration"]
    assert "'state': 'Explore'" in states["ExplorationFailed"]["Output"]
    item = states["RecordExploration"]["Parameters"]["Item"]
    assert item["id"]["S.$"] == "States.Format('exploration#{}', $.plan.run_id)"
    assert item["reason"]["S.$"] == "$.fault.reason"
    for name in way[1:-1]:
        assert {catcher["Next"] for catcher in states[name].get("Catch", [])} <= set(way)


def test_a_training_without_a_model_ends_the_run_once_the_look_is_over(retrain: Definition) -> None:
    """With what happened to it, under the name of the task that the way out explains."""
    branch = branches(retrain)["TrainCandidates"]
    assert not [state for state in branch["States"].values() if state["Type"] == "Fail"]
    assert branch["States"]["TrainCandidates"]["Catch"][0]["Next"] == "NotTrained"
    assert branch["States"]["NotTrained"]["Parameters"] == {"failure.$": "$.failure"}
    way = following(retrain, "Learn", "NoModel")
    assert way[: way.index("Failed") + 1] == [
        "Learn", "WhatWasLearned", "AnyModel", "NoModel", "NameTrain", "Failed",
    ]  # fmt: skip
    assert retrain["States"]["NameTrain"]["Assign"] == {"failed_state": "Train"}
    [catcher] = retrain["States"]["Learn"]["Catch"]
    assert (catcher["Assign"], catcher["Next"]) == ({"failed_state": "Learn"}, "Failed")


def test_its_role_knows_no_model_and_writes_into_its_own_folder_alone(
    statements: list[dict[str, Any]],
) -> None:
    def objects(action: str) -> list[str]:
        named = [each for each in statements if action in each["Action"]]
        assert named
        texts = [each["Resource"] for each in named]
        every = [one for text in texts for one in (text if isinstance(text, list) else [text])]
        return [json.dumps(one) for one in every]

    written = objects("s3:PutObject")
    assert len(written) == 1 and "/runs/*/explore/*" in written[0]
    models = [text for text in objects("s3:GetObject") if "/runs/" in text]
    assert len(models) == 1 and models[0].endswith('/runs/*/features.manifest"]]}')
    assert not [each for each in statements if "s3:DeleteObject" in each["Action"]]
