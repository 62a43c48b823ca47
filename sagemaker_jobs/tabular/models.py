"""A model is a folder with model.json and its predictor's files; rule and trained models answer alike."""

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tabular import families, packaging, recalibration, rules
from tabular.contract import ModelContract
from tabular.families.base import ArtefactError, Predictor
from tabular.frame import Frame
from tabular.preparation import Preparation
from tabular.split import Windows

KINDS = ("rule", *families.KINDS)


class Model(Protocol):
    content: Mapping[str, Any]

    def scores(self, frame: Frame) -> np.ndarray:
        """(n,) scores, or (n, K) probabilities of a multiclass label; a cluster's number for clusters."""
        ...

    def score(self, record: Mapping[str, Any]) -> float | list[float]: ...


@dataclass(frozen=True, kw_only=True)
class RuleModel:
    content: Mapping[str, Any]

    def score(self, record: Mapping[str, Any]) -> float | list[float]:
        return rules.score_record(self.content["rule"], record)

    def scores(self, frame: Frame) -> np.ndarray:
        default = np.asarray(self.content["rule"]["default"], dtype=np.float64)
        scores = np.tile(default, (len(frame), *(1 for _ in default.shape)))
        feature = self.content["rule"].get("feature")
        if feature is not None:
            values = frame.columns[feature]
            return np.where(np.isnan(values), scores, values)
        is_open = np.ones(len(frame), dtype=bool)
        for entry in self.content["rule"]["rules"]:
            holds = is_open.copy()
            for condition in entry["when"]:
                holds &= _mask(condition, frame.columns[condition["feature"]])
            scores[holds] = entry["score"]
            is_open &= ~holds
        return scores


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A predictor of any family behind its preparation."""

    content: Mapping[str, Any]
    predictor: Predictor
    preparation: Preparation

    def score(self, record: Mapping[str, Any]) -> float | list[float]:
        raw = self.predictor.predict_row(self.preparation.row(record))
        return recalibration.applied(self.content, raw)

    def scores(self, frame: Frame) -> np.ndarray:
        raw = self.predictor.predict(self.preparation.matrix(frame))
        return np.asarray(recalibration.applied(self.content, raw))

    def contributions(self, frame: Frame) -> dict[str, np.ndarray] | None:
        """Exact part of each raw feature in the score of each row, (n,) or (n, K); None without a formula."""
        per_column = self.predictor.contributions(self.preparation.matrix(frame))
        if per_column is None:
            return None
        names = self.preparation.features
        return {
            name: per_column[:, [other == name for other in names]].sum(axis=1)
            for name in dict.fromkeys(names)
        }


def content(
    contract: ModelContract,
    preparation: Preparation,
    windows: Windows,
    *,
    kind: str,
    family: str,
    run_id: str,
    threshold: float | None,
    algorithm: str,
    candidate: str = "",
) -> dict[str, Any]:
    """Content of model.json. `windows` tells a later evaluation what the model has seen."""
    return {
        "format": 1,
        "kind": kind,
        "family": family,
        "candidate": candidate,
        "problem": contract.problem,
        "classes": list(contract.classes),
        "contract": {"name": contract.name, "version": contract.version},
        "features": contract.kinds,
        "preparation": preparation.to_json(),
        "threshold": threshold,
        "run_id": run_id,
        "algorithm": algorithm,
        "windows": {
            "train_start": windows.train_start,
            "train_end": windows.train_end,
            "validation_end": windows.validation_end,
        },
    }


def unpacked(folder: Path, target: Path) -> Path:
    """The one model archive in `folder`, unpacked; a `code/` folder in it is not run."""
    archives = sorted(folder.rglob("*.gz")) if folder.is_dir() else []
    if len(archives) != 1:
        raise ArtefactError(f"{folder} holds {len(archives)} files *.gz, exactly one model is needed")
    target.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archives[0], "r:gz") as archive:
            packaging.extract(archive, target)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ArtefactError(
            f"{archives[0].name} cannot be unpacked ({error}): pack the model again"
        ) from error
    return target


def load(folder: Path) -> RuleModel | TrainedModel:
    found = _read_content(folder)
    if found["kind"] == "rule":
        return RuleModel(content=found)
    preparation = Preparation.from_json(found["preparation"])
    predictor = families.load(found["kind"], folder)
    if predictor.columns != len(preparation.columns):
        raise ArtefactError(
            f"the {found['kind']} predictor expects {predictor.columns} columns, model.json prepares "
            f"{len(preparation.columns)}: the two files belong to different models"
        )
    return TrainedModel(content=found, predictor=predictor, preparation=preparation)


def built_in(
    contract: ModelContract, preparation: Preparation, windows: Windows, booster_file: Path, run_id: str
) -> TrainedModel:
    """A booster of the built-in algorithm behind the preparation of its rows, without a threshold."""
    from tabular.families.booster import BoosterPredictor, load_booster

    described = content(
        contract,
        preparation,
        windows,
        kind="xgboost",
        family="xgboost",
        run_id=run_id,
        threshold=None,
        algorithm="builtin",
    )
    predictor = BoosterPredictor(booster=load_booster(booster_file))
    return TrainedModel(content=described, predictor=predictor, preparation=preparation)


def _read_content(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        present = ", ".join(sorted(entry.name for entry in folder.glob("*"))) or "nothing"
        raise ArtefactError(
            f"no model.json in the model folder, it holds {present}: pack the model again"
        ) from error
    except ValueError as error:
        raise ArtefactError(
            f"model.json is not JSON ({error}): the file is damaged, pack it again"
        ) from error
    if not isinstance(content, dict) or content.get("format") != 1 or content.get("kind") not in KINDS:
        got = content if not isinstance(content, dict) else (content.get("format"), content.get("kind"))
        raise ArtefactError(
            f"model.json has format and kind {got!r}, allowed are format 1 and {', '.join(KINDS)}"
        )
    return content


def _mask(condition: Mapping[str, Any], values: np.ndarray) -> np.ndarray:
    if values.dtype == object or condition["op"] == "in":
        holds = [rules.holds(condition, value) for value in values]
        return np.asarray(holds, dtype=bool)
    comparisons = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal}
    return comparisons[condition["op"]](values, condition["value"])
