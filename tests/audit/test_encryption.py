"""Whose key every store has and what every hop lets through, from any templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit.encryption import Hop, Store, check, encryption_map, to_lines
from audit.encryption.rows import STAGES
from audit.templates import Templates

KEY = {"Fn::GetAtt": ["Key", "Arn"]}


def of(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


OURS = of("KMS::Key", EnableKeyRotation=True)
ALIAS = of("KMS::Alias", AliasName="alias/mine", TargetKeyId={"Ref": "Key"})


def read(*given: dict[str, Any], **more: dict[str, Any]) -> Templates:
    """Of resources R0, R1, ... beside a key of ours and its alias."""
    resources = {f"R{index}": each for index, each in enumerate(given)}
    everything = {"Key": OURS, "Alias": ALIAS, **resources, **more}
    return Templates({"Any": (Path("Any.template.json"), {"Resources": everything})})


def stores(templates: Templates) -> dict[str, str]:
    return {row.what: row.key for row in encryption_map(templates) if isinstance(row, Store)}


def faults(templates: Templates) -> set[tuple[str, str, str]]:
    return {(each.rule, each.subject, each.severity.name) for each in check(templates)}


def bucket(**default: Any) -> dict[str, Any]:
    rule = {"ServerSideEncryptionByDefault": default}
    return of("S3::Bucket", BucketEncryption={"ServerSideEncryptionConfiguration": [rule]})


def machine(operation: str, **request: Any) -> dict[str, Any]:
    """A state machine that makes one request; a key written as `KEY` in it is ours."""
    text = json.dumps(
        {
            "States": {
                "Ask": {
                    "Type": "Task",
                    "Resource": f"arn:aws:states:::sagemaker:{operation}.sync",
                    "Parameters": request,
                }
            }
        }
    )
    return of(
        "StepFunctions::StateMachine",
        DefinitionString=text,
        DefinitionSubstitutions={"KEY": KEY},
        EncryptionConfiguration={"KmsKeyId": KEY},
    )


SUBSTITUTED = "${KEY}"
CAPTURE = {"EnableCapture": True, "KmsKeyId": KEY}


@pytest.mark.parametrize(
    ("resource", "what"),
    [
        pytest.param(bucket(SSEAlgorithm="aws:kms", KMSMasterKeyID=KEY), "objects", id="bucket"),
        pytest.param(of("Kinesis::Stream", StreamEncryption={"KeyId": KEY}), "records", id="stream"),
        pytest.param(
            of("Kinesis::Stream", StreamEncryption={"KeyId": "alias/mine"}), "records", id="key by its alias"
        ),
        pytest.param(
            of("Kinesis::Stream", StreamEncryption={"KeyId": {"Ref": "Key"}}), "records", id="key by its id"
        ),
        pytest.param(
            of(
                "KinesisFirehose::DeliveryStream",
                ExtendedS3DestinationConfiguration={
                    "EncryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": KEY}}
                },
                DeliveryStreamEncryptionConfigurationInput={
                    "KeyType": "CUSTOMER_MANAGED_CMK",
                    "KeyARN": KEY,
                },
            ),
            "delivered objects",
            id="delivery",
        ),
        pytest.param(
            of("DynamoDB::Table", SSESpecification={"SSEEnabled": True, "KMSMasterKeyId": KEY}),
            "items",
            id="table",
        ),
        pytest.param(of("SQS::Queue", KmsMasterKeyId=KEY), "messages", id="queue"),
        pytest.param(of("SNS::Topic", KmsMasterKeyId=KEY), "messages", id="topic"),
        pytest.param(of("SecretsManager::Secret", KmsKeyId=KEY), "secret", id="secret"),
        pytest.param(of("Logs::LogGroup", KmsKeyId=KEY), "log", id="log group"),
        pytest.param(
            of("Lambda::Function", Environment={"Variables": {"a": "b"}}, KmsKeyArn=KEY),
            "environment",
            id="function",
        ),
        pytest.param(of("CloudTrail::Trail", KMSKeyId=KEY), "trail", id="trail"),
        pytest.param(
            of("StepFunctions::StateMachine", EncryptionConfiguration={"KmsKeyId": KEY}),
            "definition and execution history",
            id="state machine",
        ),
        pytest.param(
            of(
                "Athena::WorkGroup",
                WorkGroupConfiguration={
                    "ResultConfiguration": {"EncryptionConfiguration": {"KmsKey": KEY}},
                },
            ),
            "query results",
            id="workgroup",
        ),
        pytest.param(of("SageMaker::EndpointConfig", KmsKeyId=KEY), "volume", id="endpoint configuration"),
        pytest.param(
            of("SageMaker::EndpointConfig", KmsKeyId=KEY, DataCaptureConfig=CAPTURE),
            "captured requests",
            id="captured requests",
        ),
        pytest.param(
            machine(
                "createTrainingJob",
                ResourceConfig={"VolumeKmsKeyId": SUBSTITUTED},
                OutputDataConfig={"KmsKeyId": SUBSTITUTED},
                EnableInterContainerTrafficEncryption=True,
            ),
            "volume",
            id="training",
        ),
        pytest.param(
            machine(
                "createTransformJob",
                TransformResources={"VolumeKmsKeyId": SUBSTITUTED},
                TransformOutput={"KmsKeyId": SUBSTITUTED},
            ),
            "output",
            id="transform",
        ),
        pytest.param(of("EFS::FileSystem", Encrypted=True, KmsKeyId=KEY), "files", id="file system"),
    ],
)
def test_a_store_with_our_key_is_no_finding(resource: dict[str, Any], what: str) -> None:
    templates = read(resource)
    assert stores(templates)[what] == "Any/Key"
    assert {rule for rule, _, _ in faults(templates)} <= {"ENC-02"}


@pytest.mark.parametrize(
    ("resource", "what", "key", "severity"),
    [
        pytest.param(of("S3::Bucket"), "objects", "aws owned", "MEDIUM", id="bucket"),
        pytest.param(bucket(SSEAlgorithm="AES256"), "objects", "aws owned", "MEDIUM", id="bucket, S3's key"),
        pytest.param(
            bucket(SSEAlgorithm="aws:kms"), "objects", "aws managed", "MEDIUM", id="bucket, managed key"
        ),
        pytest.param(of("Kinesis::Stream"), "records", "none", "HIGH", id="stream"),
        pytest.param(
            of("Kinesis::Stream", StreamEncryption={"KeyId": "alias/aws/kinesis"}),
            "records",
            "aws managed",
            "HIGH",
            id="stream, managed key",
        ),
        pytest.param(
            of("KinesisFirehose::DeliveryStream"), "buffered records", "none", "MEDIUM", id="delivery"
        ),
        pytest.param(of("DynamoDB::Table"), "items", "aws owned", "MEDIUM", id="table"),
        pytest.param(
            of("DynamoDB::Table", SSESpecification={"SSEEnabled": True}),
            "items",
            "aws managed",
            "MEDIUM",
            id="table, managed key",
        ),
        pytest.param(of("SQS::Queue"), "messages", "aws owned", "MEDIUM", id="queue"),
        pytest.param(
            of("SQS::Queue", SqsManagedSseEnabled=False), "messages", "none", "MEDIUM", id="queue, off"
        ),
        pytest.param(of("SNS::Topic"), "messages", "none", "MEDIUM", id="topic"),
        pytest.param(of("SecretsManager::Secret"), "secret", "aws managed", "MEDIUM", id="secret"),
        pytest.param(of("Logs::LogGroup"), "log", "aws owned", "LOW", id="log group"),
        pytest.param(
            of("Lambda::Function", Environment={"Variables": {"a": "b"}}),
            "environment",
            "aws managed",
            "LOW",
            id="function",
        ),
        pytest.param(of("CloudTrail::Trail"), "trail", "aws owned", "MEDIUM", id="trail"),
        pytest.param(
            of("StepFunctions::StateMachine"),
            "definition and execution history",
            "aws owned",
            "LOW",
            id="state machine",
        ),
        pytest.param(
            of("SageMaker::EndpointConfig"), "volume", "aws owned", "MEDIUM", id="endpoint configuration"
        ),
        pytest.param(
            of("SageMaker::EndpointConfig", DataCaptureConfig={"EnableCapture": True}),
            "captured requests",
            "aws managed",
            "MEDIUM",
            id="captured requests",
        ),
        pytest.param(
            machine("createTrainingJob", OutputDataConfig={"KmsKeyId": SUBSTITUTED}),
            "volume",
            "aws owned",
            "MEDIUM",
            id="training volume",
        ),
        pytest.param(
            machine("createProcessingJob", ProcessingOutputConfig={"Outputs": []}),
            "output",
            "aws managed",
            "MEDIUM",
            id="processing output",
        ),
        pytest.param(
            machine("createTransformJob", TransformResources={"VolumeKmsKeyId": SUBSTITUTED}),
            "output",
            "aws managed",
            "MEDIUM",
            id="transform output",
        ),
        pytest.param(of("Glue::Job"), "bookmarks", "aws owned", "LOW", id="job without a configuration"),
        pytest.param(of("Glue::Database"), "catalogue", "aws owned", "LOW", id="catalogue"),
        pytest.param(of("EFS::FileSystem"), "files", "none", "MEDIUM", id="file system, off"),
        pytest.param(
            of("EFS::FileSystem", Encrypted=True), "files", "aws managed", "MEDIUM", id="file system, on"
        ),
    ],
)
def test_a_store_without_our_key_is_named(
    resource: dict[str, Any], what: str, key: str, severity: str
) -> None:
    templates = read(resource)
    assert stores(templates)[what] == key
    assert ("ENC-01", what, severity) in faults(templates)


def test_a_glue_job_takes_the_keys_of_its_configuration() -> None:
    given = {
        "S3Encryptions": [{"S3EncryptionMode": "SSE-KMS", "KmsKeyArn": KEY}],
        "CloudWatchEncryption": {"KmsKeyArn": KEY},
    }
    config = of("Glue::SecurityConfiguration", Name="jobs", EncryptionConfiguration=given)
    templates = read(of("Glue::Job", SecurityConfiguration="jobs"), config)
    assert stores(templates) == {
        "objects that a job writes": "Any/Key",
        "log": "Any/Key",
        "bookmarks": "aws owned",
    }


def test_delivery_without_a_key_takes_the_buckets() -> None:
    target = {"BucketARN": {"Fn::GetAtt": ["Home", "Arn"]}}
    delivery = of("KinesisFirehose::DeliveryStream", ExtendedS3DestinationConfiguration=target)
    templates = read(delivery, Home=bucket(SSEAlgorithm="aws:kms", KMSMasterKeyID=KEY))
    assert stores(templates)["delivered objects"] == "Any/Key"


def test_delivery_from_a_stream_is_buffered_under_the_streams_key() -> None:
    source = {"KinesisStreamARN": {"Fn::GetAtt": ["Stream", "Arn"]}}
    delivery = of(
        "KinesisFirehose::DeliveryStream",
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration=source,
    )
    templates = read(delivery, Stream=of("Kinesis::Stream", StreamEncryption={"KeyId": KEY}))
    assert stores(templates)["buffered records"] == "Any/Key"


def test_a_bucket_of_access_logs_weighs_less() -> None:
    logged = bucket(SSEAlgorithm="aws:kms", KMSMasterKeyID=KEY)
    logged["Properties"]["LoggingConfiguration"] = {"DestinationBucketName": {"Ref": "Logs"}}
    [finding] = [each for each in check(read(logged, Logs=of("S3::Bucket"))) if each.rule == "ENC-01"]
    assert (finding.path, finding.severity.name) == ("Any/Logs", "LOW")
    assert "access logs" in finding.message


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"ResourceConfig": {"InstanceType": "ml.g4dn.xlarge"}}, id="local storage"),
        pytest.param({"ResourceConfig": {"VolumeKmsKeyId.$": "$.key"}}, id="key of run time"),
        pytest.param({"ResourceConfig.$": "$.resources"}, id="all of it at run time"),
        pytest.param({"ResourceConfig": {"VolumeKmsKeyId": "{% $key %}"}}, id="key of an expression"),
        pytest.param({"ResourceConfig": "{% $resources %}"}, id="all of it of an expression"),
        pytest.param({"ResourceConfig": {"VolumeKmsKeyId": {"Get": "Parameters.Key"}}}, id="a parameter"),
    ],
)
def test_a_volume_is_no_finding_where_a_key_cannot_be_asked_for(request_: dict[str, Any]) -> None:
    templates = read(machine("createTrainingJob", **request_))
    assert not [each for each in faults(templates) if each[1] == "volume"]


def test_key_made_elsewhere_is_shown_as_it_is() -> None:
    arn = "arn:aws:kms:eu-west-1:111122223333:key/1"
    templates = read(of("Logs::LogGroup", KmsKeyId=arn))
    assert stores(templates) == {"log": arn}
    assert faults(templates) == set()


ARN = {"Fn::GetAtt": ["R0", "Arn"]}
NO_TLS = {"Bool": {"aws:SecureTransport": "false"}}


def denial(action: str = "s3:*", condition: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": [ARN, {"Fn::Sub": "${R0.Arn}/*"}],
        "Condition": NO_TLS if condition is None else condition,
        **more,
    }


def bucket_policy(*given: dict[str, Any]) -> dict[str, Any]:
    return of("S3::BucketPolicy", Bucket={"Ref": "R0"}, PolicyDocument={"Statement": list(given)})


def protocol(templates: Templates, what: str = "requests") -> tuple[str, str]:
    [hop] = [row for row in encryption_map(templates) if isinstance(row, Hop) and row.what == what]
    return hop.protocol, hop.by


PRIVATE = bucket(SSEAlgorithm="aws:kms", KMSMasterKeyID=KEY)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        pytest.param([denial()], "TLS", id="TLS"),
        pytest.param([denial(Principal={"AWS": "*"})], "TLS", id="everybody, the other spelling"),
        pytest.param(
            [denial(), denial(condition={"NumericLessThan": {"s3:TlsVersion": 1.2}})], "TLS 1.2", id="TLS 1.2"
        ),
        pytest.param([denial(Resource="*")], "TLS", id="everything, which is the bucket"),
        pytest.param(
            [denial(condition={"BoolIfExists": {"aws:SecureTransport": False}})],
            "TLS",
            id="if the key is there",
        ),
    ],
)
def test_a_bucket_that_denies_http_is_no_finding(statements: list[Any], expected: str) -> None:
    templates = read(PRIVATE, bucket_policy(*statements))
    assert protocol(templates) == (expected, "Any/R1")
    assert faults(templates) == set()


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param([], id="no policy"),
        pytest.param([denial(Effect="Allow")], id="an allowance"),
        pytest.param([denial(action="s3:PutObject")], id="writing only"),
        pytest.param([denial(Resource=[ARN])], id="the bucket without its objects"),
        pytest.param([denial(Principal={"AWS": "arn:aws:iam::111122223333:root"})], id="for some"),
        pytest.param(
            [denial(condition={**NO_TLS, "StringEquals": {"aws:PrincipalAccount": "1"}})],
            id="narrowed by another condition",
        ),
        pytest.param([denial(condition={"Bool": {"aws:SecureTransport": "true"}})], id="the other way round"),
    ],
)
def test_a_bucket_that_takes_http_is_named(statements: list[Any]) -> None:
    templates = read(PRIVATE, bucket_policy(*statements))
    assert protocol(templates) == ("HTTP", "")
    assert faults(templates) == {("ENC-02", "requests", "MEDIUM")}


@pytest.mark.parametrize(
    ("kind", "action", "ref"),
    [
        pytest.param("SQS::Queue", "sqs:*", "Queues", id="queue"),
        pytest.param("SNS::Topic", "sns:Publish", "Topics", id="topic"),
    ],
)
def test_queues_and_topics_deny_http(kind: str, action: str, ref: str) -> None:
    resource = of(kind, KmsMasterKeyId=KEY)
    target = {"Ref": "R0"} if kind == "SNS::Topic" else ARN
    statement = denial(action=action, Resource=target)
    policy = of(f"{kind}Policy", PolicyDocument={"Statement": [statement]}, **{ref: [{"Ref": "R0"}]})
    assert faults(read(resource, policy)) == set()
    assert faults(read(resource)) == {("ENC-02", "requests", "MEDIUM")}


@pytest.mark.parametrize(
    ("resource", "what", "severity"),
    [
        pytest.param(
            machine("createTrainingJob", ResourceConfig={"InstanceCount": 2}),
            "traffic between containers",
            "MEDIUM",
            id="training on two instances",
        ),
        pytest.param(
            machine("createProcessingJob", ProcessingResources={"ClusterConfig": {"InstanceCount": 1}}),
            "traffic between containers",
            "LOW",
            id="processing on one",
        ),
        pytest.param(
            of("Glue::Connection", ConnectionInput={"ConnectionType": "JDBC", "ConnectionProperties": {}}),
            "connection to a source",
            "MEDIUM",
            id="JDBC",
        ),
        pytest.param(of("SNS::Subscription", Protocol="http"), "subscription", "HIGH", id="subscription"),
        pytest.param(
            of("ElasticLoadBalancingV2::Listener", Protocol="HTTP"), "listener", "HIGH", id="listener"
        ),
    ],
)
def test_a_hop_in_the_clear_is_named(resource: dict[str, Any], what: str, severity: str) -> None:
    assert ("ENC-02", what, severity) in faults(read(resource))


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(machine("createTrainingJob", EnableInterContainerTrafficEncryption=True), id="training"),
        pytest.param(
            machine("createTrainingJob", **{"EnableInterContainerTrafficEncryption.$": "$.x"}),
            id="training, said at run time",
        ),
        pytest.param(
            machine("createProcessingJob", NetworkConfig={"EnableInterContainerTrafficEncryption": True}),
            id="processing",
        ),
        pytest.param(
            of(
                "Glue::Connection",
                ConnectionInput={
                    "ConnectionType": "JDBC",
                    "ConnectionProperties": {"JDBC_ENFORCE_SSL": "true"},
                },
            ),
            id="JDBC",
        ),
        pytest.param(of("Glue::Connection", ConnectionInput={"ConnectionType": "NETWORK"}), id="network"),
        pytest.param(of("SNS::Subscription", Protocol="https"), id="subscription"),
        pytest.param(of("SNS::Subscription", Protocol="sqs"), id="subscription of a queue"),
        pytest.param(
            of("ElasticLoadBalancingV2::Listener", Protocol="HTTP", DefaultActions=[{"Type": "redirect"}]),
            id="listener that redirects",
        ),
    ],
)
def test_an_encrypted_hop_is_no_finding(resource: dict[str, Any]) -> None:
    assert not [each for each in faults(read(resource)) if each[0] == "ENC-02"]


@pytest.mark.parametrize(
    ("properties", "is_found"),
    [
        pytest.param({}, True, id="absent"),
        pytest.param({"EnableKeyRotation": False}, True, id="off"),
        pytest.param({"EnableKeyRotation": "true"}, False, id="on, as text"),
        pytest.param({"KeySpec": "RSA_2048"}, False, id="asymmetric, which AWS cannot rotate"),
        pytest.param({"Origin": "EXTERNAL"}, False, id="material from outside"),
    ],
)
def test_keys_rotate(properties: dict[str, Any], is_found: bool) -> None:
    found = faults(read(of("KMS::Key", **properties)))
    assert found == ({("ENC-03", "EnableKeyRotation", "MEDIUM")} if is_found else set())


def test_rows_follow_the_data_and_read_as_lines() -> None:
    rows = encryption_map(read(of("Logs::LogGroup"), of("Kinesis::Stream", StreamEncryption={"KeyId": KEY})))
    assert to_lines(rows) == [
        "ingest | Any/R1 | API | TLS, enforced by the service, which answers nothing else",
        "ingest | Any/R1 | records | key Any/Key",
        "operate | Any/R0 | log | key aws owned",
    ]


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(of("S3::Bucket", BucketEncryption="<Any/Parameter>"), id="text for an object"),
        pytest.param(
            of("S3::Bucket", BucketEncryption={"ServerSideEncryptionConfiguration": []}), id="empty list"
        ),
        pytest.param(
            of("KinesisFirehose::DeliveryStream", S3DestinationConfiguration={"BucketARN": "x"}), id="bucket"
        ),
        pytest.param(of("Athena::WorkGroup", WorkGroupConfiguration="<Any/P>"), id="workgroup"),
        pytest.param(of("Glue::Job", SecurityConfiguration="elsewhere"), id="configuration made elsewhere"),
        pytest.param(of("SageMaker::EndpointConfig", ProductionVariants="<Any/P>"), id="variants"),
        pytest.param(of("ElasticLoadBalancingV2::Listener", DefaultActions="<Any/P>"), id="actions"),
        pytest.param(of("S3::BucketPolicy", PolicyDocument="<Any/P>"), id="policy"),
        pytest.param({"Type": "AWS::DynamoDB::Table"}, id="no properties"),
    ],
)
def test_odd_shapes_do_not_stop_the_audit(odd: dict[str, Any]) -> None:
    assert to_lines(encryption_map(read(odd))) is not None
    check(read(odd))


def test_ours_are_encrypted_but_for_what_has_a_reason(audited: dict[str, Templates]) -> None:
    for profile, templates in audited.items():
        rows = encryption_map(templates)
        assert {row.stage for row in rows} == set(STAGES), profile
        assert {(each.rule, each.path, each.severity.name) for each in check(templates)} == {
            # docs/decisions/0006-access-log-encryption.md
            ("ENC-01", "Base/AccessLogs", "LOW"),
            # The catalogue's key is a setting of the whole account and Region, which is not ours to change.
            ("ENC-01", "Data/Lake/Catalogue/Database", "LOW"),
        }, profile
