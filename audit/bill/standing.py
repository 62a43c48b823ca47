"""What is paid for as long as it exists, used or not: quantities a month, by resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from audit.bill.quantities import Quantity, Unknown, guarded
from audit.templates import Resource, Templates

HOURS = 730  # a month, as AWS's own calculators have it
# SageMaker's size where a variant names none, for a type without a disk of its own: it says that a model of
# more than 30 GB needs more (developer guide, "endpoint parameters for large model inference").
HOST_VOLUME_GB = 30
# Of a rule: bytes and operations that wait, that failed, and how late copies are. Billed as custom metrics,
# says S3's guide, "Using S3 Replication metrics".
REPLICATION_METRICS = 4
ENDPOINT, CONFIG = "AWS::SageMaker::Endpoint", "AWS::SageMaker::EndpointConfig"
Found = Iterator[Quantity | Unknown]


def standing(templates: Templates) -> list[Quantity | Unknown]:
    return [
        quantity
        for resource in templates.resources
        if resource.type in READERS
        for quantity in guarded(resource.path, partial(READERS[resource.type], templates, resource))
    ]


def number(value: Any, default: float) -> float | None:
    """None for a value that comes in with a parameter; templates may write numbers as text."""
    if value is None:
        return default
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _times(resource: Resource, value: Any, default: float, group: str, price: str, each: float) -> Found:
    """`each` units of the price for each of `value`."""
    count = number(value, default)
    if count is None:
        yield Unknown(what=resource.path, why=f"how many is said at deployment: {value}")
    else:
        yield Quantity(group=group, what=resource.path, price=price, amount=count * each)


def _one(group: str, price: str, amount: float = 1) -> Callable[[Templates, Resource], Found]:
    def read(_: Templates, resource: Resource) -> Found:
        yield Quantity(group=group, what=resource.path, price=price, amount=amount)

    return read


def _vpc_endpoint(_: Templates, resource: Resource) -> Found:
    """Per subnet, each in a zone of its own; gateways are free."""
    if resource.get("VpcEndpointType", default="Gateway") == "Gateway":
        return
    subnets = resource.get("SubnetIds", default=[])
    if not isinstance(subnets, list):
        yield Unknown(what=resource.path, why="its subnets are said at deployment")
        return
    yield Quantity(
        group="interface endpoints, by zone",
        what=resource.path,
        price="vpc.interface-endpoint",
        amount=max(1, len(subnets)) * HOURS,
    )


def _stream(_: Templates, resource: Resource) -> Found:
    group = "stream"
    if resource.get("StreamModeDetails", "StreamMode") == "ON_DEMAND":
        yield Quantity(group=group, what=resource.path, price="kinesis.on-demand", amount=HOURS)
        return
    shards = resource.get("ShardCount")
    yield from _times(resource, shards, 1, group, "kinesis.shard", HOURS)
    if (number(resource.get("RetentionPeriodHours"), 24) or 24) > 24:
        yield from _times(resource, shards, 1, group, "kinesis.extended-retention", HOURS)


def _alarm(_: Templates, resource: Resource) -> Found:
    """By the metrics that it looks at; its period says at which resolution."""
    queries = resource.get("Metrics", default=[])
    stats = [query["MetricStat"] for query in queries if isinstance(query, Mapping) and "MetricStat" in query]
    periods = [number(stat.get("Period"), 60) for stat in stats] or [number(resource.get("Period"), 60)]
    is_fast = min((period for period in periods if period is not None), default=60) < 60
    yield Quantity(
        group="alarms",
        what=resource.path,
        price="cloudwatch.alarm-fast" if is_fast else "cloudwatch.alarm",
        amount=len(periods),
    )


def _table(_: Templates, resource: Resource) -> Found:
    if resource.get("BillingMode", default="PROVISIONED") == "PAY_PER_REQUEST":
        return
    for kind in ("read", "write"):
        units = resource.get("ProvisionedThroughput", f"{kind.capitalize()}CapacityUnits")
        yield from _times(resource, units, 1, "tables' capacity", f"dynamodb.{kind}-capacity", HOURS)


def _endpoint(templates: Templates, resource: Resource) -> Found:
    config = config_of(templates, resource)
    if config is None:
        why = f"its configuration is not in the templates: {resource.get('EndpointConfigName')}"
        yield Unknown(what=resource.path, why=why)
        return
    for variant in config.get("ProductionVariants", default=[]):
        yield from _variant(resource, variant)
    for variant in config.get("ShadowProductionVariants", default=[]):
        yield from _variant(resource, variant)


def config_of(templates: Templates, endpoint: Resource) -> Resource | None:
    """The one that it names; where something else names it at deployment, the only one of its stack."""
    named = str(endpoint.get("EndpointConfigName"))
    configs = templates.of(CONFIG)
    for config in configs:
        if named in (
            config.get("EndpointConfigName"),
            templates.arn(config),  # what Ref gives
            f"<{config.address}.EndpointConfigName>",
        ):
            return config
    near = [config for config in configs if config.stack == endpoint.stack] or configs
    return near[0] if len(near) == 1 and named.startswith("<") else None


def _bucket(_: Templates, resource: Resource) -> Found:
    """Metrics of its replication; what it holds is paid by use."""
    rules = resource.get("ReplicationConfiguration", "Rules", default=[])
    measured = [
        rule
        for rule in rules
        if isinstance(rule, Mapping)
        and ((rule.get("Destination") or {}).get("Metrics") or {}).get("Status") == "Enabled"
    ]
    if measured:
        yield Quantity(
            group="replication's metrics",
            what=resource.path,
            price="cloudwatch.metric",
            amount=len(measured) * REPLICATION_METRICS,
        )


def _parameter(_: Templates, resource: Resource) -> Found:
    """Standard ones are free."""
    if resource.get("Tier", default="Standard") != "Standard":
        yield Unknown(what=resource.path, why=f"a parameter of tier {resource.get('Tier')}")


def _variant(endpoint: Resource, variant: Mapping[str, Any]) -> Found:
    what = f"{endpoint.path}: {variant.get('VariantName', 'variant')}"
    if "InstanceType" not in variant:
        yield Unknown(what=what, why="serverless, or instances of inference components: paid by use")
        return
    count = number(variant.get("InitialInstanceCount"), 1)
    if count is None:
        yield Unknown(what=what, why="the number of its instances is said at deployment")
        return
    group = "instances behind the endpoint"
    price = f"sagemaker.{variant['InstanceType']}"
    yield Quantity(group=group, what=what, price=price, amount=count * HOURS)
    volume = number(variant.get("VolumeSizeInGB"), HOST_VOLUME_GB) or HOST_VOLUME_GB
    yield Quantity(group=group, what=f"{what}, volume", price="sagemaker.volume", amount=count * volume)


READERS: Mapping[str, Callable[[Templates, Resource], Found]] = {
    "AWS::Budgets::Budget": _one("budget", "budgets.budget"),
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _one("alarms", "cloudwatch.composite-alarm"),
    "AWS::CloudWatch::Dashboard": _one("dashboard", "cloudwatch.dashboard"),
    "AWS::DynamoDB::Table": _table,
    "AWS::EC2::NatGateway": _one("NAT gateways", "vpc.nat-gateway", HOURS),
    "AWS::EC2::VPCEndpoint": _vpc_endpoint,
    "AWS::KMS::Key": _one("keys", "kms.key"),
    "AWS::KMS::ReplicaKey": _one("keys", "kms.key"),
    "AWS::Kinesis::Stream": _stream,
    "AWS::S3::Bucket": _bucket,
    "AWS::SSM::Parameter": _parameter,
    "AWS::SageMaker::Endpoint": _endpoint,
    "AWS::SecretsManager::Secret": _one("secret", "secretsmanager.secret"),
}
