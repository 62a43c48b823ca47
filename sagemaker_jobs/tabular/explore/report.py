"""Everything that a run's data are looked at for: one document, and arrays for the figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tabular.contract import ModelContract
from tabular.explore import (
    association,
    clusters,
    correlation,
    describe,
    findings,
    sampling,
    smells,
    sufficiency,
)
from tabular.explore.numbers import FEWEST, tidy
from tabular.explore.sampling import Material, Rows, Sizes
from tabular.split import Windows

FORMAT = 1
UNSUPERVISED = ("clustering", "recommendation")


class LabelError(ValueError):
    """The labels are not what the contract's problem type says."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """found: what goes into explore.json; train and arrays: what the figures are drawn from."""

    found: dict[str, Any]
    train: Rows
    kinds: Mapping[str, str]
    units: Mapping[str, str]
    arrays: Mapping[str, Any]


def look(agreed: ModelContract, plan: Mapping[str, Any], features: Path, sizes: Sizes | None = None) -> Look:
    sizes = sizes or Sizes()
    windows = Windows.of(plan)
    kinds = agreed.kinds
    material = sampling.read(features, kinds, windows, sizes)
    train = material.train
    problem = agreed.problem
    classes = class_names(agreed)
    known, held = train.labelled(), material.validation.labelled()
    has_label = problem not in UNSUPERVISED and len(known) >= FEWEST
    if has_label:
        check_labels(problem, known.label, classes)
        check_labels(problem, held.label, classes)
    else:
        problem = "clustering"
    grouped, arrays = clusters.analyse(problem, classes, train, kinds, sizes)
    found: dict[str, Any] = {
        "format": FORMAT,
        "contract": {"name": agreed.name, "version": agreed.version, "problem": agreed.problem},
        "run_id": str(plan.get("run_id") or ""),
        "windows": material.tally.by_part,
        "rows": material.tally.rows,
        "sample": sample(material, sizes),
        "missing": describe.missing(material.tally),
        "days": material.tally.daily(),
        "time": material.tally.periods(),
        "columns": describe.columns(train, kinds, material.tally),
        "without_content": smells.without_content(train, kinds),
        "correlation": correlation.pairs(train.head(sizes.pairs), kinds),
        "clusters": grouped,
        "label": None,
    }
    if has_label:
        found |= labelled(problem, classes, known, held, kinds, material)
    found["findings"] = findings.of(found)
    return Look(
        found=tidy(found),
        train=train,
        kinds=kinds,
        units=units(agreed),
        arrays={**arrays, "classes": classes},
    )


def labelled(
    problem: str, classes: list[str], known: Rows, held: Rows, kinds: Mapping[str, str], material: Material
) -> dict[str, Any]:
    """The parts that look at labels: of training rows, and of validation rows where a model is scored."""
    count = len(classes)
    parts: dict[str, Any] = {
        "label": describe.label(problem, known, classes),
        "association": association.label_tests(problem, known, kinds),
        "alone": smells.alone(problem, count, known, kinds),
        "sufficiency": sufficiency.assess(
            problem, count, known, held, kinds, material.tally.by_part["train"]["labelled"]
        ),
        "label_by_month": material.tally.label_by_month(),
        "split_gap": smells.split_gap(problem, count, known, held, kinds),
    }
    if problem in describe.CLASSES:
        parts["boxes"] = describe.by_class(known, kinds, count)
    if problem != "multiclass":
        parts["label_by_category"] = describe.label_by_category(known, kinds)
    return parts


def sample(material: Material, sizes: Sizes) -> dict[str, Any]:
    parts = material.tally.by_part
    return {
        "method": "the rows with the smallest hash (BLAKE2b) of their key: a simple random sample without "
        "replacement, the same for the same rows; no other chance but fixed seeds",
        "counts": "rows, labels, missing values, categories and days are counted over all rows",
        "train": {"rows": len(material.train), "of": parts["train"]["rows"]},
        "validation": {"rows": len(material.validation), "of": parts["validation"]["rows"]},
        "at_most": sizes.to_json(),
        "fewest_rows_told": FEWEST,
        "holdout_labels": "not looked at",
    }


def class_names(agreed: ModelContract) -> list[str]:
    """Of the label's numbers 0, 1, ...; empty where the label is a number of its own."""
    if agreed.problem == "binary":
        return ["0", "1"]
    if agreed.problem == "multiclass":
        return [str(name) for name in agreed.compiled["model"]["classes"]]
    return []


def check_labels(problem: str, label: np.ndarray, classes: list[str]) -> None:
    if problem not in describe.CLASSES:
        return
    wrong = label[~np.isin(label, np.arange(len(classes)))]
    if len(wrong):
        raise LabelError(
            f"the label of {len(wrong)} rows is none of 0 to {len(classes) - 1}: problem {problem} has "
            f"{len(classes)} classes, correct the contract's label or its classes"
        )


def units(agreed: ModelContract) -> dict[str, str]:
    """Feature -> what the contract says of the column that it comes from, where it says something."""
    compiled = agreed.compiled
    tables, steps = compiled["tables"], compiled["features"]
    base = tables.get(steps["base"], {}).get("columns", {})
    columns = dict(base)
    for join in steps.get("joins", []):
        theirs = tables[join["table"]]["columns"]
        columns |= {new: theirs[other] for new, other in join["columns"].items() if other in theirs}
    said = {name: columns.get(name, {}).get("description") for name in agreed.kinds}
    return {name: str(text) for name, text in said.items() if text}
