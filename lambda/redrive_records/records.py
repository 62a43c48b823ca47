"""Lines of quarantine and of Firehose's errors, as the stream records that they were."""

import gzip
import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

GZIP = b"\x1f\x8b"
LARGEST_RECORD = 1_000_000


def lines(content: bytes) -> Iterator[bytes]:
    """The lines of an object, packed or not."""
    text = gzip.decompress(content) if content.startswith(GZIP) else content
    return (line for line in text.splitlines() if line.strip())


def stream_record(line: bytes) -> bytes | None:
    """What to put on the stream again; None when only the source of the record can send it.

    Quarantined records keep their seal, which says to the door that identifiers are tokens already. What
    Firehose gave up on goes back byte by byte.
    """
    entry: dict[str, Any] = json.loads(line)
    if "rawData" in entry:
        data = b64decode(entry["rawData"])
    elif entry.get("seal") and isinstance(entry.get("record"), dict):
        envelope = {"table": entry["table"], "record": entry["record"], "seal": entry["seal"]}
        data = json.dumps(envelope, separators=(",", ":")).encode()
    else:
        return None
    return data if len(data) <= LARGEST_RECORD else None
