"""CPU seconds of the clean and feature jobs on all real flights, and on ten times as many.

    python -m benchmarks.etl [--times 10] [--keep folder]

The jobs run in a process of their own, Spark's start included. The tenfold data are ten years: the real year
again under other dates, so that days, histories and joins keep their real sizes.
"""

import argparse
import gzip
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.door import opened
from benchmarks.figures import Figure
from benchmarks.processes import fresh

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("lambda", "glue_jobs", "sandbox/shims")]
YEAR = timedelta(days=371)  # whole weeks, so that weekdays stay what they are, and no two copies touch


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Since the start of the process: CPU of the JVM and of its interpreter, and wall time."""

    step: str
    cpu_seconds: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    costs, peak = measure(options.times, options.keep)
    for cost in costs:
        print(f"{cost.step:12} until {cost.cpu_seconds:6.1f} CPU s, {cost.seconds:6.1f} s")
    print(f"{options.times} x all flights, peak {peak / 1e9:.2f} GB")


def figures(*, long: bool = False) -> list[Figure]:
    """`long`: ten times the data as well."""
    what = "clean and features, all flights"
    once = measure(1)[0][-1].cpu_seconds
    found = [Figure(what=f"{what}, Spark's start included", value=once, unit="CPU s", at_most=40)]
    if long:
        factor = measure(10)[0][-1].cpu_seconds / once
        found.append(Figure(what=f"{what}, ten times", value=factor, unit="times the CPU", at_most=5))
    return found


def measure(times: int, keep: Path | None = None) -> tuple[list[Cost], int]:
    """Cost until the end of each step, and the JVM's peak in bytes. `keep`: data for the next one as well."""
    with tempfile.TemporaryDirectory(prefix="etl-") as temporary:
        folder = keep or Path(temporary)
        if not (folder / "raw").exists():
            land(folder, times)
        return fresh(run, folder, times)


def land(folder: Path, times: int) -> None:
    """The raw zone as the door writes it."""
    from shared.rules import InvalidRecordError, dumps

    import contracts
    from contracts.flights import replay

    contract = contracts.load("flights")
    first = contract["token_epochs"]["first"]
    door = opened(contract)
    for name, table in door.items():
        lines: defaultdict[str, list[str]] = defaultdict(list)
        for record in replay.records(name):
            try:
                stored = table.read(record, epoch=None if table.event_time else first)
            except InvalidRecordError:
                continue
            stored |= {"_ingested_at": "2014-01-01T00:00:00.000Z", "_source": "benchmark"}
            lines[table.partition(stored)].append(dumps(stored))
        for copy in range(times if table.event_time else 1):
            for day, content in lines.items():
                later, text = _later(day, "\n".join(content), copy)
                path = folder / "raw" / name / f"dt={later}" / "benchmark.ndjson.gz"
                path.parent.mkdir(parents=True)
                path.write_bytes(gzip.compress(text.encode(), 1))


def _later(day: str, text: str, copy: int) -> tuple[str, str]:
    if not copy:
        return day, text
    first = date.fromisoformat(day)
    for near in (first - timedelta(days=1), first, first + timedelta(days=1)):
        text = text.replace(f'"{near}', f'"#{(near + copy * YEAR)}')
    return str(first + copy * YEAR), text.replace('"#', '"')


def run(folder: Path, times: int) -> tuple[list[Cost], int]:
    from lake import session, storage
    from pyspark.sql import SparkSession

    import contracts

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    contract = contracts.load("flights")
    months = sorted({name[3:10] for name in storage.folders(f"file://{folder}/raw/flights/")})
    if times == 1:
        months = [month for month in months if month.startswith("2013")]
    started = time.monotonic()
    # The short-job flags of a local run; long runs want the optimising compiler.
    flags = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1" if times == 1 else "-XX:+UseParallelGC"
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "3g")
        .config("spark.driver.extraJavaOptions", flags)
        .config("spark.sql.shuffle.partitions", "8" if times == 1 else "32")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    session.configure(spark)
    costs = [_cost(spark, "spark start", started)]
    _clean(spark, contract, folder, months)
    costs.append(_cost(spark, "clean", started))
    _features(spark, contract, folder, months)
    costs.append(_cost(spark, "features", started))
    kilobytes = Path(f"/proc/{_jvm(spark).pid()}/status").read_text().split("VmHWM:")[1].split()[0]
    spark.stop()
    return costs, int(kilobytes) * 1024


def _jvm(spark: Any) -> Any:
    return spark._jvm.java.lang.ProcessHandle.current()


def _cost(spark: Any, step: str, started: float) -> Cost:
    jvm = _jvm(spark).info().totalCpuDuration().get().toMillis() / 1000
    cpu = jvm + time.process_time()
    return Cost(step=step, cpu_seconds=cpu, seconds=time.monotonic() - started)


def _clean(spark: Any, contract: dict[str, Any], folder: Path, months: list[str]) -> None:
    from clean_events import job

    uri = f"file://{folder}"
    wanted = {name: months if table["event_time"] else ["all"] for name, table in contract["tables"].items()}
    job.run(spark, contract, run_id="bench", wanted=wanted, raw_uri=uri, curated_uri=uri)


def _features(spark: Any, contract: dict[str, Any], folder: Path, months: list[str]) -> None:
    from build_features import job

    partitions = {
        name: {
            path.name.removeprefix("month="): f"file://{path}"
            for path in (folder / "curated" / name / "run=bench").glob("month=*")
        }
        for name in contract["tables"]
    }
    (folder / "partitions.json").write_text(json.dumps({"curated": partitions}))
    uri = f"file://{folder}"
    places = {"partitions": partitions, "features_uri": uri, "models_uri": uri}
    job.run(spark, contract, run_id="bench", wanted=months, **places)


if __name__ == "__main__":
    main()
