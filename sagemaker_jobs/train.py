"""Trains a candidate: features of the plan's windows in, model.json, its predictor and training.json out.

`--candidate` names one of the contract's, else it is the first; other arguments override its hyperparameters.
With start_from=champion the champion's trees stay, and new ones are added from rows that it has not seen.

Runs under the SageMaker training contract: hyperparameters as arguments, SM_* variables, checkpoints below
ML_ROOT. Equal features and hyperparameters give an equal model.
"""

import argparse
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

from tabular import (  # noqa: E402
    contract,
    failure,
    families,
    frame,
    incremental,
    metrics,
    models,
    split,
    training,
    validation,
)
from tabular.families import losses  # noqa: E402
from tabular.families.arguments import HyperparameterError  # noqa: E402
from tabular.families.base import Round  # noqa: E402

STARTS = ("nothing", "champion")


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


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """`plan`: run, windows and start; `hyperparameters`: all of the family's, in their types."""

    candidate: str
    family: str
    hyperparameters: Mapping[str, Any]
    plan: Mapping[str, Any]


def checkpoint_folder(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("ML_ROOT", "/opt/ml")) / "checkpoints"


def main(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    with failure.beside_checkpoints(checkpoint_folder(environment)):
        agreed = contract.load()
        arguments = parse_arguments(argv, agreed)
        run(agreed, arguments, Places.from_environment(environment), threads(environment))


def run(agreed: contract.ModelContract, given: Arguments, places: Places, nthread: int) -> None:
    windows = split.Windows.of(given.plan)
    begun = champion(agreed, given, windows, places) if given.plan["start_from"] == "champion" else None
    if begun is not None:
        # Its encodings know the labels of its own rows: trees that saw those again would trust them too much.
        windows = replace(
            windows, train_start=max(windows.train_start, begun.content["windows"]["train_end"])
        )
    rows = frame.read(places.features, agreed.kinds, windows.train_start, windows.validation_end)
    parts = split.split(rows, windows)
    training.check_rows(agreed, parts, windows)
    plan = training.Plan(
        family=given.family,
        hyperparameters=given.hyperparameters,
        threads=nthread,
        report=_report,
        checkpoints=places.checkpoints,
        mark=json.dumps(asdict(windows)),
    )
    if begun is not None:
        before = begun.predictor.booster.num_boosted_rounds()
        print(
            f"goes on from {begun.content['run_id']}: {before} rounds, {len(parts.train)} new rows",
            flush=True,
        )
    found = training.outcome(agreed, plan, parts.train, parts.validation, begun)
    # The last line that a search reads is the model that is kept, not the rounds after it.
    _report(found.trained.best_round, found.trained.history[found.trained.best_round])
    training.check_against_rule(agreed, found)
    story = judged(agreed, plan, parts)
    if begun is not None and given.plan["compare_starts"]:
        asked = split.Windows.of(given.plan)
        known = frame.read(places.features, agreed.kinds, asked.train_start, asked.validation_end)
        whole = split.split(known, asked).train
        story["starts"] = incremental.compared(agreed, plan, whole, parts.validation, found)
    save(agreed, found, parts, given, places, begun, story)


def judged(agreed: contract.ModelContract, plan: training.Plan, parts: split.Split) -> dict[str, Any]:
    """What a candidate may ask for beside its model, at the price of a training per fold and point."""
    folds, points = (int(plan.hyperparameters[name]) for name in ("cross_validation", "learning_curve"))
    story: dict[str, Any] = {"cross_validation": None, "learning_curve": None, "starts": None}
    if folds:
        story["cross_validation"] = validation.cross_validated(agreed, plan, parts.train, folds)
    if points:
        story["learning_curve"] = validation.learning_curve(
            agreed, plan, parts.train, parts.validation, points
        )
    return story


def champion(
    agreed: contract.ModelContract, given: Arguments, windows: split.Windows, places: Places
) -> models.TrainedModel:
    """The model to go on from: of the same features, and trained before what this run learns from."""
    able = ", ".join(families.INCREMENTAL)
    if given.family not in families.INCREMENTAL:
        raise StartError(
            f"start_from is champion, the family {given.family} cannot go on from a model, allowed "
            f"is {able}: train from nothing"
        )
    with tempfile.TemporaryDirectory() as folder:
        found = models.load(models.unpacked(places.champion, Path(folder)))
    if not isinstance(found, models.TrainedModel):
        raise StartError("start_from is champion, which is a rule without trees: train from nothing")
    # Models from before families had names are boosted ones.
    family = found.content.get("family", found.content["kind"])
    if family not in families.INCREMENTAL:
        raise StartError(
            f"start_from is champion, which is of the family {family}, allowed is {able}: train from nothing"
        )
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


def parse_arguments(argv: Sequence[str], agreed: contract.ModelContract) -> Arguments:
    """Arguments over the candidate's hyperparameters in the contract over the family's defaults."""
    parser = argparse.ArgumentParser(prog="train.py", exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--run_id", default="")
    parser.add_argument("--candidate", default=None)
    parser.add_argument("--start_from", choices=STARTS, default="nothing")
    # With start_from=champion also trains from nothing, and writes both into training.json.
    parser.add_argument("--compare_starts", type=int, choices=(0, 1), default=0)
    for name in split.Windows.names():
        parser.add_argument(f"--{name}")
    try:
        plan, rest = parser.parse_known_args(list(argv))
        candidate = agreed.candidate(plan.candidate)
        allowed = families.arguments.allowed(candidate["family"])
        inner = argparse.ArgumentParser(prog="train.py", exit_on_error=False, allow_abbrev=False)
        for name, kind in allowed.items():
            inner.add_argument(f"--{name}", type=kind)
        given, unknown = inner.parse_known_args(rest)
    except argparse.ArgumentError as error:
        raise HyperparameterError(f"hyperparameter {error}") from error
    # A tuning job adds names that begin with an underscore.
    refused = [name for name in unknown if name.startswith("--") and not name.startswith("--_")]
    if refused:
        raise HyperparameterError(
            f"hyperparameter {', '.join(refused)} is unknown to the family {candidate['family']}, "
            f"allowed are {', '.join(sorted(allowed))}"
        )
    overriding = {name: value for name, value in vars(given).items() if value is not None}
    return Arguments(
        candidate=candidate["name"],
        family=candidate["family"],
        hyperparameters=families.arguments.typed(
            candidate["family"], candidate["hyperparameters"], overriding
        ),
        plan=vars(plan),
    )


def threads(environment: Mapping[str, str]) -> int:
    """All processors: they wait for each other without spinning (OMP_WAIT_POLICY), so two beat one."""
    return int(environment.get("SM_NUM_CPUS", "1"))


def save(
    agreed: contract.ModelContract,
    found: training.Outcome,
    parts: split.Split,
    given: Arguments,
    places: Places,
    begun: models.TrainedModel | None,
    judged: Mapping[str, Any],
) -> None:
    trained = found.trained
    scored = models.TrainedModel(content={}, predictor=trained.predictor, preparation=found.preparation)
    threshold = None
    if agreed.is_binary:
        threshold = metrics.cost_threshold(
            parts.validation.label, scored.scores(parts.validation), agreed.costs
        )
    windows = split.Windows.of(given.plan)
    if begun is not None:  # what its trees have seen, the model has
        windows = replace(windows, train_start=begun.content["windows"]["train_start"])
    content = models.content(
        agreed,
        found.preparation,
        windows,
        kind=trained.predictor.kind,
        family=given.family,
        candidate=given.candidate,
        run_id=given.plan["run_id"],
        threshold=threshold,
        algorithm="script",
    )
    story = {
        "candidate": given.candidate,
        "family": given.family,
        "loss": losses.NAMES[agreed.problem],
        "rounds": trained.history,
        "best_round": trained.best_round,
        "validation_loss": found.loss,
        "rule_loss": found.rule,
        "stopped_early": trained.stopped_early,
        "resumed_at": trained.resumed_at,
        "started_from": None if begun is None else begun.content["run_id"],
        "rounds_before": 0 if begun is None else begun.predictor.booster.num_boosted_rounds(),
        "rows": {"train": len(parts.train), "validation": len(parts.validation), "fitted": len(found.train)},
        "seconds": round(found.seconds, 3),
        "hyperparameters": {**given.plan, **given.hyperparameters},
        "notes": dict(trained.notes),
        **judged,
    }
    for folder in (places.model, places.output):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "training.json").write_text(json.dumps(story, indent=1))
    (places.model / "model.json").write_text(json.dumps(content, indent=1, sort_keys=True))
    for name, data in trained.predictor.files().items():
        path = places.model / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _report(number: int, scores: Round) -> None:
    print(losses.line(number, scores), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
