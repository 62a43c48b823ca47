"""Puts the newest values of every entity into its feature group; as often as asked, with one outcome.

The store itself keeps the order: a record of an earlier event time never replaces a later one online, and a
record put twice changes nothing there. Offline each put is a row; who joins takes the last of an event time.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from shared.aws import client, read_json
from shared.environment import contract

from put_features.records import Record, records

AT_ONCE = 8
ATTEMPTS = 8  # of one record: throttling passes, and a run of months has time
SHOWN = 5


class RefusedRecordsError(RuntimeError):
    """Some records did not get into the store; the others did."""


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    plan = event["plan"]
    content = _entities(os.environ["MODELS_BUCKET"], plan["run_id"])
    if content is None:
        return {"put": 0, "groups": {}, "event_time": None}
    groups = json.loads(os.environ["FEATURE_GROUPS"])
    found = records(content, contract()["features"]["entities"], groups)
    refused = put(found)
    counts = Counter(record.group for record in found)
    if refused:
        causes = "; ".join(f"{number} times {code}" for code, number in refused.most_common(SHOWN))
        raise RefusedRecordsError(
            f"{refused.total()} of {len(found)} records were not put ({causes}): the others are there; "
            "mend the cause and start a refresh, which puts all of them again"
        )
    return {"put": len(found), "groups": dict(counts), "event_time": content["event_time"]}


def put(found: Iterable[Record]) -> Counter[str]:
    """How many records were refused, by error code."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(code for code in pool.map(_put, found) if code)


def _put(record: Record) -> str | None:
    from botocore.exceptions import ClientError  # noqa: PLC0415  # see shared/environment.py

    try:
        _store().put_record(FeatureGroupName=record.group, Record=record.values)
    except ClientError as error:
        # The code alone: a message may repeat the record's values.
        return str(error.response["Error"]["Code"])
    return None


@cache
def _store() -> Any:
    """With more patience than boto3's default, and slowing down when it is throttled."""
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        retries={"mode": "adaptive", "max_attempts": ATTEMPTS},
        max_pool_connections=AT_ONCE,
        connect_timeout=5,
        read_timeout=10,
    )
    return boto3.client("sagemaker-featurestore-runtime", config=config)


def _entities(bucket: str, run_id: str) -> Any:
    """None where the run built nothing that is looked up."""
    try:
        return read_json(bucket, f"runs/{run_id}/entities.json")
    except client("s3").exceptions.NoSuchKey:
        return None
