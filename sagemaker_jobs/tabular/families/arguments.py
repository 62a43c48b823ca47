"""The hyperparameters of each family with their types; what a family does not know is refused by name.

The contract's compiler holds the same names with the values that they may take (a test compares the two).
"""

from collections.abc import Mapping
from typing import Any

TREES = {
    "max_depth": int,
    "max_leaves": int,
    "max_bin": int,
    "gamma": float,
    "min_child_weight": float,
    "lambda": float,
    "alpha": float,
    "grow_policy": str,
    "tree_method": str,
    "seed": int,
}
PARAMETERS: dict[str, dict[str, type]] = {
    "xgboost": {
        **TREES,
        "eta": float,
        "max_delta_step": float,
        "subsample": float,
        "colsample_bytree": float,
        "colsample_bylevel": float,
        "colsample_bynode": float,
        "scale_pos_weight": float,
        "booster": str,
        "rate_drop": float,
        "skip_drop": float,
        "num_round": int,
        "early_stopping_rounds": int,
        "checkpoint_rounds": int,
    },
    "tree": dict(TREES),
    "forest": {**TREES, "trees": int, "subsample": float, "colsample_bynode": float},
    "linear": {"alpha": float, "l1_ratio": float, "max_iter": int, "seed": int},
    "logistic": {"alpha": float, "l1_ratio": float, "max_iter": int, "seed": int},
    "stack": {"members": str, "folds": int, "alpha": float, "seed": int},
    "kmeans": {"clusters": int, "starts": int, "max_iter": int, "seed": int},
    "factorisation": {"factors": int, "alpha": float, "max_iter": int, "seed": int},
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "xgboost": {
        "tree_method": "hist",
        "seed": 0,
        "num_round": 100,
        "early_stopping_rounds": 20,
        "checkpoint_rounds": 25,
    },
    "tree": {"tree_method": "hist", "seed": 0, "max_depth": 5, "min_child_weight": 20.0, "lambda": 0.0},
    "forest": {
        "tree_method": "hist",
        "seed": 0,
        "trees": 100,
        "max_depth": 10,
        "min_child_weight": 5.0,
        "subsample": 0.632,  # of a bootstrap sample's rows, so many are distinct
        "colsample_bynode": 0.4,
        "lambda": 0.0,
    },
    "linear": {"alpha": 0.001, "l1_ratio": 0.0, "max_iter": 1000, "seed": 0},
    "logistic": {"alpha": 0.0001, "l1_ratio": 0.0, "max_iter": 300, "seed": 0},
    "stack": {"members": "", "folds": 4, "alpha": 0.0001, "seed": 0},
    "kmeans": {"clusters": 3, "starts": 10, "max_iter": 300, "seed": 0},
    "factorisation": {"factors": 8, "alpha": 0.0, "max_iter": 400, "seed": 0},
}
# What any family is judged by on request: folds of a cross-validation, points of a learning curve.
COMMON: dict[str, type] = {"cross_validation": int, "learning_curve": int}
COMMON_DEFAULTS: dict[str, Any] = {"cross_validation": 0, "learning_curve": 0}


class HyperparameterError(ValueError):
    """A hyperparameter that the family does not know or cannot read."""


def allowed(family: str) -> dict[str, type]:
    """Names and types that a candidate of this family may set."""
    if family not in PARAMETERS:
        raise HyperparameterError(
            f"family {family!r} is unknown, allowed are {', '.join(sorted(PARAMETERS))}"
        )
    return {**PARAMETERS[family], **COMMON}


def typed(family: str, *given: Mapping[str, Any]) -> dict[str, Any]:
    """The family's defaults, overridden by each of `given`, in their types."""
    known = allowed(family)
    values: dict[str, Any] = {**DEFAULTS[family], **COMMON_DEFAULTS}
    for mapping in given:
        unknown = [name for name in mapping if name not in known]
        if unknown:
            raise HyperparameterError(
                f"hyperparameter {', '.join(unknown)} is unknown to the family {family}, allowed are "
                f"{', '.join(sorted(known))}"
            )
        for name, value in mapping.items():
            values[name] = _read(name, value, known[name])
    return values


def _read(name: str, value: Any, kind: type) -> Any:
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise HyperparameterError(
            f"hyperparameter {name}: invalid {kind.__name__} value: {value!r}, allowed is a {kind.__name__}"
        ) from error
