"""A role to probe the gate with: grant it something, call, and read the refusal and the record."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import account
from sandbox.iam import identity, record
from sandbox.iam.network import Network

ACCOUNT, REGION = account.ACCOUNT, account.REGION
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
_REFUSALS = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "NoRouteToService",
    "UnauthorizedOperation",
}
_numbers = itertools.count()


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trust(condition: dict[str, Any] | None = None, **principal: str) -> str:
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return document(statement | ({"Condition": condition} if condition else {}))


class Probe:
    """A role of its own that Lambda may assume, and its credentials."""

    def __init__(self, *statements: dict[str, Any], network: Network | None = None, **role: Any) -> None:
        self.name = f"probe-{next(_numbers)}"
        made = account.client("iam").create_role(
            RoleName=self.name, AssumeRolePolicyDocument=trust(Service="lambda.amazonaws.com"), **role
        )
        self.arn = made["Role"]["Arn"]
        self.grant(*statements)
        self.credentials = identity.service_credentials(
            self.arn, "lambda.amazonaws.com", session="probe", network=network
        )

    def grant(self, *statements: dict[str, Any]) -> None:
        """These, and nothing else."""
        text = document(*statements) if statements else document(allow("none:None"))
        account.client("iam").put_role_policy(RoleName=self.name, PolicyName="granted", PolicyDocument=text)

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        return getattr(self.credentials.client(service), operation)(**parameters)

    def denied(self, service: str, operation: str, **parameters: Any) -> str:
        """The message of the refusal."""
        with pytest.raises(ClientError) as caught:
            self.call(service, operation, **parameters)
        code = caught.value.response["Error"]["Code"]
        assert code in _REFUSALS
        return str(caught.value.response["Error"]["Message"])

    def asked(self) -> list[tuple[str, str, bool]]:
        """Action, resource, allowed: all that was decided for the role."""
        return [(c.action, c.resource, c.allowed) for c in record.calls() if c.principal == self.arn]


def any_bucket(**policy: Any) -> str:
    name = f"bucket-{next(_numbers)}"
    account.client("s3").create_bucket(Bucket=name)
    if policy:
        account.client("s3").put_bucket_policy(Bucket=name, Policy=document(*policy["statements"]))
    return name


def any_key(*statements: dict[str, Any]) -> str:
    """A key whose policy leaves it to IAM, or says just what is given."""
    default = allow("kms:*", Principal={"AWS": ROOT_ARN})
    made = account.client("kms").create_key(
        Policy=document(*statements or (default,)), BypassPolicyLockoutSafetyCheck=True
    )
    return str(made["KeyMetadata"]["Arn"])


def encrypt_bucket(bucket: str, key: str) -> None:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
    account.client("s3").put_bucket_encryption(
        Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]}
    )
