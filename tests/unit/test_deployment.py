"""What the deletion of a deployment decides without an account, and with a few objects in memory."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest
from botocore import exceptions as aws
from botocore.exceptions import ClientError
from moto.sagemaker.responses import SageMakerResponse

import settings
from deployment import __main__ as command
from deployment import buckets, cli, left, place, refusals, stacks
from deployment.errors import RefusedError, StoppedError, explained
from deployment.hindrances import PAUSES, Hindrance, Patience, hindrance
from deployment.inventory import Inventory
from deployment.left import Left
from deployment.names import GROUPS, PROJECT, Names, names_for, profiles_of
from deployment.place import Place
from deployment.rest import Rest
from deployment.stacks import STACK, Failure, Resource, Stack

BUCKET = "mlref-sandbox-data-any"
ARN = "arn:aws:sts::123456789012:assumed-role/admin/ada"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """An account of moto's as it comes, and nothing of the environment's."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto.mock_aws():
        yield Place(
            account="123456789012",
            region="us-east-1",
            caller=ARN,
            session=boto3.Session(region_name="us-east-1"),
        )


def silent(_: str) -> None:
    pass


def any_bucket(site: Place, *, locked: bool = False) -> Any:
    s3 = site.client("s3")
    s3.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=locked)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return s3


def any_stack(**values: Any) -> Stack:
    given = {"name": "mlref-sandbox-data", "id": "id", "status": "CREATE_COMPLETE", "is_protected": False}
    return Stack(**given | values)


def any_resource(kind: str, name: str, **values: Any) -> Resource:
    return Resource(
        **{"logical_id": "Any", "name": name, "type": kind, "is_kept": False, "definition": {}} | values
    )


# names


def test_names_are_those_that_the_stacks_get() -> None:
    assert settings.PROJECT == PROJECT
    for profile, section in settings.PROFILES.items():
        names = Names(profile=profile)
        assert names.prefix == section.prefix
        assert [names.stack(group) for group in GROUPS] == [section.stack_name(group) for group in GROUPS]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("mlref-sandbox-data-raw", True),
        ("mlref-sandbox", False),
        ("mlref-sandboxes-data", False),
        ("my-mlref-sandbox-data", False),
        ("mlref-sandbox-2-data-raw", False),
    ],
)
def test_name_is_ours_by_its_beginning_unless_it_is_a_neighbour_s(name: str, ours: bool) -> None:
    names = names_for("sandbox", ["mlref-sandbox-base", "mlref-sandbox-2-base", "mlref-production-base", "x"])
    assert names.neighbours == ("mlref-sandbox-2",)
    assert names.begins(name) is ours


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/aws/sagemaker/Endpoints/mlref-sandbox-endpoint", True),
        ("/aws-glue/jobs/logs-v2-mlref-sandbox-jobs", True),
        ("/aws/lambda/mlref-production-plan", False),
        ("/aws/lambda/mlref-sandbox-2-plan", False),
        ("/aws/sagemaker/TrainingJobs", False),
    ],
)
def test_service_s_name_is_ours_by_a_part_of_it(path: str, ours: bool) -> None:
    assert names_for("sandbox", ["mlref-sandbox-2-base"]).within(path) is ours


@pytest.mark.parametrize("profile", ["", "Sandbox", "sand/box", "*"])
def test_profile_that_can_be_none_is_refused_with_its_value(profile: str) -> None:
    with pytest.raises(RefusedError, match="cannot be a profile; allowed: lower-case"):
        Names(profile=profile)


def test_profiles_are_read_off_the_stacks() -> None:
    names = ["mlref-sandbox-base", "mlref-sandbox-data", "mlref-a-b-model", "CDKToolkit", "mlref-x-other"]
    assert profiles_of(names) == ["a-b", "sandbox"]


# stacks


def test_resources_are_those_that_still_are_and_know_whether_they_stay() -> None:
    template = {"Resources": {"Keeps": {"DeletionPolicy": "Retain"}, "Goes": {"DeletionPolicy": "Delete"}}}
    listed = [
        {"LogicalResourceId": name, "PhysicalResourceId": name, "ResourceType": "T", "ResourceStatus": status}
        for name, status in [
            ("Keeps", "CREATE_COMPLETE"),
            ("Goes", "DELETE_FAILED"),
            ("Gone", "DELETE_COMPLETE"),
            ("Left", "DELETE_SKIPPED"),
        ]
    ]
    listed.append({"LogicalResourceId": "Never", "ResourceType": "T", "ResourceStatus": "CREATE_FAILED"})
    assert {r.name: r.is_kept for r in stacks.living(template, listed)} == {"Keeps": True, "Goes": False}


def event(number: int, who: str, status: str, reason: str = "", kind: str = "T") -> dict[str, str]:
    return {
        "EventId": str(number),
        "LogicalResourceId": who,
        "ResourceType": kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def test_failures_are_those_of_this_attempt_and_not_what_was_given_up_for_them() -> None:
    events = [
        event(9, "stack", "DELETE_FAILED", "The following resource(s) failed to delete: [A].", STACK),
        event(8, "B", "DELETE_FAILED", "Resource deletion cancelled"),
        event(7, "A", "DELETE_FAILED", "not empty"),
        event(6, "stack", "DELETE_IN_PROGRESS", "User Initiated", STACK),
        event(5, "Old", "DELETE_FAILED", "of the attempt before"),
    ]
    assert stacks.failures_among(events, since="5") == [Failure(logical_id="A", type="T", reason="not empty")]


def test_refusal_of_the_whole_stack_is_a_failure_when_there_is_no_other() -> None:
    events = [
        event(2, "stack", "CREATE_COMPLETE", "Export x cannot be deleted as it is in use by y", STACK),
        event(1, "stack", "DELETE_IN_PROGRESS", "User Initiated", STACK),
    ]
    found = stacks.failures_among(events, since="0")
    assert [failure.reason for failure in found] == ["Export x cannot be deleted as it is in use by y"]
    assert hindrance(found) is Hindrance.OTHER


@pytest.mark.parametrize(
    ("status", "moves"),
    [("DELETE_IN_PROGRESS", True), ("UPDATE_ROLLBACK_IN_PROGRESS", True), ("REVIEW_IN_PROGRESS", False)],
)
def test_stack_in_review_does_not_move(status: str, moves: bool) -> None:
    assert stacks.is_moving(status) is moves


# hindrances

FULL = Failure(logical_id="Raw", type="AWS::S3::Bucket", reason="The bucket you tried to delete is not empty")
HELD = Failure(
    logical_id="Group", type="AWS::EC2::SecurityGroup", reason="resource sg-1 has a dependent object"
)
SUBNET = Failure(
    logical_id="Subnet", type="AWS::EC2::Subnet", reason="The subnet 'subnet-1' has dependencies and cannot"
)
OTHER = Failure(logical_id="Role", type="AWS::IAM::Role", reason="Access denied")
NO_RIGHT = Failure(logical_id="Raw", type="AWS::S3::Bucket", reason="Access Denied")


@pytest.mark.parametrize(
    ("failures", "kind"),
    [
        pytest.param([FULL], Hindrance.OBJECTS, id="objects"),
        pytest.param([HELD, SUBNET], Hindrance.INTERFACES, id="interfaces"),
        pytest.param([FULL, HELD], Hindrance.INTERFACES, id="both: the slower"),
        pytest.param([HELD, OTHER], Hindrance.OTHER, id="one that waiting does not mend"),
        pytest.param([NO_RIGHT], Hindrance.OTHER, id="a bucket for another reason"),
        pytest.param([], Hindrance.OTHER, id="nothing that CloudFormation names"),
    ],
)
def test_hindrance_is_what_has_to_be_waited_for(failures: list[Failure], kind: Hindrance) -> None:
    assert hindrance(failures) is kind


@pytest.mark.parametrize("failure", [FULL, HELD, OTHER], ids=["objects", "interfaces", "other"])
def test_patience_ends_and_says_why(site: Place, failure: Failure) -> None:
    waited: list[float] = []
    patience = Patience(place=site, stack_name="mlref-sandbox-base", tell=silent, pause=waited.append)
    with pytest.raises(StoppedError, match=rf"could not be deleted: {failure.logical_id}: .*fix: .*again"):
        while True:
            patience.wait([failure], [])
    assert tuple(waited) == PAUSES[hindrance([failure])]
    assert sum(waited) < 3_600


def test_interfaces_of_vpc_endpoints_are_not_waited_for_without_another_attempt(site: Place) -> None:
    ec2 = site.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    made = ec2.create_network_interface(SubnetId=subnet, Description="AWS Lambda VPC ENI")
    id_ = made["NetworkInterface"]["NetworkInterfaceId"]
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            from moto.ec2.models import ec2_backends

            ec2_backends["123456789012"]["us-east-1"].enis[id_].interface_type = "vpc_endpoint"

    patience = Patience(place=site, stack_name="any", tell=silent, pause=pause)
    patience.wait([HELD], [any_resource("AWS::EC2::VPC", vpc)])
    assert waited == [30, 60]


# buckets


def test_bucket_is_emptied_of_versions_markers_and_uploads(site: Place) -> None:
    s3 = any_bucket(site)
    for key in ("a", "a", "b"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"xyz")
    s3.delete_object(Bucket=BUCKET, Key="a")
    s3.create_multipart_upload(Bucket=BUCKET, Key="half")
    assert str(buckets.content(site, BUCKET)) == "1 object, 4 versions, 9 B, 1 unfinished upload"
    assert buckets.empty(site, BUCKET, silent) == 5
    assert str(buckets.content(site, BUCKET)) == "empty"
    s3.delete_bucket(Bucket=BUCKET)
    assert not buckets.exists(site, BUCKET)


def test_content_of_a_large_bucket_is_counted_up_to_a_bound(
    site: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = any_bucket(site)
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
    monkeypatch.setattr(buckets, "_COUNTED_PAGES", 0)
    found = buckets.content(site, BUCKET)
    assert not found.is_complete


def test_object_that_may_not_be_deleted_stops_with_its_reason(site: Place) -> None:
    s3 = any_bucket(site, locked=True)
    until = datetime(2099, 1, 1, tzinfo=UTC)
    s3.put_object(
        Bucket=BUCKET, Key="a", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until
    )
    with pytest.raises(
        StoppedError, match=r"1 of 1 objects of .* could not be deleted, the first 'a': AccessD"
    ):
        buckets.empty(site, BUCKET, silent)


def test_closing_adds_one_denial_and_keeps_the_others(site: Place) -> None:
    s3 = any_bucket(site)
    for _ in range(2):
        buckets.close(site, BUCKET)
    assert policy_sids(s3) == [buckets.CLOSED]
    other = {"Version": "2012-10-17", "Statement": [{"Sid": "DenyOtherWays", "Effect": "Deny"}]}
    closed = buckets.closed(other, BUCKET, "aws-cn")
    assert [statement["Sid"] for statement in closed["Statement"]] == ["DenyOtherWays", buckets.CLOSED]
    assert closed["Statement"][1]["Resource"] == f"arn:aws-cn:s3:::{BUCKET}/*"
    assert closed["Statement"][1]["Effect"] == "Deny"


def policy_sids(s3: Any) -> list[str]:
    return [each["Sid"] for each in json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]]


def test_locked_bucket_is_refused_unless_it_is_empty_or_stays(site: Place) -> None:
    s3 = any_bucket(site, locked=True)
    assert buckets.lock(site, BUCKET) is None  # the lock is of no use without a retention
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 400}}
    s3.put_object_lock_configuration(
        Bucket=BUCKET, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    assert buckets.lock(site, BUCKET) == "governance, 400 days"

    def inventory(*, is_kept: bool) -> Inventory:
        stack = any_stack()
        found = [any_resource("AWS::S3::Bucket", BUCKET, is_kept=is_kept)]
        return Inventory(stacks=[stack], resources={stack.name: found})

    refusals.refuse_locked(site, inventory(is_kept=False))
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
    refusals.refuse_locked(site, inventory(is_kept=True))
    with pytest.raises(RefusedError, match=r"is locked \(governance, 400 days\).*keep_on_destroy"):
        refusals.refuse_locked(site, inventory(is_kept=False))


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (1_500, "1.5 KB"), (2_000_000_000_000, "2.0 TB")]
)
def test_size_is_readable(size: int, words: str) -> None:
    assert buckets.readable(size) == words


# rest


class Jobs:
    """SageMaker with one kind of job; a job that is stopped stops at the next look but one."""

    def __init__(self, *names: str) -> None:
        self.status = dict.fromkeys(names, "InProgress")
        self.looks = 0

    def get_paginator(self, operation: str) -> Any:
        word = operation.removeprefix("list_").removesuffix("_jobs")
        jobs = self

        class Pages:
            def paginate(self, NameContains: str, StatusEquals: str) -> list[dict[str, Any]]:  # noqa: N803 AWS's
                names = [n for n, s in jobs.status.items() if s == StatusEquals and NameContains in n]
                found = names if word == "training" else []
                if StatusEquals == "Stopping" and found:
                    jobs.looks += 1
                    if jobs.looks == 2:
                        jobs.status.update(dict.fromkeys(found, "Stopped"))
                title = word.title().replace("_", "").replace("Hyperparameter", "HyperParameter")
                return [{f"{title}JobSummaries": [{f"{title}JobName": name} for name in found]}]

        return Pages()

    def stop_training_job(self, TrainingJobName: str) -> None:  # noqa: N803 AWS's
        self.status[TrainingJobName] = "Stopping"


class Fixed(Place):
    """A place whose clients are given."""

    def client(self, service: str) -> Any:
        return self._clients[service]


def any_rest(client: Any, pause: Any) -> Rest:
    site = Fixed(
        account="1",
        region="r",
        caller=ARN,
        session=None,
        _clients={"sagemaker": client},  # type: ignore[arg-type]
    )
    return Rest(place=site, names=Names(profile="sandbox"), tell=silent, pause=pause)


def test_jobs_of_ours_are_stopped_and_waited_for() -> None:
    jobs = Jobs("mlref-sandbox-r1-train", "other-mlref-sandbox-train")
    waited: list[float] = []
    any_rest(jobs, waited.append).stop_jobs([])
    assert jobs.status == {"mlref-sandbox-r1-train": "Stopped", "other-mlref-sandbox-train": "InProgress"}
    assert len(waited) == 2


def test_job_that_does_not_stop_ends_the_wait() -> None:
    class Stubborn(Jobs):
        def stop_training_job(self, TrainingJobName: str) -> None:  # noqa: ARG002, N803 AWS's
            error = {"Error": {"Code": "ValidationException", "Message": "it has ended"}}
            raise ClientError(error, "StopTrainingJob")

    waited: list[float] = []
    with pytest.raises(StoppedError, match="a training job did not come to rest in 60 minutes"):
        any_rest(Stubborn("mlref-sandbox-r1-train"), waited.append).stop_jobs([])
    assert sum(waited) == 3_600


# the yes


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("typed", ["", "y\n", "production\n"])
def test_another_word_than_the_profile_is_no_yes(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    with pytest.raises(RefusedError, match=f"not confirmed: got {typed.strip()!r}, allowed: 'sandbox'"):
        refusals.confirm("sandbox", is_given=False)


def test_profile_s_name_is_the_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("sandbox\n"))
    refusals.confirm("sandbox", is_given=False)


def test_without_a_terminal_the_command_with_the_yes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("sandbox\n"))
    with pytest.raises(RefusedError, match="deployment destroy --profile sandbox --yes"):
        refusals.confirm("sandbox", is_given=False)
    refusals.confirm("sandbox", is_given=True)


# what is said of errors


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "any"}}, "Any")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (aws.NoCredentialsError(), "there are no AWS credentials"),
        (aws.ProfileNotFound(profile="x"), "there are no AWS credentials"),
        (aws.TokenRetrievalError(provider="sso", error_msg="x"), "have expired"),
        (client_error("ExpiredToken"), "have expired"),
        (client_error("InvalidClientTokenId"), "does not know these credentials"),
        (client_error("AccessDenied"), "the caller may not do that"),
        (aws.NoRegionError(), "there is no Region"),
        (aws.EndpointConnectionError(endpoint_url="x"), "AWS does not answer"),
        (client_error("Throttling"), "run the command again"),
    ],
)
def test_error_of_the_sdk_says_how_to_mend_it(error: Exception, words: str) -> None:
    assert words in explained(error)


@pytest.mark.parametrize("error", [client_error("ExpiredTokenException"), aws.NoCredentialsError()])
def test_nothing_begins_without_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def nowhere() -> Place:
        raise error

    monkeypatch.setattr(place, "here", nowhere)
    assert command.main(["destroy", "--profile", "sandbox", "--yes"]) == 2
    assert "nothing was deleted" in capsys.readouterr().err


def test_region_is_the_same_for_boto3_and_the_cli(site: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")  # boto3 by itself would take us-east-1
    found = place.here()
    assert found.region == "eu-west-1"
    variables = found.environment()
    assert (variables["AWS_REGION"], variables["AWS_DEFAULT_REGION"]) == ("eu-west-1", "eu-west-1")
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(aws.NoRegionError):
        place.here()


def test_profile_that_was_never_here_is_refused_with_those_that_are(site: Place) -> None:
    with pytest.raises(RefusedError, match=r"no stack mlref-sandbx-\* in us-east-1.*there: sandbox;.*AWS_R"):
        refusals.refuse_unknown(site, Names(profile="sandbx"), ["mlref-sandbox-base", "CDKToolkit"])


def test_assembly_of_another_profile_is_refused(tmp_path: Path, site: Place) -> None:
    with pytest.raises(RefusedError, match=r"is no cloud assembly"):
        cli.cdk(site, tmp_path, ["mlref-sandbox-base"], silent)
    stack = '{"type": "aws:cloudformation:stack", "properties": {"stackName": "mlref-production-base"}}'
    (tmp_path / "manifest.json").write_text(f'{{"artifacts": {{"Base": {stack}}}}}', encoding="utf-8")
    assert cli.stack_ids(tmp_path) == {"mlref-production-base": "Base"}
    with pytest.raises(RefusedError, match=r"has no stack mlref-sandbox-base; got mlref-production-base"):
        cli.cdk(site, tmp_path, ["mlref-sandbox-base"], silent)


# what is left


@pytest.mark.parametrize(
    ("each", "wrong"),
    [
        (Left(what="bucket", costs="storage"), True),
        (Left(what="bucket", costs="storage", why="retained"), False),
        (Left(what="model", costs=""), False),
    ],
)
def test_only_what_costs_and_nobody_wanted_is_wrong(each: Left, wrong: bool) -> None:
    assert each.is_wrong is wrong
    said = list(left.told(Names(profile="sandbox"), [each]))
    assert said[-1] == (
        "mlref-sandbox is not quite gone" if wrong else "mlref-sandbox is gone, but for what is named above"
    )
    assert f"  {each}" in said


def test_leftovers_are_found_by_name_and_tag(site: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    # moto by itself knows no feature groups.
    groups = [{"FeatureGroupName": name} for name in ("mlref-sandbox-carrier-0a", "others")]
    answer = json.dumps({"FeatureGroupSummaries": groups})
    monkeypatch.setattr(SageMakerResponse, "list_feature_groups", lambda _: answer, raising=False)
    any_bucket(site)
    elsewhere = {"LocationConstraint": "eu-west-1"}
    for name, where in (
        ("somebody-elses", {}),
        ("mlref-sandbox-base-x", {"CreateBucketConfiguration": elsewhere}),
    ):
        boto3.client("s3", region_name="eu-west-1" if where else None).create_bucket(Bucket=name, **where)
    logs = site.client("logs")
    for name in (
        "/aws/lambda/mlref-sandbox-any",
        "/aws/lambda/mlref-sandbox-kept",
        "mlref-sandbox-data-Logs",
    ):
        logs.create_log_group(logGroupName=name)
    logs.put_retention_policy(logGroupName="/aws/lambda/mlref-sandbox-kept", retentionInDays=7)
    tags = {"project": "mlref", "profile": "sandbox"}
    key = site.client("kms").create_key(Tags=[{"TagKey": k, "TagValue": v} for k, v in tags.items()])
    site.client("kms").create_key()
    sagemaker = site.client("sagemaker")
    for name in ("mlref-sandbox-r1", "other"):
        sagemaker.create_model(ModelName=name, ExecutionRoleArn="arn:aws:iam::1:role/r")
    ec2 = site.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": k, "Value": v} for k, v in tags.items()])
    names = Names(profile="sandbox")
    rest = Rest(place=site, names=names, tell=silent, pause=silent)  # type: ignore[arg-type]
    search = left.Search(place=site, names=names, rest=rest, gone=[])
    told: list[str] = []
    search.delete_service_logs(told.append)
    assert told == ["deleted log group /aws/lambda/mlref-sandbox-any, which a service had made"]
    found = {each.what: each.is_wrong for each in search.all()}
    assert found == {
        f"bucket {BUCKET}": True,
        "log group /aws/lambda/mlref-sandbox-kept": True,
        "log group mlref-sandbox-data-Logs": True,
        f"key {key['KeyMetadata']['KeyId']} (Enabled)": True,
        "model mlref-sandbox-r1": False,
        "feature group mlref-sandbox-carrier-0a": True,
        f"VPC {vpc}": True,
    }
