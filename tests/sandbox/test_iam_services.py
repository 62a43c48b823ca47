"""What single services ask for at the gate: keys behind resources, batches, their own condition keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import account
from tests.sandbox.iam_probe import ACCOUNT, REGION, ROOT_ARN, Probe, allow, any_key


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with account.Account():
        yield


def test_metrics_only_in_one_namespace() -> None:
    probe = Probe(
        allow("cloudwatch:PutMetricData", Condition={"StringEquals": {"cloudwatch:namespace": "mine"}})
    )
    data = [{"MetricName": "m", "Value": 1.0}]
    probe.call("cloudwatch", "put_metric_data", Namespace="mine", MetricData=data)
    probe.denied("cloudwatch", "put_metric_data", Namespace="theirs", MetricData=data)


def test_catalogue_call_needs_catalogue_database_and_table() -> None:
    glue = account.client("glue")
    glue.create_database(DatabaseInput={"Name": "d"})
    glue.create_table(DatabaseName="d", TableInput={"Name": "t"})
    arns = [f"arn:aws:glue:{REGION}:{ACCOUNT}:{part}" for part in ("catalog", "database/d", "table/d/t")]
    for left_out in range(3):
        probe = Probe(allow("glue:GetTable", [a for i, a in enumerate(arns) if i != left_out]))
        assert arns[left_out] in probe.denied("glue", "get_table", DatabaseName="d", Name="t")
    Probe(allow("glue:GetTable", arns)).call("glue", "get_table", DatabaseName="d", Name="t")


def test_leading_keys_limit_items() -> None:
    account.client("dynamodb").create_table(
        TableName="ledger",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    locks = {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "lock#*"},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    probe = Probe(allow("dynamodb:*", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/ledger", Condition=locks))
    probe.call("dynamodb", "put_item", TableName="ledger", Item={"id": {"S": "lock#data"}})
    probe.denied("dynamodb", "put_item", TableName="ledger", Item={"id": {"S": "run#1"}})
    query = {
        "TableName": "ledger",
        "KeyConditionExpression": "#i = :i",
        "ExpressionAttributeNames": {"#i": "id"},
    }
    probe.call("dynamodb", "query", **query, ExpressionAttributeValues={":i": {"S": "lock#data"}})
    probe.denied("dynamodb", "query", **query, ExpressionAttributeValues={":i": {"S": "run#1"}})


INSTANCE = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
TRAINING: dict[str, Any] = {
    "TrainingJobName": "Job-1",
    "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://b/o", "KmsKeyId": "k"},
    "ResourceConfig": INSTANCE | {"VolumeKmsKeyId": "k"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    "EnableNetworkIsolation": True,
    "EnableInterContainerTrafficEncryption": True,
}


@pytest.mark.parametrize(
    ("key", "without"),
    [
        ("sagemaker:VpcSubnets", {"VpcConfig": None}),
        ("sagemaker:VpcSecurityGroupIds", {"VpcConfig": None}),
        ("sagemaker:NetworkIsolation", {"EnableNetworkIsolation": None}),
        ("sagemaker:InterContainerTrafficEncryption", {"EnableInterContainerTrafficEncryption": None}),
        ("sagemaker:VolumeKmsKey", {"ResourceConfig": INSTANCE}),
        ("sagemaker:OutputKmsKey", {"OutputDataConfig": {"S3OutputPath": "s3://b/o"}}),
    ],
)  # fmt: skip
def test_preventive_deny_stops_training_without(key: str, without: dict[str, Any]) -> None:
    passed = Probe()
    deny = {"Effect": "Deny", "Action": "sagemaker:CreateTrainingJob", "Resource": "*"}
    probe = Probe(allow("*"), deny | {"Condition": {"Null": {key: "true"}}})
    bad = {name: value for name, value in (TRAINING | without).items() if value is not None}
    message = probe.denied("sagemaker", "create_training_job", RoleArn=passed.arn, **bad)
    assert "explicit deny in an identity-based policy" in message
    assert "training-job/job-1" in message, "SageMaker writes names into ARNs in lower case"
    asked = len(probe.asked())
    try:
        probe.call("sagemaker", "create_training_job", RoleArn=passed.arn, **TRAINING)
    except ClientError as error:  # moto may refuse the made-up job; the gate may not
        assert "AccessDenied" not in str(error)
    assert all(allowed for _, _, allowed in probe.asked()[asked:])


def test_log_group_needs_a_key_policy_that_names_the_service() -> None:
    closed = any_key()
    logs = account.client("logs")
    with pytest.raises(ClientError, match="logs.us-east-1.amazonaws.com is not authorized"):
        logs.create_log_group(logGroupName="/closed", kmsKeyId=closed)
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/open"
    service = allow(
        ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"],
        Principal={"Service": f"logs.{REGION}.amazonaws.com"},
        Condition={"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": group}},
    )
    key = any_key(allow("kms:*", Principal={"AWS": ROOT_ARN}), service)
    logs.create_log_group(logGroupName="/open", kmsKeyId=key)
    with pytest.raises(ClientError, match="no resource-based policy"):
        logs.create_log_group(logGroupName="/another", kmsKeyId=key)


def test_encrypted_stream_needs_the_key() -> None:
    key = any_key()
    kinesis = account.client("kinesis")
    kinesis.create_stream(StreamName="sealed", ShardCount=1)
    kinesis.start_stream_encryption(StreamName="sealed", EncryptionType="KMS", KeyId=key)
    arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/sealed"
    probe = Probe(allow("kinesis:*", arn))
    put = {"StreamName": "sealed", "Data": b"x", "PartitionKey": "p"}
    assert "kms:GenerateDataKey" in probe.denied("kinesis", "put_record", **put)
    probe.grant(allow("kinesis:*", arn), allow("kms:GenerateDataKey", key))
    probe.call("kinesis", "put_record", **put)
    shard = probe.call("kinesis", "list_shards", StreamName="sealed")["Shards"][0]["ShardId"]
    iterator = {"StreamName": "sealed", "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
    token = probe.call("kinesis", "get_shard_iterator", **iterator)["ShardIterator"]
    assert "kms:Decrypt" in probe.denied("kinesis", "get_records", ShardIterator=token)


def test_secret_is_named_by_its_full_arn_and_needs_its_key() -> None:
    key = any_key()
    made = account.client("secretsmanager").create_secret(Name="pepper", SecretString="x", KmsKeyId=key)
    probe = Probe(allow("secretsmanager:GetSecretValue", made["ARN"]))
    assert "kms:Decrypt" in probe.denied("secretsmanager", "get_secret_value", SecretId="pepper")
    probe.grant(allow("secretsmanager:GetSecretValue", made["ARN"]), allow("kms:Decrypt", key))
    assert probe.call("secretsmanager", "get_secret_value", SecretId="pepper")["SecretString"] == "x"


def test_encrypted_parameter_needs_its_key() -> None:
    key = any_key()
    secure = {"Name": "/a/b", "Value": "x", "Type": "SecureString", "KeyId": key}
    account.client("ssm").put_parameter(**secure)
    probe = Probe(allow("ssm:*", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/a/b"))
    probe.call("ssm", "get_parameter", Name="/a/b")
    assert "kms:Decrypt" in probe.denied("ssm", "get_parameter", Name="/a/b", WithDecryption=True)
    assert "kms:Encrypt" in probe.denied("ssm", "put_parameter", **secure, Overwrite=True)
    assert "parameter/a/c" in probe.denied("ssm", "get_parameters", Names=["/a/b", "/a/c"])


def test_encrypted_topic_queue_and_table_need_their_key() -> None:
    key = any_key()
    topic = account.client("sns").create_topic(Name="sealed", Attributes={"KmsMasterKeyId": key})["TopicArn"]
    url = account.client("sqs").create_queue(QueueName="sealed", Attributes={"KmsMasterKeyId": key})[
        "QueueUrl"
    ]
    account.client("dynamodb").create_table(
        TableName="sealed",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
    )
    probe = Probe(allow(["sns:*", "sqs:*", "dynamodb:*"]))
    assert "kms:GenerateDataKey" in probe.denied("sns", "publish", TopicArn=topic, Message="x")
    assert "kms:GenerateDataKey" in probe.denied("sqs", "send_message", QueueUrl=url, MessageBody="x")
    assert "kms:Decrypt" in probe.denied("sqs", "receive_message", QueueUrl=url)
    item = {"TableName": "sealed", "Key": {"id": {"S": "1"}}}
    assert "kms:Decrypt" in probe.denied("dynamodb", "get_item", **item)
    probe.grant(allow(["sns:*", "sqs:*", "dynamodb:*", "kms:GenerateDataKey", "kms:Decrypt"]))
    probe.call("sns", "publish", TopicArn=topic, Message="x")
    probe.call("sqs", "send_message", QueueUrl=url, MessageBody="x")
    probe.call("dynamodb", "get_item", **item)
