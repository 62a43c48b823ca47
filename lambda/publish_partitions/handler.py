"""Points the catalogue's months at a run's folders, and lists the feature files that training reads.

Nothing is moved, overwritten or removed: a reader sees the old month or the new one. Doing it twice changes
nothing.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from shared.aws import client, manifest, objects, partitions, read_json, write_json

# Of BatchCreatePartition and BatchUpdatePartition.
BATCH = 100


class PublicationError(RuntimeError):
    """The catalogue did not take a partition, or the run wrote nothing to publish."""


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    plan = event["plan"]
    bucket, run_id = os.environ["MODELS_BUCKET"], plan["run_id"]
    planned = read_json(bucket, f"runs/{run_id}/partitions.json")
    tables = {**planned["curated"], "features": planned["features"]}
    published: dict[str, list[str]] = {}
    empty: list[str] = []
    for table, months in tables.items():
        written = {month: uri for month, uri in months.items() if f"/run={run_id}/" in uri}
        filled = {month: uri for month, uri in written.items() if next(files(uri), None)}
        empty += [f"{table}/{month}" for month in sorted(set(written) - set(filled))]
        published[table] = publish(os.environ["DATABASE"], table, filled)
    if not published["features"] and plan["feature_months"] != "none":
        raise PublicationError(
            f"run {run_id} wrote no feature file of {plan['feature_months']}: "
            "look into the log of its feature job"
        )
    uri = feature_manifest(plan) if plan["action"] == "retrain" else None
    return {"features_manifest": uri, "months": published["features"], "published": published, "empty": empty}


def publish(database: str, table: str, locations: Mapping[str, str]) -> list[str]:
    """The months that now point at `locations`."""
    if not locations:
        return []
    descriptor = client("glue").get_table(DatabaseName=database, Name=table)["Table"]["StorageDescriptor"]
    present = set(partitions(database, table))
    inputs = {
        month: {"Values": [month], "StorageDescriptor": {**descriptor, "Location": f"{uri}/"}}
        for month, uri in sorted(locations.items())
    }
    create = [content for month, content in inputs.items() if month not in present]
    update = [
        {"PartitionValueList": [month], "PartitionInput": content}
        for month, content in inputs.items()
        if month in present
    ]
    target = {"DatabaseName": database, "TableName": table}
    for part in _batches(create):
        answer = client("glue").batch_create_partition(**target, PartitionInputList=part)
        _check(table, answer)
    for part in _batches(update):
        answer = client("glue").batch_update_partition(**target, Entries=part)
        _check(table, answer)
    return sorted(locations)


def feature_manifest(plan: Mapping[str, Any]) -> str:
    """The files of the months that the windows touch, whichever run wrote them."""
    first, last = plan["train_start"][:7], plan["holdout_end"]
    found = partitions(os.environ["DATABASE"], "features")
    months = [month for month in sorted(found) if first <= month and f"{month}-01" < last]
    keys = [key for month in months for key in files(found[month])]
    if not keys:
        raise PublicationError(f"there is no feature file of the months {first} to {last[:7]}")
    bucket = os.environ["MODELS_BUCKET"]
    content = manifest(os.environ["FEATURES_BUCKET"], keys)
    return write_json(bucket, f"runs/{plan['run_id']}/features.manifest", content)


def files(uri: str) -> Iterator[str]:
    """Keys of the Parquet files below `uri`."""
    bucket, _, folder = uri.removeprefix("s3://").partition("/")
    return (entry["Key"] for entry in objects(bucket, f"{folder}/") if entry["Key"].endswith(".parquet"))


def _batches(entries: list[Any]) -> Iterator[list[Any]]:
    return (entries[start : start + BATCH] for start in range(0, len(entries), BATCH))


def _check(table: str, answer: Mapping[str, Any]) -> None:
    """AlreadyExists is a repeated call: the location of one run and month never changes."""
    errors = [
        f"{'/'.join(error.get('PartitionValues', error.get('PartitionValueList', [])))}: "
        f"{error['ErrorDetail'].get('ErrorCode')} {error['ErrorDetail'].get('ErrorMessage')}"
        for error in answer.get("Errors", [])
        if error["ErrorDetail"].get("ErrorCode") != "AlreadyExistsException"
    ]
    if errors:
        raise PublicationError(f"{table}: the catalogue refused {'; '.join(errors)}")
