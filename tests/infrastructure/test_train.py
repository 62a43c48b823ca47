"""Train: our script on Spot with checkpoints, or the image's algorithm on prepared files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.definitions import definitions, tasks


@pytest.fixture(scope="module")
def request_(sandbox: Any) -> dict[str, Any]:
    return tasks(definitions(sandbox)["retrain"])["Train"]["Parameters"]


def test_the_script_travels_as_an_input_because_the_container_has_no_network(
    request_: dict[str, Any],
) -> None:
    channels = {
        each["ChannelName"]: each["DataSource"]["S3DataSource"] for each in request_["InputDataConfig"]
    }
    assert channels["features"]["S3DataType"] == "ManifestFile"
    assert channels["features"]["S3Uri.$"] == "$.publication.features_manifest"
    # In a run that goes on from the champion the list names its model, else only itself.
    assert channels["champion"]["S3DataType"] == "ManifestFile"
    assert channels["champion"]["S3Uri.$"] == "$.plan.start_manifest"
    assert channels["code"]["S3Uri"].startswith("s3://cdk-")
    assert request_["HyperParameters.$"] == "$.training.hyperparameters"


def test_the_toolkit_is_told_where_the_script_lies(sandbox: Any) -> None:
    states = definitions(sandbox)["retrain"]["States"]
    told = states["ScriptParameters"]["Parameters"]
    assert told["sagemaker_program"] == "train.py"
    assert told["sagemaker_submit_directory"].startswith("/opt/ml/input/data/code/")


def test_a_spot_instance_that_goes_leaves_a_checkpoint(request_: dict[str, Any]) -> None:
    assert request_["EnableManagedSpotTraining"] is True
    stopping = request_["StoppingCondition"]
    assert stopping["MaxWaitTimeInSeconds"] >= stopping["MaxRuntimeInSeconds"]
    assert request_["CheckpointConfig"]["LocalPath"] == "/opt/ml/checkpoints"
    # With the slash: SageMaker copies what begins with the address, and a name may begin with another.
    assert request_["CheckpointConfig"]["S3Uri.$"].endswith(
        "/checkpoints/{}/{}/', $.plan.run_id, $.candidate.name)"
    )


def test_metrics_are_read_from_what_the_training_prints(request_: dict[str, Any]) -> None:
    expressions = {
        each["Name"]: each["Regex"] for each in request_["AlgorithmSpecification"]["MetricDefinitions"]
    }
    assert expressions == {
        "train:logloss": "train-logloss:([0-9.eE+-]+)",
        "validation:logloss": "validation-logloss:([0-9.eE+-]+)",
    }


def test_every_commercial_region_has_its_image(sandbox: Any) -> None:
    from security.images import ACCOUNTS

    mapping = sandbox.templates["Operations"]["Mappings"]
    [accounts] = [each for each in mapping.values() if "us-east-1" in each and "xgboost" in each["us-east-1"]]
    assert len(accounts) == len(ACCOUNTS) == 29
    assert all(len(each["xgboost"]) == 12 for each in accounts.values())


def test_the_built_in_algorithm_gets_prepared_files_and_only_what_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import settings
    from tests.conftest import synthesise

    profile = settings.SANDBOX
    changed = dataclasses.replace(profile, train=dataclasses.replace(profile.train, algorithm="builtin"))
    monkeypatch.setattr(settings, "PROFILES", {"sandbox": changed})
    definition = definitions(synthesise(tmp_path, "sandbox", "diabetes"))["retrain"]
    assert definition["States"]["TakeModelLock"]["Next"] == "Prepare"
    request = tasks(definition)["Train"]["Parameters"]
    told = definition["States"]["ScriptParameters"]["Parameters"]
    assert told == {"objective": "reg:squarederror", "eval_metric": "rmse"}
    assert "CheckpointConfig" not in request
    assert [each["ChannelName"] for each in request["InputDataConfig"]] == ["train", "validation"]
    names = {each["InputName"] for each in tasks(definition)["Evaluate"]["Parameters"]["ProcessingInputs"]}
    assert "preparation" in names


def test_the_training_role_reads_features_and_writes_its_run_and_nothing_else_in_the_lake(
    sandbox: Any,
) -> None:
    policies = sandbox.resources("AWS::IAM::ManagedPolicy")
    [policy] = [each for name, each in policies.items() if name.startswith("Model/TrainRole")]
    written = [
        str(statement["Resource"])
        for statement in policy["PolicyDocument"]["Statement"]
        if "s3:PutObject" in statement["Action"]
    ]
    assert written
    assert all("Models" in each and ("/runs/*" in each or "/checkpoints/*" in each) for each in written)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"name": "has_underscore"}, "single hyphens", id="a name that no job may have"),
        pytest.param({"name": "a" * 40}, "at most 24", id="a name that leaves no room"),
        pytest.param({"family": "linear"}, "allowed with train.algorithm='builtin': xgboost", id="family"),
    ],
)
def test_a_candidate_that_cannot_be_trained_fails_at_synthesis(changes: dict[str, str], says: str) -> None:
    import settings
    from stacks.model.train import CandidateError, _check

    train = dataclasses.replace(settings.SANDBOX.train, algorithm="builtin")
    profile = dataclasses.replace(settings.SANDBOX, train=train)
    candidate = {"name": "boosted", "family": "xgboost", "hyperparameters": {}, **changes}
    with pytest.raises(CandidateError, match=says):
        _check(profile, {"problem": "binary", "tuning": None, "candidates": [candidate]})
    fine = {**candidate, "name": "boosted", "family": "xgboost"}
    _check(profile, {"problem": "binary", "tuning": {"any": 1}, "candidates": [fine]})
    long = dataclasses.replace(profile, profile="a-profile-of-a-long-name")
    with pytest.raises(CandidateError, match="shorten the profile's name"):
        _check(long, {"problem": "binary", "tuning": {"any": 1}, "candidates": [fine]})
