"""The pipeline's stack in the embedded account: what is made, what its builds may do there, what is left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from audit.templates import Templates
from deployment import deployed
from deployment.__main__ import main
from rehearsal import quotas, shortcut
from sandbox import account, deploy
from sandbox.engines.backends import backend
from sandbox.iam import sessions
from tests.conftest import Assembly
from tests.infrastructure.test_pipeline import switched_on

CORE = ["Base", "Data", "Model", "Operations"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembly]:
    """Deployed with everything that it stands on."""
    assembly = switched_on(tmp_path_factory.mktemp("pipeline"), "sandbox", is_checked=False)
    with account.Account():
        deploy.deploy(assembly.directory)
        quotas.granted(assembly.directory)
        yield assembly


def role_of(build: str) -> str:
    [project] = account.client("codebuild").batch_get_projects(names=[f"mlref-sandbox-cd-{build}"])[
        "projects"
    ]
    return str(project["serviceRole"])


def credentials(role_arn: str) -> Any:
    """As CodeBuild gives them to a build."""
    given = backend("sts").assume_role(account.REGION, "AWSCodeBuild", role_arn, None, 3_600, None)
    sessions.remember(
        given.access_key_id,
        sessions.Session(
            principal=sessions.role_session(role_arn, "AWSCodeBuild"),
            name="AWSCodeBuild",
            token=given.session_token,
            network=None,
            service="",
            runs_code=True,
            source_arn="",
        ),
    )
    return given


def as_build(build: str, service: str) -> Any:
    given = credentials(role_of(build))
    return boto3.client(
        service,
        endpoint_url=account.endpoint(),
        region_name=account.REGION,
        aws_access_key_id=given.access_key_id,
        aws_secret_access_key=given.secret_access_key,
        aws_session_token=given.session_token,
    )


@pytest.fixture
def in_deployment(whole: Assembly, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the build that deploys the sandbox."""
    given = credentials(role_of("deploy-sandbox"))
    for name, value in deploy.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", given.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", given.secret_access_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", given.session_token)


def bootstrap_role(word: str) -> str:
    return f"arn:aws:iam::{account.ACCOUNT}:role/cdk-hnb659fds-{word}-role-{account.ACCOUNT}-{account.REGION}"


def test_pipeline_and_projects_are_as_the_template_says(whole: Assembly) -> None:
    pipeline = account.client("codepipeline").get_pipeline(name="mlref-sandbox-cd")["pipeline"]
    [wanted] = [
        each["Properties"]
        for each in whole.templates["Pipeline"]["Resources"].values()
        if each["Type"] == "AWS::CodePipeline::Pipeline"
    ]
    assert [stage["name"] for stage in pipeline["stages"]] == [stage["Name"] for stage in wanted["Stages"]]
    assert (pipeline["pipelineType"], pipeline["executionMode"]) == ("V2", "SUPERSEDED")
    approval = pipeline["stages"][-1]["actions"][0]
    topic = approval["configuration"]["NotificationArn"]
    assert topic in [each["TopicArn"] for each in account.client("sns").list_topics()["Topics"]]
    projects = {
        action["configuration"]["ProjectName"]
        for stage in pipeline["stages"]
        for action in stage["actions"]
        if "ProjectName" in action["configuration"]
    }
    assert projects == set(account.client("codebuild").list_projects()["projects"])


@pytest.mark.parametrize("word", ["lookup", "file-publishing", "deploy"])
def test_a_deployment_takes_on_the_roles_that_it_needs(whole: Assembly, word: str) -> None:
    for build in ("deploy-sandbox", "deploy-production"):
        session = as_build(build, "sts").assume_role(RoleArn=bootstrap_role(word), RoleSessionName="cdk")
        assert f"cdk-hnb659fds-{word}-role" in session["AssumedRoleUser"]["Arn"]


@pytest.mark.parametrize(
    ("build", "service", "operation", "parameters"),
    [
        pytest.param("deploy-sandbox", "s3", "list_buckets", {}, id="look at buckets"),
        pytest.param("deploy-sandbox", "cloudformation", "describe_stacks", {}, id="look at stacks"),
        pytest.param("deploy-production", "iam", "list_roles", {}, id="look at roles"),
        pytest.param(
            "deploy-production",
            "sts",
            "assume_role",
            {"RoleArn": bootstrap_role("cfn-exec"), "RoleSessionName": "any"},
            id="be CloudFormation",
        ),
        pytest.param(
            "review",
            "sts",
            "assume_role",
            {"RoleArn": bootstrap_role("deploy"), "RoleSessionName": "any"},
            id="deploy from a review",
        ),
        pytest.param(
            "test",
            "sts",
            "assume_role",
            {"RoleArn": bootstrap_role("lookup"), "RoleSessionName": "any"},
            id="look about from a test",
        ),
        pytest.param(
            "test",
            "codepipeline",
            "put_approval_result",
            {
                "pipelineName": "mlref-sandbox-cd",
                "stageName": "Production",
                "actionName": "Approval",
                "result": {"summary": "", "status": "Approved"},
                "token": "00000000-0000-4000-8000-000000000000",
            },
            id="approve",
        ),
    ],
)
def test_builds_may_do_nothing_else(
    whole: Assembly, build: str, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(as_build(build, service), operation)(**parameters)
    assert "AccessDenied" in json.dumps(refused.value.response["Error"])


@pytest.mark.usefixtures("in_deployment")
def test_a_delivery_wants_what_was_synthesised_before(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "--profile", "sandbox", "--delivery"], lambda _: None, shortcut.make) == 2
    assert "a delivery deploys what was synthesised before" in capsys.readouterr().err


@pytest.mark.usefixtures("in_deployment")
def test_what_is_deployed_is_read_back_as_a_base_for_the_review(whole: Assembly, tmp_path: Path) -> None:
    into = tmp_path / "deployed"
    into.mkdir()
    (into / "Old.template.json").write_text("{}")
    options = ["--profile", "sandbox", "--output", str(into), "--delivery"]
    assert deployed.main([str(whole.directory), *options]) == 0
    found = Templates.read(into)
    assert found.stacks == CORE
    assert {name: document for name, (_, document) in found.documents.items()} == {
        name: dict(whole.templates[name]) for name in CORE
    }


@pytest.mark.usefixtures("in_deployment")
def test_a_profile_that_is_not_deployed_has_no_base(
    whole: Assembly, tmp_path: Path, production: Assembly, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--profile", "production", "--output", str(tmp_path / "deployed"), "--delivery"]
    assert deployed.main([str(production.directory), *options]) == 2
    assert "its first deployment is a person's: make deploy PROFILE=production" in capsys.readouterr().err
    assert not (tmp_path / "deployed").exists()


CHANGED = "Changed by a merge"


def changed(assembly: Assembly, folder: Path) -> Path:
    """The same with another description of a rule, and so with another hash of its template."""
    shutil.copytree(assembly.directory, folder)
    path = folder / "Operations.template.json"
    template = json.loads(path.read_text(encoding="utf-8"))
    rule = next(each for each in template["Resources"].values() if each["Type"] == "AWS::Events::Rule")
    rule["Properties"]["Description"] = CHANGED
    path.write_text(json.dumps(template), encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]["Operations"]
    url = manifest["properties"]["stackTemplateAssetObjectUrl"]
    old = url.rpartition("/")[2].removesuffix(".json")
    for name in ("manifest.json", "Operations.assets.json"):
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace(old, "f" * 64), encoding="utf-8")
    return folder


@pytest.mark.usefixtures("in_deployment")
def test_a_delivery_deploys_with_the_bootstraps_roles_and_leaves_itself_alone(
    whole: Assembly, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the CDK's own CLI, which takes on the roles that deploy."""
    app = changed(whole, tmp_path / "cdk.out")
    options = ["--profile", "sandbox", "--app", str(app), "--account", account.ACCOUNT]
    assert main(["deploy", *options, "--delivery"], lambda _: None) == 0
    rules = account.client("events").list_rules()["Rules"]
    assert CHANGED in [rule.get("Description") for rule in rules]
    said = capsys.readouterr().out
    assert f"looks about as {bootstrap_role('lookup')}" in said
    assert "left to a person: mlref-sandbox-pipeline" in said
    assert "all 4 stacks are as the templates say" in said
    assert "deploy mlref-sandbox-pipeline" not in said
    # Without the word for it, the role sees nothing.
    assert main(["deploy", *options], lambda _: None, shortcut.make) == 2


def test_destroyed_it_leaves_nothing_but_a_key_that_waits(
    whole: Assembly, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last of this file: the others need what it takes away."""
    for name, value in deploy.environment().items():
        monkeypatch.setenv(name, value)
    [store] = [
        each["Name"]
        for each in account.client("s3").list_buckets()["Buckets"]
        if each["Name"].startswith("mlref-sandbox-pipeline-")
    ]
    backend("s3").put_object(store, "mlref-sandbox-cd/Source/abc", b"zip")
    options = ["--profile", "sandbox", "--app", str(whole.directory), "--only", "pipeline", "--yes"]
    assert main(["destroy", *options], lambda _: None, shortcut.make) == 0
    said = capsys.readouterr().out
    assert "1 pipeline, with the history of its executions" in said
    assert "mlref-sandbox-pipeline is gone" in said
    assert account.client("codepipeline").list_pipelines()["pipelines"] == []
    assert account.client("codebuild").list_projects()["projects"] == []
    assert store not in [each["Name"] for each in account.client("s3").list_buckets()["Buckets"]]
    groups = account.client("logs").describe_log_groups(logGroupNamePrefix="/aws/codebuild/")["logGroups"]
    assert groups == []
    roles = [each["RoleName"] for each in account.client("iam").list_roles()["Roles"]]
    assert [name for name in roles if name.startswith("mlref-sandbox-pipeline-")] == []
