"""SageMaker Feature Store's runtime, which moto lacks: records in and out, on the account's clock."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox import account, clock, selftest
from sandbox.engines import feature_groups, feature_offline
from sandbox.engines.feature_records import Group, Kept, RecordError

_ABSENT = ("BatchWriteRecord", "ListRecords", "UpdateRecord")
_MOST = 100  # identifiers of a BatchGetRecord: of groups, and of records in each


class _MissingError(Exception):
    """Answered as 404 ResourceNotFound."""


def _there(name: str) -> Group:
    found = feature_groups.group(name)
    if found is None:
        raise _MissingError(f"FeatureGroup {name} does not exist in account {account.ACCOUNT}")
    return found


def _put_record(params: dict[str, Any], now: datetime) -> None:
    found = _there(params["FeatureGroupName"])
    row = found.put(
        params["Record"], now=now, stores=params.get("TargetStores"), ttl=params.get("TtlDuration")
    )
    if row is not None:
        feature_offline.add(found, row)


def _delete_record(params: dict[str, Any], now: datetime) -> None:
    found = _there(params["FeatureGroupName"])
    row = found.delete(
        params["RecordIdentifierValueAsString"],
        params["EventTime"],
        now=now,
        stores=params.get("TargetStores"),
        mode=params.get("DeletionMode", "SoftDelete"),
    )
    if row is not None:
        feature_offline.add(found, row)


def _get_record(params: dict[str, Any], now: datetime) -> dict[str, Any]:
    found = _there(params["FeatureGroupName"])
    kept = found.get(params["RecordIdentifierValueAsString"], params.get("FeatureNames"), now)
    return _shown(kept, params) if kept else {}


def _batch_get_record(params: dict[str, Any], now: datetime) -> dict[str, Any]:
    asked = params["Identifiers"]
    if len(asked) > _MOST or any(len(one["RecordIdentifiersValueAsString"]) > _MOST for one in asked):
        raise RecordError(f"at most {_MOST} groups and {_MOST} records of each in one request")
    records = []
    for one in asked:
        found = _there(one["FeatureGroupName"])
        for identifier in dict.fromkeys(one["RecordIdentifiersValueAsString"]):
            kept = found.get(identifier, one.get("FeatureNames"), now)
            if kept is not None:
                records.append(
                    {
                        "FeatureGroupName": one["FeatureGroupName"],
                        "RecordIdentifierValueAsString": identifier,
                        **_shown(kept, params),
                    }
                )
    return {"Records": records, "Errors": [], "UnprocessedIdentifiers": []}


def _shown(kept: Kept, params: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Record": [{"FeatureName": name, "ValueAsString": value} for name, value in kept.values.items()]
    }
    if params.get("ExpirationTimeResponse") == "Enabled" and kept.expires is not None:
        shown["ExpiresAt"] = kept.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    return shown


def _answered_by(operation: Callable[[dict[str, Any], datetime], Any]) -> Callable[[Any], Any]:
    def method(self: Any) -> Any:
        from sandbox.iam import parse

        try:
            content = operation(parse.parse(self).params, clock.now())
        except RecordError as error:
            return _error(400, "ValidationError", str(error))
        except _MissingError as error:
            return _error(404, "ResourceNotFound", str(error))
        return 200, {"Content-Type": "application/json"}, json.dumps(content or {})

    return method


def _not_here(operation: str) -> Callable[[Any], Any]:
    def method(_self: Any) -> Any:
        return _error(400, "ValidationError", f"{operation} is not in the sandbox")

    return method


def _error(status: int, code: str, message: str) -> Any:
    # The status has to stand in the headers as well: moto looks for it there.
    headers = {"status": status, "x-amzn-ErrorType": code, "Content-Type": "application/json"}
    return status, headers, json.dumps({"Message": message})


def _responder() -> Any:
    from moto.core.responses import BaseResponse

    class FeatureStoreRuntimeResponse(BaseResponse):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(service_name="sagemaker-featurestore-runtime")

    for operation, answer in {
        "put_record": _put_record,
        "get_record": _get_record,
        "batch_get_record": _batch_get_record,
        "delete_record": _delete_record,
    }.items():
        setattr(FeatureStoreRuntimeResponse, operation, _answered_by(answer))
    for name in _ABSENT:
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        setattr(FeatureStoreRuntimeResponse, snake, _not_here(name))
    return FeatureStoreRuntimeResponse


def install() -> None:
    """The runtime signs as SageMaker does and has its own paths: they are added to moto's SageMaker."""
    from moto.sagemaker import urls

    dispatch = _responder().dispatch
    for path in (
        r"{0}/FeatureGroup/(?P<name>[^/]+)$",
        r"{0}/FeatureGroup/(?P<name>[^/]+)/Record$",
        r"{0}/FeatureGroup/(?P<name>[^/]+)/ListRecords$",
        r"{0}/BatchGetRecord$",
        r"{0}/BatchWriteRecord$",
    ):
        urls.url_paths.setdefault(path, dispatch)
    feature_offline.install()


def reset() -> None:
    feature_groups.reset()
    feature_offline.reset()


def self_test() -> None:
    selftest.check("moto.sagemaker.responses:SageMakerResponse.create_feature_group", "self")
    selftest.check("moto.glue.models:GlueBackend.create_table")
    selftest.check("moto.glue.models:GlueBackend.create_partition")


OPERATIONS = feature_groups.OPERATIONS
