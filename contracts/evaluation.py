"""What an evaluation looks at beside the metrics of the problem type."""

from typing import Any

from contracts.errors import only_keys


def compile_evaluation(section: Any, features: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """An absent section asks for nothing more."""
    only_keys("customProperties.model.evaluation", section or {}, required=set())
    return {}
