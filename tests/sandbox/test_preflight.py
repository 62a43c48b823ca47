"""Whether the profile could be deployed is said before, with commands that mend it: each is run here.

Service Quotas is emulated from the dated figures of a new account (sandbox/gaps.py). What moto cannot answer
(expired credentials, a Region that is switched off, denials) is in tests/unit/test_preflight.py, with stubs.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployment.preflight.__main__ import FINE, PROBLEMS, main
from sandbox import account, deploy
from tests.conftest import Assembly

ROOT = Path(__file__).parents[2]
PREFIX = "mlref-sandbox"
BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
BLOCKED = {
    "Resources": {"Any": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "x"}}}
}


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[account.Account]:
    """A new account, and the environment that a person has who works on it."""
    with account.Account() as started:
        for name, value in deploy.environment().items():
            monkeypatch.setenv(name, value)
        yield started


@pytest.fixture
def prepared(running: account.Account) -> account.Account:
    """Bootstrapped, and with the quotas of the sandbox profile."""
    account.client("ssm").put_parameter(Name=BOOTSTRAP, Value="30", Type="String")
    grant_quotas()
    return running


def grant_quotas() -> None:
    for code in ("L-614B09FD", "L-8541302D", "L-236AE59F"):
        account.client("service-quotas").request_service_quota_increase(
            ServiceCode="sagemaker", QuotaCode=code, DesiredValue=3
        )


def looked(
    assembly: Assembly, capsys: pytest.CaptureFixture[str], profile: str = "sandbox"
) -> tuple[int, str]:
    capsys.readouterr()
    status = main(["--profile", profile, "--app", str(assembly.directory)])
    return status, capsys.readouterr().out


def rows(said: str) -> list[str]:
    beginnings = ("stops ", "later ", "may ", "unknown ")
    return [line for line in said.splitlines() if line.startswith(beginnings)]


def commands(said: str) -> list[str]:
    return [line.partition("fix: ")[2] for line in said.splitlines() if line.lstrip().startswith("fix: ")]


def run(command: str) -> None:
    """As a person would, in a shell beside the virtual environment and the pinned CLI of the CDK."""
    path = [str(Path(sys.executable).parent), str(ROOT / "node_modules" / ".bin"), os.environ["PATH"]]
    done = subprocess.run(
        shlex.split(command),
        cwd=ROOT,
        env={**os.environ, "PATH": os.pathsep.join(path)},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def mended(assembly: Assembly, capsys: pytest.CaptureFixture[str]) -> str:
    """What was said before every command was run, after which nothing is left to say."""
    status, said = looked(assembly, capsys)
    assert status == PROBLEMS, said
    assert len(commands(said)) == len(rows(said)), said
    for command in commands(said):
        run(command)
    status, after = looked(assembly, capsys)
    assert (status, rows(after)) == (FINE, []), after
    return said


@pytest.mark.journey
def test_new_account_lacks_bootstrap_and_quotas_and_the_commands_mend_both(
    running: account.Account, sandbox: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    said = mended(sandbox, capsys)
    assert f"account {account.ACCOUNT}, Region {account.REGION}, as arn:aws:" in said
    assert "[1/7] region" in said
    assert [row.split("  ")[0] for row in rows(said)] == ["stops", "stops", "later", "later"]
    assert f"cdk bootstrap aws://{account.ACCOUNT}/{account.REGION}" in commands(said)
    assert (
        "aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code L-614B09FD "
        f"--desired-value 3 --region {account.REGION}"
    ) in commands(said)
    assert "1 of which" not in said
    assert "2 of which the deployment fails, 2 of which a run fails later" in said


@pytest.mark.journey
def test_deployed_profile_has_nothing_in_its_own_way(
    running: account.Account, sandbox: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    grant_quotas()
    deploy.deploy(sandbox.directory)
    status, said = looked(sandbox, capsys)
    assert (status, rows(said)) == (FINE, []), said
    assert "nothing is in the way" in said


def test_old_bootstrap_is_named_with_both_versions(
    prepared: account.Account, sandbox: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    account.client("ssm").put_parameter(Name=BOOTSTRAP, Value="5", Type="String", Overwrite=True)
    status, said = looked(sandbox, capsys)
    assert status == PROBLEMS
    assert "got version 5, needed 6" in said
    assert commands(said) == [f"cdk bootstrap aws://{account.ACCOUNT}/{account.REGION}"]


def test_names_that_somebody_has_taken_are_given_free(
    prepared: account.Account, sandbox: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    """Made by hand, one by one, each of another service."""
    client = account.client
    client("ssm").put_parameter(Name=f"/{PREFIX}/champion", Value="mine", Type="String")
    client("logs").create_log_group(logGroupName=f"/aws/sagemaker/Endpoints/{PREFIX}-endpoint")
    client("logs").create_log_group(logGroupName=f"/aws/sagemaker/Endpoints/{PREFIX}-endpoint-of-mine")
    client("sagemaker").create_model_package_group(ModelPackageGroupName=f"{PREFIX}-models")
    client("glue").create_database(DatabaseInput={"Name": "mlref_sandbox"})
    client("athena").create_work_group(Name=PREFIX)
    client("scheduler").create_schedule_group(Name=f"{PREFIX}-schedules")
    client("cloudwatch").put_metric_alarm(
        AlarmName=f"{PREFIX} deploy: champion is slow",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        MetricName="any",
        Namespace="any",
        Period=60,
        Statistic="Sum",
        Threshold=1,
    )
    said = mended(sandbox, capsys)
    assert len(rows(said)) == 7
    assert all(row.startswith("stops  names") for row in rows(said))
    assert (
        "there is a AWS::SSM::Parameter of this name already, and no stack of mlref-sandbox made it" in said
    )
    left = client("logs").describe_log_groups(logGroupNamePrefix="/aws/sagemaker")["logGroups"]
    assert [group["logGroupName"][-8:] for group in left] == ["-of-mine"]


def test_lake_formation_that_closes_new_databases_is_mended_without_losing_its_settings(
    prepared: account.Account, sandbox: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = account.client("lakeformation")
    admin = {"DataLakePrincipalIdentifier": f"arn:aws:iam::{account.ACCOUNT}:role/steward"}
    lake.put_data_lake_settings(
        DataLakeSettings={
            "DataLakeAdmins": [admin],
            "CreateDatabaseDefaultPermissions": [],
            "CreateTableDefaultPermissions": [],
        }
    )
    said = mended(sandbox, capsys)
    assert "CreateDatabaseDefaultPermissions, CreateTableDefaultPermissions leave out IAM_ALLOWED" in said
    settings = lake.get_data_lake_settings()["DataLakeSettings"]
    assert settings["DataLakeAdmins"] == [admin]


def test_stack_whose_creation_failed_is_to_be_deleted(
    prepared: account.Account, sandbox: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    account.client("ssm").put_parameter(Name="taken", Value="x", Type="String")
    BLOCKED["Resources"]["Any"]["Properties"]["Name"] = "taken"  # type: ignore[index]
    account.client("cloudformation").create_stack(
        StackName=f"{PREFIX}-model", TemplateBody=json.dumps(BLOCKED)
    )
    said = mended(sandbox, capsys)
    assert rows(said)[0].startswith(f"stops  stacks  {PREFIX}-model  ROLLBACK_COMPLETE: ")


def test_what_others_use_of_a_quota_counts(
    prepared: account.Account, sandbox: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the account's default VPC, four more make five, which is all a new account may have."""
    for number in range(4):
        account.client("ec2").create_vpc(CidrBlock=f"10.{number}.0.0/16")
    said = mended(sandbox, capsys)
    assert [row.split("  ")[2] for row in rows(said)] == ["VPCs per Region"]
    assert "got 5, 5 of it in use, needed 1" in said
    assert commands(said)[0].endswith("--quota-code L-F678F1CE --desired-value 6 --region us-east-1")


def test_production_asks_for_the_service_linked_role_of_its_scaling(
    prepared: account.Account, production: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    _, said = looked(production, capsys, "production")
    name = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    [row] = [row for row in rows(said) if name in row]
    assert row.startswith("may")
    [command] = [each for each in commands(said) if "create-service-linked-role" in each]
    assert command.endswith("--aws-service-name sagemaker.application-autoscaling.amazonaws.com")
    account.client("iam").create_service_linked_role(AWSServiceName=command.rpartition(" ")[2])
    _, said = looked(production, capsys, "production")
    assert name not in said


def test_prefix_list_of_the_table_that_is_not_the_regions_is_told_with_the_right_row(
    prepared: account.Account, sandbox: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    from sandbox.engines.backends import backend

    [s3] = [
        each
        for each in backend("ec2").managed_prefix_lists.values()
        if each.prefix_list_name == "com.amazonaws.us-east-1.s3"
    ]
    s3.id = "pl-11111111"
    status, said = looked(sandbox, capsys)
    assert status == PROBLEMS
    assert '"us-east-1": {"s3": "pl-11111111", "dynamodb": "pl-02cd2c6b"},' in said
