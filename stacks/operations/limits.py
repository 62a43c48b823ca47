"""Alarms near a quota: before AWS refuses, and while there is time to ask for more.

Only what AWS measures against a quota can be watched so: SERVICE_QUOTA knows the usage metrics of Service
Quotas alone, and neither SageMaker's instances nor Glue's capacity are among them. Those are looked at before
a deployment (`make preflight`).
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from settings import Settings
from stacks.operations.alerts import Alerts, metric
from stacks.operations.neighbours import Ingest

FUNCTIONS, KEYS, STREAM = "functions near the quota", "keys near the quota", "stream is nearly full"
NEAR_PERCENT = 80
LONG_MINUTES = 5  # one minute over it is a burst, which retries take
# https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html: a second, written to a shard
SHARD_BYTES, SHARD_RECORDS = 1_048_576, 1_000


def watch_limits(alerts: Alerts, settings: Settings, ingest: Ingest) -> None:
    whys = {
        FUNCTIONS: "The account's functions use more than {} % of the concurrency that Lambda allows.",
        KEYS: "The account's keys are used at more than {} % of the rate that KMS allows.",
        STREAM: "Producers send more than {} % of what the shards take.",
    }
    for title, share in shares(settings, ingest).items():
        why = whys[title].format(NEAR_PERCENT)
        alerts.alarm("ingest", title, share, NEAR_PERCENT, periods=LONG_MINUTES, why=why)


def shares(settings: Settings, ingest: Ingest) -> dict[str, cloudwatch.MathExpression]:
    """By the alarm's title, percent of what there is. A stream on demand has no size."""
    keys = {
        "Service": "KMS",
        "Type": "API",
        "Resource": "CryptographicOperationsSymmetric",
        "Class": "None",
    }
    # All functions of the account: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-concurrency.html
    at_once = metric("AWS/Lambda", "ConcurrentExecutions", {}, statistic="Maximum", minutes=1)
    found = {
        FUNCTIONS: _of_quota("functions", at_once),
        KEYS: _of_quota("keys", metric("AWS/Usage", "CallCount", keys, minutes=1)),
    }
    if settings.ingest.shards is not None:
        found[STREAM] = _of_shards(settings.ingest.shards, {"StreamName": ingest.stream.stream_name})
    return found


def _of_quota(name: str, usage: cloudwatch.Metric) -> cloudwatch.MathExpression:
    """In the form of CloudWatch's own alarms on quotas."""
    return cloudwatch.MathExpression(
        expression=f"{name} / SERVICE_QUOTA({name}) * 100",
        using_metrics={name: usage},
        period=usage.period,
        label=f"{name}, of the account's quota",
    )


def _of_shards(shards: int, stream: Mapping[str, str]) -> cloudwatch.MathExpression:
    """A shard's limits are the same for everybody and no quota of Service Quotas."""
    minute = 60 * shards
    return cloudwatch.MathExpression(
        expression=f"100 * MAX([bytes / {SHARD_BYTES * minute}, records / {SHARD_RECORDS * minute}])",
        using_metrics={
            "bytes": metric("AWS/Kinesis", "IncomingBytes", stream, minutes=1),
            "records": metric("AWS/Kinesis", "IncomingRecords", stream, minutes=1),
        },
        period=Duration.minutes(1),
        label="stream, of its shards",
    )
