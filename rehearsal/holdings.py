"""All that the embedded account holds: the answers of every listing operation of every service in use.

moto makes a service's state when the first call comes: a service without one holds nothing. Of the others
every List and Describe operation that needs no parameter is asked, and some that need one. What lies inside
something else (objects, streams of logs) is gone with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from sandbox import account

# Asked whether or not anybody has called them: each has something of its own from the first hour on.
_USUAL = {
    "application-autoscaling", "athena", "cloudformation", "cloudtrail", "cloudwatch", "dynamodb", "ec2",
    "ecr", "events", "firehose", "glue", "iam", "kinesis", "kms", "lambda", "logs", "s3", "sagemaker",
    "scheduler", "secretsmanager", "sns", "sqs", "ssm", "stepfunctions",
}  # fmt: skip
# AWS's catalogues and the account's past, tags of what is listed elsewhere, and what breaks inside moto.
_SKIPPED = {
    "cloudformation": {"ListStacks", "DescribeType", "ListTypes"},
    "cloudwatch": {"ListMetrics", "DescribeAlarmHistory"},
    "dynamodb": {"DescribeEndpoints", "ListExports"},
    "ec2": {
        "DescribeImages",
        "DescribeInstanceTypeOfferings",
        "DescribeInstanceTypes",
        "DescribeSpotPriceHistory",
        "DescribeTags",
        "DescribeVpcEndpointServices",
    },
    "ecs": {"DescribeCapacityProviders"},
    "sns": {"ListPhoneNumbersOptedOut"},
    "stepfunctions": {"ListExecutions"},
    "sts": {"*"},
}
_GETTING = {"glue", "athena"}  # their lists are called Get...
_WITH_PARAMETERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("application-autoscaling", "DescribeScalableTargets", {"ServiceNamespace": "sagemaker"}),
    ("application-autoscaling", "DescribeScalingPolicies", {"ServiceNamespace": "sagemaker"}),
    ("glue", "GetTables", {"DatabaseName": "mlref_sandbox"}),
    ("iam", "ListPolicies", {"Scope": "Local"}),
)
_refused: set[tuple[str, str]] = set()  # operations that moto does not have
_answered: set[tuple[str, str]] = set()  # those that have answered in this process


def held() -> set[str]:
    """Each holding as a line: service, operation, and what it answers."""
    return {
        f"{service} {operation} {json.dumps(item, sort_keys=True, default=str)}"
        for service in services()
        for operation, parameters in _listings(service)
        for item in _asked(service, operation, parameters)
        if not _is_nothing(operation, item)
    }


def services() -> list[str]:
    """Those that anybody has called, as boto3 names them."""
    from moto.core.base_backend import BackendDict

    known = set(account.session().get_available_services())
    in_use = {backend.service_name for backend in BackendDict._instances if backend}  # type: ignore[misc]
    return sorted(in_use & known | _USUAL)


def asked() -> int:
    """How many listing operations answer."""
    return sum(
        (service, operation) not in _refused for service in services() for operation, _ in _listings(service)
    )


@cache
def _listings(service: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    model = account.client(service).meta.service_model
    given = {operation: parameters for name, operation, parameters in _WITH_PARAMETERS if name == service}
    skipped = _SKIPPED.get(service, set())
    verbs = ("List", "Describe", "Get") if service in _GETTING else ("List", "Describe")
    found = []
    for operation in model.operation_names:
        shape = model.operation_model(operation)
        needs = shape.input_shape.required_members if shape.input_shape else []
        lists = shape.output_shape and any(m.type_name == "list" for m in shape.output_shape.members.values())
        is_free = operation.startswith(verbs) and lists and not needs and not {"*", operation} & skipped
        if is_free or operation in given:
            found.append((operation, given.get(operation, {})))
    return tuple(found)


def _asked(service: str, operation: str, parameters: dict[str, Any]) -> Iterator[Any]:
    if (service, operation) in _refused:
        return
    client, name = account.client(service), xform_name(operation)
    try:
        if client.can_paginate(name):
            pages = list(client.get_paginator(name).paginate(**parameters))
        else:
            pages = [getattr(client, name)(**parameters)]
    except (BotoCoreError, ClientError) as error:
        if _is_absent(error):
            return
        if (service, operation) in _answered:
            raise  # it listed before: "nothing" would be a guess
        _refused.add((service, operation))
        return
    _answered.add((service, operation))
    for page in pages:
        for value in page.values():
            yield from value if isinstance(value, list) else []


def _is_absent(error: Exception) -> bool:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    return code == "EntityNotFoundException"


def _is_nothing(operation: str, item: Any) -> bool:
    """Listed, and yet no holding."""
    if operation == "ListKeys":  # a key goes on its day; until then it is free, and can be called back
        found = account.client("kms").describe_key(KeyId=item["KeyId"])["KeyMetadata"]
        return bool(found["KeyState"] == "PendingDeletion")
    if operation == "ListWorkGroups":
        return bool(item["Name"] == "primary")  # moto makes it anew for each answer
    if operation == "DescribeVpcEndpoints":
        return bool(item["State"] == "deleted")
    if operation == "DescribeNetworkAcls":  # moto keeps the one that a network has by itself
        return item["VpcId"] not in _networks()
    # Made by Step Functions for all machines of the account, and left by it.
    return operation == "ListRules" and item["Name"].startswith("StepFunctionsGetEventsFor")


def _networks() -> set[str]:
    return {vpc["VpcId"] for vpc in account.client("ec2").describe_vpcs()["Vpcs"]}
