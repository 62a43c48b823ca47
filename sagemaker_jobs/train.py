"""Trains a candidate: features of the plan's windows in, model.json + booster.ubj + training.json out.

With start_from=champion the champion's trees stay, and new ones are added from rows that it has not seen.

Runs under the SageMaker training contract: hyperparameters as arguments, SM_* variables, checkpoints below
ML_ROOT. Equal features and hyperparameters give an equal model.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

# Idle OpenMP threads spin by default and take the processor from those that work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np  # noqa: E402
import xgboost  # noqa: E402
from tabular import (  # noqa: E402
    boosting,
    contract,
    failure,
    frame,
    metrics,
    models,
    preparation,
    rules,
    split,
)

# XGBoost's parameters that a run may set, with their types; the objective follows from the contract.
PARAMETERS = {
    "max_depth": int,
    "max_leaves": int,
    "max_bin": int,
    "eta": float,
    "gamma": float,
    "min_child_weight": float,
    "max_delta_step": float,
    "subsample": float,
    "colsample_bytree": float,
    "colsample_bylevel": float,
    "lambda": float,
    "alpha": float,
    "scale_pos_weight": float,
    "grow_policy": str,
    "tree_method": str,
    "seed": int,
}
LOOP = {"num_round": int, "early_stopping_rounds": int, "checkpoint_rounds": int}
LOOP_DEFAULTS = {"num_round": 100, "early_stopping_rounds": 20, "checkpoint_rounds": 25}
STARTS = ("nothing", "champion")


class HyperparameterError(ValueError):
    """A hyperparameter that the script does not know or cannot read."""


class TrainingDataError(ValueError):
    """The training rows do not allow a model."""


class StartError(ValueError):
    """The training cannot go on from the champion."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """`champion` holds its model.tar.gz in a run that goes on from it, and only a manifest in any other."""

    features: Path
    champion: Path
    model: Path
    output: Path
    checkpoints: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Places":
        root = Path(environment.get("ML_ROOT", "/opt/ml"))
        return cls(
            features=Path(environment["SM_CHANNEL_FEATURES"]),
            champion=Path(environment["SM_CHANNEL_CHAMPION"]),
            model=Path(environment["SM_MODEL_DIR"]),
            output=Path(environment.get("SM_OUTPUT_DATA_DIR", root / "output" / "data")),
            checkpoints=checkpoint_folder(environment),
        )


def checkpoint_folder(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("ML_ROOT", "/opt/ml")) / "checkpoints"


def main(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    with failure.beside_checkpoints(checkpoint_folder(environment)):
        agreed = contract.load()
        arguments = parse_arguments(argv, agreed.hyperparameters)
        run(agreed, arguments, Places.from_environment(environment), threads(environment))


def run(agreed: contract.ModelContract, arguments: Mapping[str, Any], places: Places, nthread: int) -> None:
    windows = split.Windows.of(arguments)
    begun = champion(agreed, windows, places) if arguments["start_from"] == "champion" else None
    if begun is not None:
        # Its encodings know the labels of its own rows: trees that saw those again would trust them too much.
        windows = replace(
            windows, train_start=max(windows.train_start, begun.content["windows"]["train_end"])
        )
    rows = frame.read(places.features, agreed.kinds, windows.train_start, windows.validation_end)
    parts = split.split(rows, windows)
    check_rows(agreed, parts, windows)
    if begun is None:
        prepared, matrix = preparation.fit(parts.train, agreed.features)
    else:
        prepared, matrix = begun.preparation, begun.preparation.matrix(parts.train)
        rounds = begun.booster.num_boosted_rounds()
        print(f"goes on from {begun.content['run_id']}: {rounds} rounds, {len(matrix)} new rows", flush=True)
    data = xgboost.DMatrix(matrix, parts.train.label, nthread=nthread)
    held = xgboost.DMatrix(prepared.matrix(parts.validation), parts.validation.label, nthread=nthread)
    settings = boosting_settings(agreed, arguments, nthread)
    # Of another window, other settings or corrected rows a checkpoint must not be continued.
    content = float(np.nansum(matrix, dtype=np.float64))
    base = begun.booster if begun is not None else None
    origin = hashlib.sha256(base.save_raw()).hexdigest() if base is not None else ""
    mark = boosting.fingerprint(asdict(windows), dict(settings.parameters), matrix.shape, content, origin)
    checkpoints = boosting.Checkpoints(places.checkpoints, mark)
    trained = boosting.train(data, held, settings, checkpoints, _report, base)
    # The last line that a search reads is the model that is kept, not the rounds after it.
    _report(trained.best_round, trained.history[trained.best_round])
    check_against_rule(agreed, parts.validation, trained.history[trained.best_round])
    save(agreed, prepared, trained, parts, arguments, places, begun)


def champion(agreed: contract.ModelContract, windows: split.Windows, places: Places) -> models.BoosterModel:
    """The model to go on from: of the same features, and trained before what this run learns from."""
    with tempfile.TemporaryDirectory() as folder:
        found = models.load(models.unpacked(places.champion, Path(folder)))
    if not isinstance(found, models.BoosterModel):
        raise StartError("start_from is champion, which is a rule without trees: train from nothing")
    content = found.content
    for what, its, ours in (
        ("problem", content["problem"], agreed.problem),
        ("features", content["features"], agreed.kinds),
    ):
        if its != ours:
            raise StartError(
                f"start_from is champion, whose {what} are {its}, the contract has {ours}: train from nothing"
            )
    seen = content["windows"]
    if seen["train_end"] >= windows.train_end or seen["validation_end"] > windows.validation_end:
        raise StartError(
            f"the champion was trained on rows until {seen['train_end']} and stopped by rows until "
            f"{seen['validation_end']}; this run trains until {windows.train_end} and its hold-out begins on "
            f"{windows.validation_end}: there must be new rows to train on, and none of the hold-out among "
            "those it knows; choose a later `through`, or train from nothing"
        )
    return found


def parse_arguments(argv: Sequence[str], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments over the contract's hyperparameters over ours."""
    parser = argparse.ArgumentParser(prog="train.py", exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--run_id", default="")
    parser.add_argument("--candidate")
    for name in split.Windows.names():
        parser.add_argument(f"--{name}")
    known = {**PARAMETERS, **LOOP}
    for name, kind in known.items():
        parser.add_argument(f"--{name}", type=kind)
    parser.add_argument("--start_from", choices=STARTS)
    try:
        given, unknown = parser.parse_known_args(list(argv))
    except argparse.ArgumentError as error:
        raise HyperparameterError(f"hyperparameter {error}") from error
    # A tuning job adds names that begin with an underscore.
    refused = [name for name in unknown if name.startswith("--") and not name.startswith("--_")]
    unusable = refused + [name for name in defaults if name not in known]
    if unusable:
        raise HyperparameterError(
            f"hyperparameter {', '.join(unusable)} is unknown, allowed are {', '.join(sorted(known))}"
        )
    values: dict[str, Any] = {"start_from": "nothing", **LOOP_DEFAULTS}
    values |= {name: known[name](value) for name, value in defaults.items()}
    return values | {name: value for name, value in vars(given).items() if value is not None}


def boosting_settings(
    agreed: contract.ModelContract, arguments: Mapping[str, Any], nthread: int
) -> boosting.Settings:
    chosen = {name: arguments[name] for name in PARAMETERS if name in arguments}
    parameters = {"tree_method": "hist", "seed": 0, **chosen}
    parameters |= {
        "objective": boosting.OBJECTIVES[agreed.problem],
        "eval_metric": boosting.METRICS[agreed.problem],
        "nthread": nthread,
    }
    return boosting.Settings(
        parameters=parameters,
        num_round=arguments["num_round"],
        early_stopping_rounds=arguments["early_stopping_rounds"],
        checkpoint_rounds=arguments["checkpoint_rounds"],
    )


def threads(environment: Mapping[str, str]) -> int:
    """All processors: they wait for each other without spinning (OMP_WAIT_POLICY), so two beat one."""
    return int(environment.get("SM_NUM_CPUS", "1"))


def check_rows(agreed: contract.ModelContract, parts: split.Split, windows: split.Windows) -> None:
    minimum = int(agreed.split.get("minimum_train_rows", 1))
    split.require_rows(parts.train, minimum, "training", (windows.train_start, windows.train_end))
    split.require_rows(parts.validation, 1, "validation", (windows.train_end, windows.validation_end))
    for name, part in (("training", parts.train), ("validation", parts.validation)):
        values = np.unique(part.label)
        if len(values) == 1:
            raise TrainingDataError(
                f"every label of the {name} window is {values[0]:g}: a model needs at least two values, "
                "check the label's rule in the contract or widen the window"
            )
        if agreed.is_binary and not np.isin(values, (0.0, 1.0)).all():
            wrong = values[~np.isin(values, (0.0, 1.0))][0]
            raise TrainingDataError(f"label {wrong:g} in a binary problem, allowed are 0 and 1")


def check_against_rule(agreed: contract.ModelContract, held: frame.Frame, best: boosting.Round) -> None:
    """A model that loses to the contract's rule on its own validation rows has learned nothing: stop here."""
    rule = models.RuleModel(content=rules.rule_model(agreed.compiled))
    baseline = float(metrics.row_loss(agreed.problem, held.label, rule.scores(held)).mean())
    name, loss = list(best["validation"].items())[-1]
    # XGBoost reports the root of the squared error.
    limit = baseline if agreed.is_binary else baseline**0.5
    if loss > limit:
        raise boosting.TrainingDiverged(
            f"the best validation {name} is {loss:.5f}, the rule baseline reaches {limit:.5f}: "
            "the model learned nothing that holds, look at eta, num_round and the training window"
        )


def save(
    agreed: contract.ModelContract,
    prepared: preparation.Preparation,
    trained: boosting.Trained,
    parts: split.Split,
    arguments: Mapping[str, Any],
    places: Places,
    begun: models.BoosterModel | None,
) -> None:
    scored = models.BoosterModel(content={}, booster=trained.booster, preparation=prepared)
    threshold = None
    if agreed.is_binary:
        threshold = metrics.cost_threshold(
            parts.validation.label, scored.scores(parts.validation), agreed.costs
        )
    windows = split.Windows.of(arguments)
    if begun is not None:  # what its trees have seen, the model has
        windows = replace(windows, train_start=begun.content["windows"]["train_start"])
    content = models.booster_content(
        agreed,
        prepared,
        windows,
        run_id=str(arguments.get("run_id", "")),
        threshold=threshold,
        algorithm="script",
    )
    story = {
        "rounds": trained.history,
        "best_round": trained.best_round,
        "stopped_early": trained.stopped_early,
        "resumed_at": trained.resumed_at,
        "started_from": None if begun is None else begun.content["run_id"],
        "rounds_before": 0 if begun is None else begun.booster.num_boosted_rounds(),
        "rows": {"train": len(parts.train), "validation": len(parts.validation)},
        "hyperparameters": dict(arguments),
    }
    for folder in (places.model, places.output):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "training.json").write_text(json.dumps(story, indent=1))
    (places.model / "model.json").write_text(json.dumps(content, indent=1, sort_keys=True))
    trained.booster.save_model(places.model / "booster.ubj")


def _report(number: int, scores: boosting.Round) -> None:
    print(boosting.line(number, scores), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
