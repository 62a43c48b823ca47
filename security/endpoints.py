"""Endpoint policies: out of the VPC leads a way to our own resources, for our own principals, and nowhere
else.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_iam as iam

# Ids of the lists that AWS manages for its gateway endpoints, from `aws ec2 describe-prefix-lists`, Region
# by Region. They never change; no template can ask for them. See docs/decisions/0004-prefix-lists.md. Only
# what two sources agree on, or an answer of the API says, stands here.
PREFIX_LISTS = {
    "ap-northeast-1": {"s3": "pl-61a54008", "dynamodb": "pl-78a54011"},
    "ap-northeast-2": {"s3": "pl-78a54011", "dynamodb": "pl-48a54021"},
    "ap-south-1": {"s3": "pl-78a54011", "dynamodb": "pl-66a7420f"},
    "ap-southeast-1": {"s3": "pl-6fa54006", "dynamodb": "pl-67a5400e"},
    "ap-southeast-2": {"s3": "pl-6ca54005", "dynamodb": "pl-62a5400b"},
    "ca-central-1": {"s3": "pl-7da54014", "dynamodb": "pl-4ea54027"},
    "eu-central-1": {"s3": "pl-6ea54007", "dynamodb": "pl-66a5400f"},
    "eu-north-1": {"s3": "pl-c3aa4faa", "dynamodb": "pl-adae4bc4"},
    "eu-west-1": {"s3": "pl-6da54004", "dynamodb": "pl-6fa54006"},
    "eu-west-2": {"s3": "pl-7ca54015", "dynamodb": "pl-b3a742da"},
    "eu-west-3": {"s3": "pl-23ad484a", "dynamodb": "pl-abb451c2"},
    "sa-east-1": {"s3": "pl-6aa54003", "dynamodb": "pl-60a54009"},
    "us-east-1": {"s3": "pl-63a5400a", "dynamodb": "pl-02cd2c6b"},
    "us-east-2": {"s3": "pl-7ba54012", "dynamodb": "pl-4ca54025"},
    "us-west-1": {"s3": "pl-6ba54002", "dynamodb": "pl-6ea54007"},
    "us-west-2": {"s3": "pl-68a54001", "dynamodb": "pl-00a54069"},
}


def asset_bucket(region: str = Aws.REGION) -> list[str]:
    """ARNs of the bucket of `cdk bootstrap`: Glue scripts, contracts and first models come from there."""
    bucket = f"arn:{Aws.PARTITION}:s3:::cdk-*-assets-{Aws.ACCOUNT_ID}-{region}"
    return [bucket, f"{bucket}/*"]


def only_ours(actions: list[str], resources: list[str]) -> iam.PolicyStatement:
    """Both sides are of this account: who calls, and what is called."""
    conditions: dict[str, Any] = {
        "StringEquals": {
            "aws:PrincipalAccount": Aws.ACCOUNT_ID,
            "aws:ResourceAccount": Aws.ACCOUNT_ID,
        }
    }
    return iam.PolicyStatement(
        actions=actions, resources=resources, principals=[iam.AnyPrincipal()], conditions=conditions
    )


def buckets_of(stack_name: str) -> list[str]:
    """ARNs of the buckets of a stack, and of their objects.

    CloudFormation begins the names that it makes up with the stack's name, so the buckets can be named
    here, before the stack exists whose buckets they are.
    """
    buckets = f"arn:{Aws.PARTITION}:s3:::{stack_name}-*"
    return [buckets, f"{buckets}/*"]
