"""Practice: data at rest is encrypted with a key we own. See docs/security.md."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest

from tests.conftest import Assembly
from tests.policies import resource_statements, text

# Where a resource type names its key. A type that can take a key and is missing here fails the test below it.
KEY_OF = {
    "AWS::CloudTrail::Trail": "KMSKeyId",
    "AWS::DynamoDB::Table": "SSESpecification.KMSMasterKeyId",
    "AWS::Kinesis::Stream": "StreamEncryption.KeyId",
    "AWS::Lambda::Function": "KmsKeyArn",
    "AWS::Logs::LogGroup": "KmsKeyId",
    "AWS::S3::Bucket": (
        "BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.KMSMasterKeyID"
    ),
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::SecretsManager::Secret": "KmsKeyId",
    "AWS::Athena::WorkGroup": "WorkGroupConfiguration.ResultConfiguration.EncryptionConfiguration.KmsKey",
    "AWS::KinesisFirehose::DeliveryStream": (
        "ExtendedS3DestinationConfiguration.EncryptionConfiguration.KMSEncryptionConfig.AWSKMSKeyARN"
    ),
    "AWS::SageMaker::EndpointConfig": "KmsKeyId",
    "AWS::Scheduler::Schedule": "KmsKeyArn",
    "AWS::StepFunctions::StateMachine": "EncryptionConfiguration.KmsKeyId",
}
# S3 writes access logs with its own key: docs/decisions/0006-access-log-encryption.md
S3_KEY = "Base/AccessLogs"


def at(properties: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(properties, list):
            properties = properties[int(step)] if int(step) < len(properties) else None
        else:
            properties = (properties or {}).get(step)
    return properties


def without_key(assembly: Assembly, kind: str) -> set[str]:
    """Resources whose key is missing, or is not a reference to a key that these templates make."""
    return {
        name
        for name, properties in assembly.resources(kind).items()
        if "Keys" not in text(at(properties, KEY_OF[kind])) and not name.startswith(S3_KEY)
    }


@pytest.mark.parametrize("kind", KEY_OF)
def test_every_resource_that_can_has_our_key(kind: str, assembly: Assembly) -> None:
    assert without_key(assembly, kind) == set()


def test_removed_key_is_noticed(production: Assembly) -> None:
    """cdk-nag's AwsSolutions pack does not see this one."""
    templates = copy.deepcopy(dict(production.templates))
    name = next(n for n, r in templates["Data"]["Resources"].items() if r["Type"] == "AWS::S3::Bucket")
    del templates["Data"]["Resources"][name]["Properties"]["BucketEncryption"]
    assert without_key(dataclasses.replace(production, templates=templates), "AWS::S3::Bucket") == {
        f"Data/{name}"
    }


def test_access_logs_are_encrypted_by_s3(assembly: Assembly) -> None:
    [bucket] = [b for n, b in assembly.resources("AWS::S3::Bucket").items() if n.startswith(S3_KEY)]
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"] == [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    ]


def test_jobs_encrypt_data_logs_and_bookmarks(assembly: Assembly) -> None:
    [configuration] = assembly.resources("AWS::Glue::SecurityConfiguration").values()
    encryption = configuration["EncryptionConfiguration"]
    assert encryption["CloudWatchEncryption"]["CloudWatchEncryptionMode"] == "SSE-KMS"
    assert encryption["JobBookmarksEncryption"]["JobBookmarksEncryptionMode"] == "CSE-KMS"
    assert [each["S3EncryptionMode"] for each in encryption["S3Encryptions"]] == ["SSE-KMS"]


def test_every_key_rotates(assembly: Assembly) -> None:
    keys = assembly.resources("AWS::KMS::Key")
    assert len(keys) == 6
    assert [name for name, key in keys.items() if key.get("EnableKeyRotation") is not True] == []


def test_key_policies_let_services_in_only_for_resources_of_this_account(assembly: Assembly) -> None:
    bounds = {
        "aws:SourceArn",
        "aws:SourceAccount",
        "kms:EncryptionContext:aws:logs:arn",
        "kms:EncryptionContext:aws:cloudtrail:arn",
        "kms:EncryptionContext:SourceArn",
        "kms:EncryptionContext:aws:sns:topicArn",
        "kms:EncryptionContext:aws:sqs:arn",
    }
    services = [s for s in resource_statements(assembly, "AWS::KMS::Key") if "Service" in s.raw["Principal"]]
    assert len(services) >= 4
    for statement in services:
        keys = {key for block in statement.conditions.values() for key in block}
        assert keys & bounds, statement
        assert not [action for action in statement.actions if "*" in action], statement


def test_eventbridge_is_not_asked_for_a_source_by_a_key(assembly: Assembly) -> None:
    """It sends keys none: asked for one, messages about failures would never arrive."""
    asked = [
        statement.conditions
        for statement in resource_statements(assembly, "AWS::KMS::Key")
        if text(statement.raw["Principal"].get("Service")) == "events.amazonaws.com"
    ]
    assert len(asked) == 2
    assert "aws:Source" not in str(asked)


def test_log_groups_key_admits_cloudwatch_logs(assembly: Assembly) -> None:
    """Nothing else fails without it before the deployment does."""
    [statement] = [
        s
        for s in resource_statements(assembly, "AWS::KMS::Key")
        if text(s.raw["Principal"].get("Service")).startswith("logs.")
    ]
    assert statement.holder.address.startswith("Base/KeysLogs")
    assert {"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"} <= set(statement.actions)


def test_every_log_group_name_fits_the_keys_policy(assembly: Assembly) -> None:
    """A group made under another name would be refused the key, at deployment and not before."""
    for name, group in assembly.resources("AWS::Logs::LogGroup").items():
        made = text(group["LogGroupName"]) if "LogGroupName" in group else "mlref-made-up-by-cloudformation"
        assert made.startswith(("mlref-", "/aws/")), name
        assert "mlref-" in made, f"{name}: {made}"
