"""State machines run as deployed: roles, integrations, errors by name, waiting on the clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import clock, work
from sandbox.account import client
from sandbox.engines import state_calls, state_jsonata
from stacks.operations.definitions.endpoint import look_at_alarms
from stacks.operations.definitions.states import call
from stacks.operations.definitions.states import task as state_of
from tests.sandbox.flow_account import (
    ARN,
    account,
    any_function,
    any_machine,
    any_queue,
    any_role,
    ended,
    eventually,
    fresh,
    log_lines,
    messages,
    run,
)

__all__ = ["account", "fresh"]

PASS = {"Type": "Pass", "End": True}
DOUBLE = """
class Odd(Exception): ...

def handler(event, context):
    if event["x"] < 0:
        raise Odd("low")
    return {"y": event["x"] * 2}
"""


@pytest.mark.usefixtures("account")
def test_definition_is_read_once_and_each_execution_has_its_own_program() -> None:
    from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser, ASLParserException

    definition = json.dumps({"StartAt": "Read once", "States": {"Read once": PASS}})
    programs, trees = zip(*(AmazonStateLanguageParser.parse(definition) for _ in range(2)), strict=True)
    assert trees[0] is trees[1]
    assert programs[0] is not programs[1]
    for _ in range(2):
        with pytest.raises(ASLParserException):
            AmazonStateLanguageParser.parse('{"StartAt": ')


@pytest.mark.parametrize(
    ("member", "spelled"),
    [
        ("SSEKMSKeyId", "SsekmsKeyId"),
        ("stateMachineArn", "StateMachineArn"),
        ("VolumeSizeInGB", "VolumeSizeInGB"),
        ("ETag", "ETag"),
        ("S3Uri", "S3Uri"),
        ("KMSKeyARN", "KmsKeyARN"),
    ],
)
def test_sdk_integrations_spell_members_as_aws_does(member: str, spelled: str) -> None:
    assert state_calls.sdk_name(member) == spelled


@pytest.mark.parametrize(
    ("integration", "service", "code", "name"),
    [
        ("aws-sdk", "sagemaker", "ResourceNotFound", "SageMaker.ResourceNotFoundException"),
        ("aws-sdk", "sagemaker", "ValidationException", "SageMaker.SageMakerException"),
        (
            "aws-sdk",
            "dynamodb",
            "ConditionalCheckFailedException",
            "DynamoDb.ConditionalCheckFailedException",
        ),
        ("aws-sdk", "ssm", "ParameterNotFound", "Ssm.ParameterNotFoundException"),
        ("aws-sdk", "s3", "NoSuchKey", "S3.NoSuchKeyException"),
        (
            "dynamodb",
            "dynamodb",
            "ConditionalCheckFailedException",
            "DynamoDB.ConditionalCheckFailedException",
        ),
        ("sagemaker", "sagemaker", "ResourceLimitExceeded", "SageMaker.ResourceLimitExceededException"),
        ("sagemaker", "sagemaker", "ValidationException", "SageMaker.AmazonSageMakerException"),
        ("glue", "glue", "ConcurrentRunsExceededException", "Glue.ConcurrentRunsExceededException"),
        ("lambda", "lambda", "TooManyRequestsException", "Lambda.TooManyRequestsException"),
    ],
)
def test_errors_have_the_names_that_catchers_of_aws_see(
    integration: str, service: str, code: str, name: str
) -> None:
    assert state_calls.error_name(integration, service, code) == name


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 1", 2),
        ('{"a": null, "b": [1..3]}', {"a": None, "b": [1, 2, 3]}),
        ("$partition([1,2,3], 2)", [[1, 2], [3]]),
        ("$range(0, 6, 2)", [0, 2, 4, 6]),
        ('$hash("a", "SHA-256")', "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("$parse('{\"a\": 1}').a", 1),
    ],
)
def test_jsonata(expression: str, value: Any) -> None:
    assert state_jsonata.evaluate(expression) == value


def test_jsonata_without_a_value_is_an_error() -> None:
    with pytest.raises(state_jsonata.UndefinedResultError):
        state_jsonata.evaluate("nothing.here")


# ------------------------------------------------------------------ in an account


@pytest.fixture(scope="module")
def role(account: Any) -> str:
    grants = (
        "lambda:InvokeFunction",
        "sns:Publish",
        "sqs:SendMessage",
        "dynamodb:*",
        "s3:*",
        "ssm:*",
        "glue:*",
    )
    return any_role("states", "states.amazonaws.com", *grants, "events:*", "states:*", "sagemaker:*")


@pytest.fixture
def once(role: str, request: pytest.FixtureRequest, fresh: None) -> Any:
    """once(state, input) runs a machine of this one state."""

    def runs(state: dict[str, Any], given: Any = None, **definition: Any) -> dict[str, Any]:
        name = f"m{abs(hash((request.node.name, json.dumps(state), json.dumps(given))))}"
        return run(any_machine(name, {"A": {"End": True, **state}}, role, **definition), given)

    return runs


def task(resource: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{resource}",
        "Parameters": parameters,
        "TimeoutSeconds": 30,
        **more,
    }


def test_function_runs_and_its_error_has_its_own_name(once: Any) -> None:
    any_function("double", DOUBLE)
    invoke = {"FunctionName": "double", "Payload.$": "$"}
    good = once(task("lambda:invoke", invoke), {"x": 21})
    assert json.loads(good["output"])["Payload"] == {"y": 42}
    bad = once(task("lambda:invoke", invoke), {"x": -1})
    assert (bad["status"], bad["error"]) == ("FAILED", "Odd")
    assert json.loads(bad["cause"])["errorMessage"] == "low"


def test_call_that_the_role_may_not_make_fails_with_the_action_named(once: Any) -> None:
    found = once(task("aws-sdk:kms:listKeys", {}))
    assert found["error"] == "Kms.KmsException"
    assert "is not authorized to perform: kms:ListKeys" in found["cause"]


def test_conditional_write_fails_by_its_name_and_can_be_caught(once: Any) -> None:
    keys = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}
    attributes = {"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}
    client("dynamodb").create_table(TableName="locks", BillingMode="PAY_PER_REQUEST", **keys, **attributes)
    put = {
        "TableName": "locks",
        "Item": {"id": {"S": "lock"}},
        "ConditionExpression": "attribute_not_exists(id)",
    }
    assert once(task("dynamodb:putItem", put))["status"] == "SUCCEEDED"
    assert once(task("dynamodb:putItem", put), {"again": 1})["error"] == (
        "DynamoDB.ConditionalCheckFailedException"
    )


def test_sdk_integrations_speak_pascal_case_and_text_times(once: Any) -> None:
    once(task("aws-sdk:ssm:putParameter", {"Name": "p", "Value": "v", "Type": "String"}))
    found = json.loads(once(task("aws-sdk:ssm:getParameter", {"Name": "p"}))["output"])["Parameter"]
    assert (found["Value"], found["Type"]) == ("v", "String")
    assert found["LastModifiedDate"].endswith("Z")
    missing = once(task("aws-sdk:ssm:getParameter", {"Name": "other"}))
    assert missing["error"] == "Ssm.ParameterNotFoundException"
    misspelled = once(task("aws-sdk:ssm:getParameter", {"name": "p"}))
    assert misspelled["error"] == "States.Runtime"


def test_the_runs_look_at_alarms_needs_these_alarms_and_no_others(fresh: None) -> None:
    alarms = client("cloudwatch")
    names = [f"mlref deploy: {title}" for title in ("one", "two", "three")]
    for name in names:
        alarms.put_metric_alarm(
            AlarmName=name,
            Namespace="N",
            MetricName="M",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="ignore",
        )
    alarms.set_alarm_state(AlarmName=names[1], StateValue="ALARM", StateReason="test")
    role = any_role("watcher", "states.amazonaws.com")
    grant = {
        "Effect": "Allow",
        "Action": "cloudwatch:DescribeAlarms",
        "Resource": [f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}" for name in names[:2]],
    }
    client("iam").put_role_policy(
        RoleName="watcher",
        PolicyName="alarms",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [grant]}),
    )
    ends = {"Done": PASS, "Failed": {"Type": "Fail", "Error": "Refused"}}
    look = look_at_alarms("Look", names[:2], then="Done")
    found = json.loads(run(any_machine("looks", look | ends, role))["output"])["alarms"]
    assert dict(zip(found["names"], found["states"], strict=True))[names[1]] == "ALARM"
    assert found["ringing"] is True
    alarms.set_alarm_state(AlarmName=names[1], StateValue="OK", StateReason="test")
    quiet = json.loads(run(any_machine("quiet", look | ends, role))["output"])["alarms"]
    assert quiet["ringing"] is False
    other = look_at_alarms("Look", names, then="Done")
    assert run(any_machine("others", other | ends, role))["error"] == "Refused"


def test_object_bodies_travel_as_json(once: Any) -> None:
    client("s3").create_bucket(Bucket="shelf")
    once(task("aws-sdk:s3:putObject", {"Bucket": "shelf", "Key": "k", "Body": {"a": 1}}))
    found = json.loads(once(task("aws-sdk:s3:getObject", {"Bucket": "shelf", "Key": "k"}))["output"])
    assert found["Body"] == '{"a":1}'


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        pytest.param("batch:submitJob.sync", "'batch' is not implemented", id="integration"),
        pytest.param("aws-sdk:sagemaker:doThings", "no action 'doThings'", id="action"),
        pytest.param("aws-sdk:nothing:doThings", "'nothing' is not known", id="service"),
        pytest.param("sagemaker:createModel.sync", "pattern .sync", id="pattern"),
        pytest.param("sagemaker:deleteModel", "is not known", id="action without integration"),
    ],
)
@pytest.mark.usefixtures("fresh")
def test_unknown_integration_is_refused_when_the_machine_is_made(
    role: str, resource: str, words: str
) -> None:
    with pytest.raises(ClientError, match="InvalidDefinition") as refused:
        any_machine("unknown", {"A": task(resource, {}, End=True)}, role)
    assert words in str(refused.value)


@pytest.mark.usefixtures("fresh")
def test_role_that_does_not_trust_step_functions_is_refused(account: Any) -> None:
    other = any_role("no-states", "glue.amazonaws.com")
    with pytest.raises(ClientError, match="authorized to assume the provided role"):
        any_machine("distrusted", {"A": PASS}, other)


@pytest.mark.usefixtures("fresh")
def test_waiting_for_a_sagemaker_job_needs_the_managed_rule(account: Any) -> None:
    other = any_role("no-rules", "states.amazonaws.com", "sagemaker:*")
    with pytest.raises(ClientError, match="not authorized to create managed-rule"):
        any_machine("ruleless", {"A": task("sagemaker:createTrainingJob.sync", {}, End=True)}, other)


def test_nested_execution_returns_its_output_and_its_failure(once: Any, role: str) -> None:
    good = any_machine("inner-good", {"A": PASS}, role)
    bad = any_machine("inner-bad", {"A": {"Type": "Fail", "Error": "E", "Cause": "because"}}, role)
    start = {"StateMachineArn": good, "Input": {"v": 1}}
    found = once(task("states:startExecution.sync:2", start))
    assert json.loads(found["output"])["Output"] == {"v": 1}
    failed = once(task("states:startExecution.sync:2", {**start, "StateMachineArn": bad}))
    assert failed["error"] == "States.TaskFailed"
    assert json.loads(failed["cause"])["Error"] == "E"


def test_task_that_takes_too_long_times_out_and_stops_its_job(once: Any, role: str) -> None:
    slow = any_machine("slow", {"A": {"Type": "Wait", "Seconds": 86400, "End": True}}, role)
    state = task("states:startExecution.sync:2", {"StateMachineArn": slow, "Input": {}}, TimeoutSeconds=1)
    assert once(state)["error"] == "States.Timeout"
    states = client("stepfunctions")
    eventually(lambda: states.list_executions(stateMachineArn=slow)["executions"][0]["status"] == "ABORTED")


def test_retries_are_shortened_and_counted(once: Any) -> None:
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 600, "MaxAttempts": 1}]
    started = clock.now()
    found = once(task("aws-sdk:ssm:getParameter", {"Name": "never"}, Retry=retry))
    assert found["error"] == "Ssm.ParameterNotFoundException"
    assert clock.now() - started < timedelta(seconds=15)


@pytest.mark.usefixtures("fresh")
def test_wait_ends_when_the_clock_passes(role: str) -> None:
    clock.set(datetime(2013, 1, 1, tzinfo=UTC))
    states = {
        "Long": {"Type": "Wait", "Seconds": 7 * 86400, "Next": "Until"},
        "Until": {"Type": "Wait", "TimestampPath": "$.until", "Next": "Times"},
        "Times": {
            "Type": "Pass",
            "Parameters": {"start.$": "$$.Execution.StartTime", "entered.$": "$$.State.EnteredTime"},
            "End": True,
        },
    }
    machine = any_machine("waits", states, role)
    given = json.dumps({"until": "2013-02-01T00:00:00Z"})
    started = client("stepfunctions").start_execution(stateMachineArn=machine, input=given)["executionArn"]
    assert work.idle(10)  # an execution that waits for the clock is not busy
    clock.set(datetime(2013, 1, 15, tzinfo=UTC))
    assert work.idle(10)
    assert client("stepfunctions").describe_execution(executionArn=started)["status"] == "RUNNING"
    clock.set(datetime(2013, 2, 2, tzinfo=UTC))
    found = ended(started)
    times = json.loads(found["output"])
    assert times["start"].startswith("2013-01-01T00:00:")
    assert times["entered"].startswith("2013-02-0")
    assert found["stopDate"].year == 2013


@pytest.mark.usefixtures("fresh")
def test_names_make_executions_idempotent_and_may_be_left_out(role: str) -> None:
    machine = any_machine("named", {"A": {"Type": "Wait", "Seconds": 3600, "End": True}}, role)
    start = client("stepfunctions").start_execution
    first = start(stateMachineArn=machine, name="one", input='{"a": 1}')["executionArn"]
    assert start(stateMachineArn=machine, name="one", input='{"a": 1}')["executionArn"] == first
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        start(stateMachineArn=machine, name="one", input='{"a": 2}')
    unnamed = {start(stateMachineArn=machine)["executionArn"] for _ in range(2)}
    assert len(unnamed) == 2
    for arn in (first, *unnamed):
        client("stepfunctions").stop_execution(executionArn=arn)


@pytest.mark.usefixtures("fresh")
def test_stopped_execution_says_why_and_keeps_its_history(role: str) -> None:
    machine = any_machine("stopped", {"A": {"Type": "Wait", "Seconds": 3600, "End": True}}, role)
    states = client("stepfunctions")
    arn = states.start_execution(stateMachineArn=machine)["executionArn"]
    assert work.idle(5)
    states.stop_execution(executionArn=arn, error="Enough", cause="told so")
    found = states.describe_execution(executionArn=arn)
    assert (found["status"], found["error"], found["cause"]) == ("ABORTED", "Enough", "told so")
    history = states.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=2)
    assert [event["type"] for event in history["events"]][0] == "ExecutionAborted"
    assert isinstance(history["events"][0]["timestamp"], datetime)
    assert "nextToken" in history


@pytest.mark.usefixtures("fresh")
def test_variables_and_jsonata_work_in_a_deployed_definition(role: str) -> None:
    states = {
        "A": {"Type": "Pass", "Assign": {"word": "{% 'say \"hi\"' %}"}, "Next": "B"},
        "B": {"Type": "Pass", "Output": {"text": "{% $word & '!' %}"}, "End": True},
    }
    found = run(any_machine("jsonata", states, role, QueryLanguage="JSONata"))
    assert json.loads(found["output"]) == {"text": 'say "hi"!'}


GATE = """
def handler(event, context):
    content = '{"model_overview":{"model_creator":"us"}}'
    return {"promote": True, "reason": "better", "card": content}
"""


@pytest.mark.usefixtures("fresh")
def test_the_models_card_gets_from_the_gate_into_the_registry_beside_the_state(role: str) -> None:
    """As the definitions write both states; the card must not travel on with the state."""
    sagemaker = client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="carried")
    function = any_function("gate", GATE)
    card = {"ModelCardContent.$": "$card", "ModelCardStatus": "PendingReview"}
    found = run(
        any_machine(
            "carried",
            {
                **call(
                    "Gate",
                    function,
                    {},
                    then="Register",
                    keep={"promote.$": "$.Payload.promote"},
                    into="$.decision",
                    assign={"card.$": "$.Payload.card"},
                    failing="End",
                ),
                **state_of(
                    "Register",
                    "aws-sdk:sagemaker:createModelPackage",
                    {"ModelPackageGroupName": "carried", "ModelCard": card},
                    then="End",
                    seconds=30,
                    keep={"arn.$": "$.ModelPackageArn"},
                    into="$.package",
                    failing="End",
                ),
                "End": {"Type": "Succeed"},
            },
            role,
        )
    )
    output = json.loads(found["output"])
    assert set(output) == {"decision", "package"}
    assert output["decision"] == {"promote": True}
    shown = sagemaker.describe_model_package(ModelPackageName=output["package"]["arn"])["ModelCard"]
    assert json.loads(shown["ModelCardContent"]) == {"model_overview": {"model_creator": "us"}}


@pytest.mark.usefixtures("fresh")
def test_machine_logs_and_counts_its_executions(role: str) -> None:
    client("logs").create_log_group(logGroupName="machine-log")
    group = f"arn:aws:logs:{ARN}:log-group:machine-log:*"
    destination = [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}]
    machine = client("stepfunctions").create_state_machine(
        name="logged",
        definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Fail", "Error": "E"}}}),
        roleArn=role,
        loggingConfiguration={"level": "ERROR", "includeExecutionData": False, "destinations": destination},
    )["stateMachineArn"]
    run(machine)
    assert work.idle(5)
    assert any(json.loads(line)["type"] == "ExecutionFailed" for line in log_lines("machine-log"))
    metrics = client("cloudwatch").list_metrics(Namespace="AWS/States", MetricName="ExecutionsFailed")[
        "Metrics"
    ]
    assert [{"Name": "StateMachineArn", "Value": machine}] in [metric["Dimensions"] for metric in metrics]


@pytest.mark.usefixtures("fresh")
def test_end_of_an_execution_is_an_event(role: str) -> None:
    url = any_queue("ends", "events.amazonaws.com")
    machine = any_machine("announced", {"A": PASS}, role)
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [machine], "status": ["SUCCEEDED"]},
    }
    client("events").put_rule(Name="ends", EventPattern=json.dumps(pattern))
    client("events").put_targets(Rule="ends", Targets=[{"Id": "q", "Arn": f"arn:aws:sqs:{ARN}:ends"}])
    run(machine, {"a": 1})
    assert work.idle(5)
    (message,) = messages(url)
    assert json.loads(message["Body"])["detail"]["output"] == '{"a":1}'


def test_callback_ends_a_task_that_waits_for_its_token(once: Any) -> None:
    url = any_queue("tokens")
    parameters = {"QueueUrl": url, "MessageBody": {"token.$": "$$.Task.Token"}}
    machine = any_machine(
        "callback", {"A": task("sqs:sendMessage.waitForTaskToken", parameters, End=True)},
        f"arn:aws:iam::{ARN.split(':')[1]}:role/states",
    )  # fmt: skip
    states = client("stepfunctions")
    arn = states.start_execution(stateMachineArn=machine)["executionArn"]
    found: list[dict[str, Any]] = []
    eventually(lambda: bool(found.extend(messages(url)) or found))
    token = json.loads(found[0]["Body"])["token"]
    states.send_task_success(taskToken=token, output='{"answer": 42}')
    assert json.loads(ended(arn)["output"]) == {"answer": 42}
