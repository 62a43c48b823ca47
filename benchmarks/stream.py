"""How fast the embedded account takes a stream: Kinesis -> Firehose -> function -> S3, nothing lost.

    python -m benchmarks.stream [records]

The account runs in a process of its own, as it does for `python -m sandbox up`.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import urllib.request
import zipfile

from benchmarks.figures import Figure
from sandbox.account import ACCOUNT, REGION, client

PORT = 5791
BATCH = 500
ALL_FLIGHTS = 336_776
TRANSFORM = """
import base64, json

def handler(event, context):
    out = []
    for record in event["records"]:
        row = json.loads(base64.b64decode(record["data"]))
        data = base64.b64encode(json.dumps(row["record"]).encode() + b"\\n").decode()
        keys = {"table": row["table"], "date": row["record"]["date"]}
        answer = {"recordId": record["recordId"], "result": "Ok", "data": data}
        out.append({**answer, "metadata": {"partitionKeys": keys}})
    return {"records": out}
"""


def main(records: int = ALL_FLIGHTS) -> None:
    put, total, objects = measure(records)
    print(f"{records} records put in {put:.1f} s, all in S3 after {total:.1f} s ({objects} objects)")


def figures() -> list[Figure]:
    _, seconds, _ = measure(ALL_FLIGHTS)
    return [Figure(what=f"stream to lake, {ALL_FLIGHTS:,} records", value=seconds, unit="s")]


def measure(records: int) -> tuple[float, float, int]:
    """Seconds until all records were put, seconds until all were in S3, and in how many objects."""
    os.environ["SANDBOX_PORT"] = str(PORT)
    command = [sys.executable, "-m", "sandbox", "up", "--port", str(PORT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        server.stdout.readline()  # type: ignore[union-attr]
        try:
            return _sent(records)
        finally:
            server.terminate()


def _sent(records: int) -> tuple[float, float, int]:
    deploy()
    started = time.monotonic()
    for first in range(0, records, BATCH):
        entries = [entry(number, records) for number in range(first, min(records, first + BATCH))]
        client("kinesis").put_records(StreamName="stream", Records=entries)
    put = time.monotonic() - started
    request = urllib.request.Request(f"http://localhost:{PORT}/_sandbox/flush", data=b"{}")
    urllib.request.urlopen(request).read()  # noqa: S310 - loopback
    total = time.monotonic() - started
    pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix="raw/")
    objects = sum(page["KeyCount"] for page in pages)
    return put, total, objects


def entry(number: int, records: int) -> dict[str, object]:
    date = f"2013-{1 + number * 12 // records:02d}-{1 + number % 28:02d}"
    row = {
        "table": "t",
        "record": {"date": date, "id": number, "text": "x" * 216},
    }  # 290 bytes, as a flight has
    return {"Data": json.dumps(row).encode(), "PartitionKey": str(number)}


def deploy() -> None:
    arn = f"{REGION}:{ACCOUNT}"
    function_role = role("transform", "lambda.amazonaws.com", "logs:*")
    grants = ("s3:PutObject", "lambda:InvokeFunction", "kinesis:*")
    stream_role = role("delivery", "firehose.amazonaws.com", *grants)
    client("s3").create_bucket(Bucket="lake")
    client("kinesis").create_stream(StreamName="stream", ShardCount=2)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("handler.py", TRANSFORM)
    function = client("lambda").create_function(
        FunctionName="transform",
        Runtime="python3.14",
        Handler="handler.handler",
        Role=function_role,
        Code={"ZipFile": archive.getvalue()},
        Timeout=60,
    )["FunctionArn"]
    parameters = {"LambdaArn": function, "BufferSizeInMBs": "1", "BufferIntervalInSeconds": "60"}
    listed = [{"ParameterName": key, "ParameterValue": value} for key, value in parameters.items()]
    client("firehose").create_delivery_stream(
        DeliveryStreamName="delivery",
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={
            "KinesisStreamARN": f"arn:aws:kinesis:{arn}:stream/stream",
            "RoleARN": stream_role,
        },
        ExtendedS3DestinationConfiguration={
            "RoleARN": stream_role,
            "BucketARN": "arn:aws:s3:::lake",
            "Prefix": "raw/!{partitionKeyFromLambda:table}/dt=!{partitionKeyFromLambda:date}/",
            "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 300},
            "CompressionFormat": "GZIP",
            "DynamicPartitioningConfiguration": {"Enabled": True},
            "ProcessingConfiguration": {
                "Enabled": True,
                "Processors": [{"Type": "Lambda", "Parameters": listed}],
            },
        },
    )


def role(name: str, service: str, *actions: str) -> str:
    def policy(**statement: object) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})

    trust = policy(Principal={"Service": service}, Action="sts:AssumeRole")
    arn: str = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    grants = policy(Action=list(actions), Resource="*")
    client("iam").put_role_policy(RoleName=name, PolicyName="grants", PolicyDocument=grants)
    return arn


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
