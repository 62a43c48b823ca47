"""Renaming one of these would replace the resource, and its data would stay behind."""

from __future__ import annotations

from tests.conftest import Assembly
from tests.snapshots import assert_equals_snapshot

STATEFUL = {
    "AWS::Athena::WorkGroup",
    "AWS::CloudTrail::Trail",
    "AWS::DynamoDB::Table",
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::KMS::Key",
    "AWS::Kinesis::Stream",
    "AWS::KinesisFirehose::DeliveryStream",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SSM::Parameter",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::ModelPackageGroup",
    "AWS::SecretsManager::Secret",
}
# Without these the past is lost, or can no longer be read.
KEPT_IN_PRODUCTION = {
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
}


def stateful(assembly: Assembly) -> dict[str, str]:
    return {
        f"{stack}/{logical_id}": resource["Type"]
        for stack, template in assembly.templates.items()
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] in STATEFUL
    }


def test_stateful_resources_keep_their_logical_ids(production: Assembly) -> None:
    found = stateful(production)
    assert len(found) > 20
    assert_equals_snapshot(found, "logical_ids")


def test_both_profiles_name_stateful_resources_alike(production: Assembly, sandbox: Assembly) -> None:
    assert stateful(production) == stateful(sandbox)


def test_production_keeps_what_holds_data(production: Assembly) -> None:
    assert deleted(production, KEPT_IN_PRODUCTION) == set()


def test_sandbox_keeps_nothing(sandbox: Assembly) -> None:
    """Not even what costs nothing: its name would be in the way of the next deployment."""
    policies = {
        f"{stack}/{logical_id}": resource.get("DeletionPolicy", "Delete")
        for stack, template in sandbox.templates.items()
        for logical_id, resource in template["Resources"].items()
    }
    assert len(policies) > 100
    assert {name for name, policy in policies.items() if policy != "Delete"} == set()


def deleted(assembly: Assembly, kinds: set[str]) -> set[str]:
    return {
        f"{stack}/{logical_id}"
        for stack, template in assembly.templates.items()
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] in kinds and resource.get("DeletionPolicy", "Delete") != "Retain"
    }
