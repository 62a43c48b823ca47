"""Every store with its key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from audit.encryption.fields import FIELDS, Field
from audit.encryption.rows import Keeper, Store
from audit.encryption.world import RUN_TIME, Path, Thing, World, find, has, is_on
from audit.findings import Severity
from audit.policies import listed
from audit.templates import Resource

LOW, MEDIUM = Severity.LOW, Severity.MEDIUM
# Instances with local storage take no key for it: SageMaker guide, "VolumeKmsKeyId".
_LOCAL_STORAGE = re.compile(r"ml\.(?:[a-z]+\d+[a-z]*d[a-z]*|g[56]e?|p5\w*|trn\d\w*)\.")


def stores(world: World) -> Iterator[Store]:
    for thing in world.things:
        stage, fields = FIELDS.get(thing.kind, ("", ()))
        for field in fields:
            if not field.needs or has(thing.given, field.needs):
                yield _store(world, thing, stage, field)
        if special := _SPECIAL.get(thing.kind):
            yield from special(world, thing)


def _store(world: World, thing: Thing, stage: str, field: Field) -> Store:
    found = find(thing.given, field.key) if field.key else None
    is_off = bool(field.switch) and not has(thing.given, field.switch)
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
    thing: Thing,
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


def _has_local_storage(thing: Thing) -> bool:
    given = [find(thing.given, path) for path in _INSTANCES.get(thing.kind, ())]
    kinds = [str(each) for each in given if isinstance(each, str)]
    kinds += [str(find(each, ("InstanceType",))) for each in listed(thing.given.get("ProductionVariants"))]
    return bool(kinds) and all(_LOCAL_STORAGE.match(kind) for kind in kinds)


_INSTANCES: Mapping[str, tuple[Path, ...]] = {
    "sagemaker:createtrainingjob": (("ResourceConfig", "InstanceType"),),
    "sagemaker:createhyperparametertuningjob": (("TrainingJobDefinition", "ResourceConfig", "InstanceType"),),
    "sagemaker:createprocessingjob": (("ProcessingResources", "ClusterConfig", "InstanceType"),),
    "sagemaker:createtransformjob": (("TransformResources", "InstanceType"),),
}


def _bucket(world: World, thing: Thing) -> Iterator[Store]:
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


def _bucket_key(world: World, bucket: Resource) -> tuple[Keeper, str]:
    default = find(
        bucket.properties,
        ("BucketEncryption", "ServerSideEncryptionConfiguration", 0, "ServerSideEncryptionByDefault"),
    )
    if not str(find(default, ("SSEAlgorithm",))).startswith("aws:kms"):
        return "aws owned", "aws owned"
    return world.keys.read(find(default, ("KMSMasterKeyID",)), "aws managed")


def _destination(world: World, bucket: Any, key: Any) -> tuple[Keeper, str, str]:
    """Of objects written with a key, or else with the bucket's default; with a note about which."""
    if key is not None:
        return *world.keys.read(key, "aws owned"), ""
    home = world.named("AWS::S3::Bucket", bucket)
    if home is None:
        return "run time", "the bucket's default", "the bucket is made elsewhere"
    return *_bucket_key(world, home), f"default of {home.path}"


def _firehose(world: World, thing: Thing) -> Iterator[Store]:
    for name, target in thing.given.items():
        if name.endswith("DestinationConfiguration") and isinstance(target, Mapping):
            inner = target.get("S3Configuration") if "S3Configuration" in target else target
            key = find(inner, ("EncryptionConfiguration", "KMSEncryptionConfig", "AWSKMSKeyARN"))
            keeper, text, note = _destination(world, find(inner, ("BucketARN",)), key)
            yield _row(thing, "ingest", "delivered objects", keeper, text, MEDIUM, note=note)
    if thing.given.get("DeliveryStreamType") != "KinesisStreamAsSource":
        at_rest = thing.given.get("DeliveryStreamEncryptionConfigurationInput")
        default: Keeper = "aws owned" if at_rest else "none"
        keeper, text = world.keys.read(find(at_rest, ("KeyARN",)), default)
        yield _row(thing, "ingest", "buffered records", keeper, text, MEDIUM)
        return
    source = find(thing.given, ("KinesisStreamSourceConfiguration", "KinesisStreamARN"))
    stream = world.named("AWS::Kinesis::Stream", source)
    given = stream.get("StreamEncryption", "KeyId") if stream else RUN_TIME
    keeper, text = world.keys.read(given, "none")
    note = f"that of {stream.path}" if stream else "that of a stream made elsewhere"
    yield _row(thing, "ingest", "buffered records", keeper, text, MEDIUM, note=note)


def _table(world: World, thing: Thing) -> Iterator[Store]:
    has_key = is_on(find(thing.given, ("SSESpecification", "SSEEnabled")))
    default: Keeper = "aws managed" if has_key else "aws owned"
    keeper, key = world.keys.read(find(thing.given, ("SSESpecification", "KMSMasterKeyId")), default)
    yield _row(thing, "operate", "items", keeper, key, MEDIUM)


def _queue(world: World, thing: Thing) -> Iterator[Store]:
    is_off = str(thing.given.get("SqsManagedSseEnabled", True)).lower() == "false"
    keeper, key = world.keys.read(thing.given.get("KmsMasterKeyId"), "none" if is_off else "aws owned")
    yield _row(thing, "operate", "messages", keeper, key, MEDIUM, controls=("FSBP SQS.1",))


_GLUE: Sequence[tuple[str, Path, Severity]] = (
    ("objects that a job writes", ("S3Encryptions", 0, "KmsKeyArn"), MEDIUM),
    ("log", ("CloudWatchEncryption", "KmsKeyArn"), LOW),
    ("bookmarks", ("JobBookmarksEncryption", "KmsKeyArn"), LOW),
)


def _glue_job(world: World, thing: Thing) -> Iterator[Store]:
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
        found = RUN_TIME if named is not None and config is None else find(given, path)
        keeper, key = world.keys.read(found, "aws owned")
        note = f"of {config.path}" if config is not None else "no security configuration in the templates"
        yield _row(thing, "transform", what, keeper, key, severity, note=note)


_BUCKET = re.compile(r"s3://(<[^>]*>|[^/]*)")


def _workgroup(world: World, thing: Thing) -> Iterator[Store]:
    result = find(thing.given, ("WorkGroupConfiguration", "ResultConfiguration"))
    if not isinstance(result, Mapping):
        return
    key = find(result, ("EncryptionConfiguration", "KmsKey"))
    bucket = _BUCKET.match(str(result.get("OutputLocation", "")))
    keeper, text, note = _destination(world, bucket[1] if bucket else None, key)
    yield _row(thing, "lake", "query results", keeper, text, MEDIUM, note=note)


def _database(world: World, thing: Thing) -> Iterator[Store]:
    """The catalogue has one setting for the account and Region."""
    settings = world.templates.of("AWS::Glue::DataCatalogEncryptionSettings")
    path: Path = ("DataCatalogEncryptionSettings", "EncryptionAtRest", "SseAwsKmsKeyId")
    given = find(settings[0].properties, path) if settings else None
    keeper, key = world.keys.read(given, "aws owned")
    note = "" if settings else "names and columns only; a setting of the whole account and Region"
    yield _row(thing, "lake", "catalogue", keeper, key, LOW, note=note)


_SPECIAL: Mapping[str, Callable[[World, Thing], Iterator[Store]]] = {
    "AWS::S3::Bucket": _bucket,
    "AWS::KinesisFirehose::DeliveryStream": _firehose,
    "AWS::DynamoDB::Table": _table,
    "AWS::SQS::Queue": _queue,
    "AWS::Glue::Job": _glue_job,
    "AWS::Glue::Database": _database,
    "AWS::Athena::WorkGroup": _workgroup,
}
