"""How Step Functions calls AWS: its spelling of names, answers as JSON, errors by their names."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

# Names of aws-sdk integrations where they differ from boto3's.
_SDK_SERVICES = {
    "sfn": "stepfunctions",
    "eventbridge": "events",
    "cloudwatchlogs": "logs",
    "cloudwatchevents": "events",
    "sagemakerruntime": "sagemaker-runtime",
    "applicationautoscaling": "application-autoscaling",
    "servicequotas": "service-quotas",
    "resourcegroupstaggingapi": "resourcegroupstaggingapi",
}
# What stands before the dot of an error: the client's name, for optimised integrations an older one.
_SDK_ERRORS = {
    "sagemaker": "SageMaker",
    "sagemakerruntime": "SageMakerRuntime",
    "dynamodb": "DynamoDb",
    "ssm": "Ssm",
    "glue": "Glue",
    "s3": "S3",
    "kms": "Kms",
    "sfn": "Sfn",
    "lambda": "Lambda",
    "sns": "Sns",
    "sqs": "Sqs",
    "sts": "Sts",
    "iam": "Iam",
    "eventbridge": "EventBridge",
    "athena": "Athena",
    "cloudwatch": "CloudWatch",
    "cloudwatchlogs": "CloudWatchLogs",
    "secretsmanager": "SecretsManager",
    "firehose": "Firehose",
    "kinesis": "Kinesis",
    "ec2": "Ec2",
    "applicationautoscaling": "ApplicationAutoScaling",
}
_OPTIMISED_ERRORS = {
    "lambda": ("Lambda", "AWSLambdaException"),
    "dynamodb": ("DynamoDB", "AmazonDynamoDBException"),
    "sagemaker": ("SageMaker", "AmazonSageMakerException"),
    "glue": ("Glue", "AWSGlueException"),
    "sns": ("SNS", "AmazonSNSException"),
    "sqs": ("SQS", "AmazonSQSException"),
    "states": ("StepFunctions", "AWSStepFunctionsException"),
    "events": ("EventBridge", "AmazonEventBridgeException"),
    "athena": ("Athena", "AmazonAthenaException"),
}


class UnknownIntegrationError(ValueError):
    """The sandbox does not know the service or the action of a task's resource."""


@cache
def service_model(boto_name: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(boto_name)


def sdk_service(name: str) -> str:
    """boto3's name of the service in arn:aws:states:::aws-sdk:<name>:<action>."""
    boto_name = _SDK_SERVICES.get(name, name)
    if boto_name not in _boto_services() or name not in _SDK_ERRORS:
        raise UnknownIntegrationError(
            f"aws-sdk service {name!r} is not known to the sandbox; allowed: {', '.join(sorted(_SDK_ERRORS))}"
        )
    return boto_name


@cache
def _boto_services() -> frozenset[str]:
    return frozenset(botocore.session.get_session().get_available_services())


def operation(boto_name: str, action: str) -> OperationModel:
    """The operation of a camelCase action, as it is written in a task's resource."""
    model = service_model(boto_name)
    wanted = action[:1].upper() + action[1:]
    if wanted not in model.operation_names or action[:1].isupper():
        raise UnknownIntegrationError(
            f"{boto_name} has no action {action!r}: write an API action in camelCase"
        )
    return model.operation_model(wanted)


def sdk_name(member: str) -> str:
    """As SDK integrations spell a member: SSEKMSKeyId -> SsekmsKeyId, executionArn -> ExecutionArn."""
    end = 1
    while (
        end < len(member)
        and member[end].isupper()
        and not (end < len(member) - 1 and member[end + 1].islower())
    ):
        end += 1
    lowered = member[:end].lower() + member[end:]
    return lowered[:1].upper() + lowered[1:]


def to_request(value: Any, shape: Shape | None) -> Any:
    """Task parameters as boto3 takes them; names that the API lacks stay and are refused by boto3."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        names = {sdk_name(member): member for member in shape.members}
        return {
            names.get(key, key): to_request(item, shape.members.get(names.get(key, key)))
            for key, item in value.items()
        }
    if shape is not None and shape.type_name == "list" and isinstance(value, list):
        return [to_request(item, shape.member) for item in value]
    if shape is not None and shape.type_name == "map" and isinstance(value, dict):
        return {key: to_request(item, shape.value) for key, item in value.items()}
    if shape is not None and shape.type_name == "blob" and not isinstance(value, bytes):
        return (value if isinstance(value, str) else _compact(value)).encode()
    if shape is not None and shape.type_name == "string" and isinstance(value, dict | list):
        return _compact(value)
    return value


def from_response(value: Any, shape: Shape | None, *, sdk: bool) -> Any:
    """boto3's answer as the JSON a state gets; SDK integrations respell names and write times as text."""
    if isinstance(value, dict):
        if isinstance(shape, StructureShape):
            return {
                (sdk_name(key) if sdk else key): from_response(item, shape.members.get(key), sdk=sdk)
                for key, item in value.items()
                if key != "ResponseMetadata"
            }
        inner = shape.value if shape is not None and shape.type_name == "map" else None
        return {key: from_response(item, inner, sdk=sdk) for key, item in value.items()}
    if isinstance(value, list):
        inner = shape.member if shape is not None and shape.type_name == "list" else None
        return [from_response(item, inner, sdk=sdk) for item in value]
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return timestamp(value) if sdk else int(value.timestamp() * 1000)
    return value.isoformat() if isinstance(value, date) else value


def timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def error_name(integration: str, service: str, code: str) -> str:
    """What Catch and Retry see. integration: "aws-sdk" or an optimised one; service: as in the resource."""
    if integration == "aws-sdk":
        prefix, model = _SDK_ERRORS[service], service_model(sdk_service(service))
        return f"{prefix}.{_exception(model, code) or f'{prefix}Exception'}"
    prefix, fallback = _OPTIMISED_ERRORS[integration]
    model = service_model("stepfunctions" if integration == "states" else integration)
    return f"{prefix}.{_exception(model, code) or fallback}"


def _exception(model: ServiceModel, code: str) -> str | None:
    """Errors in the service's model have a class of their own; all others share the service's."""
    short = code.split("#")[-1].split(":")[0]
    if model.shape_for_error_code(short) is None:
        return None
    name = short[:1].upper() + short[1:]
    return name if name.endswith("Exception") else f"{name}Exception"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
