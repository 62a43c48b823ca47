"""Feature groups: made, shown, changed and deleted as on AWS; what is not emulated is refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from sandbox import clock
from sandbox.engines import feature_offline
from sandbox.engines.feature_records import Group
from sandbox.engines.jobs import arn, check_known, check_role, refuse

_NAME = re.compile(r"[a-zA-Z0-9]([_-]*[a-zA-Z0-9]){0,63}")
_RESERVED = ("is_deleted", "write_time", "api_invocation_time")
_CREATE = frozenset(
    {
        "FeatureGroupName",
        "RecordIdentifierFeatureName",
        "EventTimeFeatureName",
        "FeatureDefinitions",
        "OnlineStoreConfig",
        "OfflineStoreConfig",
        "ThroughputConfig",
        "RoleArn",
        "Description",
        "Tags",
    }
)

_groups: dict[str, Group] = {}


def group(name: str) -> Group | None:
    """By name or ARN."""
    return _groups.get(name.rpartition("/")[2].lower())


def key_of(name: str) -> str | None:
    """The key of the online half, as the request named it."""
    found = group(name)
    config = (found.request.get("OnlineStoreConfig") or {}) if found else {}
    key: str | None = (config.get("SecurityConfig") or {}).get("KmsKeyId")
    return key


def reset() -> None:
    _groups.clear()


def create_feature_group(request: dict[str, Any]) -> dict[str, Any]:
    check_known(request, _CREATE, "CreateFeatureGroup")
    _check(request)
    made = Group(
        request={name: value for name, value in request.items() if name != "Tags"},
        arn=arn("feature-group", request["FeatureGroupName"].lower()),
        created=clock.now(),
        tags=list(request.get("Tags") or []),
    )
    if "OfflineStore" in made.stores:
        check_role(request["RoleArn"], made.arn)
        _look_at_bucket(made)
        feature_offline.open_table(made)
    _groups[made.name.lower()] = made
    return {"FeatureGroupArn": made.arn}


def _check(request: dict[str, Any]) -> None:
    from moto.sagemaker.exceptions import ResourceInUseException

    name = request["FeatureGroupName"]
    if not _NAME.fullmatch(name):
        raise refuse(f"FeatureGroupName {name!r} does not match {_NAME.pattern}")
    if group(name) is not None:
        raise ResourceInUseException(f"Resource Already Exists: FeatureGroup with name {name} already exists")
    for mistake in (*_features(request), *_stores(request)):
        raise refuse(mistake)


def _features(request: dict[str, Any]) -> Iterator[str]:
    definitions = request["FeatureDefinitions"]
    kinds = {one["FeatureName"]: one["FeatureType"] for one in definitions}
    if len(kinds) != len(definitions):
        yield "FeatureDefinitions name a feature twice"
    if reserved := [one for one in _RESERVED if one in kinds]:
        yield f"feature {reserved[0]} is reserved; reserved are: {', '.join(_RESERVED)}"
    if any(one.get("CollectionType") for one in definitions):
        yield "collections are not in the sandbox: leave CollectionType out"
    for role, allowed in (
        ("RecordIdentifierFeatureName", ("String", "Integral")),
        ("EventTimeFeatureName", ("String", "Fractional")),
    ):
        if kinds.get(request[role]) not in allowed:
            yield f"{role} {request[role]} must be a feature of type {' or '.join(allowed)}"


def _stores(request: dict[str, Any]) -> Iterator[str]:
    online, offline = request.get("OnlineStoreConfig") or {}, request.get("OfflineStoreConfig") or {}
    if not online.get("EnableOnlineStore") and not offline:
        yield "a feature group needs an online or an offline store"
    for given, name, allowed in (
        (online, "StorageType", ("Standard",)),
        (offline, "TableFormat", ("Glue", "Default")),
        (request.get("ThroughputConfig") or {}, "ThroughputMode", ("OnDemand",)),
    ):
        if given.get(name, allowed[0]) not in allowed:
            yield f"{name} {given[name]} is not in the sandbox; there is: {', '.join(allowed)}"
    if not offline:
        return
    if not request.get("RoleArn"):
        yield "an offline store needs a RoleArn"
    if not offline.get("DisableGlueTableCreation") and "DataCatalogConfig" not in offline:
        yield "a table of Feature Store's own choice is not in the sandbox: give a DataCatalogConfig"


def _look_at_bucket(made: Group) -> None:
    """As SageMaker does before it accepts the group: with the role it was given."""
    bucket = made.request["OfflineStoreConfig"]["S3StorageConfig"]["S3Uri"].split("/")[2]
    try:
        feature_offline.credentials(made).client("s3").get_bucket_acl(Bucket=bucket)
    except ClientError as error:
        raise refuse(f"The role cannot look at the ACL of {bucket}: {error}") from error


def describe_feature_group(request: dict[str, Any]) -> dict[str, Any]:
    found = _found(request["FeatureGroupName"])
    shown = {
        **{name: value for name, value in found.request.items() if value is not None},
        "FeatureGroupArn": found.arn,
        "FeatureGroupStatus": "Created",
        "CreationTime": found.created,
        "LastModifiedTime": found.modified or found.created,
    }
    if "OfflineStore" in found.stores:
        offline = dict(found.request["OfflineStoreConfig"])
        offline["S3StorageConfig"] = {
            **offline["S3StorageConfig"],
            "ResolvedOutputS3Uri": feature_offline.place(found),
        }
        shown |= {"OfflineStoreConfig": offline, "OfflineStoreStatus": {"Status": "Active"}}
    return shown


def list_feature_groups(request: dict[str, Any]) -> dict[str, Any]:
    check_known(request, frozenset({"NameContains"}), "ListFeatureGroups")
    part = request.get("NameContains", "")
    summaries = [
        {
            "FeatureGroupName": one.name,
            "FeatureGroupArn": one.arn,
            "CreationTime": one.created,
            "FeatureGroupStatus": "Created",
        }
        for one in sorted(_groups.values(), key=lambda one: one.name)
        if part in one.name
    ]
    return {"FeatureGroupSummaries": summaries}


def update_feature_group(request: dict[str, Any]) -> dict[str, Any]:
    """The default lifetime of records that are put from now on; nothing else."""
    found = _found(request["FeatureGroupName"])
    check_known(request, frozenset({"FeatureGroupName", "OnlineStoreConfig"}), "UpdateFeatureGroup")
    change = request.get("OnlineStoreConfig") or {}
    check_known(change, frozenset({"TtlDuration"}), "UpdateFeatureGroup.OnlineStoreConfig")
    online = {**found.request["OnlineStoreConfig"], "TtlDuration": change.get("TtlDuration")}
    found.request["OnlineStoreConfig"] = {name: value for name, value in online.items() if value is not None}
    found.modified = clock.now()
    return {"FeatureGroupArn": found.arn}


def delete_feature_group(request: dict[str, Any]) -> dict[str, Any]:
    """The online half goes; files and table of the offline half stay, as on AWS."""
    found = _found(request["FeatureGroupName"])
    feature_offline.forget(found)
    _groups.pop(found.name.lower(), None)
    return {}


def _found(name: str) -> Group:
    from moto.sagemaker.exceptions import ResourceNotFound

    found = group(name)
    if found is None:
        raise ResourceNotFound(message=f"Resource Not Found: FeatureGroup with name {name} does not exist")
    return found


OPERATIONS = {
    "create_feature_group": create_feature_group,
    "describe_feature_group": describe_feature_group,
    "list_feature_groups": list_feature_groups,
    "update_feature_group": update_feature_group,
    "delete_feature_group": delete_feature_group,
}
