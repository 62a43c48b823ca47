"""Nobody enters the account but its own keys, and it does not start where real ones are about."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from botocore.exceptions import ClientError

from sandbox import account, control, selftest
from sandbox.account import AccountError, refuse_real_credentials


@pytest.fixture(scope="module")
def running() -> Iterator[account.Account]:
    with account.Account() as started:
        yield started


@dataclass(frozen=True)
class Key:
    access_key: str
    secret_key: str = "whatever"
    token: str | None = None


def ask(running: account.Account, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("localhost", running.port)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        pytest.param({"AWS_PROFILE": "work"}, "AWS_PROFILE", id="a profile"),
        pytest.param(
            {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}, "AWS_ACCESS_KEY_ID", id="a real-looking key"
        ),
        pytest.param(
            {"AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE"}, "AWS_ACCESS_KEY_ID", id="a session's key"
        ),
        pytest.param(
            {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}, "AWS_WEB_IDENTITY_TOKEN_FILE", id="a web identity"
        ),
        pytest.param(
            {"AWS_ENDPOINT_URL_S3": "https://s3.amazonaws.com"}, "AWS_ENDPOINT_URL_S3", id="another endpoint"
        ),
        pytest.param(
            {"AWS_ENDPOINT_URL": "http://localhost.example.com"},
            "AWS_ENDPOINT_URL",
            id="a lookalike of loopback",
        ),
    ],
)
def test_account_refuses_to_start_with(variables: dict[str, str], named: str) -> None:
    with pytest.raises(AccountError, match=named):
        refuse_real_credentials(variables)


def test_account_starts_with_its_own_environment(running: account.Account) -> None:
    refuse_real_credentials(account.environment())


def test_account_names_the_port_that_is_taken(running: account.Account) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, pytest.raises(AccountError, match=r"port \d+ is taken"):
        account._bind(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        pytest.param("s3", "list_buckets", "InvalidAccessKeyId", id="rest-xml"),
        pytest.param("sts", "get_caller_identity", "InvalidClientTokenId", id="query"),
        pytest.param("glue", "get_databases", "InvalidClientTokenId", id="json"),
        pytest.param("lambda", "list_functions", "InvalidClientTokenId", id="rest-json"),
    ],
)
def test_unknown_key_is_refused(running: account.Account, service: str, operation: str, code: str) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(account.client(service, Key("AKIAIOSFODNN7EXAMPLE")), operation)()
    assert refused.value.response["Error"]["Code"] == code


def test_user_key_works_until_it_is_made_inactive(running: account.Account) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="ana")
    made = iam.create_access_key(UserName="ana")["AccessKey"]
    caller = account.client("sts", Key(made["AccessKeyId"], made["SecretAccessKey"]))
    assert caller.get_caller_identity()["Arn"].endswith("user/ana")
    iam.update_access_key(UserName="ana", AccessKeyId=made["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        caller.get_caller_identity()


@pytest.mark.parametrize(
    "path", ["/some-bucket/key", "/moto-api/reset", "/moto-api/data.json", "/latest/meta-data/"]
)
def test_unsigned_request_is_refused(running: account.Account, path: str) -> None:
    assert ask(running, path)[0] in (403, 404)


def test_foreign_host_name_is_refused(running: account.Account) -> None:
    assert ask(running, f"{control.PREFIX}health", Host="evil.example")[0] == 403


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://localhost:5700"])
def test_page_in_a_browser_moves_no_clock(running: account.Account, origin: str) -> None:
    """A page of any site may post to loopback; its browser says where the page is from."""
    assert ask(running, f"{control.PREFIX}health", Origin=origin)[0] == 403


def test_operation_that_moto_lacks_is_named_and_not_repeated(running: account.Account) -> None:
    with pytest.raises(ClientError) as refused:
        account.client("cloudformation").detect_stack_drift(StackName="any")
    assert refused.value.response["Error"]["Code"] == "NotImplemented"
    assert "DetectStackDrift" in refused.value.response["Error"]["Message"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_control_route_tells_what_runs(running: account.Account) -> None:
    status, body = ask(running, f"{control.PREFIX}health")
    assert status == 200
    assert json.loads(body)["account"] == account.ACCOUNT
    assert "sandbox.cloudformation.api" in json.loads(body)["parts"]


def test_control_route_names_those_that_exist(running: account.Account) -> None:
    status, body = ask(running, f"{control.PREFIX}helth")
    assert status == 400
    assert "health" in json.loads(body)["error"]


def test_second_account_in_the_process_is_refused(running: account.Account) -> None:
    with pytest.raises(AccountError, match="already runs"):
        account.Account().start()


def test_self_test_names_a_missing_symbol() -> None:
    with pytest.raises(selftest.SelfTestError, match="no_such_method"):
        selftest.check("moto.sts.models:STSBackend.no_such_method")


def test_self_test_names_a_changed_signature() -> None:
    with pytest.raises(selftest.SelfTestError, match="access_key_id"):
        selftest.check("moto.sts.models:STSBackend.get_assumed_role_from_access_key", "self", "key")
