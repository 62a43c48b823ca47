"""Training rows of every kind of feature, and one preparation of each step, for tests of preparation."""
# ruff: noqa: E501  # one step in a line reads as a table

from collections.abc import Mapping
from typing import Any

import numpy as np
from tabular import preparation
from tabular.frame import Frame
from tabular.split import TrainingRows

from tests.any_model import agreed, any_contract, training_rows

ROWS = 300
WORDS = [
    "late",
    "early",
    "the",
    "storm",
    "over",
    "runway",
    "and",
    "gate",
    "crew",
    "delayed",
    "again",
    "of",
    "fog",
    "ice",
    "Wind",
]
NUMBER = {"kind": "numeric", "encoding": "passthrough", "imputation": "none"}
SITE = {"kind": "categorical", "encoding": "one_hot", "imputation": "none"}
NOTE = {"kind": "text", "encoding": "tf_idf", "imputation": "none", "terms": 8}


def any_rows(label: np.ndarray | None = None) -> TrainingRows:
    """Thirty days; a, b and d lack some numbers, c, minute and gate none, site and note some."""
    random = np.random.default_rng(5)
    a, b, c = random.normal(10, 2, ROWS), random.exponential(3, ROWS), random.normal(size=ROWS)
    d = a * 0.7 + c + random.normal(0, 0.3, ROWS)
    columns: dict[str, np.ndarray] = {
        name: np.where(random.random(ROWS) < share, np.nan, values)
        for name, values, share in (("a", a, 0.1), ("b", b, 0.05), ("c", c, 0.0), ("d", d, 0.1))
    }
    columns["gate"] = random.choice([f"g{place}" for place in range(9)], ROWS).astype(object)
    columns["minute"] = random.integers(0, 1440, ROWS).astype(float)
    site = random.choice(["N", "S", "W"], ROWS).astype(object)
    site[random.random(ROWS) < 0.1] = None
    note = np.array(
        [" ".join(random.choice(WORDS, random.integers(0, 9))) for _ in range(ROWS)], dtype=object
    )
    note[random.random(ROWS) < 0.1] = None
    if label is None:
        label = (c + random.normal(0, 0.5, ROWS) > 0.9).astype(float)
    return training_rows(
        Frame(
            key=np.array([f"k{place:04d}" for place in range(ROWS)], dtype=object),
            date=np.array([f"2024-01-{1 + place // 10:02d}" for place in range(ROWS)]),
            label=label,
            columns={**columns, "site": site, "note": note},
        )
    )


def learn(
    features: Mapping[str, Any],
    together: Mapping[str, Any] | None = None,
    of: TrainingRows | None = None,
    **model: Any,
) -> tuple[preparation.Preparation, preparation.Fitted]:
    contract = any_contract(features=dict(features), preparation=dict(together or {}), **model)
    given = any_rows() if of is None else of
    return preparation.training(given, agreed(contract))


def number(**options: Any) -> dict[str, Any]:
    return {**NUMBER, **options}


STEPS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({"a": NUMBER}, {}),
    **{
        f"imputation {name}": ({"a": number(imputation=name), "c": NUMBER, "d": NUMBER}, {})
        for name in ("mean", "median", "mode", "knn", "iterative")
    },
    "imputation constant": ({"a": number(imputation="constant", value=-1)}, {}),
    "imputation drop": ({"a": number(imputation="drop", value=0), "c": NUMBER}, {}),
    "two imputations across": (
        {"a": number(imputation="knn"), "d": number(imputation="iterative"), "b": number(imputation="mean")},
        {"knn": {"neighbours": 3, "sample": 100, "features": ["a", "b"]}, "iterative": {"rounds": 3}},
    ),
    **{
        f"outliers {method} {rule}": ({"b": number(outliers={"method": method, "rule": rule})}, {})
        for method in ("trim", "cap")
        for rule in ("iqr", "quantile", "z")
    },
    "outliers log": (
        {"b": number(outliers={"method": "log"}, imputation="constant", value=-2, scaling="z_score")},
        {},
    ),
    "scaling min_max": ({"a": number(scaling="min_max"), "c": NUMBER}, {}),
    "scaling z_score": ({"a": number(scaling="z_score", imputation="mean"), "c": NUMBER}, {}),
    "bins quantile": ({"b": number(encoding="bins", bins={"count": 5, "strategy": "quantile"})}, {}),
    "bins uniform": ({"b": number(encoding="bins", bins={"count": 5, "strategy": "uniform"})}, {}),
    "cyclic": ({"minute": number(encoding="cyclic", period=1440), "a": NUMBER}, {}),
    "one_hot": ({"site": SITE, "a": NUMBER}, {}),
    "ordinal": ({"site": {**SITE, "encoding": "ordinal", "imputation": "mode"}}, {}),
    "target": ({"site": {**SITE, "encoding": "target"}}, {}),
    "categorical drop": ({"site": {**SITE, "imputation": "drop", "value": "S"}, "a": NUMBER}, {}),
    "tf_idf": ({"note": NOTE}, {}),
    "tf_idf without stop words": (
        {"note": {**NOTE, "stop_words": "english", "imputation": "constant", "value": "storm"}},
        {},
    ),
    "hashing": ({"note": {**NOTE, "encoding": "hashing", "dimensions": 16, "stop_words": "english"}}, {}),
    "lsa": ({"note": {**NOTE, "encoding": "lsa", "terms": 9, "dimensions": 3}}, {}),
    "interactions": ({"a": number(scaling="z_score"), "b": NUMBER}, {"interactions": [["a", "b"], ["b", "b"]]}),
    "pca": (
        {name: number(imputation="mean") for name in "abd"} | {"site": SITE},
        {"pca": {"features": ["a", "b", "d"], "components": 2, "replace": True}},
    ),
    "pca beside its features": (
        {name: number(imputation="median", scaling="min_max") for name in "abd"},
        {"pca": {"features": ["a", "b", "d"], "components": 3, "replace": False}},
    ),
}  # fmt: skip
STEPS["all at once"] = (
    {
        "a": number(imputation="knn", scaling="z_score"),
        "minute": number(encoding="cyclic", period=1440),
        "b": number(imputation="iterative", outliers={"method": "cap", "rule": "quantile"}),
        "site": {**SITE, "encoding": "target"},
        "c": number(outliers={"method": "log"}, scaling="min_max"),
        "note": {**NOTE, "encoding": "lsa", "terms": 9, "dimensions": 3},
        "d": number(encoding="bins", bins={"count": 4, "strategy": "uniform"}),
    },
    {
        "interactions": [["a", "b"]],
        "pca": {"features": ["a", "b"], "components": 2, "replace": False},
        "imbalance": {"method": "smote"},
    },
)
