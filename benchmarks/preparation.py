"""How long a rich preparation takes: for one record, as the endpoint asks, and for many, as a batch does.

    python -m benchmarks.preparation [--contract flights] [--rows 300000]

The features are the contract's, with more steps than it asks for: scales, caps, circles, products of pairs
and principal components beside its own. Values are random, with some missing.
"""

import argparse
import gc
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "sagemaker_jobs")]

import numpy as np  # noqa: E402
from tabular import contract, preparation, split  # noqa: E402
from tabular.frame import Frame  # noqa: E402

WINDOWS = {name: f"2024-0{month}-01" for month, name in enumerate(split.Windows.names(), start=1)}
ROWS, TRAINING_ROWS, REQUESTS = 300_000, 20_000, 5_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contract", default="flights")
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args()
    for plain in (True, False):
        prepared, rows = ready(options.contract, options.rows, plain=plain)
        p50, p99 = np.percentile(one_by_one(prepared, rows), [50, 99])
        name = "contract" if plain else "rich"
        print(
            f"{name:<10}{len(rows.columns):>4} features {len(prepared.columns):>4} columns: "
            f"one record p50 {p50:.3f} ms, p99 {p99:.3f} ms; {len(rows):,} rows "
            f"{seconds(prepared, rows):.2f} s"
        )


def figures() -> list[Figure]:
    prepared, rows = ready("flights", ROWS, plain=False)
    p50, p99 = np.percentile(one_by_one(prepared, rows), [50, 99])
    what = "rich preparation"
    return [
        Figure(what=f"{what}, one record, p50", value=float(p50), unit="ms", at_most=0.5),
        Figure(what=f"{what}, one record, p99", value=float(p99), unit="ms"),
        Figure(what=f"{what}, {ROWS:,} rows", value=seconds(prepared, rows), unit="s", at_most=2.0),
    ]


def ready(contract_name: str, count: int, *, plain: bool) -> tuple[preparation.Preparation, Frame]:
    """A preparation as the endpoint has it, read from JSON, and rows to prepare."""
    import contracts

    compiled = contracts.load(contract_name)
    if not plain:
        enrich(compiled["model"])
    agreed = contract.parse(compiled)
    rows = random_rows(agreed, count)
    learned = split.training_rows(rows.take(np.arange(TRAINING_ROWS)), split.Windows.of(WINDOWS))
    fitted, _ = preparation.training(learned, agreed)
    return preparation.Preparation.from_json(fitted.to_json()), rows


def enrich(model: dict[str, Any]) -> None:
    """Numbers are filled, capped and scaled, neighbours multiplied, half of them put into components."""
    features = model["features"]
    for entry in features.values():
        if entry["kind"] == "numeric" and entry["encoding"] == "passthrough":
            entry.pop("value", None)
            entry |= {"imputation": "median", "scaling": "z_score", "outliers": {"method": "cap"}}
    plain = [name for name, entry in features.items() if entry.get("scaling") == "z_score"]
    features[plain[0]] = {"kind": "numeric", "encoding": "cyclic", "imputation": "median", "period": 1440}
    plain = plain[1:]
    model["preparation"] = {
        "interactions": [[first, second] for first, second in zip(plain, plain[1:], strict=False)],
        "pca": {"features": plain[: len(plain) // 2], "components": 3, "replace": False},
    }


def random_rows(agreed: contract.ModelContract, count: int) -> Frame:
    random = np.random.default_rng(0)
    names = np.array([f"c{number:03d}" for number in range(100)], dtype=object)
    columns: dict[str, np.ndarray] = {}
    for name, kind in agreed.kinds.items():
        is_missing = random.random(count) < 0.05
        values = random.normal(size=count) if kind == "numeric" else random.choice(names, count)
        columns[name] = np.where(is_missing, np.nan if kind == "numeric" else None, values)
    return Frame(
        key=np.array([f"key-{number}" for number in range(count)], dtype=object),
        date=np.full(count, "2024-01-01"),
        label=(random.random(count) < 0.3).astype(float),
        columns=columns,
    )


def one_by_one(prepared: preparation.Preparation, rows: Frame) -> list[float]:
    """Milliseconds of each record."""
    records = [rows.record(index) for index in range(1_000)]
    for record in records:
        prepared.row(record)
    gc.collect()
    found = []
    for index in range(REQUESTS):
        start = time.perf_counter()
        prepared.row(records[index % len(records)])
        found.append((time.perf_counter() - start) * 1000)
    return found


def seconds(prepared: preparation.Preparation, rows: Frame) -> float:
    """The better of two: the first one also fills caches."""
    found = []
    for _ in range(2):
        start = time.perf_counter()
        prepared.matrix(rows)
        found.append(time.perf_counter() - start)
    return min(found)


if __name__ == "__main__":
    main()
