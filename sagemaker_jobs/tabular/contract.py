"""The part of the compiled contract that training, serving and monitoring need, with types."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabular import source

PROBLEMS = ("binary", "multiclass", "regression", "forecasting", "clustering", "recommendation")
LOSSES = {
    "binary": "log_loss",
    "multiclass": "log_loss",
    "regression": "squared_error",
    "forecasting": "squared_error",
    "clustering": "one_minus_silhouette",
    "recommendation": "one_minus_ndcg",
}


class ContractError(ValueError):
    """contract.json is absent or not a compiled contract of this project."""


@dataclass(frozen=True, kw_only=True)
class ModelContract:
    name: str
    version: str
    problem: str
    features: Mapping[str, Mapping[str, Any]]
    rule: Mapping[str, Any]
    split: Mapping[str, Any]
    costs: Mapping[str, float]
    hyperparameters: Mapping[str, Any]
    gate: Mapping[str, Any]
    preparation: Mapping[str, Any]
    candidates: Sequence[Mapping[str, Any]]
    tuning: Mapping[str, Any] | None
    evaluation: Mapping[str, Any]
    monitor: Mapping[str, Any]
    compiled: Mapping[str, Any]
    # Names of the classes of a multiclass label, which is their index; nothing for any other problem.
    classes: Sequence[str] = ()
    # {user, item, at} of a recommendation: the two features, and how long the list is that is judged.
    recommendation: Mapping[str, Any] | None = None

    @property
    def kinds(self) -> dict[str, str]:
        return {name: spec["kind"] for name, spec in self.features.items()}

    @property
    def is_binary(self) -> bool:
        return self.problem == "binary"

    @property
    def loss(self) -> str:
        """What training minimises and the gate compares; a loss per row for all but the last two problems."""
        return LOSSES[self.problem]

    def candidate(self, name: str | None = None) -> Mapping[str, Any]:
        """The candidate of this name; without a name the first."""
        for entry in self.candidates:
            if name in (None, entry["name"]):
                return entry
        allowed = ", ".join(entry["name"] for entry in self.candidates)
        raise ContractError(f"candidate {name!r} is not in the contract, allowed are {allowed}")


def load(path: Path | None = None) -> ModelContract:
    """The contract at `path`, or the contract.json that was packed beside this code."""
    try:
        text = path.read_bytes() if path else source.read("contract.json")
    except FileNotFoundError as error:
        raise ContractError(f"no contract.json at {path or source.ROOT}: pack it beside the code") from error
    return parse(json.loads(text))


def parse(compiled: Mapping[str, Any]) -> ModelContract:
    model = compiled.get("model")
    if compiled.get("format") != 1 or not isinstance(model, Mapping):
        raise ContractError(
            f"contract.json has format {compiled.get('format')!r} and the parts {sorted(compiled)}: "
            "only a compiled contract of format 1 with a part `model` can be used"
        )
    if model["problem"] not in PROBLEMS:
        raise ContractError(f"model.problem is {model['problem']!r}, allowed are {', '.join(PROBLEMS)}")
    return ModelContract(
        name=compiled["name"],
        version=compiled["version"],
        problem=model["problem"],
        features=model["features"],
        rule=model["rule_baseline"],
        split=model["split"],
        costs=model.get("threshold") or {"cost_false_positive": 1, "cost_false_negative": 1},
        hyperparameters=model["hyperparameters"],
        gate=model["gate"],
        preparation=model["preparation"],
        candidates=model["candidates"],
        tuning=model["tuning"],
        evaluation=model["evaluation"],
        monitor=compiled["monitor"],
        compiled=compiled,
        classes=tuple(model.get("classes") or ()),
        recommendation=model.get("recommendation"),
    )
