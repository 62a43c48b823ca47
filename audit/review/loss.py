"""Data loss: what holds state is deleted, made anew, protected less, or kept for less long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from audit.policies import listed
from audit.review.difference import Change, Kind, at, is_true, shown
from audit.review.pairs import Pair
from audit.templates import Resource

# Type -> what is lost with it.
STATEFUL: Mapping[str, str] = {
    "AWS::S3::Bucket": "its objects",
    "AWS::DynamoDB::Table": "its items",
    "AWS::DynamoDB::GlobalTable": "its items",
    "AWS::Kinesis::Stream": "records that nobody has read yet",
    "AWS::SQS::Queue": "messages that wait",
    "AWS::KMS::Key": "everything encrypted with it",
    "AWS::Logs::LogGroup": "its log",
    "AWS::Logs::LogStream": "its log",
    "AWS::SecretsManager::Secret": "the secret",
    "AWS::SSM::Parameter": "the value that was written since",
    "AWS::Glue::Database": "the catalogue's tables and partitions",
    "AWS::Glue::Table": "its partitions in the catalogue",
    "AWS::SageMaker::ModelPackageGroup": "the registered models, or the deletion fails while it has any",
    "AWS::SageMaker::FeatureGroup": "its online features",
    "AWS::SageMaker::NotebookInstance": "its volume",
    "AWS::SageMaker::Domain": "its users' files",
    "AWS::ECR::Repository": "its images",
    "AWS::RDS::DBInstance": "its database",
    "AWS::RDS::DBCluster": "its database",
    "AWS::EFS::FileSystem": "its files",
    "AWS::EC2::Volume": "its blocks",
    "AWS::OpenSearchService::Domain": "its indices",
    "AWS::ElastiCache::CacheCluster": "its entries",
    "AWS::Redshift::Cluster": "its tables",
    "AWS::MSK::Cluster": "its topics",
    "AWS::Cognito::UserPool": "its users",
    "AWS::Backup::BackupVault": "its recovery points",
    "AWS::Timestream::Table": "its records",
    "AWS::CloudTrail::EventDataStore": "its events",
}
KEPT = ("Retain", "Snapshot", "RetainExceptOnCreate")
# CloudFormation's own default for these is a snapshot (reference, "DeletionPolicy").
_SNAPSHOT = ("AWS::RDS::DBCluster", "AWS::RDS::DBInstance")
_WAITS = "less time to notice that it was deleted, before nothing can be read any more"
FOREVER = float("inf")
# Type -> place of a number that may not fall, what it is where it is missing, its unit.
NUMBERS: Mapping[str, tuple[tuple[tuple[str, ...], float, str], ...]] = {
    "AWS::Logs::LogGroup": ((("RetentionInDays",), FOREVER, "days"),),
    "AWS::Kinesis::Stream": ((("RetentionPeriodHours",), 24, "hours"),),
    "AWS::SQS::Queue": ((("MessageRetentionPeriod",), 345_600, "seconds"),),
    "AWS::KMS::Key": ((("PendingWindowInDays",), 30, "days"),),
    "AWS::RDS::DBInstance": ((("BackupRetentionPeriod",), 1, "days"),),
    "AWS::RDS::DBCluster": ((("BackupRetentionPeriod",), 1, "days"),),
    "AWS::CloudTrail::EventDataStore": ((("RetentionPeriod",), 2557, "days"),),
}
# Type -> place of a value, and the value that protects.
SWITCHES: Mapping[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    "AWS::S3::Bucket": (
        (("VersioningConfiguration", "Status"), "Enabled"),
        (("ObjectLockEnabled",), "true"),
    ),
    "AWS::DynamoDB::Table": (
        (("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"), "true"),
        (("DeletionProtectionEnabled",), "true"),
    ),
    "AWS::RDS::DBInstance": ((("DeletionProtection",), "true"),),
    "AWS::RDS::DBCluster": ((("DeletionProtection",), "true"),),
    "AWS::EFS::FileSystem": ((("BackupPolicy", "Status"), "ENABLED"),),
    "AWS::KMS::Key": ((("Enabled",), "true"),),
    "AWS::Cognito::UserPool": ((("DeletionProtection",), "ACTIVE"),),
}
_ON_WHERE_MISSING = {("AWS::KMS::Key", "Enabled")}


def losses(one: Pair) -> Iterator[tuple[Change, tuple[str, ...]]]:
    """Changes, each with the properties that it speaks of."""
    if one.old is None or one.old.type not in STATEFUL:
        return
    yield from _end(one, one.old)
    if one.new is None or one.is_renamed:
        return
    yield from _policies(one, one.old, one.new)
    yield from _numbers(one, one.new)
    yield from _switches(one, one.new)
    if one.new.type == "AWS::S3::Bucket":
        yield from _expiry(one, one.new)
    before, after = (
        at(side, "TimeToLiveSpecification", "Enabled") for side in (one.properties, one.new.properties)
    )
    if is_true(after) and not is_true(before):
        yield (
            _change(one, "items begin to expire", "", "TimeToLiveSpecification"),
            ("TimeToLiveSpecification",),
        )


def is_kept(one: Pair) -> bool:
    """Whether the old resource outlives the change: on a deletion what is deployed decides, else both."""
    if one.old is None:
        return True
    if one.new is None or one.is_renamed:
        return _policy(one.old, "DeletionPolicy") in KEPT
    return all(_policy(side, "UpdateReplacePolicy") in KEPT for side in (one.old, one.new))


def _policy(resource: Resource, name: str) -> str:
    missing = "Snapshot" if resource.type in _SNAPSHOT and name == "DeletionPolicy" else "Delete"
    return str(resource.raw.get(name, missing))


def _end(one: Pair, old: Resource) -> Iterator[tuple[Change, tuple[str, ...]]]:
    if is_kept(one):
        return
    lost = STATEFUL[old.type]
    if one.new is None:
        why = f"DeletionPolicy is {_policy(old, 'DeletionPolicy')}: with it goes {lost}"
        if old.type == "AWS::S3::Bucket":
            why += "; the deletion fails while the bucket is not empty"
        yield _change(one, "is deleted", why, rank=3), ("*",)
    elif one.is_renamed:
        why = f"the content is the same, the resource is not: {lost} is gone with it; `cdk refactor` moves it"
        yield _change(one, f"is deleted, and made anew and empty as {one.new.path}", why, rank=3), ("*",)
    elif one.replaced_by:
        verb = "may be" if one.may_only else "is"
        why = f"UpdateReplacePolicy is not Retain: with the old one goes {lost}"
        what = f"{verb} made anew and empty for {', '.join(one.replaced_by)}"
        places = tuple(name.partition(".")[0] for name in one.replaced_by)
        yield _change(one, what, why, places[0], rank=2 if one.may_only else 3), places


def _policies(one: Pair, old: Resource, new: Resource) -> Iterator[tuple[Change, tuple[str, ...]]]:
    names = ("DeletionPolicy", "UpdateReplacePolicy")
    lower = [n for n in names if _policy(old, n) in KEPT and _policy(new, n) not in KEPT]
    if lower:
        why = f"not by this deployment: the next deletion or replacement takes {STATEFUL[old.type]}"
        before, after = (", ".join(_policy(side, name) for name in lower) for side in (old, new))
        change = _change(one, f"is no longer kept: {' and '.join(lower)}", why)
        yield replace(change, before=before, after=after, rank=0), tuple(lower)


def _numbers(one: Pair, new: Resource) -> Iterator[tuple[Change, tuple[str, ...]]]:
    for place, missing, unit in NUMBERS.get(new.type, ()):
        written = [at(side, *place) for side in (one.properties, new.properties)]
        before, after = (_number(value, missing) for value in written)
        if before is None or after is None:
            if written[0] != written[1]:
                what = f"{'.'.join(place)} changes to or from what is not known here"
                yield _change(one, what, "if it falls, what is older is deleted", place[0]), place[:1]
        elif after < before:
            what = f"{'.'.join(place)} falls from {_said(before, unit)} to {_said(after, unit)}"
            why = _WAITS if new.type == "AWS::KMS::Key" else "what is older is deleted"
            yield _change(one, what, why, place[0]), place[:1]


def _number(value: Any, missing: float) -> float | None:
    """None for what a parameter or an intrinsic function will say."""
    try:
        return missing if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _said(number: float, unit: str) -> str:
    return "for ever" if number == FOREVER else f"{number:g} {unit}"


def _switches(one: Pair, new: Resource) -> Iterator[tuple[Change, tuple[str, ...]]]:
    for place, good in SWITCHES.get(new.type, ()):
        missing = good if (new.type, *place) in _ON_WHERE_MISSING else None
        found = (at(side, *place) for side in (one.properties, new.properties))
        was, now = (missing if value is None else value for value in found)
        if str(was).lower() == good.lower() != str(now).lower():
            why = "what is overwritten or deleted from now on cannot be brought back"
            yield _change(one, f"{'.'.join(place)} is no longer {good}", why, place[0]), place[:1]


# ---- the life cycle of a bucket's objects ----

_AGES = {
    "expire": ("ExpirationInDays",),
    "expire as older versions": ("NoncurrentVersionExpiration", "NoncurrentDays"),
}


def _expiry(one: Pair, new: Resource) -> Iterator[tuple[Change, tuple[str, ...]]]:
    before, after = (_rules(side) for side in (one.properties, new.properties))
    for (prefix, tags, what), days in sorted(after.items()):
        known = [
            age
            for (place, some, same), age in before.items()
            if same == what and prefix.startswith(place) and (not some or some == tags)
        ]
        was = min(known, default=FOREVER)
        if days < was:
            where = f"below {prefix}" if prefix else "in the whole bucket"
            told = f"objects {where} {what} after {days:g} days, before {_said(was, 'days')}"
            yield _change(one, told, "what is older is deleted"), ("LifecycleConfiguration",)


def _rules(properties: Mapping[str, Any]) -> dict[tuple[str, str, str], float]:
    """(prefix, tags, what happens) -> the least days."""
    found: dict[tuple[str, str, str], float] = {}
    for rule in listed(at(properties, "LifecycleConfiguration", "Rules")):
        if not isinstance(rule, Mapping) or rule.get("Status") != "Enabled":
            continue
        for what, place in _AGES.items():
            days = _number(at(rule, *place), FOREVER)
            days = 0 if days is None else days  # a parameter's: at the worst at once
            key = (str(rule.get("Prefix", "")), shown(rule.get("TagFilters")), what)
            if days < found.get(key, FOREVER):
                found[key] = days
    return found


def _change(one: Pair, what: str, why: str, place: str = "", rank: int = 1) -> Change:
    now = one.new.properties.get(place) if one.new and place else None
    return Change(
        kind=Kind.DATA_LOSS,
        stack=one.one.stack,
        path=(one.old or one.one).path,
        type=one.one.type,
        what=what,
        why=why,
        before=shown(one.properties.get(place)) if place else "",
        after=shown(now),
        rank=rank,
    )
