"""Secrets Manager really rotates: four calls of the function, labels, refusals, failures, its schedule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from sandbox import clock, work
from sandbox.account import ACCOUNT, client
from sandbox.engines import rotation
from tests.sandbox.flow_account import account, any_function, any_role, fresh, log_lines

__all__ = ["account", "fresh"]
pytestmark = pytest.mark.usefixtures("fresh")
PRINCIPAL = "secretsmanager.amazonaws.com"
CODE = """
import boto3

def handler(event, context):
    print(event["Step"])
    api, secret, version = boto3.client("secretsmanager"), event["SecretId"], event["ClientRequestToken"]
    if event["Step"] == "createSecret":
        value = api.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"]
        new = {"SecretString": value + "+", "VersionStages": ["AWSPENDING"]}
        api.put_secret_value(SecretId=secret, ClientRequestToken=version, **new)
    if event["Step"] == "testSecret":
        value = api.get_secret_value(SecretId=secret, VersionId=version, VersionStage="AWSPENDING")
        if len(value["SecretString"]) > 3:
            raise ValueError("too long")
    if event["Step"] == "finishSecret":
        stages = api.describe_secret(SecretId=secret)["VersionIdsToStages"]
        before = next(name for name, labels in stages.items() if "AWSCURRENT" in labels)
        move = api.update_secret_version_stage
        move(SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=version, RemoveFromVersionId=before)
        move(SecretId=secret, VersionStage="AWSPENDING", RemoveFromVersionId=version)
"""


@pytest.fixture(scope="module")
def function(account) -> str:
    role = any_role("rotator", "lambda.amazonaws.com", "logs:*", "secretsmanager:*")
    arn = any_function("rotator", CODE, role=role)
    allow(f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:rotated*")
    return arn


@pytest.fixture
def secret(function: str) -> Iterator[str]:
    arn: str = client("secretsmanager").create_secret(Name="rotated", SecretString="a")["ARN"]
    yield arn
    assert work.idle(20)
    client("secretsmanager").cancel_rotate_secret(SecretId=arn)
    client("secretsmanager").delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    assert rotation.upcoming() == []


def allow(source: str) -> None:
    client("lambda").add_permission(
        FunctionName="rotator", StatementId="rotation", Action="lambda:InvokeFunction", Principal=PRINCIPAL,
        SourceArn=source,
    )  # fmt: skip


def rotate(secret: str, function: str, days: int = 30) -> None:
    rules = {"AutomaticallyAfterDays": days}
    client("secretsmanager").rotate_secret(SecretId=secret, RotationLambdaARN=function, RotationRules=rules)
    assert work.idle(20)


def value(secret: str, stage: str | None = None) -> str:
    which = {"VersionStage": stage} if stage else {}
    found: str = client("secretsmanager").get_secret_value(SecretId=secret, **which)["SecretString"]
    return found


def test_function_is_called_in_four_steps_and_its_version_becomes_current(secret: str, function: str) -> None:
    rotate(secret, function)
    assert (value(secret), value(secret, "AWSCURRENT"), value(secret, "AWSPREVIOUS")) == ("a+", "a+", "a")
    steps = [line for line in log_lines("/aws/lambda/rotator") if line.endswith("Secret")]
    assert steps[-4:] == ["createSecret", "setSecret", "testSecret", "finishSecret"]
    assert client("secretsmanager").describe_secret(SecretId=secret)["RotationEnabled"] is True
    assert work.failures() == []


def test_rotation_comes_again_by_its_schedule_also_on_a_clock_that_was_put_back(
    secret: str, function: str
) -> None:
    began = clock.now()
    rotate(secret, function)
    clock.set(began - timedelta(days=400))
    clock.advance(timedelta(days=29, hours=23))
    assert work.idle(20)
    assert value(secret) == "a+"
    clock.advance(timedelta(hours=2))
    assert work.idle(20)
    assert value(secret) == "a++"
    clock.set(began)
    work.idle(20)


def test_failed_step_is_a_failure_and_the_old_version_stays_current(secret: str, function: str) -> None:
    client("secretsmanager").put_secret_value(SecretId=secret, SecretString="long")
    rotate(secret, function)
    [failure] = work.failures()
    assert "testSecret of rotated: rotator answered" in failure.message
    assert "too long" in failure.message
    assert value(secret) == "long"
    with pytest.raises(ClientError, match="still in progress"):
        rotate(secret, function)


def test_function_that_does_not_let_the_service_in_is_refused(secret: str, function: str) -> None:
    client("lambda").remove_permission(FunctionName="rotator", StatementId="rotation")
    try:
        for source in (None, f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:another-AbCdEf"):
            if source:
                allow(source)
            with pytest.raises(ClientError, match="cannot invoke the specified Lambda function"):
                rotate(secret, function)
        client("lambda").remove_permission(FunctionName="rotator", StatementId="rotation")
    finally:
        allow(f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:rotated*")
    rotate(secret, function)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        pytest.param({"AutomaticallyAfterDays": 1001}, "within 1-1000", id="too rare"),
        pytest.param({}, "give either", id="no interval"),
        pytest.param({"ScheduleExpression": "every day"}, "is no schedule", id="no expression"),
    ],
)
def test_rules_are_checked(secret: str, function: str, rules: dict[str, object], said: str) -> None:
    api = client("secretsmanager")
    with pytest.raises(ClientError, match=said):
        api.rotate_secret(SecretId=secret, RotationLambdaARN=function, RotationRules=rules)
    rotate(secret, function)
