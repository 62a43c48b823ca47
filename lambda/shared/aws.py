"""AWS clients, made once per environment, and JSON objects in S3."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any


@cache
def client(service: str) -> Any:
    import boto3  # noqa: PLC0415  # see shared/environment.py

    return boto3.client(service)


def read_json(bucket: str, key: str) -> Any:
    return json.loads(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def write_json(bucket: str, key: str, content: Any) -> str:
    """The object's URI. The bucket encrypts with its own key."""
    body = json.dumps(content, indent=1, sort_keys=True).encode()
    client("s3").put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    return f"s3://{bucket}/{key}"


def objects(bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Key and LastModified of every object below `prefix`, in the order of their keys."""
    pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return (entry for page in pages for entry in page.get("Contents", []))


def manifest(bucket: str, keys: list[str]) -> list[Any]:
    """SageMaker's ManifestFile: exactly these objects, in the folders that they have in their bucket."""
    return [{"prefix": f"s3://{bucket}/"}, *keys]


def partitions(database: str, table: str) -> dict[str, str]:
    """Month -> location without a slash at its end, as the catalogue has it."""
    pages = client("glue").get_paginator("get_partitions").paginate(DatabaseName=database, TableName=table)
    found = (partition for page in pages for partition in page["Partitions"])
    return {
        partition["Values"][0]: partition["StorageDescriptor"]["Location"].rstrip("/") for partition in found
    }
