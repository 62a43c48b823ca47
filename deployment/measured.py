"""What rightsizing judges: sizes as they are, and what CloudWatch, logs and services measured of them.

The answer is plain JSON, so that a recording of it can be judged again, elsewhere and later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployment.errors import explained
from deployment.view import Deployment, Metric, NothingToSeeError, Series

DAYS = 14
HOUR, MINUTE = 3_600, 60
REPORT = re.compile(r"Max Memory Used: (\d+) MB")
MOST_REPORTS = 5_000  # of a function: the newest days of a busy one say enough
MOST_JOBS = 50  # of a kind
ENDED_WELL = "SUCCEEDED"
INSTANCES = "/aws/sagemaker/Endpoints"
# Processing jobs by their names, which the state machines give them: mlref-<profile>-<run id>-<stage>.
STAGES = {"evaluate": "evaluate", "prepare": "evaluate", "monitor": "monitor"}


def gather(seen: Deployment, days: int = DAYS) -> dict[str, Any]:
    """What cannot be read is named below `unread`, with the way to get it."""
    parts: dict[str, Callable[[Deployment, timedelta], Iterator[dict[str, Any]]]] = {
        "variants": _variants,
        "streams": _streams,
        "functions": _functions,
        "glue_jobs": _glue_jobs,
        "sagemaker_jobs": _sagemaker_jobs,
        "deliveries": _deliveries,
        "tables": _tables,
        "log_groups": _log_groups,
    }
    found: dict[str, Any] = {
        "profile": seen.names.profile,
        "at": seen.at.isoformat(),
        "days": days,
        "unread": {},
    }
    for name, part in parts.items():
        try:
            found[name] = list(part(seen, timedelta(days=days)))
        except NothingToSeeError as error:
            found["unread"][name] = str(error)
        except (BotoCoreError, ClientError) as error:
            found["unread"][name] = explained(error)
    return found


def _variants(seen: Deployment, back: timedelta) -> Iterator[dict[str, Any]]:
    sagemaker, endpoint = seen.place.client("sagemaker"), seen.output("EndpointName")
    if seen.is_paused:
        raise NothingToSeeError(
            "the deployment is paused: there is no endpoint to judge, and the rest by what it did before; "
            f"fix: make resume PROFILE={seen.names.profile}"
        )
    told = sagemaker.describe_endpoint(EndpointName=endpoint)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=told["EndpointConfigName"])
    now = {each["VariantName"]: each["CurrentInstanceCount"] for each in told["ProductionVariants"]}
    for each in config["ProductionVariants"]:
        name = each["VariantName"]
        of = {"EndpointName": endpoint, "VariantName": name}
        model = sagemaker.describe_model(ModelName=each["ModelName"])
        subnets = len(model.get("VpcConfig", {}).get("Subnets", [])) or 1
        yield {
            "name": name,
            "instance_type": each["InstanceType"],
            "instances": now.get(name, each["InitialInstanceCount"]),
            "max_instances": _most(seen, f"endpoint/{endpoint}/variant/{name}", now.get(name, 1)),
            "least_instances": subnets,  # one in each zone, so that the loss of a zone is survived
            "latency_limit_ms": _latency_limit(seen, name),
            "series": _series(
                seen,
                back,
                cpu=Metric(
                    namespace=INSTANCES,
                    name="CPUUtilization",
                    dimensions=of,
                    statistic="Maximum",
                    period=HOUR,
                ),
                memory=Metric(
                    namespace=INSTANCES,
                    name="MemoryUtilization",
                    dimensions=of,
                    statistic="Maximum",
                    period=HOUR,
                ),
                requests=Metric(namespace="AWS/SageMaker", name="Invocations", dimensions=of, period=HOUR),
            )
            | _in_ms(
                _series(
                    seen,
                    back,
                    latency_ms=Metric(
                        namespace="AWS/SageMaker",
                        name="ModelLatency",
                        dimensions=of,
                        statistic="p99",
                        period=HOUR,
                    ),
                )
            ),
        }


def _in_ms(series: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: [[time, value / 1_000] for time, value in points] for name, points in series.items()}


def _most(seen: Deployment, resource: str, now: int) -> int:
    scaling = seen.place.client("application-autoscaling")
    found = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[resource])
    return max([now, *(int(each["MaxCapacity"]) for each in found["ScalableTargets"])])


def _latency_limit(seen: Deployment, variant: str) -> float | None:
    name = f"{seen.names.prefix} deploy: {variant} is slow"
    found = seen.place.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return float(found[0]["Threshold"]) / 1_000 if found else None


def _streams(seen: Deployment, back: timedelta) -> Iterator[dict[str, Any]]:
    for name in seen.of_type("AWS::Kinesis::Stream"):
        told = seen.place.client("kinesis").describe_stream_summary(StreamName=name)[
            "StreamDescriptionSummary"
        ]
        on_demand = told.get("StreamModeDetails", {}).get("StreamMode") == "ON_DEMAND"
        of = {"StreamName": name}
        yield {
            "name": name,
            "shards": None if on_demand else told["OpenShardCount"],
            "series": _series(
                seen,
                back,
                bytes=Metric(namespace="AWS/Kinesis", name="IncomingBytes", dimensions=of, period=MINUTE),
                records=Metric(namespace="AWS/Kinesis", name="IncomingRecords", dimensions=of, period=MINUTE),
                refused=Metric(
                    namespace="AWS/Kinesis",
                    name="WriteProvisionedThroughputExceeded",
                    dimensions=of,
                    period=HOUR,
                ),
            ),
        }


def _functions(seen: Deployment, back: timedelta) -> Iterator[dict[str, Any]]:
    for resource in seen.resources("AWS::Lambda::Function"):
        told = seen.place.client("lambda").get_function_configuration(FunctionName=resource.name)
        of = {"FunctionName": resource.name}
        yield {
            "name": resource.name,
            "source": _source(resource.definition, resource.logical_id),
            "memory_mb": told["MemorySize"],
            "timeout_s": told["Timeout"],
            "max_memory_mb": _used(seen, told["LoggingConfig"]["LogGroup"], back),
            "series": _series(
                seen,
                back,
                duration_ms=Metric(
                    namespace="AWS/Lambda", name="Duration", dimensions=of, statistic="Maximum", period=HOUR
                ),
                calls=Metric(namespace="AWS/Lambda", name="Invocations", dimensions=of, period=HOUR),
            ),
        }


def _source(definition: Mapping[str, Any], logical_id: str) -> str:
    """The file of the construct, as the repository lays them out: stacks/<stack>/<stage>.py."""
    path = str(definition.get("Metadata", {}).get("aws:cdk:path", "")).split("/")
    if len(path) < 3:
        return f"the construct {logical_id}"
    stage = re.sub(r"(?<!^)(?=[A-Z])", "_", path[1]).lower()
    return f"{path[2]} in stacks/{path[0].lower()}/{stage}.py"


def _used(seen: Deployment, group: str, back: timedelta) -> list[float]:
    """MB, from the line that Lambda writes at the end of each call."""
    pages = (
        seen.place.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=group,
            filterPattern='"Max Memory Used"',
            startTime=int((seen.at - back).timestamp() * 1_000),
            endTime=int(seen.at.timestamp() * 1_000),
            PaginationConfig={"MaxItems": MOST_REPORTS},
        )
    )
    lines = (event["message"] for page in pages for event in page["events"])
    return [float(found[1]) for line in lines if (found := REPORT.search(line))]


def _glue_jobs(seen: Deployment, back: timedelta) -> Iterator[dict[str, Any]]:
    glue = seen.place.client("glue")
    for name in seen.of_type("AWS::Glue::Job"):
        told = glue.get_job(JobName=name)["Job"]
        pages = glue.get_paginator("get_job_runs").paginate(JobName=name, PaginationConfig={"MaxItems": 200})
        runs = [run for page in pages for run in page["JobRuns"] if run["StartedOn"] > seen.at - back]
        of = {"JobName": name, "JobRunId": "ALL", "Type": "gauge"}
        needed = "glue.driver.ExecutorAllocationManager.executors.numberMaxNeededExecutors"
        yield {
            "name": name,
            "workers": told["NumberOfWorkers"],
            "worker_type": told["WorkerType"],
            "timeout_minutes": told["Timeout"],
            "run_seconds": [run.get("ExecutionTime", 0) for run in runs if run["JobRunState"] == ENDED_WELL],
            "series": _series(
                seen,
                back,
                needed_executors=Metric(
                    namespace="Glue", name=needed, dimensions=of, statistic="Maximum", period=MINUTE
                ),
            ),
        }


def _sagemaker_jobs(seen: Deployment, back: timedelta) -> Iterator[dict[str, Any]]:
    """Those of the window, put together by kind, stage and type; each host is a dimension of its own."""
    groups: dict[tuple[str, str, str, int], list[str]] = {}
    for kind in ("training", "processing"):
        for job in _jobs_of(seen, kind, seen.at - back):
            last = job["name"].rsplit("-", 1)[-1]
            # A training's name ends with its candidate's, or with what SageMaker calls a trial.
            stage = "train" if kind == "training" else STAGES.get(last, last)
            groups.setdefault((kind, stage, job["type"], job["volume_gb"]), []).append(job["name"])
    for (kind, stage, instance_type, volume_gb), names in groups.items():
        series: dict[str, list[Any]] = {"cpu": [], "memory": [], "disk": []}
        for name in names:
            of = {"Host": f"{name}/algo-1"}
            measures = {
                key: Metric(
                    namespace=f"/aws/sagemaker/{kind.title()}Jobs",
                    name=f"{key.upper() if key == 'cpu' else key.title()}Utilization",
                    dimensions=of,
                    statistic="Maximum",
                    period=MINUTE,
                )
                for key in series
            }
            for key, points in _series(seen, back, **measures).items():
                series[key] += points
        yield {
            "kind": kind,
            "section": stage,
            "instance_type": instance_type,
            "volume_gb": volume_gb,
            "jobs": len(names),
            "series": series,
        }


def _jobs_of(seen: Deployment, kind: str, since: datetime) -> Iterator[dict[str, Any]]:
    sagemaker, word = seen.place.client("sagemaker"), kind.title()
    pages = sagemaker.get_paginator(f"list_{kind}_jobs").paginate(
        NameContains=f"{seen.names.prefix}-", PaginationConfig={"MaxItems": MOST_JOBS}
    )
    for page in pages:
        for job in page[f"{word}JobSummaries"]:
            name = job[f"{word}JobName"]
            if job["CreationTime"] < since or not seen.names.begins(name):
                continue
            told = getattr(sagemaker, f"describe_{kind}_job")(**{f"{word}JobName": name})
            size = (
                told["ResourceConfig"] if kind == "training" else told["ProcessingResources"]["ClusterConfig"]
            )
            yield {"name": name, "type": size["InstanceType"], "volume_gb": size["VolumeSizeInGB"]}


def _deliveries(seen: Deployment, back: timedelta) -> Iterator[dict[str, Any]]:
    firehose = seen.place.client("firehose")
    for name in seen.of_type("AWS::KinesisFirehose::DeliveryStream"):
        told = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
        hints = told["Destinations"][0]["ExtendedS3DestinationDescription"]["BufferingHints"]
        seconds = hints["IntervalInSeconds"]
        of = {"DeliveryStreamName": name}
        yield {
            "name": name,
            "buffer_seconds": seconds,
            "buffer_mb": hints["SizeInMBs"],
            "series": _series(
                seen,
                back,
                bytes=Metric(
                    namespace="AWS/Firehose",
                    name="DeliveryToS3.Bytes",
                    dimensions=of,
                    period=-(-seconds // MINUTE) * MINUTE,
                ),
            ),
        }


def _tables(seen: Deployment, back: timedelta) -> Iterator[dict[str, Any]]:
    for name in seen.of_type("AWS::DynamoDB::Table"):
        told = seen.place.client("dynamodb").describe_table(TableName=name)["Table"]
        yield {
            "name": name,
            "mode": told.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
            "series": _series(
                seen,
                back,
                throttled=Metric(
                    namespace="AWS/DynamoDB",
                    name="ThrottledRequests",
                    dimensions={"TableName": name},
                    period=HOUR,
                ),
            ),
        }


def _log_groups(seen: Deployment, _back: timedelta) -> Iterator[dict[str, Any]]:
    """Of this deployment, and those that its services share with the account."""
    for page in seen.place.client("logs").get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            name = group["logGroupName"]
            if seen.names.begins(name) or seen.names.within(name) or name.startswith("/aws/sagemaker/"):
                yield {
                    "name": name,
                    "retention_days": group.get("retentionInDays"),
                    "stored_bytes": group.get("storedBytes", 0),
                }


def _series(seen: Deployment, back: timedelta, **metrics: Metric) -> dict[str, list[Any]]:
    return {name: _points(each) for name, each in seen.series(metrics, back=back).items()}


def _points(series: Series) -> list[Any]:
    return [[f"{time:%FT%H:%M}", value] for time, value in zip(series.times, series.values, strict=True)]
