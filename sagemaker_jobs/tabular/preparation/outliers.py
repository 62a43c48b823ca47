"""Outliers: bounds from training rows, to trim rows by or to cap values at, and the signed logarithm."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tabular.preparation.errors import PreparationError

METHODS = ("trim", "cap", "log")
# Share of a normal distribution outside: 0.7 %, 2 %, 0.3 %.
DEFAULTS: dict[str, dict[str, float]] = {
    "iqr": {"factor": 1.5},
    "quantile": {"lower": 0.01, "upper": 0.99},
    "z": {"limit": 3.0},
}


def bounds(name: str, spec: Mapping[str, Any], values: np.ndarray) -> tuple[float, float]:
    """Lowest and highest ordinary value; what is missing has no say.

    iqr       `factor` interquartile ranges beyond the quartiles (Tukey's fences)
    quantile  the quantiles `lower` and `upper`
    z         `limit` standard deviations from the mean
    """
    known = values[~np.isnan(values)]
    if not len(known):
        raise PreparationError(
            f"{name}: no training row has a value, outlier bounds need some: widen the training window, "
            "or leave `outliers` out"
        )
    rule = spec.get("rule", "iqr")
    if rule not in DEFAULTS:
        raise PreparationError(f"{name}: outlier rule {rule!r}, allowed are {', '.join(DEFAULTS)}")
    options = {key: float(spec.get(key, value)) for key, value in DEFAULTS[rule].items()}
    if rule == "z":
        middle, reach = float(known.mean()), options["limit"] * float(known.std())
        return middle - reach, middle + reach
    if rule == "quantile":
        low, high = np.quantile(known, [options["lower"], options["upper"]])
        return float(low), float(high)
    low, high = np.quantile(known, [0.25, 0.75])
    reach = options["factor"] * float(high - low)
    return float(low) - reach, float(high) + reach


def inside(values: np.ndarray, lower: float, upper: float) -> np.ndarray:
    """Rows to keep; a missing value is no outlier."""
    return ~((values < lower) | (values > upper))


def signed_log(values: np.ndarray) -> np.ndarray:
    """sign(x) log(1 + |x|): as the logarithm far from zero, and defined everywhere."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))
