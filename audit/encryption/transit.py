"""Every hop with its protocol and what enforces it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from audit.conditions import clauses
from audit.encryption.rows import Hop
from audit.encryption.world import RUN_TIME, Path, Thing, World, find, is_on
from audit.findings import Severity
from audit.policies import Statement, listed, matches

LOW, MEDIUM, HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH


def hops(world: World) -> Iterator[Hop]:
    for thing in world.things:
        if found := _TRANSIT.get(thing.kind):
            yield from found(world, thing)


def _hop(
    thing: Thing,
    stage: str,
    what: str,
    protocol: str,
    by: str,
    severity: Severity | None = MEDIUM,
    controls: tuple[str, ...] = (),
) -> Hop:
    return Hop(
        stage=stage,
        path=thing.path,
        address=thing.address,
        what=what,
        protocol=protocol,
        by=by,
        severity=severity,
        controls=controls,
    )


# Type -> stage, what its policy has to deny without TLS, where below its ARN, control.
_BY_POLICY: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "AWS::S3::Bucket": (
        "lake",
        ("s3:getobject", "s3:putobject", "s3:listbucket"),
        ("", "/any"),
        ("FSBP S3.5",),
    ),
    "AWS::SQS::Queue": ("operate", ("sqs:sendmessage", "sqs:receivemessage"), ("",), ()),
    "AWS::SNS::Topic": ("operate", ("sns:publish",), ("",), ()),
}


def _by_policy(world: World, thing: Thing) -> Iterator[Hop]:
    stage, actions, below, controls = _BY_POLICY[thing.kind]
    arn = world.templates.arn(thing.resource)
    meant = [
        each
        for each in world.denials
        if all(_denies(each, action) for action in actions)
        and all(_is_on_target(each, thing, f"{arn}{end}", world) for end in below)
    ]
    versions = [version for each in meant if (version := _least_version(each))]
    is_closed = any(_asks(each, "Bool", "aws:securetransport", "false") for each in meant) or versions
    protocol = f"TLS {max(versions)}" if versions else "TLS" if is_closed else "HTTP"
    by = ", ".join(dict.fromkeys(each.holder.path for each in meant)) if is_closed else ""
    yield _hop(thing, stage, "requests", protocol, by, controls=controls)


def _denies(statement: Statement, action: str) -> bool:
    everybody = any(value == "*" for _, value in statement.principals)
    return everybody and any(matches(str(each).lower(), action) for each in statement.actions)


def _is_on_target(statement: Statement, thing: Thing, arn: str, world: World) -> bool:
    """In the resource's own policy "*" is the resource."""
    mentioned = json.dumps(dict(statement.holder.properties), default=str)
    own = f"<{thing.address}>" in mentioned or world.templates.arn(thing.resource) in mentioned
    return any(matches(str(each), arn) for each in statement.resources if own or each != "*")


def _asks(statement: Statement, operator: str, key: str, value: str) -> bool:
    """The condition, and no other beside it that would narrow the denial."""
    asked = [(each.base, each.key.lower(), each.values) for each in clauses(statement)]
    return asked == [(operator, key, (value,))]


def _least_version(statement: Statement) -> str:
    for value in ("1.2", "1.3"):
        if _asks(statement, "NumericLessThan", "s3:tlsversion", value):
            return value
    return ""


# Services whose API answers HTTPS only: AWS General Reference, "endpoints and quotas", protocol.
_HTTPS_ONLY: Mapping[str, str] = {
    "AWS::Kinesis::Stream": "ingest",
    "AWS::KinesisFirehose::DeliveryStream": "ingest",
    "AWS::Athena::WorkGroup": "lake",
    "AWS::SageMaker::Endpoint": "deploy",
    "AWS::SecretsManager::Secret": "operate",
    "AWS::SSM::Parameter": "operate",
    "AWS::StepFunctions::StateMachine": "operate",
}


def _https_only(_world: World, thing: Thing) -> Iterator[Hop]:
    yield _hop(thing, _HTTPS_ONLY[thing.kind], "API", "TLS", "the service, which answers nothing else")


def _dynamodb(_world: World, thing: Thing) -> Iterator[Hop]:
    yield _hop(thing, "operate", "API", "TLS or HTTP, as the client chooses", "", severity=None)


def _endpoint(_world: World, thing: Thing) -> Iterator[Hop]:
    yield _hop(
        thing,
        "operate",
        "way to the service",
        "that of the service",
        "AWS's own network; the service's TLS runs through",
        severity=None,
    )


_CONTAINERS: Mapping[str, tuple[Path, Path]] = {
    "sagemaker:createtrainingjob": ((), ("ResourceConfig", "InstanceCount")),
    "sagemaker:createhyperparametertuningjob": (
        ("TrainingJobDefinition",),
        ("TrainingJobDefinition", "ResourceConfig", "InstanceCount"),
    ),
    "sagemaker:createprocessingjob": (
        ("NetworkConfig",),
        ("ProcessingResources", "ClusterConfig", "InstanceCount"),
    ),
}


def _containers(_world: World, thing: Thing) -> Iterator[Hop]:
    """Of one instance nothing leaves; the next larger count would be in the clear."""
    below, count = _CONTAINERS[thing.kind]
    value = find(thing.given, (*below, "EnableInterContainerTrafficEncryption"))
    by = "EnableInterContainerTrafficEncryption" if is_on(value) else ""
    severity = LOW if str(find(thing.given, count)) == "1" else MEDIUM
    protocol = "TLS" if by else "no encryption"
    if value is RUN_TIME:
        by, protocol = "a value of run time", "what it says"
    yield _hop(thing, "train", "traffic between containers", protocol, by, severity)


_TLS_PROPERTIES: Mapping[str, str] = {"JDBC": "JDBC_ENFORCE_SSL", "KAFKA": "KAFKA_SSL_ENABLED"}


def _connection(_world: World, thing: Thing) -> Iterator[Hop]:
    """Network connections have no other side of their own."""
    kind = str(find(thing.given, ("ConnectionInput", "ConnectionType")))
    name = _TLS_PROPERTIES.get(kind)
    if name is not None:
        has_tls = is_on(find(thing.given, ("ConnectionInput", "ConnectionProperties", name)))
        yield _hop(
            thing,
            "transform",
            "connection to a source",
            "TLS" if has_tls else f"{kind} without TLS",
            name if has_tls else "",
        )


def _subscription(_world: World, thing: Thing) -> Iterator[Hop]:
    protocol = str(thing.given.get("Protocol", ""))
    if protocol in ("http", "https"):
        by = "the address" if protocol == "https" else ""
        yield _hop(thing, "operate", "subscription", "TLS" if by else "HTTP", by, HIGH)


def _listener(_world: World, thing: Thing) -> Iterator[Hop]:
    protocol = str(thing.given.get("Protocol", ""))
    redirects = any(find(each, ("Type",)) == "redirect" for each in listed(thing.given.get("DefaultActions")))
    by = "the listener" if protocol in ("HTTPS", "TLS") or redirects else ""
    yield _hop(thing, "deploy", "listener", "TLS" if by else protocol or "any", by, HIGH)


_TRANSIT: Mapping[str, Callable[[World, Thing], Iterator[Hop]]] = {
    **dict.fromkeys(_BY_POLICY, _by_policy),
    **dict.fromkeys(_HTTPS_ONLY, _https_only),
    **dict.fromkeys(_CONTAINERS, _containers),
    "AWS::DynamoDB::Table": _dynamodb,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::Glue::Connection": _connection,
    "AWS::SNS::Subscription": _subscription,
    "AWS::ElasticLoadBalancingV2::Listener": _listener,
}
