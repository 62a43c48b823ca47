"""The gate over HTTP: what was not granted is refused, in the words and the shape of AWS, and recorded."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import account
from sandbox.iam import enforce, identity, record
from tests.sandbox.iam_probe import (
    ACCOUNT,
    REGION,
    ROOT_ARN,
    Probe,
    allow,
    any_bucket,
    document,
    trust,
)


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with account.Account():
        yield


def test_self_test_accepts_this_moto() -> None:
    enforce.self_test()


# ---- boundaries, sessions, trust


def test_boundary_limits() -> None:
    made = account.client("iam").create_policy(PolicyName="only-sqs", PolicyDocument=document(allow("sqs:*")))
    probe = Probe(allow("*"), PermissionsBoundary=made["Policy"]["Arn"])
    message = probe.denied("s3", "list_buckets")
    assert message.endswith("because no permissions boundary allows the s3:ListAllMyBuckets action")
    probe.call("sqs", "list_queues")


def test_boundary_that_does_not_exist_allows_nothing() -> None:
    probe = Probe(allow("*"))
    account.client("iam").put_role_permissions_boundary(
        RoleName=probe.name, PermissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/none"
    )
    probe.denied("s3", "list_buckets")


def test_session_policy_limits() -> None:
    iam, sts = account.client("iam"), account.client("sts")
    role = iam.create_role(RoleName="sessions", AssumeRolePolicyDocument=trust(AWS=ROOT_ARN))["Role"]["Arn"]
    iam.put_role_policy(RoleName="sessions", PolicyName="all", PolicyDocument=document(allow("*")))
    keys = sts.assume_role(RoleArn=role, RoleSessionName="probe", Policy=document(allow("sqs:*")))[
        "Credentials"
    ]
    narrowed = identity.Credentials(
        access_key=keys["AccessKeyId"], secret_key=keys["SecretAccessKey"], token=keys["SessionToken"],
        role_arn=role, session="s",
    )  # fmt: skip
    narrowed.client("sqs").list_queues()
    with pytest.raises(ClientError, match="no session policy allows"):
        narrowed.client("s3").list_buckets()


def test_root_may_not_assume_a_service_role() -> None:
    probe = Probe()
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
        account.client("sts").assume_role(RoleArn=probe.arn, RoleSessionName="probe")


def test_external_id_is_asked_for() -> None:
    condition = {"StringEquals": {"sts:ExternalId": "secret"}}
    made = account.client("iam").create_role(
        RoleName="external", AssumeRolePolicyDocument=trust(condition, AWS=ROOT_ARN)
    )
    sts, role = account.client("sts"), made["Role"]["Arn"]
    sts.assume_role(RoleArn=role, RoleSessionName="probe", ExternalId="secret")
    with pytest.raises(ClientError, match="AccessDenied"):
        sts.assume_role(RoleArn=role, RoleSessionName="probe", ExternalId="guess")


def test_trusting_the_account_is_not_enough_without_identity_policy() -> None:
    made = account.client("iam").create_role(
        RoleName="delegating", AssumeRolePolicyDocument=trust(AWS=ROOT_ARN)
    )
    probe, role = Probe(), made["Role"]["Arn"]
    probe.denied("sts", "assume_role", RoleArn=role, RoleSessionName="probe")
    probe.grant(allow("sts:AssumeRole", role))
    probe.call("sts", "assume_role", RoleArn=role, RoleSessionName="probe")


# ---- roles that are passed on


def test_passing_a_role_needs_pass_role_for_that_service() -> None:
    passed = Probe()
    create = {"Name": "j", "Role": passed.arn, "Command": {"Name": "glueetl", "ScriptLocation": "s3://b/k"}}
    probe = Probe(allow("glue:CreateJob"))
    assert "iam:PassRole" in probe.denied("glue", "create_job", **create)
    to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    probe.grant(allow("glue:CreateJob"), allow("iam:PassRole", passed.arn, Condition=to_lambda))
    assert "iam:PassRole" in probe.denied("glue", "create_job", **create)
    to_glue = {"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}}
    probe.grant(allow("glue:CreateJob"), allow("iam:PassRole", passed.arn, Condition=to_glue))
    probe.call("glue", "create_job", **create)


def test_role_by_its_bare_name_is_passed_too() -> None:
    passed = Probe()
    command = {"Name": "glueetl", "ScriptLocation": "s3://b/k"}
    probe = Probe(allow("glue:CreateJob"))
    assert passed.arn in probe.denied("glue", "create_job", Name="k", Role=passed.name, Command=command)


def test_firehose_processor_passes_no_role_in_data_but_in_its_parameters() -> None:
    role, named = Probe().arn, {"ParameterName": "RoleArn", "ParameterValue": Probe().arn}
    processor = {
        "Type": "Lambda",
        "Parameters": [{"ParameterName": "LambdaArn", "ParameterValue": "x"}, named],
    }
    destination = {
        "RoleARN": role,
        "BucketARN": f"arn:aws:s3:::{any_bucket()}",
        "ProcessingConfiguration": {"Enabled": True, "Processors": [processor]},
    }
    probe = Probe(allow("firehose:*"), allow("iam:PassRole", role))
    create = {"DeliveryStreamName": "d", "ExtendedS3DestinationConfiguration": destination}
    assert named["ParameterValue"] in probe.denied("firehose", "create_delivery_stream", **create)


def test_role_in_a_variable_is_data() -> None:
    passed, other = Probe(), Probe()
    probe = Probe(allow("lambda:CreateFunction"), allow("iam:PassRole", passed.arn))
    probe.call(
        "lambda", "create_function", FunctionName="vars", Runtime="python3.13", Role=passed.arn,
        Handler="h.h",
        Code={"ZipFile": b"zip"}, Environment={"Variables": {"OTHER_ROLE_ARN": other.arn}},
    )  # fmt: skip


def test_tags_at_creation_need_the_permission_to_tag() -> None:
    create = {"ModelPackageGroupName": "Group", "Tags": [{"Key": "stage", "Value": "train"}]}
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package-group/group"
    probe = Probe(allow("sagemaker:CreateModelPackageGroup", arn))
    assert f"sagemaker:AddTags on resource: {arn}" in probe.denied(
        "sagemaker", "create_model_package_group", **create
    )
    tagged = {"StringEquals": {"aws:RequestTag/stage": "train"}}
    probe.grant(
        allow("sagemaker:CreateModelPackageGroup", arn), allow("sagemaker:AddTags", arn, Condition=tagged)
    )
    probe.call("sagemaker", "create_model_package_group", **create)


# ---- fail closed


def test_action_without_a_known_resource_is_refused_to_roles_and_noted_for_root() -> None:
    probe = Probe(allow("*"))
    assert "unmapped" in probe.denied("apigateway", "get_rest_apis")
    account.client("apigateway").get_rest_apis()
    noted = [c for c in record.calls() if c.action == "apigateway:GetRestApis"]
    assert [(c.kind, c.allowed, c.mapped) for c in noted] == [("role", False, False), ("root", True, False)]


def test_unknown_key_and_missing_token_are_refused() -> None:
    probe = Probe(allow("*"))
    known = probe.credentials
    for token in (None, "wrong"):
        without = identity.Credentials(
            access_key=known.access_key, secret_key="x", token=token or "", role_arn="", session=""
        )
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            without.client("sqs").list_queues()
    stranger = identity.Credentials(
        access_key="ASIAUNKNOWNUNKNOWN00", secret_key="x", token="x", role_arn="", session=""
    )
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        stranger.client("sqs").list_queues()


def test_request_that_cannot_be_read_is_refused() -> None:
    scope = f"Credential={account.ROOT_ACCESS_KEY}/20260101/{REGION}/glue/aws4_request"
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=x",
        "X-Amz-Target": "AWSGlue.NoSuchOperation",
        "Content-Type": "application/x-amz-json-1.1",
    }
    request = urllib.request.Request(account.endpoint(), data=b"{}", headers=headers)  # noqa: S310 loopback
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)  # noqa: S310 loopback
    assert "cannot read this request" in json.loads(caught.value.read())["message"]
    assert record.calls()[-1].reason == "unparsed"


def test_fault_of_the_gate_does_not_open_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("tag")

    probe = Probe(allow("*"))
    monkeypatch.setattr(enforce.resources, "targets", broken)
    message = probe.denied("sqs", "list_queues")
    assert message == "the sandbox cannot decide sqs:ListQueues: KeyError: 'tag'"


def test_switched_off_it_records_and_lets_pass() -> None:
    probe = Probe()
    enforce.enforce(False)
    try:
        probe.call("sqs", "list_queues")
    finally:
        enforce.enforce(True)
    assert probe.asked() == [("sqs:ListQueues", "*", False)]


def test_revoked_grant_works_at_once() -> None:
    probe = Probe(allow("sqs:ListQueues"))
    probe.call("sqs", "list_queues")
    probe.grant()
    probe.denied("sqs", "list_queues")


def test_record_names_role_policy_and_statement() -> None:
    probe = Probe(allow("sns:*"), allow("sqs:*", Sid="Queues"))
    probe.call("sqs", "list_queues")
    call = next(c for c in record.calls() if c.principal == probe.arn)
    assert (call.layer, call.policy, call.statement) == ("identity", f"{probe.name}/granted", "1:Queues")
    record.flush()
    assert call in list(record.read(record.path()))


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "status", "code"),
    [
        pytest.param("dynamodb", "list_tables", {}, 400, "AccessDeniedException", id="json"),
        pytest.param("lambda", "list_functions", {}, 403, "AccessDeniedException", id="rest-json"),
        pytest.param("iam", "list_roles", {}, 403, "AccessDenied", id="query"),
        pytest.param("ec2", "describe_vpcs", {}, 403, "UnauthorizedOperation", id="ec2"),
        pytest.param("s3", "list_buckets", {}, 403, "AccessDenied", id="s3"),
        pytest.param("sns", "list_topics", {}, 403, "AuthorizationError", id="sns"),
        pytest.param("cloudwatch", "list_metrics", {}, 400, "AccessDeniedException", id="cloudwatch"),
    ],
)
def test_refusal_has_the_shape_of_the_protocol(
    service: str, operation: str, parameters: dict[str, Any], status: int, code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        Probe().call(service, operation, **parameters)
    answer = caught.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    assert "is not authorized to perform" in answer["Error"]["Message"]
