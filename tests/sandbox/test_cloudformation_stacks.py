"""Stacks go from one template to the next, back when something fails, and leave nothing behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import account, faults
from sandbox.faults import Fault
from tests.sandbox.cloudformation import (
    any_parameter,
    any_queue,
    events,
    physical,
    reason,
    status,
    template,
)

BROKEN = any_parameter("x", Name="ssm-names-are-refused")


@pytest.fixture(scope="module")
def stacks() -> Iterator[Any]:
    """The CloudFormation client of a fresh account."""
    with account.Account():
        yield account.client("cloudformation")


def queue_names() -> list[str]:
    return [url.rsplit("/", 1)[1] for url in account.client("sqs").list_queues().get("QueueUrls", [])]


def parameter(name: str) -> str:
    return str(account.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def test_create_tells_each_resource_in_the_order_of_need(stacks: Any) -> None:
    body = template({"Needs": any_parameter({"Fn::GetAtt": ["Queue", "Arn"]}), "Queue": any_queue()})
    stacks.create_stack(StackName="order", TemplateBody=body)
    told = [(who, what) for who, what, _ in events(stacks, "order")]
    assert told == [
        ("order", "CREATE_IN_PROGRESS"),
        ("Queue", "CREATE_IN_PROGRESS"),
        ("Queue", "CREATE_COMPLETE"),
        ("Needs", "CREATE_IN_PROGRESS"),
        ("Needs", "CREATE_COMPLETE"),
        ("order", "CREATE_COMPLETE"),
    ]


def test_failed_create_removes_what_was_made_and_cannot_be_updated(stacks: Any) -> None:
    resources = {"Queue": any_queue(QueueName="rolled-back"), "Bad": {**BROKEN, "DependsOn": "Queue"}}
    stacks.create_stack(StackName="broken", TemplateBody=template(resources))
    assert status(stacks, "broken") == "ROLLBACK_COMPLETE"
    assert "rolled-back" not in queue_names()
    assert "PutParameter" in reason(stacks, "broken", "Bad")
    with pytest.raises(ClientError, match="can not be updated"):
        stacks.update_stack(StackName="broken", TemplateBody=template({"Queue": any_queue()}))


def test_failed_create_keeps_what_the_template_retains(stacks: Any) -> None:
    kept = {**any_queue(QueueName="retained"), "DeletionPolicy": "Retain"}
    fleeting = {**any_queue(QueueName="only-if-made"), "DeletionPolicy": "RetainExceptOnCreate"}
    resources = {"Kept": kept, "Fleeting": fleeting, "Bad": {**BROKEN, "DependsOn": ["Kept", "Fleeting"]}}
    stacks.create_stack(StackName="retain", TemplateBody=template(resources))
    assert "retained" in queue_names()
    assert "only-if-made" not in queue_names()


TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
                        "Action": "sts:AssumeRole"}]}  # fmt: skip
NOTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}


def test_way_back_that_fails_leaves_what_others_stand_on_and_a_deletion_finishes_it(stacks: Any) -> None:
    role = {"AssumeRolePolicyDocument": TRUST, "Policies": [{"PolicyName": "in", "PolicyDocument": NOTHING}]}
    held = {"PolicyDocument": NOTHING, "Roles": [{"Ref": "Role"}]}
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "Held": {"Type": "AWS::IAM::ManagedPolicy", "Properties": held},
        "Bad": {**BROKEN, "DependsOn": "Held"},
    }
    faults.add(Fault(kind="cloudformation delete", target="stuck/Held"))
    options = {"TemplateBody": template(resources), "Capabilities": ["CAPABILITY_IAM"]}
    stacks.create_stack(StackName="stuck", **options)
    assert status(stacks, "stuck") == "ROLLBACK_FAILED"
    name = physical(stacks, "stuck", "Role")
    assert ("Role", "DELETE_IN_PROGRESS") not in [(who, what) for who, what, _ in events(stacks, "stuck")]
    # As after a deletion that came no further: the policy in the role is gone, the role is not.
    account.client("iam").delete_role_policy(RoleName=name, PolicyName="in")
    stacks.delete_stack(StackName="stuck")
    with pytest.raises(ClientError, match="NoSuchEntity"):
        account.client("iam").get_role(RoleName=name)


def test_deleted_stack_tells_by_its_id_what_it_left_behind(stacks: Any) -> None:
    kept = {**any_queue(QueueName="left-behind"), "DeletionPolicy": "Retain"}
    made = stacks.create_stack(StackName="told", TemplateBody=template({"Kept": kept, "Gone": any_queue()}))
    assert "Kept" in {
        r["LogicalResourceId"]
        for r in stacks.list_stack_resources(StackName="told")["StackResourceSummaries"]
    }
    stacks.delete_stack(StackName="told")
    found = stacks.list_stack_resources(StackName=made["StackId"])["StackResourceSummaries"]
    assert {r["LogicalResourceId"]: r["ResourceStatus"] for r in found} == {
        "Kept": "DELETE_SKIPPED",
        "Gone": "DELETE_COMPLETE",
    }
    assert "left-behind" in queue_names()


def test_on_failure_do_nothing_leaves_everything(stacks: Any) -> None:
    resources = {"Queue": any_queue(QueueName="left"), "Bad": {**BROKEN, "DependsOn": "Queue"}}
    stacks.create_stack(StackName="stays", TemplateBody=template(resources), OnFailure="DO_NOTHING")
    assert status(stacks, "stays") == "CREATE_FAILED"
    assert "left" in queue_names()


UNSUPPORTED_BUCKET = {
    "Type": "AWS::S3::Bucket",
    "Properties": {"AccelerateConfiguration": {"AccelerationStatus": "Enabled"}},
}
WRONG_JOB = {
    "Type": "AWS::Glue::Job",
    "Properties": {"Role": "r", "Command": {"Name": "glueetl"}, "JobRunQueuingEnabled": 7},
}


@pytest.mark.parametrize(
    ("resource", "named"),
    [
        pytest.param({"Type": "AWS::Nowhere::Thing"}, "AWS::Nowhere::Thing", id="type AWS does not have"),
        pytest.param({"Type": "AWS::RDS::DBInstance"}, "not supported by the sandbox", id="type not built"),
        pytest.param(any_queue(Colour="red"), "Colour", id="property that the type does not have"),
        pytest.param(UNSUPPORTED_BUCKET, "AccelerateConfiguration", id="property not built"),
        pytest.param(WRONG_JOB, "JobRunQueuingEnabled", id="property of the wrong type"),
    ],
)
def test_nothing_is_left_out_in_silence(stacks: Any, resource: dict[str, Any], named: str) -> None:
    stacks.create_stack(StackName="strict", TemplateBody=template({"Thing": resource}))
    assert status(stacks, "strict") == "ROLLBACK_COMPLETE"
    assert named in reason(stacks, "strict", "Thing")
    stacks.delete_stack(StackName="strict")


def test_update_changes_in_place_replaces_adds_and_removes(stacks: Any) -> None:
    first = {"Queue": any_queue(), "Named": any_parameter("1", Name="before"), "Gone": any_queue()}
    stacks.create_stack(StackName="change", TemplateBody=template(first))
    url, gone = physical(stacks, "change", "Queue"), physical(stacks, "change", "Gone")
    second = {
        "Queue": any_queue(DelaySeconds=7),
        "Named": any_parameter("1", Name="after"),
        "New": any_queue(),
    }
    stacks.update_stack(StackName="change", TemplateBody=template(second))
    assert status(stacks, "change") == "UPDATE_COMPLETE"
    assert physical(stacks, "change", "Queue") == url
    delay = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])
    assert delay["Attributes"] == {"DelaySeconds": "7"}
    assert parameter("after") == "1"
    with pytest.raises(ClientError, match="ParameterNotFound"):
        parameter("before")
    assert gone.rsplit("/", 1)[1] not in queue_names()


def test_update_that_fails_restores_what_was(stacks: Any) -> None:
    first = {"Kept": any_parameter("old", Name="restored"), "Moved": any_parameter("m", Name="from")}
    stacks.create_stack(StackName="back", TemplateBody=template(first))
    second = {
        "Kept": any_parameter("new", Name="restored"),
        "Moved": {**any_parameter("m", Name="to"), "DependsOn": "Kept"},
        "Extra": any_parameter("e", Name="extra"),
        "Bad": {**BROKEN, "DependsOn": ["Moved", "Extra"]},
    }
    stacks.update_stack(StackName="back", TemplateBody=template(second))
    assert status(stacks, "back") == "UPDATE_ROLLBACK_COMPLETE"
    assert parameter("restored") == "old"
    assert parameter("from") == "m"
    for name in ("to", "extra"):
        with pytest.raises(ClientError, match="ParameterNotFound"):
            parameter(name)
    assert "Bad" not in stacks.get_template(StackName="back")["TemplateBody"]["Resources"]


def test_rolled_back_stack_can_be_updated_again(stacks: Any) -> None:
    stacks.create_stack(StackName="again", TemplateBody=template({"P": any_parameter("1")}))
    stacks.update_stack(StackName="again", TemplateBody=template({"P": any_parameter("2"), "Bad": BROKEN}))
    stacks.update_stack(StackName="again", TemplateBody=template({"P": any_parameter("3")}))
    assert parameter(physical(stacks, "again", "P")) == "3"


def test_replacing_what_has_a_fixed_name_is_refused(stacks: Any) -> None:
    fifo = any_queue(QueueName="fixed.fifo", FifoQueue=True)
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "fixed"}}
    stacks.create_stack(StackName="fixed", TemplateBody=template({"Topic": topic, "Queue": fifo}))
    wanted = {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 1}}
    stacks.update_stack(StackName="fixed", TemplateBody=template({"Topic": topic, "Queue": wanted}))
    assert "resource type is not permitted" in reason(stacks, "fixed", "Queue")


def test_update_without_changes_is_refused(stacks: Any) -> None:
    body = template({"Queue": any_queue()})
    stacks.create_stack(StackName="same", TemplateBody=body)
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.update_stack(StackName="same", TemplateBody=body)


def test_bucket_with_objects_stops_the_deletion_with_a_reason(stacks: Any) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "full-bucket"}}
    stacks.create_stack(StackName="full", TemplateBody=template({"Bucket": bucket, "Queue": any_queue()}))
    s3 = account.client("s3")
    s3.put_object(Bucket="full-bucket", Key="k", Body=b"x")
    stacks.delete_stack(StackName="full")
    assert status(stacks, "full") == "DELETE_FAILED"
    assert "not empty" in reason(stacks, "full", "Bucket")
    s3.delete_object(Bucket="full-bucket", Key="k")
    stacks.delete_stack(StackName="full")
    with pytest.raises(ClientError, match="does not exist"):
        status(stacks, "full")


def test_deleting_goes_backwards(stacks: Any) -> None:
    body = template({"Queue": any_queue(), "Needs": any_parameter({"Ref": "Queue"})})
    stack_id = stacks.create_stack(StackName="undo", TemplateBody=body)["StackId"]
    stacks.delete_stack(StackName="undo")
    gone = [who for who, what, _ in events(stacks, stack_id) if what == "DELETE_COMPLETE"]
    assert gone == ["Needs", "Queue", "undo"]
    assert status(stacks, stack_id) == "DELETE_COMPLETE"


def test_protected_stack_is_not_deleted(stacks: Any) -> None:
    stacks.create_stack(
        StackName="safe", TemplateBody=template({"Queue": any_queue()}), EnableTerminationProtection=True
    )
    with pytest.raises(ClientError, match="TerminationProtection"):
        stacks.delete_stack(StackName="safe")
    stacks.update_termination_protection(StackName="safe", EnableTerminationProtection=False)
    stacks.delete_stack(StackName="safe")


def test_export_in_use_can_neither_change_nor_go(stacks: Any) -> None:
    def exporting(value: str) -> str:
        output = {"Out": {"Value": value, "Export": {"Name": "shared"}}}
        return template({"Queue": any_queue()}, Outputs=output)

    stacks.create_stack(StackName="giver", TemplateBody=exporting("one"))
    user = template({"P": any_parameter({"Fn::ImportValue": "shared"}, Name="imported")})
    stacks.create_stack(StackName="user", TemplateBody=user)
    assert parameter("imported") == "one"
    assert stacks.list_imports(ExportName="shared")["Imports"] == ["user"]
    stacks.update_stack(StackName="giver", TemplateBody=exporting("two"))
    assert status(stacks, "giver") == "UPDATE_ROLLBACK_COMPLETE"
    stacks.update_stack(StackName="giver", TemplateBody=template({"Queue": any_queue(DelaySeconds=1)}))
    assert any("in use by user" in why for _, _, why in events(stacks, "giver"))
    stacks.delete_stack(StackName="giver")
    assert status(stacks, "giver") == "UPDATE_ROLLBACK_COMPLETE"
    stacks.delete_stack(StackName="user")
    stacks.delete_stack(StackName="giver")
    assert stacks.list_exports()["Exports"] == []


def test_export_of_another_stack_cannot_be_taken(stacks: Any) -> None:
    body = template({"Queue": any_queue()}, Outputs={"Out": {"Value": "x", "Export": {"Name": "mine"}}})
    stacks.create_stack(StackName="owner", TemplateBody=body)
    stacks.create_stack(StackName="thief", TemplateBody=body)
    assert status(stacks, "thief") == "ROLLBACK_COMPLETE"
    assert any("already exported by stack owner" in why for _, _, why in events(stacks, "thief"))


def test_parameters_conditions_and_ssm_values_reach_the_resources(stacks: Any) -> None:
    account.client("ssm").put_parameter(Name="/base/value", Value="looked-up", Type="String")
    sections = {
        "Parameters": {
            "Make": {"Type": "String", "AllowedValues": ["yes", "no"], "Default": "no"},
            "Found": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/base/value"},
        },
        "Conditions": {"Wanted": {"Fn::Equals": [{"Ref": "Make"}, "yes"]}},
    }
    resources = {
        "Maybe": {**any_parameter("{{resolve:ssm:/base/value}}", Name="maybe"), "Condition": "Wanted"},
        "Always": any_parameter({"Fn::If": ["Wanted", {"Ref": "Maybe"}, {"Ref": "Found"}]}, Name="always"),
    }
    body = template(resources, **sections)
    stacks.create_stack(StackName="given", TemplateBody=body)
    assert parameter("always") == "looked-up"
    stacks.update_stack(
        StackName="given",
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": "Make", "ParameterValue": "yes"},
            {"ParameterKey": "Found", "UsePreviousValue": True},
        ],
    )
    assert (parameter("always"), parameter("maybe")) == ("maybe", "looked-up")


def test_rule_that_does_not_hold_refuses_the_stack(stacks: Any) -> None:
    rules = {
        "R": {
            "Assertions": [
                {"Assert": {"Fn::Contains": [["6", "7"], {"Ref": "V"}]}, "AssertDescription": "old"}
            ]
        }
    }
    body = template({"Q": any_queue()}, Parameters={"V": {"Type": "String", "Default": "5"}}, Rules=rules)
    with pytest.raises(ClientError, match="old"):
        stacks.create_stack(StackName="ruled", TemplateBody=body)
    assert "ruled" not in [s["StackName"] for s in stacks.describe_stacks()["Stacks"]]


def test_stack_tags_reach_what_can_carry_them(stacks: Any) -> None:
    stacks.create_stack(
        StackName="tagged",
        TemplateBody=template({"Queue": any_queue(Tags=[{"Key": "own", "Value": "1"}])}),
        Tags=[{"Key": "project", "Value": "p"}, {"Key": "own", "Value": "0"}],
    )
    tags = account.client("sqs").list_queue_tags(QueueUrl=physical(stacks, "tagged", "Queue"))["Tags"]
    assert tags == {"project": "p", "own": "1"}


def test_iam_needs_the_callers_word(stacks: Any) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}
    with pytest.raises(ClientError, match="CAPABILITY_IAM"):
        stacks.create_stack(StackName="iam", TemplateBody=template({"Role": role}))


def test_role_of_the_stack_is_what_may_and_may_not(stacks: Any) -> None:
    """Every call of a deployment is authorised as the execution role."""
    iam = account.client("iam")
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "cloudformation.amazonaws.com"},
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = iam.create_role(RoleName="deployer", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    allowed = [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]
    policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    iam.put_role_policy(RoleName="deployer", PolicyName="p", PolicyDocument=policy)
    resources = {"Queue": any_queue(), "Other": any_parameter("x")}
    stacks.create_stack(StackName="as-role", TemplateBody=template(resources), RoleARN=role)
    assert status(stacks, "as-role") == "ROLLBACK_COMPLETE"
    assert "deployer" in reason(stacks, "as-role", "Other")
    assert ("Queue", "CREATE_COMPLETE", "") in events(stacks, "as-role")


def test_resource_that_fails_half_way_is_removed_too(stacks: Any) -> None:
    lifecycle = {
        "Rules": [{"Status": "Enabled", "ExpirationInDays": 1, "NoncurrentVersionExpirationInDays": 0}]
    }
    properties = {"BucketName": "half-made", "LifecycleConfiguration": lifecycle}
    properties["ReplicationConfiguration"] = {"Role": "r", "Rules": []}
    bucket = {"Type": "AWS::S3::Bucket", "Properties": properties}
    stacks.create_stack(StackName="half", TemplateBody=template({"Bucket": bucket}))
    assert status(stacks, "half") == "ROLLBACK_COMPLETE"
    names = [found["Name"] for found in account.client("s3").list_buckets()["Buckets"]]
    assert "half-made" not in names


def test_ordered_fault_fails_the_resource_before_or_after_it_was_made(stacks: Any) -> None:
    """Kinds `cloudformation create`, `update`, `delete`; the target is `<stack>/<logical id>`."""
    resources = {"One": any_queue(QueueName="one"), "Two": {**any_queue(QueueName="two"), "DependsOn": "One"}}
    for detail, words in (("no more of these", "no more of these"), ("late", "fault as ordered")):
        faults.add(Fault(kind="cloudformation create", target="faulty/Two", detail=detail))
        stacks.create_stack(StackName="faulty", TemplateBody=template(resources))
        assert status(stacks, "faulty") == "ROLLBACK_COMPLETE"
        assert words in reason(stacks, "faulty", "Two")
        assert not {"one", "two"} & set(queue_names())
        stacks.delete_stack(StackName="faulty")
    stacks.create_stack(StackName="faulty", TemplateBody=template(resources))
    faults.add(Fault(kind="cloudformation update", target="faulty/One"))
    changed = {**resources, "One": any_queue(QueueName="one", DelaySeconds=1)}
    stacks.update_stack(StackName="faulty", TemplateBody=template(changed))
    assert status(stacks, "faulty") == "UPDATE_ROLLBACK_COMPLETE"
    faults.add(Fault(kind="cloudformation delete", target="faulty/*"))
    stacks.delete_stack(StackName="faulty")
    assert status(stacks, "faulty") == "DELETE_FAILED"
    assert "one" in queue_names()
    stacks.delete_stack(StackName="faulty")
    assert not {"one", "two"} & set(queue_names())
