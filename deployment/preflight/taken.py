"""Names that the templates give and somebody else has: made by hand, or left by an earlier deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from deployment import stacks
from deployment.names import Names
from deployment.place import Place
from deployment.preflight.asked import Asked
from deployment.preflight.findings import Problem, Severity

_ABSENT = ("NotFound", "NoSuch", "DoesNotExist", "404", "ResourceNotFound", "EntityNotFound")
_ABSENT_WORDS = ("could not find", "does not exist", "not found")
# Somebody else's bucket: there, and closed to us.
_CLOSED = ("403", "Forbidden", "AccessDenied")


def names(asked: Asked, place: Place, deployment: Names) -> Iterator[Problem]:
    own = {
        resource.name
        for stack in stacks.present(place, deployment)
        for resource in stacks.resources(place, stack)
    }
    for kind, name in sorted(set(asked.names())):
        if _is_own(name, own) or not _is_there(place, kind, name):
            continue
        yield Problem(
            area="names",
            severity=Severity.STOPS,
            what=name,
            got=f"there is a {kind} of this name already, and no stack of {deployment.prefix} made it; if "
            "nobody needs it, delete it",
            command=_DELETE[kind].format(
                name=name, arn=_machine(place, name), region=place.region, profile=deployment.profile
            ),
        )


def _is_own(name: str, own: set[str]) -> bool:
    """CloudFormation knows some by their ARN."""
    return any(each == name or each.endswith((f"/{name}", f":{name}")) for each in own)


def _is_there(place: Place, kind: str, name: str) -> bool:
    try:
        return bool(_LOOK[kind](place, name))
    except ClientError as error:
        code, said = error.response["Error"]["Code"], str(error).lower()
        if kind == "AWS::S3::Bucket" and code in _CLOSED:
            return True
        if any(word in code for word in _ABSENT) or any(word in said for word in _ABSENT_WORDS):
            return False
        raise


def _machine(place: Place, name: str) -> str:
    return f"arn:{place.partition}:states:{place.region}:{place.account}:stateMachine:{name}"


def _group(place: Place, name: str) -> bool:
    groups = place.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return any(group["logGroupName"] == name for group in groups)


def _alarm(place: Place, name: str) -> bool:
    found = place.client("cloudwatch").describe_alarms(
        AlarmNames=[name], AlarmTypes=["CompositeAlarm", "MetricAlarm"]
    )
    return bool(found.get("MetricAlarms") or found.get("CompositeAlarms"))


def _answers(service: str, operation: str, parameter: str) -> Callable[[Place, str], Any]:
    """Whether a call that needs the thing answers at all."""

    def look(place: Place, name: str) -> bool:
        answer = getattr(place.client(service), operation)(**{parameter: name})
        return bool({key for key in answer if key != "ResponseMetadata"}) or operation.startswith("head")

    return look


_LOOK: Mapping[str, Callable[[Place, str], Any]] = {
    "AWS::Athena::WorkGroup": _answers("athena", "get_work_group", "WorkGroup"),
    "AWS::CloudTrail::Trail": _answers("cloudtrail", "get_trail", "Name"),
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::Dashboard": _answers("cloudwatch", "get_dashboard", "DashboardName"),
    "AWS::DynamoDB::Table": _answers("dynamodb", "describe_table", "TableName"),
    "AWS::Glue::Database": _answers("glue", "get_database", "Name"),
    "AWS::Glue::SecurityConfiguration": _answers("glue", "get_security_configuration", "Name"),
    "AWS::IAM::Role": _answers("iam", "get_role", "RoleName"),
    "AWS::Kinesis::Stream": _answers("kinesis", "describe_stream_summary", "StreamName"),
    "AWS::Lambda::Function": _answers("lambda", "get_function", "FunctionName"),
    "AWS::Logs::LogGroup": _group,
    "AWS::S3::Bucket": _answers("s3", "head_bucket", "Bucket"),
    "AWS::SSM::Parameter": _answers("ssm", "get_parameter", "Name"),
    "AWS::SageMaker::Endpoint": _answers("sagemaker", "describe_endpoint", "EndpointName"),
    "AWS::SageMaker::FeatureGroup": _answers("sagemaker", "describe_feature_group", "FeatureGroupName"),
    "AWS::SageMaker::ModelPackageGroup": _answers(
        "sagemaker", "describe_model_package_group", "ModelPackageGroupName"
    ),
    "AWS::Scheduler::ScheduleGroup": _answers("scheduler", "get_schedule_group", "Name"),
    "AWS::StepFunctions::StateMachine": lambda place, name: place.client(
        "stepfunctions"
    ).describe_state_machine(stateMachineArn=_machine(place, name)),
}
_DELETE: Mapping[str, str] = {
    "AWS::Athena::WorkGroup": "aws athena delete-work-group --recursive-delete-option --region {region} "
    "--work-group {name}",
    "AWS::CloudTrail::Trail": "aws cloudtrail delete-trail --name {name} --region {region}",
    "AWS::CloudWatch::Alarm": "aws cloudwatch delete-alarms --region {region} --alarm-names '{name}'",
    "AWS::CloudWatch::Dashboard": "aws cloudwatch delete-dashboards --region {region} "
    "--dashboard-names {name}",
    "AWS::DynamoDB::Table": "aws dynamodb delete-table --table-name {name} --region {region}",
    "AWS::Glue::Database": "aws glue delete-database --name {name} --region {region}",
    "AWS::Glue::SecurityConfiguration": "aws glue delete-security-configuration --region {region} "
    "--name {name}",
    "AWS::IAM::Role": "aws iam delete-role --role-name {name}",
    "AWS::Kinesis::Stream": "aws kinesis delete-stream --stream-name {name} --region {region}",
    "AWS::Lambda::Function": "aws lambda delete-function --function-name {name} --region {region}",
    "AWS::Logs::LogGroup": "aws logs delete-log-group --log-group-name {name} --region {region}",
    "AWS::S3::Bucket": "aws s3 rb s3://{name}",
    "AWS::SSM::Parameter": "aws ssm delete-parameter --name {name} --region {region}",
    "AWS::SageMaker::Endpoint": "aws sagemaker delete-endpoint --endpoint-name {name} --region {region}",
    "AWS::SageMaker::FeatureGroup": "aws sagemaker delete-feature-group --region {region} "
    "--feature-group-name {name}",
    "AWS::SageMaker::ModelPackageGroup": "aws sagemaker delete-model-package-group --region {region} "
    "--model-package-group-name {name}",
    "AWS::Scheduler::ScheduleGroup": "aws scheduler delete-schedule-group --name {name} --region {region}",
    "AWS::StepFunctions::StateMachine": "aws stepfunctions delete-state-machine --region {region} "
    "--state-machine-arn {arn}",
}
