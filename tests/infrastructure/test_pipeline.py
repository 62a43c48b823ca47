"""Pipeline: off until settings switch it on; then the workflows' steps, in order, with no right more."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import app as project
import contracts
from audit import evidence, ledger, quotas
from audit.bill import invoice, prices
from audit.bill.invoice import Bill, by_group
from audit.bill.usage import Usage
from audit.templates import Templates
from settings import PROFILES, PipelineSettings, settings_for
from stacks.modules.pipeline.steps import STEPS
from tests.architecture.test_workflows import read, text_of
from tests.conftest import CONTEXT, Assembly, read_assembly
from tests.policies import identity_statements, text, trust_statements
from tests.security.test_nag import findings

CONNECTION = "arn:aws:codeconnections:us-east-1:123456789012:connection/0b1c2d3e-0000-4000-8000-000000000000"
ROLE = "arn:aws:iam::<AccountId>:role/cdk-hnb659fds-{}-role-<AccountId>-<Region>"
DEPLOYING = {ROLE.format(word) for word in ("lookup", "file-publishing", "deploy")}
MAKE = re.compile(r"\bmake (\w+)")


def any_pipeline(**changes: Any) -> PipelineSettings:
    return PipelineSettings(**{"connection_arn": CONNECTION, "repository": "octo/loop"} | changes)


def switched_on(folder: Path, profile: str, *, is_checked: bool = True, **changes: Any) -> Assembly:
    """The whole app with the module, by the packs and with what the ledger accepts."""
    settings = dataclasses.replace(settings_for(profile), pipeline=any_pipeline(**changes))
    app = project.start(outdir=str(folder), context=CONTEXT)
    project.build(app, settings, contracts.load("flights"))
    if is_checked:
        project.check(app, profile)
    app.synth()
    return read_assembly(folder)


@pytest.fixture(scope="module", params=PROFILES)
def profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def whole(profile: str, tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return switched_on(tmp_path_factory.mktemp(f"pipeline-{profile}"), profile)


@pytest.fixture
def module(whole: Assembly) -> Assembly:
    return dataclasses.replace(whole, templates={"Pipeline": whole.templates["Pipeline"]})


def pipeline(module: Assembly) -> dict[str, Any]:
    [found] = module.resources("AWS::CodePipeline::Pipeline").values()
    return found


def actions(module: Assembly) -> Iterator[tuple[str, dict[str, Any]]]:
    for stage in pipeline(module)["Stages"]:
        for action in stage["Actions"]:
            yield stage["Name"], action


def commands(module: Assembly) -> dict[str, list[str]]:
    """What each project runs, by the end of its name."""
    found = {}
    for each in module.resources("AWS::CodeBuild::Project").values():
        spec = json.loads(each["Source"]["BuildSpec"])
        assert set(spec["phases"]) == {"install", "build"}
        assert set(spec["phases"]["install"]) == {"runtime-versions"}
        found[each["Name"].partition("-cd-")[2]] = spec["phases"]["build"]["commands"]
    return found


# -- off and on


def test_it_is_off_by_default(assembly: Assembly) -> None:
    assert all(settings.pipeline is None for settings in PROFILES.values())
    assert "Pipeline" not in assembly.templates


def test_switched_on_it_is_one_more_stack_and_changes_no_resource_of_another(
    whole: Assembly, profile: str, request: pytest.FixtureRequest
) -> None:
    def resources(given: Assembly) -> dict[str, Any]:
        return {name: each["Resources"] for name, each in given.templates.items() if name != "Pipeline"}

    without: Assembly = request.getfixturevalue(profile)
    assert set(whole.templates) == {*without.templates, "Pipeline"}
    assert resources(whole) == resources(without)


# -- the same as the workflows


def jobs() -> dict[str, dict[str, Any]]:
    return {
        f"{name}/{job}": body
        for name in ("checks", "review", "deliver")
        for job, body in read(text_of(name))["jobs"].items()
    }


def made(job: dict[str, Any]) -> list[str]:
    """What a job makes of the repository; `setup` alone prepares."""
    said = [" ".join(step.get("run", "").split()) for step in job.get("steps", [])]
    return [command for command in said if MAKE.search(command) and command != "make setup"]


def step_jobs() -> dict[str, Any]:
    """Job of the workflows -> its step, in the list's order; of a deployment one for each profile."""
    return {
        step.job.replace("<profile>", profile): step
        for step in STEPS
        for profile in (PROFILES if "<profile>" in step.job else ("",))
    }


def test_workflows_make_what_the_list_says_and_nothing_else() -> None:
    found = {name: made(job) for name, job in jobs().items() if made(job)}
    assert found == {name: [step.command] for name, step in step_jobs().items()}


def test_workflows_take_as_long_and_go_through_the_same_profiles() -> None:
    for name, step in step_jobs().items():
        job = jobs()[name]
        assert job["timeout-minutes"] == step.minutes, name
        matrix = job.get("strategy", {}).get("matrix", {}).get("profile", [])
        # A change has one base, so its review is of the cheaper profile there.
        expected = (
            set(PROFILES) if step.by_profile and name.split("/")[1] in ("audit", "synthesise") else set()
        )
        assert set(matrix) == expected, name


def test_workflows_wait_for_what_the_list_has_before() -> None:
    order = list(step_jobs())
    waits = {"checks": {"checks/lint", "checks/test", "checks/audit"}}
    found = 0
    for place, name in enumerate(order):
        file = name.partition("/")[0]
        needs = jobs()[name].get("needs", [])
        for need in [needs] if isinstance(needs, str) else needs:
            for before in waits.get(need, {f"{file}/{need}"}):
                assert order.index(before) < place, (before, name)
                found += 1
    assert found == 5


def test_stages_are_the_list_in_its_order(module: Assembly) -> None:
    stages = [stage["Name"] for stage in pipeline(module)["Stages"]]
    listed = [step.name.capitalize() for step in STEPS if step.name != "deploy"]
    assert stages == ["Source", *listed, "Sandbox", "Production"]
    by_stage: dict[str, set[str]] = {}
    for stage, action in actions(module):
        if name := action["Configuration"].get("ProjectName", ""):
            by_stage.setdefault(stage, set()).add(name.partition("-cd-")[2])
    deployments = {"Sandbox": {"deploy-sandbox"}, "Production": {"deploy-production"}}
    assert by_stage == {name.capitalize(): {name} for name in map(str.lower, listed)} | deployments


def test_builds_run_the_commands_of_the_list(module: Assembly) -> None:
    told = commands(module)
    for step in STEPS:
        for name in [step.name] if step.name != "deploy" else ["deploy-sandbox", "deploy-production"]:
            rest = [each for each in told.pop(name) if not each.startswith("export ASSEMBLY=")]
            assert rest == [each for each in (step.before, step.command) if each]
    assert told == {}


def test_builds_call_targets_that_exist_and_nothing_else(module: Assembly) -> None:
    makefile = (Path(project.__file__).parent / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    said = [command for each in commands(module).values() for command in each]
    called = {MAKE.match(command)[1] for command in said if MAKE.match(command)}  # type: ignore[index]
    assert called == {"lint", "test", "audit", "deployed", "review", "synth", "deploy"} <= targets
    others = [command for command in said if not re.fullmatch(r'make \w+( \w+=("\$\w+"|\d))*', command)]
    assert others == [f'export ASSEMBLY="$CODEBUILD_SRC_DIR_Assembly{number}/cdk.out"' for number in (1, 2)]


def test_actions_say_which_profile_and_hand_on_what_the_list_keeps(module: Assembly) -> None:
    kept = {"audit": "Audit", "review": "Review", "synthesise": "Assembly"}
    for step in STEPS:
        if not step.keeps:
            continue
        found = [action for stage, action in actions(module) if stage == step.name.capitalize()]
        said = [json.loads(action["Configuration"]["EnvironmentVariables"])[0] for action in found]
        assert [(each["name"], each["value"]) for each in said] == [
            ("PROFILE", "sandbox"),
            ("PROFILE", "production"),
        ]
        outputs = [each["Name"] for action in found for each in action["OutputArtifacts"]]
        assert outputs == [f"{kept[step.name]}{number}" for number in (1, 2)]
    names = {each["Name"] for _, action in actions(module) for each in action.get("OutputArtifacts", [])}
    assert max(map(len, names)) <= 10  # where CodePipeline cuts them, and the roles' policies would miss
    assert len(pipeline(module)["Name"]) <= 20


# -- who says yes


def test_production_waits_for_a_person_in_its_own_stage(module: Assembly) -> None:
    by_stage: dict[str, list[dict[str, Any]]] = {}
    for stage, action in actions(module):
        by_stage.setdefault(stage, []).append(action)
    approval, deployment = by_stage["Production"]
    assert approval["ActionTypeId"]["Category"] == "Approval"
    assert approval["RunOrder"] < deployment["RunOrder"]
    assert deployment["Configuration"]["ProjectName"].endswith("-deploy-production")
    assert [action["ActionTypeId"]["Category"] for action in by_stage["Sandbox"]] == ["Build"]
    assert pipeline(module)["ExecutionMode"] == "SUPERSEDED"
    assert approval["TimeoutInMinutes"] == 72 * 60


def test_what_keeps_its_data_waits_for_a_person_wherever_it_stands(tmp_path: Path) -> None:
    """Also where it is the only one, from a pipeline of another profile."""
    module = switched_on(tmp_path, "sandbox", is_checked=False, profiles=("production",))
    last = pipeline(module)["Stages"][-1]
    assert last["Name"] == "Production"
    assert [action["ActionTypeId"]["Category"] for action in last["Actions"]] == ["Approval", "Build"]
    assert [action["RunOrder"] for action in last["Actions"]] == [1, 2]


def test_a_profile_whose_name_codepipeline_would_cut_is_refused(tmp_path: Path) -> None:
    settings = dataclasses.replace(settings_for("sandbox"), profile="pre-production", pipeline=any_pipeline())
    app = project.start(outdir=str(tmp_path), context=CONTEXT)
    with pytest.raises(
        ValueError, match="may have 20 characters, got 'mlref-pre-production-cd': switch it on"
    ):
        project.build(app, settings, contracts.load("flights"))


def test_it_starts_from_a_connection_and_keeps_no_token(module: Assembly) -> None:
    [source] = [action for stage, action in actions(module) if stage == "Source"]
    assert source["ActionTypeId"]["Provider"] == "CodeStarSourceConnection"
    assert source["Configuration"] == {
        "ConnectionArn": CONNECTION,
        "FullRepositoryId": "octo/loop",
        "BranchName": "main",
        "OutputArtifactFormat": "CODE_ZIP",
        "DetectChanges": "true",
    }
    assert not re.search(r"token|secret|password", json.dumps(pipeline(module)), re.IGNORECASE)


# -- what they may


def build_of(statement: Any) -> str:
    return str(statement.holder.path).split("/")[1]


def test_roles_take_on_the_bootstraps_roles_and_no_others(module: Assembly) -> None:
    found: dict[str, set[str]] = {}
    for statement in identity_statements(module):
        if any(action.startswith("sts:") for action in statement.actions):
            assert statement.actions == ["sts:AssumeRole"]
            found.setdefault(build_of(statement), set()).update(text(arn) for arn in statement.resources)
    assert found == {
        "DeploySandbox": DEPLOYING,
        "DeployProduction": DEPLOYING,
        "Review": {ROLE.format("lookup")},
    }


ALLOWED = {
    "codebuild:BatchGetBuilds",
    "codebuild:StartBuild",
    "codeconnections:UseConnection",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "s3:GetBucketAcl",
    "s3:GetBucketLocation",
    "s3:GetBucketVersioning",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:PutObject",
    "sns:Publish",
    "sts:AssumeRole",
}


def test_roles_reach_the_pipelines_own_things_and_nothing_else(module: Assembly) -> None:
    actions_of, ceiling = set(), set()
    for statement in identity_statements(module, with_boundary=True):
        is_boundary = "Boundary" in statement.holder.path
        (ceiling if is_boundary else actions_of).update(statement.actions)
        if is_boundary:
            continue
        for resource in map(text, statement.resources):
            assert resource != "*"
            if statement.actions[0].startswith("s3:"):
                assert "Artefacts" in resource
            if statement.actions[0].startswith("logs:"):
                assert ":log-group:/aws/codebuild/" in resource
    assert actions_of == ALLOWED
    assert ceiling == ALLOWED | {"codestar-connections:UseConnection"}


def test_what_is_deployed_is_written_by_the_synthesis_and_read_by_its_deployment(module: Assembly) -> None:
    found: dict[str, set[str]] = {}
    for statement in identity_statements(module):
        for resource in map(text, statement.resources):
            if artefact := re.search(r"/(Assembly\d)/", resource):
                for action in statement.actions:
                    found.setdefault(f"{artefact[1]} {action}", set()).add(build_of(statement))
    assert found == {
        "Assembly1 s3:PutObject": {"Synthesise"},
        "Assembly2 s3:PutObject": {"Synthesise"},
        "Assembly1 s3:GetObject": {"DeploySandbox"},
        "Assembly1 s3:GetObjectVersion": {"DeploySandbox"},
        "Assembly2 s3:GetObject": {"DeployProduction"},
        "Assembly2 s3:GetObjectVersion": {"DeployProduction"},
    }


def test_each_project_has_a_role_that_no_other_project_has(module: Assembly) -> None:
    projects = module.resources("AWS::CodeBuild::Project").values()
    assert {each["ServiceRole"]["Fn::GetAtt"][1] for each in projects} == {"Arn"}  # Ref would lose the path
    roles = [json.dumps(each["ServiceRole"]) for each in projects]
    assert len(set(roles)) == len(roles) == 7
    names = {f"arn:aws:codebuild:<Region>:<AccountId>:project/{each['Name']}" for each in projects}
    trusted = [each for each in trust_statements(module) if "codebuild" in text(each.raw["Principal"])]
    assert {text(each.conditions["ArnLike"]["aws:SourceArn"]) for each in trusted} == names
    assert all("StringEquals" in each.conditions for each in trust_statements(module))


# -- how they are kept


def test_projects_are_private_pinned_timed_and_keyed(module: Assembly) -> None:
    minutes = {step.name: step.minutes for step in STEPS}
    for each in module.resources("AWS::CodeBuild::Project").values():
        environment = each["Environment"]
        assert environment["PrivilegedMode"] is False
        assert re.fullmatch(r"aws/codebuild/standard:7\.0-\d\d\.\d\d\.\d\d", environment["Image"])
        assert "VpcConfig" not in each
        assert each["Source"]["Type"] == each["Artifacts"]["Type"] == "CODEPIPELINE"
        assert "Key" in json.dumps(each["EncryptionKey"])
        assert each["TimeoutInMinutes"] == minutes[each["Name"].partition("-cd-")[2].split("-")[0]]
        assert each["LogsConfig"]["CloudWatchLogs"]["Status"] == "ENABLED"
        assert each["Cache"] == {"Type": "NO_CACHE"}
    single = [e for e in module.resources("AWS::CodeBuild::Project").values() if "ConcurrentBuildLimit" in e]
    assert sorted(each["Name"].partition("-cd-")[2] for each in single) == [
        "deploy-production",
        "deploy-sandbox",
    ]


def test_artefacts_are_kept_under_a_key_for_a_while_and_written_by_the_pipeline_alone(
    module: Assembly, profile: str
) -> None:
    assert pipeline(module)["ArtifactStore"]["EncryptionKey"]["Type"] == "KMS"
    [bucket] = module.resources("AWS::S3::Bucket").values()
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["expire"]["ExpirationInDays"] == 30
    assert "DestinationBucketName" in bucket["LoggingConfiguration"]
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    [policy] = module.resources("AWS::S3::BucketPolicy").values()
    said = {each.get("Sid", ""): each for each in policy["PolicyDocument"]["Statement"]}
    writers = text(said["DenyOtherWriters"]["Condition"]["ArnNotLike"]["aws:PrincipalArn"])
    assert writers.endswith(f":iam::<AWS::AccountId>:role/mlref-{profile}/pipeline/*")
    for role in module.resources("AWS::IAM::Role").values():
        assert role["Path"] == f"/mlref-{profile}/pipeline/"


def test_how_it_ended_is_told_where_alarms_are(module: Assembly, profile: str) -> None:
    [rule] = module.resources("AWS::Events::Rule").values()
    detail = rule["EventPattern"]["detail"]
    assert detail == {"pipeline": [f"mlref-{profile}-cd"], "state": ["FAILED", "STOPPED", "SUCCEEDED"]}
    [target] = rule["Targets"]
    approvals = [a["Configuration"] for _, a in actions(module) if "NotificationArn" in a["Configuration"]]
    assert [target["Arn"]] == [each["NotificationArn"] for each in approvals]
    assert "Alerts" in json.dumps(target["Arn"])
    assert target["DeadLetterConfig"]


# -- judged


def test_the_packs_find_nothing_that_the_ledger_does_not_accept(whole: Assembly) -> None:
    assert findings(whole) == []
    answered = {
        (one["rule"].removeprefix(f"{one['pack']}-").partition("[")[0], one["path"].removesuffix("/Resource"))
        for one in findings(whole, "suppressedViolations")
        if one["path"].startswith("Pipeline/")
    }
    rows = [row for row in ledger.read(project.LEDGER, "sandbox") if row.module == "Pipeline"]
    listed = {(rule, path) for row in rows for rule, _, path in row.keys if not set("-_") & set(rule)}
    assert answered == listed


def test_the_audit_finds_nothing_open_and_no_row_that_answers_nothing(whole: Assembly, profile: str) -> None:
    rows = ledger.read(project.LEDGER, profile)
    known = evidence.Known(rows=rows, calls=None, explanations=[], engines=Path("/nowhere"))
    found = evidence.gather(whole.directory, known, min(row.review_by for row in rows) - ledger.LONGEST / 2)
    assert [str(each) for each in found.verdict.open] == []
    assert "Pipeline" in Templates.read(whole.directory).stacks


def test_the_bill_knows_all_of_it(whole: Assembly, profile: str, request: pytest.FixtureRequest) -> None:
    def bill(given: Assembly) -> Bill:
        return invoice.make(Templates.read(given.directory), Usage(), prices.read())

    without: Assembly = request.getfixturevalue(profile)
    found, before = bill(whole), bill(without)
    assert found.unknown == []
    assert found.idle - before.idle == pytest.approx(1.0)  # the key
    # 8 deliveries: 10 builds of 10 minutes, by machine and by action; the source's minute.
    delivered = 8 * (10 * 10 * (0.02 + 0.002) + 1 * 0.002)
    assert by_group(found.use)["deliveries"] == pytest.approx(delivered)


def test_what_a_new_account_may_lack_is_asked_for(whole: Assembly) -> None:
    [need] = [each for each in quotas.needs(Templates.read(whole.directory)) if each.service == "codebuild"]
    assert (need.name, need.first, need.amount) == (
        "Concurrently running builds for Linux/Large environment",
        0,
        1,
    )
    assert need.key in quotas.table()


def test_rows_for_the_module_do_not_count_without_it() -> None:
    rows = ledger.read(project.LEDGER, "sandbox")
    ours = [row for row in rows if row.module == "Pipeline"]
    assert ours
    assert not [row for row in ledger.about(rows, ["Base", "Data"]) if row.module]
    assert {row.module for row in ledger.about(rows, ["Base", "Pipeline"])} == {"", "Pipeline"}
    assert min(row.review_by for row in ours) > date(2026, 12, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("connection_arn", "ghp_0123456789", id="a token"),
        pytest.param("connection_arn", "arn:aws:iam::123456789012:role/any", id="another resource"),
        pytest.param("repository", "octo", id="no repository"),
        pytest.param("branch", "main; rm -rf /", id="more than a branch"),
        pytest.param("image", "aws/codebuild/standard:7.0", id="an image that moves"),
        pytest.param("image", "python:3.11", id="an image of somebody"),
        pytest.param("qualifier", "*", id="any bootstrap"),
        pytest.param("compute_type", "BUILD_GENERAL1_SMALL", id="too small"),
        pytest.param("approval_hours", 0, id="no time to approve"),
        pytest.param("approval_hours", 720, id="longer than what is to be approved is kept"),
        pytest.param("profiles", (), id="nothing to deploy"),
        pytest.param("profiles", ("sandbox", "sandbox"), id="twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"PipelineSettings\.{field} (must|is) "):
        any_pipeline(**{field: value})
