"""The delivery's stack in the embedded account: whom its role trusts, and what that role reaches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox import account, deploy
from sandbox.engines.backends import backend
from sandbox.iam import conditions, sessions
from settings import settings_for
from tests.infrastructure.test_delivery import ISSUER, SUBJECT, alone, any_delivery

PROVIDER = f"arn:aws:iam::{account.ACCOUNT}:oidc-provider/{ISSUER}"


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """ARN of the role."""
    folder: Path = tmp_path_factory.mktemp("delivery")
    assembly = alone(folder, settings_for("sandbox"), any_delivery())
    with account.Account():
        yield deploy.deploy(assembly.directory)["mlref-sandbox-delivery"]["DeliveryRoleArn"]


def trust(role_arn: str) -> dict[str, Any]:
    name = role_arn.rsplit("/", 1)[-1]
    document = account.client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    [statement] = document["Statement"]
    return dict(statement)


def test_provider_is_there_and_the_role_trusts_it(delivery: str) -> None:
    listed = account.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    assert [each["Arn"] for each in listed] == [PROVIDER]
    assert trust(delivery)["Principal"] == {"Federated": PROVIDER}


@pytest.mark.parametrize(
    ("subject", "audience", "expected"),
    [
        pytest.param(SUBJECT, "sts.amazonaws.com", True, id="our environment"),
        pytest.param("repo:octo@1/loop@2:ref:refs/heads/main", "sts.amazonaws.com", False, id="a branch"),
        pytest.param("repo:octo@1/loop@2:environment:sandbox", "sts.amazonaws.com", False, id="another one"),
        pytest.param(
            "repo:octo@9/loop@2:environment:production", "sts.amazonaws.com", False, id="a namesake"
        ),
        pytest.param("repo:octo@1/loop@2:pull_request", "sts.amazonaws.com", False, id="a pull request"),
        pytest.param(SUBJECT, "https://github.com/octo", False, id="meant for somebody else"),
        pytest.param(SUBJECT.upper(), "sts.amazonaws.com", False, id="in capitals"),
    ],
)
def test_trust_is_for_one_subject(delivery: str, subject: str, audience: str, expected: bool) -> None:
    compiled = conditions.compile_conditions(trust(delivery)["Condition"], variables=True)
    context = {f"{ISSUER}:sub": subject, f"{ISSUER}:aud": audience}
    assert conditions.meets(compiled, context, []) is expected


def as_delivery(role_arn: str, service: str) -> Any:
    """A session as STS gives it for GitHub's token, whose signature no emulator can check."""
    given = backend("sts").assume_role(account.REGION, "GitHubActions", role_arn, None, 3_600, None)
    session = sessions.Session(
        principal=sessions.role_session(role_arn, "GitHubActions"),
        name="GitHubActions",
        token=given.session_token,
        network=None,
        service="",
        runs_code=True,
        source_arn="",
    )
    sessions.remember(given.access_key_id, session)
    return boto3.client(
        service,
        endpoint_url=account.endpoint(),
        region_name=account.REGION,
        aws_access_key_id=given.access_key_id,
        aws_secret_access_key=given.secret_access_key,
        aws_session_token=given.session_token,
    )


def bootstrap_role(word: str) -> str:
    return f"arn:aws:iam::{account.ACCOUNT}:role/cdk-hnb659fds-{word}-role-{account.ACCOUNT}-{account.REGION}"


@pytest.mark.parametrize("word", ["lookup", "file-publishing", "deploy"])
def test_role_takes_on_the_roles_that_the_cli_needs(delivery: str, word: str) -> None:
    found = as_delivery(delivery, "sts").assume_role(RoleArn=bootstrap_role(word), RoleSessionName="cdk")
    assert f"cdk-hnb659fds-{word}-role" in found["AssumedRoleUser"]["Arn"]


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        pytest.param("s3", "list_buckets", {}, id="look at buckets"),
        pytest.param("cloudformation", "describe_stacks", {}, id="look at stacks"),
        pytest.param("iam", "list_roles", {}, id="look at roles"),
        pytest.param(
            "sts",
            "assume_role",
            {"RoleArn": bootstrap_role("cfn-exec"), "RoleSessionName": "any"},
            id="be CloudFormation",
        ),
    ],
)
def test_role_may_do_nothing_by_itself(
    delivery: str, service: str, operation: str, parameters: dict[str, str]
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(as_delivery(delivery, service), operation)(**parameters)
    assert "AccessDenied" in json.dumps(refused.value.response["Error"])
