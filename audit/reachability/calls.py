"""Units of work in subnets, and the calls that their own code makes from there, read from their roles.

A role is also used by the service that runs the unit, from the service's side of the network: OUTSIDE names
these calls, each with its reason. What is left is taken to be called from inside the VPC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audit.policies import Statement, listed, matches
from audit.rules.definitions import Task, requests
from audit.templates import Resource, Templates

# Prefix of an action, or the action, to the endpoint services it needs. The more exact pattern comes first.
# Source: "AWS services that integrate with AWS PrivateLink" (VPC user guide), prefixes by the service
# authorization reference. A prefix that is not listed is taken for the endpoint's name.
ENDPOINT_SERVICES: Sequence[tuple[str, tuple[str, ...]]] = (
    ("ecr:getauthorizationtoken", ("ecr.api",)),
    ("ecr:*", ("ecr.api", "ecr.dkr")),
    ("sagemaker:invokeendpoint*", ("sagemaker.runtime",)),
    ("sagemaker:batchgetrecord", ("sagemaker.featurestore-runtime",)),
    ("sagemaker:getrecord", ("sagemaker.featurestore-runtime",)),
    ("sagemaker:putrecord", ("sagemaker.featurestore-runtime",)),
    ("sagemaker:deleterecord", ("sagemaker.featurestore-runtime",)),
    ("sagemaker:batchputmetrics", ("sagemaker.metrics",)),
    ("sagemaker:*", ("sagemaker.api",)),
    ("states:startsyncexecution", ("sync-states",)),
    ("bedrock:invokemodel*", ("bedrock-runtime",)),
    ("bedrock:*", ("bedrock",)),
    ("cloudwatch:*", ("monitoring",)),
    ("kinesis:*", ("kinesis-streams",)),
    ("firehose:*", ("kinesis-firehose",)),
    ("elasticmapreduce:*", ("elasticmapreduce",)),
    ("codecommit:*", ("codecommit",)),
    ("elasticfilesystem:client*", ()),  # NFS to a mount target in the VPC
    ("es:eshttp*", ()),  # a domain in the VPC
    ("rds-db:*", ()),  # a database in the VPC
    ("iam:passrole", ()),  # checked when another call is made; no call itself
)

# Where an image's layers are read from, by addresses that ECR signs: ECR user guide, "interface endpoints".
LAYERS = "arn:aws:s3:::prod-<Region>-starport-layer-bucket/*"

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


@dataclass(frozen=True, kw_only=True)
class Call:
    """One action on one resource (both may be patterns), of a statement that grants it."""

    action: str
    resource: str
    services: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outside:
    """A granted call that does not come from the unit's subnets, and why."""

    unit: str
    action: str
    resource: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which calls (`actions` less `but`) of which units (`kinds`; none: all) do not come from inside."""

    kinds: tuple[Kind, ...]
    actions: tuple[str, ...]
    reason: str
    but: tuple[str, ...] = ()
    when: Callable[[Unit, Call], bool] = lambda _unit, _call: True


SAGEMAKER = ("training", "processing", "tuning", "model")


def _via_service(_unit: Unit, call: Call) -> bool:
    blocks = [keys for keys in call.conditions.values() if isinstance(keys, Mapping)]
    return any(str(key).lower() == "kms:viaservice" for keys in blocks for key in keys)


def _by_itself(unit: Unit, call: Call) -> bool:
    return call.resource in unit.by_itself


def _is_isolated(unit: Unit, _call: Call) -> bool:
    return unit.isolated


def _pulls_outside(unit: Unit, _call: Call) -> bool:
    return not unit.pulls


def _is_capture(unit: Unit, call: Call) -> bool:
    return any(call.resource.startswith(target) for target in unit.captures)


INTERFACES = (
    "ec2:*networkinterface*",
    "ec2:assignprivateipaddresses",
    "ec2:unassignprivateipaddresses",
    "ec2:describedhcpoptions",
    "ec2:describeroutetables",
    "ec2:describesecuritygroups",
    "ec2:describesubnets",
    "ec2:describevpc*",
)
OUTSIDE: Sequence[Rule] = (
    Rule(
        kinds=(),
        actions=("kms:*",),
        when=_via_service,
        reason="the grant is tied to a service (kms:ViaService), which calls KMS for the caller",
    ),
    Rule(
        kinds=(),
        actions=(
            "kms:decrypt",
            "kms:encrypt",
            "kms:generatedatakey*",
            "kms:reencrypt*",
            "kms:describekey",
            "kms:creategrant",
        ),
        reason="the service that holds the data calls KMS for the caller; a direct call cannot be told apart",
    ),
    Rule(
        kinds=("function",),
        actions=INTERFACES,
        reason="Lambda makes a function's network interfaces before any code runs (Lambda guide, VPC)",
    ),
    Rule(
        kinds=("function",),
        actions=("logs:createloggroup", "logs:createlogstream", "logs:putlogevents"),
        reason="Lambda collects what a function prints and delivers it from its own network",
    ),
    Rule(
        kinds=("function",),
        actions=("xray:*",),
        reason="Lambda runs the X-Ray daemon and delivers its segments from its side (Lambda guide)",
    ),
    Rule(
        kinds=("function",),
        actions=("*",),
        when=_by_itself,
        reason="Lambda itself reads event sources and writes dead letters and destinations",
    ),
    Rule(
        kinds=("glue job",),
        actions=(*INTERFACES, "ec2:createtags", "ec2:deletetags"),
        reason="Glue makes, tags and removes a job's network interfaces before and after the run",
    ),
    Rule(
        kinds=("glue job",),
        actions=("glue:getconnection", "glue:getconnections", "glue:getsecurityconfiguration*"),
        reason="Glue reads the job's connection and security configuration to place the job, before it runs",
    ),
    Rule(
        kinds=SAGEMAKER,
        actions=INTERFACES,
        reason="SageMaker makes the container's network interfaces with the role, from its side",
    ),
    Rule(
        kinds=SAGEMAKER,
        actions=("ecr:*",),
        when=_pulls_outside,
        reason="SageMaker pulls images from its side, unless the request says RepositoryAccessMode Vpc",
    ),
    Rule(
        kinds=SAGEMAKER,
        actions=("logs:*", "cloudwatch:putmetricdata"),
        reason="SageMaker's own agent delivers logs and metrics of a container, from its side",
    ),
    Rule(
        kinds=("model",),
        actions=("s3:putobject*", "s3:abortmultipartupload"),
        when=_is_capture,
        reason="SageMaker writes captured requests; that it does so through the VPC is not documented",
    ),
    Rule(
        kinds=("model",),
        actions=("cloudwatch:describealarms",),
        reason="SageMaker looks at the alarms of a deployment's roll-back itself",
    ),
    Rule(
        kinds=SAGEMAKER,
        # Inputs, models and outputs go through the VPC: SageMaker guide, "Give SageMaker access to your VPC".
        actions=("*",),
        but=("s3:*",),
        when=_is_isolated,
        reason="the container is isolated from the network: only SageMaker can call this, from its side",
    ),
)


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


def calls_of(unit: Unit, every: Sequence[Statement]) -> tuple[list[Call], list[Outside]]:
    """What the unit's own code calls from inside the VPC, and what is called from elsewhere."""
    inside: list[Call] = []
    outside: list[Outside] = []
    for call in _granted(unit, every):
        reason = next((rule.reason for rule in OUTSIDE if _is_meant(rule, unit, call)), None)
        if reason is not None:
            outside.append(Outside(unit=unit.path, action=call.action, resource=call.resource, reason=reason))
        elif call.services:
            inside.append(call)
    if any(matches(call.action.lower(), "ecr:getdownloadurlforlayer") for call in inside):
        inside.append(Call(action="s3:GetObject", resource=LAYERS, services=("s3",)))
    return inside, list(dict.fromkeys(outside))


def services_of(action: str) -> tuple[str, ...]:
    """Endpoint services of an action or a pattern of actions; ("*",) for a pattern over all services."""
    wanted = action.lower()
    prefix, colon, _ = wanted.partition(":")
    if not colon or "*" in prefix:
        return ("*",)
    for pattern, services in ENDPOINT_SERVICES:
        if matches(pattern, wanted):
            return services
    return (prefix,)


def _granted(unit: Unit, every: Sequence[Statement]) -> Iterator[Call]:
    if unit.role is None:
        return
    for statement in every:
        if statement.kind != "identity" or unit.role.address not in statement.identities:
            continue
        if statement.allows:
            yield from _calls(statement)


def _calls(statement: Statement) -> Iterator[Call]:
    # An Allow with NotAction leaves open what is called.
    actions = [str(action) for action in statement.actions] or ["*"]
    for action in actions:
        for resource in statement.resources or ["*"]:
            yield Call(
                action=action,
                resource=str(resource),
                services=services_of(action),
                conditions=statement.conditions,
            )


def _is_meant(rule: Rule, unit: Unit, call: Call) -> bool:
    if rule.kinds and unit.kind not in rule.kinds:
        return False
    action = call.action.lower()
    if any(matches(pattern, action) for pattern in rule.but):
        return False
    return any(matches(pattern, action) for pattern in rule.actions) and rule.when(unit, call)


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
