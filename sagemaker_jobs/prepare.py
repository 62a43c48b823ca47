"""For the built-in algorithm: label-first CSV without header (train, validation), and preparation.json."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tabular import contract, frame, preparation, split


def run(agreed: contract.ModelContract, plan: Mapping[str, Any], root: Path) -> None:
    windows = split.Windows.of(plan)
    given, output = root / "processing" / "input" / "features", root / "processing" / "output"
    parts = split.split(frame.read(given, agreed.kinds, windows.train_start, windows.validation_end), windows)
    minimum = int(agreed.split.get("minimum_train_rows", 1))
    split.require_rows(parts.train, minimum, "training", (windows.train_start, windows.train_end))
    split.require_rows(parts.validation, 1, "validation", (windows.train_end, windows.validation_end))
    prepared, fitted = preparation.training(parts.train, agreed)
    if (fitted.weight != 1).any():
        raise preparation.PreparationError(
            "imbalance weights reach no built-in algorithm, whose files have no column for them: choose "
            "oversample, undersample or smote in the contract, or train with the script"
        )
    write_csv(output / "train" / "train.csv", fitted.label, fitted.matrix)
    write_csv(
        output / "validation" / "validation.csv", parts.validation.label, prepared.matrix(parts.validation)
    )
    folder = output / "preparation"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "preparation.json").write_text(json.dumps(prepared.to_json(), indent=1))


def write_csv(path: Path, label: np.ndarray, matrix: np.ndarray) -> None:
    """A missing value is written as nan, which the algorithm reads as missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for value, line in zip(label.tolist(), matrix.tolist(), strict=True):
            writer.writerow([repr(value), *(repr(float(np.float32(cell))) for cell in line)])
