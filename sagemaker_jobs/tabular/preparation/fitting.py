"""Fits the steps that the contract asks for, on training rows and on nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tabular.contract import ModelContract
from tabular.preparation import (
    combined,
    encodings,
    imputation,
    numeric,
    outliers,
    scaling,
    text,
)
from tabular.preparation.assembling import Fitted, assembled, out_of_fold
from tabular.preparation.errors import PreparationError
from tabular.preparation.imputation import Iterative, Neighbours
from tabular.preparation.numeric import Block, Numeric
from tabular.preparation.prepared import Preparation, Step
from tabular.split import TrainingRows

ENCODINGS = {
    "numeric": ("passthrough", "bins", "cyclic"),
    "categorical": ("one_hot", "ordinal", "target"),
    "text": ("tf_idf", "hashing", "lsa"),
}
IMPUTATIONS = {
    "numeric": ("none", "mean", "median", "mode", "constant", "knn", "iterative", "drop"),
    "categorical": ("none", "mode", "constant", "drop"),
    "text": ("none", "constant", "drop"),
}

Specs = Mapping[str, Mapping[str, Any]]


def training(rows: TrainingRows, contract: ModelContract) -> tuple[Preparation, Fitted]:
    """The preparation that the contract asks for, and what trains.

    Deletion, trimming, weights and resampling concern training alone: `Preparation.matrix` has a line for
    every row that it is given.
    """
    from tabular import leakage

    classes = len(contract.compiled["model"].get("classes") or ()) or None
    leakage.check_label_in_disguise(rows, contract)
    prepared, fitted = _fit(rows, contract.features, contract.preparation, classes)
    return prepared, fitted


def fit(rows: TrainingRows, features: Specs) -> tuple[Preparation, np.ndarray]:
    """The preparation of the features alone, and the matrix to train on, a line for each row.

    The matrix differs from `preparation.matrix(rows)` in target-encoded columns only: there each row is
    encoded with the labels of other rows, or the model would read its own label.
    """
    leaving = [name for name, spec in features.items() if _lets_rows_go(spec)]
    if leaving:
        raise PreparationError(
            f"{', '.join(leaving)}: rows are deleted, so that labels would not fit: use `training`"
        )
    prepared, fitted = _fit(rows, features, {}, None)
    return prepared, fitted.matrix


def continued(fitted: Preparation, rows: TrainingRows, contract: ModelContract) -> Fitted:
    """New rows by a preparation that a model already has, to train on from there.

    Its encodings know none of their labels, so that they are not encoded out of fold.
    """
    from tabular import leakage

    leakage.check_label_in_disguise(rows, contract)
    kept, part = _remaining(rows, contract.features)
    return assembled(fitted, part, kept, contract.preparation.get("imbalance") or {}, readers={})


def _fit(
    rows: TrainingRows, features: Specs, together: Mapping[str, Any], classes: int | None
) -> tuple[Preparation, Fitted]:
    for name, spec in features.items():
        _check(name, spec)
    kept, part = _remaining(rows, features)
    targets = encodings.label_columns(part.label, classes)
    steps = {**_numbers(part, features, together), **_others(part, features, targets)}
    ordered = tuple(steps[name] for name in features)
    prepared, filled = _across(part, features, together, ordered)
    prepared = _together(prepared, filled, together)
    readers = out_of_fold(prepared, part, targets)
    options = together.get("imbalance") or {}
    return prepared, assembled(prepared, part, kept, options, readers=readers, filled=filled)


def _remaining(rows: TrainingRows, features: Specs) -> tuple[np.ndarray, TrainingRows]:
    """What deletion and trimming leave, as places and as rows."""
    if not isinstance(rows, TrainingRows):
        raise PreparationError(
            f"got {type(rows).__name__}, allowed are the training rows of a split (tabular.split): a "
            "preparation that has seen other rows knows what the model is judged by"
        )
    kept = np.flatnonzero(_kept(rows, features))
    if not len(kept):
        raise PreparationError(
            f"deletion and trimming leave none of {len(rows)} training rows: choose another imputation, "
            "or wider outlier bounds"
        )
    return kept, rows.take(kept)


def _check(name: str, spec: Mapping[str, Any]) -> None:
    """The contract was checked when it was compiled; this guards what is called without one."""
    kind, encoding, filling = spec["kind"], spec["encoding"], spec.get("imputation", "none")
    if encoding not in ENCODINGS[kind]:
        raise PreparationError(
            f"{name}: encoding {encoding!r}, allowed for {kind} are {', '.join(ENCODINGS[kind])}"
        )
    if filling not in IMPUTATIONS[kind]:
        allowed = ", ".join(IMPUTATIONS[kind])
        raise PreparationError(f"{name}: imputation {filling!r}, allowed for {kind} are {allowed}")


def _lets_rows_go(spec: Mapping[str, Any]) -> bool:
    return spec.get("imputation") == "drop" or (spec.get("outliers") or {}).get("method") == "trim"


def _kept(rows: TrainingRows, features: Specs) -> np.ndarray:
    kept = np.ones(len(rows), dtype=bool)
    for name, spec in features.items():
        values = rows.columns[name]
        if spec.get("imputation") == "drop":
            kept &= ~np.equal(values, None) if values.dtype == object else ~np.isnan(values)
        trimming = spec.get("outliers") or {}
        if trimming.get("method") == "trim":
            kept &= outliers.inside(values, *outliers.bounds(name, trimming, values))
    return kept.astype(bool)


def _numbers(part: TrainingRows, features: Specs, together: Mapping[str, Any]) -> dict[str, Step]:
    """Outliers and a statistic of the column: what each column says alone."""
    replaced = together.get("pca") or {}
    gone = set(replaced.get("features", ())) if replaced.get("replace", True) else set()
    found: dict[str, Step] = {}
    for name, spec in features.items():
        if spec["kind"] != "numeric":
            continue
        values, treatment = part.columns[name], spec.get("outliers") or {}
        step = Numeric(
            name=name,
            encoding=spec["encoding"],
            log=treatment.get("method") == "log",
            period=None if spec.get("period") is None else float(spec["period"]),
            kept=name not in gone,
        )
        if treatment.get("method") == "cap":
            lower, upper = outliers.bounds(name, treatment, values)
            step = replace(step, lower=lower, upper=upper)
        filling = spec.get("imputation", "none")
        treated = Block(steps=(step,)).values(values.reshape(-1, 1))[:, 0]
        fill = imputation.fill(name, filling, spec.get("value"), treated)
        if fill is not None and filling in ("constant", "drop") and step.log:
            # The contract's value is in the units of the feature, and is not capped: it may say "missing".
            fill = float(outliers.signed_log(np.array(float(fill))))
        found[name] = replace(step, fill=None if fill is None else float(fill))
    return found


def _others(part: TrainingRows, features: Specs, targets: np.ndarray) -> dict[str, Step]:
    found: dict[str, Step] = {}
    for name, spec in features.items():
        if spec["kind"] == "categorical":
            found[name] = encodings.fit(name, spec, part.columns[name], targets)
        elif spec["kind"] == "text":
            found[name] = text.fit(name, spec, part.columns[name])
    return found


def _across(
    part: TrainingRows, features: Specs, together: Mapping[str, Any], steps: Sequence[Step]
) -> tuple[Preparation, np.ndarray]:
    """k-NN and iterative imputation over the columns without outliers, then scales and bins of all.

    Also gives the numbers after imputation: with k-NN they are the dear part.
    """
    unfilled = [replace(step, fill=None) for step in steps if isinstance(step, Numeric)]
    bare = Preparation(steps=unfilled)
    block, raw = bare.block, bare.raw(part)
    values = block.filled(raw)
    models: dict[str, Any] = {}
    for filling, key, model in (("knn", "neighbours", Neighbours), ("iterative", "iterative", Iterative)):
        wanted = [name for name in block.names if features[name].get("imputation") == filling]
        if wanted:
            options = together.get(filling) or {}
            using = [name for name in block.names if name in (options.get("features") or block.names)]
            places = [block.place[name] for name in using]
            models[key] = model.fit(using, wanted, values[:, places], options)
    prepared = Preparation(steps=tuple(steps), **models)
    filled = prepared.block.filled(raw)
    scaled = tuple(
        _scaled(step, features[step.name], filled[:, block.place[step.name]])
        if isinstance(step, Numeric)
        else step
        for step in steps
    )
    return replace(prepared, steps=scaled), filled


def _scaled(step: Numeric, spec: Mapping[str, Any], values: np.ndarray) -> Numeric:
    wanted = spec.get("scaling", "none")
    if wanted != "none":
        if np.isnan(values).all():
            raise PreparationError(
                f"{step.name}: no training row has a value, so there is no {wanted}: repair its source, "
                "choose imputation constant, or remove the feature"
            )
        centre, spread = scaling.fit(wanted, values)
        return replace(step, centre=centre, spread=spread)
    if step.encoding == "bins":
        return replace(step, edges=numeric.fit_bins(step.name, spec["bins"], values))
    if step.encoding == "cyclic" and not step.period:
        raise PreparationError(f"{step.name}: a circle without a period: give `period` in the feature's unit")
    return step


def _together(prepared: Preparation, filled: np.ndarray, together: Mapping[str, Any]) -> Preparation:
    pairs = tuple((first, second) for first, second in together.get("interactions") or ())
    wanted = together.get("pca")
    if not wanted:
        return replace(prepared, interactions=pairs)
    places = [prepared.block.place[name] for name in wanted["features"]]
    values = prepared.block.scaled(filled)[:, places]
    found = combined.fit_components(wanted["features"], wanted["components"], values)
    return replace(prepared, interactions=pairs, components=found)
