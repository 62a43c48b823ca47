"""Names that the templates want to give, and that something else in the account has already.

CloudFormation makes what it names and adopts nothing: it would fail half-way, after minutes of making.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deployment import stacks
from deployment.assembly import Wanted
from deployment.conditions import NEVER_MADE
from deployment.errors import RefusedError
from deployment.place import Place

_ABSENT = ("404", "NotFound", "NoSuch", "NotExist", "DoesNotExist", "Unknown")
# SageMaker's and Athena's words for not found.
_ABSENT_BY_MESSAGE = ("could not find", "does not exist", "not found", "cannot find")


@dataclass(frozen=True, kw_only=True)
class Look:
    """How to see whether a name of a type is taken, and how to free it."""

    field: str  # the property with the name
    service: str
    operation: str
    parameter: str
    free: str  # command; {name}
    arn: str = ""  # what the operation wants instead of the name; {region} {account} {partition} {name}
    finds: Callable[[Mapping[str, Any], str], bool] | None = None  # of an answer that lists several
    several: bool = False  # the operation asks for a list of names


def _has_group(answer: Mapping[str, Any], name: str) -> bool:
    return any(group["logGroupName"] == name for group in answer["logGroups"])


def _is_group(answer: Mapping[str, Any], name: str) -> bool:
    return bool(answer.get("WorkGroup", {}).get("Name") == name)


def _is_project(answer: Mapping[str, Any], _name: str) -> bool:
    return bool(answer["projects"])


LOOKS = {
    "AWS::S3::Bucket": Look(
        field="BucketName",
        service="s3",
        operation="head_bucket",
        parameter="Bucket",
        free="aws s3 rb s3://{name}  (refused while objects are in it: look at them first)",
    ),
    "AWS::Logs::LogGroup": Look(
        field="LogGroupName",
        service="logs",
        operation="describe_log_groups",
        parameter="logGroupNamePrefix",
        free="aws logs delete-log-group --log-group-name {name}",
        finds=_has_group,
    ),
    "AWS::SSM::Parameter": Look(
        field="Name",
        service="ssm",
        operation="get_parameter",
        parameter="Name",
        free="aws ssm delete-parameter --name {name}",
    ),
    "AWS::SecretsManager::Secret": Look(
        field="Name",
        service="secretsmanager",
        operation="describe_secret",
        parameter="SecretId",
        free="aws secretsmanager delete-secret --secret-id {name} --force-delete-without-recovery",
    ),
    "AWS::DynamoDB::Table": Look(
        field="TableName",
        service="dynamodb",
        operation="describe_table",
        parameter="TableName",
        free="aws dynamodb delete-table --table-name {name}",
    ),
    "AWS::Athena::WorkGroup": Look(
        field="Name",
        service="athena",
        operation="get_work_group",
        parameter="WorkGroup",
        free="aws athena delete-work-group --work-group {name}",
        finds=_is_group,
    ),
    "AWS::Glue::SecurityConfiguration": Look(
        field="Name",
        service="glue",
        operation="get_security_configuration",
        parameter="Name",
        free="aws glue delete-security-configuration --name {name}",
    ),
    "AWS::SageMaker::Endpoint": Look(
        field="EndpointName",
        service="sagemaker",
        operation="describe_endpoint",
        parameter="EndpointName",
        free="aws sagemaker delete-endpoint --endpoint-name {name}",
    ),
    "AWS::SageMaker::ModelPackageGroup": Look(
        field="ModelPackageGroupName",
        service="sagemaker",
        operation="describe_model_package_group",
        parameter="ModelPackageGroupName",
        free="aws sagemaker delete-model-package-group --model-package-group-name {name}",
    ),
    "AWS::CodeBuild::Project": Look(
        field="Name",
        service="codebuild",
        operation="batch_get_projects",
        parameter="names",
        free="aws codebuild delete-project --name {name}",
        finds=_is_project,
        several=True,
    ),
    "AWS::CodePipeline::Pipeline": Look(
        field="Name",
        service="codepipeline",
        operation="get_pipeline",
        parameter="name",
        free="aws codepipeline delete-pipeline --name {name}",
    ),
    "AWS::Scheduler::ScheduleGroup": Look(
        field="Name",
        service="scheduler",
        operation="get_schedule_group",
        parameter="Name",
        free="aws scheduler delete-schedule-group --name {name}",
    ),
    "AWS::StepFunctions::StateMachine": Look(
        field="StateMachineName",
        service="stepfunctions",
        operation="describe_state_machine",
        parameter="stateMachineArn",
        arn="arn:{partition}:states:{region}:{account}:stateMachine:{name}",
        free="aws stepfunctions delete-state-machine --state-machine-arn {arn}",
    ),
    "AWS::CloudTrail::Trail": Look(
        field="TrailName",
        service="cloudtrail",
        operation="get_trail",
        parameter="Name",
        free="aws cloudtrail delete-trail --name {name}",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Taken:
    stack: str
    type: str
    name: str
    free: str

    def __str__(self) -> str:
        return f"{self.type} {self.name}, which {self.stack} is to make: {self.free}"


def refuse_taken(place: Place, wanted: Sequence[Wanted]) -> None:
    if found := list(taken(place, wanted)):
        raise RefusedError(
            "there is already, made by hand or left by an earlier deployment:\n  "
            + "\n  ".join(map(str, found))
            + "\nCloudFormation adopts nothing; fix: if nobody needs it, free the name with the command "
            "behind it, then run this one again"
        )


def taken(place: Place, wanted: Sequence[Wanted]) -> Iterator[Taken]:
    for stack in wanted:
        have = _there(place, stack.name)
        for logical_id, body in stack.resources.items():
            look = LOOKS.get(body["Type"])
            name = look and resolved(place, body.get("Properties", {}).get(look.field))
            if look and name and logical_id not in have and _exists(place, look, name):
                free = look.free.format(name=name, arn=_filled(place, look.arn, name))
                yield Taken(stack=stack.name, type=body["Type"], name=name, free=free)


def _there(place: Place, name: str) -> set[str]:
    """What the stack has made already, by logical id. Of a creation that failed nothing will remain."""
    stack = stacks.find(place, name)
    if stack is None:
        return set()
    found = {resource.logical_id for resource in stacks.resources(place, stack)}
    return set() if stack.status in NEVER_MADE and not found else found


def resolved(place: Place, value: Any) -> str | None:
    """A name that is known before anything is made; None: it depends on something that is made with it."""
    pseudo = {
        "AWS::AccountId": place.account,
        "AWS::Region": place.region,
        "AWS::Partition": place.partition,
    }
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "Ref" in value:
        return pseudo.get(value["Ref"])
    if isinstance(value, dict) and "Fn::Join" in value:
        between, parts = value["Fn::Join"]
        found = [resolved(place, part) for part in parts]
        texts = [part for part in found if part is not None]
        return between.join(texts) if len(texts) == len(found) else None
    return None


def _filled(place: Place, arn: str, name: str) -> str:
    return arn.format(partition=place.partition, region=place.region, account=place.account, name=name)


def _exists(place: Place, look: Look, name: str) -> bool:
    given = _filled(place, look.arn, name) if look.arn else name
    asked = [given] if look.several else given
    try:
        answer = getattr(place.client(look.service), look.operation)(**{look.parameter: asked})
    except ClientError as error:
        code, message = error.response["Error"]["Code"], str(error).lower()
        if any(word in code for word in _ABSENT) or any(word in message for word in _ABSENT_BY_MESSAGE):
            return False
        if code in ("403", "AccessDenied"):  # a bucket of somebody else's account: its name is taken too
            return True
        raise
    return look.finds is None or look.finds(answer, name)
