"""A model is a folder with model.json and, for a booster, booster.ubj; rule and booster answer alike."""

import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tabular import recalibration, rules
from tabular.contract import ModelContract
from tabular.frame import Frame
from tabular.preparation import Preparation
from tabular.split import Windows

KINDS = ("rule", "xgboost")


class ArtefactError(ValueError):
    """The model folder is incomplete or damaged."""


class Model(Protocol):
    content: Mapping[str, Any]

    def scores(self, frame: Frame) -> np.ndarray: ...

    def score(self, record: Mapping[str, Any]) -> float: ...


@dataclass(frozen=True, kw_only=True)
class RuleModel:
    content: Mapping[str, Any]

    def score(self, record: Mapping[str, Any]) -> float:
        return rules.score_record(self.content["rule"], record)

    def scores(self, frame: Frame) -> np.ndarray:
        scores = np.full(len(frame), float(self.content["rule"]["default"]))
        is_open = np.ones(len(frame), dtype=bool)
        for entry in self.content["rule"]["rules"]:
            holds = is_open.copy()
            for condition in entry["when"]:
                holds &= _mask(condition, frame.columns[condition["feature"]])
            scores[holds] = entry["score"]
            is_open &= ~holds
        return scores


@dataclass(frozen=True, kw_only=True)
class BoosterModel:
    content: Mapping[str, Any]
    booster: Any
    preparation: Preparation

    def score(self, record: Mapping[str, Any]) -> float:
        # inplace_predict on a small array: a DMatrix costs twice the time and has a long tail.
        line = self.preparation.row(record)
        raw = float(self.booster.inplace_predict(line, validate_features=False)[0])
        return float(recalibration.applied(self.content, raw))

    def scores(self, frame: Frame) -> np.ndarray:
        matrix = self.preparation.matrix(frame)
        raw = np.asarray(self.booster.inplace_predict(matrix, validate_features=False), dtype=np.float64)
        return np.asarray(recalibration.applied(self.content, raw))

    def contributions(self, frame: Frame) -> dict[str, np.ndarray]:
        """TreeSHAP per raw feature and row, in the margin (log odds for binary), without the bias."""
        import xgboost

        processors = os.cpu_count() or 1  # a whole window of rows, unlike a request
        data = xgboost.DMatrix(self.preparation.matrix(frame), nthread=processors)
        self.booster.set_param({"nthread": processors})
        per_column = self.booster.predict(data, pred_contribs=True)[:, :-1]
        self.booster.set_param({"nthread": 1})
        names = self.preparation.features
        return {
            name: per_column[:, [other == name for other in names]].sum(axis=1)
            for name in dict.fromkeys(names)
        }


def booster_content(
    contract: ModelContract,
    preparation: Preparation,
    windows: Windows,
    *,
    run_id: str,
    threshold: float | None,
    algorithm: str,
) -> dict[str, Any]:
    """Content of model.json for a booster. `windows` tells a later evaluation what the model has seen."""
    return {
        "format": 1,
        "kind": "xgboost",
        "problem": contract.problem,
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
            archive.extractall(target, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ArtefactError(
            f"{archives[0].name} cannot be unpacked ({error}): pack the model again"
        ) from error
    return target


def load(folder: Path) -> RuleModel | BoosterModel:
    content = _read_content(folder)
    if content["kind"] == "rule":
        return RuleModel(content=content)
    preparation = Preparation.from_json(content["preparation"])
    booster = load_booster(folder / "booster.ubj")
    if booster.num_features() != len(preparation.columns):
        raise ArtefactError(
            f"booster.ubj expects {booster.num_features()} columns, model.json prepares "
            f"{len(preparation.columns)}: the two files belong to different models"
        )
    return BoosterModel(content=content, booster=booster, preparation=preparation)


def load_booster(path: Path) -> Any:
    """Cut at the best round when the file says which it was, as the built-in algorithm's does."""
    # Imported late: the rule baseline serves without it, and it takes a second to import.
    import xgboost

    if not path.is_file():
        present = ", ".join(sorted(entry.name for entry in path.parent.iterdir())) or "nothing"
        raise ArtefactError(f"no {path.name} in the model folder, it holds {present}: pack the model again")
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(path.read_bytes()))
        best, rounds = booster.attr("best_iteration"), booster.num_boosted_rounds()
    except xgboost.core.XGBoostError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ArtefactError(
            f"{path.name} is not a booster ({reason}): the file is damaged, pack it again"
        ) from error
    if best is not None and int(best) + 1 < rounds:
        booster = booster[: int(best) + 1]
    # More threads make a single row slower, and its slowest answers a hundred times slower.
    booster.set_param({"nthread": 1})
    return booster


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
