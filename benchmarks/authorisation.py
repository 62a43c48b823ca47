"""How fast the embedded account authorises: the check alone, and whole calls over HTTP with and without it.

python -m benchmarks.authorisation [calls]
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import Figure
from sandbox import account
from sandbox.iam import enforce, identity

_ROLE = "measured"
_BUCKET = "measured-bucket"
_STREAM = "measured-stream"


@dataclass(frozen=True, kw_only=True)
class Times:
    """Medians in milliseconds: of the check, and of the whole call over HTTP with and without it."""

    check: float
    checked: float
    unchecked: float


def main(calls: int = 500) -> None:
    print(f"{'call':<22}{'check ms':>10}{'checks/s':>10}{'HTTP ms':>10}{'unchecked':>11}")
    for name, times in measure(calls).items():
        print(
            f"{name:<22}{times.check:>10.3f}{1000 / times.check:>10.0f}"
            f"{times.checked:>10.2f}{times.unchecked:>11.2f}"
        )


def figures() -> list[Figure]:
    return [
        Figure(what=f"authorisation of {name}", value=times.check, unit="ms")
        for name, times in measure(300).items()
    ]


def measure(calls: int) -> dict[str, Times]:
    found = {}
    with account.Account():
        credentials = _role()
        checks = _timed_checks()
        for name, call in _calls(credentials).items():
            call()
            enforce.enforce(True)
            checks.clear()
            checked = _milliseconds(call, calls)
            check = statistics.median(checks) * 1000
            enforce.enforce(False)  # else the guard against handlers that never ask would refuse
            enforce.install_check(lambda *_: None)
            unchecked = _milliseconds(call, calls)
            _timed_checks(checks)
            found[name] = Times(check=check, checked=checked, unchecked=unchecked)
    return found


def _milliseconds(call: Callable[[], Any], calls: int) -> float:
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def _timed_checks(times: list[float] | None = None) -> list[float]:
    """Time every check from now on."""
    found: list[float] = [] if times is None else times

    def timed(responder: Any, *rest: Any) -> None:
        start = time.perf_counter()
        enforce.authorise(responder, *rest)
        found.append(time.perf_counter() - start)

    enforce.install_check(timed)
    return found


def _calls(credentials: identity.Credentials) -> dict[str, Callable[[], Any]]:
    s3, kinesis, glue = (credentials.client(name) for name in ("s3", "kinesis", "glue"))
    cloudwatch, dynamodb = credentials.client("cloudwatch"), credentials.client("dynamodb")
    datum = [{"MetricName": "m", "Value": 1.0}]
    records = [{"Data": b"x" * 300, "PartitionKey": str(number)} for number in range(100)]
    return {
        "s3:PutObject + key": lambda: s3.put_object(Bucket=_BUCKET, Key="a/b", Body=b"x" * 1000),
        "s3:GetObject + key": lambda: s3.get_object(Bucket=_BUCKET, Key="a/b"),
        "s3:ListObjectsV2": lambda: s3.list_objects_v2(Bucket=_BUCKET, Prefix="a/"),
        "kinesis:PutRecords 100": lambda: kinesis.put_records(StreamName=_STREAM, Records=records),
        "glue:GetTable": lambda: glue.get_table(DatabaseName="d", Name="t"),
        "cloudwatch:PutMetricD.": lambda: cloudwatch.put_metric_data(Namespace="n", MetricData=datum),
        "dynamodb:GetItem": lambda: dynamodb.get_item(TableName="t", Key={"id": {"S": "1"}}),
    }


def _role() -> identity.Credentials:
    """A role with a boundary and as many statements as a stack's role has, and what it works on."""
    iam, s3, kms, glue = (account.client(name) for name in ("iam", "s3", "kms", "glue"))
    key = kms.create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket=_BUCKET)
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    s3.put_bucket_encryption(
        Bucket=_BUCKET,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]},
    )
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{_BUCKET}", f"arn:aws:s3:::{_BUCKET}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket=_BUCKET, Policy=_document([deny]))
    account.client("kinesis").create_stream(StreamName=_STREAM, ShardCount=1)
    glue.create_database(DatabaseInput={"Name": "d"})
    glue.create_table(DatabaseName="d", TableInput={"Name": "t"})
    account.client("dynamodb").create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    services = ("s3", "kinesis", "glue", "cloudwatch", "dynamodb", "logs", "sns", "sqs", "ssm", "states")
    statements = [{"Effect": "Allow", "Action": f"{name}:*", "Resource": "*"} for name in services]
    via = {"StringEquals": {"kms:ViaService": f"s3.{account.REGION}.amazonaws.com"}}
    actions = ["kms:Decrypt", "kms:GenerateDataKey"]
    statements.append({"Effect": "Allow", "Action": actions, "Resource": key, "Condition": via})
    boundary = iam.create_policy(
        PolicyName="boundary",
        PolicyDocument=_document([{"Effect": "Allow", "Action": "*", "Resource": "*"}]),
    )["Policy"]["Arn"]
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName=_ROLE, AssumeRolePolicyDocument=_document([trust]), PermissionsBoundary=boundary
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName=_ROLE, PolicyName="default", PolicyDocument=_document(statements))
    return identity.service_credentials(role, "lambda.amazonaws.com", session="benchmark")


def _document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
