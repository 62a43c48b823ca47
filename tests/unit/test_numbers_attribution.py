"""Attributions by their definitions: Shapley values counted over all coalitions, terms of a linear model."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from tests.any_rows import bundled, fitted

Tree = dict[str, dict[str, Any]]


def expectation(tree: Tree, node: str, line: np.ndarray, known: frozenset[int]) -> float:
    """What a tree says of a row of which only the columns `known` are; else its branches by their cover."""
    here = tree[node]
    if here["Feature"] == "Leaf":
        return float(here["Gain"])
    column = int(here["Feature"][1:])
    if column in known:
        # Single precision, as XGBoost compares.
        goes_yes = line[column] < np.float32(here["Split"])
        way = here["Missing"] if np.isnan(line[column]) else here["Yes"] if goes_yes else here["No"]
        return expectation(tree, way, line, known)
    ways = (here["Yes"], here["No"])
    parts, weights = zip(
        *((expectation(tree, way, line, known), tree[way]["Cover"]) for way in ways), strict=True
    )
    return float(np.average(parts, weights=weights))


def shapley(tree: Tree, line: np.ndarray) -> np.ndarray:
    """The mean gain of a column's becoming known, over all orders in which columns may."""
    used = sorted({int(node["Feature"][1:]) for node in tree.values() if node["Feature"] != "Leaf"})
    root, count = next(iter(tree)), len(used)
    found = np.zeros(len(line))
    for column in used:
        others = [other for other in used if other != column]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for chosen in combinations(others, size):
                known = frozenset(chosen)
                gain = expectation(tree, root, line, known | {column}) - expectation(tree, root, line, known)
                found[column] += weight * gain
    return found


@pytest.mark.parametrize("family", ["xgboost", "forest"])
@pytest.mark.parametrize("problem", ["binary", "regression"])
def test_parts_of_trees_are_shapley_values_over_all_coalitions(family: str, problem: str) -> None:
    given = {"num_round": 3} if family == "xgboost" else {"trees": 3}
    predictor = fitted(family, problem, max_depth=3, **given).predictor
    _, held = bundled(problem, missing=0.2)
    lines = held.matrix[:4].astype(np.float32)
    nodes = predictor.booster.trees_to_dataframe().set_index("ID")
    expected = np.zeros(lines.shape)
    for _, tree in nodes.groupby("Tree"):
        expected += [shapley(tree.to_dict("index"), line) for line in lines]
    found = predictor.contributions(lines)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_parts_of_linear_models_are_coefficients_times_scaled_values_of_scikit_learn() -> None:
    for family, problem in (("linear", "regression"), ("logistic", "binary")):
        train, held = bundled(problem)
        scaler = StandardScaler().fit(train.matrix.astype(np.float64))
        strength = 0.1 * len(train)
        library = Ridge(strength) if family == "linear" else LogisticRegression(C=1 / strength, max_iter=500)
        library.fit(scaler.transform(train.matrix.astype(np.float64)), train.label)
        expected = scaler.transform(held.matrix.astype(np.float64)) * np.ravel(library.coef_)
        found = fitted(family, problem, alpha=0.1).predictor.contributions(held.matrix)
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
