"""Models that the tests of hosting put into service: a few lines of inference.py, no library."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

from sandbox import account
from tests.sandbox.compute_account import IMAGE, allow, any_key, any_role, put, wait_for

INFERENCE = """
import json, os, pathlib

def model_fn(model_dir):
    word = pathlib.Path(model_dir, "word.txt").read_text()
    if word == "broken":
        raise ValueError("the artefact is damaged")
    return word

def input_fn(body, content_type):
    if content_type != "application/json":
        raise ValueError(f"content type {content_type}")
    return json.loads(body)

class Refusal:
    status_code, mimetype = 400, "application/json"
    def get_data(self):
        return b'{"error": "no number"}'

def predict_fn(data, model):
    return Refusal() if data.get("n") is None else {"word": model, "n": data["n"] + 1}

def output_fn(prediction, accept):
    if isinstance(prediction, Refusal):
        return prediction
    return json.dumps(prediction), "application/json"
"""


def archive(word: str, inference: str = INFERENCE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, text in (("word.txt", word), ("code/inference.py", inference)):
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            file.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def any_hosting_role(bucket: str) -> tuple[str, str]:
    """A role that may host models of the bucket, and the key that it may use."""
    key = any_key()
    role = any_role(
        f"host-{bucket}",
        "sagemaker.amazonaws.com",
        allow("s3:GetObject s3:PutObject", f"arn:aws:s3:::{bucket}/*"),
        allow("s3:ListBucket", f"arn:aws:s3:::{bucket}"),
        allow("kms:GenerateDataKey kms:Decrypt", key),
        allow("logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents cloudwatch:DescribeAlarms"),
    )
    return role, key


def any_model(bucket: str, role: str, name: str, inference: str = INFERENCE, **changes: Any) -> str:
    """A model that answers with its own name."""
    word = changes.pop("word", name)
    uri = put(bucket, f"models/{name}/model.tar.gz", archive(word, inference))
    environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
    account.client("sagemaker").create_model(
        ModelName=name,
        ExecutionRoleArn=role,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": uri, "Environment": environment},
        EnableNetworkIsolation=True,
        **changes,
    )
    return name


def any_config(name: str, weights: dict[str, tuple[str, float]], **settings: Any) -> str:
    """variant -> (model, weight)."""
    variants = [
        {
            "VariantName": variant,
            "ModelName": model,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            "InitialVariantWeight": weight,
        }
        for variant, (model, weight) in weights.items()
    ]
    account.client("sagemaker").create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=variants, **settings
    )
    return name


def settled(name: str) -> dict[str, Any]:
    """The endpoint once nothing is under way."""

    def look() -> dict[str, Any] | None:
        endpoint = account.client("sagemaker").describe_endpoint(EndpointName=name)
        return endpoint if endpoint["EndpointStatus"] in ("InService", "Failed") else None

    return wait_for(look, 60)  # type: ignore[no-any-return]


def any_endpoint(name: str, weights: dict[str, tuple[str, float]], **settings: Any) -> dict[str, Any]:
    """variant -> (model, weight); returns once it is in service or has failed."""
    config = any_config(f"{name}-1", weights, **settings)
    account.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config)
    return settled(name)


def ask(name: str, number: int | None = 1, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answer of the model, and that of the API around it."""
    answer = account.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, Body=json.dumps({"n": number}), ContentType="application/json", **options
    )
    return json.loads(answer["Body"].read()), answer


def words(name: str, count: int) -> list[str]:
    """Which models answered."""
    return [ask(name)[0]["word"] for _ in range(count)]
