"""Evaluate: candidate and champion on the same held-out days; the registry knows how each was judged."""

from __future__ import annotations

from typing import Any

import pytest

from tests.definitions import Definition, definitions, tasks


@pytest.fixture(scope="module")
def retrain(sandbox: Any) -> Definition:
    return definitions(sandbox)["retrain"]


def test_candidate_champion_and_features_are_its_inputs(retrain: Definition) -> None:
    request = tasks(retrain)["Evaluate"]["Parameters"]
    inputs = {each["InputName"]: each["S3Input"] for each in request["ProcessingInputs"]}
    assert inputs["candidate"]["S3Uri.$"] == "$.training.model_data_url"
    assert inputs["champion"]["S3Uri.$"] == "$.plan.champion.model_data_url"
    assert inputs["features"]["S3DataType"] == "ManifestFile"
    outputs = {each["OutputName"] for each in request["ProcessingOutputConfig"]["Outputs"]}
    assert outputs == {"evaluation", "model", "baseline"}


def test_python_runs_the_code_as_it_lies_in_s3(retrain: Definition) -> None:
    program = tasks(retrain)["Evaluate"]["Parameters"]["AppSpecification"]
    [python, file] = program["ContainerEntrypoint"]
    assert python == "python3"
    assert file.startswith("/opt/ml/processing/input/code/") and file.endswith(".zip")
    arguments = program["ContainerArguments.$"]
    assert arguments.startswith("States.Array('evaluate', '--run_id', $.plan.run_id")
    assert all(f"'--{name}', $.plan.{name}" in arguments for name in ("train_start", "holdout_end"))


def test_a_registered_model_carries_its_evaluation_and_waits_for_approval(retrain: Definition) -> None:
    request = tasks(retrain)["Register"]["Parameters"]
    assert request["ModelApprovalStatus"] == "PendingManualApproval"
    assert request["ClientToken.$"] == "$.plan.run_id", "a repeated call must not register twice"
    metrics = request["ModelMetrics"]
    assert "evaluation/evaluation.json" in metrics["ModelQuality"]["Statistics"]["S3Uri.$"]
    assert "baseline/constraints.json" in metrics["ModelDataQuality"]["Constraints"]["S3Uri.$"]
    # The gate's answer holds the card; it stands in a variable, since a state may carry 256 KiB at most.
    assert tasks(retrain)["Gate"]["Assign"] == {"card.$": "$.Payload.card"}
    assert request["ModelCard"] == {"ModelCardContent.$": "$card", "ModelCardStatus": "PendingReview"}
    assert tasks(retrain)["Approve"]["Parameters"]["ModelApprovalStatus"] == "Approved"
    assert tasks(retrain)["Reject"]["Parameters"]["ModelApprovalStatus"] == "Rejected"


def test_the_first_champion_is_read_by_its_exact_key(sandbox: Any) -> None:
    policies = sandbox.resources("AWS::IAM::ManagedPolicy")
    [policy] = [each for name, each in policies.items() if name.startswith("Model/EvaluateRole")]
    read = [
        str(statement["Resource"])
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "s3:GetObject" and "cdk-" in str(statement["Resource"])
    ]
    assert len(read) == 2, "the programs, and the first champion"
    assert not [resource for resource in read if "*" in resource]
