"""The options of preparation steps with their limits; docs/preparation.md explains each."""

from typing import Any

from contracts.errors import ContractError, one_of, only_keys

# (lowest, highest, whole number)
Limits = tuple[float, float, bool]

OUTLIER_METHODS = {"trim", "cap", "log"}
OUTLIER_RULES: dict[str, dict[str, Limits]] = {
    "iqr": {"factor": (0.1, 100, False)},
    "quantile": {"lower": (0, 0.5, False), "upper": (0.5, 1, False)},
    "z": {"limit": (0.5, 100, False)},
}
OUTLIER_KEYS = {"rule"} | {key for rule in OUTLIER_RULES.values() for key in rule}
# Either limits, or a set of texts.
BINS: dict[str, Limits | set[str]] = {"count": (2, 255, True), "strategy": {"quantile", "uniform"}}
TOGETHER = ("interactions", "pca", "imbalance", "knn", "iterative", "known_before")
RESAMPLING: dict[str, Limits] = {"ratio": (0.01, 1, False), "seed": (0, 2**31 - 1, True)}
IMBALANCE: dict[str, dict[str, Limits]] = {
    "none": {},
    "weights": {},
    "oversample": RESAMPLING,
    "undersample": RESAMPLING,
    "smote": RESAMPLING | {"neighbours": (1, 50, True), "sample": (10, 50_000, True)},
}
IMBALANCE_KEYS = {key for method in IMBALANCE.values() for key in method}
# Of imputations that read other features: (lowest, highest, default), all whole numbers.
ACROSS: dict[str, dict[str, tuple[int, int, int]]] = {
    "knn": {"neighbours": (1, 100, 5), "sample": (10, 5_000, 1_000)},
    "iterative": {"rounds": (1, 50, 5), "sample": (100, 200_000, 20_000)},
}


def is_number(got: Any) -> bool:
    return isinstance(got, int | float) and not isinstance(got, bool)


def number(place: str, got: Any, limits: Limits, fix: str) -> None:
    """Refuse what is no number within the limits."""
    low, high, whole = limits
    if not is_number(got) or (whole and not isinstance(got, int)) or not low <= got <= high:
        kind = "whole number" if whole else "number"
        raise ContractError(place, got, f"a {kind} from {low:g} to {high:g}", fix)


def check(place: str, got: Any, allowed: dict[str, Limits | set[str]], fix: str) -> None:
    """A mapping with exactly these keys, each within its limits or among its texts."""
    only_keys(place, got, required=set(allowed))
    for key, limits in allowed.items():
        if isinstance(limits, set):
            one_of(f"{place}.{key}", got[key], limits, fix)
        else:
            number(f"{place}.{key}", got[key], limits, fix)
