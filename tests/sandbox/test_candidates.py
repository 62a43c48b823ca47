"""The states that learn, with real jobs: a candidate, a search or a look that fails stops no other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from record_candidates.table import lost, table, trials

from sandbox.account import client
from stacks.operations.definitions.learning import learning
from stacks.operations.definitions.parts import Functions, Requests
from stacks.operations.definitions.states import FAILED
from tests.sandbox.compute_account import IMAGE
from tests.sandbox.flow_account import any_function, any_machine, any_role, run
from tests.sandbox.test_tuning import place, ranges, request

__all__ = ["place"]

EXPLAINS = """
def handler(event, context):
    return {"state": event["state"], "error": "Broken", "reason": "told by " + event["run_id"], "more": "log"}
"""
CAUSE = "States.Format('{}: {}: {}', $failed_state, $.failure.Error, $.failure.Cause)"
ENDS = {
    "Done": {"Type": "Succeed"},
    FAILED: {"Type": "Fail", "Error": "RunFailed", "CausePath": CAUSE},
}
HOME = "s3://tuning-data/models"


class Found:
    """What the definitions are given for a search."""

    candidate = "plain"

    def __init__(self, request_: dict[str, Any], warm: dict[str, Any] | None = None) -> None:
        self.request, self.warm, self.seconds = request_, warm, 300


@pytest.fixture(scope="module")
def role(place: Any) -> str:
    actions = ("sagemaker:*", "lambda:InvokeFunction", "dynamodb:PutItem", "events:*", "iam:PassRole")
    any_function("explains", EXPLAINS)
    client("dynamodb").create_table(
        TableName="books", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    return any_role("candidates", "states.amazonaws.com", *actions)


def training(place: Any) -> dict[str, Any]:
    """One candidate's request, as the stage writes it."""
    trial = dict(request(place, "any")["TrainingJobDefinition"])
    del trial["StaticHyperParameters"]
    return {
        **trial,
        "TrainingJobName.$": "States.Format('{}-train-{}', $.plan.run_id, $.candidate.name)",
        "HyperParameters.$": "$.training.hyperparameters",
        "OutputDataConfig": {
            "KmsKeyId": trial["OutputDataConfig"]["KmsKeyId"],
            "S3OutputPath.$": f"States.Format('{HOME}/{{}}', $.candidate.name)",
        },
    }


def tuning(place: Any, **kinds: Any) -> dict[str, Any]:
    asked = request(
        place,
        "any",
        jobs=None,
        Strategy="Grid",
        ParameterRanges=ranges(kind=("Categorical", *kinds["kinds"])),
    )
    del asked["HyperParameterTuningJobName"], asked["TrainingJobDefinition"]["StaticHyperParameters"]
    asked["TrainingJobDefinition"]["StaticHyperParameters.$"] = "$.tuning.hyperparameters"
    return {**asked, "HyperParameterTuningJobName.$": "$.plan.tuning.name"}


def look(place: Any) -> dict[str, Any]:
    """A processing job that lasts as long as the plan says, and fails where it says nothing."""
    script = "import sys, time; time.sleep(float(sys.argv[1]))"
    return {
        "ProcessingJobName.$": "States.Format('{}-explore', $.plan.run_id)",
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python", "-c", script],
            "ContainerArguments.$": "States.Array($.plan.look)",
        },
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        "RoleArn": place[1],
    }


def machine(name: str, place: Any, role: str, found: Any = None) -> str:
    names = {each: each for each in Functions.__dataclass_fields__}
    functions = Functions(**{**names, "explain_failure": "explains"})
    requests = Requests(
        prepare=None, train=training(place), parallel_jobs=2, tuning=found, script_parameters={}, evaluate={},
        train_seconds=60, evaluate_seconds=60, explore=look(place), explore_seconds=60,
    )  # fmt: skip
    states = {**learning(functions, requests, "books", start="Learn", then="Done"), **ENDS}
    return any_machine(name, states, role)


def given(run_id: str, kinds: dict[str, str], **plan: Any) -> dict[str, Any]:
    return {
        "plan": {
            "run_id": run_id,
            "look": "0",
            "candidates": [
                {"name": name, "family": "xgboost", "hyperparameters": {"kind": kind}}
                for name, kind in kinds.items()
            ],
            **plan,
        },
        "publication": {},
        "script": {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "/opt/ml/input/data/code/train.tar.gz",
        },
    }


def searched(name: str, **more: Any) -> dict[str, Any]:
    return {"tuning": {"name": name, "hyperparameters": {"depth": "6"}, "like": "x", "parents": [], **more}}


def test_one_that_fails_is_told_in_words_and_the_others_and_the_search_go_on(place: Any, role: str) -> None:
    arn = machine("some", place, role, Found(tuning(place, kinds=("plain", "odd"))))
    asked = given("r1", {"bad": "broken", "plain": "plain"}, **searched("search-1"))
    found = run(arn, asked, seconds=120)
    assert found["status"] == "SUCCEEDED", found.get("cause")
    output = json.loads(found["output"])
    bad, plain = output["learned"]["trained"]
    assert (bad["name"], bad["error"], bad["reason"]) == ("bad", "Broken", "told by r1")
    assert bad["job"] == "r1-train-bad"
    assert json.loads(bad["failure"]["Cause"])["TrainingJobStatus"] == "Failed"
    assert plain["model"] == f"{HOME}/plain/r1-train-plain/output/model.tar.gz"
    assert plain["seconds"] >= 1 and plain["billable_seconds"] >= 1
    result = output["learned"]["search"]
    assert (result["job"], result["status"], result["strategy"]) == ("search-1", "Completed", "Grid")
    assert result["objective"] == {"metric": "validation:loss", "type": "Minimize"}
    assert len(result["trials"]) == 2 and all(each["billable_seconds"] for each in result["trials"])
    row = client("dynamodb").get_item(TableName="books", Key={"id": {"S": "tuning#last"}})["Item"]
    assert (row["job"]["S"], row["like"]["S"]) == ("search-1", "x")
    # What the next step makes of exactly this.
    content = table(
        output["plan"],
        output["learned"]["trained"],
        result,
        home=f"{HOME}/",
        instance_type="any",
        usd_per_hour=1.0,
    )
    assert [each["name"] for each in content["candidates"]] == ["plain", "tuned"]
    assert content["candidates"][1]["hyperparameters"] == {"depth": "6", "kind": "plain"}
    assert [each["name"] for each in content["failed"]] == ["bad"]
    assert "candidate bad (Broken: told by r1)" in lost(content)
    record = trials("r1", result, {})
    assert [each["best"] for each in record["trials"]].count(True) == 1
    assert record["parents"] == []


def test_a_search_that_fails_does_not_stop_the_run(place: Any, role: str) -> None:
    warm = tuning(place, kinds=("broken",))
    parents = {
        "ParentHyperParameterTuningJobs.$": "$.plan.tuning.parents",
        "WarmStartType": "TransferLearning",
    }
    asked = Found(tuning(place, kinds=("broken",)), {**warm, "WarmStartConfig": parents})
    arn = machine("unlucky", place, role, asked)
    gone = [{"HyperParameterTuningJobName": "gone"}]
    found = run(arn, given("r2", {"plain": "plain"}, **searched("search-2", parents=gone)), seconds=120)
    assert found["status"] == "SUCCEEDED", found.get("cause")
    output = json.loads(found["output"])
    # The parent is refused at once: the search begins anew instead, under the same name.
    assert output["learned"]["search"] == {
        "job": "search-2", "candidate": "plain", "trials": [], "error": "Broken", "reason": "told by r2",
    }  # fmt: skip


def test_a_plan_without_a_search_starts_none(place: Any, role: str) -> None:
    arn = machine("without", place, role, Found(tuning(place, kinds=("plain",))))
    found = run(arn, given("r3", {"plain": "plain"}), seconds=120)
    assert json.loads(found["output"])["learned"]["search"] == {"job": ""}


def test_when_none_trains_the_run_fails_with_what_each_said(place: Any, role: str) -> None:
    arn = machine("none", place, role)
    found = run(arn, given("r4", {"bad": "broken", "worse": "broken"}), seconds=120)
    assert found["cause"] == (
        "Train: NoCandidateTrained: none of the 2 candidates trained: "
        "bad: Broken: told by r4; worse: Broken: told by r4"
    )


def test_a_single_one_that_fails_tells_its_whole_story(place: Any, role: str) -> None:
    """As before there were several: the way out explains it."""
    found = run(machine("alone", place, role), given("r5", {"bad": "broken"}), seconds=120)
    state, error, cause = found["cause"].split(": ", 2)
    assert (state, error) == ("Train", "States.TaskFailed")
    assert json.loads(cause)["TrainingJobName"] == "r5-train-bad"


def test_the_data_are_looked_at_while_the_candidates_train(place: Any, role: str) -> None:
    arn = machine("beside", place, role)
    found = run(arn, given("r6", {"plain": "plain"}, look="1.5"), seconds=120)
    assert found["status"] == "SUCCEEDED", found.get("cause")
    job = client("sagemaker").describe_processing_job(ProcessingJobName="r6-explore")
    trained = client("sagemaker").describe_training_job(TrainingJobName="r6-train-plain")
    assert job["ProcessingJobStatus"] == "Completed"
    assert job["ProcessingStartTime"] < trained["TrainingEndTime"]
    assert trained["TrainingStartTime"] < job["ProcessingEndTime"]
    assert not client("dynamodb").get_item(TableName="books", Key={"id": {"S": "exploration#r6"}}).get("Item")


def test_a_look_that_fails_is_told_in_the_ledger_and_stops_nothing(place: Any, role: str) -> None:
    arn = machine("blind", place, role)
    found = run(arn, given("r7", {"plain": "plain"}, look="not a number"), seconds=120)
    assert found["status"] == "SUCCEEDED", found.get("cause")
    [plain] = json.loads(found["output"])["learned"]["trained"]
    assert plain["model"] == f"{HOME}/plain/r7-train-plain/output/model.tar.gz"
    row = client("dynamodb").get_item(TableName="books", Key={"id": {"S": "exploration#r7"}})["Item"]
    assert (row["error"]["S"], row["reason"]["S"]) == ("Broken", "told by r7")
