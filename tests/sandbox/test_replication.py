"""S3 replication in the embedded account: by the rules, as their role, and only with what it is granted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import account, regions, work
from sandbox.engines import replication
from sandbox.engines.backends import backend
from sandbox.iam import record
from tests.sandbox.compute_account import allow, any_key, any_role

FIRST, SECOND = regions.HOME, "eu-central-1"
READS = (
    "s3:GetReplicationConfiguration s3:ListBucket s3:GetObjectVersionForReplication s3:GetObjectVersionAcl"
)
GRANTS = (allow(READS), allow("s3:ReplicateObject"), allow("kms:Decrypt kms:Encrypt"))


@pytest.fixture(scope="module")
def running() -> Iterator[None]:
    with account.Account():
        yield


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A bucket in each of two Regions, versioned and encrypted; each test has its own."""

    originals: str
    copies: str
    keys: dict[str, str]  # by bucket

    def rule(self, prefix: str = "kept/", **changes: Any) -> dict[str, Any]:
        alias = f"arn:aws:kms:{SECOND}:{account.ACCOUNT}:alias/{self.copies}"
        return {
            "ID": f"copy-{prefix}",
            "Priority": 1,
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            "DeleteMarkerReplication": {"Status": "Disabled"},
            "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
            "Destination": {
                "Bucket": f"arn:aws:s3:::{self.copies}",
                "EncryptionConfiguration": {"ReplicaKmsKeyID": alias},
                "Metrics": {"Status": "Enabled"},
            },
            **changes,
        }

    def replicate(self, *grants: dict[str, Any], rules: list[dict[str, Any]] | None = None) -> None:
        role = any_role(f"{self.originals}-role", "s3.amazonaws.com", *grants)
        config = {"Role": role, "Rules": rules or [self.rule()]}
        s3 = account.client("s3")
        s3.put_bucket_replication(Bucket=self.originals, ReplicationConfiguration=config)

    def put(self, key: str) -> dict[str, Any]:
        """What S3 says of the object when everything has come to rest."""
        s3 = account.client("s3")
        s3.put_object(Bucket=self.originals, Key=key, Body=b"content", Metadata={"from": "here"})
        assert work.idle(20)
        found: dict[str, Any] = s3.head_object(Bucket=self.originals, Key=key)
        return found

    def copied(self) -> set[str]:
        return set(backend("s3").buckets[self.copies].keys)


@pytest.fixture
def pair(running: None, request: pytest.FixtureRequest) -> Pair:
    work.reset()
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:8]
    made = Pair(originals=f"originals-{name}", copies=f"copies-{name}", keys={})
    for region, bucket in ((FIRST, made.originals), (SECOND, made.copies)):
        with regions.at(region):
            made.keys[bucket] = any_key()
            s3 = account.client("s3")
            where = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region == SECOND else {}
            s3.create_bucket(Bucket=bucket, **where)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": made.keys[bucket]}
            rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
            s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    with regions.at(SECOND):
        key = made.keys[made.copies]
        account.client("kms").create_alias(AliasName=f"alias/{made.copies}", TargetKeyId=key)
    return made


def test_object_is_copied_with_the_key_of_its_new_place(pair: Pair) -> None:
    pair.replicate(*GRANTS)
    first = pair.put("kept/a")
    assert first["ReplicationStatus"] == "COMPLETED"
    with regions.at(SECOND):
        copy = account.client("s3").get_object(Bucket=pair.copies, Key="kept/a")
    assert copy["Body"].read() == b"content"
    assert (copy["ReplicationStatus"], copy["VersionId"]) == ("REPLICA", first["VersionId"])
    assert copy["SSEKMSKeyId"] == pair.keys[pair.copies]
    assert copy["Metadata"] == {"from": "here"}
    asked = {(c.action, c.resource) for c in record.calls() if c.session == "s3-replication"}
    assert {
        ("s3:GetObjectVersionForReplication", f"arn:aws:s3:::{pair.originals}/kept/a"),
        ("kms:Decrypt", pair.keys[pair.originals]),
        ("s3:ReplicateObject", f"arn:aws:s3:::{pair.copies}/kept/a"),
        ("kms:Encrypt", pair.keys[pair.copies]),
    } <= asked


def test_only_what_a_rule_names_is_copied(pair: Pair) -> None:
    off = pair.rule("off/", Status="Disabled", Priority=3)
    in_the_clear = pair.rule(
        "sealed/", SourceSelectionCriteria={"SseKmsEncryptedObjects": {"Status": "Disabled"}}
    )
    pair.replicate(*GRANTS, rules=[pair.rule(Priority=1), off, in_the_clear | {"Priority": 2}])
    for key in ("kept/a", "other/a", "off/a", "sealed/a"):
        pair.put(key)
    assert pair.copied() == {"kept/a"}


@pytest.mark.parametrize(
    ("missing", "grants"),
    [
        ("s3:GetObjectVersionForReplication", (allow(READS.replace("ForReplication", "")), *GRANTS[1:])),
        ("s3:ReplicateObject", (GRANTS[0], GRANTS[2])),
        ("kms:Encrypt", (*GRANTS[:2], allow("kms:Decrypt"))),
        ("kms:Decrypt", (*GRANTS[:2], allow("kms:Encrypt"))),
    ],
)
def test_what_the_role_may_not_do_fails_by_name(
    pair: Pair, missing: str, grants: tuple[dict[str, Any], ...]
) -> None:
    pair.replicate(*grants)
    assert pair.put("kept/a")["ReplicationStatus"] == "FAILED"
    assert pair.copied() == set()
    [failure] = work.failures()
    assert f"may not {missing} on " in failure.message
    measured = backend("cloudwatch").metric_data
    assert "OperationsFailedReplication" in {datum.name for datum in measured}


def test_key_through_another_service_or_for_another_bucket_does_not_do(pair: Pair) -> None:
    about = {
        "kms:ViaService": f"s3.{SECOND}.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::x",
    }
    narrow = {
        **allow("kms:Encrypt kms:Decrypt", pair.keys[pair.copies]),
        "Condition": {"StringEquals": about},
    }
    pair.replicate(*GRANTS[:2], allow("kms:Decrypt", pair.keys[pair.originals]), narrow)
    assert pair.put("kept/a")["ReplicationStatus"] == "FAILED"
    about["kms:EncryptionContext:aws:s3:arn"] = f"arn:aws:s3:::{pair.copies}"
    document = {"Version": "2012-10-17", "Statement": [narrow]}
    account.client("iam").put_role_policy(
        RoleName=f"{pair.originals}-role", PolicyName="more", PolicyDocument=json.dumps(document)
    )
    assert pair.put("kept/b")["ReplicationStatus"] == "COMPLETED"


def test_what_waits_for_a_region_goes_on_when_it_is_back(pair: Pair) -> None:
    pair.replicate(*GRANTS)
    regions.switch(SECOND, off=True)
    assert pair.put("kept/a")["ReplicationStatus"] == "PENDING"
    assert replication.waiting() == 1
    with regions.at(SECOND), pytest.raises(ClientError, match="the Region eu-central-1 is switched off"):
        account.client("s3").list_objects_v2(Bucket=pair.copies)
    regions.switch(SECOND, off=False)
    assert work.idle(20)
    assert pair.copied() == {"kept/a"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"Bucket": "arn:aws:s3:::nowhere"}, "Destination bucket must exist"),
        ({"Bucket": "arn:aws:s3:::plain"}, "Destination bucket must have versioning enabled"),
        (
            {"Metrics": None, "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}}},
            "needs Metrics",
        ),
    ],
)
def test_rule_that_cannot_work_is_refused(pair: Pair, changes: dict[str, Any], why: str) -> None:
    if why.startswith("Destination bucket must have"):
        account.client("s3").create_bucket(Bucket="plain")
    where = {k: v for k, v in (pair.rule()["Destination"] | changes).items() if v is not None}
    with pytest.raises(ClientError, match=why):
        pair.replicate(*GRANTS, rules=[pair.rule(Destination=where)])
