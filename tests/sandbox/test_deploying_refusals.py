"""The command that deploys tells what stands in the way before anything is made, and what to do about it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployment import place
from deployment.__main__ import main
from deployment.preflight import limits
from rehearsal import quotas
from sandbox import account, deploy
from sandbox.cloudformation import operations
from sandbox.engines.backends import backend
from tests.conftest import Assembly
from tests.sandbox.deploying import Command, commanding, statuses

BOOTSTRAP = f"cdk bootstrap aws://{account.ACCOUNT}/{account.REGION}"
VERSION = "/cdk-bootstrap/hnb659fds/version"
STAGING = f"cdk-hnb659fds-assets-{account.ACCOUNT}-{account.REGION}"


@pytest.fixture(scope="module")
def empty() -> Iterator[account.Account]:
    """One account for all: whatever is refused leaves nothing behind, and each test takes back its own."""
    with account.Account() as started:
        yield started


@pytest.fixture
def prepared(empty: account.Account, sandbox: Assembly) -> account.Account:
    deploy.bootstrap()
    if not granted_quotas():
        quotas.granted(sandbox.directory)
    return empty


@pytest.fixture
def command(
    sandbox: Assembly, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return commanding(sandbox.directory, monkeypatch, capsys)


def assert_refused(answer: tuple[int, str], *words: str) -> None:
    """Before anything was made, with each of these words."""
    status, said = answer
    assert status == 2, said
    assert "nothing was changed" in said
    for word in words:
        assert word in said
    assert statuses() == {}


# the CDK's bootstrap


def test_account_without_a_bootstrap_gets_the_command(empty: account.Account, command: Command) -> None:
    assert_refused(
        command("deploy", "--yes"), f"not prepared for the CDK: there is no parameter {VERSION}", BOOTSTRAP
    )


def test_bucket_that_would_stop_the_bootstrap_is_named(empty: account.Account, command: Command) -> None:
    account.client("s3").create_bucket(Bucket=STAGING)
    answer = command("deploy", "--yes")
    account.client("s3").delete_bucket(Bucket=STAGING)
    assert_refused(answer, BOOTSTRAP, f"aws s3 rb s3://{STAGING} --force")


def test_old_bootstrap_gets_the_command(prepared: account.Account, command: Command) -> None:
    ssm = account.client("ssm")
    newest = ssm.get_parameter(Name=VERSION)["Parameter"]["Value"]
    ssm.put_parameter(Name=VERSION, Value="3", Overwrite=True)
    answer = command("deploy", "--yes")
    ssm.put_parameter(Name=VERSION, Value=newest, Overwrite=True)
    assert_refused(answer, "got version 3, allowed 6 and later", BOOTSTRAP)


def test_bootstrap_that_lost_its_bucket_is_made_anew(prepared: account.Account, command: Command) -> None:
    account.client("s3").delete_bucket(Bucket=STAGING)
    answer = command("deploy", "--yes")
    account.client("s3").create_bucket(Bucket=STAGING)
    words = ("aws cloudformation delete-stack --stack-name CDKToolkit", BOOTSTRAP)
    assert_refused(answer, f"has lost its bucket {STAGING}", *words)


@pytest.mark.parametrize(
    ("status", "word"), [("ROLLBACK_COMPLETE", "delete-stack"), ("UPDATE_IN_PROGRESS", "wait until")]
)
def test_bootstrap_that_failed_or_moves_is_named(
    prepared: account.Account, command: Command, status: str, word: str
) -> None:
    toolkit = next(iter(operations.stacks.values()))
    toolkit.status = status
    answer = command("deploy", "--yes")
    toolkit.status = "CREATE_COMPLETE"
    assert_refused(answer, f"the CDK's bootstrap is {status}", word)


# credentials and place


def test_without_credentials_it_says_where_they_are_looked_for(
    sandbox: Assembly, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert main(["deploy", "--profile", "sandbox", "--app", str(sandbox.directory)]) == 2
    said = capsys.readouterr().err
    assert "there are no AWS credentials" in said
    assert "fix: export AWS_PROFILE=... or sign in" in said
    assert "nothing was changed" in said


def test_expired_credentials_ask_for_a_new_sign_in(
    sandbox: Assembly, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def expired() -> Any:
        error = {"Code": "ExpiredToken", "Message": "The security token included in the request is expired"}
        raise ClientError({"Error": error}, "GetCallerIdentity")

    monkeypatch.setattr(place, "here", expired)
    assert main(["deploy", "--profile", "sandbox", "--app", str(sandbox.directory)]) == 2
    assert "the AWS credentials have expired" in capsys.readouterr().err


def test_unknown_credentials_are_told_from_missing_ones(
    prepared: account.Account, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "ROOT_ACCESS_KEY", "SANDBOXNOBODY0000000")
    status, said = command("deploy", "--yes")
    assert status == 2
    assert "AWS does not know these credentials" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--account", "999999999999"), ("got 123456789012, allowed 999999999999", "export AWS_PROFILE=")),
        (
            ("--region", "eu-central-1"),
            ("got us-east-1, allowed eu-central-1", "export AWS_REGION=eu-central-1"),
        ),
    ],
    ids=["account", "Region"],
)
def test_another_account_or_region_than_was_meant_is_refused(
    prepared: account.Account, command: Command, options: tuple[str, str], words: tuple[str, str]
) -> None:
    assert_refused(command("deploy", "--yes", *options), *words)


def test_first_deployment_to_an_account_is_asked_for_by_its_number(
    prepared: account.Account, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_refused(command("deploy"), "no terminal", "deploy --profile sandbox --account <number>")
    asked: list[str] = []

    def typed(question: str) -> str:
        asked.append(question)
        return "yes"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", typed)
    assert_refused(command("deploy"), "not confirmed: got 'yes', allowed: '9012'")
    assert f"account {account.ACCOUNT}, Region {account.REGION}" in asked[0]


def test_assembly_of_another_profile_is_refused(
    prepared: account.Account, command: Command, production: Assembly
) -> None:
    answer = command("deploy", "--yes", app=production.directory)
    assert_refused(answer, "is not of profile sandbox: got mlref-production-base")


# what the preflight foresees


def test_quota_of_zero_of_a_new_account_comes_with_the_request(
    prepared: account.Account, command: Command
) -> None:
    with new_quotas():
        answer = command("deploy", "--yes")
        assert_refused(
            answer,
            "got 0, needed 3: ",
            "fix: aws service-quotas request-service-quota-increase --service-code sagemaker "
            f"--quota-code L-614B09FD --desired-value 3 --region {account.REGION}",
            "the deployment would fail: quotas: ml.m5.large for endpoint usage; fix: the commands above",
        )


def test_preflight_is_skipped_for_a_reason_alone(
    prepared: account.Account, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    for reason in ("", "because"):
        with pytest.raises(SystemExit):
            command("deploy", "--skip-preflight", reason)
        assert f"got {reason!r}, allowed: why, in some words" in capsys.readouterr().err
    with new_quotas():
        answer = command("deploy", "--skip-preflight", "the quota is granted, the list is late")
    assert "without the preflight: the quota is granted, the list is late" in answer[1]
    assert_refused(answer, "no terminal")  # it came as far as the question


def test_what_is_in_the_way_later_or_cannot_be_asked_is_told_and_stops_nothing(
    prepared: account.Account, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_quotas():
        monkeypatch.setattr(limits.Limits, "_listed", denied)
        answer = command("deploy")
    assert_refused(answer, "no terminal")
    assert "AccessDeniedException: the caller needs servicequotas:ListServiceQuotas" in answer[1]
    assert "may      quotas  ml.m5.large for endpoint usage" in answer[1]
    monkeypatch.undo()
    with new_quotas() as granted:
        granted["L-614B09FD"] = 3
        answer = command("deploy")
    assert_refused(answer, "no terminal")
    assert "later  quotas  ml.m5.large for processing job usage" in answer[1]


def denied(*_: Any) -> Any:
    error = {"Code": "AccessDeniedException", "Message": "not authorized"}
    raise ClientError({"Error": error}, "ListServiceQuotas")


def granted_quotas() -> dict[str, float]:
    granted: dict[str, float] = vars(backend("service-quotas")).setdefault("granted", {})
    return granted


@contextmanager
def new_quotas() -> Iterator[dict[str, float]]:
    """The account as a new one has it, for a while."""
    granted = granted_quotas()
    before = dict(granted)
    granted.clear()
    try:
        yield granted
    finally:
        granted.update(before)


# names that are taken


def test_what_services_and_people_left_is_named_with_what_frees_the_name(
    prepared: account.Account, command: Command
) -> None:
    group, parameter = "/aws/vendedlogs/states/mlref-sandbox-monitor", "/mlref-sandbox/champion"
    account.client("logs").create_log_group(logGroupName=group)
    account.client("ssm").put_parameter(Name=parameter, Value="mine", Type="String")
    answer = command("deploy", "--yes")
    account.client("logs").delete_log_group(logGroupName=group)
    account.client("ssm").delete_parameter(Name=parameter)
    assert_refused(
        answer,
        f"aws logs delete-log-group --log-group-name {group}",
        f"aws ssm delete-parameter --name {parameter}",
    )
    assert answer[1].count("which mlref-sandbox-") == 2


def test_bucket_and_secret_of_a_name_that_the_templates_want_stop_the_deployment(
    prepared: account.Account, command: Command, sandbox: Assembly, tmp_path: Path
) -> None:
    """Ours get their names from CloudFormation; a template that names one is told all the same."""
    bucket, secret = f"mlref-by-hand-{account.ACCOUNT}", "mlref-by-hand"
    app = named(sandbox, tmp_path / "cdk.out", bucket, secret)
    account.client("s3").create_bucket(Bucket=bucket)
    account.client("secretsmanager").create_secret(Name=secret, SecretString="any")
    account.client("secretsmanager").delete_secret(SecretId=secret)  # its name is held for thirty days
    answer = command("deploy", "--yes", app=app)
    assert_refused(answer, f"aws s3 rb s3://{bucket}", f"delete-secret --secret-id {secret} --force")


def named(assembly: Assembly, into: Path, bucket: str, secret: str) -> Path:
    """A copy whose first bucket and secret have names of their own."""
    shutil.copytree(assembly.directory, into)
    path = into / "Data.template.json"
    template = json.loads(path.read_text(encoding="utf-8"))
    first = {body["Type"]: body["Properties"] for body in reversed(template["Resources"].values())}
    joined = ["", [bucket.removesuffix(account.ACCOUNT), {"Ref": "AWS::AccountId"}]]
    first["AWS::S3::Bucket"]["BucketName"] = {"Fn::Join": joined}
    first["AWS::SecretsManager::Secret"]["Name"] = secret
    path.write_text(json.dumps(template), encoding="utf-8")
    return into
