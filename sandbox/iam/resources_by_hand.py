"""Resources that no table can name: keys hidden in ciphertexts, batches, aliases, names with a suffix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox import regions
from sandbox.account import ACCOUNT
from sandbox.iam import encryption
from sandbox.iam.parse import Parsed
from sandbox.iam.resource_table import ACTIONS
from sandbox.iam.target import Target, Unmapped

Maker = Callable[[Parsed], "list[Target] | None"]


def _arn(service: str, suffix: str, region: str | None = None) -> str:
    region = regions.current() if region is None else region
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{suffix}"


def _own(call: Parsed, *resources: str, **context: object) -> list[Target]:
    action = f"{call.prefix}:{ACTIONS.get(f'{call.prefix}:{call.operation}', call.operation)}"
    keys = {name: value for name, value in context.items() if value}
    return [Target(action=action, resource=resource, context=keys) for resource in resources]


def _kms(call: Parsed) -> list[Target] | None:
    params = call.params
    if call.operation == "ReEncrypt":
        return [
            Target(
                action="kms:ReEncryptFrom",
                resource=_key(_ciphertext_key(params)),
                context=_kms_context(params),
            ),
            Target(
                action="kms:ReEncryptTo",
                resource=_key(params["DestinationKeyId"]),
                context=_kms_context(params),
            ),
        ]
    name = params.get("KeyId") or params.get("TargetKeyId")
    if call.operation == "Decrypt" and not name:
        name = _ciphertext_key(params)
    found = [_key(str(name))] if name else []
    if params.get("AliasName"):
        found.append(_arn("kms", params["AliasName"]))
        if not name and (target := encryption.key_arn(params["AliasName"])):
            found.append(target)
    if not found:
        return None  # CreateKey, ListKeys, ListAliases, GenerateRandom
    action = f"kms:{call.operation}"
    return [Target(action=action, resource=resource, context=_kms_context(params)) for resource in found]


def _key(name: str) -> str:
    return encryption.any_key_arn(name) or (name if name.startswith("arn:") else _arn("kms", f"key/{name}"))


def _ciphertext_key(params: dict[str, Any]) -> str:
    from moto.kms.utils import _deserialize_ciphertext_blob

    try:
        return str(_deserialize_ciphertext_blob(params["CiphertextBlob"]).key_id)
    except Exception as cause:
        raise Unmapped(f"the ciphertext names no key of this account: {cause}") from cause


def _kms_context(params: dict[str, Any]) -> dict[str, object]:
    pairs = params.get("EncryptionContext") or {}
    context: dict[str, object] = {f"kms:encryptioncontext:{k}".lower(): v for k, v in pairs.items()}
    if pairs:
        context["kms:encryptioncontextkeys"] = list(pairs)
    context["kms:calleraccount"] = ACCOUNT
    if "GranteePrincipal" in params:
        context["kms:granteeprincipal"] = params["GranteePrincipal"]
        context["kms:grantoperations"] = params.get("Operations") or []
        context["kms:grantisforawsresource"] = "false"
    return context


def _sqs(call: Parsed) -> list[Target] | None:
    params = call.params
    url = params.get("QueueUrl") or ""
    name = url.rstrip("/").rsplit("/", 1)[-1] or params.get("QueueName")
    return _own(call, _arn("sqs", name)) if name else None


def _ssm(call: Parsed) -> list[Target] | None:
    params = call.params
    names = params.get("Names") or [params.get("Name") or params.get("Path")]
    if (
        call.operation.endswith(("ToResource", "FromResource", "ForResource"))
        and params.get("ResourceType") == "Parameter"
    ):
        names = [params["ResourceId"]]
    if "Parameter" not in call.operation and "Resource" not in call.operation or names == [None]:
        return None
    suffixes = [n if n.startswith("arn:") else f"parameter/{n.split(':')[0].lstrip('/')}" for n in names]
    return _own(call, *(s if s.startswith("arn:") else _arn("ssm", s) for s in suffixes))


def _secretsmanager(call: Parsed) -> list[Target] | None:
    params = call.params
    if call.operation == "CreateSecret":
        # The six characters that AWS appends are not known yet; policies cover them by "-??????" or "-*".
        return _own(call, _arn("secretsmanager", f"secret:{params['Name']}-AbCdEf"))
    name = params.get("SecretId")
    if not name:
        return None
    found = encryption.secret(name)
    arn = (
        found.arn if found else name if name.startswith("arn:") else _arn("secretsmanager", f"secret:{name}")
    )
    return _own(
        call,
        arn,
        **{"secretsmanager:secretid": arn, "secretsmanager:versionstage": params.get("VersionStage")},
    )


def _dynamodb_batch(call: Parsed) -> list[Target] | None:
    tables = call.params.get("RequestItems") or {}
    return _own(call, *(_table(name) for name in tables)) or None


_TRANSACT = {
    "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}  # fmt: skip


def _dynamodb_transaction(call: Parsed) -> list[Target]:
    found = []
    for item in call.params.get("TransactItems") or []:
        for kind, details in item.items():
            action = f"dynamodb:{_TRANSACT[kind]}"
            found.append(
                Target(action=action, resource=_table(details["TableName"]), context=leading_keys(details))
            )
    return found


def _table(name: str) -> str:
    return name if name.startswith("arn:") else _arn("dynamodb", f"table/{name}")


def leading_keys(params: dict[str, Any]) -> dict[str, object]:
    """dynamodb:LeadingKeys: the partition keys that the request touches."""
    key = params.get("Key") or params.get("Item") or {}
    name = _hash_key(str(params.get("TableName", "")))
    value = key.get(name) if name else None
    if value is None and name:
        value = _queried(params, name)
    if not isinstance(value, dict) or not value:
        return {}
    return {"dynamodb:leadingkeys": [str(next(iter(value.values())))]}


def _queried(params: dict[str, Any], name: str) -> Any:
    """The partition key's value in a Query: `pk = :value`, by either of its spellings."""
    condition = (params.get("KeyConditions") or {}).get(name)
    if condition:
        return (condition.get("AttributeValueList") or [None])[0]
    text = str(params.get("KeyConditionExpression", ""))
    placeholders = {v: k for k, v in (params.get("ExpressionAttributeNames") or {}).items()}
    words = text.replace("=", " = ").replace("(", " ").replace(")", " ").split()
    for index, word in enumerate(words[:-2]):
        if word in (name, placeholders.get(name)) and words[index + 1] == "=":
            return (params.get("ExpressionAttributeValues") or {}).get(words[index + 2])
    return None


def _hash_key(table: str) -> str | None:
    from moto.dynamodb.models import dynamodb_backends

    found = dynamodb_backends[ACCOUNT][regions.current()].tables.get(table.rsplit("/", 1)[-1])
    return found.hash_key_attr if found else None


def _events(call: Parsed) -> list[Target] | None:
    params = call.params
    if call.operation == "PutEvents":
        entries = params.get("Entries") or []
        found = []
        for entry in entries:
            bus = (entry.get("EventBusName") or "default").rsplit("/", 1)[-1]
            context = {
                "events:source": entry.get("Source", ""),
                "events:detail-type": entry.get("DetailType", ""),
            }
            found.append(
                Target(
                    action="events:PutEvents", resource=_arn("events", f"event-bus/{bus}"), context=context
                )
            )
        return list(
            {
                (t.resource, t.context["events:source"], t.context["events:detail-type"]): t for t in found
            }.values()
        )
    name = params.get("Rule") or (params.get("Name") if call.operation.endswith("Rule") else None)
    if not name:
        return None
    bus = str(params.get("EventBusName") or "default").rsplit("/", 1)[-1]
    return _own(call, _arn("events", f"rule/{name}" if bus == "default" else f"rule/{bus}/{name}"))


def _kinesis_records(call: Parsed) -> list[Target] | None:
    if call.params.get("StreamARN"):
        return _own(call, call.params["StreamARN"])
    from moto.kinesis.utils import decompose_shard_iterator

    try:
        stream = decompose_shard_iterator(call.params["ShardIterator"])[0]
    except Exception as cause:
        raise Unmapped(f"the shard iterator names no stream: {cause}") from cause
    return _own(call, _arn("kinesis", f"stream/{stream}"))


def _lambda(call: Parsed) -> list[Target] | None:
    """FunctionName may be a name, `name:qualifier`, a partial ARN or an ARN."""
    params = call.params
    name = params.get("FunctionName")
    if not name or "EventSourceMapping" in call.operation:
        return None
    parts = name.split(":")
    tail = parts[parts.index("function") + 1 :] if "function" in parts else parts
    qualifier = params.get("Qualifier") or (tail[1] if len(tail) > 1 else None)
    own = f"function:{tail[0]}" + (
        f":{qualifier}" if qualifier and call.operation.startswith("Invoke") else ""
    )
    return _own(call, _arn("lambda", own))


def _iam(call: Parsed) -> list[Target] | None:
    """Existing roles, users and policies by their real ARN, which carries the path."""
    from sandbox.iam import store

    params = call.params
    path = str(params.get("Path") or "/")
    if name := params.get("RoleName"):
        return _own(call, store.role_arn(name) or _arn("iam", f"role{path}{name}", region=""))
    if arn := params.get("PolicyArn"):
        return _own(call, arn)
    if name := params.get("UserName"):
        return _own(call, _arn("iam", f"user{path}{name}", region=""))
    return None


def _athena_query(call: Parsed) -> list[Target]:
    from moto.athena.models import athena_backends

    backend = athena_backends[ACCOUNT][regions.current()]
    execution = backend.executions.get(call.params.get("QueryExecutionId"))
    group = getattr(execution, "workgroup", None)
    name = getattr(group, "name", group) or "primary"
    return _own(call, _arn("athena", f"workgroup/{name}"))


def _dashboard(call: Parsed) -> list[Target]:
    names = call.params.get("DashboardNames") or [call.params.get("DashboardName") or "*"]
    return _own(call, *(_arn("cloudwatch", f"dashboard/{name}", region="") for name in names))


def _topic_of_subscription(call: Parsed) -> list[Target]:
    return _own(call, call.params["SubscriptionArn"].rsplit(":", 1)[0])


def _publish(call: Parsed) -> list[Target] | None:
    return _own(call, "*") if call.params.get("PhoneNumber") else None


def _network_interface(call: Parsed) -> list[Target]:
    """The interface itself gets its id later: it is asked for as `network-interface/*`, as AWS does."""
    from moto.ec2.models import ec2_backends

    vpc = ec2_backends[ACCOUNT][regions.current()]
    params = call.params
    if call.operation == "CreateNetworkInterface":
        subnet = params["SubnetId"]
        found = vpc.get_subnet(subnet)
        places = [(f"subnet/{subnet}", {"ec2:subnetid": subnet, **_vpc_key(found)})]
        for group in params.get("Groups") or params.get("SecurityGroupId") or []:
            own = vpc.get_security_group_from_id(group)
            places.append((f"security-group/{group}", {"ec2:securitygroupid": group, **_vpc_key(own)}))
        places.append(("network-interface/*", {}))
    else:
        name = params.get("NetworkInterfaceId") or params.get("NetworkInterfacePermissionId", "")
        name = str(name).replace("eni-perm-", "eni-")
        interface = vpc.enis.get(name)
        subnet = getattr(interface, "subnet", None)
        places = [(f"network-interface/{name}", {"ec2:networkinterfaceid": name, **_vpc_key(subnet)})]
        places[0][1].update({"ec2:subnet": _arn("ec2", f"subnet/{subnet.id}")} if subnet else {})
    return [
        Target(
            action=f"ec2:{call.operation}",
            resource=_arn("ec2", place),
            context={"ec2:region": regions.current(), **keys},
        )
        for place, keys in places
    ]


def _vpc_key(place: Any) -> dict[str, object]:
    return {"ec2:vpc": _arn("ec2", f"vpc/{place.vpc_id}")} if place else {}


def _assume(call: Parsed) -> list[Target] | None:
    if call.params.get("PolicyArns"):
        raise Unmapped("session policies by ARN are not evaluated; fix: give the policy itself, as Policy")
    return None


SERVICES: dict[str, Maker] = {
    "kms": _kms,
    "sqs": _sqs,
    "ssm": _ssm,
    "secretsmanager": _secretsmanager,
    "events": _events,
    "lambda": _lambda,
    "iam": _iam,
}
OPERATIONS: dict[str, Maker] = {
    "dynamodb:BatchGetItem": _dynamodb_batch,
    "dynamodb:BatchWriteItem": _dynamodb_batch,
    "dynamodb:TransactGetItems": _dynamodb_transaction,
    "dynamodb:TransactWriteItems": _dynamodb_transaction,
    "kinesis:GetRecords": _kinesis_records,
    "athena:GetQueryExecution": _athena_query,
    "athena:GetQueryResults": _athena_query,
    "athena:StopQueryExecution": _athena_query,
    "cloudwatch:PutDashboard": _dashboard,
    "cloudwatch:GetDashboard": _dashboard,
    "cloudwatch:DeleteDashboards": _dashboard,
    "ec2:CreateNetworkInterface": _network_interface,
    "ec2:CreateNetworkInterfacePermission": _network_interface,
    "ec2:DeleteNetworkInterface": _network_interface,
    "ec2:DeleteNetworkInterfacePermission": _network_interface,
    "ec2:AssignPrivateIpAddresses": _network_interface,
    "ec2:UnassignPrivateIpAddresses": _network_interface,
    "sts:AssumeRole": _assume,
    "sns:Unsubscribe": _topic_of_subscription,
    "sns:GetSubscriptionAttributes": _topic_of_subscription,
    "sns:SetSubscriptionAttributes": _topic_of_subscription,
    "sns:Publish": _publish,
}
