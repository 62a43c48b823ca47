"""Rules of rightsizing: from what was measured to the change to make in settings.py. Pure: no call, no clock.

Thresholds follow AWS Compute Optimizer, with its defaults: a peak is the 99.5th percentile, a fifth of the
capacity stays free, the window is 14 days, and nothing is said on less than 30 hours of measurements
(Lambda: 50 calls). https://docs.aws.amazon.com/compute-optimizer/latest/ug/requirements.html and
https://docs.aws.amazon.com/compute-optimizer/latest/ug/rightsizing-preferences.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UNDER, OVER, FITS, UNKNOWN = "too small", "too large", "fits", "too little data"
PEAK, BUSY = 99.5, 80.0  # percentile; percent of the capacity that may be used
LEAST_HOURS, LEAST_CALLS, LEAST_RUNS = 30, 50, 3
# Days with measurements in the window: how much a change may be trusted.
HIGH_DAYS, MEDIUM_DAYS = 10, 4
# vCPUs and GiB: https://aws.amazon.com/sagemaker/ai/pricing/, on-demand instances. SageMaker counts
# CPUUtilization up to 100 for each vCPU, memory and disk up to 100 in all:
# https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
LADDER = {
    "ml.m5.large": (2, 8),
    "ml.m5.xlarge": (4, 16),
    "ml.m5.2xlarge": (8, 32),
    "ml.m5.4xlarge": (16, 64),
    "ml.m5.12xlarge": (48, 192),
}
# https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
SHARD_BYTES, SHARD_RECORDS = 1_048_576, 1_000  # a second, written
LAMBDA_SMALLEST, LAMBDA_STEP, CORE_MB = 128, 64, 1_769
SMALL_FILE = 5 * 1_048_576  # bytes: below, Spark and Athena spend their time on opening files
LONGEST_BUFFER = 900
WORTH_A_LIMIT = 1_024**3  # bytes of a log group that is kept for ever: less costs three cents a month
MANY_BYTES, LONG_DAYS = 10 * 1_024**3, 90  # of one log group; days after which nobody reads most logs


@dataclass(frozen=True, kw_only=True)
class Advice:
    """`change`: what to write where; empty unless the verdict asks for one."""

    resource: str
    verdict: str
    why: str
    change: str = ""
    confidence: str = ""


def judge(measured: Mapping[str, Any]) -> list[Advice]:
    """`measured` as deployment/measured.py gathers it."""
    rules = {
        "variants": variant,
        "streams": stream,
        "functions": function,
        "glue_jobs": glue_job,
        "sagemaker_jobs": sagemaker_job,
        "deliveries": delivery,
        "tables": table,
        "log_groups": log_group,
    }
    return [
        advice for kind, rule in rules.items() for each in measured.get(kind, []) for advice in rule(each)
    ]


def variant(found: Mapping[str, Any]) -> Iterator[Advice]:
    """An endpoint's instances: by processor, memory and answer time, at the size that bears the peak."""
    name = f"endpoint variant {found['name']} ({found['instances']} x {found['instance_type']})"
    cpu, memory = _values(found, "cpu"), _values(found, "memory")
    hours = min(len(cpu), len(memory))
    if hours < LEAST_HOURS:
        yield _unknown(name, f"{hours} hours with processor and memory, {LEAST_HOURS} are needed")
        return
    known = LADDER.get(found["instance_type"])
    if known is None:
        yield _unknown(name, f"no size is known for {found['instance_type']}: add it to deployment/sizes.py")
        return
    busy, full, slow = peak(cpu) / known[0], peak(memory), peak(_values(found, "latency_ms"))
    said = f"peaks: processor {busy:.0f} %, memory {full:.0f} %, slowest answers {slow:.0f} ms"
    sure, limit = _confidence(found, "cpu"), found.get("latency_limit_ms")
    if full > BUSY:
        yield _bigger(name, "deploy.instance_type", found["instance_type"], said, sure)
    elif busy > BUSY or (limit and slow > limit and busy > BUSY / 2):
        more = math.ceil(found["instances"] * max(busy / BUSY, 1.01))
        change = f"deploy.max_instances={max(more, found['max_instances'] + 1)}"
        yield Advice(resource=name, verdict=UNDER, why=said, change=change, confidence=sure)
    elif found["instances"] > found["least_instances"] and _bears(max(busy, full), found["instances"]):
        change = f"deploy.instances={found['instances'] - 1}"
        yield Advice(resource=name, verdict=OVER, why=said, change=change, confidence=sure)
    else:
        yield _smaller(name, "deploy.instance_type", found["instance_type"], max(busy, full), said, sure)


def stream(found: Mapping[str, Any]) -> Iterator[Advice]:
    name = f"stream {found['name']} ({found['shards'] or 'on demand'})"
    sent, records = _values(found, "bytes"), _values(found, "records")
    hours = _hours(found, "records")
    refused = sum(_values(found, "refused"))
    if refused and found["shards"]:
        change = f"ingest.shards={found['shards'] + 1}"
        why = f"{refused:.0f} records were refused for want of throughput"
        yield Advice(
            resource=name, verdict=UNDER, why=why, change=change, confidence=_confidence(found, "refused")
        )
        return
    if hours < LEAST_HOURS:
        yield _unknown(name, f"records in {hours} hours, {LEAST_HOURS} are needed")
        return
    # The highest minute and not a percentile of it: what a shard does not take is refused at once.
    use = max(max(sent) / 60 / SHARD_BYTES, max(records) / 60 / SHARD_RECORDS) if sent else 0.0
    needed = max(1, math.ceil(use / (BUSY / 100)))
    why, sure = f"the highest minute needs {use:.2f} shards", _confidence(found, "records")
    if found["shards"] is None:
        yield Advice(resource=name, verdict=FITS, why=f"{why}; on demand, it follows by itself")
    elif needed == found["shards"]:
        yield Advice(resource=name, verdict=FITS, why=why)
    else:
        verdict = UNDER if needed > found["shards"] else OVER
        yield Advice(
            resource=name, verdict=verdict, why=why, change=f"ingest.shards={needed}", confidence=sure
        )


def function(found: Mapping[str, Any]) -> Iterator[Advice]:
    """Memory by what the REPORT lines of its log say was used; the time limit by the longest call."""
    name = f"function {found['name']} ({found['memory_mb']} MB, {found['timeout_s']} s)"
    used, took = found["max_memory_mb"], _values(found, "duration_ms")
    calls = sum(_values(found, "calls"))
    if calls < LEAST_CALLS or not used:
        yield _unknown(name, f"{calls:.0f} calls and {len(used)} reports of memory, {LEAST_CALLS} are needed")
        return
    sure, where = _confidence(found, "calls"), f"{found['source']}: "
    if took and max(took) > BUSY / 100 * found["timeout_s"] * 1_000:
        why = f"the longest call took {max(took) / 1_000:.0f} s"
        change = f"{where}twice the time limit"
        yield Advice(resource=name, verdict=UNDER, why=why, change=change, confidence=sure)
    fitting = _memory(peak(used))
    why = f"at most {max(used):.0f} MB were used"
    if max(used) > BUSY / 100 * found["memory_mb"]:
        change = f"{where}memory_mb={_memory(max(used))}"
        yield Advice(resource=name, verdict=UNDER, why=why, change=change, confidence=sure)
    elif fitting * 2 <= found["memory_mb"]:
        # Lambda gives processor in proportion to memory: half of it is twice the time for work that computes.
        slower = peak(took) * found["memory_mb"] / fitting if took else 0.0
        if slower > BUSY / 100 * found["timeout_s"] * 1_000:
            yield Advice(
                resource=name, verdict=FITS, why=f"{why}, but it needs the processor that comes with it"
            )
        else:
            why += (
                f"; with less, a call may take up to {slower / 1_000:.1f} s, as less processor comes with it"
            )
            change = f"{where}memory_mb={fitting}"
            yield Advice(resource=name, verdict=OVER, why=why, change=change, confidence="low")
    else:
        yield Advice(resource=name, verdict=FITS, why=why)


def glue_job(found: Mapping[str, Any]) -> Iterator[Advice]:
    """Workers by what Spark asked for, if the job reports it; the time limit by its longest run."""
    name = f"Glue job {found['name']} ({found['workers']} x {found['worker_type']})"
    if len(found["run_seconds"]) < LEAST_RUNS:
        yield _unknown(name, f"{len(found['run_seconds'])} runs, {LEAST_RUNS} are needed")
        return
    longest, limit = max(found["run_seconds"]), found["timeout_minutes"] * 60
    if longest > BUSY / 100 * limit:
        change = f"transform.workers={found['workers'] * 2}, or transform.timeout_minutes"
        why = f"the longest run took {longest / 60:.0f} of {limit / 60:.0f} minutes"
        yield Advice(
            resource=name, verdict=UNDER, why=why, change=change, confidence=_by_runs(found["run_seconds"])
        )
        return
    asked = _values(found, "needed_executors")
    if not asked:
        yield _unknown(name, "the job reports no executors; --enable-metrics among its arguments makes it")
        return
    needed = max(2, math.ceil(peak(asked)) + 1)  # the driver has a worker of its own
    why, sure = f"Spark asked for {needed - 1} executors at most", _by_runs(found["run_seconds"])
    if needed > found["workers"] or needed < found["workers"]:
        verdict = UNDER if needed > found["workers"] else OVER
        change = f"transform.workers={needed}"
        yield Advice(resource=name, verdict=verdict, why=why, change=change, confidence=sure)
    else:
        yield Advice(resource=name, verdict=FITS, why=why)


def sagemaker_job(found: Mapping[str, Any]) -> Iterator[Advice]:
    """`section`: of settings.py. All jobs of a kind and stage are judged together."""
    name = f"{found['kind']} jobs of {found['section']} ({found['instance_type']})"
    cpu, memory, disk = (_values(found, measure) for measure in ("cpu", "memory", "disk"))
    if found["jobs"] < LEAST_RUNS or not memory:
        needed = f"{LEAST_RUNS} jobs with measurements are needed (/aws/sagemaker/.. in CloudWatch)"
        yield _unknown(name, f"{found['jobs']} jobs, {len(memory)} measurements; {needed}")
        return
    known = LADDER.get(found["instance_type"])
    if known is None:
        yield _unknown(name, f"no size is known for {found['instance_type']}: add it to deployment/sizes.py")
        return
    busy, full = peak(cpu) / known[0], peak(memory)
    said, sure = f"peaks: processor {busy:.0f} %, memory {full:.0f} %", _by_runs(range(found["jobs"]))
    setting = f"{found['section']}.instance_type"
    if full > BUSY:
        yield _bigger(name, setting, found["instance_type"], said, sure)
    else:
        # A job that keeps its processor busy is no fault: it is done sooner.
        yield _smaller(name, setting, found["instance_type"], max(busy, full), said, sure)
    if disk and peak(disk) > BUSY:
        change = f"{found['section']}.volume_gb={found['volume_gb'] * 2}"
        why = f"the volume was {peak(disk):.0f} % full"
        yield Advice(resource=name, verdict=UNDER, why=why, change=change, confidence=sure)


def delivery(found: Mapping[str, Any]) -> Iterator[Advice]:
    """Firehose writes a file for each table, day and buffer: many small ones are slow to read."""
    name = f"delivery {found['name']} ({found['buffer_seconds']} s, {found['buffer_mb']} MB)"
    sizes, hours = _values(found, "bytes"), _hours(found, "bytes")
    if hours < LEAST_HOURS:
        yield _unknown(name, f"deliveries in {hours} hours, {LEAST_HOURS} are needed")
        return
    size = sorted(sizes)[len(sizes) // 2]
    why, sure = f"half of the buffers hold less than {size / 1_048_576:.2f} MB", _confidence(found, "bytes")
    if size < SMALL_FILE and found["buffer_seconds"] < LONGEST_BUFFER:
        longer = min(
            LONGEST_BUFFER, math.ceil(found["buffer_seconds"] * min(SMALL_FILE / max(size, 1), 15) / 60) * 60
        )
        change = f"ingest.buffer_seconds={longer}"
        yield Advice(resource=name, verdict=UNDER, why=why, change=change, confidence=sure)
    else:
        yield Advice(resource=name, verdict=FITS, why=why)


def table(found: Mapping[str, Any]) -> Iterator[Advice]:
    name = f"table {found['name']} ({found['mode']})"
    refused = sum(_values(found, "throttled"))
    if refused:
        why, change = (
            f"{refused:.0f} requests were throttled",
            "on-demand limits of the account: ask for more",
        )
        yield Advice(
            resource=name, verdict=UNDER, why=why, change=change, confidence=_confidence(found, "throttled")
        )
    else:
        yield Advice(resource=name, verdict=FITS, why="nothing was throttled; it is paid by request")


def log_group(found: Mapping[str, Any]) -> Iterator[Advice]:
    name = f"log group {found['name']}"
    days, size = found["retention_days"], found["stored_bytes"]
    if days is None and size < WORTH_A_LIMIT:
        yield Advice(resource=name, verdict=FITS, why=f"kept for ever, but only {size / 1_048_576:.1f} MB")
    elif days is None:
        change = f"aws logs put-retention-policy --log-group-name {found['name']} --retention-in-days 30"
        why = f"{size / 1_024**3:.1f} GB are kept for ever (docs/decisions/0035-job-log-groups.md)"
        yield Advice(resource=name, verdict=OVER, why=why, change=change, confidence="high")
    elif size > MANY_BYTES and days > LONG_DAYS:
        why = f"{size / 1_024**3:.0f} GB over {days} days"
        change = "base.log_retention_days=90, if no rule asks for more"
        yield Advice(resource=name, verdict=OVER, why=why, change=change, confidence="high")


# -- what rules share


def peak(values: Sequence[float]) -> float:
    """The 99.5th percentile, by the nearest rank; 0 of nothing."""
    return sorted(values)[math.ceil(PEAK / 100 * len(values)) - 1] if values else 0.0


def _values(found: Mapping[str, Any], name: str) -> list[float]:
    return [value for _, value in found.get("series", {}).get(name, [])]


def _hours(found: Mapping[str, Any], name: str) -> int:
    return len({time[:13] for time, _ in found.get("series", {}).get(name, [])})


def _confidence(found: Mapping[str, Any], name: str) -> str:
    days = len({time[:10] for time, _ in found.get("series", {}).get(name, [])})
    return "high" if days >= HIGH_DAYS else "medium" if days >= MEDIUM_DAYS else "low"


def _by_runs(runs: Sequence[Any]) -> str:
    return "high" if len(runs) >= HIGH_DAYS else "medium" if len(runs) > LEAST_RUNS else "low"


def _memory(used: float) -> int:
    """The next step that leaves a fifth free."""
    return max(LAMBDA_SMALLEST, math.ceil(used / (BUSY / 100) / LAMBDA_STEP) * LAMBDA_STEP)


def _bears(use: float, instances: int) -> bool:
    return use * instances / (instances - 1) <= BUSY


def _bigger(name: str, setting: str, now: str, why: str, sure: str) -> Advice:
    sizes = list(LADDER)
    at = sizes.index(now) + 1
    change = (
        f'{setting}="{sizes[at]}"' if at < len(sizes) else f"{setting}: a family with more memory (ml.r5)"
    )
    return Advice(resource=name, verdict=UNDER, why=why, change=change, confidence=sure)


def _smaller(name: str, setting: str, now: str, use: float, why: str, sure: str) -> Advice:
    """The smallest type of the family that bears the peak with a fifth free."""
    sizes = list(LADDER)
    vcpus = LADDER[now][0]
    fitting = next(size for size in sizes if use * vcpus / LADDER[size][0] <= BUSY or size == now)
    if fitting == now:
        return Advice(resource=name, verdict=FITS, why=why)
    return Advice(resource=name, verdict=OVER, why=why, change=f'{setting}="{fitting}"', confidence=sure)


def _unknown(name: str, why: str) -> Advice:
    return Advice(resource=name, verdict=UNKNOWN, why=why)
