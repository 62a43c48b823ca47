"""The Retrain definition as synthesised, with the jobs and the endpoint replaced: what a run that was skipped
leaves behind, who answers it, and how a failure reads.
"""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from plan_run import request

import bundles
from sandbox import clock, work
from sandbox.account import ACCOUNT, REGION, client
from tests.any_model import any_contract
from tests.definitions import Definition, definitions
from tests.sandbox.flow_account import (
    account,
    any_function,
    any_queue,
    any_role,
    ended,
    eventually,
    fresh,
    messages,
    queue_arn,
)

__all__ = ["account", "fresh"]

MACHINE = "mlref-sandbox-retrain"
ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{MACHINE}"
FOREVER = "9999999999"
GATE = """
class EvaluationError(ValueError): ...

def handler(event, context):
    if "fail" in event:
        raise EvaluationError("the evaluation below runs/ is of another run: evaluate again")
    return {"promote": "promote" in event, "reason": "as measured", "card": ""}
"""
PLAN = {
    "run_id.$": "States.Format('r-{}', $$.Execution.Name)",
    "action": "retrain",
    "trigger.$": "$.trigger",
    "through.$": "$$.Execution.Name",  # each run has data of its own
    "months": "none",
    "has_new_data": False,
    "request": {},
    "partitions_uri": "",
    "hyperparameters": {},
    "model_name": "model",
    "champion": {"endpoint_config_name": "old"},
    "challenger_config_name": "both",
    "champion_config_name": "new",
    "locks": {"now": "0", "data_expires": FOREVER, "model_expires": FOREVER},
}
ALARMS = {"names": [], "states": [], "ringing": False}
ANSWERS: dict[str, Any] = {
    "CountInstances": {"champion": {"CurrentInstanceCount": 1}},
    "DeployChallengerLook": {"status": "InService", "config": "both"},
    "PromoteLook": {"status": "InService", "config": "new"},
    "RecordCandidates": {"manifest_uri": "s3://models/candidates.manifest", "lost": ""},
    "Register": {"arn": "package"},
    "LookAtAlarms": ALARMS,
    "PromotionAlarms": ALARMS,
    "Judge": {"verdict": "promote", "reason": "not worse"},
    "WriteChampion": {"restore": False},
}
TRAINED = [{"name": "boosted", "family": "xgboost", "job": "job", "model": "s3://models/model.tar.gz"}]
REAL = ("dynamodb", "sns", "states")


def stand_in(definition: Definition, topic: str) -> dict[str, Any]:
    """Ledger, messages, starts and the explanation are real; a run waits for an hour in Evaluate."""
    changed = copy.deepcopy(dict(definition))
    states = changed["States"]
    for name, state in states.items():
        if state["Type"] == "Parallel":
            states[name] = {
                "Type": "Pass",
                "ResultPath": state["ResultPath"],
                "Next": state["Next"],
                "Result": {"trained": TRAINED, "search": {"job": ""}},
            }
        if state["Type"] != "Task":
            continue
        service = state["Resource"].split(":::")[1].split(":")[0]
        if service in REAL or name in ("Gate", "Explain"):
            given = state["Parameters"]
            given |= {"TableName": "ledger"} if service == "dynamodb" else {}
            given |= {"TopicArn": topic} if service == "sns" else {}
            given |= {"StateMachineArn": _arn(given["StateMachineArn"])} if service == "states" else {}
            given |= {"FunctionName": name.lower()} if service == "lambda" else {}
        else:
            states[name] = {"Type": "Pass", "ResultPath": state["ResultPath"], "Next": state["Next"]}
            states[name] |= {"Result": ANSWERS.get(name, {})}
    states["Plan"] = {"Type": "Pass", "Parameters": {"plan": PLAN}, "Next": states["Plan"]["Next"]}
    if "PlanData" in states:
        states["PlanData"] = {"Type": "Pass", "Next": states["PlanData"]["Next"]}
    states["Gate"]["Parameters"]["Payload.$"] = "$$.Execution.Input.hyperparameters"
    del states["Gate"]["Parameters"]["Payload"]
    states["Evaluate"] = {"Type": "Wait", "Seconds": 3600, "Next": states["Evaluate"]["Next"]}
    return {**changed, "States": _reachable(states, changed["StartAt"])}


def _arn(text: str) -> str:
    names = {"<AWS::Partition>": "aws", "<AWS::Region>": REGION, "<AWS::AccountId>": ACCOUNT}
    for reference, value in names.items():
        text = text.replace(reference, value)
    return text


def _reachable(states: dict[str, Any], start: str) -> dict[str, Any]:
    """Without their catchers some states cannot be reached, which Step Functions would refuse."""
    from tests.definitions import reachable

    found = reachable({"States": states}, start)
    return {name: state for name, state in states.items() if name in found}


class Ledger:
    """What the runs left, in the account of this module."""

    def __init__(self, definition: Definition, topic: str, queue: str) -> None:
        self.definition, self.queue = stand_in(definition, topic), queue
        self.role = any_role(
            "retrain",
            "states.amazonaws.com",
            *(f"dynamodb:{action}Item" for action in ("Get", "Put", "Delete")),
            "lambda:InvokeFunction",
            "sns:Publish",
            "states:StartExecution",
        )

    def define(self, definition: dict[str, Any], name: str = MACHINE) -> None:
        text = json.dumps(definition)
        client("stepfunctions").create_state_machine(name=name, definition=text, roleArn=self.role)

    def give_all_runs_the_same_data(self) -> None:
        same = copy.deepcopy(self.definition)
        plan = same["States"]["Plan"]["Parameters"]["plan"]
        del plan["through.$"]
        plan["through"] = "2024-04-12"
        client("stepfunctions").update_state_machine(stateMachineArn=ARN, definition=json.dumps(same))

    def start(self, name: str, trigger: str = "manual", machine: str = ARN, **hyperparameters: Any) -> str:
        given = {"trigger": trigger, "action": "retrain", "hyperparameters": hyperparameters}
        started = client("stepfunctions").start_execution(
            stateMachineArn=machine, name=name, input=json.dumps(given)
        )
        assert work.idle(20), work.busy()
        return str(started["executionArn"])

    def row(self, key: str) -> dict[str, str] | None:
        found = client("dynamodb").get_item(TableName="ledger", Key={"id": {"S": key}}).get("Item")
        return found and {name: next(iter(value.values())) for name, value in found.items()}

    def executions(self) -> list[str]:
        found = client("stepfunctions").list_executions(stateMachineArn=ARN)["executions"]
        return sorted(each["name"] for each in found)

    def told(self) -> dict[str, str]:
        """Message by subject; each is read once."""
        read = messages(self.queue)
        for each in read:
            client("sqs").delete_message(QueueUrl=self.queue, ReceiptHandle=each["ReceiptHandle"])
        bodies = [json.loads(each["Body"]) for each in read]
        return {body["Subject"]: body["Message"] for body in bodies}


@pytest.fixture(scope="module")
def shared(account: Any, sandbox: Any) -> Ledger:
    client("dynamodb").create_table(
        TableName="ledger",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    client("s3").create_bucket(Bucket="models")
    topic = client("sns").create_topic(Name="alerts")["TopicArn"]
    queue = any_queue("told", "sns.amazonaws.com")
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn("told"))
    any_function("gate", GATE)
    any_function("explain", "", Environment={"Variables": {"MODELS_BUCKET": "models"}})
    client("lambda").update_function_code(FunctionName="explain", ZipFile=_bundle())
    client("lambda").update_function_configuration(
        FunctionName="explain", Handler="explain_failure.handler.handler"
    )
    return Ledger(definitions(sandbox)["retrain"], topic, queue)


@pytest.fixture
def ledger(shared: Ledger, fresh: None) -> Iterator[Ledger]:
    clock.set(datetime(2024, 4, 12, tzinfo=UTC))
    shared.told()
    shared.define(shared.definition)
    yield shared
    for execution in client("stepfunctions").list_executions(stateMachineArn=ARN)["executions"]:
        client("stepfunctions").stop_execution(executionArn=execution["executionArn"])
    client("stepfunctions").delete_state_machine(stateMachineArn=ARN)
    for key in ("lock#model", "lock#data", "retrain#pending"):
        client("dynamodb").delete_item(TableName="ledger", Key={"id": {"S": key}})


def _bundle() -> bytes:
    folder: Path = bundles.lambda_bundle("explain_failure", any_contract())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()


def later(hours: float) -> None:
    clock.set(clock.now() + timedelta(hours=hours))
    assert work.idle(20), work.busy()


def test_a_run_that_was_skipped_starts_again_when_the_other_one_is_refused(ledger: Ledger) -> None:
    holder = ledger.start("holder")
    skipped = ledger.start("skipped", "drift", max_depth=4)
    assert ended(skipped)["status"] == "SUCCEEDED"
    assert "starts again when that one ends" in ledger.told()["Retraining ended: skipped"]
    left = ledger.row("retrain#pending")
    assert left is not None
    assert (left["run_id"], left["trigger"], left["expires"]) == ("r-skipped", "drift", FOREVER)

    later(1.1)
    assert ended(holder)["status"] == "SUCCEEDED"
    assert ledger.row("retrain#pending") is None
    assert ledger.executions() == ["deferred-r-skipped", "holder", "skipped"]
    told = ledger.told()["Retraining ended: refused"]
    assert "Run r-skipped (asked for by: drift) was skipped meanwhile and starts again" in told
    deferred = f"{ARN.replace('stateMachine', 'execution')}:deferred-r-skipped"
    asked = json.loads(client("stepfunctions").describe_execution(executionArn=deferred)["input"])
    execution = {"id": deferred, "started_at": "2024-04-12T01:06:00Z"}
    planned = request.read(asked, execution, any_contract()["model"])
    assert (planned.action, planned.trigger, planned.through) == ("retrain", "deferred", date(2024, 4, 12))
    assert planned.hyperparameters["max_depth"] == "4"
    assert asked.pop("time").startswith("2024-04-12T01:06:")
    assert asked == {
        "trigger": "deferred",
        "action": "retrain",
        "hyperparameters": {"max_depth": 4},
        "asked_by": "drift",
        "skipped": "r-skipped",
        "after": "r-holder",
        "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": holder,
    }

    # It is refused too, and that is the end of it.
    later(1.1)
    assert ended(deferred)["status"] == "SUCCEEDED"
    row = ledger.row("run#r-deferred-r-skipped")
    assert row is not None
    assert (row["trigger"], row["outcome"]) == ("deferred", "refused")
    later(5)
    assert ledger.executions() == ["deferred-r-skipped", "holder", "skipped"]
    assert ledger.row("lock#model") is None


def test_a_request_for_the_data_that_were_refused_just_now_is_answered(ledger: Ledger) -> None:
    """Two alarms of one report start two runs at once."""
    ledger.give_all_runs_the_same_data()
    holder = ledger.start("holder", "drift")
    ledger.start("skipped", "drift")
    left = ledger.row("retrain#pending")
    assert left is not None and left["through"] == "2024-04-12"
    later(1.1)
    assert ended(holder)["status"] == "SUCCEEDED"
    assert ledger.row("retrain#pending") is None
    assert ledger.executions() == ["holder", "skipped"]
    told = ledger.told()["Retraining ended: refused"]
    assert "Run r-skipped (asked for by: drift) was skipped meanwhile; its request is answered" in told


def test_what_a_person_wants_to_try_is_not_answered_by_a_run_on_the_same_data(ledger: Ledger) -> None:
    ledger.give_all_runs_the_same_data()
    ledger.start("holder", "drift")
    ledger.start("skipped", "manual", max_depth=4)
    later(1.1)
    assert ledger.executions() == ["deferred-r-skipped", "holder", "skipped"]


def test_a_deferred_run_that_is_skipped_asks_again_for_the_one_that_asked_first(ledger: Ledger) -> None:
    ledger.start("holder")
    given = {"trigger": "deferred", "asked_by": "drift", "hyperparameters": {}}
    client("stepfunctions").start_execution(stateMachineArn=ARN, name="again", input=json.dumps(given))
    assert work.idle(20)
    left = ledger.row("retrain#pending")
    assert left is not None
    assert (left["run_id"], left["trigger"]) == ("r-again", "drift")


def test_the_newest_request_wins(ledger: Ledger) -> None:
    ledger.start("holder")
    ledger.start("first", "drift")
    ledger.start("second", "schedule")
    later(1.1)
    assert "deferred-r-second" in ledger.executions()
    assert "deferred-r-first" not in ledger.executions()


def test_after_a_promotion_the_request_is_moot(ledger: Ledger) -> None:
    holder = ledger.start("holder", promote=1)
    ledger.start("skipped", "drift")
    for _ in range(5):  # Evaluate, two moves of the endpoint, two looks at its alarms
        later(1.1)
    assert ended(holder)["status"] == "SUCCEEDED"
    assert "its request is moot" in ledger.told()["Retraining ended: promoted"]
    assert ledger.executions() == ["holder", "skipped"]
    assert ledger.row("retrain#pending") is None


def test_a_failure_says_where_and_why_and_starts_the_skipped_run_too(ledger: Ledger) -> None:
    holder = ledger.start("holder", "ada", fail=1)
    ledger.start("skipped", "drift")
    ledger.told()
    later(1.1)
    found = ended(holder)
    reason = "the evaluation below runs/ is of another run: evaluate again"
    assert (found["status"], found["error"]) == ("FAILED", "RunFailed")
    assert found["cause"] == f"Gate: EvaluationError: {reason}"
    row = ledger.row("run#r-holder")
    assert row is not None
    assert (row["outcome"], row["state"], row["error"], row["reason"]) == (
        "failed",
        "Gate",
        "EvaluationError",
        reason,
    )
    assert ledger.told()["Retraining failed in Gate"] == (
        f"Retraining run r-holder (ada, data before holder) failed in Gate: EvaluationError: {reason}. "
        "Where to look: the log of the function that Gate calls. What to do: docs/operations.md, A run that "
        f"failed. Execution {holder}. Run r-skipped (asked for by: drift) was skipped meanwhile and starts "
        "again as execution deferred-r-skipped"
    )
    assert "deferred-r-skipped" in ledger.executions()


def test_a_failure_that_nobody_explains_is_told_by_the_beginning_of_its_cause(ledger: Ledger) -> None:
    definition = copy.deepcopy(ledger.definition)
    definition["States"]["Explain"]["Parameters"]["FunctionName"] = "nobody"
    client("stepfunctions").update_state_machine(stateMachineArn=ARN, definition=json.dumps(definition))
    holder = ledger.start("holder", fail=1)
    later(1.1)
    assert ended(holder)["cause"].startswith("Gate: EvaluationError: {")
    row = ledger.row("run#r-holder")
    assert row is not None
    assert 100 < len(row["reason"]) <= 600
    assert "Retraining failed in Gate" in ledger.told()
    assert ledger.row("lock#model") is None


def test_a_lock_that_becomes_free_while_the_request_is_left_is_taken_at_the_second_try(
    ledger: Ledger,
) -> None:
    """Nobody is left then who would answer."""
    definition = copy.deepcopy(ledger.definition)
    states = definition["States"]
    states["LeaveRequest"]["Next"] = "OtherEnds"
    states["OtherEnds"] = {
        "Type": "Task",
        "Resource": "arn:aws:states:::dynamodb:deleteItem",
        "Parameters": {"TableName": "ledger", "Key": {"id": {"S": "lock#model"}}},
        "ResultPath": None,
        "Next": "TakeModelLockAgain",
    }
    client("stepfunctions").update_state_machine(stateMachineArn=ARN, definition=json.dumps(definition))
    lock = {"id": {"S": "lock#model"}, "owner": {"S": "other"}, "expires": {"N": FOREVER}}
    client("dynamodb").put_item(TableName="ledger", Item=lock)
    late = ledger.start("late", "drift")
    assert ledger.row("retrain#pending") is None, "it does the work itself"
    held = ledger.row("lock#model")
    assert held is not None
    assert held["owner"] == "r-late"
    later(1.1)
    assert ended(late)["status"] == "SUCCEEDED"
    assert ledger.executions() == ["late"]


def test_a_start_that_is_repeated_starts_nothing_twice(ledger: Ledger) -> None:
    ledger.start("holder")
    ledger.start("skipped", "drift")
    ledger.start("deferred-r-skipped", "another")  # skipped itself, and ended
    client("dynamodb").update_item(
        TableName="ledger",
        Key={"id": {"S": "retrain#pending"}},
        UpdateExpression="SET run_id = :run",
        ExpressionAttributeValues={":run": {"S": "r-skipped"}},
    )
    later(1.1)
    assert "starts again as execution deferred-r-skipped" in ledger.told()["Retraining ended: refused"]
    assert ledger.executions() == ["deferred-r-skipped", "holder", "skipped"]
    assert ledger.row("retrain#pending") is None


def test_a_request_of_before_the_run_is_answered_by_the_run_itself(ledger: Ledger) -> None:
    old = {"id": "retrain#pending", "run_id": "r-old", "asked_at": "2024-04-11T00:00:00.000Z"}
    item = {
        name: {"S": value} for name, value in {**old, "trigger": "drift", "hyperparameters": "{}"}.items()
    }
    client("dynamodb").put_item(TableName="ledger", Item=item)
    ledger.start("holder")
    later(1.1)
    eventually(lambda: ledger.row("lock#model") is None)
    assert ledger.executions() == ["holder"]
