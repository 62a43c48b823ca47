"""Boosts trees round by round: stops early on the validation window, keeps checkpoints, notices divergence.

The loop is our own, not xgboost.train: the history of losses travels inside the checkpoint, so that a job
that Spot interrupted stops at the same round as one that ran on. The model is then the same to the bit when
subsample and colsample are 1; with sampling, later rounds draw other rows and it differs slightly.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xgboost

from tabular.families import losses
from tabular.families.base import Round

OBJECTIVES = {
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "regression": "reg:squarederror",
    "forecasting": "reg:squarederror",
}
# What decides when to stop. Ranking measures are left to the evaluation: sorting all rows in every round
# costs more than the round.
METRICS = {problem: [losses.NAMES[problem]] for problem in OBJECTIVES}


@dataclass(frozen=True, kw_only=True)
class Settings:
    parameters: Mapping[str, Any]
    num_round: int
    early_stopping_rounds: int
    checkpoint_rounds: int


@dataclass(frozen=True, kw_only=True)
class Trained:
    """booster is cut at best_round (from 0, after its base); history holds every round that was run."""

    booster: Any
    history: list[Round]
    best_round: int
    stopped_early: bool
    resumed_at: int | None


class Checkpoints:
    """Boosters of finished rounds in a folder that SageMaker copies to S3 and back."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder, self.fingerprint = folder, fingerprint

    def save(self, booster: Any, history: list[Round]) -> None:
        """One file per checkpoint, renamed into place: an interruption leaves the older one whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        booster.set_attr(history=json.dumps(history), fingerprint=self.fingerprint)
        # The suffix tells XGBoost the format.
        unfinished = self.folder / "unfinished.ubj"
        booster.save_model(unfinished)
        booster.set_attr(history=None, fingerprint=None)
        unfinished.rename(self.folder / f"round-{len(history):06d}.ubj")
        for old in self._files()[:-2]:
            old.unlink()

    def latest(self, parameters: Mapping[str, Any]) -> tuple[Any, list[Round]] | None:
        """The newest readable checkpoint of the same data and settings."""
        for path in reversed(self._files()):
            booster = xgboost.Booster(dict(parameters))
            try:
                booster.load_model(bytearray(path.read_bytes()))
            except xgboost.core.XGBoostError:
                print(f"checkpoint {path.name} is damaged and is left aside", flush=True)
                continue
            if booster.attr("fingerprint") != self.fingerprint:
                print(f"checkpoint {path.name} is of other data or settings and is left aside", flush=True)
                continue
            history = json.loads(booster.attr("history") or "[]")
            booster.set_attr(history=None, fingerprint=None)
            return booster, history
        return None

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("round-*.ubj"))


def fingerprint(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def train(
    train_data: Any,
    validation_data: Any,
    settings: Settings,
    checkpoints: Checkpoints | None,
    report: Callable[[int, Round], None],
    base: Any = None,
) -> Trained:
    """`base`: a booster of the same columns whose trees the new ones go on from."""
    watched = [(train_data, "train"), (validation_data, "validation")]
    resumed = checkpoints.latest(settings.parameters) if checkpoints else None
    history: list[Round] = resumed[1] if resumed else []
    before = base.num_boosted_rounds() if base is not None else 0
    if resumed:
        booster = resumed[0]
    else:
        trees = bytearray(base.save_raw("ubj")) if base is not None else None
        booster = xgboost.Booster(dict(settings.parameters), [train_data, validation_data], trees)
    resumed_at = len(history) if resumed else None
    # With dropout later rounds rescale earlier trees, so that no cut gives the model of an earlier round.
    cut = settings.parameters.get("booster") != "dart"
    patience = settings.early_stopping_rounds if cut else settings.num_round
    while len(history) < settings.num_round and not _is_over(history, patience):
        number = len(history)
        booster.update(train_data, before + number)
        history.append(_parse(booster.eval_set(watched, number)))
        report(number, history[-1])
        losses.require_finite(number, history[-1])
        if checkpoints and len(history) % settings.checkpoint_rounds == 0:
            checkpoints.save(booster, history)
    best = _best(history) if cut else len(history) - 1
    return Trained(
        booster=booster[: before + best + 1] if cut else booster,
        history=history,
        best_round=best,
        stopped_early=len(history) < settings.num_round,
        resumed_at=resumed_at,
    )


def _best(history: list[Round]) -> int:
    found = [losses.validation(scores) for scores in history]
    return found.index(min(found))


def _is_over(history: list[Round], patience: int) -> bool:
    return bool(history) and len(history) - 1 - _best(history) >= patience


def _parse(text: str) -> Round:
    """`[7]\\ttrain-auc:0.8\\tvalidation-auc:0.7` to {"train": {"auc": 0.8}, "validation": {"auc": 0.7}}."""
    scores: Round = {}
    for part in text.split("\t")[1:]:
        name, value = part.rsplit(":", 1)
        data, metric = name.split("-", 1)
        scores.setdefault(data, {})[metric] = float(value)
    return scores
