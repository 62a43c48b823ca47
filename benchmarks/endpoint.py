"""How long one prediction takes at a served endpoint: at its server alone, and through the account's API.

    python -m benchmarks.endpoint [--contract flights] [--requests 2000]

The model is a booster with the features and hyperparameters of the contract; the server is the process that
the sandbox starts for a variant, asked over one kept connection, one request after the other.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import predict
from benchmarks.figures import Figure
from sandbox import account
from sandbox.engines.backends import backend

SERVER = "the server alone"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contract", default="flights")
    parser.add_argument("--requests", type=int, default=2_000)
    options = parser.parse_args()
    started, times = measure(options.contract, options.requests)
    print(f"endpoint in service after {started:.1f} s")
    print(f"{'':<20}{'p50 ms':>8}{'p99 ms':>8}{'per s':>8}")
    for name, found in times.items():
        p50, p99 = percentiles(found)
        print(f"{name:<20}{p50:>8.2f}{p99:>8.2f}{1000 / statistics.mean(found):>8.0f}")


def figures() -> list[Figure]:
    _, times = measure("flights", 2_000)
    budgets = {SERVER: (1.0, 5.0)}
    return [
        Figure(what=f"one prediction, endpoint: {name}, {which}", value=value, unit="ms", at_most=most)
        for name, found in times.items()
        for which, value, most in zip(
            ("p50", "p99"), percentiles(found), budgets.get(name, (None, None)), strict=True
        )
    ]


def percentiles(times: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


def measure(name: str, requests: int) -> tuple[float, dict[str, list[float]]]:
    """Seconds until the endpoint served; milliseconds of each request, by the way that it took."""
    import contracts

    agreed = predict.contract.parse(contracts.load(name))
    rows = predict.random_rows(agreed)
    with tempfile.TemporaryDirectory() as folder:
        body = archive(predict.save(Path(folder), agreed, rows))
    records = [json.dumps(rows.record(index)).encode() for index in range(500)]
    with account.Account():
        started = time.perf_counter()
        serve(body)
        ready = time.perf_counter() - started
        server = backend("sagemaker").endpoints["measured"].blue.variants[0].server
        runtime = account.client("sagemaker-runtime")
        headers = {"Content-Type": "application/json", "Accept": "application/json"}

        def directly(record: bytes) -> None:
            if server.invoke(record, headers).status != 200:
                raise RuntimeError("the model refuses the record")

        def through_the_api(record: bytes) -> None:
            runtime.invoke_endpoint(EndpointName="measured", Body=record, ContentType="application/json")

        ways = {SERVER: directly, "through the API": through_the_api}
        return ready, {way: measured(call, records, requests) for way, call in ways.items()}


def measured(call: Callable[[bytes], None], records: list[bytes], count: int) -> list[float]:
    """Milliseconds of each call, after some that do not count."""
    for record in records[:50]:
        call(record)
    times = []
    for number in range(count):
        record = records[number % len(records)]
        started = time.perf_counter()
        call(record)
        times.append((time.perf_counter() - started) * 1000)
    return times


def archive(model: Path) -> bytes:
    """model.tar.gz as the loop makes it: the model's files, and the serving code below code/."""
    jobs = predict.ROOT / "sagemaker_jobs"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for path in sorted(model.iterdir()):
            file.add(path, arcname=path.name)
        for path in [jobs / "inference.py", *sorted((jobs / "tabular").glob("*.py"))]:
            file.add(path, arcname=f"code/{path.relative_to(jobs)}")
    return buffer.getvalue()


def serve(body: bytes) -> None:
    bucket = "measured-models"
    s3, sagemaker = account.client("s3"), account.client("sagemaker")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=body)
    sagemaker.create_model(
        ModelName="measured",
        ExecutionRoleArn=role(bucket),
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": f"s3://{bucket}/model.tar.gz",
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            },
        },
        EnableNetworkIsolation=True,
    )
    variant = {
        "VariantName": "champion",
        "ModelName": "measured",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="measured", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="measured", EndpointConfigName="measured")
    while (endpoint := sagemaker.describe_endpoint(EndpointName="measured"))["EndpointStatus"] == "Creating":
        time.sleep(0.1)
    if endpoint["EndpointStatus"] != "InService":
        raise RuntimeError(endpoint["FailureReason"])


def role(bucket: str) -> str:
    """That SageMaker may assume, to read the bucket and to log."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    may = {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": [f"arn:aws:s3:::{bucket}/*", "arn:aws:logs:*"],
    }
    iam = account.client("iam")

    def policy(statement: dict[str, object]) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    made = iam.create_role(RoleName="measured", AssumeRolePolicyDocument=policy(trust))
    iam.put_role_policy(RoleName="measured", PolicyName="may", PolicyDocument=policy(may))
    return str(made["Role"]["Arn"])


if __name__ == "__main__":
    main()
