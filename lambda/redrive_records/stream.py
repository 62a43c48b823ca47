"""Records put on a Kinesis stream, all of them or a count of those that it would not take."""

import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any

REQUEST_RECORDS = 500
REQUEST_BYTES = 4_500_000
ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.2


def put_all(
    client: Any, stream: str, records: list[bytes], *, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Puts the records and gives how many were refused after all attempts: PutRecords may take only some."""
    refused = 0
    for entries in _requests(records):
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(ATTEMPTS):
            answer = client.put_records(StreamName=stream, Records=entries)
            if not answer["FailedRecordCount"]:
                entries = []
                break
            results = zip(entries, answer["Records"], strict=True)
            entries = [entry for entry, result in results if result.get("ErrorCode")]
            if attempt + 1 < ATTEMPTS:
                sleep(pause)
                pause *= 2
        refused += len(entries)
    return refused


def _requests(records: list[bytes]) -> Iterator[list[dict[str, Any]]]:
    request: list[dict[str, Any]] = []
    size = 0
    for record in records:
        entry = {"Data": record, "PartitionKey": hashlib.sha256(record).hexdigest()[:32]}
        if request and (len(request) == REQUEST_RECORDS or size + len(record) + 32 > REQUEST_BYTES):
            yield request
            request, size = [], 0
        request.append(entry)
        size += len(record) + 32
    if request:
        yield request
