"""Custom resources: the function is told what to do and answers at the URL that it was given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import account
from tests.sandbox.cloudformation import events, physical, reason, status, template

# Answers as its properties say, and notes in Data what it was told.
SOURCE = """
import json, urllib.request

def handler(event, context):
    told = event["ResourceProperties"]
    if told.get("Silent") == "true":
        return
    failed = told.get("Fail") == event["RequestType"]
    answer = {
        "Status": "FAILED" if failed else "SUCCESS",
        "Reason": "told to fail",
        "PhysicalResourceId": told.get("Id", "fixed"),
        "StackId": event["StackId"], "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {
            "Type": event["RequestType"],
            "Number": told.get("Number"),
            "Old": json.dumps(event.get("OldResourceProperties", {}).get("Number")),
        },
    }
    body = json.dumps(answer).encode()
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], body, method="PUT"))
"""


@pytest.fixture(scope="module")
def stacks() -> Iterator[Any]:
    with account.Account():
        yield account.client("cloudformation")


def with_custom(**properties: Any) -> str:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    policy = {"Version": "2012-10-17", "Statement": [trust]}
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": policy}},
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.14",
                "Handler": "index.handler",
                "Code": {"ZipFile": SOURCE},
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Timeout": 20,
            },
        },
        "Custom": {
            "Type": "Custom::Thing",
            "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}, **properties},
        },
    }
    outputs = {name: {"Value": {"Fn::GetAtt": ["Custom", name]}} for name in ("Type", "Number", "Old")}
    return template(resources, Outputs=outputs)


def outputs(client: Any, stack: str) -> dict[str, str]:
    found = client.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    return {item["OutputKey"]: item["OutputValue"] for item in found}


def create(client: Any, stack: str, **properties: Any) -> None:
    body = with_custom(**properties)
    client.create_stack(StackName=stack, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])


def update(client: Any, stack: str, **properties: Any) -> None:
    body = with_custom(**properties)
    client.update_stack(StackName=stack, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])


def test_data_of_the_answer_become_attributes_and_numbers_texts(stacks: Any) -> None:
    create(stacks, "lives", Number=5, Id="one")
    assert status(stacks, "lives") == "CREATE_COMPLETE", events(stacks, "lives")
    assert physical(stacks, "lives", "Custom") == "one"
    assert outputs(stacks, "lives") == {"Type": "Create", "Number": "5", "Old": "null"}
    update(stacks, "lives", Number=6, Id="one")
    assert outputs(stacks, "lives") == {"Type": "Update", "Number": "6", "Old": json.dumps("5")}


def test_new_physical_id_deletes_the_old_one(stacks: Any) -> None:
    create(stacks, "moves", Number=1, Id="first")
    update(stacks, "moves", Number=1, Id="second")
    assert status(stacks, "moves") == "UPDATE_COMPLETE"
    assert physical(stacks, "moves", "Custom") == "second"
    found = stacks.describe_stack_events(StackName="moves")["StackEvents"]
    deleted = [e["PhysicalResourceId"] for e in found if e["ResourceStatus"] == "DELETE_COMPLETE"]
    assert deleted == ["first"]


def test_reported_failure_fails_the_stack_with_its_reason(stacks: Any) -> None:
    create(stacks, "fails", Number=1, Fail="Create")
    assert status(stacks, "fails") == "ROLLBACK_COMPLETE"
    assert "told to fail" in reason(stacks, "fails", "Custom")


def test_failed_deletion_keeps_the_function_it_needs(stacks: Any) -> None:
    create(stacks, "sticks", Number=1, Fail="Delete")
    stacks.delete_stack(StackName="sticks")
    assert status(stacks, "sticks") == "DELETE_FAILED"
    left = {
        r["LogicalResourceId"] for r in stacks.describe_stack_resources(StackName="sticks")["StackResources"]
    }
    assert left == {"Custom", "Function", "Role"}


def test_silence_is_a_failure_after_the_timeout(stacks: Any) -> None:
    create(stacks, "silent", Silent=True, ServiceTimeout=1)
    assert status(stacks, "silent") == "ROLLBACK_FAILED"  # nor did it answer to its deletion
    assert "did not receive a response" in reason(stacks, "silent", "Custom")
