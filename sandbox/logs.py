"""Log lines go to CloudWatch Logs through the API as the writing role; metric lines become metrics."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sandbox import clock, work

if TYPE_CHECKING:
    from sandbox.iam.identity import Credentials

_known: set[tuple[str, str, str]] = set()  # Region, group, stream
_known_lock = threading.Lock()

# PutLogEvents takes 10,000 events and 1 MiB a call (26 bytes on top of each event are counted).
_MAX_EVENTS = 10_000
_MAX_BYTES = 1_048_576 - 100_000
_MAX_EVENT_BYTES = 256_000


def write(
    log_group: str, stream: str, lines: Iterable[str], credentials: Credentials, *, makes_stream: bool = True
) -> None:
    """Appends lines; a refusal is kept as a failure, as on AWS the writing unit itself goes on.

    `makes_stream` False: the service writes to a stream that has to be there, and never asks to make one.
    """
    kept = [line for line in lines if line.strip()]
    if not kept:
        return
    try:
        client = credentials.client("logs")
        if makes_stream:
            _ensure_stream(client, log_group, stream)
        stamp = int(clock.now().timestamp() * 1000)
        for batch in _batches(kept):
            events = [{"timestamp": stamp, "message": line} for line in batch]
            client.put_log_events(logGroupName=log_group, logStreamName=stream, logEvents=events)
    except ClientError as error:
        work.fail(f"logs {log_group}", error)
        return
    publish_embedded_metrics(kept)


def reset() -> None:
    with _known_lock:
        _known.clear()


def _ensure_stream(client: Any, log_group: str, stream: str) -> None:
    place = (client.meta.region_name, log_group, stream)
    with _known_lock:
        if place in _known:
            return
    try:
        _create_stream(client, log_group, stream)
    except client.exceptions.ResourceNotFoundException:
        # As Lambda does it: a missing group is created if the role may; of two jobs at once one is first.
        with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
            client.create_log_group(logGroupName=log_group)
        _create_stream(client, log_group, stream)
    with _known_lock:
        _known.add(place)


def _create_stream(client: Any, log_group: str, stream: str) -> None:
    try:
        client.create_log_stream(logGroupName=log_group, logStreamName=stream)
    except client.exceptions.ResourceAlreadyExistsException:
        return


def _batches(lines: Sequence[str]) -> Iterable[list[str]]:
    batch: list[str] = []
    size = 0
    for line in lines:
        text = line.encode()[:_MAX_EVENT_BYTES].decode(errors="ignore")
        length = len(text.encode()) + 26
        if batch and (len(batch) == _MAX_EVENTS or size + length > _MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    if batch:
        yield batch


def publish_embedded_metrics(lines: Iterable[str]) -> None:
    """Embedded metric format: a JSON line with `_aws.CloudWatchMetrics` holds metric values of its own."""
    from sandbox.engines import metrics

    for line in lines:
        if '"CloudWatchMetrics"' not in line:
            continue
        try:
            document = json.loads(line)
            for datum in embedded_metrics(document):
                metrics.put(**datum)
        except (ValueError, KeyError, TypeError) as error:
            work.fail(f"embedded metric line {line[:120]}", error)


def embedded_metrics(document: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """One datum per metric, value and dimension set; keyword arguments of metrics.put."""
    meta = document["_aws"]
    stamp = on_account_clock(datetime.fromtimestamp(meta["Timestamp"] / 1000, UTC))
    for directive in meta["CloudWatchMetrics"]:
        for names in directive.get("Dimensions") or [[]]:
            dimensions = {name: str(document[name]) for name in names}
            for metric in directive["Metrics"]:
                found = document[metric["Name"]]
                for value in found if isinstance(found, list) else [found]:
                    yield {
                        "namespace": directive["Namespace"],
                        "name": metric["Name"],
                        "value": float(value),
                        "unit": metric.get("Unit", "None"),
                        "dimensions": dimensions,
                        "at": stamp,
                    }


def on_account_clock(stamp: datetime) -> datetime:
    """A stamp read off the machine's clock, moved to the account's; any other instant is meant as it is."""
    if abs(stamp - datetime.now(UTC)) < timedelta(minutes=15):
        return stamp + clock.offset()
    return stamp
