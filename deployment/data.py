"""The data on its way: how old the newest is, what waits, what was set aside, what nobody handled."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from botocore.exceptions import ClientError

from deployment import token_keys
from deployment.view import Deployment, Metric, NothingToSeeError, Section, ago, spell

STREAM, DELIVERY, QUEUE = "AWS::Kinesis::Stream", "AWS::KinesisFirehose::DeliveryStream", "AWS::SQS::Queue"
LOOK_BACK = timedelta(hours=3)
MOST_PAGES = 100  # of a thousand objects each: a quarantine that is larger is a case for Athena
FEATURES, WHOLE = (
    "features",
    "all",
)  # the table that runs make; the partition of a table without an event time
_FIRST_KEYS = "see the alarm `ingest: rotation of token keys fails` in docs/operations.md"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def lag(seen: Deployment) -> Section:
    """Newest event day by table as it arrived, newest month as it was published, and what waits between."""
    rows: list[tuple[str, str]] = []
    tables: dict[str, Any] = {}
    for table, months in sorted(_published(seen).items()):
        newest = max(months, default=None)
        folders = _arrived(seen, table)
        arrived = max(filter(_DAY.fullmatch, folders), default=None)
        tables[table] = {"arrived": arrived, "published": newest}
        words = _arrived_in_words(seen, table, folders, arrived)
        rows.append((table, f"{words}; {_published_in_words(newest)}"))
    waiting = _waiting(seen)
    rows += [
        ("on the stream", _waits_in_words(waiting["stream_seconds"], "the oldest record waits")),
        ("in Firehose", _waits_in_words(waiting["delivery_seconds"], "the oldest record waits")),
    ]
    return Section(title="data", rows=rows, facts={"tables": tables, **waiting})


def keys(seen: Deployment) -> Section:
    """Whether there are token keys, without which no record passes the door, and when they are renewed."""
    rows, facts, bad = [], {}, []
    for secret in seen.of_type(token_keys.SECRET):
        found = token_keys.standing(seen.place, secret)
        when = f"renewed {ago(found.made, seen.at)}" if found.made else "none yet: records are set aside"
        if seen.is_paused:
            then = "no rotation while it is paused: `make resume` makes up for it"
        elif found.pending:
            then = "a rotation is under way, or did not come through: its alarm tells"
        else:
            then = f"due {found.due:%F}" if found.due else "no rotation is planned"
        rows.append(("keys", f"{when}; {then}"))
        facts[secret] = {"made": found.made.isoformat() if found.made else None, "pending": found.pending}
        if found.made is None and not seen.is_paused:
            bad.append(f"there are no token keys, so no record passes the door; fix: {_FIRST_KEYS}")
    if not rows:
        raise NothingToSeeError("there is no secret of token keys; fix: deploy the stack of data")
    return Section(title="token keys", rows=rows, facts=facts, bad=bad)


def _published(seen: Deployment) -> dict[str, list[str]]:
    """Months by table of the catalogue, the features' too."""
    glue, database = seen.place.client("glue"), seen.output("DatabaseName")
    found: dict[str, list[str]] = {}
    for page in glue.get_paginator("get_tables").paginate(DatabaseName=database):
        for table in page["TableList"]:
            parts = glue.get_paginator("get_partitions").paginate(
                DatabaseName=database, TableName=table["Name"], ExcludeColumnSchema=True
            )
            found[table["Name"]] = [part["Values"][0] for each in parts for part in each["Partitions"]]
    if not found:
        raise NothingToSeeError(f"the database {database} has no table; fix: deploy the stack of data")
    return found


def _arrived(seen: Deployment, table: str) -> list[str]:
    """Folders of the raw zone, `2013-05-01` or, without an event time, `all`: no object is read."""
    pages = (
        seen.place.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=seen.output("RawBucketName"), Prefix=f"raw/{table}/", Delimiter="/")
    )
    folders = [folder["Prefix"] for page in pages for folder in page.get("CommonPrefixes", [])]
    return [folder.rstrip("/").rpartition("dt=")[2] for folder in folders]


def _arrived_in_words(seen: Deployment, table: str, folders: Sequence[str], newest: str | None) -> str:
    if newest is not None:
        days = (seen.at.date() - date.fromisoformat(newest)).days
        return f"newest event day {newest}, {days} days ago" if days > 0 else f"newest event day {newest}"
    if table == FEATURES:
        return "made by runs"
    return "arrived; it has no event day" if folders else "nothing arrived yet"


def _published_in_words(newest: str | None) -> str:
    if newest is None:
        return "nothing published yet"
    return "published" if newest == WHOLE else f"published up to {newest}"


def _waiting(seen: Deployment) -> dict[str, float | None]:
    metrics = {}
    for stream in seen.of_type(STREAM):
        metrics["stream_seconds"] = Metric(
            namespace="AWS/Kinesis",
            name="GetRecords.IteratorAgeMilliseconds",
            dimensions={"StreamName": stream},
            statistic="Maximum",
        )
    for delivery in seen.of_type(DELIVERY):
        metrics["delivery_seconds"] = Metric(
            namespace="AWS/Firehose",
            name="DeliveryToS3.DataFreshness",
            dimensions={"DeliveryStreamName": delivery},
            statistic="Maximum",
        )
    found = seen.series(metrics, back=LOOK_BACK) if metrics else {}
    age = found["stream_seconds"].last if "stream_seconds" in found else None
    fresh = found["delivery_seconds"].last if "delivery_seconds" in found else None
    return {"stream_seconds": None if age is None else age / 1000, "delivery_seconds": fresh}


def _waits_in_words(seconds: float | None, words: str) -> str:
    if seconds is None:
        return f"no measurement in the last {spell(LOOK_BACK.total_seconds())}: nothing came in"
    return f"{words} {spell(seconds)}"


def dead_letters(seen: Deployment) -> Section:
    counts: dict[str, int] = {}
    for url in seen.of_type(QUEUE):
        found = seen.place.client("sqs").get_queue_attributes(
            QueueUrl=url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        counts[url.rsplit("/", 1)[-1]] = sum(int(number) for number in found.values())
    if not counts:
        raise NothingToSeeError("there is no queue of dead letters: the stack base is not deployed")
    return Section(
        title="dead letters",
        rows=[(name, f"{number} messages") for name, number in counts.items()],
        facts=counts,
        bad=[f"{number} dead letters in {name}" for name, number in counts.items() if number],
    )


def set_aside(seen: Deployment) -> Section:
    """Objects and bytes by folder; what is in them, an analyst reads. Not bad by itself: it is the rule."""
    raw = seen.output("RawBucketName")
    rows: list[tuple[str, str]] = []
    facts: dict[str, dict[str, int]] = {}
    for folder, what in (("quarantine/", "refused records"), ("errors/", "records that could not be read")):
        count, size, more = Counter[str](), Counter[str](), ""
        for number, entry in enumerate(_objects(seen, raw, folder)):
            table = entry["Key"].removeprefix(folder).split("/", 1)[0]
            count[table] += 1
            size[table] += entry["Size"]
            if number + 1 == MOST_PAGES * 1_000:
                more = " at least: the rest was not counted"
        for table in sorted(count):
            text = f"{what}: {count[table]:,} objects, {size[table] / 1024:,.1f} KB{more}"
            rows.append((f"{folder}{table}", text))
            facts[f"{folder}{table}"] = {"objects": count[table], "bytes": size[table]}
    return Section(title="set aside", rows=rows or [("quarantine", "empty")], facts=facts)


def _objects(seen: Deployment, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    pages = (
        seen.place.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=bucket, Prefix=prefix, PaginationConfig={"MaxItems": MOST_PAGES * 1_000})
    )
    try:
        for page in pages:
            yield from page.get("Contents", [])
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            raise NothingToSeeError(f"the bucket {bucket} is gone; fix: deploy the stack of data") from error
        raise
