"""CPU seconds and memory of the explore job on as many rows as a year of flights has, or on some times that.

    python -m benchmarks.explore [--contract flights] [--times 10]

The rows have the contract's columns with random values and a label that some of them decide: what is in a
column hardly changes how long it takes to look at it.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import bundles
import contracts
from benchmarks.figures import Figure

ROWS = 336_776
START = date(2013, 1, 1)
DAYS, VALIDATION, HOLDOUT = 365, 14, 28
CATEGORIES = 40


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contract", default="flights")
    parser.add_argument("--times", type=int, default=1, help="of a year's rows")
    options = parser.parse_args()
    cpu, memory = measure(options.contract, options.times)
    print(
        f"rows      {ROWS * options.times:12,}\nCPU       {cpu:12.1f} s\nmemory    {memory:12,.0f} MB at most"
    )


def figures() -> list[Figure]:
    cpu, memory = measure("flights", 1)
    what = "explore job, a year of flights"
    return [
        Figure(what=f"{what}, CPU", value=cpu, unit="s", at_most=90),
        Figure(what=f"{what}, memory", value=memory, unit="MB"),
    ]


def measure(name: str, times: int) -> tuple[float, float]:
    """CPU seconds of the job, its imports included, and the most megabytes that it held."""
    compiled = contracts.load(name)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root / "processing/input/features", compiled["model"]["features"], times)
        days = (0, DAYS - HOLDOUT - VALIDATION, DAYS - HOLDOUT, DAYS)
        names = ("train_start", "train_end", "validation_end", "holdout_end")
        dates = {
            key.upper(): (START + timedelta(days=day)).isoformat()
            for key, day in zip(names, days, strict=True)
        }
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, str(bundles.sagemaker_zip(compiled)), "explore", "--run_id", "r1"],
            env={**os.environ, "ML_ROOT": str(root), **dates},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, after.ru_maxrss / 1024


def write(folder: Path, features: dict[str, dict[str, str]], times: int) -> None:
    """A file for each of twelve parts of the year."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    count = ROWS * times // 12
    for part in range(12):
        day = np.sort(random.integers(part * DAYS // 12, (part + 1) * DAYS // 12, count))
        columns = {name: values(spec["kind"], random, count) for name, spec in features.items()}
        score = sum(column for column in list(columns.values())[:5] if column.dtype != object)
        table = {
            "key": [f"key-{part}-{number}" for number in range(count)],
            "event_date": (np.datetime64(START) + day).astype(str),
            "label": (score + random.normal(0, 2, count) > 1.5).astype(float),
            **columns,
        }
        pq.write_table(pa.table(table), folder / f"part-{part:02}.parquet")


def values(kind: str, random: np.random.Generator, count: int) -> np.ndarray:
    if kind == "numeric":
        return np.where(random.random(count) < 0.05, np.nan, random.normal(size=count))
    names = np.array([f"c{number:02d}" for number in range(CATEGORIES)], dtype=object)
    return random.choice(names, count)


if __name__ == "__main__":
    main()
