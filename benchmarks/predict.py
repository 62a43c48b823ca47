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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "sagemaker_jobs")]

import inference  # noqa: E402
import numpy as np  # noqa: E402
from tabular import contract, families, models, rules, split, training  # noqa: E402
from tabular.families import arguments  # noqa: E402
from tabular.frame import Frame  # noqa: E402

ONE = "one record, JSON"
LINES = "application/jsonlines"
ROWS, ROUNDS = 20_000, 150
DAYS = [f"2024-01-{day:02d}" for day in range(1, 21)]
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
    found = []
    for name, _, times in measure("flights", 2_000, only=ONE):
        p50, p99 = np.percentile([wall for wall, _ in times], [50, 99])
        what = f"one prediction, {name}, the handler alone"
        found += [
            Figure(what=f"{what}, p50", value=float(p50), unit="ms", at_most=2),
            Figure(what=f"{what}, p99", value=float(p99), unit="ms", at_most=10),
        ]
    return found


def measure(
    contract_name: str, requests: int, only: str | None = None
) -> Iterator[tuple[str, str, list[tuple[float, float]]]]:
    """Model, kind of request, and milliseconds of each request: by the clock, and of processor time."""
    import contracts

    agreed = contract.parse(contracts.load(contract_name))
    rows = random_rows(agreed)
    served: dict[str, models.Model] = {}
    for candidate in agreed.candidates:
        with tempfile.TemporaryDirectory() as folder:
            path = save(Path(folder), agreed, rows, candidate["name"])
            served[candidate["name"]] = inference.model_fn(str(path))
    rule = models.RuleModel(content=rules.rule_model(agreed.compiled))
    records = [rows.record(index) for index in range(1_000)]
    bodies = {
        ONE: [(json.dumps(record), "application/json") for record in records],
        "one record, JSON lines": [(json.dumps(record).encode(), LINES) for record in records],
        "one record, CSV": [(line(record), "text/csv") for record in records],
        "1,000 records, JSON lines": [("\n".join(map(json.dumps, records)).encode(), LINES)],
    }
    for name, model in (served | {"rule": rule}).items():
        for kind, sent in bodies.items():
            if only not in (None, kind):
                continue
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
    return Frame(
        key=keys, date=np.sort(np.array(DAYS)[np.arange(ROWS) % len(DAYS)]), label=noisy, columns=columns
    )


def save(folder: Path, agreed: contract.ModelContract, rows: Frame, name: str | None = None) -> Path:
    """A model folder of the contract's candidate of this name, by default the first."""
    windows = split.Windows.of(WINDOWS)
    candidate = agreed.candidate(name)
    prepared, fitted = training.fit_preparation(agreed, split.training_rows(rows, windows))
    given = arguments.typed(candidate["family"], candidate["hyperparameters"])
    plan = training.Plan(family=candidate["family"], hyperparameters=_all_rounds(given))
    asked = training.task(agreed, prepared, plan, fitted)
    members = [replace(one, hyperparameters=_all_rounds(one.hyperparameters)) for one in asked.members]
    asked = replace(asked, members=members)
    held = fitted.take(np.arange(0, len(fitted), 10))
    trained = families.fit(plan.family, fitted, held, dict(plan.hyperparameters), asked)
    content = models.content(
        agreed,
        prepared,
        windows,
        kind=trained.predictor.kind,
        family=plan.family,
        candidate=candidate["name"],
        run_id="r1",
        threshold=0.3,
        algorithm="script",
    )
    files = {"model.json": json.dumps(content).encode(), **trained.predictor.files()}
    for file, data in files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _all_rounds(given: Mapping[str, Any]) -> dict[str, Any]:
    """As large as a boosted model of real rows becomes: none of its rounds is cut."""
    rounds = {"num_round": ROUNDS, "early_stopping_rounds": ROUNDS}
    return {**given, **(rounds if "num_round" in given else {})}


def line(record: dict[str, Any]) -> str:
    return ",".join("" if value is None else str(value) for value in record.values())


if __name__ == "__main__":
    main()
