"""Alarms: what can go wrong in each stage, as the services measure it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs

from security.functions import ScopedFunction
from settings import Settings
from stacks.operations.alerts import UNDER, Alerts, metric
from stacks.operations.neighbours import Ingest
from stacks.operations.release import CHALLENGER, CHAMPION
from stacks.operations.steps import NAMESPACE

DAY_MINUTES = 24 * 60


def functions_of(ingest: Ingest) -> dict[str, ScopedFunction]:
    """As a person calls them."""
    return {
        "check of records": ingest.check_records,
        "check of files": ingest.check_file,
        "redrive": ingest.redrive,
        "rotation of token keys": ingest.rotate_keys,
    }


def watch(
    alerts: Alerts,
    settings: Settings,
    ingest: Ingest,
    dead_letters: sqs.IQueue,
    workflows: Mapping[str, str],
) -> None:
    _watch_arrivals(alerts, settings, ingest)
    _watch_functions(alerts, functions_of(ingest))
    alerts.alarm(
        "ingest",
        "messages that nobody handled",
        dead_letters.metric_approximate_number_of_messages_visible(statistic="Maximum"),
        0,
        why="An event or a schedule could not be delivered, or its function failed for good.",
    )
    _watch_workflows(alerts, workflows)


def _watch_arrivals(alerts: Alerts, settings: Settings, ingest: Ingest) -> None:
    stream = {"StreamName": ingest.stream.stream_name}
    delivery = {"DeliveryStreamName": ingest.delivery.stream.ref}
    late = 3 * settings.ingest.buffer_seconds + 300
    alerts.alarm(
        "ingest",
        "records wait on the stream",
        metric("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", stream, statistic="Maximum"),
        late * 1000,
        periods=3,
        why="Nobody takes records off the stream fast enough; they are lost after its retention.",
    )
    alerts.alarm(
        "ingest",
        "stream refuses records",
        metric("AWS/Kinesis", "WriteProvisionedThroughputExceeded", stream),
        0,
        periods=3,
        why="Producers send more than the stream takes.",
    )
    alerts.alarm(
        "ingest",
        "no record for a day",
        metric("AWS/Kinesis", "IncomingRecords", stream, minutes=DAY_MINUTES),
        1,
        when=UNDER,
        missing=cloudwatch.TreatMissingData.BREACHING,
        why="The source is silent, so the lake gets stale.",
    )
    alerts.alarm(
        "ingest",
        "delivery is late",
        metric("AWS/Firehose", "DeliveryToS3.DataFreshness", delivery, statistic="Maximum"),
        late,
        periods=3,
        why="The oldest record in Firehose waits longer than the buffer explains.",
    )
    alerts.alarm(
        "ingest",
        "delivery fails",
        metric("AWS/Firehose", "DeliveryToS3.Success", delivery, statistic="Minimum"),
        1,
        when=UNDER,
        why="Firehose cannot write to the raw bucket.",
    )
    alerts.alarm(
        "ingest",
        "records cannot be checked",
        metric("AWS/Firehose", "ExecuteProcessing.Success", delivery, statistic="Minimum"),
        1,
        when=UNDER,
        why="Firehose gets no answer from the function that checks records.",
    )
    alerts.alarm(
        "ingest",
        "too many partitions",
        metric("AWS/Firehose", "PartitionCountExceeded", delivery),
        0,
        why="Records of too many tables and days arrive at once; Firehose puts them below errors/.",
    )


def _watch_functions(alerts: Alerts, functions: Mapping[str, ScopedFunction]) -> None:
    for name, function in functions.items():
        dimensions = {"FunctionName": function.function_name}
        alerts.alarm(
            "ingest",
            f"{name} fails",
            metric("AWS/Lambda", "Errors", dimensions),
            0,
            why=f"The function {name} raised an error or ran out of time.",
        )
        alerts.alarm(
            "ingest",
            f"{name} is throttled",
            metric("AWS/Lambda", "Throttles", dimensions),
            0,
            why=f"Lambda refused to run the function {name} for want of concurrency.",
        )


def watch_endpoint(alerts: Alerts, settings: Settings, endpoint: str) -> list[cloudwatch.Alarm]:
    """Those that take a deployment or a challenger back: errors and latency of both variants."""
    guards = []
    for variant in (CHAMPION, CHALLENGER):
        dimensions = {"EndpointName": endpoint, "VariantName": variant}
        guards.append(
            alerts.alarm(
                "deploy",
                f"{variant} answers with errors",
                metric("AWS/SageMaker", "Invocation5XXErrors", dimensions, minutes=1),
                0,
                why="The model container failed on requests.",
            )
        )
        guards.append(
            alerts.alarm(
                "deploy",
                f"{variant} is slow",
                metric("AWS/SageMaker", "ModelLatency", dimensions, statistic="p99", minutes=1),
                settings.monitor.latency_ms * 1000,
                periods=3,
                why=f"One answer in a hundred takes the model more than {settings.monitor.latency_ms} ms.",
            )
        )
        alerts.alarm(
            "deploy",
            f"{variant} refuses requests",
            metric("AWS/SageMaker", "Invocation4XXErrors", dimensions),
            50,
            why="Clients send what the model does not understand.",
        )
    busy = {"EndpointName": endpoint, "VariantName": CHAMPION}
    # Memory counts up to 100, the processor up to 100 for each of its vCPUs:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
    cores = vcpus(settings.deploy.instance_type)
    for name, title, whole in (("CPUUtilization", "processor", cores), ("MemoryUtilization", "memory", 1)):
        alerts.alarm(
            "deploy",
            f"champion is short of {title}",
            metric("/aws/sagemaker/Endpoints", name, busy, statistic="Average"),
            90 * whole,
            periods=3,
            why=f"The champion's instances use more than 90 % of their {title}.",
        )
    return guards


def vcpus(instance_type: str) -> int:
    """By the size, as in every family without an accelerator: large 2, xlarge 4, 2xlarge 8, and so on."""
    size = instance_type.rsplit(".", 1)[-1]
    found = re.fullmatch(r"(?:(medium|large)|(\d*)xlarge)", size)
    if found is None:
        raise ValueError(
            f"{instance_type} has an unknown size: got {size!r}, allowed is medium, large, xlarge or "
            "a number of them (4xlarge): set deploy.instance_type in settings.py, or teach this function"
        )
    return 2 if found[1] else 4 * int(found[2] or 1)


def _watch_workflows(alerts: Alerts, workflows: Mapping[str, str]) -> None:
    stages = {"Retrain": "retrain", "Monitor": "monitor", "BulkScore": "deploy"}
    for name, workflow in workflows.items():
        stage = stages[name]
        for measured, title in (("ExecutionsFailed", "failed"), ("ExecutionsTimedOut", "took too long")):
            alerts.alarm(
                stage,
                f"{name} {title}",
                metric("AWS/States", measured, {"StateMachineArn": workflow}),
                0,
                why=f"An execution of {name} {title}; its last message names state, error and cause.",
            )


def watch_model(alerts: Alerts, endpoint: str, thresholds: Mapping[str, float]) -> Sequence[cloudwatch.Alarm]:
    """What the monitoring reports of each endpoint; `thresholds` are the contract's.

    Without a new report an alarm has no data and forgets its state: the next report over the threshold rings
    again, and starts a run again.
    """
    quality = {
        "model got worse": (
            "QualityDrop",
            "quality_drop",
            "Predictions fit the labels worse than at training.",
        ),
        "model is off balance": (
            "CalibrationGap",
            "calibration_gap",
            "Predictions are too high or too low on the whole.",
        ),
        "labels follow other rules": (
            "ConceptDrift",
            "concept_drift",
            "Labels follow the scores less than at evaluation, whatever their level.",
        ),
    }
    return [
        alerts.alarm(
            "monitor",
            title,
            metric(NAMESPACE, name, {"Endpoint": endpoint}, statistic="Maximum", minutes=DAY_MINUTES),
            thresholds[threshold],
            missing=cloudwatch.TreatMissingData.MISSING,
            why=why,
        )
        for title, (name, threshold, why) in quality.items()
    ]
