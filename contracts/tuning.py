"""The search for better hyperparameters of one candidate: strategy, budget, ranges."""

from typing import Any

from contracts.errors import only_keys


def compile_tuning(section: Any, candidates: list[dict[str, Any]]) -> dict[str, Any] | None:  # noqa: ARG001
    """None where the contract asks for no search."""
    if section is None:
        return None
    only_keys("customProperties.model.tuning", section, required=set())
    return dict(section)
