"""Credentials of services by trust policies, and what services may do as themselves by resource policies."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from sandbox import account
from sandbox.iam import record
from sandbox.iam.identity import Denied, TrustDenied, authorize_service, service_credentials
from tests.sandbox.iam_probe import ACCOUNT, REGION, ROOT_ARN, Probe, allow, any_key, document, trust

SNS, SQS, EVENTS, LAMBDA = (f"{name}.amazonaws.com" for name in ("sns", "sqs", "events", "lambda"))


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with account.Account():
        yield


def any_role(name: str, text: str) -> str:
    made = account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=text)
    return str(made["Role"]["Arn"])


def test_service_assumes_only_a_role_that_trusts_it() -> None:
    role = any_role("for-lambda", trust(Service=LAMBDA))
    credentials = service_credentials(role, LAMBDA, session="f")
    assert credentials.client("sts").get_caller_identity()["Arn"].endswith(":assumed-role/for-lambda/f")
    with pytest.raises(TrustDenied, match="glue.amazonaws.com may not sts:AssumeRole"):
        service_credentials(role, "glue.amazonaws.com", session="f")
    last = record.calls()[-1]
    assert (last.principal, last.action, last.allowed) == ("glue.amazonaws.com", "sts:AssumeRole", False)


def test_trust_may_ask_for_account_and_source() -> None:
    machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:retrain"
    condition = {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": machine}}
    role = any_role("for-one-machine", trust(condition, Service="states.amazonaws.com"))
    service_credentials(role, "states.amazonaws.com", session="s", source_arn=machine)
    with pytest.raises(TrustDenied):
        service_credentials(role, "states.amazonaws.com", session="s", source_arn=f"{machine}-2")
    with pytest.raises(TrustDenied, match="keys not in the request: aws:SourceArn"):
        service_credentials(role, "states.amazonaws.com", session="s")


def test_trust_in_another_account_s_service_call_is_refused() -> None:
    condition = {"StringEquals": {"aws:SourceAccount": "210987654321"}}
    role = any_role("for-others", trust(condition, Service=LAMBDA))
    with pytest.raises(TrustDenied):
        service_credentials(role, LAMBDA, session="f")


def test_role_that_does_not_exist_trusts_nobody() -> None:
    with pytest.raises(TrustDenied):
        service_credentials(f"arn:aws:iam::{ACCOUNT}:role/none", LAMBDA, session="f")


def test_function_code_is_told_from_the_service_by_its_arn() -> None:
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
    role = any_role("told-apart", trust(Service=LAMBDA))
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    from_code = deny | {"Condition": {"Null": {"lambda:SourceFunctionArn": "false"}}}
    account.client("iam").put_role_policy(
        RoleName="told-apart", PolicyName="p", PolicyDocument=document(allow("sqs:*"), from_code)
    )
    service = service_credentials(role, LAMBDA, session="f", source_arn=function, runs_code=False)
    service.client("sqs").list_queues()
    code = service_credentials(role, LAMBDA, session="f", source_arn=function)
    with pytest.raises(ClientError, match="explicit deny"):
        code.client("sqs").list_queues()


def test_environment_is_enough_for_a_subprocess() -> None:
    probe = Probe(allow("sqs:ListQueues"))
    code = "import boto3; print(len(boto3.client('sqs').list_queues()))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=probe.credentials.environment(), capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip().isdigit()
    assert ("sqs:ListQueues", "*", True) in probe.asked()


def test_topic_needs_the_queue_s_policy() -> None:
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    queue, topic = f"arn:aws:sqs:{REGION}:{ACCOUNT}:alarms", f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
    with pytest.raises(Denied, match="sns.amazonaws.com may not sqs:SendMessage"):
        authorize_service(SNS, "sqs:SendMessage", queue, source_arn=topic)
    statement = allow(
        "sqs:SendMessage",
        queue,
        Principal={"Service": SNS},
        Condition={"ArnEquals": {"aws:SourceArn": topic}},
    )
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(statement)})
    authorize_service(SNS, "sqs:SendMessage", queue, source_arn=topic)
    with pytest.raises(Denied):
        authorize_service(SNS, "sqs:SendMessage", queue, source_arn=f"{topic}-2")


def test_alarm_publishes_by_the_topic_s_default_policy_and_not_beyond_its_own() -> None:
    sns = account.client("sns")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    authorize_service("cloudwatch.amazonaws.com", "sns:Publish", topic)
    only_events = allow("sns:Publish", topic, Principal={"Service": EVENTS})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document(only_events))
    with pytest.raises(Denied):
        authorize_service("cloudwatch.amazonaws.com", "sns:Publish", topic)


def test_rule_needs_the_function_s_permission() -> None:
    probe = Probe()
    functions = account.client("lambda")
    made = functions.create_function(
        FunctionName="judged", Runtime="python3.13", Role=probe.arn, Handler="h.h", Code={"ZipFile": b"zip"}
    )
    rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/drift"
    with pytest.raises(Denied):
        authorize_service(EVENTS, "lambda:InvokeFunction", made["FunctionArn"], source_arn=rule)
    functions.add_permission(
        FunctionName="judged",
        StatementId="a",
        Action="lambda:InvokeFunction",
        Principal=EVENTS,
        SourceArn=rule,
    )
    authorize_service(EVENTS, "lambda:InvokeFunction", made["FunctionArn"], source_arn=rule)
    with pytest.raises(Denied):
        authorize_service(EVENTS, "lambda:InvokeFunction", made["FunctionArn"], source_arn=f"{rule}-2")


def test_key_needs_to_name_the_service_and_its_context() -> None:
    statement = allow(
        "kms:GenerateDataKey*",
        Principal={"Service": SNS},
        Condition={"StringEquals": {"kms:EncryptionContext:aws:sqs:arn": "q"}},
    )
    key = any_key(allow("kms:*", Principal={"AWS": ROOT_ARN}), statement)
    authorize_service(SNS, "kms:GenerateDataKey", key, context={"kms:EncryptionContext:aws:sqs:arn": "q"})
    with pytest.raises(Denied):
        authorize_service(SNS, "kms:GenerateDataKey", key)
    with pytest.raises(Denied):
        authorize_service(EVENTS, "kms:GenerateDataKey", key)


def test_service_that_sends_no_source_is_kept_out_by_a_condition_on_it() -> None:
    """As the guides of CloudTrail, EventBridge and SNS say (decision 42): let in here, it would be lost."""
    trail, rule = (f"arn:aws:{name}" for name in ("cloudtrail:x:y:trail/t", "events:x:y:rule/r"))
    condition = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    asked = any_role("for-a-trail", trust(condition, Service="cloudtrail.amazonaws.com"))
    with pytest.raises(TrustDenied, match="aws:SourceAccount"):
        service_credentials(asked, "cloudtrail.amazonaws.com", session="t", source_arn=trail)
    plain = any_role("for-any-trail", trust(Service="cloudtrail.amazonaws.com"))
    service_credentials(plain, "cloudtrail.amazonaws.com", session="t", source_arn=trail)

    topic = str(account.client("sns").create_topic(Name="no-source")["TopicArn"])
    for statement, is_let_in in (
        (allow("sns:Publish", topic, Principal={"Service": EVENTS}, Condition=condition), False),
        (allow("sns:Publish", topic, Principal={"Service": EVENTS}), True),
    ):
        policy = document(statement)
        account.client("sns").set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=policy
        )
        if is_let_in:
            authorize_service(EVENTS, "sns:Publish", topic, source_arn=rule)
        else:
            with pytest.raises(Denied):
                authorize_service(EVENTS, "sns:Publish", topic, source_arn=rule)


def test_record_line_leaves_out_what_is_plain() -> None:
    call = record.Call(
        time="t", principal="p", kind="role", action="a", resource="r", allowed=True, reason="identity"
    )
    assert json.loads(record.line(call)) == {
        "time": "t", "principal": "p", "kind": "role", "action": "a", "resource": "r", "allowed": True,
        "reason": "identity",
    }  # fmt: skip
