"""A small contract and feature table for tests that need some model, whichever it is."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tabular import contract, split
from tabular.frame import Frame, from_table

WINDOWS = {
    "train_start": "2024-01-01",
    "train_end": "2024-03-01",
    "validation_end": "2024-03-15",
    "holdout_end": "2024-04-12",
}
SMALL = {
    "num_round": 40,
    "early_stopping_rounds": 5,
    "max_depth": 3,
    "eta": 0.3,
    "min_child_weight": 5,
    "seed": 7,
}


def any_contract(problem: str = "binary", **model: Any) -> dict[str, Any]:
    """Compiled: a number that decides, one of noise, one mostly zero, and a category of each encoding."""
    numeric = {"kind": "numeric", "encoding": "passthrough", "imputation": "none"}
    compiled = {
        "format": 1,
        "name": "visits",
        "version": "1.2.0",
        "time_zone": "Europe/Berlin",
        "lateness_days": 3,
        "tables": {
            "visits": {"source": "stream", "primary_key": ["id"], "event_time": "at", "columns": {}},
            "sites": {"source": "batch", "primary_key": ["site"], "event_time": None, "columns": {}},
        },
        "features": {
            "base": "visits",
            "history": [{"name": "site_rate", "group": ["site"], "days": 8, "minimum_count": 20}],
        },
        "model": {
            "problem": problem,
            "features": {
                "size": numeric,
                "noise": {**numeric, "imputation": "median"},
                "rain": {**numeric, "imputation": "constant", "value": 0},
                "site": {"kind": "categorical", "encoding": "one_hot", "imputation": "none"},
                "grade": {"kind": "categorical", "encoding": "ordinal", "imputation": "mode"},
                "town": {"kind": "categorical", "encoding": "target", "imputation": "none"},
            },
            "leak_columns": [],
            "rule_baseline": {
                "description": "larger is worse",
                "default": 0.3,
                "rules": [
                    {
                        "when": [
                            {"feature": "size", "op": ">=", "value": 1},
                            {"feature": "site", "op": "in", "value": ["N"]},
                        ],
                        "score": 0.6,
                    },
                    {"when": [{"feature": "size", "op": ">=", "value": 1}], "score": 0.5},
                ],
            },
            "split": {"validation_days": 14, "holdout_days": 28, "minimum_train_rows": 100},
            "threshold": {"cost_false_positive": 1, "cost_false_negative": 3},
            "classes": [],
            "recommendation": None,
            "hyperparameters": dict(SMALL),
            "gate": {"confidence": 0.95, "minimum_gain": 0.0, "minimum_gain_over_rule": 0.0},
            "preparation": {},
            "candidates": [{"name": "boosted", "family": "xgboost", "hyperparameters": dict(SMALL)}],
            "tuning": None,
            "evaluation": {},
            "online": {
                "false_promotion": 0.05,
                "false_roll_back": 0.05,
                "margin": 0.05,
                "planned_requests": 200,
            },
        },
        "monitor": {
            "minimum_labels": 100,
            "quality_drop": 0.05,
            "calibration_gap": 0.05,
            "psi": 0.2,
            "concept_drift": 0.05,
            "false_alarm": 0.01,
        },
        "quality": {},
        "partitions": {"grain": "month"},
    }
    if problem == "multiclass":
        compiled["model"] |= {"classes": ["low", "middle", "high"]}
        compiled["model"]["rule_baseline"] = {
            "description": "larger is higher",
            "default": [0.5, 0.3, 0.2],
            "rules": [{"when": [{"feature": "size", "op": ">=", "value": 1}], "score": "high"}],
        }
    compiled["model"] |= model
    return copy.deepcopy(compiled)


def any_table(rows_per_day: int = 25, problem: str = "binary", seed: int = 3, shift: float = 0.0) -> pa.Table:
    """A feature table over the days of WINDOWS; `shift` moves the feature that decides."""
    random = np.random.default_rng(seed)
    days = np.arange(np.datetime64(WINDOWS["train_start"]), np.datetime64(WINDOWS["holdout_end"]))
    dates = np.repeat(days, rows_per_day)
    count = len(dates)
    size = random.normal(shift, 1, count)
    site = random.choice(["N", "S", "W"], count)
    town = random.choice([f"t{number:02d}" for number in range(12)], count)
    town_effect = np.array([int(name[1:]) / 6 - 1 for name in town])
    signal = 1.4 * size + 0.8 * (site == "N") + town_effect - 0.6
    if problem == "binary":
        label = (random.random(count) < 1 / (1 + np.exp(-signal))).astype(float)
    elif problem == "multiclass":
        label = np.digitize(signal + random.normal(0, 0.8, count), [-0.8, 0.8]).astype(float)
    else:
        label = 100 + 20 * signal + random.normal(0, 10, count)
    size = np.where(random.random(count) < 0.05, np.nan, size)
    table = {
        "key": [f"{date}|{place % rows_per_day:03d}" for place, date in enumerate(dates)],
        "event_time": dates.astype("datetime64[us]"),
        "event_date": dates.astype(str),
        "size": pa.array(size, from_pandas=True),
        "noise": pa.array(
            np.where(random.random(count) < 0.1, np.nan, random.normal(0, 1, count)), from_pandas=True
        ),
        "rain": np.where(random.random(count) < 0.8, 0.0, random.exponential(1, count)),
        "site": pa.array(site),
        "grade": pa.array([None if draw < 0.1 else "abc"[int(draw * 3)] for draw in random.random(count)]),
        "town": pa.array(town),
        "label": label,
    }
    return pa.table(table)


def any_frame(problem: str = "binary", **options: Any) -> Frame:
    kinds = {name: spec["kind"] for name, spec in any_contract(problem)["model"]["features"].items()}
    return from_table(any_table(problem=problem, **options), kinds)


def training_rows(frame: Frame, start: str = "", end: str = "") -> split.TrainingRows:
    """The labelled and unlabelled rows of [start, end), by default all, as a split would give them."""
    windows = split.Windows(
        train_start=start or "1900-01-01",
        train_end=end or "2900-01-01",
        validation_end="2900-01-02",
        holdout_end="2900-01-03",
    )
    return split.training_rows(frame, windows)


def agreed(compiled: Mapping[str, Any]) -> contract.ModelContract:
    return contract.parse(compiled)


def write_features(folder: Path, table: pa.Table) -> Path:
    """As the transform publishes them: one file per month below the run that made it."""
    months = sorted({date[:7] for date in table.column("event_date").to_pylist()})
    for month in months:
        mask = pa.array([date.startswith(month) for date in table.column("event_date").to_pylist()])
        path = folder / "features" / "run=r1" / f"month={month}" / "part-0.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.filter(mask), path)
    return folder


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())
