"""How long things are kept, and whether data outlive a mistake: no resource less than its deployment."""

from __future__ import annotations

from collections.abc import Iterator

from audit.findings import Severity
from audit.rules.alarms import QUEUE, dead_letter_targets
from audit.rules.rule import Find, Hit, Rule, is_on, mappings, names
from audit.templates import Templates

# They hold what cannot be made again. A stream passes on, a queue and a catalogue can be filled anew.
STORES = (
    "AWS::S3::Bucket",
    "AWS::KMS::Key",
    "AWS::DynamoDB::Table",
    "AWS::SecretsManager::Secret",
    "AWS::Logs::LogGroup",
)
_KEPT = ("Retain", "RetainExceptOnCreate", "Snapshot")
FOURTEEN_DAYS = 1_209_600  # seconds, the most that SQS keeps


def _shorter(type_: str, name: str, default: int | None) -> Find:
    """Resources that keep shorter than the longest of the type; `default`: where the property is absent."""

    def find(templates: Templates) -> Iterator[Hit]:
        found = [(each, each.get(name, default=default)) for each in templates.of(type_)]
        known = [(each, int(value)) for each, value in found if isinstance(value, int | float)]
        longest = max((value for _, value in known), default=0)
        for resource, value in known:
            if value < longest:
                yield Hit(
                    resource=resource, message=f"{name} is {value}, the others' up to {longest}; set it alike"
                )

    return find


def _deletable(templates: Templates) -> Iterator[Hit]:
    stores = templates.of(*STORES)
    for name in ("DeletionPolicy", "UpdateReplacePolicy"):
        if not any(store.raw.get(name) in _KEPT for store in stores):
            continue
        for store in stores:
            if store.raw.get(name) not in _KEPT:
                yield Hit(
                    resource=store,
                    message=f"goes with its stack, other stores of the deployment stay; set {name} to Retain",
                    subject=name,
                )


def _unprotected(templates: Templates) -> Iterator[Hit]:
    for table in templates.of("AWS::DynamoDB::Table"):
        is_kept = table.raw.get("DeletionPolicy") in _KEPT
        if is_kept and not is_on(table.get("DeletionProtectionEnabled")):
            yield Hit(
                resource=table, message="is kept by its stack, and anybody's call deletes it; protect it"
            )


def _lost_early(templates: Templates) -> Iterator[Hit]:
    targets = dead_letter_targets(templates)
    for queue in templates.of(QUEUE):
        kept = queue.get("MessageRetentionPeriod", default=345_600)
        if templates.arn(queue) in targets and isinstance(kept, int) and kept < FOURTEEN_DAYS:
            yield Hit(
                resource=queue,
                message=f"keeps dead letters for {kept} s; set MessageRetentionPeriod to {FOURTEEN_DAYS}",
            )


def _unlocked_early(templates: Templates) -> Iterator[Hit]:
    for bucket in templates.of("AWS::S3::Bucket"):
        locked = bucket.get("ObjectLockConfiguration", "Rule", "DefaultRetention", "Days")
        kept = [
            each["ExpirationInDays"]
            for each in mappings(bucket.get("LifecycleConfiguration", "Rules"))
            if isinstance(each.get("ExpirationInDays"), int)
        ]
        if isinstance(locked, int) and kept and locked < min(kept):
            yield Hit(
                resource=bucket,
                message=f"locks objects for {locked} days and keeps them for {min(kept)}; set both alike",
            )


def _without_end(templates: Templates) -> Iterator[Hit]:
    filled = _filled(templates)
    for bucket in templates.of("AWS::S3::Bucket"):
        known = names(templates, bucket)
        rules = mappings(bucket.get("LifecycleConfiguration", "Rules"))
        is_emptied = any(each.get("ExpirationInDays") or each.get("ExpirationDate") for each in rules)
        # That there is no lifecycle at all, ML-S3-06 says.
        if rules and not is_emptied and known & filled:
            yield Hit(
                resource=bucket, message="fills by itself and keeps all; give a rule with ExpirationInDays"
            )


def _filled(templates: Templates) -> set[str]:
    """Names and ARNs of the buckets that logs, deliveries, captures and results of queries go to."""
    given = [
        each.get("LoggingConfiguration", "DestinationBucketName") for each in templates.of("AWS::S3::Bucket")
    ]
    given += [each.get("S3BucketName") for each in templates.of("AWS::CloudTrail::Trail")]
    given += [
        each.get("ExtendedS3DestinationConfiguration", "BucketARN")
        for each in templates.of("AWS::KinesisFirehose::DeliveryStream")
    ]
    places = [
        each.get("DataCaptureConfig", "DestinationS3Uri")
        for each in templates.of("AWS::SageMaker::EndpointConfig")
    ]
    places += [
        each.get("WorkGroupConfiguration", "ResultConfiguration", "OutputLocation")
        for each in templates.of("AWS::Athena::WorkGroup")
    ]
    given += [_bucket_of(str(each)) for each in places if each]
    return {str(each) for each in given if each}


def _bucket_of(uri: str) -> str:
    """A name that CloudFormation makes up holds a slash: <stack/logical id>."""
    rest = uri.removeprefix("s3://")
    return rest[: rest.find(">") + 1] if rest.startswith("<") else rest.partition("/")[0]


LOGS_ALIKE = Rule(
    id="ML-LOG-04",
    title="No log group keeps shorter than its deployment",
    severity=Severity.LOW,
    rationale="What happened is put together from several logs; the one that is gone is the one that is "
    "missed.",
    fix="Take the retention of all log groups from one setting.",
    controls=("NIST AU-11",),
    find=_shorter("AWS::Logs::LogGroup", "RetentionInDays", None),
)
KEYS_ALIKE = Rule(
    id="ML-KMS-06",
    title="No key can go sooner than the others of its deployment",
    severity=Severity.LOW,
    rationale="A key that is deleted takes with it all that it encrypted; the waiting time is when somebody "
    "notices.",
    fix="Take PendingWindowInDays of all keys from one setting.",
    controls=("NIST SC-12",),
    find=_shorter("AWS::KMS::Key", "PendingWindowInDays", 30),
)
OUTLIVES = Rule(
    id="ML-KEEP-01",
    title="Where stores outlive their stacks, all do",
    severity=Severity.MEDIUM,
    rationale="One store that a wrong update deletes or replaces is lost: data, the key to it, or the log "
    "that "
    "tells of it.",
    fix="Set DeletionPolicy and UpdateReplacePolicy to Retain.",
    controls=("NIST CP-9", "NIST SI-12"),
    find=_deletable,
)
PROTECTED = Rule(
    id="ML-KEEP-02",
    title="Tables that outlive their stacks are protected from deletion",
    severity=Severity.MEDIUM,
    rationale="DeletionPolicy binds CloudFormation alone; a call of DeleteTable asks nobody.",
    fix="Set DeletionProtectionEnabled to true.",
    controls=("FSBP DynamoDB.6", "NIST CP-9"),
    find=_unprotected,
)
DEAD_LETTERS_KEPT = Rule(
    id="ML-SQS-04",
    title="Dead letters are kept as long as SQS can",
    severity=Severity.LOW,
    rationale="A letter that is deleted before somebody comes back from leave is an event that is lost.",
    fix="Set MessageRetentionPeriod to 1209600.",
    controls=("NIST SC-24",),
    find=_lost_early,
)
LOCKED_WHOLE = Rule(
    id="ML-S3-07",
    title="A lock holds until the objects are let go",
    severity=Severity.LOW,
    rationale="What may be deleted before the time for which it is kept, somebody with the right will "
    "delete.",
    fix="Take the lock's DefaultRetention and the lifecycle's expiration from one setting.",
    controls=("NIST AU-9", "NIST SI-12"),
    find=_unlocked_early,
)
FILLS_AND_EMPTIES = Rule(
    id="ML-S3-08",
    title="Buckets that fill by themselves empty themselves",
    severity=Severity.LOW,
    rationale="Logs, deliveries, captures and results come without anybody's doing, and hold what is "
    "personal: "
    "without an end they are kept for ever.",
    fix="Give the bucket a lifecycle rule with ExpirationInDays.",
    controls=("FSBP S3.13", "NIST SI-12"),
    find=_without_end,
)
