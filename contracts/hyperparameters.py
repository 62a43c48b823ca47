"""The hyperparameters of each model family, with the values that they may take.

sagemaker_jobs/tabular/families knows the same names and types (a test compares the two).
"""

from typing import Any, NamedTuple

from contracts.errors import ContractError, one_of


class Number(NamedTuple):
    """From low to high, both allowed."""

    low: float
    high: float
    whole: bool = False

    def __str__(self) -> str:
        return f"a {'whole number' if self.whole else 'number'} from {self.low:g} to {self.high:g}"


SUPERVISED = {"binary", "multiclass", "regression", "forecasting"}
FAMILIES = {
    "xgboost": SUPERVISED,
    "tree": SUPERVISED,
    "forest": SUPERVISED,
    "linear": {"regression", "forecasting"},
    "logistic": {"binary", "multiclass"},
    "stack": SUPERVISED,
    "kmeans": {"clustering"},
    "factorisation": {"recommendation"},
}
# What a contract without candidates trains.
DEFAULT = {
    **dict.fromkeys(sorted(SUPERVISED), ("boosted", "xgboost")),
    "clustering": ("clusters", "kmeans"),
    "recommendation": ("factors", "factorisation"),
}
Values = dict[str, Number | set[str] | type[str]]
SHARE = Number(0.01, 1)
PENALTY = Number(0, 1e6)
SEED = Number(0, 2**31 - 1, whole=True)
STEPS = Number(1, 100_000, whole=True)
COMMON: Values = {
    "cross_validation": Number(0, 20, whole=True),
    "learning_curve": Number(0, 20, whole=True),
}
TREES: Values = {
    "max_depth": Number(0, 30, whole=True),
    "max_leaves": Number(0, 100_000, whole=True),
    "max_bin": Number(2, 65_536, whole=True),
    "gamma": PENALTY,
    "min_child_weight": PENALTY,
    "lambda": PENALTY,
    "alpha": PENALTY,
    "grow_policy": {"depthwise", "lossguide"},
    "tree_method": {"auto", "exact", "approx", "hist"},
    "seed": SEED,
}
LINEAR: Values = {"alpha": PENALTY, "l1_ratio": Number(0, 1), "max_iter": STEPS, "seed": SEED}
HYPERPARAMETERS: dict[str, Values] = {
    "xgboost": {
        **TREES,
        "eta": Number(1e-6, 10),
        "max_delta_step": PENALTY,
        "subsample": SHARE,
        "colsample_bytree": SHARE,
        "colsample_bylevel": SHARE,
        "colsample_bynode": SHARE,
        "scale_pos_weight": Number(1e-6, 1e6),
        "booster": {"gbtree", "dart"},
        "rate_drop": Number(0, 1),
        "skip_drop": Number(0, 1),
        "num_round": STEPS,
        "early_stopping_rounds": STEPS,
        "checkpoint_rounds": STEPS,
        **COMMON,
    },
    "tree": {**TREES, **COMMON},
    "forest": {
        **TREES,
        "trees": Number(1, 5_000, whole=True),
        "subsample": SHARE,
        "colsample_bynode": SHARE,
        **COMMON,
    },
    "linear": {**LINEAR, **COMMON},
    "logistic": {**LINEAR, **COMMON},
    "stack": {"members": str, "folds": Number(2, 20, whole=True), "alpha": PENALTY, "seed": SEED, **COMMON},
    "kmeans": {
        "clusters": Number(2, 1_000, whole=True),
        "starts": Number(1, 1_000, whole=True),
        "max_iter": STEPS,
        "seed": SEED,
        **COMMON,
    },
    "factorisation": {
        "factors": Number(1, 1_000, whole=True),
        "alpha": PENALTY,
        "max_iter": STEPS,
        "seed": SEED,
        **COMMON,
    },
}


def check(place: str, family: str, given: dict[str, Any]) -> None:
    """Each of `given` is one of the family's, with a value that it may take."""
    known = HYPERPARAMETERS[family]
    for name, value in given.items():
        one_of(place, name, known, f"name a hyperparameter of the family {family}")
        allowed = known[name]
        if isinstance(allowed, Number):
            kinds = int if allowed.whole else int | float
            fits = isinstance(value, kinds) and not isinstance(value, bool)
            if not fits or not allowed.low <= value <= allowed.high:
                raise ContractError(f"{place}.{name}", value, str(allowed), "correct it")
        elif isinstance(allowed, set):
            one_of(f"{place}.{name}", value, allowed, "choose one of these")
        elif not isinstance(value, str):
            raise ContractError(f"{place}.{name}", value, "text", "correct it")
