"""What encrypts every store and every hop from source to prediction: whose key, which protocol.

Whose key: ours ("customer"), one that AWS keeps in the account ("aws managed": nobody can limit or switch it
off), one that AWS keeps for itself ("aws owned"), or none. What absent properties mean is from the services'
own guides, "encryption at rest".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from audit.findings import Finding, Severity
from audit.policies import Statement, listed, matches, statements
from audit.rules.definitions import requests
from audit.templates import Resource, Templates

Keeper = Literal["customer", "aws managed", "aws owned", "none", "run time"]
Path = tuple[str | int, ...]
LOW, MEDIUM, HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
# The way of the data: the order of rows.
STAGES = ("ingest", "lake", "transform", "train", "deploy", "operate")


@dataclass(frozen=True, kw_only=True)
class Store:
    """
    what      of the resource is stored there, for example "objects" or "volume"
    key       construct path of the key; the keeper where it is not ours; an ARN or alias made elsewhere
    severity  of a store without a customer key; None where there is nothing to mend
    note      why there is nothing to mend, or what the key depends on
    """

    stage: str
    path: str
    address: str
    what: str
    key: str
    keeper: Keeper
    severity: Severity | None
    note: str = ""
    controls: tuple[str, ...] = ()

    @property
    def is_fault(self) -> bool:
        return self.severity is not None and self.keeper not in ("customer", "run time")


@dataclass(frozen=True, kw_only=True)
class Hop:
    """
    protocol  the weakest that is let through, for example "TLS 1.2" or "HTTP"
    by        what enforces it; "" where nothing does
    severity  of a hop that nothing enforces TLS on; None where nothing can be mended
    """

    stage: str
    path: str
    address: str
    what: str
    protocol: str
    by: str
    severity: Severity | None
    controls: tuple[str, ...] = ()

    @property
    def is_fault(self) -> bool:
        return self.severity is not None and not self.by


@dataclass(frozen=True, kw_only=True)
class _Thing:
    """A resource, or a request of a state machine that makes one (its operation as `kind`)."""

    kind: str
    path: str
    address: str
    given: Mapping[str, Any]
    resource: Resource


_RUN_TIME = object()


def _find(given: Any, path: Sequence[str | int]) -> Any:
    """The value at the path, None where a step is missing, _RUN_TIME where a request fills it in later."""
    for step in path:
        if _is_later(given):
            return _RUN_TIME
        if isinstance(step, int):
            given = given[step] if isinstance(given, list) and len(given) > step else None
        elif isinstance(given, Mapping) and f"{step}.$" in given:
            return _RUN_TIME
        else:
            given = given.get(step) if isinstance(given, Mapping) else None
    return _RUN_TIME if _is_later(given) else given


def _is_later(value: Any) -> bool:
    """An expression of JSONata, or a pipeline's look at its parameters or at another step."""
    if isinstance(value, Mapping):
        return len(value) == 1 and next(iter(value)) in ("Get", "Std:Join")
    return isinstance(value, str) and value.startswith("{%")


def _is_on(value: Any) -> bool:
    return str(value).lower() == "true"


class Keys:
    """Keys as properties name them: by ARN, id or alias."""

    def __init__(self, templates: Templates) -> None:
        self._known: dict[str, str] = {}
        for key in templates.of("AWS::KMS::Key", "AWS::KMS::ReplicaKey"):
            for name in (
                templates.arn(key),
                f"<{key.address}>",
                f"<{key.address}.Arn>",
                f"<{key.address}.KeyId>",
            ):
                self._known[name] = key.path
        for alias in templates.of("AWS::KMS::Alias"):
            target = self._known.get(str(alias.get("TargetKeyId")), alias.path)
            for name in (str(alias.get("AliasName")), f"<{alias.address}>"):
                self._known[name] = target

    def read(self, given: Any, default: Keeper) -> tuple[Keeper, str]:
        if given is _RUN_TIME:
            return "run time", "chosen at run time"
        if not isinstance(given, str) or not given:
            return default, default
        if "alias/aws/" in given:
            return "aws managed", "aws managed"
        alias = given[given.index("alias/") :] if "alias/" in given else given
        return "customer", self._known.get(given) or self._known.get(alias, given)


@dataclass(frozen=True, kw_only=True)
class _Field:
    """
    key      where the key stands in the properties
    default  whose key it is when none is named
    needs    property without which there is nothing to encrypt
    switch   property that turns encryption on where no key is named
    note     why there is nothing to mend
    """

    what: str
    key: Path
    default: Keeper
    severity: Severity | None
    needs: Path = ()
    switch: Path = ()
    controls: tuple[str, ...] = ()
    note: str = ""


_ENDPOINT_CONFIG = (
    _Field(what="volume", key=("KmsKeyId",), default="aws owned", severity=MEDIUM),
    _Field(
        what="captured requests",
        key=("DataCaptureConfig", "KmsKeyId"),
        default="aws managed",
        severity=MEDIUM,
        needs=("DataCaptureConfig", "EnableCapture"),
    ),
    _Field(
        what="asynchronous responses",
        key=("AsyncInferenceConfig", "OutputConfig", "KmsKeyId"),
        default="aws managed",
        severity=MEDIUM,
        needs=("AsyncInferenceConfig",),
    ),
)
_TRAINING = (
    _Field(what="volume", key=("ResourceConfig", "VolumeKmsKeyId"), default="aws owned", severity=MEDIUM),
    _Field(what="output", key=("OutputDataConfig", "KmsKeyId"), default="aws managed", severity=MEDIUM),
)
_DATABASE = _Field(
    what="tables",
    key=("KmsKeyId",),
    default="aws managed",
    severity=MEDIUM,
    switch=("StorageEncrypted",),
)
# Type or operation -> stage and what it stores.
FIELDS: Mapping[str, tuple[str, tuple[_Field, ...]]] = {
    "AWS::Kinesis::Stream": (
        "ingest",
        (
            _Field(
                what="records",
                key=("StreamEncryption", "KeyId"),
                default="none",
                severity=HIGH,
                controls=("FSBP Kinesis.1",),
            ),
        ),
    ),
    "sagemaker:createtrainingjob": ("train", _TRAINING),
    "sagemaker:createhyperparametertuningjob": (
        "train",
        tuple(
            _Field(
                what=each.what,
                key=("TrainingJobDefinition", *each.key),
                default=each.default,
                severity=each.severity,
            )
            for each in _TRAINING
        ),
    ),
    "sagemaker:createprocessingjob": (
        "train",
        (
            _Field(
                what="volume",
                key=("ProcessingResources", "ClusterConfig", "VolumeKmsKeyId"),
                default="aws owned",
                severity=MEDIUM,
            ),
            _Field(
                what="output",
                key=("ProcessingOutputConfig", "KmsKeyId"),
                default="aws managed",
                severity=MEDIUM,
                needs=("ProcessingOutputConfig",),
            ),
        ),
    ),
    "sagemaker:createtransformjob": (
        "deploy",
        (
            _Field(
                what="volume",
                key=("TransformResources", "VolumeKmsKeyId"),
                default="aws owned",
                severity=MEDIUM,
            ),
            _Field(
                what="output",
                key=("TransformOutput", "KmsKeyId"),
                default="aws managed",
                severity=MEDIUM,
            ),
            _Field(
                what="captured requests",
                key=("DataCaptureConfig", "KmsKeyId"),
                default="aws managed",
                severity=MEDIUM,
                needs=("DataCaptureConfig",),
            ),
        ),
    ),
    "sagemaker:createendpointconfig": ("deploy", _ENDPOINT_CONFIG),
    "AWS::SageMaker::EndpointConfig": ("deploy", _ENDPOINT_CONFIG),
    "AWS::SageMaker::NotebookInstance": (
        "train",
        (_Field(what="volume", key=("KmsKeyId",), default="aws owned", severity=MEDIUM),),
    ),
    "AWS::SageMaker::Domain": (
        "train",
        (_Field(what="home folders", key=("KmsKeyId",), default="aws managed", severity=MEDIUM),),
    ),
    "AWS::SageMaker::FeatureGroup": (
        "transform",
        (
            _Field(
                what="online features",
                key=("OnlineStoreConfig", "SecurityConfig", "KmsKeyId"),
                default="aws owned",
                severity=MEDIUM,
                needs=("OnlineStoreConfig",),
            ),
            _Field(
                what="offline features",
                key=("OfflineStoreConfig", "S3StorageConfig", "KmsKeyId"),
                default="aws managed",
                severity=MEDIUM,
                needs=("OfflineStoreConfig",),
            ),
        ),
    ),
    "AWS::SecretsManager::Secret": (
        "operate",
        (_Field(what="secret", key=("KmsKeyId",), default="aws managed", severity=MEDIUM),),
    ),
    # CloudFormation makes no SecureString, the only kind that takes a key.
    "AWS::SSM::Parameter": (
        "operate",
        (
            _Field(
                what="plain value",
                key=(),
                default="none",
                severity=None,
                note="a plain parameter takes no key: no place for a secret",
            ),
        ),
    ),
    "AWS::SNS::Topic": (
        "operate",
        (_Field(what="messages", key=("KmsMasterKeyId",), default="none", severity=MEDIUM),),
    ),
    "AWS::Logs::LogGroup": (
        "operate",
        (_Field(what="log", key=("KmsKeyId",), default="aws owned", severity=LOW),),
    ),
    "AWS::Lambda::Function": (
        "operate",
        (
            _Field(
                what="environment",
                key=("KmsKeyArn",),
                default="aws managed",
                severity=LOW,
                needs=("Environment", "Variables"),
            ),
        ),
    ),
    "AWS::StepFunctions::StateMachine": (
        "operate",
        (
            _Field(
                what="definition and execution history",
                key=("EncryptionConfiguration", "KmsKeyId"),
                default="aws owned",
                severity=LOW,
            ),
        ),
    ),
    "AWS::Scheduler::Schedule": (
        "operate",
        (_Field(what="input", key=("KmsKeyArn",), default="aws owned", severity=LOW),),
    ),
    "AWS::Events::EventBus": (
        "operate",
        (_Field(what="events", key=("KmsKeyIdentifier",), default="aws owned", severity=LOW),),
    ),
    "AWS::CloudTrail::Trail": (
        "operate",
        (
            _Field(
                what="trail",
                key=("KMSKeyId",),
                default="aws owned",
                severity=MEDIUM,
                controls=("FSBP CloudTrail.2",),
            ),
        ),
    ),
    "AWS::ECR::Repository": (
        "train",
        (
            _Field(
                what="images", key=("EncryptionConfiguration", "KmsKey"), default="aws owned", severity=LOW
            ),
        ),
    ),
    "AWS::EC2::Volume": (
        "operate",
        (
            _Field(
                what="volume",
                key=("KmsKeyId",),
                default="aws managed",
                severity=MEDIUM,
                switch=("Encrypted",),
            ),
        ),
    ),
    "AWS::EFS::FileSystem": (
        "lake",
        (
            _Field(
                what="files",
                key=("KmsKeyId",),
                default="aws managed",
                severity=MEDIUM,
                switch=("Encrypted",),
            ),
        ),
    ),
    "AWS::RDS::DBInstance": ("lake", (_DATABASE,)),
    "AWS::RDS::DBCluster": ("lake", (_DATABASE,)),
}
# Instances with local storage take no key for it: SageMaker guide, "VolumeKmsKeyId".
_LOCAL_STORAGE = re.compile(r"ml\.(?:[a-z]+\d+[a-z]*d[a-z]*|g[56]e?|p5\w*|trn\d\w*)\.")


def encryption_map(templates: Templates) -> list[Store | Hop]:
    """Stores and hops in the order the data travels."""
    world = _World(templates)
    rows: list[Store | Hop] = [*_stores(world), *_hops(world)]
    return sorted(rows, key=lambda row: (STAGES.index(row.stage), row.path, row.what))


def check(templates: Templates) -> list[Finding]:
    found = [_finding(row) for row in encryption_map(templates) if row.is_fault]
    return [*found, *_unrotated(templates)]


def to_lines(rows: Iterable[Store | Hop]) -> list[str]:
    """One a line: stage, path, what; then the key of a store, the protocol of a hop and what enforces it."""
    return [f"{row.stage} | {row.path} | {row.what} | {_ending(row)}" for row in rows]


def _ending(row: Store | Hop) -> str:
    if isinstance(row, Store):
        return f"key {row.key}" + (f" ({row.note})" if row.note else "")
    return f"{row.protocol}, enforced by {row.by}" if row.by else f"{row.protocol}, enforced by nothing"


def _finding(row: Store | Hop) -> Finding:
    severity = row.severity or LOW
    if isinstance(row, Hop):
        return Finding(
            rule="ENC-02",
            severity=severity,
            address=row.address,
            path=row.path,
            subject=row.what,
            message=f"{row.what}: {row.protocol} is let through",
            fix=_FIXES.get(row.what, "let TLS through only"),
            controls=row.controls,
        )
    said = "not encrypted" if row.keeper == "none" else f"the key is {row.keeper}, none of this account's own"
    return Finding(
        rule="ENC-01",
        severity=severity,
        address=row.address,
        path=row.path,
        subject=row.what,
        message=f"{row.what}: {said}" + (f" ({row.note})" if row.note else ""),
        fix="name a KMS key of this account, whose policy says who may decrypt",
        controls=row.controls,
    )


_FIXES: Mapping[str, str] = {
    "requests": "deny everybody every action on the one condition Bool aws:SecureTransport false",
    "traffic between containers": "set EnableInterContainerTrafficEncryption to true",
    "connection to a source": "set the connection's property for TLS to true",
    "subscription": "deliver to an https address, or to a queue",
    "listener": "listen with HTTPS, or redirect to it",
}


def _unrotated(templates: Templates) -> Iterator[Finding]:
    """Keys that AWS can rotate: symmetric, with material that KMS made."""
    for key in templates.of("AWS::KMS::Key"):
        can = (
            key.get("KeySpec", default="SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
            and key.get("Origin", default="AWS_KMS") == "AWS_KMS"
        )
        if can and not _is_on(key.get("EnableKeyRotation")):
            yield Finding(
                rule="ENC-03",
                severity=MEDIUM,
                address=key.address,
                path=key.path,
                subject="EnableKeyRotation",
                message="the key is never rotated: what it has encrypted shares one key for good",
                fix="set EnableKeyRotation to true",
                controls=("Security Hub KMS.4",),
            )


class _World:
    """The templates, with what several rows ask for."""

    def __init__(self, templates: Templates) -> None:
        self.templates = templates
        self.keys = Keys(templates)

    @cached_property
    def things(self) -> list[_Thing]:
        found = [
            _Thing(kind=each.type, path=each.path, address=each.address, given=each.properties, resource=each)
            for each in self.templates.resources
        ]
        return found + [
            _Thing(
                kind=each.action.lower(),
                path=f"{each.workflow.path}/{each.name}",
                address=each.workflow.address,
                given=each.request,
                resource=each.workflow,
            )
            for each in requests(self.templates)
        ]

    @cached_property
    def denials(self) -> list[Statement]:
        return [each for each in statements(self.templates) if each.kind == "resource" and not each.allows]

    def named(self, kind: str, given: Any) -> Resource | None:
        """A resource by its ARN, name or Ref."""
        for resource in self.templates.of(kind):
            arn = self.templates.arn(resource)
            if str(given) in (arn, f"<{resource.address}>", arn.rpartition(":")[2]):
                return resource
        return None


def _stores(world: _World) -> Iterator[Store]:
    for thing in world.things:
        stage, fields = FIELDS.get(thing.kind, ("", ()))
        for field in fields:
            if not field.needs or _has(thing.given, field.needs):
                yield _store(world, thing, stage, field)
        if special := _SPECIAL.get(thing.kind):
            yield from special(world, thing)


def _has(given: Mapping[str, Any], path: Path) -> bool:
    value = _find(given, path)
    return bool(value) and str(value).lower() != "false"


def _store(world: _World, thing: _Thing, stage: str, field: _Field) -> Store:
    found = _find(thing.given, field.key) if field.key else None
    is_off = bool(field.switch) and not _has(thing.given, field.switch)
    keeper, key = world.keys.read(found, "none" if is_off else field.default)
    row = _row(
        thing, stage, field.what, keeper, key, field.severity, note=field.note, controls=field.controls
    )
    if field.what == "volume" and keeper == "aws owned" and _has_local_storage(thing):
        return _row(
            thing, stage, field.what, keeper, key, None, note="local storage, which hardware encrypts"
        )
    return row


def _row(
    thing: _Thing,
    stage: str,
    what: str,
    keeper: Keeper,
    key: str,
    severity: Severity | None,
    *,
    note: str = "",
    controls: tuple[str, ...] = (),
) -> Store:
    return Store(
        stage=stage,
        path=thing.path,
        address=thing.address,
        what=what,
        key=key,
        keeper=keeper,
        severity=severity,
        note=note,
        controls=controls,
    )


def _has_local_storage(thing: _Thing) -> bool:
    given = [_find(thing.given, path) for path in _INSTANCES.get(thing.kind, ())]
    kinds = [str(each) for each in given if isinstance(each, str)]
    kinds += [str(_find(each, ("InstanceType",))) for each in listed(thing.given.get("ProductionVariants"))]
    return bool(kinds) and all(_LOCAL_STORAGE.match(kind) for kind in kinds)


_INSTANCES: Mapping[str, tuple[Path, ...]] = {
    "sagemaker:createtrainingjob": (("ResourceConfig", "InstanceType"),),
    "sagemaker:createhyperparametertuningjob": (("TrainingJobDefinition", "ResourceConfig", "InstanceType"),),
    "sagemaker:createprocessingjob": (("ProcessingResources", "ClusterConfig", "InstanceType"),),
    "sagemaker:createtransformjob": (("TransformResources", "InstanceType"),),
}


def _bucket(world: _World, thing: _Thing) -> Iterator[Store]:
    keeper, key = _bucket_key(world, thing.resource)
    is_target = any(
        world.named("AWS::S3::Bucket", each.get("LoggingConfiguration", "DestinationBucketName"))
        is thing.resource
        for each in world.templates.of("AWS::S3::Bucket")
        if each.get("LoggingConfiguration", "DestinationBucketName")
    )
    note = "receives access logs, which S3 documents for its own key only" if is_target else ""
    yield _row(
        thing,
        "lake",
        "objects",
        keeper,
        key,
        LOW if is_target else MEDIUM,
        note=note if keeper == "aws owned" else "",
        controls=("Security Hub S3.17",),
    )


def _bucket_key(world: _World, bucket: Resource) -> tuple[Keeper, str]:
    default = _find(
        bucket.properties,
        ("BucketEncryption", "ServerSideEncryptionConfiguration", 0, "ServerSideEncryptionByDefault"),
    )
    if not str(_find(default, ("SSEAlgorithm",))).startswith("aws:kms"):
        return "aws owned", "aws owned"
    return world.keys.read(_find(default, ("KMSMasterKeyID",)), "aws managed")


def _destination(world: _World, bucket: Any, key: Any) -> tuple[Keeper, str, str]:
    """Of objects written with a key, or else with the bucket's default; with a note about which."""
    if key is not None:
        return *world.keys.read(key, "aws owned"), ""
    home = world.named("AWS::S3::Bucket", bucket)
    if home is None:
        return "run time", "the bucket's default", "the bucket is made elsewhere"
    return *_bucket_key(world, home), f"default of {home.path}"


def _firehose(world: _World, thing: _Thing) -> Iterator[Store]:
    for name, target in thing.given.items():
        if name.endswith("DestinationConfiguration") and isinstance(target, Mapping):
            inner = target.get("S3Configuration") if "S3Configuration" in target else target
            key = _find(inner, ("EncryptionConfiguration", "KMSEncryptionConfig", "AWSKMSKeyARN"))
            keeper, text, note = _destination(world, _find(inner, ("BucketARN",)), key)
            yield _row(thing, "ingest", "delivered objects", keeper, text, MEDIUM, note=note)
    if thing.given.get("DeliveryStreamType") != "KinesisStreamAsSource":
        at_rest = thing.given.get("DeliveryStreamEncryptionConfigurationInput")
        default: Keeper = "aws owned" if at_rest else "none"
        keeper, text = world.keys.read(_find(at_rest, ("KeyARN",)), default)
        yield _row(thing, "ingest", "buffered records", keeper, text, MEDIUM)
        return
    source = _find(thing.given, ("KinesisStreamSourceConfiguration", "KinesisStreamARN"))
    stream = world.named("AWS::Kinesis::Stream", source)
    given = stream.get("StreamEncryption", "KeyId") if stream else _RUN_TIME
    keeper, text = world.keys.read(given, "none")
    note = f"that of {stream.path}" if stream else "that of a stream made elsewhere"
    yield _row(thing, "ingest", "buffered records", keeper, text, MEDIUM, note=note)


def _table(world: _World, thing: _Thing) -> Iterator[Store]:
    is_on = _is_on(_find(thing.given, ("SSESpecification", "SSEEnabled")))
    default: Keeper = "aws managed" if is_on else "aws owned"
    keeper, key = world.keys.read(_find(thing.given, ("SSESpecification", "KMSMasterKeyId")), default)
    yield _row(thing, "operate", "items", keeper, key, MEDIUM)


def _queue(world: _World, thing: _Thing) -> Iterator[Store]:
    is_off = str(thing.given.get("SqsManagedSseEnabled", True)).lower() == "false"
    keeper, key = world.keys.read(thing.given.get("KmsMasterKeyId"), "none" if is_off else "aws owned")
    yield _row(thing, "operate", "messages", keeper, key, MEDIUM, controls=("FSBP SQS.1",))


_GLUE: Sequence[tuple[str, Path, Severity]] = (
    ("objects that a job writes", ("S3Encryptions", 0, "KmsKeyArn"), MEDIUM),
    ("log", ("CloudWatchEncryption", "KmsKeyArn"), LOW),
    ("bookmarks", ("JobBookmarksEncryption", "KmsKeyArn"), LOW),
)


def _glue_job(world: _World, thing: _Thing) -> Iterator[Store]:
    """By the job's security configuration; without one, Glue's own keys and the buckets' defaults."""
    named = thing.given.get("SecurityConfiguration")
    config = next(
        (
            each
            for each in world.templates.of("AWS::Glue::SecurityConfiguration")
            if str(named) in (f"<{each.address}>", str(each.get("Name")))
        ),
        None,
    )
    for what, path, severity in _GLUE:
        given = config.get("EncryptionConfiguration") if config is not None else None
        found = _RUN_TIME if named is not None and config is None else _find(given, path)
        keeper, key = world.keys.read(found, "aws owned")
        note = f"of {config.path}" if config is not None else "no security configuration in the templates"
        yield _row(thing, "transform", what, keeper, key, severity, note=note)


_BUCKET = re.compile(r"s3://(<[^>]*>|[^/]*)")


def _workgroup(world: _World, thing: _Thing) -> Iterator[Store]:
    result = _find(thing.given, ("WorkGroupConfiguration", "ResultConfiguration"))
    if not isinstance(result, Mapping):
        return
    key = _find(result, ("EncryptionConfiguration", "KmsKey"))
    bucket = _BUCKET.match(str(result.get("OutputLocation", "")))
    keeper, text, note = _destination(world, bucket[1] if bucket else None, key)
    yield _row(thing, "lake", "query results", keeper, text, MEDIUM, note=note)


def _database(world: _World, thing: _Thing) -> Iterator[Store]:
    """The catalogue has one setting for the account and Region."""
    settings = world.templates.of("AWS::Glue::DataCatalogEncryptionSettings")
    path: Path = ("DataCatalogEncryptionSettings", "EncryptionAtRest", "SseAwsKmsKeyId")
    given = _find(settings[0].properties, path) if settings else None
    keeper, key = world.keys.read(given, "aws owned")
    note = "" if settings else "names and columns only; a setting of the whole account and Region"
    yield _row(thing, "lake", "catalogue", keeper, key, LOW, note=note)


_SPECIAL: Mapping[str, Callable[[_World, _Thing], Iterator[Store]]] = {
    "AWS::S3::Bucket": _bucket,
    "AWS::KinesisFirehose::DeliveryStream": _firehose,
    "AWS::DynamoDB::Table": _table,
    "AWS::SQS::Queue": _queue,
    "AWS::Glue::Job": _glue_job,
    "AWS::Glue::Database": _database,
    "AWS::Athena::WorkGroup": _workgroup,
}


def _hops(world: _World) -> Iterator[Hop]:
    for thing in world.things:
        if found := _TRANSIT.get(thing.kind):
            yield from found(world, thing)


def _hop(
    thing: _Thing,
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


def _by_policy(world: _World, thing: _Thing) -> Iterator[Hop]:
    stage, actions, below, controls = _BY_POLICY[thing.kind]
    arn = world.templates.arn(thing.resource)
    meant = [
        each
        for each in world.denials
        if all(_denies(each, action) for action in actions)
        and all(_is_on_target(each, thing, f"{arn}{end}", world) for end in below)
    ]
    versions = [version for each in meant if (version := _least_version(each))]
    is_closed = any(_asks(each, "bool", "aws:securetransport", "false") for each in meant) or versions
    protocol = f"TLS {max(versions)}" if versions else "TLS" if is_closed else "HTTP"
    by = ", ".join(dict.fromkeys(each.holder.path for each in meant)) if is_closed else ""
    yield _hop(thing, stage, "requests", protocol, by, controls=controls)


def _denies(statement: Statement, action: str) -> bool:
    everybody = any(value == "*" for _, value in statement.principals)
    return everybody and any(matches(str(each).lower(), action) for each in statement.actions)


def _is_on_target(statement: Statement, thing: _Thing, arn: str, world: _World) -> bool:
    """In the resource's own policy "*" is the resource."""
    mentioned = json.dumps(dict(statement.holder.properties), default=str)
    own = f"<{thing.address}>" in mentioned or world.templates.arn(thing.resource) in mentioned
    return any(matches(str(each), arn) for each in statement.resources if own or each != "*")


def _asks(statement: Statement, operator: str, key: str, value: str) -> bool:
    """The condition, and no other beside it that would narrow the denial."""
    given = [
        (str(name).lower(), str(each).lower(), values)
        for name, keys in statement.conditions.items()
        for each, values in (keys.items() if isinstance(keys, Mapping) else ())
    ]
    return (
        len(given) == 1
        and given[0][:2] == (operator, key)
        and [str(each).lower() for each in listed(given[0][2])] == [value]
    )


def _least_version(statement: Statement) -> str:
    for value in ("1.2", "1.3"):
        if _asks(statement, "numericlessthan", "s3:tlsversion", value):
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


def _https_only(_world: _World, thing: _Thing) -> Iterator[Hop]:
    yield _hop(thing, _HTTPS_ONLY[thing.kind], "API", "TLS", "the service, which answers nothing else")


def _dynamodb(_world: _World, thing: _Thing) -> Iterator[Hop]:
    yield _hop(thing, "operate", "API", "TLS or HTTP, as the client chooses", "", severity=None)


def _endpoint(_world: _World, thing: _Thing) -> Iterator[Hop]:
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


def _containers(_world: _World, thing: _Thing) -> Iterator[Hop]:
    """Of one instance nothing leaves; the next larger count would be in the clear."""
    below, count = _CONTAINERS[thing.kind]
    value = _find(thing.given, (*below, "EnableInterContainerTrafficEncryption"))
    by = "EnableInterContainerTrafficEncryption" if _is_on(value) else ""
    severity = LOW if str(_find(thing.given, count)) == "1" else MEDIUM
    protocol = "TLS" if by else "no encryption"
    if value is _RUN_TIME:
        by, protocol = "a value of run time", "what it says"
    yield _hop(thing, "train", "traffic between containers", protocol, by, severity)


_TLS_PROPERTIES: Mapping[str, str] = {"JDBC": "JDBC_ENFORCE_SSL", "KAFKA": "KAFKA_SSL_ENABLED"}


def _connection(_world: _World, thing: _Thing) -> Iterator[Hop]:
    """Network connections have no other side of their own."""
    kind = str(_find(thing.given, ("ConnectionInput", "ConnectionType")))
    name = _TLS_PROPERTIES.get(kind)
    if name is not None:
        is_on = _is_on(_find(thing.given, ("ConnectionInput", "ConnectionProperties", name)))
        yield _hop(
            thing,
            "transform",
            "connection to a source",
            "TLS" if is_on else f"{kind} without TLS",
            name if is_on else "",
        )


def _subscription(_world: _World, thing: _Thing) -> Iterator[Hop]:
    protocol = str(thing.given.get("Protocol", ""))
    if protocol in ("http", "https"):
        by = "the address" if protocol == "https" else ""
        yield _hop(thing, "operate", "subscription", "TLS" if by else "HTTP", by, HIGH)


def _listener(_world: _World, thing: _Thing) -> Iterator[Hop]:
    protocol = str(thing.given.get("Protocol", ""))
    redirects = any(
        _find(each, ("Type",)) == "redirect" for each in listed(thing.given.get("DefaultActions"))
    )
    by = "the listener" if protocol in ("HTTPS", "TLS") or redirects else ""
    yield _hop(thing, "deploy", "listener", "TLS" if by else protocol or "any", by, HIGH)


_TRANSIT: Mapping[str, Callable[[_World, _Thing], Iterator[Hop]]] = {
    **dict.fromkeys(_BY_POLICY, _by_policy),
    **dict.fromkeys(_HTTPS_ONLY, _https_only),
    **dict.fromkeys(_CONTAINERS, _containers),
    "AWS::DynamoDB::Table": _dynamodb,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::Glue::Connection": _connection,
    "AWS::SNS::Subscription": _subscription,
    "AWS::ElasticLoadBalancingV2::Listener": _listener,
}
