"""What is paid by use, a month, apart from runs: quantities from the templates and the knobs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from audit.bill import builds
from audit.bill.quantities import Quantity, Unknown, guarded
from audit.bill.runs import CALL, GLUE, calls, named
from audit.bill.standing import HOURS, Found, number
from audit.bill.usage import DAYS, Usage
from audit.rules.definitions import tasks
from audit.rules.rule import mappings
from audit.templates import Resource, Templates

MONTH_SECONDS = DAYS * 86_400
RECORD_KB = 5  # Firehose bills each record in steps of it
PAYLOAD_KB = 25  # and a stream with shards in units of it
LEAST_SCAN_GB = 0.01  # Athena bills no query for less
WITH_BUCKET_KEY = 0.01  # share of S3's requests that reach KMS; AWS promises "up to 99 percent" fewer
FIREHOSE = "AWS::KinesisFirehose::DeliveryStream"


def using(templates: Templates, usage: Usage) -> Iterator[Quantity | Unknown]:
    for kind, read in _ONCE.items():
        if found := templates.of(kind):
            yield from guarded(found[0].path, partial(read, found, usage))
    for resource in templates.resources:
        if resource.type in _EACH:
            yield from guarded(resource.path, partial(_EACH[resource.type], templates, resource, usage))
    yield from guarded("functions", partial(_functions, templates, usage))
    yield from guarded("Glue jobs", partial(_jobs_nobody_starts, templates))
    yield from guarded("builds", partial(builds.alone, templates))


def _quantity(group: str, what: str, price: str, amount: float) -> Quantity:
    return Quantity(group=group, what=what, price=price, amount=amount)


def _stream(_: Templates, stream: Resource, usage: Usage) -> Found:
    group = "stream's records"
    if stream.get("StreamModeDetails", "StreamMode") != "ON_DEMAND":
        kb = usage.stream_gb * 1e6 / usage.records if usage.records else 0.0
        units = usage.records * max(1, math.ceil(kb / PAYLOAD_KB))
        yield _quantity(group, f"{stream.path}, payload units", "kinesis.put", units / 1e6)
        return
    gb = max(usage.stream_gb, usage.records / 1e6)  # a record counts for 1 KB at least
    yield _quantity(group, f"{stream.path}, in", "kinesis.on-demand-in", gb)
    yield _quantity(group, f"{stream.path}, out", "kinesis.on-demand-out", gb)
    days = (number(stream.get("RetentionPeriodHours"), 24) or 24) / 24
    if days > 1:
        kept = gb / DAYS * (days - 1)
        yield _quantity(group, f"{stream.path}, kept longer", "kinesis.on-demand-retention", kept)


def _delivery(templates: Templates, delivery: Resource, usage: Usage) -> Found:
    """Records are billed by the step, their function by the batch, partitions by GB and object."""
    group, what = "delivery (Firehose)", delivery.path
    target = _destination(delivery)
    kb = usage.stream_gb * 1e6 / usage.records if usage.records else 0.0
    gb = usage.records * max(1, math.ceil(kb / RECORD_KB)) * RECORD_KB / 1e6
    yield _quantity(group, what, "firehose.ingest", gb)
    if (target.get("DynamicPartitioningConfiguration") or {}).get("Enabled"):
        buffer = target.get("BufferingHints") or {}
        objects = _batches(usage, buffer.get("IntervalInSeconds", 300), buffer.get("SizeInMBs", 5))
        yield _quantity(group, f"{what}, partitioning", "firehose.dynamic-partitioning", usage.stream_gb)
        yield _quantity(group, f"{what}, objects", "firehose.objects", objects / 1_000)
    if (target.get("DataFormatConversionConfiguration") or {}).get("Enabled"):
        yield _quantity(group, f"{what}, conversion", "firehose.conversion", gb)
    if "VpcConfiguration" in target:
        yield Unknown(what=what, why="delivery into a VPC, paid by zone and hour, is not counted")
    for function, interval, size in _processors(templates, target):
        yield from calls(function, _batches(usage, interval, size), usage, function.path)


def _destination(delivery: Resource) -> Mapping[str, Any]:
    for name, value in delivery.properties.items():
        if name.endswith("DestinationConfiguration") and isinstance(value, Mapping):
            return value
    return {}


def _batches(usage: Usage, interval: Any, size: Any) -> float:
    """As many as fill by size, or one an interval as long as records come evenly: the larger number."""
    seconds, mb = number(interval, 300) or 300, number(size, 5) or 5
    return max(min(usage.records, MONTH_SECONDS / seconds), usage.stream_gb * 1_000 / mb)


def _processors(templates: Templates, target: Mapping[str, Any]) -> Iterator[tuple[Resource, Any, Any]]:
    for processor in mappings((target.get("ProcessingConfiguration") or {}).get("Processors")):
        given = {
            each.get("ParameterName"): each.get("ParameterValue")
            for each in mappings(processor.get("Parameters"))
        }
        function = named(templates, "AWS::Lambda::Function", given.get("LambdaArn"))
        if function is not None:
            yield function, given.get("BufferIntervalInSeconds", 60), given.get("BufferSizeInMBs", 1)


def _functions(templates: Templates, usage: Usage) -> Iterator[Quantity]:
    """Those that neither a state machine nor a delivery stream calls: files, people, CloudFormation."""
    called = {
        function.address
        for task in tasks(templates)
        if task.action == CALL
        and (function := named(templates, "AWS::Lambda::Function", task.get("FunctionName")))
    } | {
        function.address
        for delivery in templates.of(FIREHOSE)
        for function, *_ in _processors(templates, _destination(delivery))
    }
    functions = templates.of("AWS::Lambda::Function")
    for function in functions:
        if function.address not in called:
            yield from calls(function, usage.calls_per_function, usage, function.path)
    traced = [each for each in functions if each.get("TracingConfig", "Mode") == "Active"]
    if traced:
        traces = len(traced) * usage.calls_per_function + usage.records  # every call: more than are sampled
        yield _quantity("logs and traces", "traces", "xray.traces", traces / 1e6)


def _jobs_nobody_starts(templates: Templates) -> Iterator[Unknown]:
    started = {task.get("JobName") for task in tasks(templates) if task.action == GLUE}
    for job in templates.of("AWS::Glue::Job"):
        if not started & {f"<{job.address}>", job.get("Name")}:
            yield Unknown(what=job.path, why="no state machine of these templates starts it")


def _buckets(found: list[Resource], usage: Usage) -> Found:
    group, many = "objects (S3)", f"{len(found)} buckets"
    yield _quantity(group, f"{many}, storage", "s3.storage", usage.stored_gb)
    yield _quantity(group, f"{many}, PUT and LIST", "s3.put", usage.s3_writes / 1_000)
    yield _quantity(group, f"{many}, GET", "s3.get", usage.s3_reads / 1_000)
    share = sum(map(_share_to_kms, found)) / len(found)
    calls_to_kms = (usage.s3_writes + usage.s3_reads) * share
    yield _quantity("keys' requests", "requests of the buckets", "kms.requests", calls_to_kms / 10_000)


def _share_to_kms(bucket: Resource) -> float:
    rules = mappings(bucket.get("BucketEncryption", "ServerSideEncryptionConfiguration", default=[]))
    for rule in rules:
        by_default = rule.get("ServerSideEncryptionByDefault") or {}
        if str(by_default.get("SSEAlgorithm", "")).startswith("aws:kms"):
            return WITH_BUCKET_KEY if rule.get("BucketKeyEnabled") else 1.0
    return 0.0


def _logs(found: list[Resource], usage: Usage) -> Found:
    group, many = "logs and traces", f"{len(found)} log groups"
    yield _quantity(group, f"{many}, written", "logs.ingest", usage.log_gb)
    yield _quantity(group, f"{many}, kept", "logs.storage", usage.log_gb)


def _trails(found: list[Resource], usage: Usage) -> Found:
    """The first copy of management events is free; a request to an object is a data event."""
    selective = [each for each in found if "Data" in str(each.get("AdvancedEventSelectors", default=""))]
    selective += [each for each in found if "DataResources" in str(each.get("EventSelectors", default=""))]
    if selective:
        events = usage.s3_writes + usage.s3_reads
        yield _quantity("trail's data events", found[0].path, "cloudtrail.data-events", events / 1e5)
    for second in found[1:]:
        yield Unknown(what=second.path, why="a second trail pays for management events, two USD per 100,000")


def _workgroups(found: list[Resource], usage: Usage) -> Found:
    tb = usage.queries * max(usage.gb_per_query, LEAST_SCAN_GB) / 1_000
    yield _quantity("queries (Athena)", f"{len(found)} workgroups", "athena.scan", tb)


def _endpoints(found: list[Resource], usage: Usage) -> Found:
    gb = usage.predictions * usage.kb_per_prediction / 1e6
    yield _quantity("requests to the endpoint", found[0].path, "sagemaker.data", gb)


def _vpc_endpoints(found: list[Resource], usage: Usage) -> Found:
    if any(each.get("VpcEndpointType") == "Interface" for each in found):
        yield _quantity(
            "data through interface endpoints", "interface endpoints", "vpc.interface-data", usage.endpoint_gb
        )


def _metrics(_: list[Resource], usage: Usage) -> Found:
    """Those that we send; what AWS's services send is free. Paid by the hour in which something is sent."""
    yield _quantity("metrics of our own", "metrics", "cloudwatch.metric", usage.metric_hours / HOURS)


def _secrets(found: list[Resource], usage: Usage) -> Found:
    amount = usage.calls_per_function * len(found) / 10_000
    yield _quantity("secret's and queue's requests", "reading secrets", "secretsmanager.calls", amount)


def _topics(_: list[Resource], usage: Usage) -> Found:
    yield _quantity("mails", "mails of the topics", "sns.email", usage.mails / 1e5)


def _queues(_: list[Resource], usage: Usage) -> Found:
    yield _quantity("secret's and queue's requests", "queues", "sqs.requests", usage.mails / 1e6)


def _schedules(found: list[Resource], usage: Usage) -> Found:
    """Once for each refresh, retraining and monitoring: they are what the schedules start."""
    starts = usage.refreshes_per_month + usage.retrainings_per_month + usage.monitorings_per_month
    yield _quantity("schedules", f"{len(found)} schedules", "scheduler.calls", starts / 1e6)


# Types of which all resources together take what a knob says.
def _feature_groups(found: list[Resource], usage: Usage) -> Found:
    """Requests and storage of the online half; its price stands in no copy of the price list that we know.

    By size: a thousand look-ups of three groups a day, each a request unit, are 91,000 a month.
    """
    if usage.predictions:
        units = usage.predictions * len(found)
        why = f"{units:,.0f} look-ups a month, of which no dated price is known; requests and GB are billed"
        yield Unknown(what=f"{found[0].path} and its kind", why=why)


_ONCE: Mapping[str, Callable[[list[Resource], Usage], Found]] = {
    "AWS::Athena::WorkGroup": _workgroups,
    "AWS::CloudTrail::Trail": _trails,
    "AWS::CloudWatch::Alarm": _metrics,
    "AWS::EC2::VPCEndpoint": _vpc_endpoints,
    "AWS::Logs::LogGroup": _logs,
    "AWS::S3::Bucket": _buckets,
    "AWS::SNS::Topic": _topics,
    "AWS::SQS::Queue": _queues,
    "AWS::SageMaker::Endpoint": _endpoints,
    "AWS::SageMaker::FeatureGroup": _feature_groups,
    "AWS::Scheduler::Schedule": _schedules,
    "AWS::SecretsManager::Secret": _secrets,
}
_EACH: Mapping[str, Callable[[Templates, Resource, Usage], Found]] = {
    "AWS::Kinesis::Stream": _stream,
    FIREHOSE: _delivery,
    builds.PIPELINE: builds.pipeline,
}
# The rest of what is paid by use: by the runs, or by the resources above.
PRICED = {
    *_ONCE,
    *_EACH,
    builds.PROJECT,
    "AWS::Glue::Job",
    "AWS::Lambda::Function",
    "AWS::StepFunctions::StateMachine",
}
