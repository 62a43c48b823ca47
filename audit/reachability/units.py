"""Units of work in subnets: functions, jobs, models, requests of state machines, notebooks, tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audit.policies import listed
from audit.rules.definitions import Task, requests
from audit.templates import Resource, Templates

Kind = str  # function, glue job, training, processing, tuning, model, task, notebook, other


@dataclass(frozen=True, kw_only=True)
class Unit:
    """
    role      None where it is made elsewhere or not named: its calls are then unknown
    isolated  the container has no network; only SageMaker reads and writes, through the VPC
    pulls     images come through the VPC, not from SageMaker's side
    by_itself  ARNs that the service writes to or reads from for the unit (dead letters, event sources)
    captures   ARNs below which endpoints write the requests that they capture
    """

    path: str
    address: str
    kind: Kind
    subnets: tuple[str, ...]
    groups: tuple[str, ...]
    role: Resource | None
    role_arn: str = ""
    isolated: bool = False
    pulls: bool = False
    by_itself: tuple[str, ...] = ()
    captures: tuple[str, ...] = ()


def units(templates: Templates) -> list[Unit]:
    return [
        unit
        for unit in (
            *_functions(templates),
            *_glue_jobs(templates),
            *_models(templates),
            *_requested(templates),
            *_others(templates),
        )
        if unit.subnets or unit.groups
    ]


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in listed(value))


def _role(templates: Templates, given: Any) -> Resource | None:
    """By its ARN, its name, or the profile of an instance that holds it."""
    for role in templates.of("AWS::IAM::Role"):
        if given is not None and str(given) in (
            templates.arn(role),
            f"<{role.address}>",
            str(role.get("RoleName", default="<none>")),
        ):
            return role
    return None


def _step(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _unit(templates: Templates, path: str, address: str, role: Any, **more: Any) -> Unit:
    return Unit(path=path, address=address, role=_role(templates, role), role_arn=str(role or ""), **more)


def _functions(templates: Templates) -> Iterator[Unit]:
    for function in templates.of("AWS::Lambda::Function"):
        yield _unit(
            templates,
            function.path,
            function.address,
            function.get("Role"),
            kind="function",
            subnets=_texts(function.get("VpcConfig", "SubnetIds")),
            groups=_texts(function.get("VpcConfig", "SecurityGroupIds")),
            by_itself=tuple(_lambda_itself(templates, function)),
        )


def _lambda_itself(templates: Templates, function: Resource) -> Iterator[str]:
    yield from _texts(function.get("DeadLetterConfig", "TargetArn"))
    names = (templates.arn(function), f"<{function.address}>", str(function.get("FunctionName")))
    for mapping in templates.of("AWS::Lambda::EventSourceMapping"):
        if str(mapping.get("FunctionName")) in names:
            yield from _texts(mapping.get("EventSourceArn"))
            yield from _texts(mapping.get("DestinationConfig", "OnFailure", "Destination"))
    for config in templates.of("AWS::Lambda::EventInvokeConfig"):
        if str(config.get("FunctionName")) in names:
            for outcome in ("OnFailure", "OnSuccess"):
                yield from _texts(config.get("DestinationConfig", outcome, "Destination"))


def _glue_jobs(templates: Templates) -> Iterator[Unit]:
    for job in templates.of("AWS::Glue::Job"):
        named = _texts(job.get("Connections", "Connections"))
        places = [
            place
            for connection in templates.of("AWS::Glue::Connection")
            if {f"<{connection.address}>", str(connection.get("ConnectionInput", "Name"))} & set(named)
            and isinstance(
                place := connection.get("ConnectionInput", "PhysicalConnectionRequirements"), Mapping
            )
        ]
        yield _unit(
            templates,
            job.path,
            job.address,
            job.get("Role"),
            kind="glue job",
            subnets=tuple(subnet for place in places for subnet in _texts(place.get("SubnetId"))),
            groups=tuple(group for place in places for group in _texts(place.get("SecurityGroupIdList"))),
        )


def _models(templates: Templates) -> Iterator[Unit]:
    captures = _captures(templates)
    for model in templates.of("AWS::SageMaker::Model"):
        yield _container(templates, model.path, model.address, "model", model.properties, captures)


def _captures(templates: Templates) -> tuple[str, ...]:
    """ARNs below which endpoints write the requests they capture."""
    given = [config.properties for config in templates.of("AWS::SageMaker::EndpointConfig")]
    given += [
        each.request
        for each in requests(templates)
        if each.action.lower() == "sagemaker:createendpointconfig"
    ]
    targets = {str(_step(each, "DataCaptureConfig", "DestinationS3Uri") or "") for each in given}
    return tuple(f"arn:aws:s3:::{target.removeprefix('s3://')}" for target in sorted(targets) if target)


# Operation -> kind and where the request holds its VpcConfig, its isolation and how images are pulled.
_REQUESTS: Mapping[str, tuple[Kind, tuple[str, ...]]] = {
    "sagemaker:createtrainingjob": ("training", ()),
    "sagemaker:createhyperparametertuningjob": ("tuning", ("TrainingJobDefinition",)),
    "sagemaker:createprocessingjob": ("processing", ("NetworkConfig",)),
    "sagemaker:createmodel": ("model", ()),
}


def _requested(templates: Templates) -> Iterator[Unit]:
    captures = _captures(templates)
    for task in requests(templates):
        known = _REQUESTS.get(task.action.lower())
        if known is not None:
            yield _from_request(templates, task, *known, captures)


def _from_request(
    templates: Templates, task: Task, kind: Kind, below: tuple[str, ...], captures: tuple[str, ...]
) -> Unit:
    inner = _step(task.request, *below)
    merged = {**task.request, **(inner if isinstance(inner, Mapping) else {})}
    return _container(
        templates, f"{task.workflow.path}/{task.name}", task.workflow.address, kind, merged, captures
    )


def _container(
    templates: Templates,
    path: str,
    address: str,
    kind: Kind,
    given: Mapping[str, Any],
    captures: tuple[str, ...],
) -> Unit:
    modes = (
        _step(given, "AlgorithmSpecification", "TrainingImageConfig", "TrainingRepositoryAccessMode"),
        _step(given, "PrimaryContainer", "ImageConfig", "RepositoryAccessMode"),
    )
    return _unit(
        templates,
        path,
        address,
        given.get("RoleArn") or given.get("ExecutionRoleArn"),
        kind=kind,
        subnets=_texts(_step(given, "VpcConfig", "Subnets")),
        groups=_texts(_step(given, "VpcConfig", "SecurityGroupIds")),
        isolated=str(given.get("EnableNetworkIsolation")).lower() == "true",
        pulls="Vpc" in modes,
        captures=captures,
    )


# Type -> (kind, subnets, security groups, role) by their properties.
_OTHERS: Mapping[str, tuple[Kind, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "AWS::SageMaker::NotebookInstance": ("notebook", ("SubnetId",), ("SecurityGroupIds",), ("RoleArn",)),
    "AWS::SageMaker::Domain": (
        "notebook",
        ("SubnetIds",),
        ("DefaultUserSettings", "SecurityGroups"),
        ("DefaultUserSettings", "ExecutionRole"),
    ),
    "AWS::CodeBuild::Project": (
        "task",
        ("VpcConfig", "Subnets"),
        ("VpcConfig", "SecurityGroupIds"),
        ("ServiceRole",),
    ),
    "AWS::EC2::Instance": ("task", ("SubnetId",), ("SecurityGroupIds",), ("IamInstanceProfile",)),
    "AWS::ECS::Service": (
        "task",
        ("NetworkConfiguration", "AwsvpcConfiguration", "Subnets"),
        ("NetworkConfiguration", "AwsvpcConfiguration", "SecurityGroups"),
        ("TaskDefinition",),
    ),
    "AWS::Batch::ComputeEnvironment": (
        "task",
        ("ComputeResources", "Subnets"),
        ("ComputeResources", "SecurityGroupIds"),
        ("ComputeResources", "InstanceRole"),
    ),
    "AWS::EMRServerless::Application": (
        "task",
        ("NetworkConfiguration", "SubnetIds"),
        ("NetworkConfiguration", "SecurityGroupIds"),
        (),
    ),
}


def _others(templates: Templates) -> Iterator[Unit]:
    for resource in templates.of(*_OTHERS):
        kind, subnets, groups, role = _OTHERS[resource.type]
        yield _unit(
            templates,
            resource.path,
            resource.address,
            _held(templates, resource.get(*role) if role else None),
            kind=kind,
            subnets=_texts(resource.get(*subnets)),
            groups=_texts(resource.get(*groups)),
        )


def _held(templates: Templates, given: Any) -> Any:
    """The role behind an instance profile or a task definition; anything else as it is."""
    holder = templates.by_address.get(str(given).strip("<>").removesuffix(".Arn"))
    if holder is not None and holder.type == "AWS::IAM::InstanceProfile":
        return next(iter(_texts(holder.get("Roles"))), None)
    if holder is not None and holder.type == "AWS::ECS::TaskDefinition":
        return holder.get("TaskRoleArn")
    return given
