"""Cost: what is paid for as long as it exists, or by use, and changes in number or size.

No prices here: `always_on` and `by_use` say what is counted and how much of it there is. A bill multiplies.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from audit.policies import listed
from audit.review.difference import Change, Kind, at
from audit.review.loss import is_kept
from audit.review.pairs import Pair
from audit.templates import Resource, Templates

Amounts = Mapping[str, float]
Count = Callable[[Resource, Templates], Amounts]
_INSTANCE = re.compile(r'"(ml\.[a-z0-9-]+\.[a-z0-9]+|G\.\d+X|Z\.\d+X)"')


def _one(unit: str) -> Count:
    return lambda _resource, _templates: {unit: 1}


def _numbers(unit: str, *place: str, missing: float = 1) -> Count:
    def count(resource: Resource, _templates: Templates) -> Amounts:
        return {unit: _number(resource.get(*place), missing)}

    return count


def _sized(unit: str, size: str, number: str = "", missing: float = 1) -> Count:
    """Instances of a size, for example {"ml.m5.large notebook": 1}."""

    def count(resource: Resource, _templates: Templates) -> Amounts:
        amount = _number(resource.get(number), missing) if number else 1
        return {f"{resource.get(size, default='an unknown')} {unit}": amount}

    return count


def _number(value: Any, missing: float) -> float:
    try:
        return missing if value is None else float(value)
    except (TypeError, ValueError):
        return missing


def _interfaces(resource: Resource, _templates: Templates) -> Amounts:
    if resource.get("VpcEndpointType") != "Interface":
        return {}
    return {"interface endpoint in a zone": max(1, len(listed(resource.get("SubnetIds"))))}


def _variants(resource: Resource, _templates: Templates) -> Amounts:
    """Of a configuration, which costs once an endpoint has it; those that the loop makes no template says."""
    amounts: Counter[str] = Counter()
    for variant in listed(resource.get("ProductionVariants")):
        size = at(variant, "InstanceType")
        unit = f"{size} instance of an endpoint" if size else "serverless variant"
        amounts[unit] += int(_number(at(variant, "InitialInstanceCount"), 1)) if size else 1
    return dict(amounts)


def _shards(resource: Resource, _templates: Templates) -> Amounts:
    if resource.get("StreamModeDetails", "StreamMode") == "ON_DEMAND":
        return {"on-demand stream": 1}
    return {"shard": _number(resource.get("ShardCount"), 1)}


def _capacity(resource: Resource, _templates: Templates) -> Amounts:
    if resource.get("BillingMode") == "PAY_PER_REQUEST":
        return {}
    given = resource.get("ProvisionedThroughput")
    return {
        f"provisioned {word} unit": _number(at(given, f"{word.capitalize()}CapacityUnits"), 5)
        for word in ("read", "write")
    }


# Type -> what of it is paid for as long as it exists.
ALWAYS_ON: Mapping[str, Count] = {
    "AWS::EC2::VPCEndpoint": _interfaces,
    "AWS::EC2::NatGateway": _one("NAT gateway"),
    "AWS::EC2::EIP": _one("public address"),
    "AWS::EC2::Instance": _sized("instance", "InstanceType"),
    "AWS::EC2::TransitGatewayAttachment": _one("transit gateway attachment"),
    "AWS::EC2::Volume": _numbers("GB of volume", "Size"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _one("load balancer"),
    "AWS::SageMaker::Endpoint": _one("endpoint"),
    "AWS::SageMaker::EndpointConfig": _variants,
    "AWS::SageMaker::NotebookInstance": _sized("notebook", "InstanceType"),
    "AWS::Kinesis::Stream": _shards,
    "AWS::KMS::Key": _one("key"),
    "AWS::KMS::ReplicaKey": _one("key"),
    "AWS::SecretsManager::Secret": _one("secret"),
    "AWS::CloudWatch::Alarm": _one("alarm"),
    "AWS::CloudWatch::CompositeAlarm": _one("composite alarm"),
    "AWS::CloudWatch::Dashboard": _one("dashboard"),
    "AWS::DynamoDB::Table": _capacity,
    "AWS::ECS::Service": _numbers("task of a service", "DesiredCount"),
    "AWS::RDS::DBInstance": _sized("database", "DBInstanceClass"),
    "AWS::ElastiCache::CacheCluster": _sized("cache node", "CacheNodeType", "NumCacheNodes"),
    "AWS::OpenSearchService::Domain": _numbers("search node", "ClusterConfig", "InstanceCount"),
    "AWS::Redshift::Cluster": _sized("warehouse node", "NodeType", "NumberOfNodes"),
    "AWS::MSK::Cluster": _numbers("broker", "NumberOfBrokerNodes"),
}
# Type -> properties that say how much a use costs.
BY_USE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "AWS::Lambda::Function": (("MemorySize",), ("EphemeralStorage", "Size")),
    "AWS::Glue::Job": (("WorkerType",), ("NumberOfWorkers",), ("MaxCapacity",)),
    "AWS::S3::Bucket": (("ReplicationConfiguration",), ("InventoryConfigurations",)),
    "AWS::CloudTrail::Trail": (("EventSelectors",), ("AdvancedEventSelectors",), ("InsightSelectors",)),
    "AWS::Scheduler::Schedule": (("ScheduleExpression",),),
    "AWS::Events::Rule": (("ScheduleExpression",),),
    "AWS::ApplicationAutoScaling::ScalableTarget": (("MaxCapacity",), ("MinCapacity",)),
}


def always_on(resource: Resource | None, templates: Templates) -> Amounts:
    """What of the resource is paid for as long as it exists -> how many."""
    count = ALWAYS_ON.get(resource.type) if resource else None
    return count(resource, templates) if resource and count else {}


def costs(one: Pair, base: Templates, new: Templates) -> Iterator[tuple[Change, tuple[str, ...]]]:
    """Changes, each with the properties that it speaks of."""
    # What is kept outside of the stack is still paid for.
    if not one.is_renamed and not (one.new is None and is_kept(one)):
        before, after = always_on(one.old, base), always_on(one.new, new)
        if before != after:
            yield _change(one, _told(before, after), _list(before), _list(after)), _places(one)
    if one.old is None or one.new is None:
        return
    for place in BY_USE.get(one.new.type, ()):
        was, now = at(one.properties, *place), at(one.new.properties, *place)
        if was != now:
            yield (
                _change(one, f"{'.'.join(place)}, which uses are paid by", _text(was), _text(now)),
                place[:1],
            )
    if one.new.type == "AWS::StepFunctions::StateMachine":
        was, now = (
            Counter(_INSTANCE.findall(_definition(side))) for side in (one.properties, one.new.properties)
        )
        if was != now:
            words = "the instances that its steps ask for"
            yield _change(one, words, _list(was), _list(now)), ()


def _places(one: Pair) -> tuple[str, ...]:
    if one.old is None or one.new is None:
        return ("*",)
    counted = (
        "ShardCount",
        "StreamModeDetails",
        "SubnetIds",
        "InstanceType",
        "ProductionVariants",
        "DesiredCount",
        "Size",
    )
    return tuple(name for name in one.changed if name in counted)


def _told(before: Amounts, after: Amounts) -> str:
    grow = sum(after.values()) - sum(before.values())
    word = "more" if grow > 0 else "less" if grow < 0 else "other things"
    return f"{word} that is paid for as long as it exists"


def _list(amounts: Amounts) -> str:
    return ", ".join(f"{number:g} x {unit}" for unit, number in sorted(amounts.items()))


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _definition(properties: Mapping[str, Any]) -> str:
    return _text(properties.get("DefinitionString") or properties.get("Definition"))


def _change(one: Pair, what: str, before: str, after: str) -> Change:
    return Change(
        kind=Kind.COST,
        stack=one.one.stack,
        path=one.one.path,
        type=one.one.type,
        what=what,
        before=before,
        after=after,
    )
