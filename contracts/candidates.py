"""The models that a run trains and compares, each of a family with its hyperparameters."""

import re
from typing import Any

from contracts import hyperparameters
from contracts.errors import ContractError, one_of, only_keys

PLACE = "customProperties.model.candidates"
# Part of the names of training jobs and of their places in S3.
NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


def compile_candidates(section: Any, model: dict[str, Any]) -> list[dict[str, Any]]:
    """An absent section asks for one model of the problem's usual family, with `model.hyperparameters`."""
    if section is None:
        name, family = hyperparameters.DEFAULT[model["problem"]]
        place = "customProperties.model.hyperparameters"
        hyperparameters.check(place, family, model["hyperparameters"])
        return [{"name": name, "family": family, "hyperparameters": dict(model["hyperparameters"])}]
    if not isinstance(section, list) or not section:
        raise ContractError(PLACE, section, "a list with at least one candidate", "name one, or leave it out")
    compiled = [_candidate(f"{PLACE}.{index}", entry, model) for index, entry in enumerate(section)]
    families: dict[str, str] = {}
    for index, entry in enumerate(compiled):
        if entry["name"] in families:
            raise ContractError(f"{PLACE}.{index}.name", entry["name"], "each name once", "rename one")
        families[entry["name"]] = entry["family"]
    for index, entry in enumerate(compiled):
        if entry["family"] == "stack":
            _members(f"{PLACE}.{index}.hyperparameters.members", entry, families)
    return compiled


def _candidate(place: str, entry: Any, model: dict[str, Any]) -> dict[str, Any]:
    only_keys(place, entry, required={"name", "family"}, optional={"hyperparameters"})
    name, family = entry["name"], entry["family"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        allowed = "a lower-case letter, then letters, digits and -, 20 at most"
        raise ContractError(f"{place}.name", name, allowed, "rename it")
    one_of(f"{place}.family", family, hyperparameters.FAMILIES, "choose a model family")
    if model["problem"] not in hyperparameters.FAMILIES[family]:
        able = [name for name, problems in hyperparameters.FAMILIES.items() if model["problem"] in problems]
        raise ContractError(
            f"{place}.family", family, ", ".join(sorted(able)), f"choose one that solves {model['problem']}"
        )
    given = dict(entry.get("hyperparameters") or {})
    hyperparameters.check(f"{place}.hyperparameters", family, given)
    return {"name": name, "family": family, "hyperparameters": given}


def _members(place: str, stack: dict[str, Any], families: dict[str, str]) -> None:
    able = sorted(name for name, family in families.items() if family != "stack")
    named = [name.strip() for name in str(stack["hyperparameters"].get("members", "")).split(",")]
    for name in named:
        one_of(place, name, able, "name other candidates, with commas between")
    if len(set(named)) < 2:
        raise ContractError(place, ", ".join(named), "two or more of the candidates", "name another one")
