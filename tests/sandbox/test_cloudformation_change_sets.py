"""Change sets as the CDK CLI uses them: they tell what would happen, and wait until they are executed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import account
from tests.sandbox.cloudformation import any_parameter, any_queue, physical, status, template

NAME = "cdk-deploy-change-set"  # the CLI calls all of its change sets that


@pytest.fixture(scope="module")
def stacks() -> Iterator[Any]:
    with account.Account():
        yield account.client("cloudformation")


def proposed(client: Any, stack: str, body: str, kind: str = "UPDATE", **more: Any) -> dict[str, Any]:
    made = client.create_change_set(
        StackName=stack, ChangeSetName=NAME, ChangeSetType=kind, TemplateBody=body, **more
    )
    found: dict[str, Any] = client.describe_change_set(ChangeSetName=made["Id"])
    return found


def test_first_change_set_makes_nothing_until_it_is_executed(stacks: Any) -> None:
    body = template({"Queue": any_queue()})
    found = proposed(stacks, "new", body, "CREATE")
    assert [c["ResourceChange"]["Action"] for c in found["Changes"]] == ["Add"]
    assert status(stacks, "new") == "REVIEW_IN_PROGRESS"
    assert stacks.describe_stack_resources(StackName="new")["StackResources"] == []
    stacks.execute_change_set(ChangeSetName=NAME, StackName="new")
    assert status(stacks, "new") == "CREATE_COMPLETE"


def test_change_sets_of_the_same_name_belong_to_their_stacks(stacks: Any) -> None:
    for stack in ("one", "two"):
        proposed(stacks, stack, template({stack.title(): any_queue()}), "CREATE")
    stacks.execute_change_set(ChangeSetName=NAME, StackName="two")
    assert (status(stacks, "one"), status(stacks, "two")) == ("REVIEW_IN_PROGRESS", "CREATE_COMPLETE")


def test_change_set_tells_what_is_replaced_and_what_follows(stacks: Any) -> None:
    first = {
        "Named": any_parameter("1", Name="n1"),
        "Follows": any_parameter({"Ref": "Named"}),
        "Queue": any_queue(),
        "Gone": any_queue(),
    }
    stacks.create_stack(StackName="tell", TemplateBody=template(first))
    second = {
        "Named": any_parameter("1", Name="n2"),
        "Follows": any_parameter({"Ref": "Named"}),
        "Queue": any_queue(DelaySeconds=1),
    }
    found = proposed(stacks, "tell", template(second))
    told = {
        c["ResourceChange"]["LogicalResourceId"]: (
            c["ResourceChange"]["Action"],
            c["ResourceChange"].get("Replacement"),
        )
        for c in found["Changes"]
    }
    assert told == {
        "Named": ("Modify", "True"),
        "Follows": ("Modify", "False"),
        "Queue": ("Modify", "False"),
        "Gone": ("Remove", None),
    }
    assert physical(stacks, "tell", "Named") == "n1"


def test_change_set_without_changes_fails_and_cannot_be_executed(stacks: Any) -> None:
    body = template({"Queue": any_queue()})
    stacks.create_stack(StackName="same", TemplateBody=body)
    found = proposed(stacks, "same", body)
    assert found["Status"] == "FAILED"
    assert "didn't contain changes" in found["StatusReason"]
    with pytest.raises(ClientError, match="cannot be executed"):
        stacks.execute_change_set(ChangeSetName=NAME, StackName="same")


def test_absent_change_set_is_called_so_and_its_deletion_succeeds(stacks: Any) -> None:
    stacks.create_stack(StackName="none", TemplateBody=template({"Queue": any_queue()}))
    with pytest.raises(ClientError) as absent:
        stacks.describe_change_set(ChangeSetName=NAME, StackName="none")
    assert absent.value.response["Error"]["Code"] == "ChangeSetNotFound"
    stacks.delete_change_set(ChangeSetName=NAME, StackName="none")


def test_executed_change_set_cannot_be_executed_again(stacks: Any) -> None:
    proposed(stacks, "once", template({"Queue": any_queue()}), "CREATE")
    stacks.execute_change_set(ChangeSetName=NAME, StackName="once")
    with pytest.raises(ClientError, match="cannot be executed"):
        stacks.execute_change_set(ChangeSetName=NAME, StackName="once")


def test_create_change_set_for_an_existing_stack_is_refused(stacks: Any) -> None:
    body = template({"Queue": any_queue()})
    stacks.create_stack(StackName="there", TemplateBody=body)
    with pytest.raises(ClientError, match="already exists"):
        proposed(stacks, "there", body, "CREATE")


def test_update_change_set_without_a_stack_is_refused(stacks: Any) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        proposed(stacks, "nowhere", template({"Queue": any_queue()}))


def test_failed_execution_rolls_back(stacks: Any) -> None:
    resources = {"Queue": any_queue(), "Bad": any_parameter("x", Name="ssm-names-are-refused")}
    proposed(stacks, "failing", template(resources), "CREATE")
    stacks.execute_change_set(ChangeSetName=NAME, StackName="failing")
    assert status(stacks, "failing") == "ROLLBACK_COMPLETE"


def test_previous_values_are_taken_over(stacks: Any) -> None:
    account.client("ssm").put_parameter(Name="version", Value="30", Type="String")
    sections = {
        "Parameters": {
            "Version": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "version"},
            "Size": {"Type": "Number", "Default": 1},
        }
    }
    body = template({"P": any_parameter({"Fn::Sub": "${Version}-${Size}"}, Name="taken")}, **sections)
    size = [{"ParameterKey": "Size", "ParameterValue": "5"}]
    proposed(stacks, "taken", body, "CREATE", Parameters=size)
    stacks.execute_change_set(ChangeSetName=NAME, StackName="taken")
    kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in ("Version", "Size")]
    changed = template({"P": any_parameter({"Fn::Sub": "${Version}/${Size}"}, Name="taken")}, **sections)
    stacks.delete_change_set(ChangeSetName=NAME, StackName="taken")  # as the CLI does
    proposed(stacks, "taken", changed, Parameters=kept)
    stacks.execute_change_set(ChangeSetName=NAME, StackName="taken")
    assert account.client("ssm").get_parameter(Name="taken")["Parameter"]["Value"] == "30/5"
