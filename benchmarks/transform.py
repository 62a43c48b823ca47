"""Records per second of the transform function on one core, with real flights, and what its import costs.

python -m benchmarks.transform
"""

import base64
import gc
import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.door import opened
from benchmarks.figures import Figure

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "lambda"))

import contracts  # noqa: E402
from contracts.flights import replay  # noqa: E402

BATCH = 3600  # records of a 1 MB buffer
BATCHES = 28
ROUNDS = 5
IMPORT = "import time; t = time.perf_counter(); import ingest_records.handler; print(time.perf_counter() - t)"


def events() -> list[dict[str, object]]:
    """Firehose events with the first real flights, as a producer's json.dumps writes them."""
    records = []
    for index, record in enumerate(replay.records("flights")):
        if index == BATCH * BATCHES:
            break
        data = base64.b64encode(json.dumps({"table": "flights", "record": record}).encode()).decode()
        records.append(
            {"recordId": str(index), "approximateArrivalTimestamp": 1_357_000_000_000 + index, "data": data}
        )
    return [{"records": records[start : start + BATCH]} for start in range(0, len(records), BATCH)]


def import_seconds() -> float:
    """The fastest of some imports of the handler in a fresh interpreter."""
    command = [sys.executable, "-c", IMPORT]
    runs = [
        subprocess.run(command, cwd=ROOT / "lambda", capture_output=True, check=True, text=True).stdout
        for _ in range(ROUNDS)
    ]
    return min(float(run) for run in runs)


def main() -> None:
    rate, record_bytes, answer_bytes = measure()
    print(f"records/s        {rate:10,.0f}  ({record_bytes:.0f} bytes each, one core)")
    print(f"import           {import_seconds() * 1000:10.1f} ms over the bare interpreter")
    print(f"answer           {answer_bytes / 1e6:10.2f} MB for {BATCH} records")


def figures() -> list[Figure]:
    milliseconds = import_seconds() * 1000
    return [
        Figure(what="records of the transform function", value=measure()[0], unit="/s", at_least=60_000),
        Figure(what="import of the transform function", value=milliseconds, unit="ms", at_most=30),
    ]


def measure() -> tuple[float, float, int]:
    """Records per second, bytes of a record, bytes of the answer to a batch."""
    from ingest_records.records import Batch

    contract = contracts.load("flights")
    door = opened(contract)
    batches = events()
    size = sum(len(record["data"]) for record in batches[0]["records"]) * 3 / 4 / BATCH  # type: ignore
    gc.collect()
    gc.freeze()  # the waiting batches: Lambda holds one at a time
    fastest = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for event in batches:
            answers = list(map(Batch(door).transform, event["records"]))  # type: ignore[call-overload]
        fastest = min(fastest, time.process_time() - started)
    return BATCH * BATCHES / fastest, size, len(json.dumps({"records": answers}))


if __name__ == "__main__":
    main()
