"""A person or notebook with the analysts' role: reads features, reports, what was set aside; never writes."""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from demo.actors import Answer, Site

GZIP = b"\x1f\x8b"
WHOLE_FILE = "file: "  # begins the reason of a file that was set aside as a whole
NOT_ASKED = ("event_time", "event_date", "label")  # what a client does not know or send


class Analyst:
    def __init__(self, site: Site, outputs: dict[str, str]) -> None:
        role = outputs["AnalystRoleArn"]
        self._s3 = site.client("s3", role)
        self._glue = site.client("glue", role)
        self._outputs = outputs

    def feature_rows(self, month: str) -> list[dict[str, Any]]:
        """A month of the published features as requests: the key and the features, nothing learned later."""
        rows: list[dict[str, Any]] = self._month(month).drop_columns(list(NOT_ASKED)).to_pylist()
        return rows

    def labels(self, month: str) -> dict[str, float]:
        """key -> label, as known now; unknown ones are left out."""
        table = self._month(month, ["key", "label"])
        pairs = zip(table["key"].to_pylist(), table["label"].to_pylist(), strict=True)
        return {key: label for key, label in pairs if label is not None}

    def feature_uri(self, month: str) -> str:
        answer = self._glue.get_partition(
            DatabaseName=self._outputs["DatabaseName"], TableName="features", PartitionValues=[month]
        )
        return str(answer["Partition"]["StorageDescriptor"]["Location"])

    def feature_files(self, month: str) -> list[bytes]:
        """The Parquet files of one month of the published feature table."""
        return self._files(self.feature_uri(month))

    def _files(self, uri: str) -> list[bytes]:
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        keys = self._keys(bucket, prefix.rstrip("/") + "/")
        return [self._read(bucket, key) for key in keys if key.endswith(".parquet")]

    def _month(self, month: str, columns: list[str] | None = None) -> Any:
        parts = [pq.read_table(io.BytesIO(body), columns=columns) for body in self.feature_files(month)]
        return pa.concat_tables(parts)

    def curated_rows(self, table: str) -> int:
        """Rows that the catalogue's partitions of a curated table hold now."""
        return sum(
            pq.ParquetFile(io.BytesIO(body)).metadata.num_rows
            for partition in self._partitions(table)
            for body in self._files(partition["StorageDescriptor"]["Location"])
        )

    def curated(self, table: str, columns: list[str]) -> list[dict[str, Any]]:
        """Those rows themselves, of these columns."""
        rows: list[dict[str, Any]] = []
        for partition in self._partitions(table):
            for body in self._files(partition["StorageDescriptor"]["Location"]):
                rows += pq.read_table(io.BytesIO(body), columns=columns).to_pylist()
        return rows

    def feature_months(self) -> list[str]:
        return sorted(partition["Values"][0] for partition in self._partitions("features"))

    def feature_columns(self, month: str, columns: list[str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._month(month, columns).to_pylist()
        return rows

    def _partitions(self, table: str) -> list[dict[str, Any]]:
        pages = self._glue.get_paginator("get_partitions").paginate(
            DatabaseName=self._outputs["DatabaseName"], TableName=table
        )
        return [partition for page in pages for partition in page["Partitions"]]

    def set_aside(self, table: str) -> Counter[str]:
        """Reason -> records in quarantine; a file set aside whole counts once, under its own reason."""
        found: Counter[str] = Counter()
        for key, body in self._objects(f"quarantine/{table}/"):
            whole = "/files/" in key
            text = body if whole or body[:2] != GZIP else gzip.decompress(body)
            for record in [json.loads(text)] if whole else map(json.loads, text.splitlines()):
                where = f" ({record['column']})" if record.get("column") else ""
                found[f"{WHOLE_FILE if whole else ''}{record['reason']}{where}"] += 1
        return found

    def report(self, path: str) -> dict[str, Any] | None:
        """A JSON report of the models zone, None where there is none."""
        text = self.text(path)
        return json.loads(text) if text is not None else None

    def text(self, path: str) -> str | None:
        try:
            return self.content(path).decode()
        except self._s3.exceptions.NoSuchKey:
            return None

    def content(self, path: str) -> bytes:
        return self._read(self._outputs["ModelsBucketName"], path)

    def paths(self, prefix: str) -> list[str]:
        return self._keys(self._outputs["ModelsBucketName"], prefix)

    def bulk_scores(self, uri: str) -> dict[str, tuple[float, ...]]:
        """key -> the score, or the probabilities of all classes."""
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        scores = {}
        for key in self._keys(bucket, prefix):
            for line in self._read(bucket, key).decode().splitlines():
                answer = Answer.read(json.loads(line))
                scores[answer.key] = answer.values
        return scores

    def _objects(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        bucket = self._outputs["RawBucketName"]
        keys = self._keys(bucket, prefix)
        with ThreadPoolExecutor(4) as pool:
            yield from zip(keys, pool.map(lambda key: self._read(bucket, key), keys), strict=True)

    def _keys(self, bucket: str, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def _read(self, bucket: str, key: str) -> bytes:
        body: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body
