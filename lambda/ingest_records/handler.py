"""Firehose calls this with a batch of stream records."""

import json
from typing import Any

from shared.environment import door

from ingest_records.records import Batch


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    batch = Batch(door())
    answer = {"records": [batch.transform(record) for record in event["records"]]}
    counts = {zone: batch.counts[zone] for zone in ("raw", "quarantine", "failed")}
    print(json.dumps(counts | {"reasons": dict(batch.reasons.most_common(20))}))
    return answer
