"""Operations that deployments need and moto leaves out: the API's own shapes on moto's own state."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore import xform_name

from audit import figures
from sandbox import regions, selftest
from sandbox.engines.backends import backend

Parameters = dict[str, Any]
Operation = Callable[[Parameters], dict[str, Any]]


class GapError(Exception):
    """Code and message of the error that AWS would answer with."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _found(table: dict[str, Any], name: str, what: str, code: str) -> Any:
    if name not in table:
        raise GapError(code, f"{what} {name} was not found")
    return table[name]


def _delete_named_query(p: Parameters) -> dict[str, Any]:
    queries = backend("athena").named_queries
    _found(queries, p["NamedQueryId"], "NamedQuery", "InvalidRequestException")
    del queries[p["NamedQueryId"]]
    return {}


def _update_work_group(p: Parameters) -> dict[str, Any]:
    group = _found(backend("athena").work_groups, p["WorkGroup"], "WorkGroup", "InvalidRequestException")
    updates = dict(p.get("ConfigurationUpdates", {}))
    if "ResultConfigurationUpdates" in updates:
        changed = updates.pop("ResultConfigurationUpdates")
        updates["ResultConfiguration"] = {**group.configuration.get("ResultConfiguration", {}), **changed}
    group.configuration.update(updates)
    group.description = p.get("Description", group.description)
    group.state = p.get("State", group.state)
    return {}


def _put_composite_alarm(p: Parameters) -> dict[str, Any]:
    backend("cloudwatch").put_metric_alarm(
        name=p["AlarmName"],
        namespace=None,
        metric_name=None,
        comparison_operator=None,
        evaluation_periods=None,
        period=None,
        threshold=None,
        statistic=None,
        description=p.get("AlarmDescription"),
        dimensions=[],
        alarm_actions=p.get("AlarmActions", []),
        ok_actions=p.get("OKActions", []),
        insufficient_data_actions=p.get("InsufficientDataActions", []),
        actions_enabled=p.get("ActionsEnabled", True),
        rule=p["AlarmRule"],
        tags=p.get("Tags", []),
    )
    return {}


def _delete_connection(p: Parameters) -> dict[str, Any]:
    connections = backend("glue").connections
    _found(connections, p["ConnectionName"], "Connection", "EntityNotFoundException")
    del connections[p["ConnectionName"]]
    return {}


def _update_connection(p: Parameters) -> dict[str, Any]:
    connection = _found(backend("glue").connections, p["Name"], "Connection", "EntityNotFoundException")
    connection.connection_input = p["ConnectionInput"]
    for attribute, member in {
        "description": "Description",
        "connection_properties": "ConnectionProperties",
        "spark_properties": "SparkProperties",
        "athena_properties": "AthenaProperties",
        "python_properties": "PythonProperties",
    }.items():
        setattr(connection, attribute, p["ConnectionInput"].get(member, {}))
    return {}


def _update_job(p: Parameters) -> dict[str, Any]:
    """What the update leaves out goes back to nothing, as on AWS; the tags stay."""
    from moto.glue.models import FakeJob

    jobs = backend("glue").jobs
    old = _found(jobs, p["JobName"], "Job", "EntityNotFoundException")
    names = [n for n in FakeJob.__init__.__code__.co_varnames[1:] if n not in ("name", "tags", "backend")]
    given = {xform_name(member): value for member, value in p["JobUpdate"].items()}
    values = {name: given.get(name) for name in names if name in vars(old) or name in given}
    changed = FakeJob(name=p["JobName"], tags={}, backend=old.backend, **values)
    changed.created_on, changed.job_runs = old.created_on, old.job_runs
    jobs[p["JobName"]] = changed
    return {"JobName": p["JobName"]}


def _clients(p: Parameters) -> list[str]:
    providers, arn = backend("iam").open_id_providers, p["OpenIDConnectProviderArn"]
    listed: list[str] = _found(providers, arn, "OpenIDConnect Provider", "NoSuchEntity").client_id_list
    return listed


def _add_client_id(p: Parameters) -> dict[str, Any]:
    """Adding one that is there changes nothing, as removing one that is not."""
    if p["ClientID"] not in (listed := _clients(p)):
        listed.append(p["ClientID"])
    return {}


def _remove_client_id(p: Parameters) -> dict[str, Any]:
    if p["ClientID"] in (listed := _clients(p)):
        listed.remove(p["ClientID"])
    return {}


def _log_group(p: Parameters) -> Any:
    return _found(backend("logs").groups, p["logGroupName"], "Log group", "ResourceNotFoundException")


def _associate_kms_key(p: Parameters) -> dict[str, Any]:
    _log_group(p).kms_key_id = p["kmsKeyId"]
    return {}


def _disassociate_kms_key(p: Parameters) -> dict[str, Any]:
    _log_group(p).kms_key_id = None
    return {}


def _list_service_quotas(p: Parameters) -> dict[str, Any]:
    """A new account's, as far as audit/quotas.yaml knows them, and what was asked for since."""
    service, granted = p["ServiceCode"], _granted()
    return {
        "Quotas": [
            {
                "ServiceCode": service,
                "QuotaCode": quota.code,
                "QuotaName": quota.name,
                "Value": granted.get(quota.code, quota.default),
                "Adjustable": True,
            }
            for quota in figures.table().values()
            if quota.service == service
        ]
    }


def _request_service_quota_increase(p: Parameters) -> dict[str, Any]:
    """Granted at once, where AWS takes minutes or days."""
    code, wanted = p["QuotaCode"], float(p["DesiredValue"])
    known = {quota.code: quota for quota in figures.table().values() if quota.service == p["ServiceCode"]}
    quota = _found(known, code, "quota", "NoSuchResourceException")
    if wanted <= _granted().get(code, quota.default):
        raise GapError("IllegalArgumentException", f"{code} is {wanted:g} or more already")
    _granted()[code] = wanted
    return {
        "RequestedQuota": {
            "Id": f"request-{code}",
            "ServiceCode": p["ServiceCode"],
            "QuotaCode": code,
            "QuotaName": quota.name,
            "DesiredValue": wanted,
            "Status": "APPROVED",
        }
    }


def quota(service: str, name: str) -> float:
    """What the account has of it."""
    found = figures.table()[(service, name)]
    return _granted().get(found.code, found.default)


def _granted() -> dict[str, float]:
    """Kept by the account: a new account begins anew."""
    kept: dict[str, float] = vars(backend("service-quotas")).setdefault("granted", {})
    return kept


# By Region; of the others moto makes up ids, and a security group that names the real one fails there.
_PREFIX_LISTS = {
    "com.amazonaws.us-east-1.s3": "pl-63a5400a",
    "com.amazonaws.us-east-1.dynamodb": "pl-02cd2c6b",
    "com.amazonaws.eu-central-1.s3": "pl-6ea54007",
    "com.amazonaws.eu-central-1.dynamodb": "pl-66a5400f",
}
# (module of moto, its response class) -> operations
_OPERATIONS: dict[tuple[str, str], dict[str, Operation]] = {
    ("athena", "AthenaResponse"): {
        "DeleteNamedQuery": _delete_named_query,
        "UpdateWorkGroup": _update_work_group,
    },
    ("cloudwatch", "CloudWatchResponse"): {"PutCompositeAlarm": _put_composite_alarm},
    ("glue", "GlueResponse"): {
        "DeleteConnection": _delete_connection,
        "UpdateConnection": _update_connection,
        "UpdateJob": _update_job,
    },
    ("iam", "IamResponse"): {
        "AddClientIDToOpenIDConnectProvider": _add_client_id,
        "RemoveClientIDFromOpenIDConnectProvider": _remove_client_id,
    },
    ("logs", "LogsResponse"): {
        "AssociateKmsKey": _associate_kms_key,
        "DisassociateKmsKey": _disassociate_kms_key,
    },
    ("servicequotas", "ServiceQuotasResponse"): {
        "ListServiceQuotas": _list_service_quotas,
        "RequestServiceQuotaIncrease": _request_service_quota_increase,
    },
}


def install() -> None:
    for (module, name), operations in _OPERATIONS.items():
        responses = selftest.check(f"moto.{module}.responses:{name}")
        for operation, answer in operations.items():
            setattr(responses, xform_name(operation), _method(answer))
    regions.on_first_use(seed)


def seed() -> None:
    """Give AWS's own prefix lists the ids that they have on AWS: security groups name them."""
    lists = backend("ec2").managed_prefix_lists
    for found in list(lists.values()):
        known = _PREFIX_LISTS.get(found.prefix_list_name)
        if known and found.id != known:
            del lists[found.id]
            found.prefix_list_arn = found.prefix_list_arn.replace(found.id, known)
            found.id = known
            lists[known] = found


def self_test() -> None:
    for module, name in _OPERATIONS:
        selftest.check(f"moto.{module}.responses:{name}._get_params", "self")
    for symbol in ("FakeJob", "FakeConnection"):
        selftest.check(f"moto.glue.models:{symbol}")
    state = {
        "athena": ("named_queries", "work_groups"),
        "ec2": ("managed_prefix_lists",),
        "glue": ("connections", "jobs"),
        "iam": ("open_id_providers",),
        "logs": ("groups",),
    }
    for service, names in state.items():
        for name in names:
            if not hasattr(backend(service), name):
                raise selftest.SelfTestError(
                    f"moto's {service} backend has no {name}: sandbox/gaps.py stands on it"
                )


def _parameters(response: Any) -> Parameters:
    """Some of moto's services parse requests by the model of the API, the others leave the JSON as it is."""
    if response.automated_parameter_parsing:
        return dict(response._get_params())
    return dict(json.loads(response.body))


def _method(answer: Operation) -> Callable[[Any], Any]:
    def method(response: Any) -> Any:
        from moto.core.exceptions import ServiceException
        from moto.core.responses import ActionResult

        try:
            return ActionResult(answer(_parameters(response)))
        except GapError as error:
            raise ServiceException(error.code, str(error)) from None

    return method
