"""S3 and KMS at the gate: objects under keys, copies, batches, prefixes, conditions of bucket policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import account
from sandbox.iam import record
from tests.sandbox.iam_probe import (
    REGION,
    ROOT_ARN,
    Probe,
    allow,
    any_bucket,
    any_key,
    document,
    encrypt_bucket,
)

VIA_S3 = {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with account.Account():
        yield


def test_object_under_a_key_needs_decrypt() -> None:
    bucket, key = any_bucket(), any_key()
    encrypt_bucket(bucket, key)
    account.client("s3").put_object(Bucket=bucket, Key="a", Body=b"x")
    probe = Probe(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    assert "kms:Decrypt" in probe.denied("s3", "get_object", Bucket=bucket, Key="a")
    decrypt = allow("kms:Decrypt", key, Condition=VIA_S3)
    probe.grant(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"), decrypt)
    assert probe.call("s3", "get_object", Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_key_for_s3_only_is_refused_directly() -> None:
    key = any_key()
    blob = account.client("kms").encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    probe = Probe(allow("kms:Decrypt", key, Condition=VIA_S3))
    assert "kms:Decrypt" in probe.denied("kms", "decrypt", CiphertextBlob=blob)
    probe.grant(allow("kms:Decrypt", key))
    assert probe.call("kms", "decrypt", CiphertextBlob=blob)["Plaintext"] == b"x"


def test_write_under_a_key_needs_generate_data_key() -> None:
    bucket, key = any_bucket(), any_key()
    encrypt_bucket(bucket, key)
    probe = Probe(allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*"))
    assert "kms:GenerateDataKey" in probe.denied("s3", "put_object", Bucket=bucket, Key="a", Body=b"x")


def test_key_of_the_header_is_asked_instead_of_the_default() -> None:
    bucket, key, other = any_bucket(), any_key(), any_key()
    encrypt_bucket(bucket, key)
    probe = Probe(allow("s3:PutObject"), allow("kms:GenerateDataKey", key))
    probe.call("s3", "put_object", Bucket=bucket, Key="a", Body=b"x")
    named = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": other}
    assert other in probe.denied("s3", "put_object", Bucket=bucket, Key="a", Body=b"x", **named)


@pytest.mark.parametrize("algorithm", ["AES256", "aws:kms"])
def test_algorithm_without_a_key_is_not_the_bucket_s_key(algorithm: str) -> None:
    bucket = any_bucket()
    encrypt_bucket(bucket, any_key())
    probe = Probe(allow("s3:PutObject"))
    probe.call("s3", "put_object", Bucket=bucket, Key="a", Body=b"x", ServerSideEncryption=algorithm)


def test_key_policy_can_refuse_what_iam_allows() -> None:
    key = any_key(allow("kms:DescribeKey", Principal={"AWS": ROOT_ARN}))
    probe = Probe(allow("kms:*"))
    message = probe.denied("kms", "encrypt", KeyId=key, Plaintext=b"x")
    assert "no resource-based policy allows the kms:Encrypt action" in message
    with pytest.raises(ClientError, match="AccessDenied"):
        account.client("kms").encrypt(KeyId=key, Plaintext=b"x")  # nor may root


def test_disabled_key_closes_the_bucket() -> None:
    bucket, key = any_bucket(), any_key()
    encrypt_bucket(bucket, key)
    account.client("kms").disable_key(KeyId=key.rsplit("/", 1)[-1])  # moto knows no ARN here
    probe = Probe(allow("*"))
    assert "key-is-disabled" in probe.denied("s3", "put_object", Bucket=bucket, Key="a", Body=b"x")


def test_other_bucket_is_refused() -> None:
    mine, other = any_bucket(), any_bucket()
    probe = Probe(allow("s3:*", [f"arn:aws:s3:::{mine}", f"arn:aws:s3:::{mine}/*"]))
    probe.call("s3", "put_object", Bucket=mine, Key="a", Body=b"x")
    probe.denied("s3", "put_object", Bucket=other, Key="a", Body=b"x")


def test_copy_needs_both_ends() -> None:
    mine, other = any_bucket(), any_bucket()
    account.client("s3").put_object(Bucket=other, Key="a", Body=b"x")
    probe = Probe(allow("s3:*", f"arn:aws:s3:::{mine}/*"))
    message = probe.denied(
        "s3", "copy_object", Bucket=mine, Key="b", CopySource={"Bucket": other, "Key": "a"}
    )
    assert f"s3:GetObject on resource: arn:aws:s3:::{other}/a" in message


def test_batch_delete_refuses_one_by_one() -> None:
    bucket = any_bucket()
    for name in ("mine/a", "other/a"):
        account.client("s3").put_object(Bucket=bucket, Key=name, Body=b"x")
    probe = Probe(allow("s3:DeleteObject", f"arn:aws:s3:::{bucket}/mine/*"))
    objects = {"Objects": [{"Key": "mine/a"}, {"Key": "other/a"}]}
    answer = probe.call("s3", "delete_objects", Bucket=bucket, Delete=objects)
    assert [d["Key"] for d in answer["Deleted"]] == ["mine/a"]
    assert [(e["Key"], e["Code"]) for e in answer["Errors"]] == [("other/a", "AccessDenied")]
    left = account.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert [o["Key"] for o in left] == ["other/a"]


def test_list_is_limited_by_prefix() -> None:
    bucket = any_bucket()
    only = {"StringLike": {"s3:prefix": "raw/*"}}
    probe = Probe(allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", Condition=only))
    probe.call("s3", "list_objects_v2", Bucket=bucket, Prefix="raw/x")
    probe.denied("s3", "list_objects_v2", Bucket=bucket, Prefix="models/")


def test_absence_is_told_only_to_those_who_may_list() -> None:
    bucket = any_bucket()
    probe = Probe(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    assert "s3:ListBucket" in probe.denied("s3", "get_object", Bucket=bucket, Key="none")
    probe.grant(allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"), allow("s3:ListBucket"))
    with pytest.raises(ClientError, match="NoSuchKey"):
        probe.call("s3", "get_object", Bucket=bucket, Key="none")


def bucket_refusing(*denials: dict[str, Any]) -> str:
    bucket = any_bucket()
    both = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statements = [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": both} | d for d in denials
    ]
    account.client("s3").put_bucket_policy(Bucket=bucket, Policy=document(*statements))
    return bucket


def test_tls_only_bucket_lets_calls_through_and_says_what_it_assumed() -> None:
    old = {"Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}}
    bucket = bucket_refusing({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, old)
    probe = Probe(allow("s3:PutObject"))
    probe.call("s3", "put_object", Bucket=bucket, Key="a", Body=b"x")
    call = next(c for c in record.calls() if c.principal == probe.arn)
    assert set(call.assumed) == {"aws:securetransport", "s3:tlsversion"}


def test_wrong_key_is_refused_by_the_bucket() -> None:
    right, wrong = any_key(), any_key()
    header = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    bucket = bucket_refusing(
        {
            "Action": "s3:PutObject",
            "Condition": {"StringNotEqualsIfExists": {header: right}, "Null": {header: "false"}},
        }
    )
    probe = Probe(allow("*"))
    put = {"Bucket": bucket, "Key": "a", "Body": b"x", "ServerSideEncryption": "aws:kms"}
    probe.call("s3", "put_object", **put, SSEKMSKeyId=right)
    probe.call("s3", "put_object", **put, SSEKMSKeyId=right.rsplit("/", 1)[-1])  # by id: the same key
    message = probe.denied("s3", "put_object", **put, SSEKMSKeyId=wrong)
    assert "with an explicit deny in a resource-based policy" in message


def test_unencrypted_upload_is_refused_by_the_bucket_and_parts_are_not() -> None:
    key = any_key()
    missing = {"Null": {"s3:x-amz-server-side-encryption": "true"}}
    bucket = bucket_refusing({"Action": "s3:PutObject", "Condition": missing})
    probe = Probe(allow("*"))
    probe.denied("s3", "put_object", Bucket=bucket, Key="a", Body=b"x")
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    upload = probe.call("s3", "create_multipart_upload", Bucket=bucket, Key="a", **encryption)["UploadId"]
    probe.call("s3", "upload_part", Bucket=bucket, Key="a", UploadId=upload, PartNumber=1, Body=b"x")


def test_bucket_policy_binds_root() -> None:
    bucket = bucket_refusing({"Action": "s3:GetObject"})
    account.client("s3").put_object(Bucket=bucket, Key="a", Body=b"x")
    with pytest.raises(ClientError, match="explicit deny"):
        account.client("s3").get_object(Bucket=bucket, Key="a")


def test_conditional_deny_in_a_key_policy_is_not_moto_s_business() -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    elsewhere = {"StringNotEquals": {"aws:RequestedRegion": REGION}}
    key = any_key(allow("kms:*", Principal={"AWS": ROOT_ARN}), deny | {"Condition": elsewhere})
    assert account.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key
