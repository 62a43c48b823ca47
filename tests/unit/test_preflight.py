"""What the preflight decides without the embedded account: credentials, denials, quotas, the table it prints.

What moto cannot answer is answered by stubs here: expired credentials, a Region that is switched off, a
caller who may not ask. The shapes and codes are AWS's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError
from botocore.stub import Stubber

from audit.quotas import Need
from audit.templates import InputError, Templates
from deployment import errors, place
from deployment.names import Names
from deployment.place import Place
from deployment.preflight import __main__ as command
from deployment.preflight import asked, limits, look, surroundings, taken
from deployment.preflight.__main__ import BLIND, FINE, PROBLEMS
from deployment.preflight.asked import Asked
from deployment.preflight.findings import Problem, Severity, summary, told, worst_first
from deployment.preflight.limits import Limit, Limits, judged

ARN = "arn:aws:sts::123456789012:assumed-role/admin/ada"
NAMES = Names(profile="sandbox")
TOPIC = {"Resources": {"Any": {"Type": "AWS::SNS::Topic"}}}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """An account of moto's as it comes."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with moto.mock_aws():
        session = boto3.Session(region_name="eu-west-1")
        yield Place(account="123456789012", region="eu-west-1", caller=ARN, session=session)


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    """One topic, deployable anywhere."""
    stack = {"type": "aws:cloudformation:stack", "properties": {"stackName": "mlref-sandbox-any"}}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"Any": stack}}))
    (tmp_path / "Any.template.json").write_text(json.dumps(TOPIC))
    return tmp_path


def failing(code: str, operation: str = "GetCallerIdentity") -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise ClientError({"Error": {"Code": code, "Message": "in its words"}}, operation)

    return fail


def any_asked(**resources: Any) -> Asked:
    return Asked(templates=Templates({"Any": (Path("Any.template.json"), {"Resources": resources})}))


def any_need(**values: Any) -> Need:
    given = {"service": "sagemaker", "name": "any", "first": 1, "amount": 3, "ceiling": 6, "why": "because"}
    return Need(**given | values)


def any_limit(value: float, **values: Any) -> Limit:
    return Limit(**{"code": "L-00000001", "value": value, "region": "eu-west-1"} | values)


def run(assembly: Path, *more: str) -> int:
    return command.main(["--profile", "sandbox", "--app", str(assembly), *more])


# credentials, account, Region


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ExpiredToken", "the AWS credentials have expired"),
        ("InvalidClientTokenId", "AWS does not know these credentials"),
        ("AccessDenied", "the caller may not do that"),
    ],
)
def test_credentials_that_do_not_work_cannot_check(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    assembly: Path,
    site: Place,
    code: str,
    said: str,
) -> None:
    """Not even in us-east-1, which tells them from a Region that is switched off."""
    monkeypatch.setattr(place, "here", failing(code))
    monkeypatch.setattr(boto3.Session, "client", failing(code))
    assert run(assembly) == BLIND
    assert f"cannot check: {said}" in capsys.readouterr().err


def test_region_that_is_switched_off_comes_with_the_command_that_switches_it_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], assembly: Path, site: Place
) -> None:
    monkeypatch.setattr(place, "here", failing("InvalidClientTokenId"))
    assert run(assembly, "--region", "eu-south-1") == PROBLEMS
    said = capsys.readouterr().out
    assert "account 123456789012 has not switched this Region on" in said
    assert "fix: aws account enable-region --region-name eu-south-1" in said


def test_without_credentials_a_new_account_stands_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], assembly: Path
) -> None:
    def nobody(_: str) -> Place:
        raise NoCredentialsError()

    monkeypatch.setattr(place, "here", nobody)
    assert run(assembly, "--region", "eu-west-1") == FINE
    said = capsys.readouterr().out
    assert "without an account (Unable to locate credentials)" in said
    assert "1 resources and what they need: nothing is in the way" in said


def test_no_region_with_credentials_is_no_reason_to_guess(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], assembly: Path, site: Place
) -> None:
    def nowhere(_: str) -> Place:
        raise NoRegionError()

    monkeypatch.setattr(place, "here", nowhere)
    assert run(assembly) == BLIND
    assert "there is no Region; fix: export AWS_REGION" in capsys.readouterr().err


def test_wrong_account_is_refused_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], assembly: Path, site: Place
) -> None:
    monkeypatch.setattr(place, "here", lambda _: site)
    assert run(assembly, "--account", "210987654321") == PROBLEMS
    said = capsys.readouterr().out
    assert "lead to account 123456789012 as arn:aws:sts" in said
    assert "expected 210987654321" in said
    assert "[1/" not in said


def test_check_that_the_caller_may_not_make_leaves_the_others(site: Place) -> None:
    checks = {"roles": failing("AccessDenied", "ListRoles"), "names": lambda: [any_problem()]}
    found = look._run(checks, lambda _: None)
    assert [(each.area, each.severity) for each in found] == [
        ("roles", Severity.UNKNOWN),
        ("any", Severity.STOPS),
    ]
    assert found[0].got == "AccessDenied: in its words; allow the caller ListRoles, or look by hand"


def test_credentials_that_expire_meanwhile_end_it() -> None:
    with pytest.raises(ClientError, match="ExpiredToken"):
        look._run({"roles": failing("ExpiredToken")}, lambda _: None)


# the assembly


def test_region_that_synthesis_refuses_is_looked_at_with_templates_for_any(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, site: Place
) -> None:
    asked_for: list[str] = []

    def synthesised(*_: Any, region: str = "") -> Path:
        asked_for.append(region)
        if region:
            raise errors.RefusedError("cannot be deployed to")
        return tmp_path

    monkeypatch.setattr(command.cli, "synthesised", synthesised)
    assert command._synthesised(site, "sandbox", tmp_path, "") == tmp_path
    assert asked_for == ["eu-west-1", ""]


def test_assembly_of_another_profile_is_refused(
    capsys: pytest.CaptureFixture[str], assembly: Path, monkeypatch: pytest.MonkeyPatch, site: Place
) -> None:
    monkeypatch.setattr(place, "here", lambda _: site)
    assert command.main(["--profile", "production", "--app", str(assembly)]) == BLIND
    assert "the assembly has stack mlref-sandbox-any; allowed: stacks of mlref-production" in (
        capsys.readouterr().err
    )


def test_manifest_that_cannot_be_read_is_named(assembly: Path) -> None:
    (assembly / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="no manifest of a cloud assembly"):
        asked.read(assembly)


def test_names_of_the_templates_are_found_and_made_up_ones_are_not() -> None:
    found = any_asked(
        P={"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/any"}},
        D={"Type": "AWS::Glue::Database", "Properties": {"DatabaseInput": {"Name": "any"}}},
        B={"Type": "AWS::S3::Bucket"},
        R={"Type": "AWS::IAM::Role", "Properties": {"RoleName": {"Fn::Sub": "x-${AWS::Region}"}}},
    )
    assert sorted(found.names()) == [("AWS::Glue::Database", "any"), ("AWS::SSM::Parameter", "/any")]


def test_every_type_with_a_name_can_be_looked_for_and_deleted() -> None:
    assert set(asked.NAMES) == set(taken._LOOK) == set(taken._DELETE)


def test_bucket_of_another_account_is_taken(site: Place) -> None:
    s3 = site.client("s3")
    with Stubber(s3) as stub:
        stub.add_client_error("head_bucket", "403", http_status_code=403)
        assert taken._is_there(site, "AWS::S3::Bucket", "any")
        stub.add_client_error("head_bucket", "404", http_status_code=404)
        assert not taken._is_there(site, "AWS::S3::Bucket", "any")


# quotas


@pytest.mark.parametrize(
    ("value", "used", "severity"),
    [
        (0, 0, Severity.STOPS),
        (2, 2, Severity.STOPS),
        (1, 0, Severity.LATER),
        (2, 0, Severity.LATER),
        (3, 0, Severity.MAY),
        (5, 0, Severity.MAY),
        (6, 0, None),
        (8, 2, None),
        (7, 2, Severity.MAY),
    ],
)
def test_deployment_run_and_scaling_each_need_their_part(
    value: float, used: float, severity: Severity | None
) -> None:
    """First 1, all in all 3, scaled out 6."""
    found = [each.severity for each in judged(any_need(), any_limit(value), used=used)]
    assert found == ([] if severity is None else [severity])


def test_request_asks_for_all_that_is_needed_and_used() -> None:
    [problem] = judged(any_need(), any_limit(2), used=1)
    assert problem.command == (
        "aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code L-00000001 "
        "--desired-value 7 --region eu-west-1"
    )
    assert problem.got == "got 2, 1 of it in use, needed 3, 6 scaled out: because"


def test_quota_that_nobody_raises_comes_without_a_command() -> None:
    [problem] = judged(any_need(), any_limit(0, is_adjustable=False), used=0)
    assert problem.command == ""
    assert problem.got.endswith("AWS raises it for nobody: change settings.py")


def endpoint_config(kind: str = "ml.m5.large") -> dict[str, Any]:
    variant = {"VariantName": "champion", "InstanceType": kind, "InitialInstanceCount": 1}
    return {"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ProductionVariants": [variant]}}


def listed(monkeypatch: pytest.MonkeyPatch, values: dict[str, float] | str) -> None:
    """What the account answers; or the code with which it refuses."""

    def listed_quotas(self: Limits, service: str, region: str) -> Any:
        if isinstance(values, str):
            failing(values, "ListServiceQuotas")()
        return {name: any_limit(value, region=region) for name, value in values.items()}

    monkeypatch.setattr(Limits, "_listed", listed_quotas)


def test_type_that_the_region_does_not_list_is_not_offered_there(
    monkeypatch: pytest.MonkeyPatch, site: Place
) -> None:
    listed(monkeypatch, {})
    found = list(
        Limits(place=site, names=NAMES).problems(any_asked(C=endpoint_config("ml.x9.big")).templates)
    )
    assert [(each.what, each.severity) for each in found] == [("ml.x9.big", Severity.STOPS)]
    assert "the type is not offered there" in found[0].got


def test_caller_who_may_not_ask_for_quotas_gets_the_defaults_and_is_told(
    monkeypatch: pytest.MonkeyPatch, site: Place
) -> None:
    listed(monkeypatch, "AccessDeniedException")
    found = list(Limits(place=site, names=NAMES).problems(any_asked(C=endpoint_config()).templates))
    by_what = {each.what: each for each in found}
    assert by_what["quotas of sagemaker"].severity is Severity.UNKNOWN
    assert "the caller needs servicequotas:ListServiceQuotas" in by_what["quotas of sagemaker"].got
    assert by_what["ml.m5.large for endpoint usage"].severity is Severity.MAY, "this account may have more"
    assert "a new account, 2024-02-10" in by_what["ml.m5.large for endpoint usage"].got
    assert [each.what for each in found].count("quotas of sagemaker") == 1


def test_count_that_the_caller_may_not_make_leaves_the_quotas(
    monkeypatch: pytest.MonkeyPatch, site: Place
) -> None:
    monkeypatch.setattr(Limits, "_hosted", failing("AccessDeniedException", "ListEndpoints"))
    listed(
        monkeypatch, {"ml.m5.large for endpoint usage": 0, "Number of instances across active endpoints": 9}
    )
    found = list(Limits(place=site, names=NAMES).problems(any_asked(C=endpoint_config()).templates))
    by_what = {each.what: each for each in found}
    assert by_what["ml.m5.large for endpoint usage"].severity is Severity.STOPS
    blind = by_what["use of 'ml.m5.large for endpoint usage' by others"]
    assert (blind.severity, blind.got) == (
        Severity.UNKNOWN,
        "AccessDeniedException: allow the caller ListEndpoints, or look by hand",
    )


def test_global_quotas_are_asked_for_where_they_are_shown(
    monkeypatch: pytest.MonkeyPatch, site: Place
) -> None:
    regions: list[tuple[str, str]] = []

    def remembered(self: Limits, service: str, region: str) -> dict[str, Limit]:
        regions.append((service, region))
        return {}

    monkeypatch.setattr(Limits, "_listed", remembered)
    resources = {
        "B": {"Type": "AWS::S3::Bucket"},
        "R": {"Type": "AWS::IAM::Role"},
        "V": {"Type": "AWS::EC2::VPC"},
    }
    assert list(Limits(place=site, names=NAMES).problems(any_asked(**resources).templates)) == []
    asked_for = set(regions)
    assert {("s3", "us-east-1"), ("iam", "us-east-1"), ("vpc", "eu-west-1")} < asked_for


def test_endpoints_of_others_use_the_instances_up(monkeypatch: pytest.MonkeyPatch, site: Place) -> None:
    sagemaker = site.client("sagemaker")
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 2}
    sagemaker.create_model(
        ModelName="m", ExecutionRoleArn="arn:aws:iam::123456789012:role/r", PrimaryContainer={"Image": "i"}
    )
    for name in ("other", "mlref-sandbox-endpoint"):
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    listed(monkeypatch, {"ml.m5.large for endpoint usage": 3})
    found = list(Limits(place=site, names=NAMES).problems(any_asked(C=endpoint_config()).templates))
    [problem] = [each for each in found if each.what.startswith("ml.m5.large")]
    assert problem.got.startswith("got 3, 2 of it in use, needed 2: ")


def test_pages_of_quotas_are_all_read(site: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    client = site.session.client("service-quotas")
    with Stubber(client) as stub:
        for number, token in ((1, {"NextToken": "more"}), (2, {})):
            quota = {"QuotaName": f"q{number}", "QuotaCode": f"L-{number}", "Value": 1.0, "Adjustable": True}
            stub.add_response("list_service_quotas", {"Quotas": [quota], **token})
        monkeypatch.setattr(site.session, "client", lambda *_, **__: client)
        found = Limits(place=site, names=NAMES)._listed("vpc", "eu-west-1")
    assert set(found) == {"q1", "q2"}


def test_unknown_quota_is_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.quotas, "table", dict)
    found = list(limits.offline(any_asked(V={"Type": "AWS::EC2::VPC"}).templates, "eu-west-1"))
    assert {each.severity for each in found} == {Severity.UNKNOWN}


# what lies around


@pytest.mark.parametrize(
    ("status", "command"),
    [
        ("ROLLBACK_COMPLETE", "aws cloudformation delete-stack --stack-name any --region eu-west-1"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name any "),
        ("DELETE_FAILED", "make destroy PROFILE=sandbox"),
        ("CREATE_IN_PROGRESS", "aws cloudformation wait stack-create-complete --stack-name any "),
        ("UPDATE_IN_PROGRESS", "aws cloudformation wait stack-update-complete --stack-name any "),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "aws cloudformation wait stack-rollback-complete --stack-name any "),
        ("ROLLBACK_IN_PROGRESS", "aws cloudformation describe-stacks --stack-name any "),
        ("UPDATE_FAILED", "aws cloudformation rollback-stack --stack-name any "),
    ],
)
def test_stack_that_cannot_be_updated_comes_with_the_next_step(status: str, command: str) -> None:
    assert surroundings._advice(status, "any", "eu-west-1", "sandbox")[1].startswith(command)


def test_command_in_the_words_of_a_rule_is_taken_for_the_region() -> None:
    assertion = {
        "Assert": {"Fn::Contains": [["eu-west-1"], {"Ref": "AWS::Region"}]},
        "AssertDescription": "Not known. Ask with `aws ec2 describe-any --query 'a'` first.",
    }
    document = {**TOPIC, "Rules": {"Supported": {"Assertions": [assertion]}}}
    wanted = Asked(templates=Templates({"Any": (Path("Any.template.json"), document)}))
    assert list(surroundings.region(wanted, "eu-west-1")) == []
    [problem] = surroundings.region(wanted, "eu-west-2")
    assert problem.command == "aws ec2 describe-any --query 'a' --region eu-west-2"
    assert problem.severity is Severity.STOPS


def test_missing_zones_and_services_stop(site: Place) -> None:
    endpoint = {
        "ServiceName": {"Fn::Sub": "com.amazonaws.${AWS::Region}.none"},
        "VpcEndpointType": "Interface",
    }
    subnets = {
        f"S{number}": {"Type": "AWS::EC2::Subnet", "Properties": {"AvailabilityZone": str(number)}}
        for number in range(9)
    }
    wanted = any_asked(E={"Type": "AWS::EC2::VPCEndpoint", "Properties": endpoint}, **subnets)
    found = {each.what: each.got for each in surroundings.endpoint_services(wanted, site)}
    assert found["com.amazonaws.eu-west-1.none"].startswith("eu-west-1 has no such endpoint service")
    assert found["availability zones"] == "got 3 available, needed 9; set base.zones in settings.py"


# the table


def any_problem(severity: Severity = Severity.STOPS, what: str = "b", command: str = "") -> Problem:
    return Problem(area="any", severity=severity, what=what, got="got", command=command)


def test_the_worst_comes_first_and_commands_stand_alone() -> None:
    found = [
        any_problem(Severity.UNKNOWN, "d"),
        any_problem(Severity.MAY, "c"),
        any_problem(Severity.STOPS, "b", "first\nsecond"),
        any_problem(Severity.STOPS, "a"),
        any_problem(Severity.LATER, "e"),
    ]
    assert [each.what for each in worst_first(found)] == ["a", "b", "e", "c", "d"]
    assert list(told(found))[1:4] == ["stops    any  b  got", "         fix: first", "         fix: second"]
    assert summary(found, 7) == (
        "7 resources and what they need: 2 of which the deployment fails, 1 of which a run fails later, "
        "1 that may matter, 1 not looked at"
    )
    assert list(told([])) == []


@pytest.mark.parametrize(
    ("severities", "status"),
    [
        ([], FINE),
        ([Severity.MAY], FINE),
        ([Severity.UNKNOWN, Severity.MAY], BLIND),
        ([Severity.LATER, Severity.UNKNOWN], PROBLEMS),
        ([Severity.STOPS], PROBLEMS),
    ],
)
def test_exit_status_says_problem_before_blindness(severities: list[Severity], status: int) -> None:
    assert command._end([any_problem(each) for each in severities], 1) == status
