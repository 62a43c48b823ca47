"""A boosted reference model and its skill: what learning curve and comparison of splits are made with.

It is no candidate of the run: few and shallow trees, the same for every data set, categories by frequency (no
label is used to encode them), missing values as they are. Skill is 0 for knowing nothing and 1 for certainty:
2 AUC - 1 (Gini; with several classes the mean over classes, one against the rest), or R squared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tabular.explore.describe import CLASSES, terms
from tabular.explore.sampling import Rows

TREES, DEPTH, ETA = 60, 4, 0.2
MOST_TERMS = 20
SEED = 20


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """categories: name -> value -> number; terms: name -> the terms whose presence is a column."""

    kinds: Mapping[str, str]
    categories: Mapping[str, Mapping[str, int]]
    terms: Mapping[str, Sequence[str]]

    @classmethod
    def fit(cls, rows: Rows, kinds: Mapping[str, str]) -> "Encoder":
        categories, told = {}, {}
        for name, kind in kinds.items():
            known = [value for value in rows.columns[name] if value is not None] if kind != "numeric" else []
            if kind == "categorical":
                values, counts = np.unique(np.array(known, dtype=str), return_counts=True)
                order = sorted(range(len(values)), key=lambda at: (-counts[at], values[at]))
                categories[name] = {str(values[at]): place for place, at in enumerate(order)}
            elif kind == "text":
                counted: dict[str, int] = {}
                for value in known[:5_000]:
                    for term in terms(value):
                        counted[term] = counted.get(term, 0) + 1
                told[name] = sorted(counted, key=lambda term: (-counted[term], term))[:MOST_TERMS]
        return cls(kinds=kinds, categories=categories, terms=told)

    def matrix(self, rows: Rows) -> np.ndarray:
        """(n, columns) float32; NaN where a value is missing or was not seen."""
        columns = []
        for name, kind in self.kinds.items():
            values = rows.columns[name]
            if kind == "numeric":
                columns.append(values)
            elif kind == "categorical":
                known = self.categories[name]
                columns.append(np.array([known.get(value, np.nan) for value in values], dtype=float))
            else:
                found = [terms(value) if value is not None else None for value in values]
                columns += [
                    np.array([np.nan if held is None else float(term in held) for held in found])
                    for term in self.terms[name]
                ]
        return np.column_stack(columns).astype(np.float32)


def fit_predict(
    problem: str, classes: int, train: np.ndarray, label: np.ndarray, matrix: np.ndarray
) -> np.ndarray:
    """Scores of `matrix`, (n,) or (n, classes), of a model of `train`; one thread: the same every time."""
    import xgboost

    parameters = {"max_depth": DEPTH, "eta": ETA, "nthread": 1, "seed": SEED, "tree_method": "hist"}
    centre = 0.0
    if problem == "binary":
        parameters |= {"objective": "binary:logistic"}
    elif problem == "multiclass":
        parameters |= {"objective": "multi:softprob", "num_class": classes}
    else:
        parameters |= {"objective": "reg:squarederror", "base_score": 0.0}
        centre = float(label.mean())
    data = xgboost.DMatrix(train, label - centre, nthread=1)
    booster = xgboost.train(parameters, data, TREES)
    scores = booster.predict(xgboost.DMatrix(matrix, nthread=1))
    return np.asarray(scores, dtype=float) + centre


def skill(problem: str, label: np.ndarray, scores: np.ndarray, expected: float) -> float:
    """`expected`: the mean of the training labels, which a forecast without knowledge would say."""
    if problem in CLASSES:
        return float(gini(label[:, None], scores)[0])
    return float(1 - ((label - scores) ** 2).mean() / ((label - expected) ** 2).mean())


def gini(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """2 AUC - 1 of each column of labels, (rows, m), with the same scores, (rows,) or (rows, classes).

    NaN where there is one class only.
    """
    from scipy import stats

    if scores.ndim == 1:
        return _gini(labels == 1, stats.rankdata(scores))
    each = [
        _gini(labels == number, stats.rankdata(scores[:, number]))
        for number in range(scores.shape[1])
        if (labels[:, 0] == number).any() and (labels[:, 0] != number).any()
    ]
    return np.mean(each, axis=0) if each else np.full(labels.shape[1], np.nan)


def _gini(positive: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    count = positive.sum(axis=0)
    others = len(ranks) - count
    with np.errstate(invalid="ignore", divide="ignore"):
        area = (ranks @ positive - count * (count + 1) / 2) / (count * others)
    return 2 * area - 1


def chance(problem: str, label: np.ndarray, scores: np.ndarray, expected: float, shuffles: int) -> float:
    """Share of shuffled labels (the true order counted in) with which these scores do as well: a p-value."""
    random = np.random.default_rng(SEED)
    shuffled = np.column_stack([random.permutation(label) for _ in range(shuffles)])
    if problem in CLASSES:
        by_chance = gini(shuffled, scores)
    else:
        spread = ((label - expected) ** 2).mean()
        by_chance = 1 - ((shuffled - scores[:, None]) ** 2).mean(axis=0) / spread
    return float((1 + (by_chance >= skill(problem, label, scores, expected)).sum()) / (1 + shuffles))
