"""What the tests of the compute engines set up in the account: roles, buckets, keys, a network, waiting."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from sandbox import account

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"


def any_role(name: str, service: str, *statements: dict[str, Any]) -> str:
    """A role that the service may assume, with these permissions."""
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    iam = account.client("iam")
    made = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.put_role_policy(RoleName=name, PolicyName="allowed", PolicyDocument=json.dumps(document))
    return str(made["Role"]["Arn"])


def allow(actions: str, resource: str | list[str] = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions.split(), "Resource": resource}


def any_bucket(name: str) -> str:
    account.client("s3").create_bucket(Bucket=name)
    return name


def any_key() -> str:
    """A key that the account's IAM governs and that CloudWatch Logs may use."""
    root = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account.ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    logs = {
        "Effect": "Allow",
        "Principal": {"Service": f"logs.{account.REGION}.amazonaws.com"},
        "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [root, logs]})
    return str(account.client("kms").create_key(Policy=policy)["KeyMetadata"]["Arn"])


def put(bucket: str, key: str, body: bytes | str) -> str:
    account.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    return f"s3://{bucket}/{key}"


def read(bucket: str, key: str) -> bytes:
    return bytes(account.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def listed(bucket: str, prefix: str = "") -> list[str]:
    found = account.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [one["Key"] for one in found.get("Contents", [])]


def wait_for(look: Callable[[], Any], seconds: float = 60) -> Any:
    """The first truthy answer of look()."""
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError(f"nothing after {seconds} s: {look}")
        time.sleep(0.05)
    return found


def logged(group: str) -> str:
    """Every line of a log group."""
    logs = account.client("logs")
    return "\n".join(event["message"] for event in logs.filter_log_events(logGroupName=group)["events"])


def any_network() -> tuple[str, str, str]:
    """Subnet, security group and route table of a new VPC without any way out."""
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="units", Description="units", VpcId=vpc)["GroupId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    return subnet, group, table
