"""Practice: a bucket's content is reached by known ways only, under our key only. See docs/security.md."""

from __future__ import annotations

import pytest

from audit.policies import Statement
from tests.conftest import Assembly
from tests.policies import resource_statements, text

# Bucket -> who else than the VPC reaches its content: folders of roles, services that read for a person.
WAYS = {
    "Captures": ({"serving"}, set()),
    "Curated": ({"analysts"}, {"athena.amazonaws.com"}),
    "Features": ({"analysts"}, {"athena.amazonaws.com"}),
    "Landing": ({"uploaders"}, set()),
    "Models": ({"analysts"}, set()),
    "Raw": ({"analysts", "delivery"}, set()),
    "Results": ({"analysts"}, {"athena.amazonaws.com"}),
}


def denials(assembly: Assembly, sid: str) -> dict[str, Statement]:
    """By the bucket's name in stacks/data/lake.py, or the logical id outside the lake."""
    found = {}
    for statement in resource_statements(assembly, "AWS::S3::BucketPolicy"):
        if statement.raw.get("Sid") == sid:
            assert not statement.allows
            assert statement.raw["Principal"] == {"AWS": "*"}
            owner = statement.holder.address.partition("/")[2].partition("Policy")[0]
            found[owner.removeprefix("Lake")] = statement
    assert found, sid
    return found


def test_nothing_is_public(assembly: Assembly) -> None:
    closed = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"]
    for name, bucket in assembly.resources("AWS::S3::Bucket").items():
        assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(closed, True), name
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}], name
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}, name


@pytest.mark.parametrize("sid", ["DenyOtherEncryption", "DenyOtherKeys", "DenyCustomerKeys"])
def test_every_bucket_refuses_another_key(sid: str, assembly: Assembly) -> None:
    with_our_key = len(assembly.resources("AWS::S3::Bucket")) - 1  # the access logs
    assert len(denials(assembly, sid)) == with_our_key


def test_upload_without_a_key_gets_ours_and_is_not_refused(assembly: Assembly) -> None:
    """`StringNotEquals` is true for a header that is absent, so each denial asks that it be there."""
    for sid in ("DenyOtherEncryption", "DenyOtherKeys", "DenyCustomerKeys"):
        for statement in denials(assembly, sid).values():
            assert list(statement.conditions["Null"].values()) == ["false"], statement


def has_store(assembly: Assembly) -> bool:
    """In production only: docs/decisions/0067-feature-store.md."""
    return any(
        each["Type"] == "AWS::SageMaker::FeatureGroup"
        for each in assembly.templates["Data"]["Resources"].values()
    )


def test_content_of_the_lake_is_reached_by_known_ways(assembly: Assembly) -> None:
    found = denials(assembly, "DenyOtherWays")
    assert set(found) == set(WAYS)
    for name, statement in found.items():
        folders, services = WAYS[name]
        if "Features" in name and has_store(assembly):
            folders = folders | {"feature-store"}
        conditions = statement.conditions
        assert "NetworkS3" in text(conditions["StringNotEquals"]["aws:SourceVpce"]), statement
        assert conditions["Bool"] == {"aws:PrincipalIsAWSService": "false"}
        roles = conditions.get("ArnNotLike", {}).get("aws:PrincipalArn", [])
        assert {
            text(role).split("/")[-2] for role in (roles if isinstance(roles, list) else [roles])
        } == folders
        via = conditions.get("ForAllValues:StringNotEquals", {}).get("aws:CalledVia", [])
        assert set(via if isinstance(via, list) else [via]) == services
        assert set(statement.actions) == {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"}


def test_roles_in_a_bucket_policy_are_folders_that_exist(assembly: Assembly) -> None:
    """A role elsewhere would be shut out; a folder without a role is an open door that nobody watches."""
    paths = {
        role["Path"].strip("/").split("/")[-1]
        for role in assembly.resources("AWS::IAM::Role").values()
        if "Path" in role
    }
    named = set().union(*(folders for folders, _ in WAYS.values()))
    assert named <= paths


def test_access_log_bucket_takes_logs_of_our_buckets_only(assembly: Assembly) -> None:
    [statement] = [
        s
        for s in resource_statements(assembly, "AWS::S3::BucketPolicy")
        if s.raw["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    ]
    assert statement.actions == ["s3:PutObject"]
    assert "mlref-" in text(statement.conditions["ArnLike"]["aws:SourceArn"])
    assert text(statement.conditions["StringEquals"]["aws:SourceAccount"]) == "<AccountId>"
