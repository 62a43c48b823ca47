"""The models that a run trains and compares, each of a family with its hyperparameters."""

from typing import Any

from contracts.errors import ContractError, one_of, only_keys

FAMILIES = {"xgboost"}


def compile_candidates(section: Any, model: dict[str, Any]) -> list[dict[str, Any]]:
    """An absent section asks for one boosted model with `model.hyperparameters`."""
    place = "customProperties.model.candidates"
    if section is None:
        return [{"name": "boosted", "family": "xgboost", "hyperparameters": dict(model["hyperparameters"])}]
    if not isinstance(section, list) or not section:
        raise ContractError(place, section, "a list with at least one candidate", "name one, or leave it out")
    compiled = []
    for index, entry in enumerate(section):
        here = f"{place}.{index}"
        only_keys(here, entry, required={"name", "family"}, optional={"hyperparameters"})
        one_of(f"{here}.family", entry["family"], FAMILIES, "choose a model family")
        compiled.append({**entry, "hyperparameters": dict(entry.get("hyperparameters") or {})})
    return compiled
