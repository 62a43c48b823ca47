"""A batch transform job sends every object through the model's own handlers."""

from __future__ import annotations

import pytest

from sandbox import account
from sandbox.engines.transform import TransformError, payloads
from tests.sandbox.compute_account import any_bucket, listed, put, read, wait_for
from tests.sandbox.compute_models import any_hosting_role, any_model

_ECHO = """
def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    text = body if isinstance(body, str) else body.decode()
    if "bad" in text:
        raise ValueError("bad record")
    return text.upper(), accept
"""


@pytest.fixture(scope="module")
def place():
    with account.Account():
        bucket = any_bucket("batch-data")
        role, key = any_hosting_role(bucket)
        any_model(bucket, role, "echo", _ECHO)
        put(bucket, "in/a.csv", "one\ntwo\n")
        put(bucket, "in/deep/b.csv", "three\n")
        put(bucket, "broken/c.csv", "bad\n")
        yield bucket, key


def _transform(place, name, prefix="in/", **changes):
    bucket, key = place
    sagemaker = account.client("sagemaker")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{prefix}"}}
    sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName="echo",
        TransformInput={"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        TransformOutput={
            "S3OutputPath": f"s3://{bucket}/out/{name}",
            "Accept": "text/csv",
            "AssembleWith": "Line",
            "KmsKeyId": key,
        },
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **changes,
    )

    def look():
        job = sagemaker.describe_transform_job(TransformJobName=name)
        return job if job["TransformJobStatus"] in ("Completed", "Failed") else None

    return wait_for(look)


@pytest.mark.parametrize("strategy", ["SingleRecord", "MultiRecord"])
def test_every_object_gets_its_output(place, strategy):
    bucket, key = place
    name = strategy.lower()
    job = _transform(place, name, BatchStrategy=strategy)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert listed(bucket, f"out/{name}/") == [f"out/{name}/a.csv.out", f"out/{name}/deep/b.csv.out"]
    assert read(bucket, f"out/{name}/a.csv.out") == b"ONE\nTWO\n"
    head = account.client("s3").head_object(Bucket=bucket, Key=f"out/{name}/a.csv.out")
    assert head["SSEKMSKeyId"] == key


def test_refused_record_fails_the_job(place):
    job = _transform(place, "refused", "broken/")
    assert job["TransformJobStatus"] == "Failed"
    assert "bad record" in job["FailureReason"]


def test_unwritten_field_is_refused(place):
    with pytest.raises(account.client("sagemaker").exceptions.ClientError, match="DataProcessing"):
        _transform(place, "joined", DataProcessing={"JoinSource": "Input"})


def test_lines_are_packed_up_to_the_payload():
    fields = {"TransformInput": {"SplitType": "Line"}, "MaxPayloadInMB": 1}
    line = b"x" * 600_000 + b"\n"
    assert [len(one) for one in payloads(line * 3, fields)] == [600_001] * 3
    assert list(payloads(b"a\nb\n", fields)) == [b"a\nb\n"]
    with pytest.raises(TransformError, match="exceeds MaxPayloadInMB"):
        list(payloads(b"x" * 2_000_000, fields))
