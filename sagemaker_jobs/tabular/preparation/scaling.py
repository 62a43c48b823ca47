"""Min-max and z-score: what to take away and what to divide by, from training rows."""

import numpy as np

SCALINGS = ("none", "min_max", "z_score")


def fit(scaling: str, values: np.ndarray) -> tuple[float, float]:
    """(centre, spread) of one column; a column of one value is moved to zero and not stretched."""
    if scaling == "none":
        return 0.0, 1.0
    # Imported late: serving needs the two numbers and not the library.
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    if scaling == "min_max":
        fitted = MinMaxScaler().fit(values.reshape(-1, 1))
        return float(fitted.data_min_[0]), float(1 / fitted.scale_[0])
    fitted = StandardScaler().fit(values.reshape(-1, 1))
    return float(fitted.mean_[0]), float(fitted.scale_[0])
