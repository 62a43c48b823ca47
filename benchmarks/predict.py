"""How long the serving handler takes for one record, from body to answer; and for many.

    python -m benchmarks.predict [--contract flights] [--requests 5000]

The model has the features and hyperparameters of the contract and was trained on random values: what a tree
has learned does not change how long it takes.
"""

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "sagemaker_jobs")]

import inference  # noqa: E402
import numpy as np  # noqa: E402
import xgboost  # noqa: E402
from tabular import boosting, contract, models, preparation, rules, split  # noqa: E402
from tabular.frame import Frame  # noqa: E402

ONE = "one record, JSON"
LINES = "application/jsonlines"
ROWS, ROUNDS = 20_000, 150
WINDOWS = {name: f"2024-0{month}-01" for month, name in enumerate(split.Windows.names(), start=1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contract", default="flights")
    parser.add_argument("--requests", type=int, default=5_000)
    options = parser.parse_args()
    print(f"{'':<12}{'request':<28}{'p50 ms':>8}{'p99 ms':>8}{'CPU p50':>9}{'CPU p99':>9}")
    for name, kind, times in measure(options.contract, options.requests):
        (wall50, cpu50), (wall99, cpu99) = np.percentile(times, [50, 99], axis=0)
        print(f"{name:<12}{kind:<28}{wall50:>8.3f}{wall99:>8.3f}{cpu50:>9.3f}{cpu99:>9.3f}")


def figures() -> list[Figure]:
    found = {(name, kind): times for name, kind, times in measure("flights", 2_000)}
    p50, p99 = np.percentile([wall for wall, _ in found["booster", ONE]], [50, 99])
    what = "one prediction, the handler alone"
    return [
        Figure(what=f"{what}, p50", value=float(p50), unit="ms"),
        Figure(what=f"{what}, p99", value=float(p99), unit="ms"),
    ]


def measure(contract_name: str, requests: int) -> Iterator[tuple[str, str, list[tuple[float, float]]]]:
    """Model, kind of request, and milliseconds of each request: by the clock, and of processor time."""
    import contracts

    agreed = contract.parse(contracts.load(contract_name))
    rows = random_rows(agreed)
    with tempfile.TemporaryDirectory() as folder:
        booster = inference.model_fn(str(save(Path(folder), agreed, rows)))
    rule = models.RuleModel(content=rules.rule_model(agreed.compiled))
    records = [rows.record(index) for index in range(1_000)]
    bodies = {
        ONE: [(json.dumps(record), "application/json") for record in records],
        "one record, JSON lines": [(json.dumps(record).encode(), LINES) for record in records],
        "one record, CSV": [(line(record), "text/csv") for record in records],
        "1,000 records, JSON lines": [("\n".join(map(json.dumps, records)).encode(), LINES)],
    }
    for name, model in (("booster", booster), ("rule", rule)):
        for kind, sent in bodies.items():
            yield name, kind, measured(model, sent, requests if len(sent) > 1 else requests // 100)


def measured(model: models.Model, sent: list[tuple[Any, str]], count: int) -> list[tuple[float, float]]:
    def call(body: Any, content_type: str) -> None:
        inference.output_fn(inference.predict_fn(inference.input_fn(body, content_type), model), LINES)

    for body, content_type in sent[:100]:
        call(body, content_type)
    gc.collect()
    return [milliseconds(call, *sent[index % len(sent)]) for index in range(count)]


def milliseconds(call: Callable[..., None], *arguments: Any) -> tuple[float, float]:
    """By the clock, and of processor time: a busy machine interrupts, which only the clock sees."""
    start, busy = time.perf_counter(), time.process_time()
    call(*arguments)
    return (time.perf_counter() - start) * 1000, (time.process_time() - busy) * 1000


def random_rows(agreed: contract.ModelContract) -> Frame:
    random = np.random.default_rng(0)
    names = np.array([f"c{number:02d}" for number in range(20)], dtype=object)
    columns = {
        name: random.normal(size=ROWS) if kind == "numeric" else random.choice(names, ROWS)
        for name, kind in agreed.kinds.items()
    }
    label = (sum(values for values in columns.values() if values.dtype != object) > 0).astype(float)
    noisy = np.where(random.random(ROWS) < 0.2, 1 - label, label)
    keys = np.array([f"key-{number}" for number in range(ROWS)], dtype=object)
    return Frame(key=keys, date=np.full(ROWS, "2024-01-01"), label=noisy, columns=columns)


def save(folder: Path, agreed: contract.ModelContract, rows: Frame) -> Path:
    windows = split.Windows.of(WINDOWS)
    prepared, fitted = preparation.training(split.training_rows(rows, windows), agreed)
    known = {"max_depth", "eta", "min_child_weight", "lambda", "max_bin", "seed"}
    given = {name: value for name, value in agreed.hyperparameters.items() if name in known}
    parameters = {"objective": boosting.OBJECTIVES[agreed.problem], "nthread": 1, **given}
    booster = xgboost.train(parameters, xgboost.DMatrix(fitted.matrix, fitted.label, nthread=1), ROUNDS)
    content = models.content(
        agreed,
        prepared,
        windows,
        kind="xgboost",
        family="xgboost",
        run_id="r1",
        threshold=0.3,
        algorithm="script",
    )
    (folder / "model.json").write_text(json.dumps(content))
    booster.save_model(folder / "booster.ubj")
    return folder


def line(record: dict[str, Any]) -> str:
    return ",".join("" if value is None else str(value) for value in record.values())


if __name__ == "__main__":
    main()
